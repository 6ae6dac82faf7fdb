"""A wish to stop, asked for by C code, which can carry no exception."""

from __future__ import annotations

from pluralism_local.engine.base import ShouldStop


class Poll:
    """A `should_stop` for C code: an exception in it (Ctrl-C) stops, and is raised again afterwards."""

    def __init__(self, should_stop: ShouldStop) -> None:
        self._should_stop = should_stop
        self._error: BaseException | None = None
        self.stopped = False

    def __call__(self) -> bool:
        try:
            self.stopped = self.stopped or self._should_stop()
        except BaseException as error:  # noqa: BLE001 - C code cannot carry it
            self._error, self.stopped = error, True
        return self.stopped

    def reraise(self) -> None:
        """Raise what the poll swallowed."""
        if self._error is not None:
            raise self._error
