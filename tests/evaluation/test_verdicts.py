"""What judges say, read; verdicts put together by hand: shares, position bias, agreement."""

from __future__ import annotations

import json
import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralism_local.evaluation import metrics
from pluralism_local.evaluation.batch_calls import RequestFailure
from pluralism_local.evaluation.judging import (
    PairJudgement,
    PairVerdict,
    ResponsePair,
    read_choice,
)
from pluralism_local.evaluation.metrics.agreement import JudgeChoice
from pluralism_local.evaluation.standings import agreement, standing
from tests.support.verdicts import LOSE, TIE, WIN, pairs


@pytest.mark.parametrize(
    ("said", "choice"),
    [
        ("1", "1"),
        (" 2.", "2"),
        ("tie", "tie"),
        ("Tie.", "tie"),
        ("It is a tie, since both …", "tie"),
        ("They are tied.", "tie"),
        ("Response 1", "1"),
        ("response #2 better reflects them", "2"),
        ("Response2", "2"),
        ("**1**", "1"),
        ('"2"', "2"),
        ("(1)", "1"),
        ("Answer:2", "2"),
        ("1\n\nThe first response …", "1"),
        ("Response 2 is better than Response 1.", "2"),
        ("1, 2, or tie? I say 2", "2"),
        ("Of 1 and 2, the second: 2", "2"),
        ("Responses 1 and 2 are tied", "tie"),
        ("Out of 10 I give 9.1 and 9.2: 2", "2"),
        ("Out of 2 responses, response 1 is closest.", "1"),
        ("Of the 2 responses I prefer 1", "1"),
        ("Not 2 but 1", "1"),
        ("", None),
        ("Both are good.", None),
        ("Responses 1 and 2 are equally good.", None),
        ("Please directly answer with 1, 2, or tie.", None),
        ("Response #1 or Response #2", None),
        ("10", None),
        ("1.5", None),
        ("1/10", None),
        ("12", None),
        ("the first", None),
        ("1st", None),
        ("patient families, tie-breaker", None),
    ],
)
def test_words(said: str, choice: JudgeChoice | None) -> None:
    assert read_choice(said) == choice


@given(st.text())
def test_words_never_fail_and_name_what_is_there(said: str) -> None:
    choice = read_choice(said)
    assert choice is None or choice in said.lower()


TABLE: list[tuple[str, PairJudgement]] = [
    ("one", PairVerdict("1", "2")),  # win
    ("one", PairVerdict("1", "1")),  # the place both times: tie
    ("two", PairVerdict("2", "1")),  # lose
    ("three", PairVerdict("tie", "tie")),
    ("three", PairVerdict("1", "tie")),
    ("four", PairVerdict(None, "2")),
    ("five", RequestFailure("context_overflow", "Too long.")),
    ("six", None),
]


def test_a_table_by_hand() -> None:
    rows = [ResponsePair(str(i), situation, "a", "b") for i, (situation, _) in enumerate(TABLE)]
    found = standing(rows, [one for _, one in TABLE], seed=3)
    values = {name: one.value for name, one in found.shares.items()}
    assert values == pytest.approx({"win": 1 / 6, "tie": 4 / 6, "lose": 1 / 6}, abs=1e-12)
    assert (found.n, found.failed, found.missing, found.unparsed) == (6, 1, 1, 1)
    assert found.position_bias == pytest.approx(
        {"flipped": 1 / 6, "inconsistent": 3 / 6, "first": 5 / 12, "second": 3 / 12}, abs=1e-12
    )
    clusters = ["one", "one", "two", "three", "three", "four"]
    assert found.shares["win"] == metrics.mean([1, 0, 0, 0, 0, 0], clusters, seed=3)
    assert found.shares["win"].clusters == 4
    record = found.record()
    assert record["tie"]["value"] == found.shares["tie"].value
    assert (record["n"], record["failed"], record["missing"], record["unparsed"]) == (6, 1, 1, 1)
    json.dumps(record, allow_nan=False)


def test_nothing_judged_has_no_figures() -> None:
    found = standing(pairs(2), [None, RequestFailure("engine_failure", "Broken.")])
    assert math.isnan(found.shares["win"].value) and math.isnan(found.position_bias["first"])
    record = found.record()
    assert record["win"] == {"value": None, "low": None, "high": None}
    assert record["position_bias"]["flipped"] is None


ANSWERS = st.sampled_from(["1", "2", "tie", None])
VERDICTS = st.lists(st.builds(PairVerdict, ANSWERS, ANSWERS), min_size=1, max_size=12).filter(
    lambda verdicts: not all(one.silent for one in verdicts)
)


@settings(max_examples=20)  # each takes six bootstraps
@given(VERDICTS)
def test_seen_from_the_other_side_wins_are_losses(verdicts: list[PairVerdict]) -> None:
    rows = pairs(len(verdicts))
    mine = standing(rows, verdicts)
    other = standing(rows, [PairVerdict(one.second, one.first) for one in verdicts])
    assert mine.shares["win"] == other.shares["lose"]
    assert mine.shares["tie"] == other.shares["tie"]
    assert mine.position_bias == other.position_bias
    assert math.fsum(one.value for one in mine.shares.values()) == pytest.approx(1, abs=1e-12)
    bias = mine.position_bias
    assert bias["flipped"] <= bias["inconsistent"] <= mine.shares["tie"].value + 1e-12


def test_kappa_by_hand() -> None:
    failed = RequestFailure("engine_failure", "Broken.")
    rows = {"vanilla": pairs(4), "moe": pairs(2)}
    judges: list[dict[str, list[PairJudgement]]] = [
        {"vanilla": [WIN, WIN, LOSE, WIN], "moe": [failed, WIN]},
        {"vanilla": [WIN, WIN, LOSE, TIE], "moe": [WIN, None]},
        {"vanilla": [WIN, TIE, LOSE, LOSE], "moe": [WIN, WIN]},
    ]
    found = agreement(rows, judges)
    # judges agree in 1, 1/3, 1, 0; categories have 6, 2 and 4 of 12
    agreeing = (1 + Fraction(1, 3) + 1 + 0) / 4
    chance = Fraction(1, 4) + Fraction(1, 36) + Fraction(1, 9)
    assert (agreeing - chance) / (1 - chance) == Fraction(7, 22)
    assert found is not None
    assert found.value == pytest.approx(7 / 22, abs=1e-12)
    assert (found.n, found.clusters) == (4, 4)


def test_kappa_needs_two_judges_and_a_pair() -> None:
    rows = {"vanilla": pairs(1)}
    assert agreement(rows, [{"vanilla": [WIN]}]) is None
    nothing = agreement(rows, [{"vanilla": [WIN]}, {"vanilla": [None]}])
    assert nothing is not None and math.isnan(nothing.value) and nothing.n == 0
