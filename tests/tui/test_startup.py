"""How `plocal chat` begins and ends. What it has imported at its first frame is counted: times vary."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pluralism_local.cli import chat as chat_command
from pluralism_local.cli.main import main
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.tui.app import ChatApp
from pluralism_local.tui.state import Start
from pluralism_local.tui.worker_events import Warned, WorkProgress
from tests.support.chat_driver import chat, play, running, screen, start, until

FIRST_PAINT = """
import os, sys
from pluralism_local.tui.app import ChatApp
from pluralism_local.tui.session import ChatSession

def begin(self):  # what the application does next
    print(*sys.modules, file=sys.__stdout__, flush=True)
    os._exit(0)

display = ChatApp._display

def painted(self, screen, renderable):
    if renderable is not None:
        print("painted", file=sys.__stdout__, flush=True)
    display(self, screen, renderable)

ChatSession.begin, ChatApp._display = begin, painted
from pluralism_local.cli.main import main
sys.exit(main(["chat", "-m", "scripted:"]))
"""

HEAVY = "torch transformers numpy scipy llama_cpp gguf huggingface_hub httpx2 httpx yaml jinja2 tomlkit markdown_it"


@pytest.fixture(scope="module")
def at_first_paint(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules that are there after the first paint, before a model or a card is read."""
    environ = {
        **os.environ,
        "PLOCAL_HOME": str(tmp_path_factory.mktemp("home")),
        "TEXTUAL_DRIVER": "textual.drivers.headless_driver:HeadlessDriver",
    }
    ran = subprocess.run([sys.executable, "-c", FIRST_PAINT], env=environ, capture_output=True, timeout=120)
    assert ran.returncode == 0, ran.stderr.decode()
    first, *painted, modules = ran.stdout.decode().splitlines()
    assert {first, *painted} == {"painted"}
    return set(modules.split())


def test_nothing_heavy_is_imported(at_first_paint: set[str]) -> None:
    assert "pluralism_local.tui.app" in at_first_paint
    assert at_first_paint & set(HEAVY.split()) == set()


def test_screens_behind_keys_and_what_reads_models_and_cards_wait(at_first_paint: set[str]) -> None:
    screens = ("tui.screens", "tui.detail_screens", "tui.options_form", "conversation.trace", "tui.web")
    rooms = ("communities", "engine", "history", "modes", "models", "prompts", "evaluation")
    waiting = {f"pluralism_local.{name}" for name in (*screens, *rooms)}
    assert at_first_paint & waiting == set()
    assert "textual.widgets._markdown" not in at_first_paint


def test_of_the_commands_only_the_chat_is_imported(at_first_paint: set[str]) -> None:
    others = ("ask", "bench", "communities", "config", "doctor", "eval", "logs", "models", "pools")
    assert {name for name in others if f"pluralism_local.cli.{name}" in at_first_paint} == set()


def test_the_collector_skips_what_is_there_with_the_first_model(monkeypatch: pytest.MonkeyPatch) -> None:
    frozen: list[bool] = []
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append(True))

    async def scene() -> None:
        app = chat(start(model="first"), second=ScriptedEngine())
        async with running(app) as pilot:
            await until(pilot, lambda: app.session.model is not None)
            assert frozen == [True]
            app.session.use_model("second")
            await until(
                pilot, lambda: app.session.state.settings.model == "second" and not app.session.loading
            )
        assert frozen == [True]  # what the first model left behind must be found

    play(scene())


def test_news_that_come_while_the_application_ends_are_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    close_all, told = ChatApp._close_all, list[bool]()

    async def tell_amid(app: ChatApp) -> None:
        await app.view.transcript.remove_children()  # the innermost go first
        app.on_work_progress(WorkProgress((Warned("late"),)))
        told.append(True)
        await close_all(app)

    async def scene() -> None:
        app = chat()
        async with running(app) as pilot:
            await until(pilot, lambda: app.session.model is not None)

    monkeypatch.setattr(ChatApp, "_close_all", tell_amid)
    play(scene())
    assert told


def test_what_of_a_folders_settings_is_ignored_is_told_in_the_chat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plocal.toml").write_text('model = "hf:a/b"\nseed = 3\n')
    begun: list[Start] = []
    monkeypatch.setattr(chat_command, "_run", begun.append)
    monkeypatch.setattr(chat_command, "require_terminal", lambda: None)
    assert main(["chat", "-m", "first"]) == 0
    (beginning,) = begun
    assert beginning.remarks == (
        "model of ./plocal.toml ignored; see and allow it with: plocal config trust",
    )

    async def scene() -> None:
        app = chat(beginning)
        async with running(app) as pilot:
            await until(pilot, lambda: "model of ./plocal.toml ignored" in screen(app))

    play(scene())
