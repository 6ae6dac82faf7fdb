"""The matrix: figures by hand, targets on made-up rows, scores that survive a kill, a picture."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from communitylm.evaluation.matrix import Matrix, tabulate
from communitylm.evaluation.perplexity import Loss, surprise
from communitylm.evaluation.score_file import ScoreFile, score_key

EACH = {"a": ["ada", "bob", "cyd", "dan"]}
"""Four passages of four people."""
TWO = {"a": ["ada", "bob"]}


def test_perplexity_weighs_tokens_not_passages() -> None:
    losses = {"a": {"base": [Loss(6.0, 2), Loss(4.0, 8)], "a": [Loss(3.0, 2), Loss(2.0, 8)]}}
    matrix = tabulate(losses, ["base", "a"], {}, TWO)
    assert matrix.perplexity["a"]["base"] == pytest.approx(math.exp(10 / 10), abs=1e-12)
    assert matrix.perplexity["a"]["a"] == pytest.approx(math.exp(5 / 10), abs=1e-12)
    assert (matrix.tokens, matrix.passages, matrix.groups) == ({"a": 10}, {"a": 2}, {"a": 2})
    assert matrix.checks()["a"]["improvement"] == pytest.approx(1 - math.exp(-0.5), abs=1e-12)


def test_the_interval_is_of_the_ratio_and_paired() -> None:
    # the other model loses exactly 0.1 nats more on every token: no resampling can change that
    own = [Loss(2.0 * n, n) for n in (3, 5, 9, 20)]
    other = [Loss(loss.nats + 0.1 * loss.tokens, loss.tokens) for loss in own]
    matrix = tabulate({"a": {"base": other, "a": own}}, ["base", "a"], {}, EACH)
    assert matrix.interval["a"]["base"] == pytest.approx((math.exp(0.1), math.exp(0.1)), abs=1e-12)
    assert matrix.interval["a"]["a"] == (1.0, 1.0)
    uneven = [Loss(loss.nats + bonus, loss.tokens) for loss, bonus in zip(own, (2, -1, 1, 0), strict=True)]
    low, high = tabulate({"a": {"base": uneven, "a": own}}, ["base", "a"], {}, EACH).interval["a"]["base"]
    assert low < math.exp(2 / 37) < high
    assert (low, high) == tabulate({"a": {"base": uneven, "a": own}}, ["base", "a"], {}, EACH).interval["a"][
        "base"
    ]


def test_the_interval_resamples_people_not_passages() -> None:
    own = [Loss(2.0 * n, n) for n in (10, 10, 10, 10)]
    other = [
        Loss(loss.nats + more, loss.tokens) for loss, more in zip(own, (2.0, 4.0, -1.0, -1.0), strict=True)
    ]
    row = {"a": {"base": other, "a": own}}
    # two people, whose sums differ by 6 and -2 nats in 20 tokens: all that resampling them can give is these three
    matrix = tabulate(row, ["base", "a"], {}, {"a": ["ada", "ada", "bob", "bob"]})
    assert matrix.interval["a"]["base"] == pytest.approx((math.exp(-0.1), math.exp(0.3)), abs=1e-12)
    assert (matrix.passages, matrix.groups) == ({"a": 4}, {"a": 2})
    single = tabulate(row, ["base", "a"], {"a": ("base",)}, {"a": ["ada"] * 4})
    assert single.interval == {} and single.checks()["a"]["opposites"]["base"]["clear"] is False
    assert single.unclear() == [
        "a: better than base only within chance (ratio 1.1052, of a single speaker); score more tokens or speakers."
    ]


def test_models_must_be_scored_on_the_same_passages() -> None:
    with pytest.raises(ValueError, match="same passages"):
        tabulate({"a": {"base": [Loss(1.0, 2)], "a": [Loss(1.0, 3)]}}, ["base", "a"], {}, TWO)


TEXTS = ("press-left", "press-right", *(f"culture-{c}" for c in "abcdef"))


def rows(**changed: float) -> Matrix:
    """Every text: base 30, own 20, others 22; `changed` sets single cells, keys as text__model with _ for -."""
    table = {
        text: {
            model: 30.0 if model == "base" else 20.0 if model == text else 22.0 for model in ("base", *TEXTS)
        }
        for text in TEXTS
    }
    for key, value in changed.items():
        text, model = key.replace("_", "-").split("--")
        table[text][model] = value
    opposites = {"press-left": ("press-right",), "press-right": ("press-left",)}
    count = dict.fromkeys(TEXTS, 4000)
    return Matrix(
        TEXTS,
        ("base", *TEXTS),
        table,
        count,
        dict.fromkeys(TEXTS, 40),
        dict.fromkeys(TEXTS, 9),
        {},
        opposites,
    )


@pytest.mark.parametrize(
    ("changed", "starts"),
    [
        ({}, []),
        (
            {"press_left__press_left": 27.5},
            ["press-left: its own adapter lowers", "press-left: press-right does better"],
        ),
        ({"press_right__press_left": 19.9}, ["press-right: press-left does better"]),
        ({"press_left__culture_a": 5.0}, []),  # only the opposite counts for a leaning
        ({"culture_a__culture_b": 19.0}, []),  # one of six may miss
        (
            {"culture_a__culture_b": 19.0, "culture_c__base": 1.0},
            ["culture-c: its own", "Only 4 of 6 cultures"],
        ),
    ],
)
def test_missed_targets_are_said(changed: dict[str, float], starts: list[str]) -> None:
    missed = rows(**changed).missed()
    assert len(missed) == len(starts)
    assert all(sentence.startswith(start) for sentence, start in zip(missed, starts, strict=True)), missed


def test_an_opposite_that_was_not_evaluated_is_no_target_met() -> None:
    matrix = replace(rows(), opposites={"press-left": ("press-right", "speech-right")})
    assert matrix.missed() == [
        "press-left: its opposite speech-right was not evaluated; give its configuration, too."
    ]


def test_better_within_chance_is_said() -> None:
    own = [Loss(2.0 * n, n) for n in (5, 5, 5, 5)]
    texts = ["base", "a", "b", "c"]
    # b is worse on every passage; c is worse on one and better on the others, and worse in sum by a hair
    worse = [Loss(loss.nats + 0.5, loss.tokens) for loss in own]
    mixed = [Loss(loss.nats + bonus, loss.tokens) for loss, bonus in zip(own, (3.1, -1, -1, -1), strict=True)]
    row = {"base": worse, "a": own, "b": worse, "c": mixed}
    matrix = tabulate({"a": row}, texts, {"a": ("b", "c")}, EACH)
    against = matrix.checks()["a"]["opposites"]
    assert against["b"]["clear"] is True and against["b"]["interval"] == pytest.approx([math.exp(0.1)] * 2)
    assert against["c"]["own_is_better"] is True and against["c"]["clear"] is False
    (sentence,) = matrix.unclear()
    assert sentence.startswith("a: better than c only within chance (ratio 1.0050, 95 % 0.")
    assert matrix.record()["log_loss_nats"]["a"] == {
        "base": 42.0,
        "a": 40.0,
        "b": 42.0,
        "c": pytest.approx(40.1),
    }


def test_the_record_is_what_readers_expect() -> None:
    record = json.loads(json.dumps(rows().record()))
    assert record["models"][0] == "base" and record["texts"] == list(TEXTS)
    assert record["perplexity"]["press-left"]["press-right"] == 22.0
    assert record["checks"]["press-left"]["opposites"]["press-right"]["own_is_better"] is True
    assert record["missed"] == []


def test_surprise_is_minus_log_softmax() -> None:
    logits = np.array([1000.0, 1001.0, 999.0], dtype=np.float32)
    total = math.exp(0) + math.exp(1) + math.exp(-1)
    assert surprise(logits, 1) == pytest.approx(-math.log(math.e / total), rel=1e-6)


def test_scores_survive_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "scores.jsonl"
    with ScoreFile(path) as scores:
        scores.put("k1", Loss(1.25, 3))
        scores.put("k2", Loss(2.5, 4))
    path.write_bytes(path.read_bytes()[:-7])  # killed while writing the second
    with ScoreFile(path) as scores:
        assert (scores.find("k1"), scores.find("k2")) == (Loss(1.25, 3), None)
        scores.put("k3", Loss(1.0, 1))
    with ScoreFile(path) as scores:
        assert [scores.find(key) for key in ("k1", "k2", "k3")] == [Loss(1.25, 3), None, Loss(1.0, 1)]
    assert (
        len({score_key(*key) for key in (("b", "a", "q", "p"), ("b", "a", "qp", ""), ("b", "c", "q", "p"))})
        == 3
    )
