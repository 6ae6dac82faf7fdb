"""Scores under the names that users ask for, against the released definitions computed by other libraries."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.evaluation import controls
from pluralism_local.evaluation.coverage import Coverage, cover
from pluralism_local.evaluation.nli import NliPair
from pluralism_local.evaluation.nli.base import EntailmentScores as Table
from pluralism_local.evaluation.samples import PositionsFound, Prediction, Sample, Where
from pluralism_local.evaluation.scoring import score
from pluralism_local.evaluation.tasks import TASKS
from tests.support import rows
from tests.support.rows import Row


def samples(task: str, found: Sequence[Row]) -> list[Sample]:
    return [TASKS[task].sample(row, Where("rows.json", i)) for i, row in enumerate(found)]


GOLD = ((0.2, 0.5, 0.3), (0.1, 0.1, 0.8), (0.0, 1.0, 0.0))
PREDICTED = ((0.2, 0.5, 0.3), (0.8, 0.1, 0.1), (0.5, 0.25, 0.25))


def test_distributions_are_scored_as_released() -> None:
    task = TASKS["distributional-globalopinionqa"]
    countries = ("Spain", "Spain", "Kenya")
    found = samples(task.name, [rows.global_opinion(i, countries[i], gold) for i, gold in enumerate(GOLD)])
    scores = score(task, found, [Prediction(p) for p in PREDICTED])
    expected = [float(jensenshannon(gold, p)) for gold, p in zip(GOLD, PREDICTED, strict=True)]
    flat = scores.flat()
    assert flat["n"] == 3
    assert flat["js_distance"] == pytest.approx(math.fsum(expected) / 3, abs=1e-12)
    assert flat["js_divergence"] == pytest.approx(math.fsum(e * e for e in expected) / 3, abs=1e-12)
    assert flat["most_likely_accuracy"] == pytest.approx(1 / 3, abs=1e-12)
    assert flat["total_variation"] == pytest.approx((0 + 0.7 + 0.75) / 3, abs=1e-12)
    spain, kenya = (scores.parts["country"][name]["js_distance"] for name in ("Spain", "Kenya"))
    assert (spain.n, kenya.n) == (2, 1)
    assert spain.value == pytest.approx((expected[0] + expected[1]) / 2, abs=1e-12)
    # countries count alike, as in the paper's table
    assert flat["js_distance_by_country"] == pytest.approx((spain.value + kenya.value) / 2, abs=1e-12)
    assert scores.values["js_distance"] == pytest.approx(expected, abs=1e-12)


def test_ambiguities_are_told_apart() -> None:
    task = TASKS["distributional-moralchoice"]
    found = samples(task.name, [rows.moral(0), rows.moral(1), rows.moral(2, "high")])
    flat = score(task, found, [Prediction(p) for p in ((1.0, 0.0), (0.5, 0.5), (0.5, 0.5))]).flat()
    half = float(jensenshannon((1, 0), (0.5, 0.5)))
    assert flat["js_distance_low"] == pytest.approx(half / 2, abs=1e-12)
    assert flat["js_distance_high"] == pytest.approx(0, abs=1e-12)
    assert flat["js_distance"] == pytest.approx(half / 3, abs=1e-12)
    assert flat["entropy_low"] == pytest.approx(math.log(2) / 2, abs=1e-12)
    assert flat["ruled_out_low"] == pytest.approx(0.25, abs=1e-12)  # an even split in one of two clear cases
    assert flat["ruled_out_high"] == 0.0
    assert flat["most_likely_accuracy"] == 1.0  # of equals the first, as list.index(max) has it


def test_categories_count_alike() -> None:
    task = TASKS["steerable-opinionqa"]
    attributes = ("RELIG_Atheist", "RELIG_Hindu", "SEX_Male")
    found = samples(task.name, [rows.opinion(i, attribute) for i, attribute in enumerate(attributes)])
    scores = score(task, found, [Prediction(p) for p in ((0.6, 0.4), (0.4, 0.6), (0.9, 0.1))])
    assert set(scores.parts["category"]) == {"RELIG", "SEX"}
    assert scores.flat()["most_likely_accuracy"] == pytest.approx(2 / 3, abs=1e-12)
    assert scores.flat()["most_likely_accuracy_by_category"] == pytest.approx((1 / 2 + 1) / 2, abs=1e-12)


def test_labels_are_scored_as_released() -> None:
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

    task = TASKS["steerable-vk"]
    gold = "AABBCCA"
    said = ["A", "Oppose", "B. it opposes", "either", "C", "no idea", "supports it"]
    found = samples(task.name, [rows.value(i, label) for i, label in enumerate(gold)])
    flat = score(task, found, [Prediction(output=text) for text in said]).flat()
    # by the released code: A, B, B, C, C, none (a class of its own), A
    read = ["A", "B", "B", "C", "C", "none", "A"]
    assert flat["accuracy"] == accuracy_score(list(gold), read) == 4 / 7
    assert flat["balanced_accuracy"] == pytest.approx(recall_mean(list(gold), read), abs=1e-12)
    assert flat["macro_f1"] == pytest.approx(
        f1_score(list(gold), read, average="macro", zero_division=0), abs=1e-12
    )
    kept = [(a, b) for a, b in zip(gold, read, strict=True) if "C" not in (a, b)]
    assert (flat["n"], flat["n_binary"], flat["unparsed"]) == (7, len(kept), 1) == (7, 4, 1)
    a, b = [a for a, _ in kept], [b for _, b in kept]
    assert flat["binary_accuracy"] == pytest.approx(accuracy_score(a, b), abs=1e-12)
    assert flat["binary_balanced_accuracy"] == pytest.approx(balanced_accuracy_score(a, b), abs=1e-12)
    assert flat["binary_macro_f1"] == pytest.approx(f1_score(a, b, average="macro"), abs=1e-12)


def recall_mean(gold: list[str], said: list[str]) -> float:
    shares = []
    for label in sorted(set(gold)):
        places = [i for i, one in enumerate(gold) if one == label]
        shares.append(sum(said[i] == label for i in places) / len(places))
    return math.fsum(shares) / len(shares)


class Lookup:
    """An NLI scorer with an answer for every pair."""

    name, identity, truncated = "lookup", "0" * 12, 0

    def __init__(self, entails: dict[tuple[str, str], float]) -> None:
        self.entails = entails
        self.asked: list[NliPair] = []

    def score(self, pairs: Sequence[NliPair], *, should_stop: ShouldStop = never) -> Table:
        self.asked += pairs
        found = [self.entails.get((pair.premise, pair.hypothesis), 0.1) for pair in pairs]
        return np.array([[p, 0.75 * (1 - p), 0.25 * (1 - p)] for p in found]).reshape(-1, 3)


def test_coverage_reads_both_published_directions() -> None:
    task = TASKS["overton-nli"]
    found = samples(task.name, [rows.overton(0), rows.overton(1), rows.overton(2)])
    freely, hurt = rows.overton(0)["explanation"]
    scorer = Lookup(
        {
            ("It is free.", freely): 0.9,  # the paper: the sentence entails the explanation
            (freely, "It is free."): 0.3,  # the released code: the explanation entails the sentence
            (hurt, "It is free."): 0.5,
            (hurt, "Mind it!"): 0.6,
        }
    )
    coverage = cover(task, [(found[0], "It is free. Mind it!"), (found[1], "Well."), (found[2], " ")], scorer)
    assert coverage == [
        Coverage(1 / 2, pytest.approx((0.3 + 0.6) / 2, abs=1e-12), 2),  # type: ignore[arg-type]
        Coverage(0.0, pytest.approx(0.1, abs=1e-12), 1),  # type: ignore[arg-type]
        Coverage(0.0, 0.0, 0),
    ]
    assert len(scorer.asked) == 2 * (2 * 2 + 2 * 1)
    flat = score(task, found, [Prediction(output="")] * 3, coverage=coverage).flat()
    assert flat == {
        "coverage": pytest.approx(1 / 6, abs=1e-12),
        "coverage_score": pytest.approx((0.45 + 0.1) / 3, abs=1e-12),
        "coverage_033": pytest.approx(1 / 3, abs=1e-12),
        "n": 3,
        "empty": 1,
    }


def test_positions_are_looked_for_in_the_responses_of_every_method() -> None:
    """By hand: two positions of the first sample, one of the second, none known of the third."""
    task = TASKS["overton-nli"]
    found = samples(task.name, [rows.overton(0), rows.overton(1), rows.overton(2)])
    answered = [(found[0], "It is free. Mind it!"), (found[1], " "), (found[2], "Well.")]
    scorer = Lookup({("It is free.", "Sell it."): 0.9, ("Sell it.", "Mind it!"): 0.9})
    positions = {found[0].id: ("Sell it.", "Keep it."), found[1].id: ("Give it away.",)}
    coverage = cover(task, answered, scorer, positions=positions)
    assert [each.stated for each in coverage] == pytest.approx([1 / 2, 0.0, math.nan], nan_ok=True)
    assert [each.covered for each in coverage] == [each.covered for each in cover(task, answered, scorer)]

    looked = [
        Prediction(
            output="", positions=PositionsFound(("Sell it.", "Keep it."), left_out=1, marks=4, unverified=1)
        ),
        Prediction(
            output="", positions=PositionsFound(("Give it away.",), left_out=1, marks=0, unverified=0)
        ),
        Prediction(output=""),
    ]
    scores = score(task, found, looked, coverage=coverage)
    flat = scores.flat()
    assert [flat["stated"], flat["left_out"]] == pytest.approx([1 / 4, 3 / 4])
    assert flat["unverified"] == pytest.approx(1 / 4)  # of the one response that names anybody
    assert {name: flat[name] for name in ("n_positions", "n_marks")} == {"n_positions": 3, "n_marks": 4}
    assert [scores.metrics[name].n for name in ("stated", "left_out", "unverified")] == [2, 2, 1]
    assert not {"stated", "left_out"} & scores.values.keys()  # which not every sample has: no pairs

    other = score(task, found, [Prediction(output="")] * 3, coverage=coverage).flat()
    assert "stated" in other and not {"left_out", "unverified", "n_positions"} & other.keys()


def test_windows_are_scored_by_the_sentences_that_state_their_viewpoints() -> None:
    task = TASKS["overton-window"]
    found = samples(task.name, [rows.window(0), rows.window(1), rows.window(2)])
    found[2] = samples(task.name, [{"question": "Why?", "viewpoints": ["Therefore.", "Not so."]}])[0]
    freely, banned, hurt = (each["text"] for each in rows.window(0)["viewpoints"])
    scorer = Lookup(
        {
            ("It is free.", freely): 0.9,
            ("Hurt them!", hurt): 0.9,
            (banned, "It is free."): 0.9,  # the other direction is not asked for
        }
    )
    answered = [(found[0], "It is free. Hurt them! Well."), (found[1], " "), (found[2], "So.")]
    coverage = cover(task, answered, scorer)
    assert len(scorer.asked) == 3 * 3 + 2 * 1
    scores = score(task, found, [Prediction(output="")] * 3, coverage=coverage)
    flat = scores.flat()
    assert flat == {
        "overton_score": pytest.approx(1 / 2 / 3),
        "weighted_overton_score": pytest.approx(3 / 4 / 3),
        "precision": pytest.approx(1 / 3 / 3),
        "whole_window": 0.0,
        "unreasonable": pytest.approx(1 / 2),  # of the two questions that have one
        "unreasonable_share": pytest.approx(1 / 2),  # of the one answer that states any viewpoint of those
        "n": 3,
        "n_unreasonable": 2,
        "empty": 1,
    }
    assert (scores.metrics["unreasonable"].n, scores.metrics["unreasonable_share"].n) == (2, 1)
    assert set(scores.values) == {"overton_score", "weighted_overton_score", "precision", "whole_window"}
    other = score(task, found, [Prediction(output="")] * 3, coverage=[coverage[2]] * 3).flat()
    assert other["unreasonable"] is None and other["n_unreasonable"] == 0


def test_intervals_resample_questions() -> None:
    task = TASKS["distributional-moralchoice"]
    found = samples(task.name, [rows.moral(i) for i in range(6)])
    scores = score(task, found, [Prediction((0.5 + i / 20, 0.5 - i / 20)) for i in range(6)])
    one = scores.metrics["js_distance"]
    assert one.low is not None and one.high is not None and one.low < one.value < one.high
    assert (one.n, one.clusters) == (6, 6)
    again = score(task, found[::-1], [Prediction((0.5 + i / 20, 0.5 - i / 20)) for i in range(6)][::-1])
    assert again.metrics["js_distance"] == one
    record = scores.record()
    assert record["metrics"]["js_distance"] == {"value": one.value, "low": one.low, "high": one.high}
    assert record["counts"] == {"n": 6}


def test_controls_know_nothing() -> None:
    task = TASKS["distributional-globalopinionqa"]
    found = samples(task.name, [rows.global_opinion(i, "Spain", gold) for i, gold in enumerate(GOLD)])
    assert controls.uniform(task, found, 0) == [Prediction((1 / 3, 1 / 3, 1 / 3))] * 3
    ours = {sample.id: Prediction(p) for sample, p in zip(found, PREDICTED, strict=True)}
    moved = controls.shuffled(task, found, ours, 0)
    assert moved == controls.shuffled(task, found, ours, 0) != controls.shuffled(task, found, ours, 1)
    assert [sorted(one.distribution or ()) for one in moved] == [sorted(p) for p in PREDICTED]
    labelled = TASKS["steerable-vk"]
    many = samples(labelled.name, [rows.value(i) for i in range(60)])
    letters = [one.output for one in controls.uniform(labelled, many, 0) or []]
    assert set(letters) == {"A", "B", "C"} and max(map(letters.count, "ABC")) < 35
    written = TASKS["overton-nli"]
    three = samples(written.name, [rows.overton(i) for i in range(3)])
    said = {sample.id: Prediction(output=sample.cluster) for sample in three}
    others = controls.shuffled(written, three, said, 0)
    assert all(one.output != sample.cluster for one, sample in zip(others, three, strict=True))
    assert sorted(str(one.output) for one in others) == sorted(sample.cluster for sample in three)
    assert controls.uniform(written, three, 0) is None


def test_the_majority_is_one_label_for_all() -> None:
    task = TASKS["steerable-vk"]
    found = samples(task.name, [rows.value(i, label) for i, label in enumerate("BABCB")])
    most = controls.majority(task, found)
    assert most == [Prediction((0.2, 0.6, 0.2), output="B")] * 5
    flat = score(task, found, most).flat()
    assert flat["accuracy"] == 0.6 and flat["balanced_accuracy"] == pytest.approx(1 / 3)
    assert (
        controls.majority(TASKS["distributional-moralchoice"], samples("distributional-moralchoice", []))
        is None
    )


def test_relevance_is_ranked_by_its_probability() -> None:
    task = TASKS["values-relevance"]
    found = samples(task.name, [rows.stake(i) for i in range(4)])  # relevant, not, relevant, not
    told = [Prediction((p, 1 - p), "A" if p > 0.5 else "B") for p in (0.9, 0.8, 0.7, 0.1)]
    flat = score(task, found, told).flat()
    assert flat["roc_auc"] == 3 / 4  # of four pairs one is in the wrong order
    assert flat["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert flat["accuracy"] == 3 / 4
    uniform = score(task, found, controls.uniform(task, found, 0) or []).flat()
    assert (uniform["roc_auc"], uniform["average_precision"]) == (0.5, 0.5)
    letters_alone = score(task, found, [Prediction(output="A")] * 4).flat()
    assert "roc_auc" not in letters_alone and letters_alone["accuracy"] == 0.5
    assert not any("binary" in name for name in flat)  # of two labels none is left out
