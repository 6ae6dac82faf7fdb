"""Rules of social choice against profiles computed by hand, and against scipy and votelib."""

from __future__ import annotations

import math
from collections import defaultdict
from fractions import Fraction
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pmean

from pluralism_local.agreement import Rule
from pluralism_local.deliberation.rules import ALPHAS, borda, ranking, schulze, w_alpha, welfare

RULES: tuple[Rule, ...] = get_args(Rule)
EVEN = [1 / 3, 1 / 3, 1 / 3]

# three voices, three statements: the first divides, the second is nobody's favourite, the third is the middle
DIVIDED = [[0.9, 0.5, 0.6], [0.9, 0.5, 0.7], [0.1, 0.5, 0.4]]


@pytest.mark.parametrize(
    ("rule", "expected", "best"),
    [
        ("mean", [1.9 / 3, 0.5, 1.7 / 3], 0),
        ("maxmin", [0.1, 0.5, 0.4], 1),
        ("nash", [0.081 ** (1 / 3), 0.5, 0.168 ** (1 / 3)], 2),
        ("borda", [2 / 3 + 2 / 3 + 0, 0 + 0 + 2 / 3, 1 / 3 + 1 / 3 + 1 / 3], 0),
        ("schulze", [2, 0, 1], 0),  # the first two voices are a majority
    ],
)
def test_each_rule_on_a_divided_jury(rule: Rule, expected: list[float], best: int) -> None:
    assert welfare(rule, DIVIDED, EVEN) == pytest.approx(expected, abs=1e-12)
    assert ranking(welfare(rule, DIVIDED, EVEN), DIVIDED)[0] == best


def test_w_alpha_goes_from_the_mean_to_the_smallest_as_the_roadmap_has_it() -> None:
    # §4.3: (1/n Σ j^(1-α))^(1/(1-α)); at α = 2 the harmonic mean
    utilities = [0.2, 0.4, 0.8]
    assert w_alpha(utilities, EVEN, 0) == pytest.approx(1.4 / 3)
    assert w_alpha(utilities, EVEN, 1) == pytest.approx(0.064 ** (1 / 3))
    assert w_alpha(utilities, EVEN, 2) == pytest.approx(3 / (5 + 2.5 + 1.25))
    assert w_alpha(utilities, EVEN, 0.5) == pytest.approx((sum(map(math.sqrt, utilities)) / 3) ** 2)
    assert w_alpha(utilities, EVEN, math.inf) == 0.2
    assert w_alpha(utilities, EVEN, 5000) == pytest.approx(0.2, abs=1e-3)  # no power overflows


@given(
    st.lists(st.tuples(st.floats(1e-3, 1), st.floats(0.01, 1)), min_size=1, max_size=9),
    st.floats(0, 20),
)
def test_w_alpha_is_scipys_power_mean(pairs: list[tuple[float, float]], alpha: float) -> None:
    utilities, raw = zip(*pairs, strict=True)
    weights = [weight / math.fsum(raw) for weight in raw]
    if abs(1 - alpha) > 1e-6 or alpha == 1:  # beside 1 a power mean cancels, scipy's as any
        assert w_alpha(utilities, weights, alpha) == pytest.approx(
            float(pmean(utilities, 1 - alpha, weights=weights)), rel=1e-6
        )


def test_a_voice_at_zero_takes_everything_away_from_alpha_one_on() -> None:
    assert w_alpha([0.0, 1.0], [0.5, 0.5], 0.5) == pytest.approx(0.25)
    assert [w_alpha([0.0, 1.0], [0.5, 0.5], alpha) for alpha in (1, 2, math.inf)] == [0, 0, 0]
    assert w_alpha([0.0, 1.0], [0.0, 1.0], 2) == 1  # but not one without weight


SCHULZES_EXAMPLE = {
    # Schulze 2011, example 1: 45 voters, a cycle at the top, the order E A C B D
    "ACBED": 5, "ADECB": 5, "BEDAC": 8, "CABED": 3, "CAEBD": 7, "CBADE": 2, "DCEBA": 7, "EBADC": 8,
}  # fmt: skip


def as_scores(profile: dict[str, int]) -> tuple[list[list[float]], list[float]]:
    names = sorted(next(iter(profile)))
    total = sum(profile.values())
    rows = [[(len(names) - order.index(name)) / 10 for name in names] for order in profile]
    return rows, [count / total for count in profile.values()]


def test_schulze_orders_his_own_example() -> None:
    rows, weights = as_scores(SCHULZES_EXAMPLE)
    assert schulze(rows, weights) == [3, 1, 2, 0, 4]
    assert [("ABCDE"[place]) for place in ranking(schulze(rows, weights), rows)] == list("EACBD")


def test_a_cycle_without_an_end_is_a_tie_that_the_least_content_voice_breaks() -> None:
    rows = [[0.9, 0.5, 0.1], [0.1, 0.8, 0.5], [0.5, 0.3, 0.9]]  # A > B > C, B > C > A, C > A > B
    assert schulze(rows, EVEN) == [0, 0, 0]
    assert borda(rows, EVEN) == pytest.approx([1, 1, 1])
    # the smallest scores are .1, .3 and .1; of the first and the last the second smallest are level, too
    assert ranking(schulze(rows, EVEN), rows) == [1, 0, 2]


