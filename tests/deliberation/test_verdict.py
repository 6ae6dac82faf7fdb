"""A choice of statements: who loses most, what α would choose, what is no consensus."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.agreement import Agreement, Loss, Rule
from pluralism_local.deliberation.verdict import Candidate, agreement

A, B, C = (
    Candidate("aa", "Ban them.", ("left",)),
    Candidate("bb", "Ask the parents.", ("llm",)),
    Candidate("cc", "Let each school decide.", ("right", "center")),
)
SCORES = {"left": [0.9, 0.5, 0.6], "center": [0.9, 0.55, 0.7], "right": [0.1, 0.55, 0.4]}
EVEN = {"left": 1.0, "center": 1.0, "right": 1.0}


def judged(rule: Rule, alpha: float | None = None, weights: dict[str, float] = EVEN) -> Agreement:
    return agreement([A, B, C], SCORES, weights, rule, alpha)


def test_what_some_voice_rejects_is_no_consensus_however_it_was_chosen() -> None:
    by_mean = judged("mean")
    assert by_mean.chosen.text == "Ban them." and by_mean.chosen.welfare == pytest.approx(1.9 / 3)
    assert by_mean.chosen.rejected_by == ("right",) and not by_mean.is_consensus
    by_least = judged("maxmin")
    assert by_least.chosen.id == "bb" and by_least.is_consensus  # .5 is no rejection
    assert [it.id for it in by_least.statements] == ["bb", "cc", "aa"]


def test_the_voice_that_gives_up_most_is_named_with_what_it_wanted() -> None:
    assert judged("mean").loses_most == Loss("right", 0.1, "bb", 0.55)
    assert judged("maxmin").loses_most == Loss("left", 0.5, "aa", 0.9)
    content = agreement([A, B], {"left": [0.9, 0.1], "right": [0.8, 0.2]}, EVEN, "mean")
    assert content.loses_most is None


def test_the_sweep_goes_from_the_many_to_the_least() -> None:
    sweep = judged("nash").sweep
    assert [(it.alpha, it.statement) for it in sweep] == [
        (0, "aa"), (0.5, "cc"), (1, "cc"), (2, "cc"), (4, "bb"), (8, "bb"), (16, "bb"), (math.inf, "bb"),
    ]  # fmt: skip
    assert sweep[0].welfare == pytest.approx(1.9 / 3) and sweep[-1].welfare == 0.5
    assert sweep[3].welfare == pytest.approx(3 / (1 / 0.6 + 1 / 0.7 + 1 / 0.4))  # the harmonic mean
    assert judged("w_alpha", 4.0).chosen.id == "bb" and judged("w_alpha", 0.0).chosen.id == "aa"
    assert judged("nash", 2.0).alpha is None and judged("w_alpha", 2.0).alpha == 2.0


def test_weights_sum_to_one_and_weigh() -> None:
    light = judged("mean", weights={"left": 0.1, "center": 0.1, "right": 1.8})
    assert light.weights == pytest.approx({"left": 0.05, "center": 0.05, "right": 0.9})
    assert light.chosen.id == "bb"


def test_ties_are_told() -> None:
    even = agreement([A, B], {"left": [0.6, 0.4], "right": [0.4, 0.6]}, EVEN, "mean")
    assert even.tied == ("bb",) and even.chosen.id == "aa"


@given(
    st.permutations([0, 1, 2]), st.permutations(list(SCORES)), st.sampled_from(["mean", "maxmin", "schulze"])
)
def test_neither_order_changes_the_choice(places: list[int], voices: list[str], rule: Rule) -> None:
    turned = agreement(
        [[A, B, C][place] for place in places],
        {voice: [SCORES[voice][place] for place in places] for voice in voices},
        EVEN,
        rule,
    )
    straight = judged(rule)
    assert [it.id for it in turned.statements] == [it.id for it in straight.statements]
    assert turned.loses_most == straight.loses_most and turned.sweep == straight.sweep
    assert all(
        dict(a.scores) == dict(b.scores) for a, b in zip(turned.statements, straight.statements, strict=True)
    )
