"""`plocal ask --rounds` and `--consensus`: on a terminal, in Markdown, JSON and HTML, planned, kept and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.agreement import JuryStarted, RoundStarted
from pluralism_local.cli.live_view import ProgressLine
from pluralism_local.results import Comment, CommentDone
from pluralism_local.types import Usage
from tests.support.command_line import Run
from tests.support.scripts import script

BAN, FREE, SCHOOLS = "Phones should be banned.", "Parents should decide.", "Each school should decide."
BOTH = ("-p", "farmers", "-p", "fishers", "Ban phones?")


@pytest.fixture
def model(village: Path, tmp_path: Path) -> str:
    """A model through which farmers and fishers disagree and can live with the schools' decision."""
    del village  # where the communities are
    agrees = {"farmers": {BAN: 0.9, FREE: 0.2, SCHOOLS: 0.6}, "fishers": {BAN: 0.1, FREE: 0.8, SCHOOLS: 0.7}}
    votes = [
        {"match": "Would the author of the comment agree", "mass": {"Yes": 0.7, "No": 0.3}},
        *(
            {
                "pattern": f"(?s)You speak for the {voice}.*Statement: {statement}.*{listed}",
                "mass": {"A": a, "B": 1 - a},
            }
            for voice, row in agrees.items()
            for statement, p in row.items()
            for listed, a in (("A. Yes", p), ("A. No", 1 - p))
        ),
    ]
    return script(
        tmp_path,
        {"match": "every one of these voices", "text": SCHOOLS},
        {"match": "following passages", "text": "Some say this."},
        {"pattern": "(?s)You speak for the fishers.*You have said", "text": FREE},
        {"pattern": "(?s)You speak for the farmers.*You have said", "text": BAN},
        {"match": "You speak for the fishers", "text": f"{FREE} We do."},
        {"match": "You speak for the farmers", "text": f"{BAN} They distract."},
        distributions=votes,
    )


def test_a_consensus_is_printed_with_its_ranking(run: Run, model: str) -> None:
    ran = run("ask", "-m", model, "--consensus", *BOTH)
    assert ran.code == 0 and "consensus" not in ran.err, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == SCHOOLS
    assert lines[2] == "Consensus by maxmin: no voice of 2 rejects it; farmers agrees least (60.0 %)"
    assert any(line.split()[:1] == ["1"] and line.split()[-3:] == ["60", "70", "0.60"] for line in lines)
    assert any("By aversion to inequality" in line for line in lines)
    assert "  Loses most: farmers, which agrees with it at 60.0 %, and with statement 3 at" in lines
    assert max(map(len, lines)) <= 80 and "\x1b" not in ran.out


def test_what_a_voice_rejects_is_called_so_everywhere(run: Run, model: str) -> None:
    for form in ("text", "md"):
        ran = run("ask", "-m", model, "--consensus", "--rule", "borda", "-p", "farmers", "-p", "fishers",
                  "--format", form, "Ban phones?")  # fmt: skip
        if "Consensus by" not in ran.out:
            assert "not a consensus: " in ran.out and "is no consensus" in ran.err
    record = json.loads(run("ask", "-m", model, "--consensus", "--alpha", "0", "--json", *BOTH).out)
    consensus: dict[str, Any] = record["agreement"]
    assert (consensus["rule"], consensus["alpha"]) == ("w_alpha", 0)
    assert consensus["is_consensus"] == (not consensus["statements"][0]["rejected_by"])
    assert consensus["sweep"][-1]["alpha"] == "inf" and record["answer"] == consensus["statements"][0]["text"]


def test_rounds_are_told_and_kept_and_exported(run: Run, model: str, tmp_path: Path) -> None:
    ran = run("ask", "-m", model, "--rounds", "1", "--consensus", *BOTH)
    assert ran.code == 0, ran.err
    assert "Rounds, as a model reads the comments" in ran.out and "  round 1: 2 stood" in ran.out
    page = tmp_path / "talk.html"
    assert run("logs", "export", "last", "--format", "html", "-o", str(page)).code == 0
    html = page.read_text("utf-8")
    assert "Consensus by maxmin" in html and "The first comments" in html and "round 1: 2 stood" in html
    markdown = tmp_path / "talk.md"
    assert run("logs", "export", "last", "-o", str(markdown)).code == 0
    text = markdown.read_text("utf-8")
    assert "**Consensus by maxmin" in text and "### Rounds" in text


