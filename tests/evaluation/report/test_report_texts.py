"""Responses: coverage, faithfulness to comments, and judges."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.evaluation import metrics
from pluralism_local.evaluation.nli import NliPair
from pluralism_local.evaluation.nli.base import EntailmentScores
from pluralism_local.evaluation.runner import read_results
from pluralism_local.evaluation.samples import Prediction
from tests.support import rows
from tests.support.report_pages import HOSTILE, Begin, Run, cell, page_of, record_of


def share(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def test_judges_are_shown_from_either_form_of_their_file(run: Run, begin: Begin) -> None:
    folder = begin("overton-nli", [rows.overton(i) for i in range(3)], "--scorer", "none")
    standing = {"win": share(0.5), "tie": share(0.2), "lose": share(0.3), "n": 40, "position_bias": {}}
    single = {"schema": "plocal.eval.judge/1", "a": "ours", "opponents": {"vanilla": standing}, "more": 1}
    (Path(folder) / "judge.json").write_text(json.dumps(single))
    table = page_of(run, folder).table("ours against each opponent, judged by a model")
    assert table == {
        "vanilla": {
            "win": "0.500 [0.400, 0.600]",
            "tie": "0.200 [0.100, 0.300]",
            "lose": "0.300 [0.200, 0.400]",
            "n": "40",
        }
    }
    several = {
        "schema": "plocal.eval.judge/1",
        "a": "ours",
        "opponents": ["vanilla", "moe"],
        "judges": [
            {"judge": HOSTILE, "opponents": {"vanilla": standing, "moe": {"win": {"value": None}}}},
            {"judge": "second", "opponents": {"vanilla": standing}},
            "nonsense",
        ],
        "fleiss_kappa": {"value": 0.4, "low": 0.3, "high": 0.5, "n": 38, "judges": 2},
    }
    (Path(folder) / "judge.json").write_text(json.dumps(several))
    page = page_of(run, folder)
    assert list(page.table("ours against each opponent, judged by second")) == ["vanilla"]
    assert "Fleiss' kappa: 0.400 [0.300, 0.500] on 38 pairs" in page.root.words
    (Path(folder) / "judge.json").write_text('{"schema": "other"')
    assert run("eval", "report", folder, "-o", "-").code == 2


class EvenNli:
    """Entailment where the hypothesis has an even number of letters."""

    name, identity, truncated = "even <letters>", "cd" * 32, 0

    def score(self, pairs: Sequence[NliPair], *, should_stop: ShouldStop = never) -> EntailmentScores:
        rows = [(0.9, 0.1, 0.0) if len(one.hypothesis) % 2 == 0 else (0.2, 0.7, 0.1) for one in pairs]
        return np.array(rows, dtype=np.float64).reshape(-1, 3)


@contextmanager
def open_even(*_: object) -> Iterator[EvenNli]:
    yield EvenNli()


def test_coverage_and_faithfulness(run: Run, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pluralism_local.cli.eval.running.open_scorer", open_even)
    monkeypatch.setattr("pluralism_local.cli.eval.report.open_scorer", open_even)
    folder = begin("overton-nli", [rows.overton(i) for i in range(5)])
    page, record = page_of(run, folder, "--faithfulness"), record_of(folder)
    for metric, caption in (
        ("coverage", "Coverage"),
        ("coverage_score", "Released score"),
        ("coverage_033", "Covered situations"),
    ):
        table = page.table(caption)
        assert table["ours"]["this run"] == cell(record["methods"]["ours"][metric])
        assert "uniform" not in table and "shuffled" in table
    found = page.table("Message faithfulness")
    # every comment entails the same sentences, so that a sentence is new just where it is odd

    results, _ = read_results(Path(folder))
    texts = [one.output or "" for one in results["ours"].values() if isinstance(one, Prediction)]
    split = [[len(one) % 2 for one in metrics.sentences(text)] for text in texts]
    new = sum(sum(one) / len(one) for one in split) / 5
    reflected = sum(0 in one for one in split) / 5
    assert found["sentences new"]["value"].startswith(f"{new:.3f}")
    assert found["comments reflected, all communities"]["value"].startswith(f"{reflected:.3f}")
    assert found["comments reflected: fishers"]["n"] == "5"
    assert "Message faithfulness of ours" not in page_of(run, folder).titles()


def test_faithfulness_is_left_out_where_cards_changed(
    run: Run, begin: Begin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("pluralism_local.cli.eval.report.open_scorer", open_even)
    folder = begin("overton-nli", [rows.overton(i) for i in range(3)], "--scorer", "none")
    page = page_of(run, folder, "--faithfulness")
    assert "it was run with --scorer none" in page.root.words
    assert page.titles() == ["Message faithfulness of ours"]
    pool = tmp_path / "data" / "communities" / "pools" / "village.yaml"
    pool.write_text("- {card: farmers}\n- {card: millers}\n")
    ran = run("eval", "report", folder, "--faithfulness", "-o", "-")
    assert ran.code == 2 and "has other members than when the run began" in ran.err


def test_windows_are_shown_with_what_judged_them(
    run: Run, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pluralism_local.cli.eval.running.open_scorer", open_even)
    folder = begin(
        "overton-window", [rows.window(i) for i in range(4)], "--method", "ours", "--method", "shuffled"
    )
    page, record = page_of(run, folder), record_of(folder)
    assert record["scorer"] == EvenNli.name and EvenNli.name in run("eval", "show", folder).out
    stated = [len(viewpoint["text"]) % 2 == 0 for viewpoint in rows.window(0)["viewpoints"]]
    ours = record["methods"]["ours"]
    assert ours["overton_score"]["value"] == sum(stated[:2]) / 2
    assert ours["unreasonable"]["value"] == stated[2]
    assert ours["counts"] == {"n": 4, "n_unreasonable": 4, "empty": 0}
    for metric, caption in (
        ("overton_score", "OvertonScore"),
        ("weighted_overton_score", "Weighted OvertonScore"),
        ("precision", "Precision"),
        ("whole_window", "Whole windows"),
        ("unreasonable", "Unreasonable let in"),
        ("unreasonable_share", "Unreasonable share"),
    ):
        assert page.table(caption)["ours"]["this run"] == cell(ours[metric]), metric
    assert "which of them are reasonable is as it says there" in page.root.words
    assert "0.33" not in page.root.words
