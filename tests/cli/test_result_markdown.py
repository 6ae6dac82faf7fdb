"""`plocal ask --format md`: a document whose parts stay apart, escaped as the history's are."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.history import markdown
from tests.cli.test_logs import kept
from tests.support.command_line import Run
from tests.support.documents import OPEN, cells, emphasised, heads
from tests.support.scripts import script


@pytest.mark.parametrize("answer", OPEN)
def test_an_answer_that_is_left_open_takes_nothing_along(run: Run, tmp_path: Path, answer: str) -> None:
    model = script(
        tmp_path, {"match": "You speak", "text": "Mine."}, {"match": "Passage", "text": f"Well.\n\n{answer}"}
    )
    ran = run("ask", "-m", model, "--format", "md", "Why?")
    assert heads(ran.out) == ["Heard"] and ran.out.rstrip().endswith("*")
    plain = run("ask", "-m", model, "Why?").out
    assert plain.startswith(f"Well.\n\n{answer}\n\nHeard")


def test_both_writers_escape_alike(run: Run) -> None:
    option = "a \\*x\\* & $5 | <b> ~~z~~ #1"
    ran = run("ask", "--format", "md", "--mode", "dist", "--option", option, "--option", "No", "Which?")
    for document in (ran.out, markdown.dump(kept())):
        assert option in cells(document)
        assert "x" not in emphasised(document), "a backslash before an asterisk is a backslash, not an escape"
