"""`plocal values`: in a terminal, as JSON, Markdown and HTML; what it refuses, and what it leaves out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pluralism_local.values.record import from_record
from tests.modes.test_values import REASON, REPLIES, SITUATION, WEIGHTS
from tests.support.command_line import Run
from tests.support.scripts import script


@pytest.fixture
def model(tmp_path: Path) -> str:
    return script(tmp_path, *REPLIES, distributions=WEIGHTS)


def test_a_table_of_eighty_columns(run: Run, model: str) -> None:
    ran = run("values", "-m", model, SITUATION)
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].split() == ["at", "stake", "for", "against", "either"]
    assert lines[1].split() == ["+", "value", "Health", ".90", ".80", ".04", ".16"]
    assert lines[2] == f"    {REASON}"
    assert "Not at stake, below 0.5: Convenience." in lines
    assert max(map(len, lines)) <= 80 and "\x1b" not in ran.out
    assert "plocal ask --mode steerable --attribute 'value: Health' 'Biking to work'" in ran.err


def test_the_hint_is_a_command_that_runs(run: Run, model: str, village: Path) -> None:
    import shlex

    hint = run("values", "-m", model, SITUATION).err.partition("To answer by one of them: ")[2]
    ran = run(*shlex.split(hint)[1:], "-m", "scripted:", "-p", "farmers")
    assert ran.code == 0, ran.err


def test_json_is_the_record(run: Run, model: str) -> None:
    ran = run("values", "-m", model, "--json", "--limit", "2", SITUATION)
    record = json.loads(ran.out)
    assert ran.code == 0 and record["schema"] == "plocal.values/1"
    assert [one["text"] for one in record["values"]] == ["Health", "Environmental sustainability"]
    assert record["beyond"] == 3 and record["model"]["id"] == model
    assert from_record(record).situation == SITUATION
    assert "--attribute" not in ran.err


def test_json_lines_have_the_progress_and_the_values_last(run: Run, model: str) -> None:
    ran = run("values", "-m", model, "--format", "jsonl", SITUATION)
    *events, last = map(json.loads, ran.out.splitlines())
    assert last["schema"] == "plocal.values/1" and len(last["values"]) == 5
    assert {event["event"] for event in events} == {"values_progress"}
    stages = list(dict.fromkeys(event["stage"] for event in events))
    assert stages == ["listing", "relevance", "merging", "valence", "reasons"]


def test_documents_go_into_files(run: Run, model: str, tmp_path: Path) -> None:
    file = tmp_path / "values.html"
    ran = run("values", "-m", model, "--format", "html", "-o", str(file), SITUATION)
    assert ran.code == 0 and ran.out == ""
    assert file.read_text().startswith("<!doctype html>")
    ran = run("values", "-m", model, "--format", "md", SITUATION)
    assert ran.out.startswith("# Biking to work\n\n| at stake | kind |")


def test_a_dry_run_shows_every_prompt_and_asks_nothing(run: Run, model: str) -> None:
    ran = run("values", "-m", model, "--dry-run", SITUATION)
    assert ran.code == 0 and "Which human values" in ran.out and "Situation: N/A" in ran.out
    plan = json.loads(run("values", "-m", model, "--dry-run", "--json", SITUATION).out)
    assert plan["schema"] == "plocal.values-plan/1"
    assert [step["prompt"] for step in plan["steps"]] == [
        "values.list@1", *["values.relevance@1"] * 2, "values.supports@1", "values.opposes@1", "values.reason@1",
    ]  # fmt: skip
    assert all(step["tokens"] > 0 for step in plan["steps"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((" ",), 2, 'plocal values "Biking to work"'),
        (("--limit", "0", "x"), 2, "Between 1 and 40"),
        (("--min-relevance", "2", "x"), 2, "between 0 and 1"),
        (("-m", "nowhere", "x"), 3, "nowhere"),
    ],
)
def test_what_is_refused_says_so(run: Run, arguments: tuple[str, ...], code: int, message: str) -> None:
    ran = run("values", *(() if "-m" in arguments else ("-m", "scripted:")), *arguments)
    assert ran.code == code and ran.out == "" and message in ran.err


def test_nothing_at_stake_is_no_failure(run: Run, model: str) -> None:
    ran = run("values", "-m", model, "--min-relevance", "0.99", SITUATION)
    assert ran.code == 0 and ran.out.startswith("Not at stake, below 0.99: Health,")
    assert "the highest is 0.90, of 'Health'" in ran.err


def test_forty_values_with_markup_in_other_scripts(run: Run, tmp_path: Path) -> None:
    names = [f"価値{place} {{b}} <i>|`x`" for place in range(40)]
    file = script(tmp_path, {"match": "Which", "text": json.dumps({"values": names})}, *REPLIES[1:])
    for format in ("text", "md", "html", "json"):
        ran = run(
            "values", "-m", file, "--limit", "40", "--min-relevance", "0", "--format", format, "自転車通勤"
        )
        assert ran.code == 0, ran.err
        assert "価値39" in ran.out
