"""Runs that are not whole, what is left out, and what a run rests on."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.report_pages import (
    DISTANCE,
    FEW,
    GLOBAL,
    Begin,
    Page,
    Run,
    cell,
    page_of,
    record_of,
    survey,
)


def test_runs_without_answers_are_named_and_passed_over(run: Run, begin: Begin, tmp_path: Path) -> None:
    good = begin(GLOBAL, survey(9), *FEW)
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "run.json").write_text((Path(good) / "run.json").read_text())
    ran = run("eval", "report", good, str(empty), "-o", "-")
    assert ran.code == 0 and "empty: it has no scores to show: it has no answers yet." in ran.err
    assert "empty: it has no scores to show" in Page(ran.out).root.words
    alone = run("eval", "report", str(empty), "-o", str(tmp_path / "x.html"))
    assert alone.code == 2 and "None of these runs has anything to show." in alone.err
    assert not (tmp_path / "x.html").exists()
    assert run("eval", "report", "nobody", "-o", "-").code == 3
    folder = run("eval", "report", good, "-o", str(tmp_path))
    assert folder.code == 2 and "is a folder" in folder.err


def test_a_run_whose_data_is_gone_is_shown_as_it_was_kept(run: Run, begin: Begin, tmp_path: Path) -> None:
    folder = begin(GLOBAL, survey(9), *FEW)
    (tmp_path / f"{GLOBAL}.json").unlink()
    page = page_of(run, folder)
    assert "shown as results.json has it, without paired differences: There is no file" in page.root.words
    table = page.table(f"{DISTANCE}, with")
    assert table["ours"]["this run"] == cell(record_of(folder)["methods"]["ours"]["js_distance"])
    assert "ours minus each other method" not in page.titles()
    # a file may hold anything
    kept = record_of(folder)
    kept["methods"]["ours"]["js_distance"] = {"value": "<b>", "low": None, "high": []}
    kept["methods"]["moe"] = {"js_distance": 7}
    (Path(folder) / "results.json").write_text(json.dumps(kept))
    table = page_of(run, folder).table(f"{DISTANCE}, with")
    assert "ours" not in table and "moe" not in table and "vanilla" in table


def test_only_some_methods_and_those_that_came_later(run: Run, begin: Begin) -> None:
    folder = begin(GLOBAL, survey(9), "--method", "vanilla", "--method", "prompting")
    page = page_of(run, folder)
    table = page.table(f"{DISTANCE}, with")
    assert list(table) == ["vanilla", "prompting"] and "vanilla minus each other method" in page.titles()
    assert run("eval", "resume", folder, "--method", "ours", "--json").code == 0
    table = page_of(run, folder).table(f"{DISTANCE}, with")
    assert list(table) == ["ours", "vanilla", "prompting"]


def test_failures_are_counted_with_their_reasons(run: Run, begin: Begin) -> None:
    folder = begin(GLOBAL, survey(6))
    journal = Path(folder) / "samples.jsonl"
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    first = next(one for one in records if one["method"] == "moe")
    del first["pred_distribution"]
    first["error"] = {"code": "context_overflow", "message": "Too long by <b>7</b> tokens."}
    journal.write_text("".join(json.dumps(one) + "\n" for one in records))
    page = page_of(run, folder)
    assert "1 of 6 samples are left out for all methods alike" in page.root.words
    found = page.table("Failures by kind")["moe"]
    assert found == {
        "error": "context_overflow",
        "samples": "1",
        "the first one's message": "Too long by <b>7</b> tokens.",
    }


def test_what_a_run_rests_on(run: Run, begin: Begin) -> None:
    folder = begin(GLOBAL, survey(6), "--seed", "7", *FEW)
    page = page_of(run, folder)
    known = json.loads((Path(folder) / "run.json").read_text())
    identity = page.table("Identity of run")
    assert identity["run"]["value"] == known["id"] and identity["data file"]["value"] == f"{GLOBAL}.json"
    assert identity["LLM"]["value"].startswith("scripted: (scripted), sha256 ")
    assert "seed 7" in identity["comments"]["value"] and "seed 7" in identity["answers"]["value"]
    assert identity["begun"]["value"] == known["about"]["begun"]
    communities = page.table("Communities of the pool village")
    assert list(communities) == ["farmers", "fishers"]
    assert communities["farmers"]["weight"] == "0.5"
    assert list(page.table("Prompts")) == list(known["identity"]["prompts"])
    assert "is a survey" in page.root.words


def test_a_report_names_a_models_file_without_its_folders(run: Run, begin: Begin) -> None:
    folder = Path(begin(GLOBAL, survey(9), *FEW))
    begun = json.loads((folder / "run.json").read_text())
    name = begun["identity"]["llm"]["id"]
    for role in ("llm", "communities_model"):
        begun["identity"][role]["id"] = "/home/ada/models/large.gguf"
    assert name not in json.dumps(begun["identity"])
    (folder / "run.json").write_text(json.dumps(begun))
    ran = run("eval", "report", str(folder), "-o", "-")
    assert ran.code == 0 and "large.gguf" in ran.out and "/home/ada" not in ran.out
