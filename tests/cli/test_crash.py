"""An ask whose process is ended from below keeps what was finished."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pluralism_local.history import History, default_path
from pluralism_local.history.reading import comments

DIES_IN_THE_ANSWER = """
import os, signal, sys
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.cli.main import main
real = ScriptedEngine.generate
def generate(self, requests, **options):
    if len(requests) == 1 and "Passage" in requests[0].messages[-1].content:
        os.kill(os.getpid(), int(sys.argv[1]))
    yield from real(self, requests, **options)
ScriptedEngine.generate = generate
main(["ask", "-m", "scripted:", *sys.argv[2:], "Should phones be banned?"])
"""


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGILL, signal.SIGKILL])
def test_comments_outlive_a_fault_in_the_answer(number: signal.Signals) -> None:
    command = [
        sys.executable,
        "-c",
        DIES_IN_THE_ANSWER,
        str(int(number)),
        "-p",
        "press-left",
        "-p",
        "press-right",
    ]
    done = subprocess.run(command, capture_output=True, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == -number, done.stderr
    with History(default_path()) as history:
        (conversation,) = history.all()
    (turn,) = conversation.turns
    assert turn.status == "stopped"
    assert {comment.community for comment in comments(turn)} == {"press-left", "press-right"}
    assert all(comment.text for comment in comments(turn))
    shown = subprocess.run(
        [sys.executable, "-m", "pluralism_local", "logs", "show", "last", "--json"],
        capture_output=True,
        check=True,
    )
    assert len(json.loads(shown.stdout)["turns"][0]["record"]["comments"]) == 2
