"""`plocal ask --positions`: the matrix on a terminal, in Markdown and in JSON; the paper's prompt stays the default."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import Run
from tests.support.scripts import script

BAN, FREE = "Phones should be banned.", "Parents should decide."


@pytest.fixture
def model(village: Path, tmp_path: Path) -> str:
    """A model through which farmers and fishers take two positions; of any text it says so word for word."""
    del village  # where the communities are
    weights = [
        {"pattern": f"(?s)Comment: {claim}.*Claim: {claim}", "mass": {"Yes": 0.9, "No": 0.1}}
        for claim in (BAN, FREE)
    ]
    nothing = {"match": "Claim:", "mass": {"Yes": 0.5, "No": 0.5}}
    return script(
        tmp_path,
        {"pattern": f"(?s)Comment: {BAN}.*What does the comment claim", "text": BAN},
        {"pattern": f"(?s)Comment: {FREE}.*What does the comment claim", "text": FREE},
        {"match": f"Position: {BAN}", "text": BAN},
        {"match": f"Position: {FREE}", "text": FREE},
        {"match": "following passages", "text": BAN},
        {"match": "You speak for the fishers", "text": FREE},
        {"match": "You speak for the farmers", "text": BAN},
        distributions=[*weights, nothing],
    )


BOTH = ("-p", "farmers", "-p", "fishers", "Ban phones?")


@pytest.mark.parametrize("mode", ["steerable", "distributional", "vanilla", "moe"])
@pytest.mark.parametrize("option", ["--positions", "--prompts own"])
def test_an_answer_that_is_no_text_of_many_comments_has_no_positions(
    run: Run, mode: str, option: str
) -> None:
    ran = run("ask", "--mode", mode, *option.split(), *BOTH)
    assert ran.code == 2 and ran.out == ""
    assert f"{option} is about the positions of comments" in ran.err
    assert f"Leave {option} out, or use --mode overton." in ran.err


def test_the_matrix_is_printed_below_the_answer(run: Run, model: str) -> None:
    ran = run("ask", "-m", model, "--positions", *BOTH)
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0] == BAN
    assert "Positions, as a model reads the comments" in lines
    assert any(line.startswith("  1 Phones should be banned.") and line.endswith("yes") for line in lines)
    assert f'  Left out: "{FREE}" (fishers)' in lines
    assert max(map(len, lines)) <= 80 and "\x1b" not in ran.out


def test_own_prompts_build_the_answer_from_the_positions(run: Run, model: str) -> None:
    ran = run("ask", "-m", model, "--prompts", "own", *BOTH)
    assert ran.out.startswith(
        "Only farmers holds that phones should be banned. [farmers]\n\n"
        "Only fishers holds that Parents should decide. [fishers]\n"
    )


def test_json_has_the_positions(run: Run, model: str) -> None:
    record = run("ask", "--json", "-m", model, "--positions", *BOTH).json()
    assert [position["text"] for position in record["positions"]] == [BAN, FREE]
    assert record["positions"][0]["support"].keys() == {"farmers", "fishers"}
    assert record["window"]["method"] == "llm"


def test_markdown_has_a_table(run: Run, model: str) -> None:
    ran = run("ask", "--format", "md", "-m", model, "--positions", *BOTH)
    assert "| position | farmers | fishers | in the answer? |" in ran.out


def test_without_the_option_there_are_none(run: Run, model: str) -> None:
    assert "Positions" not in run("ask", "-m", model, *BOTH).out


def test_a_dry_run_leaves_them_out_and_says_so(run: Run, model: str) -> None:
    ran = run("ask", "-m", model, "--prompts", "own", "--dry-run", *BOTH)
    assert ran.code == 0 and "the plan leaves it out" in ran.out + ran.err
