"""`plocal ask -m remote:` and our own `plocal serve`: each mode here with its LLM there, and each mode there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.mode_specs import MODES, SPECS, ModeName
from tests.support.api_server import Served, served
from tests.support.command_line import Run

pytest.importorskip("uvicorn")

QUESTION = "Should phones be banned in schools?"


@pytest.fixture
def server(village: Path) -> Iterator[Served]:
    with served() as running:
        yield running


def given(mode: ModeName) -> list[str]:
    """What `plocal ask` must be given for a mode, beside a question."""
    spec = SPECS[mode]
    options = ["--option", "Yes", "--option", "No"] if spec.options == "needed" else []
    return [*options, *(["--attribute", "rural voters"] if spec.attribute else [])]


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_takes_our_server_for_its_llm(mode: ModeName, run: Run, server: Served) -> None:
    there = ("-m", f"remote:{server.url}#vanilla", "--communities-model", "scripted:")
    ran = run("ask", "-n", *there, "--mode", mode, *given(mode), "--json", QUESTION)
    assert ran.code == 0, ran.err
    record = ran.json()
    assert (record["mode"], record["model"]["backend"]) == (mode, "remote")
    assert record["answer"] and record["complete"]
    heard = {"none": 0, "chosen": 1 if SPECS[mode].chooses_first else 3}.get(SPECS[mode].comments, 3)
    assert len(record["comments"]) == heard
    if SPECS[mode].options == "needed":
        assert record["distribution"]["method"] == "top_logprobs"
        assert sum(record["distribution"]["p"]) == pytest.approx(1)


@pytest.mark.parametrize("name", [*MODES, "overton:coast"])
def test_every_mode_of_our_server_answers_an_ask(name: str, run: Run, server: Served) -> None:
    spec = SPECS[name.partition(":")[0]]  # type: ignore[index]
    question = f"attribute: rural voters\n{QUESTION}" if spec.attribute else QUESTION
    options = ["--option", "Yes", "--option", "No"] if spec.options == "needed" else []
    ran = run(
        "ask", "-n", "-m", f"remote:{server.url}#{name}", "--mode", "vanilla", *options, "--json", question
    )
    assert ran.code == 0, ran.err
    record = ran.json()
    assert record["answer"] and record["model"]["id"] == f"remote:{server.url}#{name}"
    same = server.chat(question, name, plural={"options": ["Yes", "No"]} if options else {}).json()
    if options:
        weighed = same["plural"]["distribution"]
        assert record["distribution"]["options"] == weighed["options"] == ["Yes", "No"]
        assert record["distribution"]["unassigned_mass"] == pytest.approx(0, abs=1e-6)
    else:
        assert record["answer"] == same["choices"][0]["message"]["content"]


def test_a_follow_up_of_ours_goes_on_from_what_the_voices_there_said(run: Run, server: Served) -> None:
    there = ("-m", f"remote:{server.url}#overton", "--mode", "vanilla", "--json")
    first = run("ask", *there, QUESTION)
    assert len(server.api._service._conversations) == 1
    assert first.code == 0, first.err
    second = run("ask", *there, "-c", "And in trains?")
    assert second.code == 0, second.err
    assert second.json()["answer"] != first.json()["answer"]


def test_what_our_server_refuses_is_told_as_it_says_it(run: Run, server: Served) -> None:
    ran = run("ask", "-n", "-m", f"remote:{server.url}#overtone", "--mode", "vanilla", QUESTION)
    assert (ran.code, "Did you mean 'overton'?" in ran.err) == (5, True)
    ran = run("ask", "-n", "-m", f"remote:{server.url}#steerable", "--mode", "vanilla", QUESTION)
    assert (ran.code, "attribute" in ran.err) == (2, True)
    ran = run("ask", "-n", "-m", f"remote:{server.url}", "--mode", "vanilla", QUESTION)
    assert (ran.code, "several models: overton, steerable" in ran.err) == (2, True)
