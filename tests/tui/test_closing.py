"""The terminal goes away while the chat answers: the process ends by itself and the turn is marked."""

from __future__ import annotations

import os
import signal

import pytest

from pluralism_local.history import History, default_path
from tests.support.terminal import Terminal

pytestmark = pytest.mark.usefixtures("starter_path")


@pytest.mark.parametrize(
    "ending",
    ["closed", pytest.param("closed while nothing was read", marks=pytest.mark.slow), signal.SIGTERM],
)
def test_the_process_ends_and_the_turn_is_marked_stopped(ending: object) -> None:
    terminal = Terminal("--mode", "vanilla", "--max-tokens", "4000", "--threads", "1")
    try:
        terminal.read_until(b"8,192 ctx")
        terminal.type(b"Tell a very long story with many chapters.\r")
        terminal.read_until(b"answering")
        if ending == "closed":
            os.close(terminal.master)
        elif ending == "closed while nothing was read":
            terminal.leave_unread()
            os.close(terminal.master)
        else:
            terminal.process.send_signal(signal.SIGTERM)
            terminal.read_until_end()
        code = terminal.process.wait(120)
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()
        os.close(terminal.slave)
    assert code in (0, 1)
    with History(default_path()) as history:
        found = history.latest()
    assert found is not None
    assert [turn.status for turn in found.turns] == ["stopped"]
    assert found.turns[0].record is not None  # the result was kept, not only what had been saved meanwhile
