"""What the chat looks like in terminals of all sizes, with texts of all kinds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.tui.communities_pane import CommunitiesPane
from pluralism_local.tui.detail_screens import TraceView
from pluralism_local.tui.prompt import PromptBox
from pluralism_local.tui.worker_events import Loading
from tests.support.chat_driver import QUESTION, Gated, ask, chat, play, running, screen, start, until, write


@pytest.mark.parametrize("size", [(80, 24), (40, 12), (40, 30), (120, 12)])
def test_every_size_keeps_prompt_answer_and_status(size: tuple[int, int]) -> None:
    async def scene() -> None:
        app = chat()
        async with running(app, size) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            shown = screen(app)
            assert "f7" in shown.splitlines()[-1] and "f1" in shown.splitlines()[-1]
            assert "OVERTON" in shown.splitlines()[0]
            assert exchange.answer.split()[-1] in shown
            prompt = app.query_one(PromptBox)
            assert prompt.size.height >= 1 and prompt.region.bottom < size[1]
            assert all(len(line) <= size[0] for line in shown.splitlines())

    play(scene())


def test_what_goes_on_is_told_whole_before_the_keys_are_explained() -> None:
    async def scene() -> None:
        app = chat(start(model="first", pool="perspectives", chat_positions="never"))
        async with running(app, (80, 24)) as pilot:
            await ask(pilot, app, QUESTION)
            assert "f7 who disagrees?" in screen(app).splitlines()[-1]
            app.session.take(Loading("trying the model once, in a process of its own …"))
            app.refresh_chat()
            await pilot.pause()
            last = screen(app).splitlines()[-1]
            assert "trying the model once, in a process of its own …" in last and "f7 f6 f5 f1" in last

    play(scene())


def test_a_file_is_named_by_the_end_of_its_path() -> None:
    async def scene() -> None:
        app = chat()
        async with running(app, (80, 24)) as pilot:
            await until(pilot, lambda: app.session.model is not None)
            assert app.session.model is not None
            app.session.model = replace(
                app.session.model, id="/home/ada/models/of/2026/qwen-0.5b-q4_k_m.gguf"
            )
            app.refresh_chat()
            await pilot.pause()
            assert "plocal · qwen-0.5b-q4_k_m.gguf " in screen(app).splitlines()[0]
            assert "answers  qwen-0.5b-q4_k_m.gguf " in screen(app)

    play(scene())


@pytest.mark.parametrize("size", [(80, 24), (44, 30)])
def test_who_said_this_says_what_its_numbers_are_on_every_width(size: tuple[int, int]) -> None:
    async def scene() -> None:
        app = chat(start(model="first", pool="perspectives", chat_positions="never"))
        async with running(app, size) as pilot:
            await ask(pilot, app, QUESTION)
            await pilot.press("f6")
            await until(pilot, lambda: isinstance(app.screen, TraceView))
            await pilot.pause()
            assert "Esc closes" in screen(app)
            shown = " ".join(screen(app).replace("│", " ").split())
            assert "0 to 1: cosine of content words, not of meaning; " in shown

    play(scene())


def test_the_pane_is_away_in_a_small_terminal_and_comes_on_demand() -> None:
    async def scene() -> None:
        app = chat()
        async with running(app, (40, 12)) as pilot:
            await ask(pilot, app, QUESTION)
            assert "farmers" not in screen(app)
            await pilot.press("f5")
            await pilot.pause()
            assert "farmers" in screen(app)
            await pilot.press("f5")
            await pilot.pause()
            assert "farmers" not in screen(app)
            assert app.focused is app.query_one(PromptBox)

    play(scene())


def test_there_is_no_pane_where_no_community_is_asked() -> None:
    async def scene() -> None:
        app = chat()
        async with running(app) as pilot:
            assert "communities ─" in screen(app) and "Every community" in screen(app)
            await pilot.press("f5")
            for _ in range(3):
                await pilot.press("ctrl+t")
            await pilot.pause()
            shown = screen(app)
            assert "communities ─" not in shown and "no community is asked" in shown
            assert "mode: VANILLA · no communities" in shown.splitlines()[0]
            assert app.focused is app.query_one(PromptBox)  # not what is hidden
            await ask(pilot, app, QUESTION)
            assert "communities ─" not in screen(app)
            await pilot.press("ctrl+t", "ctrl+t", "ctrl+t")
            await ask(pilot, app, QUESTION)
            assert "farmers" in screen(app)
            await pilot.press("ctrl+up")
            await pilot.pause()
            assert "a farmers" not in screen(app)  # it was not asked that

    play(scene())


def test_the_pane_pages_in_a_terminal_without_a_line_for_it() -> None:
    async def scene() -> None:
        app = chat()
        async with running(app) as pilot:
            await pilot.press("f5", "down")
            await pilot.resize_terminal(20, 5)
            pane = app.query_one(CommunitiesPane)
            await until(pilot, lambda: pane.scrollable_content_region.height == 0)
            assert app.focused is pane
            await pilot.press("pagedown", "pageup")
            await pilot.resize_terminal(100, 30)
            await until(pilot, lambda: pane.scrollable_content_region.height > 0)
            await pilot.press("pagedown")
            assert pane.highlighted == pane.option_count - 1

    play(scene())


def test_without_colour_the_focus_and_errors_are_told_by_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def scene() -> None:
        app = chat()
        async with running(app) as pilot:
            await ask(pilot, app, QUESTION)
            strips = app.screen._compositor.render_strips()
            styles = [one.style for strip in strips for one in strip if one.style]
            used = {colour for style in styles for colour in (style.color, style.bgcolor)}
            assert all(len(set(colour.triplet)) == 1 for colour in used if colour and colour.triplet)  # greys
            assert "┏" not in screen(app)
            await pilot.press("f5")
            await pilot.pause()
            assert "┏━ communities" in screen(app)
            app.session.use_model("typo.gguf")
            await until(pilot, lambda: "Error: There is no model" in screen(app))
            (error,) = [
                one
                for strip in app.screen._compositor.render_strips()
                for one in strip
                if "Error: There" in one.text
            ]
            assert error.style is not None and error.style.bold

    play(scene())


def test_resizing_while_it_answers() -> None:
    async def scene() -> None:
        engine = Gated()
        app = chat(None, engine)
        async with running(app) as pilot:
            await write(pilot, QUESTION)
            await until(pilot, lambda: app.session.running)
            engine.allow()
            for size in ((40, 12), (200, 60), (80, 24), (20, 6), (100, 30)):
                await pilot.resize_terminal(*size)
                await pilot.pause()
            await until(pilot, lambda: app.session.running is None)
            await pilot.pause()
            assert "heard 3 of 3" in screen(app)

    play(scene())


def test_wide_and_right_to_left_text_stays_in_its_place() -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="vanilla"))
        async with running(app, (60, 20)) as pilot:
            text = "学校で電話を禁止すべきですか 👩‍👩‍👧 هل يجب حظر الهواتف؟ \u202eabc\u202c"
            exchange = await ask(pilot, app, text)
            assert exchange.prompt == text
            lines = app.screen._compositor.render_strips()
            assert all(line.cell_length == 60 for line in lines)
            assert "電話" in screen(app)

    play(scene())


def test_a_model_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(
        '{"replies": [{"match": "user", "text": "red \\u001b[31m and \\u009b2J [bold]x[/bold]"}]}'
    )

    async def scene() -> None:
        app = chat(None, ScriptedEngine(script))
        async with running(app) as pilot:
            await ask(pilot, app, QUESTION)
            shown = screen(app)
            assert "\x1b" not in shown and "\x9b" not in shown
            assert "[bold]x[/bold]" in shown

    play(scene())


def test_a_paste_of_100_kb_is_written_and_sent_whole() -> None:
    async def scene() -> None:
        from textual.events import Paste

        app = chat(start(model="first", mode="vanilla"), ScriptedEngine(context=100_000))
        text = "\n".join(f"line {number} of a long text that was pasted" for number in range(2500))
        assert len(text) > 100_000
        async with running(app) as pilot:
            app.post_message(Paste(text))
            await until(pilot, lambda: len(app.query_one(PromptBox).text) == len(text))
            await pilot.press("enter")
            await until(pilot, lambda: app.session.exchanges)
            exchange = app.session.exchanges[1]
            await until(pilot, lambda: exchange.status == "done")
            assert exchange.prompt == text

    play(scene())
