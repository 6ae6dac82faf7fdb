"""Clients take turns, and what is remembered of conversations is bounded."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.results import Turn
from pluralism_local.serve.conversations import Conversations
from pluralism_local.serve.queue import ChatJob, FairQueue
from pluralism_local.serve.replies import Rejected
from tests.serve.test_requests import ask, read


def jobs(*senders: str) -> list[ChatJob]:
    """A job of each address, or of ``address/user``."""

    async def make() -> list[ChatJob]:
        apart = [sender.partition("/") for sender in senders]
        return [ChatJob(address, replace(ask("?"), user=user)) for address, _, user in apart]

    return asyncio.run(make())


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (["a", "a", "a", "b", "c"], [0, 3, 4, 1, 2]),
        (["a/x", "a/x", "a/y"], [0, 2, 1]),
        (["a/1", "a/2", "a/3", "b"], [0, 3, 1, 2]),
        (["a/x", "a/x", "a/y", "b/x", "b/x"], [0, 3, 2, 4, 1]),
    ],
    ids=["addresses", "users of an address", "many names of an address", "users of addresses"],
)
def test_addresses_take_turns_and_at_each_its_users(sent: list[str], answered: list[int]) -> None:
    queue = FairQueue(10)
    waiting = jobs(*sent)
    for job in waiting:
        queue.put(job)
    assert len(queue) == len(sent)
    assert [queue.take() for _ in sent] == [waiting[place] for place in answered]


@given(st.lists(st.sampled_from(["a", "a/x", "a/y", "b", "b/x", "c/x"]), max_size=20), st.data())
def test_no_job_is_lost_and_no_address_waits_for_two_of_another(sent: list[str], data: st.DataObject) -> None:
    queue = FairQueue(len(sent))
    waiting = jobs(*sent)
    for job in waiting:
        queue.put(job)
    dropped = data.draw(st.sets(st.sampled_from(waiting))) if waiting else set()
    for job in dropped:
        queue.drop(job)
    taken = [queue.take() for _ in range(len(queue))]
    assert {id(job) for job in taken} == {id(job) for job in waiting if job not in dropped}
    addresses = [job.address for job in taken if job is not None]
    for place, address in enumerate(addresses):
        others = set(addresses[place:]) - {address}
        if place and addresses[place - 1] == address:
            assert not others  # nobody else was waiting


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
    taken: list[ChatJob | None] = []
    thread = threading.Thread(target=lambda: taken.append(queue.take()))
    thread.start()
    queue.close()
    thread.join(60)
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