def test_events_name_rounds_and_juries(run: Run, model: str) -> None:
    ran = run("ask", "-m", model, "--rounds", "1", "--consensus", "--format", "jsonl", *BOTH)
    told = [json.loads(line) for line in ran.out.splitlines()]
    names = [it.get("event") for it in told]
    assert names.index("round_started") < names.index("jury_started") and names[-1] is None
    assert {"event": "round_started", "number": 1, "rounds": 1} in told
    assert len(told[-1]["rounds"]) == 2 and told[-1]["agreement"]["is_consensus"] is True


def test_a_plan_counts_what_would_be_decoded(run: Run, model: str) -> None:
    ran = run("ask", "-m", model, "--dry-run", "--json", "--rounds", "2", "--consensus", *BOTH)
    steps = json.loads(ran.out)["steps"]
    voting = [step for step in steps if step["options"]]
    # 2 comments, 2 in each round, 2 statements; 2 voices × 3 statements × 2 orders of the answers; what was chosen, and
    # its denial, are held against 2 comments
    assert [sum(step["role"] == role for step in steps if not step["options"]) for role in ("communities", "llm")] == [
        8, 1,
    ]  # fmt: skip
    assert [step["role"] for step in voting] == ["communities"] * 12 + ["llm"] * 4
    shown = run("ask", "-m", model, "--dry-run", "--consensus", *BOTH).out
    assert "communities  weigh  12" in shown and "and 10 more like the last two" in shown
    assert "orders of options" not in shown  # votes are of no options


def test_a_plan_counts_the_votes_on_a_revision(run: Run, model: str) -> None:
    plan = ("ask", "-m", model, "--dry-run", "--consensus", "--revise", *BOTH)
    steps = json.loads(run(*plan[:3], "--json", *plan[3:]).out)["steps"]
    # as above, but critiques, the revision, and 2 voices × 1 statement × 2 orders before what was said is looked into
    assert sum(bool(step["options"]) for step in steps) == 20 and len(steps) == 2 + 2 + 1 + 12 + 2 + 1 + 4 + 4
    votes_on_the_llms = [
        step for step in steps[5:17] if "[answer 1 goes here]" in step["messages"][-1]["content"]
    ]
    # the voice's comment and the LLM's statement, each longer than its placeholder
    assert {step["comment_tokens_at_most"] for step in votes_on_the_llms} == {200 + 80}
    shown = run(*plan).out
    assert "and 10 more like the last two" in shown and "and 2 more like the last two" in shown


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--rounds", "9"), "There can be 0 to 5 rounds, got 9."),
        (("--rule", "nash"), "--rule belongs to a consensus."),
        (("--alpha", "2"), "--alpha belongs to a consensus."),
        (("--revise",), "--revise belongs to a consensus."),
        (("--consensus", "--rule", "w_alpha"), "The rule w_alpha needs an α."),
        (("--consensus", "--rule", "nash", "--alpha", "2"), "The rule nash has no α."),
        (("--consensus", "--alpha", "-1"), "α must be 0 or more"),
        (("--consensus", "--alpha", "nan"), "α must be 0 or more"),
        (("--consensus", "--mode", "vanilla"), "A consensus needs communities that all comment"),
        (
            ("--rounds", "1", "--mode", "dist", "--option", "Yes", "--option", "No"),
            "A round needs communities",
        ),
    ],
)
def test_what_makes_no_sense_is_one_sentence(
    run: Run, model: str, flags: tuple[str, ...], sentence: str
) -> None:
    ran = run("ask", "-m", model, *flags, *BOTH)
    assert ran.code == 2 and sentence in ran.err and ran.out == ""


def test_one_voice_is_refused(run: Run, model: str) -> None:
    ran = run("ask", "-m", model, "--consensus", "-p", "farmers", "Ban phones?")
    assert ran.code == 2 and "A consensus needs at least two voices, and there is one." in ran.err


def test_progress_says_which_round_and_that_a_jury_sits() -> None:
    lines: list[str] = []

    class Status:
        def status(self, text: str) -> None:
            lines.append(text)

    progress = ProgressLine(Status(), 1)  # type: ignore[arg-type]
    done = CommentDone(Comment("farmers", "Yes.", "stop", Usage(), 0.0))
    for event in (done, RoundStarted(1, 2), JuryStarted(3)):
        progress.event(event)
    assert lines[-1] == "the voices judge 3 statements …"
    progress.event(RoundStarted(2, 2))
    progress.event(CommentDone(Comment("farmers", "Yes.", "stop", Usage(), 0.0)))
    assert lines[0] == lines[-1] == "the LLM reads the comments …"
    assert all(line.startswith(("round", "the ")) for line in lines)
