"""`plocal eval report` on real runs of every kind: tables say what the summaries say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.evaluation import metrics
from pluralism_local.evaluation.runner import read_results
from pluralism_local.evaluation.sample_file import read_samples
from pluralism_local.evaluation.samples import Prediction
from pluralism_local.evaluation.tasks import TASKS
from tests.support import rows
from tests.support.report_pages import (
    DISTANCE,
    FEW,
    GLOBAL,
    Begin,
    Run,
    cell,
    page_of,
    record_of,
    rows_of,
    survey,
)

METHODS = ("ours", "moe", "vanilla", "prompting", "uniform", "shuffled")


def test_moral_choice_low_and_high(run: Run, begin: Begin) -> None:
    folder = begin(
        "distributional-moralchoice", [rows.moral(i, "low" if i % 2 else "high") for i in range(12)]
    )
    page, record = page_of(run, folder), record_of(folder)
    scores = page.table(f"{DISTANCE}, with")
    assert list(scores) == list(METHODS)
    for method in METHODS:
        figures = record["methods"][method]
        assert scores[method]["this run"] == cell(figures["js_distance"])
        ambiguity = page.table(f"{DISTANCE} by ambiguity")
        assert ambiguity[method]["low"] == cell(figures["js_distance_low"])
        assert ambiguity[method]["high"] == cell(figures["js_distance_high"])
        assert page.table("Entropy (nats), with")[method]["this run"] == cell(figures["entropy"])
    # gold entropy: half certain, half ln 2
    assert page.table("Entropy (nats), with")["target"]["this run"].startswith("0.347 [")
    assert scores["ours"]["LLaMA3-8B aligned (Table 10)"] == "0.170"
    assert scores["uniform"]["LLaMA3-8B aligned (Table 10)"] == "–"
    differences = page.table("ours minus each other")
    vanilla = metrics_difference(record, folder, "ours", "vanilla")
    assert differences["vanilla"][DISTANCE] == vanilla
    assert "ours" not in differences and set(differences) == set(METHODS) - {"ours"}


def metrics_difference(record: Any, folder: str, a: str, b: str) -> str:
    """ours − vanilla of the J–S distance, from the answers as they lie in the journal."""
    wanted = json.loads((Path(folder) / "run.json").read_text())["about"]["wanted"]

    samples = read_samples(TASKS[record["task"]], Path(wanted["data"]))
    results, _ = read_results(Path(folder))

    def distances(method: str) -> list[float]:
        found = [results[method][one.id] for one in samples]
        return [
            metrics.js_distance(sample.gold, one.distribution or ())
            for sample, one in zip(samples, found, strict=True)
            if isinstance(one, Prediction)
        ]

    return cell(
        metrics.difference(distances(a), distances(b), [one.cluster for one in samples]).record()  # type: ignore[arg-type]
    )


def test_countries_examples_and_pools(run: Run, begin: Begin) -> None:
    base = begin(GLOBAL, survey(), *FEW)
    patched = begin(GLOBAL, survey(), *FEW, "--pool", "village+millers")
    page = page_of(run, patched, base)
    record, other = record_of(base), record_of(patched)
    # sorted by distance, those with fewer than five folded and not in the plot
    found = [one for one in page.all("table") if "by country" in one.all("caption")[0].words]
    tables = [rows_of(one) for one in found]
    for table, made in zip((tables[0], tables[2]), (other, record), strict=True):
        parts = made["parts"]["ours"]["country"]
        ordered = sorted(("Kenya", "Spain", "Japan"), key=lambda name: parts[name]["js_distance"]["value"])
        assert list(table) == ordered
        assert table["Spain"]["ours"] == cell(parts["Spain"]["js_distance"])
        assert table["Spain"]["n"] == str(parts["Spain"]["js_distance"]["n"])
    assert list(tables[1]) == ["Tonga"]
    assert found[1] in [one for details in page.all("details") for one in details.all("table")]
    assert tables[0]["Japan"]["ChatGPT aligned, ours (Table 3)"] == "0.322"
    # pools
    pools = page.table(f"{DISTANCE} of ours by pool")
    assert list(pools) == ["village", "village+millers"]
    assert pools["village"]["ours"] == cell(record["methods"]["ours"]["js_distance"])
    assert pools["village+millers"]["ours"] == cell(other["methods"]["ours"]["js_distance"])
    patch = next(
        rows_of(one) for one in page.all("table") if "village+millers minus" in one.all("caption")[0].words
    )
    difference = (
        other["methods"]["ours"]["js_distance"]["value"] - record["methods"]["ours"]["js_distance"]["value"]
    )
    assert float(patch["all samples"]["difference"].split()[0]) == pytest.approx(difference, abs=6e-4)
    assert patch["all samples"]["n"] == "24" and "Tonga" not in patch
    # examples: a model's estimate beside what people said, never the one as the other
    titles = [title for title in page.titles() if " answer: " in title]
    assert len(titles) == 6 and titles[0].startswith("The nearest answer")
    example = rows_of(
        next(one for one in page.all("table") if one.all("caption")[0].words == "Probability by option")
    )
    assert all(
        set(row) == {"estimate of ours with scripted:", f"people asked: {titles[0].split(': ')[1]}"}
        for row in example.values()
    )
    assert sum(float(row["estimate of ours with scripted:"]) for row in example.values()) == pytest.approx(
        1, abs=2e-3
    )


def test_a_patch_without_its_base_says_so(run: Run, begin: Begin) -> None:
    first = begin(GLOBAL, survey(8), "--pool", "village+millers", *FEW)
    second = begin(GLOBAL, survey(8), "-p", "farmers", *FEW)
    words = page_of(run, first, second).root.words
    assert "village+millers patches the pool village, of which no such run is in this report." in words
    # another task's run is no member of the group
    third = begin("distributional-moralchoice", [rows.moral(i) for i in range(4)], *FEW)
    assert "ours by pool" not in page_of(run, first, third).titles()


def test_steerable_value_kaleidoscope(run: Run, begin: Begin) -> None:
    folder = begin("steerable-vk", [rows.value(i, "ABC"[i % 3]) for i in range(18)])
    page, record = page_of(run, folder), record_of(folder)
    for metric, caption in (
        ("accuracy", "Accuracy (share of samples), with"),
        ("balanced_accuracy", "Balanced accuracy"),
        ("macro_f1", "Macro F1"),
        ("binary_accuracy", "Binary accuracy"),
    ):
        table = page.table(caption)
        assert all(table[one]["this run"] == cell(record["methods"][one][metric]) for one in METHODS)
    assert page.table("Accuracy (share of samples")["ours"]["ChatGPT aligned (Table 1)"] == "0.730"
    # labels have no entropy, and no part of the paper's distributions
    assert not any(one.attributes.get("id") in ("entropy", "distributions") for one in page.all("section"))
    everything = page.table("Every metric of run")
    assert everything["count: n"]["ours"] == "18"
    cost = page.table("Mean tokens per sample")
    spent = record["cost"]["ours"]["llm"]
    assert cost["ours: LLM"]["written"] == f"{spent['completion']:.1f}"
    assert float(cost["ours: LLM"]["read"]) == pytest.approx(spent["prompt"] - spent["reused"], abs=0.06)


def test_opinion_qa_by_category(run: Run, begin: Begin) -> None:
    attributes = ["RELIG_Atheist", "SEX_Female"]
    folder = begin("steerable-opinionqa", [rows.opinion(i, attributes[i % 2]) for i in range(12)])
    page, record = page_of(run, folder), record_of(folder)
    label = "Accuracy of the most likely option (share of samples)"
    table = page.table(f"{label} by category")
    parts = record["parts"]["ours"]["category"]
    assert table["religion"]["ours"] == cell(parts["RELIG"]["most_likely_accuracy"])
    assert table["religion"]["ChatGPT aligned, ours (Table 2)"] == "0.559" and table["Sex"]["n"] == "6"
    assert "uniform" not in table["Sex"]
    assert page.table("Entropy (nats), with")["ours"]["ChatGPT aligned (Table 6)"] == "0.713"
