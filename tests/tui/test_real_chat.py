"""The application over the real engine, the starter model and the shipped adapters; few tokens."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from textual import events

from pluralism_local.history import History, default_path
from pluralism_local.results import Result
from pluralism_local.tui.app import ChatApp
from pluralism_local.tui.exchange import Exchange
from pluralism_local.tui.prompt import PromptBox
from tests.support.chat_driver import QUESTION, ask, play, running, screen, start, until, write

pytestmark = pytest.mark.usefixtures("starter_path")

FEW: dict[str, Any] = {"pool": "perspectives", "max_tokens": 16, "comment_max_tokens": 10, "threads": 1}


def real(**more: Any) -> ChatApp:
    """A chat as the command line starts it."""
    return ChatApp(start(**{**FEW, **more}))


def result_of(app: ChatApp, number: int) -> Result:
    result = app.session.exchanges[number].result
    assert result is not None
    return result


@pytest.mark.slow
def test_one_conversation_through_every_mode() -> None:
    async def scene() -> None:
        app = real(attribute="rural voters")
        async with running(app) as pilot:
            assert app.query_one(PromptBox).has_focus  # before any model is there
            for mode, prompt in (
                ("overton", QUESTION),
                ("steerable", "And in the countryside?"),
                ("distributional", "Ban them? A. Yes B. No"),
                ("vanilla", "Why?"),
                ("prompting", "Who disagrees?"),
                ("moe", "What would it cost?"),
            ):
                assert app.session.state.mode == mode
                exchange = await ask(pilot, app, prompt)
                assert (exchange.mode, exchange.status) == (mode, "done"), exchange.message
                assert exchange.answer
                if mode in ("overton", "steerable", "distributional", "moe"):
                    adapted = [comment.adapter_sha256 for comment in result_of(app, exchange.number).comments]
                    assert len(adapted) == (1 if mode == "moe" else 6) and all(adapted)
                await pilot.press("ctrl+t")
            assert len(app.session.state.turns) == 6
            assert app.session.context and app.session.context > 50
            await pilot.press("f9")
            await pilot.pause()
            assert f"{app.session.context:,}/8,192 ctx" in screen(app)
            await pilot.press("escape")
            chosen = app.session.exchanges[2].selection
            assert chosen is not None and chosen.probabilities is not None
            assert sum(chosen.probabilities.values()) == pytest.approx(1)
            found = app.session.exchanges[3].distribution
            assert found is not None and found.method == "exact"
        with History(default_path()) as history:
            kept = history.latest()
        assert kept is not None
        assert [turn.status for turn in kept.turns] == ["done"] * 6
        assert len(kept.to_go_on()) == 6

    play(scene())


@pytest.mark.slow
def test_positions_and_sources_come_from_the_scorer_that_ships() -> None:
    async def scene() -> None:
        app = real(chat_positions="always")
        async with running(app, (120, 40)) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            await until(pilot, lambda: exchange.search == "over")
            assert exchange.window is not None and exchange.window.method == "entailment"
            assert result_of(app, exchange.number).window == exchange.window
            await pilot.press("f6")
            assert "(words in common)" in screen(app)
            await until(pilot, lambda: exchange.sources is not None)
            await until(pilot, lambda: "(what a comment entails)" in screen(app))
            assert exchange.sources is not None and exchange.sources.measure == "entailment"
            scores = [near.score for traced in exchange.sources.sentences for near in traced.nearest]
            assert scores and all(0 <= score <= 1 for score in scores)
            await pilot.press("escape")
            again = await ask(pilot, app, "And in universities?")  # the engine answers on
            assert again.answer

    play(scene())


def test_a_follow_up_decodes_no_earlier_turn_again() -> None:
    async def scene() -> None:
        app = real(mode="vanilla")
        async with running(app) as pilot:
            await ask(pilot, app, QUESTION + " Think of pupils, teachers and parents." * 4)
            before = result_of(app, 1).usage["llm"]
            await ask(pilot, app, "Why?")
            used = result_of(app, 2).usage["llm"]
            assert used.reused >= before.prompt + before.completion - 1

    play(scene())


def test_escape_within_200_ms_of_a_token_keeps_what_there_is() -> None:
    async def scene() -> None:
        app = real(mode="vanilla", max_tokens=2000, threads=1)
        async with running(app) as pilot:
            await write(pilot, "Write a very long story about a village, with many chapters.")
            exchange = app.session.exchanges[1]
            await until(pilot, lambda: exchange.answer_tokens > 3)
            assert await work_until_stopped(app, exchange) < 0.2
            assert exchange.answer.strip()
            assert exchange.status == "stopped"
            assert len(app.session.state.turns) == 1  # what there is can be gone on from

    play(scene())


@pytest.mark.slow
def test_escape_within_a_second_inside_a_long_prefill() -> None:
    async def scene() -> None:
        app = real(mode="vanilla", threads=1)
        async with running(app) as pilot:
            await ask(pilot, app, "Hello.")
            await write(pilot, "The harvest was late that year and nobody knew why. " * 600)
            exchange = app.session.exchanges[2]
            await until(pilot, lambda: exchange.status == "running")
            await pilot.pause(0.3)
            assert await work_until_stopped(app, exchange) < 1
            assert exchange.status == "stopped" and not exchange.answer
            assert (await ask(pilot, app, "Are you still there?")).status == "done"

    play(scene())


async def work_until_stopped(app: ChatApp, exchange: Exchange) -> float:
    """Press Esc; seconds of processor time, all threads together, until the exchange has ended.

    With one engine thread this is what an idle machine's clock would show, and no other program can add to it.
    """
    assert exchange.status == "running"
    before = time.process_time()
    app.post_message(events.Key("escape", None))
    while app.session.running is exchange:
        await asyncio.sleep(0.005)
    return time.process_time() - before


def test_the_model_is_switched_without_restarting_and_a_wrong_name_changes_nothing(
    starter_path: Path,
) -> None:
    async def scene() -> None:
        app = real(mode="vanilla")
        async with running(app) as pilot:
            await ask(pilot, app, QUESTION)
            app.session.use_model("/nowhere/at-all.gguf")
            await until(pilot, lambda: "at-all.gguf" in screen(app) and "Error:" in screen(app))
            assert (await ask(pilot, app, "Still there?")).status == "done"
            app.session.use_model(str(starter_path))
            await until(pilot, lambda: app.session.state.settings.model == str(starter_path))
            exchange = await ask(pilot, app, "And now?")
            assert exchange.status == "done"
            assert result_of(app, exchange.number).llm.id == app.session.model.id  # type: ignore[union-attr]
            assert sum(thread.name.startswith("plocal-worker") for thread in threading.enumerate()) == 1

    play(scene())


@pytest.mark.slow
def test_retry_draws_other_comments_and_forgets_the_first_turn() -> None:
    async def scene() -> None:
        app = real()
        async with running(app) as pilot:
            first = await ask(pilot, app, QUESTION)
            await pilot.press("ctrl+r")
            await until(pilot, lambda: 2 in app.session.exchanges and app.session.running is None)
            second = app.session.exchanges[2]
            assert second.status == "done"
            assert second.comments != first.comments
            assert len(app.session.state.turns) == 1

    play(scene())
