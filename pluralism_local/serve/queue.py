"""Requests that wait for the engines, and the thread that answers them.

    ChatJob ──put──> FairQueue ──take──> EngineThread ──Service.answer──> events ──> the job's own asyncio queue

The engines answer one request at a time. Addresses take turns, and at each turn of an address its users do: whoever
sends twenty requests, under one name or under twenty, does not keep another's single one waiting for all of them. A job
whose client has left is dropped, or stopped where it is.
"""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from pluralism_local.engine.base import ShouldStop
from pluralism_local.results import ModeEvent
from pluralism_local.serve.replies import Rejected
from pluralism_local.serve.requests import ChatRequest

RETRY_SECONDS = 5
"""What a client is told to wait when the queue is full."""


class AnswerService(Protocol):
    """What a `EngineThread` needs of a `Service`."""

    def answer(self, request: ChatRequest, should_stop: ShouldStop) -> Iterator[ModeEvent]:
        """The events of a request."""


@dataclass(eq=False, slots=True)
class ChatJob:
    """A request on its way.

    Attributes:
        address: where it comes from; addresses take turns, and the users that requests name at each.
        events: what comes of it, an exception instead of a result where it fails.
        left: set when nobody waits for it any more.
    """

    address: str
    request: ChatRequest
    events: asyncio.Queue[ModeEvent | Exception] = field(default_factory=asyncio.Queue)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    left: threading.Event = field(default_factory=threading.Event)

    def give(self, item: ModeEvent | Exception) -> None:
        """Hand on an event, from any thread."""
        with suppress(RuntimeError):  # the loop has ended, and with it whoever waits
            self.loop.call_soon_threadsafe(self.events.put_nowait, item)


class FairQueue:
    """Jobs that wait, `most` of them at once, by address and user, who take turns. `closed`: it takes no more."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: OrderedDict[str, OrderedDict[str, deque[ChatJob]]] = OrderedDict()
        self._changed = threading.Condition()
        self.closed = False

    def __len__(self) -> int:
        with self._changed:
            return len(self._jobs())

    def _jobs(self) -> list[ChatJob]:
        return [job for users in self._waiting.values() for jobs in users.values() for job in jobs]

    def put(self, job: ChatJob) -> None:
        """Let a job wait.

        Raises:
            Rejected: the queue is full (429), or the server is about to end (503).
        """
        with self._changed:
            if self.closed:
                raise ending()
            if len(self._jobs()) >= self._most:
                raise Rejected(
                    429,
                    f"{self._most} requests are waiting, as many as may. Ask again later.",
                    "queue_full",
                    {"retry-after": str(RETRY_SECONDS)},
                )
            users = self._waiting.setdefault(job.address, OrderedDict())
            users.setdefault(job.request.user, deque()).append(job)
            self._changed.notify()

    def take(self) -> ChatJob | None:
        """The next job, waited for; None once the queue is closed."""
        with self._changed:
            while not self._waiting and not self.closed:
                self._changed.wait()
            if self.closed:
                return None
            address, users = self._waiting.popitem(last=False)
            user, jobs = users.popitem(last=False)
            job = jobs.popleft()
            if jobs:
                users[user] = jobs  # behind all others of the address
            if users:
                self._waiting[address] = users  # behind all others
            return job

    def drop(self, job: ChatJob) -> None:
        """Let a job wait no longer, if it does."""
        with self._changed:
            users = self._waiting.get(job.address, OrderedDict())
            jobs = users.get(job.request.user, deque())
            with suppress(ValueError):
                jobs.remove(job)
            if not jobs:
                users.pop(job.request.user, None)
            if not users:
                self._waiting.pop(job.address, None)

    def close(self) -> None:
        """Take no more; those that wait are told so."""
        with self._changed:
            self.closed = True
            waiting = self._jobs()
            self._waiting.clear()
            self._changed.notify_all()
        for job in waiting:
            job.give(ending())


class EngineThread:
    """The thread that the engines belong to; `answering` tells whether it is at a request."""

    def __init__(self, service: AnswerService, queue: FairQueue) -> None:
        self._service, self._queue = service, queue
        self._thread = threading.Thread(target=self._work, name="plocal-serve")
        self._ends = threading.Event()
        self.answering = False

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def end(self) -> None:
        """Stop what is being answered and wait for that."""
        self._ends.set()
        self._queue.close()
        self._thread.join()

    def _work(self) -> None:
        while (job := self._queue.take()) is not None:
            self.answering = True
            if not job.left.is_set():
                self._carry_out(job)
            self.answering = False

    def _carry_out(self, job: ChatJob) -> None:
        def should_stop() -> bool:
            return job.left.is_set() or self._ends.is_set()

        try:
            for event in self._service.answer(job.request, should_stop):
                job.give(event)
        except Exception as error:  # noqa: BLE001 - whatever it is, its client is told, and the next one is served
            job.give(error)


def ending() -> Rejected:
    """The refusal of a server that is about to end."""
    return Rejected(503, "The server is about to end.", "ending")