def test_level_statements_share_their_points_and_stay_in_order() -> None:
    rows = [[0.5, 0.5, 0.2], [0.5, 0.5, 0.2]]
    assert borda(rows, [0.5, 0.5]) == [1.5, 1.5, 0]
    assert schulze(rows, [0.5, 0.5]) == [1, 1, 0]
    for rule in RULES:
        assert ranking(welfare(rule, rows, [0.5, 0.5]), rows) == [0, 1, 2]


def test_weights_decide() -> None:
    rows = [[0.9, 0.4], [0.3, 0.5]]
    for rule in ("mean", "borda", "schulze"):
        assert ranking(welfare(rule, rows, [0.8, 0.2]), rows)[0] == 0
        assert ranking(welfare(rule, rows, [0.1, 0.9]), rows)[0] == 1
    assert ranking(welfare("maxmin", rows, [0.99, 0.01]), rows)[0] == 1  # whatever the weights


def test_one_statement_and_one_voice() -> None:
    assert {rule: welfare(rule, [[0.3]], [1.0]) for rule in RULES} == {
        "maxmin": [0.3], "mean": [0.3], "nash": [0.3], "w_alpha": [0.3], "borda": [0], "schulze": [0],
    }  # fmt: skip


JURIES = st.integers(1, 5).flatmap(
    lambda count: st.lists(
        st.tuples(
            st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]), min_size=count, max_size=count),
            st.integers(1, 9),
        ),
        min_size=1,
        max_size=7,
    )
)
Jury = list[tuple[list[float], int]]


def apart(jury: Jury) -> tuple[list[list[float]], list[float]]:
    total = sum(weight for _, weight in jury)
    return [row for row, _ in jury], [weight / total for _, weight in jury]


@given(JURIES, st.sampled_from(RULES), st.sampled_from(ALPHAS))
def test_what_is_chosen_is_pareto_optimal(jury: Jury, rule: Rule, alpha: float) -> None:
    rows, weights = apart(jury)
    best = ranking(welfare(rule, rows, weights, alpha), rows)[0]
    for other in range(len(rows[0])):
        everybody = all(row[other] > row[best] for row in rows)
        nobody_less = all(row[other] >= row[best] for row in rows)
        assert not everybody
        assert not (nobody_less and any(row[other] > row[best] for row in rows))


@given(JURIES, st.sampled_from(RULES), st.sampled_from(ALPHAS), st.randoms())
def test_the_order_of_the_voices_changes_nothing(jury: Jury, rule: Rule, alpha: float, random: Any) -> None:
    rows, weights = apart(jury)
    turned = list(jury)
    random.shuffle(turned)
    other_rows, other_weights = apart(turned)
    value, other = welfare(rule, rows, weights, alpha), welfare(rule, other_rows, other_weights, alpha)
    assert value == other
    assert ranking(value, rows) == ranking(other, other_rows)


@given(JURIES, st.sampled_from(RULES), st.sampled_from(ALPHAS), st.randoms())
def test_the_order_of_the_statements_changes_nothing(
    jury: Jury, rule: Rule, alpha: float, random: Any
) -> None:
    rows, weights = apart(jury)
    places = list(range(len(rows[0])))
    random.shuffle(places)
    turned = [[row[place] for place in places] for row in rows]
    value, other = welfare(rule, rows, weights, alpha), welfare(rule, turned, weights, alpha)
    assert [value[place] for place in places] == pytest.approx(other)


@given(JURIES)
def test_borda_and_schulze_agree_with_votelib(jury: Jury) -> None:
    pytest.importorskip("votelib", reason="votelib is not installed; it comes with the extra dev")
    from votelib.convert import RankedToCondorcetVotes
    from votelib.evaluate.condorcet import Schulze

    count = len(jury[0][0])
    if count < 2:
        return
    ballots: dict[Any, int] = defaultdict(int)
    for row, weight in jury:
        levels = [frozenset(i for i in range(count) if row[i] == u) for u in sorted(set(row), reverse=True)]
        ballots[tuple(levels)] += weight
    wins = RankedToCondorcetVotes().convert(ballots)
    rows, weights = apart(jury)
    total = sum(weight for _, weight in jury)

    paths = Schulze.widest_paths(
        {(a, b): wins.get((a, b), 0) for a in range(count) for b in range(count) if a != b}
    )
    beaten = [
        sum(paths.get((a, b), 0) > paths.get((b, a), 0) for b in range(count) if a != b) for a in range(count)
    ]
    assert schulze(rows, weights) == beaten

    points = [
        sum(Fraction(wins.get((a, b), 0)) + Fraction(total - wins.get((a, b), 0) - wins.get((b, a), 0), 2)
            for b in range(count) if a != b)
        for a in range(count)
    ]  # fmt: skip
    assert borda(rows, weights) == pytest.approx([float(point / total) for point in points])
