"""What `plocal chat` has imported when its first frame is on the screen: counted, since times depend on the machine."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FIRST_PAINT = """
import os, sys
from pluralism_local.tui.app import ChatApp
from pluralism_local.tui.session import Session

def begin(self):  # what the application does next
    print(*sys.modules, file=sys.__stdout__, flush=True)
    os._exit(0)

display = ChatApp._display

def painted(self, screen, renderable):
    if renderable is not None:
        print("painted", file=sys.__stdout__, flush=True)
    display(self, screen, renderable)

Session.begin, ChatApp._display = begin, painted
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
    screens = ("tui.screens", "tui.views", "tui.options_form", "tui.trace", "tui.web")
    rooms = ("communities", "engine", "history", "modes", "models", "prompts", "evaluation")
    waiting = {f"pluralism_local.{name}" for name in (*screens, *rooms)}
    assert at_first_paint & waiting == set()
    assert "textual.widgets._markdown" not in at_first_paint


def test_of_the_commands_only_the_chat_is_imported(at_first_paint: set[str]) -> None:
    others = ("ask", "bench", "communities", "config", "doctor", "eval", "logs", "models", "pools")
    assert {name for name in others if f"pluralism_local.cli.{name}" in at_first_paint} == set()
