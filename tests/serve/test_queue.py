"""Clients take turns, and what is remembered of conversations is bounded."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pluralism_local.results import Turn
from pluralism_local.serve.conversations import Conversations
from pluralism_local.serve.queue import FairQueue, Job
from pluralism_local.serve.replies import Rejected
from tests.serve.test_requests import ask, read


def jobs(*clients: str) -> list[Job]:
    async def make() -> list[Job]:
        return [Job(client, ask("?")) for client in clients]

    return asyncio.run(make())


def test_clients_take_turns() -> None:
    queue = FairQueue(10)
    busy, busy_too, busiest, single, late = jobs("a", "a", "a", "b", "c")
    for job in (busy, busy_too, busiest, single, late):
        queue.put(job)
    assert len(queue) == 5
    assert [queue.take() for _ in range(5)] == [busy, single, late, busy_too, busiest]


def test_a_job_that_is_dropped_waits_no_longer() -> None:
    queue = FairQueue(2)
    first, second, third = jobs("a", "a", "b")
    queue.put(first)
    queue.put(second)
    with pytest.raises(Rejected, match="2 requests are waiting"):
        queue.put(third)
    queue.drop(first)
    queue.drop(third)
    queue.put(third)
    assert [queue.take(), queue.take()] == [second, third]


def test_closing_wakes_whoever_takes() -> None:
    queue = FairQueue(2)
    taken: list[Job | None] = []
    thread = threading.Thread(target=lambda: taken.append(queue.take()))
    thread.start()
    queue.close()
    thread.join(10)
    assert taken == [None]
    with pytest.raises(Rejected, match="about to end"):
        queue.put(*jobs("a"))


def test_what_is_remembered_is_bounded_and_the_oldest_goes() -> None:
    remembered = Conversations(most=3000)
    for number in range(20):
        request = ask(f"Question {number}?")
        remembered.keep(
            request, "Yes.", Turn(request.question, "Yes.", {"llm": "x" * 100}, {"llm": "y" * 100})
        )
    assert 1 < len(remembered) < 8
    latest = read(("user", "Question 19?"), ("assistant", "Yes."), ("user", "And?"))
    assert remembered.turns(latest)[0].messages == {"llm": "x" * 100}
    oldest = read(("user", "Question 0?"), ("assistant", "Yes."), ("user", "And?"))
    assert remembered.turns(oldest) == (Turn("Question 0?", "Yes.", {}, {}),)


def test_an_exchange_belongs_to_its_whole_conversation() -> None:
    remembered = Conversations()
    request = read(("system", "Be brief."), ("user", "Fair?"))
    remembered.keep(request, "Yes.", Turn("Fair?", "Yes.", {"llm": "asked"}, {"llm": "said"}))
    same = read(("system", "Be brief."), ("user", "Fair?"), ("assistant", "Yes.\n"), ("user", "Why?"))
    other = read(("system", "Be long."), ("user", "Fair?"), ("assistant", "Yes."), ("user", "Why?"))
    assert remembered.turns(same)[0].replies == {"llm": "said"}
    assert remembered.turns(other)[0].replies == {}
