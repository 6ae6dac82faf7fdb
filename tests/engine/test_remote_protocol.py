"""The OpenAI protocol's values, against hand computation and against a hidden full distribution."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.remote_protocol import bounded, spelled
from pluralism_local.engine.remote_refusals import Server, refusal, retry_after
from pluralism_local.engine.remote_reply import FirstToken, ending, read
from pluralism_local.engine.remote_secrets import Blotter
from pluralism_local.errors import ContextOverflow, InvalidInput, RemoteFailure, RequestRefused, Unsupported
from pluralism_local.types import OptionDistribution

SERVER = Server("http://server/v1")
KEYED = Server(SERVER.url, Blotter("sk-1"), "Set it again.")


def first(top: dict[str, float], drawn: str | None = None) -> FirstToken:
    """A first token with these probabilities beside it; `drawn` defaults to the most probable."""
    drawn = drawn or max(top, key=lambda token: top[token])
    listed = [{"token": token, "logprob": math.log(p)} for token, p in top.items()]
    return FirstToken.model_validate(
        {"token": drawn, "logprob": math.log(top[drawn]), "top_logprobs": listed}
    )


def check(d: OptionDistribution) -> None:
    """What holds of every distribution over options."""
    assert sum(d.p) == pytest.approx(1, abs=1e-12)
    assert d.unassigned_mass == pytest.approx(1 - sum(d.mass), abs=1e-12)
    assert 0 <= d.unassigned_mass <= 1
    for mass, (low, high) in zip(d.mass, d.bounds, strict=True):
        assert 0 <= low <= mass <= high <= 1 + 1e-12


def test_spellings_are_summed_and_exact_when_nothing_is_hidden() -> None:
    d = bounded(("A", "B"), first({"A": 0.4, " A": 0.2, "B": 0.25, " B": 0.05, "The": 0.1}), SERVER)
    assert d.mass == pytest.approx((0.6, 0.3))
    assert [low for low, _ in d.bounds] == [high for _, high in d.bounds] == pytest.approx([0.6, 0.3])
    assert d.p == pytest.approx((2 / 3, 1 / 3))
    assert d.unassigned_mass == pytest.approx(0.1)
    assert d.method == "top_logprobs"


def test_a_missing_option_is_bounded_by_the_least_returned_and_not_zero() -> None:
    # 0.1 is left; "B" and " B" may each have up to 0.02; " A" too.
    d = bounded(("A", "B"), first({"A": 0.7, "The": 0.18, "It": 0.02}), SERVER)
    check(d)
    assert d.bounds[0] == pytest.approx((0.7, 0.72))
    assert d.bounds[1] == pytest.approx((0.0, 0.04))
    assert d.mass == pytest.approx((0.71, 0.02))
    assert d.unassigned_mass == pytest.approx(0.27)


def test_a_missing_option_is_bounded_by_what_is_left() -> None:
    d = bounded(("A", "B"), first({"A": 0.7, "The": 0.295}), SERVER)
    check(d)
    assert d.bounds[1] == pytest.approx((0.0, 0.005))
    # the two gaps of 0.005 share half of the 0.005 that is left
    assert d.mass == pytest.approx((0.70125, 0.00125))


def test_a_drawn_token_of_low_rank_does_not_tighten_the_bound() -> None:
    d = bounded(("A", "B"), first({"A": 0.6, " A": 0.1, "The": 0.1, "zebra": 1e-6}, drawn="zebra"), SERVER)
    assert d.bounds[1] == pytest.approx((0.0, 1 - 0.6 - 0.1 - 0.1 - 1e-6))


def test_no_option_returned_means_uniform_and_says_so() -> None:
    d = bounded(("A", "B", "C"), first({"The": 0.5, "It": 0.1}), SERVER)
    check(d)
    assert d.p == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert d.method == "uniform"


def test_a_word_of_several_tokens_is_refused() -> None:
    with pytest.raises(Unsupported, match="'Disagree'"):
        bounded(("Agree", "Disagree"), first({"Agree": 0.6, "Dis": 0.3}), SERVER)


def test_a_faint_beginning_only_widens_the_bound() -> None:
    d = bounded(("Agree", "Disagree"), first({"Agree": 0.99, "D": 0.004, "x": 0.006}), SERVER)
    check(d)
    assert d.bounds[1] == pytest.approx((0.0, 0.004))


def test_logprobs_that_are_no_probabilities_are_refused() -> None:
    for top in ([("A", 0.0), ("B", 0.0)], [("A", math.nan)], [("A", 3000.0)]):
        token = FirstToken.model_validate(
            {"token": "A", "logprob": -1.0, "top_logprobs": [{"token": t, "logprob": p} for t, p in top]}
        )
        with pytest.raises(RemoteFailure, match="no probabilities"):
            bounded(("A", "B"), token, SERVER)


@given(
    weights=st.lists(st.floats(1e-6, 1), min_size=8, max_size=30),
    shown=st.integers(1, 20),
    drawn=st.integers(0, 7),
)
def test_the_hidden_truth_lies_within_the_bounds(weights: list[float], shown: int, drawn: int) -> None:
    names = ["A", " A", "B", " B", "C", " C", "x", "y", *(f"t{i}" for i in range(len(weights) - 8))]
    truth = {name: weight / sum(weights) for name, weight in zip(names, weights, strict=True)}
    ranked = sorted(truth, key=lambda name: -truth[name])[:shown]
    visible = {name: truth[name] for name in [*ranked, names[drawn]]}
    d = bounded(("A", "B", "C"), first(visible, drawn=names[drawn]), SERVER)
    check(d)
    for option, (low, high) in zip(d.options, d.bounds, strict=True):
        assert low - 1e-9 <= truth[option] + truth[f" {option}"] <= high + 1e-9


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 2048 tokens. However, you requested 3036 tokens (3031 in the "
        "messages, 5 in the completion).",
        "request (3036 tokens) exceeds the available context size (2048 tokens), try increasing it",
        "Requested tokens (3036) exceed context window of 2048",
    ],
)
def test_an_overflow_is_recognised_with_both_numbers(said: str) -> None:
    error = refusal(400, json.dumps({"error": {"message": said}}), SERVER)
    assert isinstance(error, ContextOverflow)
    assert (error.needed, error.available) == (3036, 2048)


def test_other_complaints_quote_the_server_but_never_the_key() -> None:
    error = refusal(400, json.dumps({"detail": "bad\nfield; key sk-1 is fine"}), KEYED)
    assert type(error) is RequestRefused
    assert error.message.endswith("(HTTP 400): bad field; key *** is fine")
    assert "sk-1" not in refusal(500, "sk-1 " * 100, KEYED).message


def test_an_error_inside_a_stream_keeps_its_status() -> None:
    with pytest.raises(InvalidInput, match="temperature"):
        read('{"error": {"code": 400, "message": "temperature too high"}}', SERVER)
    with pytest.raises(RemoteFailure, match="out of memory"):
        read('{"error": "out of memory"}', SERVER)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text, SERVER)
    except RemoteFailure as error:
        assert error.hint


def test_a_withheld_answer_is_no_answer() -> None:
    reply = read('{"choices": [{"delta": {"content": "I"}, "finish_reason": "content_filter"}]}', SERVER)
    with pytest.raises(RemoteFailure, match="content_filter"):
        ending(reply.reason, SERVER, ends=True, text=True)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0),
        ("3", 3),
        ("900", 10),
        ("-1", 0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 0),
        ("nan", 0),
        ("soon", 0),
    ],
)
def test_retry_after(header: str, seconds: float) -> None:
    assert retry_after(header) == seconds


@pytest.mark.parametrize(("second", "seconds"), [(4, 4), (40, 10), (0, 0)])
def test_retry_after_a_date_is_counted_from_now(second: int, seconds: float) -> None:
    now = datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)
    assert retry_after(f"Wed, 21 Oct 2026 07:28:{second:02} GMT", now) == seconds


@pytest.mark.parametrize(
    ("tops", "masses"),
    [
        ({"ĠA": 0.6, "ĠB": 0.3}, (0.6, 0.3)),
        ({"▁A": 0.6, "▁B": 0.3}, (0.6, 0.3)),
        ({"A": 0.4, "ĠA": 0.2, "▁B": 0.3}, (0.6, 0.3)),
        ({"ĊA": 0.6, " B": 0.3}, (0.6, 0.3)),
    ],
)
def test_raw_spellings_of_tokens_are_read(tops: dict[str, float], masses: tuple[float, ...]) -> None:
    d = bounded(("A", "B"), first(tops), SERVER)
    check(d)
    assert d.method == "top_logprobs"
    assert [low for low, _ in d.bounds] == pytest.approx(masses)


@pytest.mark.parametrize(
    ("token", "raw", "text"),
    [
        ("token_id:32", [32, 65], " A"),
        ("ĠÃľber", None, " Über"),
        ("▁Über", None, " Über"),
        ("Ġ", None, " "),
        ("Ġ▁日", None, "Ġ 日"),
        ("A", [], "A"),
        ("\ufffd", [0xF0, 0x9F], "\ufffd"),
    ],
)
def test_the_bytes_decide_what_a_token_is(token: str, raw: list[int] | None, text: str) -> None:
    assert spelled(token, raw) == text


@given(st.text(max_size=12))
def test_a_token_of_its_bytes_is_its_text(text: str) -> None:
    assert spelled("?", list(text.encode())) == (text or "?")


def test_two_tokens_of_one_spelling_are_summed_and_the_drawn_one_counts_once() -> None:
    token = {"logprob": math.log(0.4), "token": "▁A"}
    other = {"logprob": math.log(0.2), "token": " A", "bytes": [32, 65]}
    least = {"logprob": math.log(0.1), "token": "B", "bytes": None}
    found = bounded(
        ("A", "B"), FirstToken.model_validate({**token, "top_logprobs": [token, other, least]}), SERVER
    )
    assert found.bounds[0][0] == pytest.approx(0.6)


@pytest.mark.parametrize("top", [None, "x", [None, 3, {"token": "B"}]])
def test_unreadable_alternatives_leave_what_was_drawn(top: object) -> None:
    token = FirstToken.model_validate({"token": "A", "logprob": math.log(0.7), "top_logprobs": top})
    d = bounded(("A", "B"), token, SERVER)
    check(d)
    assert [*d.bounds[0], *d.bounds[1]] == pytest.approx([0.7, 1.0, 0.0, 0.3])
