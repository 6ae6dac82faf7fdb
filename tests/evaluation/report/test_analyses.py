"""What is computed beyond summaries: by hand, on made-up answers and a scorer that reads a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import entropy

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.errors import Cancelled, InvalidInput
from pluralism_local.evaluation.batch_calls import RequestFailure
from pluralism_local.evaluation.nli import NliPair
from pluralism_local.evaluation.nli.base import EntailmentScores
from pluralism_local.evaluation.report import analyses
from pluralism_local.evaluation.runner import Results
from pluralism_local.evaluation.samples import Prediction, Sample, Where
from pluralism_local.evaluation.summary import RunSummary, summarise
from pluralism_local.evaluation.tasks import TASKS
from tests.support import rows

GLOBAL = TASKS["distributional-globalopinionqa"]
OVERTON = TASKS["overton-nli"]


class TableNli:
    """Entailment where (premise, hypothesis) is among `true`; remembers what it was asked."""

    name, identity, truncated = "a table", "ab" * 32, 0

    def __init__(self, true: set[tuple[str, str]]) -> None:
        self.true, self.asked = true, list[NliPair]()

    def score(self, pairs: Sequence[NliPair], *, should_stop: ShouldStop = never) -> EntailmentScores:
        if should_stop():
            raise Cancelled
        self.asked += pairs
        found = [
            (0.8, 0.1, 0.1) if (one.premise, one.hypothesis) in self.true else (0.1, 0.8, 0.1)
            for one in pairs
        ]
        return np.array(found, dtype=np.float64).reshape(-1, 3)


def overton(count: int) -> list[Sample]:
    return [OVERTON.sample(rows.overton(i), Where("rows.json", i)) for i in range(count)]


def test_faithfulness_in_both_directions(tmp_path: Path) -> None:
    one, two, three, four = overton(4)
    answers: dict[str, Prediction | RequestFailure] = {
        one.id: Prediction(output="First. Second. Third."),
        two.id: Prediction(output=""),
        three.id: RequestFailure("engine_failure", "no"),
        four.id: Prediction(output="Fourth."),
    }
    comments = {
        one.id: {"farmers": "Said by farmers.", "fishers": "Said by fishers."},
        two.id: {"farmers": "More of farmers.", "fishers": " "},
        three.id: {"farmers": "Lost.", "fishers": "Lost."},
    }
    scorer = TableNli({("Said by farmers.", "First."), ("Said by farmers.", "Second.")})
    samples = [one, two, three, four]

    def ask(scorer: TableNli) -> analyses.MessageFaithfulness:
        return analyses.faithfulness_of(tmp_path / "run", samples, {"ours": answers}, comments, scorer)

    found = ask(scorer)
    # one: 1 of 2 comments, 1 of 3 sentences new; two: an empty response reflects nothing and has no sentences
    assert found.reflected.value == pytest.approx((1 / 2 + 0) / 2, abs=1e-12)
    assert found.new.value == pytest.approx(1 / 3, abs=1e-12)
    assert (found.reflected.n, found.new.n, found.silent) == (2, 1, 1)
    assert found.communities["farmers"].value == pytest.approx(1 / 2, abs=1e-12)
    assert found.communities["fishers"].value == 0 and found.communities["fishers"].n == 1
    assert len(scorer.asked) == 2 * 3
    assert all(pair.premise in comments[one.id].values() for pair in scorer.asked)
    # what was scored is kept beside the run
    again = TableNli(set())
    assert ask(again) == found and again.asked == []


def test_faithfulness_can_be_stopped_and_needs_comments(tmp_path: Path) -> None:
    (one,) = overton(1)
    results: Results = {"ours": {one.id: Prediction(output="A sentence.")}}
    with pytest.raises(InvalidInput, match="'ours'"):
        analyses.faithfulness_of(tmp_path / "run", [one], results, {}, TableNli(set()))
    heard = {one.id: {"farmers": "A comment."}}
    with pytest.raises(Cancelled):
        analyses.faithfulness_of(
            tmp_path / "run", [one], results, heard, TableNli(set()), should_stop=lambda: True
        )
    silent = analyses.faithfulness_of(
        tmp_path / "run", [one], results, {one.id: {"farmers": ""}}, TableNli(set())
    )
    assert math.isnan(silent.reflected.value) and silent.new.value == 1
    assert math.isnan(silent.communities["farmers"].value)


def samples_of(golds: Sequence[Sequence[float]], countries: Sequence[str]) -> list[Sample]:
    return [
        GLOBAL.sample(rows.global_opinion(i, country, gold), Where("rows.json", i))
        for i, (gold, country) in enumerate(zip(golds, countries, strict=True))
    ]


GOLDS = ((0.2, 0.5, 0.3), (1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.1, 0.1, 0.8))
COUNTRIES = ("Spain", "Kenya", "Kenya", "Japan")


def summary(samples: Sequence[Sample], answers: Sequence[Sequence[float]]) -> RunSummary:
    found = {one.id: Prediction(tuple(p)) for one, p in zip(samples, answers, strict=True)}
    return summarise(GLOBAL, samples, {"ours": dict(found)}, ["ours"], [])


def test_gold_entropy_is_the_mean_in_nats() -> None:
    samples = samples_of(GOLDS, COUNTRIES)
    assert analyses.gold_entropy(samples).value == pytest.approx(
        math.fsum(float(entropy(gold)) for gold in GOLDS) / 4, abs=1e-12
    )
    assert math.isnan(analyses.gold_entropy([]).value)


def test_pools_are_compared_on_the_samples_of_both() -> None:
    samples = samples_of(GOLDS, COUNTRIES)
    base = summary(samples[:3], [(0.0, 0.5, 0.5), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)])
    patched = summary(samples[1:], [(0.0, 1.0, 0.0), (0.5, 0.5, 0.0), (0.1, 0.1, 0.8)])
    found = analyses.pool_difference(base, patched, "js_distance")
    assert found is not None and found.n == 2
    # √ln 2 worse on the second, √ln 2 better on the third
    assert found.value == pytest.approx(0, abs=1e-12)
    assert (found.low, found.high) == pytest.approx((-math.sqrt(math.log(2)), math.sqrt(math.log(2))))
    by_country = analyses.pool_difference_by_part(
        base, patched, "js_distance", lambda sample: sample.attribute or ""
    )
    assert list(by_country) == ["Kenya"] and by_country["Kenya"].n == 2
    ids = [samples[1].id]
    assert analyses.on_samples(patched, "js_distance", ids).value == pytest.approx(math.sqrt(math.log(2)))
    assert analyses.pool_difference(base, patched, "js_distance", "persona") is None
    assert analyses.pool_difference(base, summary(samples[3:], [GOLDS[3]]), "js_distance") is None


def test_which_pool_a_patch_extends() -> None:
    assert analyses.base_of("perspectives+asia") == "perspectives"
    assert analyses.base_of("a+b+c") == "a+b"
    assert analyses.base_of("perspectives") is None


def test_examples_are_the_ends_and_the_middle() -> None:
    samples = samples_of(GOLDS, COUNTRIES)
    made = summary(samples, [(0.0, 0.5, 0.5), (1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.2, 0.1, 0.7)])
    found = analyses.examples(made, "ours")
    assert [name for name, _, _ in found] == ["nearest", "middle", "farthest"]
    assert [sample.attribute for _, sample, _ in found] == ["Kenya", "Japan", "Kenya"]
    assert found[0][2] == 0 and found[2][2] == pytest.approx(math.sqrt(math.log(2)))
    single = summary(samples[:1], [(0.0, 0.5, 0.5)])
    assert [name for name, _, _ in analyses.examples(single, "ours")] == ["nearest"]
    assert analyses.examples(single, "vanilla") == []
