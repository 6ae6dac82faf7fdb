"""Options weighed by answers that are drawn and counted, where a server shows no probabilities."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pluralism_local.engine.remote_protocol import RemoteOptions
from pluralism_local.engine.remote_samples import chosen, counted
from pluralism_local.errors import Unsupported
from pluralism_local.modes.aggregate import aggregate
from pluralism_local.modes.orders import Weighed
from pluralism_local.types import OptionRequest
from tests.support.remote_server import LETTERS, QUESTION, Server, answer, whole


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.mark.parametrize(
    ("reply", "option"),
    [
        ("A", 0),
        (" B. No", 1),
        ("**A**", 0),
        ("(B)", 1),
        ('"A"', 0),
        ("A: because", 0),
        ("Apples", None),
        ("I choose A", None),
        ("", None),
        ("b", None),
        ("AB", None),
    ],
)
def test_an_answer_names_the_option_it_begins_with(reply: str, option: int | None) -> None:
    assert chosen(("A", "B"), reply) == option


def test_of_options_that_begin_alike_the_longer_counts() -> None:
    assert [chosen(("Yes", "Yes, but"), reply) for reply in ("Yes.", "Yes, but not now")] == [0, 1]


def test_shares_masses_and_the_rest() -> None:
    weighed = counted(("A", "B"), ["A", "A.", "B", "Neither."])
    assert weighed.p == pytest.approx((2 / 3, 1 / 3))
    assert (weighed.mass, weighed.unassigned_mass, weighed.n, weighed.method) == (
        (0.5, 0.25),
        0.25,
        4,
        "samples",
    )
    assert all(low < mass < high for mass, (low, high) in zip(weighed.mass, weighed.bounds, strict=True))
    nothing = counted(("A", "B"), ["Hm.", "Well."])
    assert (nothing.p, nothing.method, nothing.unassigned_mass) == ((0.5, 0.5), "uniform", 1.0)
    together = aggregate(
        ("Yes", "No"),
        [("x", 0.5, Weighed(((0, 1),), (weighed,))), ("y", 0.5, Weighed(((0, 1),), (weighed,)))],
    )
    assert (together.n, together.method) == (8, "samples")
    assert together.bounds is not None


def test_a_server_without_logprobs_is_counted_and_not_probed_again(server: Server) -> None:
    replies = ["A", "B", "A. Yes", "A"]
    acts = [answer(200, whole("A")), *(answer(200, whole(text)) for text in replies * 2)]
    engine = server.engine(*acts, options=RemoteOptions(samples=4))
    first, second = engine.distribution([LETTERS]), engine.distribution([LETTERS])
    assert first == second
    assert (first[0].p, first[0].n, first[0].method) == ((0.75, 0.25), 4, "samples")
    assert len(server.requests) == 9
    assert [request["seed"] for request in server.requests[1:5]] == [0, 1, 2, 3]
    assert all("logprobs" not in request for request in server.requests[1:])


def test_a_model_that_thinks_first_is_counted_by_what_it_says_then(server: Server) -> None:
    thinking = {
        "choices": [{"message": {"content": "", "reasoning_content": "Hm"}, "finish_reason": "length"}]
    }
    inline = whole("<think>B? No.</think>A")
    engine = server.engine(answer(200, thinking), answer(200, inline), options=RemoteOptions(samples=1))
    (weighed,) = engine.distribution([LETTERS])
    assert weighed.p == (1.0, 0.0)
    assert server.requests[1]["max_tokens"] > 1000


def test_words_of_several_tokens_can_be_counted(server: Server) -> None:
    engine = server.engine(answer(200, whole("Not at all.")), options=RemoteOptions(logprobs="no", samples=1))
    (weighed,) = engine.distribution([OptionRequest(QUESTION, ("Not at all", "Very much"))])
    assert weighed.p == (1.0, 0.0)


def test_without_samples_it_is_refused_and_says_how_to_count(server: Server) -> None:
    engine = server.engine(answer(200, whole("A")))
    with pytest.raises(Unsupported) as refusal:
        engine.distribution([LETTERS])
    assert "--samples" in refusal.value.hint
    assert server.engine(options=RemoteOptions(logprobs="no")).capabilities.distribution == "none"
    certain = server.engine(answer(200, whole("A")), options=RemoteOptions(logprobs="yes", samples=3))
    with pytest.raises(Unsupported):
        certain.distribution([LETTERS])
    assert len(server.requests) == 2
