"""Events on their way to the application: many in, at most 20 posts a second out, in order, none left lying.

worker ──add──> [ … ] ──a thread of its own, every 50 ms──> post(events)
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pluralism_local.tui.worker_events import WorkEvent

INTERVAL = 0.05
"""Seconds between two posts at least."""

Post = Callable[[tuple["WorkEvent", ...]], object]


class Outbox:
    """Collects events and posts them together.

    Args:
        post: takes what has come since the last time; called from the outbox's thread.
        interval: seconds between two posts at least.
    """

    def __init__(self, post: Post, interval: float = INTERVAL) -> None:
        self._post = post
        self._interval = interval
        self._events: list[WorkEvent] = []
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="plocal-outbox", daemon=True)
        self._thread.start()

    def add(self, event: WorkEvent) -> None:
        """Take an event; returns at once."""
        with self._changed:
            self._events.append(event)
            self._changed.notify()

    def close(self) -> None:
        """Post what is left, without waiting for the interval, and end the thread."""
        self._closed.set()
        with self._changed:
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._events or self._closed.is_set())
                events, self._events = tuple(self._events), []
            if events:
                self._post(events)
            elif self._closed.is_set():
                return
            self._closed.wait(self._interval)
