"""`plocal chat` before any screen: what it refuses, and what it hands on."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from pluralism_local.cli import chat
from pluralism_local.cli.main import main
from pluralism_local.errors import InvalidInput
from pluralism_local.history import History, default_path
from pluralism_local.tui.state import Start

ENTRY = "from pluralism_local.cli.main import entry; entry()"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Start]:
    """What would have been run; there is a terminal, as far as the command can tell."""
    starts: list[Start] = []
    monkeypatch.setattr(chat, "_run", starts.append)
    monkeypatch.setattr(chat, "require_terminal", lambda: None)
    return starts


def test_without_a_terminal_it_points_to_ask() -> None:
    ran = subprocess.run([sys.executable, "-c", ENTRY, "chat"], input="hello", capture_output=True, text=True)
    assert ran.returncode == 2
    assert "plocal ask" in ran.stderr and ran.stdout == ""


def test_options_become_the_start(started: list[Start]) -> None:
    line = [
        "chat",
        "-m",
        "x.gguf",
        "--mode",
        "steer",
        "--attribute",
        "rural",
        "-p",
        "farmers:0.5",
        "--seed",
        "7",
    ]
    assert main([*line, "--max-tokens", "9", "-n"]) == 0
    (begin,) = started
    assert (begin.settings.model, begin.settings.mode, begin.settings.seed) == ("x.gguf", "steerable", 7)
    assert (begin.choices.attribute, begin.choices.specs, begin.log) == ("rural", ("farmers:0.5",), False)
    assert begin.settings.max_tokens == 9
    assert begin.origin["max_tokens"] == "--max-tokens"


def test_history_is_written_unless_a_setting_or_flag_says_no(
    started: list[Start], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["chat"]) == 0
    monkeypatch.setenv("PLOCAL_LOGGING", "false")
    assert main(["chat"]) == 0
    assert [begin.log for begin in started] == [True, False]


def test_going_on_with_a_conversation(started: list[Start], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", "-c"]) == 0
    assert started[0].conversation is None
    assert "no conversation to go on with" in capsys.readouterr().err
    with History(default_path()) as history:
        id = history.begin("Phones")
        turn = history.ask(id, "vanilla", "Ban phones?", {})
        history.partial(turn, "Perhaps.")
        history.fail(turn, "The engine failed.")
    assert main(["chat", "-c"]) == 0
    assert started[1].conversation is not None and started[1].conversation.id == id
    assert main(["chat", "--conversation", id[:12]]) == 0
    assert started[2].conversation is not None and started[2].conversation.id == id
    assert main(["chat", "--conversation", "zzzz"]) == 3


def test_a_pool_and_communities_exclude_each_other(started: list[Start]) -> None:
    assert main(["chat", "--pool", "village", "-p", "farmers"]) == 2
    assert started == []


def test_help_stays_light() -> None:
    code = (
        "import sys; from pluralism_local.cli.main import main; main(['--help']); "
        "sys.exit(any(name.startswith('textual') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_the_visitors_command_line_lacks_the_options_of_web() -> None:
    given = ["chat", "--web", "--host", "0.0.0.0", "--port=80", "--token", "secret", "--mode", "moe", "-n"]
    assert chat._same_options(given) == ["chat", "--mode", "moe", "-n"]


def test_the_terminal_is_not_needed_below_textual_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(InvalidInput):
        chat.require_terminal()
    monkeypatch.setenv("TEXTUAL_DRIVER", "textual.drivers.web_driver:WebDriver")
    chat.require_terminal()
