"""Several requests to a server at once, a thread each, and at most so many.

    [work…] ──run──> the events of all of them as they come in; the first failure ends the others and is raised

A server that answers many at once is asked so; the engine stays synchronous, and every thread has its own connection.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import TypeVar

from pluralism_local.engine.base import ShouldStop

T = TypeVar("T")
Work = Callable[[ShouldStop], Iterator[T]]


class _End:
    """One piece of work is over; `error` is None if well."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def run(works: Sequence[Work[T]], most: int, should_stop: ShouldStop) -> Iterator[T]:
    """The events of all works, at most `most` of them at once; those of one in their order.

    Closing the iterator stops them all.

    Raises:
        BaseException: the first that any of them raises, once all have ended.
    """
    events: SimpleQueue[T | _End] = SimpleQueue()
    over = threading.Event()

    def stops() -> bool:
        return over.is_set() or should_stop()

    def carry_out(work: Work[T]) -> None:
        error: BaseException | None = None
        try:
            if not over.is_set():
                for event in work(stops):
                    events.put(event)
        except BaseException as raised:  # noqa: BLE001 - raised again where the events are read
            error = raised
        events.put(_End(error))

    failure: BaseException | None = None
    with ThreadPoolExecutor(most, "plocal-remote") as pool:
        try:
            for work in works:
                pool.submit(carry_out, work)
            left = len(works)
            while left:
                event = events.get()
                if not isinstance(event, _End):
                    if failure is None:
                        yield event
                    continue
                left -= 1
                if event.error is not None and failure is None:
                    failure = event.error
                    over.set()
        finally:
            over.set()
    if failure is not None:
        raise failure
