"""A terminal that may go away while it is drawn on, without the application waiting for it for ever.

The toolkit's writer thread ends at its first failed write, and its queue holds 30: the drawings after that would
block the event loop, and with it the hang-up signal that ends the chat. So a failed write ends nothing here; what is
drawn on a terminal that is gone is dropped until the signal, or the end of the input, has closed the application.
In a browser the terminal is a pair of pipes to the server, whose end is that of the input.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
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
    """A driver like this one that outlives its terminal, and ends the application when a browser's server has gone."""

    class ForgivingDriver(driver):  # type: ignore[misc, valid-type]
        def __init__(self, *args: object, **kwargs: object) -> None:
            super().__init__(*args, **kwargs)
            file = getattr(self, "_file", None)
            if file is not None:
                self._file: Any = Forgiving(file)
            elif getattr(self, "is_web", False):
                self._write: Any = _forgiving_write(self._write)

        def run_input_thread(self) -> None:
            super().run_input_thread()
            if self.is_web and not self.exit_event.is_set():
                with suppress(RuntimeError):  # it is ending by itself
                    self._app.call_from_thread(self._app.exit)

    return ForgivingDriver


def _forgiving_write(write: Callable[[bytes], int]) -> Callable[[bytes], int]:
    """`write` to a pipe, all of what it is given; dropped from the first failure on."""
    is_gone = False

    def drop_or_write(text: bytes) -> int:
        nonlocal is_gone
        begin = 0
        while begin < len(text) and not is_gone:
            try:
                begin += write(text[begin:])
            except OSError:
                is_gone = True
        return len(text)

    return drop_or_write
