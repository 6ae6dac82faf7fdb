"""Many comments of each community: asked for with a key or an option, counted in a pane, kept and found again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Static

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.history import History, default_path
from pluralism_local.tui.app import ChatApp
from pluralism_local.tui.detail_screens import DrawsView
from pluralism_local.tui.draws_pane import DrawsForm, DrawsPane
from pluralism_local.tui.exchange import Exchange
from pluralism_local.types import EngineEvent, Request
from tests.support.chat_driver import QUESTION, ask, chat, play, running, screen, start, until, write
from tests.tui.test_disagreement import BAN, FREE, SAID, script


async def form(pilot: Any, app: ChatApp) -> DrawsForm:
    """The form that the key opens."""
    await pilot.press("f12")
    await until(pilot, lambda: isinstance(app.screen, DrawsForm))
    await pilot.pause()
    assert isinstance(app.screen, DrawsForm)
    return app.screen


async def drawn(pilot: Any, exchange: Exchange) -> None:
    """Wait until they are."""
    await until(pilot, lambda: exchange.draws_search == "over", 60)
    await pilot.pause()


def said_by(app: ChatApp) -> str:
    """The newest notification."""
    return list(app._notifications)[-1].message


def records() -> list[Any]:
    with History(default_path()) as history:
        (conversation,) = history.all()
    return [turn.record for turn in conversation.turns]


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_a_key_draws_comments_and_shows_their_shares(tmp_path: Path, size: tuple[int, int]) -> None:
    async def scene() -> None:
        app = chat(engine=script(tmp_path, SAID, [BAN, FREE]))
        async with running(app, size) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            await until(pilot, lambda: exchange.search == "over", 60)
            assert not app.query_one(DrawsPane).display  # nothing unasked
            await form(pilot, app)
            shown = " ".join(screen(app).split())
            assert "24 comments of together at most" in shown and "1,104 comparisons" in shown
            app.screen.query_one(Input).value = "4"
            await pilot.pause()
            assert "12 comments" in screen(app)
            await pilot.press("enter")
            await drawn(pilot, exchange)
            assert exchange.draws is not None and exchange.window is not None
            assert {voice: len(texts) for voice, texts in exchange.draws.comments.items()} == dict.fromkeys(
                SAID, 4
            )
            assert [position.text for position in exchange.draws.positions] == [BAN, FREE]
            assert "12 drawn comments" in screen(app) and "67 % (" in screen(app)
            await pilot.press("f12")
            await until(pilot, lambda: isinstance(app.screen, DrawsView))
            await pilot.pause()
            page = screen(app)
            assert '12 drawn comments: 67 % take "Phones should be banned"' in page
            assert "a farmers   b fishers   c millers" in page and "4 4 ·" in page
            assert "12 comments, 4 of each voice" in page and "Entropy 0.64 nats." in page
            await pilot.press("f12")
            await until(pilot, lambda: isinstance(app.screen, DrawsForm))
            await pilot.press("escape")
            await pilot.pause()
            assert not isinstance(app.screen, DrawsForm | DrawsView)

    play(scene())
    (record,) = records()
    assert record["draws"]["n"] == 4 and [it["text"] for it in record["positions"]] == [BAN, FREE]
    assert record["draws"]["positions"][0]["voices"]["fishers"]["count"] == 4


def test_what_was_counted_is_there_when_the_conversation_is_opened_again(tmp_path: Path) -> None:
    async def scene() -> None:
        app = chat(start(model="first", chat_positions="never"), script(tmp_path, SAID, [BAN, FREE]))
        async with running(app) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            await form(pilot, app)
            await pilot.press("enter")
            await drawn(pilot, exchange)
            await pilot.press("f7")  # what is found later takes nothing away
            await until(pilot, lambda: exchange.window, 60)
            assert exchange.draws is not None

    async def again() -> None:
        with History(default_path()) as history:
            (conversation,) = history.all()
        begin = start(model="first", chat_positions="never", conversation=conversation)
        app = chat(begin, script(tmp_path, SAID, [BAN, FREE]))
        async with running(app, (120, 40)) as pilot:
            await until(pilot, lambda: app.session.model)
            await pilot.pause()
            assert "24 drawn comments" in screen(app) and "67 % (" in screen(app)
            assert "8 8 ·" in screen(app)
            await pilot.press("f12")
            await until(pilot, lambda: isinstance(app.screen, DrawsView))
            await pilot.press("f12")
            await until(pilot, lambda: app._notifications)
            assert "Send the question again." in said_by(app)

    play(scene())
    (record,) = records()
    assert record["draws"]["n"] == 8 and record["positions"]
    play(again())


def test_numbers_that_cannot_be_are_refused_in_the_form(tmp_path: Path) -> None:
    async def scene() -> None:
        app = chat(start(model="first", chat_positions="never"), script(tmp_path, SAID, [BAN, FREE]))
        async with running(app) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            screen_of_form = await form(pilot, app)
            for typed, said in (
                ("41", "41 comments of 3 communities are 123, and at most 120 are compared."),
                ("1", "needs at least 2 comments of each community"),
                ("-8", "needs at least 2 comments of each community"),
                ("", "needs at least 2 comments of each community"),
                ("-", "Type a number."),
            ):
                screen_of_form.query_one(Input).value = typed
                await pilot.pause()
                shown = str(screen_of_form.query_one("#cost", Static).content)
                assert said in shown and "--" not in shown
                await pilot.press("enter")
                await pilot.pause()
                assert app.screen is screen_of_form
            await pilot.press("escape")
            assert exchange.draws_search == "none"

    play(scene())


def test_an_option_draws_after_every_overton_answer(tmp_path: Path) -> None:
    async def scene() -> None:
        begin = start(model="first", draws=3)
        app = chat(begin, script(tmp_path, SAID, [BAN, FREE]))
        async with running(app, (120, 40)) as pilot:
            first = await ask(pilot, app, QUESTION)
            await drawn(pilot, first)
            assert first.draws is not None and first.draws.n == 3 and first.window is not None
            await pilot.app.run_action("mode('vanilla')")
            other = await ask(pilot, app, "And why?")
            await pilot.pause(0.1)
            assert other.draws is None and other.draws_search == "none" and not other.warnings
            await pilot.press("f12")
            await until(pilot, lambda: app._notifications)
            assert "a whole overton answer" in said_by(app)

    play(scene())


def test_too_many_for_the_pool_is_a_note_at_the_answer(tmp_path: Path) -> None:
    async def scene() -> None:
        app = chat(start(model="first", draws=50), script(tmp_path, SAID, [BAN, FREE]))
        async with running(app) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            assert exchange.draws_search == "none"
            assert any("50 comments of 3 communities are 150" in warning for warning in exchange.warnings)
            assert not any("--" in warning for warning in exchange.warnings)

    play(scene())


class Slow(ScriptedEngine):
    """Says everything at once but drawn comments, which it never ends by itself."""

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        for event in super().generate(requests, should_stop=should_stop):
            while len(requests) > len(SAID) and not should_stop():
                time.sleep(0.01)
            yield event


@pytest.mark.parametrize("by", ["escape", "prompt"])
def test_drawing_is_told_and_gives_way(tmp_path: Path, by: str) -> None:
    async def scene() -> None:
        begin = start(model="first", chat_positions="never")
        app = chat(begin, script(tmp_path, SAID, [BAN, FREE], Slow))
        async with running(app) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            await form(pilot, app)
            await pilot.press("enter")
            await until(pilot, lambda: "draws: 0 of 21 comments" in screen(app), 60)
            assert "drawing comments … Esc stops" in screen(app) and "esc stop" in screen(app)
            await pilot.press("f6")  # it waits
            await pilot.pause()
            assert exchange.draws_search == "running"
            await pilot.press("escape")
            if by == "escape":
                await pilot.press("escape")
            else:
                await write(pilot, "And why?")
                latest = list(app.session.exchanges.values())[-1]
                await until(pilot, lambda: latest.status == "done", 60)
                await pilot.press("ctrl+up")
            await until(pilot, lambda: exchange.draws_search == "stopped", 60)
            await pilot.pause()
            assert "Stopped; F12 draws again." in screen(app) and exchange.draws is None

    play(scene())
    assert all(record["draws"] is None for record in records())


def test_another_model_draws_no_comments_beside_the_first_ones(tmp_path: Path) -> None:
    async def scene() -> None:
        begin = start(model="first", chat_positions="never")
        app = chat(begin, script(tmp_path, SAID, [BAN, FREE]), second=ScriptedEngine())
        async with running(app) as pilot:
            await ask(pilot, app, QUESTION)
            app.session.use_model("second")
            await until(pilot, lambda: app.session.state.settings.model == "second")
            await pilot.press("f12")
            await until(pilot, lambda: app._notifications)
            assert "The model that commented is not open any more" in said_by(app)

    play(scene())
