"""A terminal that may go away while it is drawn on, without the application waiting for it for ever.

The toolkit's writer thread ends at its first failed write, and its queue holds 30: the drawings after that would
block the event loop, and with it the hang-up signal that ends the chat. So a failed write ends nothing here; what is
drawn on a terminal that is gone is dropped until the signal, or the end of the input, has closed the application.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textual.driver import Driver


class Forgiving:
    """A text file whose writes are dropped from the first one that fails.

    Args:
        file: where text goes as long as it can.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self.gone = False

    def write(self, text: str) -> int:
        """Write, or drop, `text`; the number of characters taken."""
        if not self.gone:
            try:
                return self._file.write(text)
            except (OSError, ValueError):  # ValueError: the file was closed
                self.gone = True
        return len(text)

    def flush(self) -> None:
        """Hand on what was written, if there is still somebody to hand it to."""
        if not self.gone:
            try:
                self._file.flush()
            except (OSError, ValueError):
                self.gone = True

    def __getattr__(self, name: str) -> Any:
        # everything else is the file's own
        return getattr(self._file, name)


def forgiving(driver: type[Driver]) -> type[Driver]:
    """A driver like this one that outlives its terminal. One that writes to no file, as in a browser, is unchanged."""

    class ForgivingDriver(driver):  # type: ignore[misc, valid-type]
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)
            file = getattr(self, "_file", None)
            if file is not None:
                self._file: Any = Forgiving(file)

    return ForgivingDriver
