"""The chat fails, by a bug or by its model: the terminal is as before, the shell is told, what was said is kept."""

from __future__ import annotations

import re
import termios

import pytest

from pluralism_local.history import History, default_path
from tests.support.chat_driver import QUESTION
from tests.support.terminal import ENTRY, Terminal

BUG = """
from pluralism_local.tui.app import ChatApp
def fail(self, event):
    secret = "a variable of the crash"
    raise KeyError("a bug")
ChatApp.action_new = lambda self: fail(self, None)
"""

LEAVES = (b"\x1b[?1049l", b"\x1b[?25h")
"""The other screen is left, and the cursor shown."""


def lines(terminal: Terminal) -> str:
    """What stands on the terminal after the chat, without colours."""
    after = terminal.shown.rpartition(LEAVES[0])[2].decode()
    return re.sub(r"\x1b\[[0-9;?<>=]*[A-Za-z]", "", after)


@pytest.mark.parametrize("debug", ["", "1"])
def test_a_bug_ends_the_chat_with_1_and_a_sentence(debug: str) -> None:
    terminal = Terminal("-m", "scripted:", "--mode", "vanilla", entry=BUG + ENTRY, PLOCAL_DEBUG=debug)
    before = termios.tcgetattr(terminal.slave)
    terminal.read_until(b"4,096 ctx")
    terminal.type(QUESTION.encode() + b"\r")
    terminal.read_until(b"[vanilla]")
    terminal.type(b"\x0e")  # Ctrl+N
    terminal.read_until_end()
    after = termios.tcgetattr(terminal.slave)
    assert terminal.end() == 1
    assert after == before
    assert all(sequence in terminal.shown for sequence in LEAVES)
    assert "went wrong: KeyError: 'a bug'" in lines(terminal)
    assert ("Traceback" in lines(terminal)) == bool(debug)
    assert "a variable of the crash" not in lines(terminal)
    with History(default_path()) as history:
        found = history.latest()
    assert found is not None and [turn.status for turn in found.turns] == ["done"]


SLOW = """
import time
from pluralism_local import wiring
def slowly(name, settings, status):
    status("loading for ever")
    time.sleep(600)
wiring.open_engine = slowly
"""


def test_leaving_while_a_model_is_being_opened_waits_for_nothing() -> None:
    """The opening lasts longer than the test's patience."""
    terminal = Terminal("-m", "scripted:", entry=SLOW + ENTRY)
    terminal.read_until(b"loading for ever")
    terminal.type(QUESTION.encode() + b"\r")
    terminal.read_until(b"1 queued")
    terminal.type(b"\x1b")
    terminal.type(b"\x11")  # Ctrl+Q
    assert terminal.end(15) == 0
    assert all(sequence in terminal.shown for sequence in LEAVES)


FAILING = """
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import EngineFailure
generate = ScriptedEngine.generate
def fail(self, requests, **more):
    for number, event in enumerate(generate(self, requests, **more)):
        if number == 3:
            raise {error}
        yield event
ScriptedEngine.generate = fail
"""


@pytest.mark.parametrize(
    ("error", "told", "status"),
    [
        (
            "EngineFailure('The model failed.', 'Try again.')",
            b"The model failed.",
            "stopped",
        ),  # with what came
        ("RuntimeError('a bug')", b"Error: ", "failed"),
    ],
)
def test_a_model_that_fails_amid_an_answer_ends_the_turn_and_not_the_chat(
    error: str, told: bytes, status: str
) -> None:
    entry = FAILING.format(error=error) + ENTRY
    terminal = Terminal("-m", "scripted:", "--mode", "vanilla", entry=entry)
    terminal.read_until(b"4,096 ctx")
    terminal.type(QUESTION.encode() + b"\r")
    terminal.read_until(told)
    terminal.type(b"\x11")
    assert terminal.end() == 0
    with History(default_path()) as history:
        found = history.latest()
    assert found is not None and [turn.status for turn in found.turns] == [status]
    assert found.turns[0].prompt == QUESTION


@pytest.mark.parametrize("term", ["dumb", "", "unknown", "DUMB"])
def test_a_terminal_that_cannot_be_drawn_on_is_refused(term: str) -> None:
    terminal = Terminal("-m", "scripted:", TERM=term)
    assert terminal.end() == 2
    assert b"\x1b" not in terminal.shown
    assert b"plocal ask" in terminal.shown


def test_without_any_name_of_a_terminal_it_is_refused() -> None:
    terminal = Terminal("-m", "scripted:", entry="import os; del os.environ['TERM']; " + ENTRY)
    assert terminal.end() == 2
    assert b"\x1b" not in terminal.shown
