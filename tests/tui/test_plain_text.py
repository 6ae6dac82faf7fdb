"""What models wrote is shown as they wrote it, wherever the chat shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from textual.containers import VerticalScroll
from textual.pilot import Pilot
from textual.widget import Widget

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.history import History, default_path
from pluralism_local.tui.detail_screens import CommentView, TraceView
from pluralism_local.tui.screens.conversation_text import preview
from pluralism_local.tui.transcript import Transcript
from tests.support.chat_driver import QUESTION, ask, chat, play, running, screen, start, until

ANSWERS = [
    "Write to <name>, if a<b and c>d. Use List<String>.",
    "<details><summary>Why</summary>\nBecause of <b>that</b>.</details>",
    "The tag <think> opens it,\nand never closes it.",
    "<!-- nothing --> &lt;b&gt; [/red] [bold]",
]


def bare(text: str) -> str:
    """Without spaces and frames."""
    return re.sub(r"[\s│┃╭╮╰╯─▌▁█]+", "", text)


def says(text: str, tmp_path: Path) -> ScriptedEngine:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"replies": [{"pattern": ".*", "text": text}]}))
    return ScriptedEngine(script)


async def sees(pilot: Pilot[None], text: str, inside: type[Widget]) -> None:
    """Wait until `text` is drawn inside a widget of this kind."""

    def drawn() -> bool:
        lines = screen(pilot.app).splitlines()  # type: ignore[arg-type] # a ChatApp
        (x, y, width, height) = pilot.app.screen.query(inside).first().region
        return bare(text) in bare("\n".join(line[x : x + width] for line in lines[y : y + height]))

    await until(pilot, drawn, 20)


@pytest.mark.parametrize("text", ANSWERS)
def test_in_answers_and_comments_and_what_is_made_of_them(text: str, tmp_path: Path) -> None:
    async def scene() -> None:
        app = chat(start(model="first"), says(text, tmp_path))
        async with running(app, (140, 40)) as pilot:
            await ask(pilot, app, QUESTION)
            await sees(pilot, text, Transcript)
            await pilot.press("f5", "enter")
            await until(pilot, lambda: isinstance(app.screen, CommentView))
            await sees(pilot, text, VerticalScroll)
            await pilot.press("escape", "f6")
            await until(pilot, lambda: isinstance(app.screen, TraceView))
            await sees(pilot, text.splitlines()[0][:12], VerticalScroll)
        with History(default_path()) as history:
            found = history.latest()
        assert found is not None and text in preview(found).plain
        app = chat(start(model="first", conversation=found))
        async with running(app, (140, 40)) as pilot:
            await sees(pilot, text, Transcript)

    play(scene())


def test_names_of_communities_are_no_markup() -> None:
    from pluralism_local.tui.exchange import LiveComment

    async def scene() -> None:
        app = chat()
        async with running(app) as pilot:
            app.push_screen(CommentView(LiveComment("[/red] [bold]", state="done", text="Words."), None))
            await until(pilot, lambda: "[/red] [bold]: comment" in screen(app))

    play(scene())
