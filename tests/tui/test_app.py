"""The application over the scripted engine: answers, keys, queue, errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import EngineFailure
from pluralism_local.history import History, default_path
from pluralism_local.tui.communities_pane import CommunitiesPane
from pluralism_local.tui.detail_screens import CommentView, TraceView
from pluralism_local.tui.prompt import PromptBox
from pluralism_local.tui.transcript import Transcript
from tests.support.chat_driver import QUESTION, Gated, ask, chat, play, running, screen, start, until, write


def test_overton_shows_the_answer_and_who_was_heard() -> None:
    async def scene() -> None:
        app = chat()
        async with running(app) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            assert exchange.status == "done"
            shown = screen(app)
            assert "mode: OVERTON · pool: village" in shown
            assert "[overton] Should phones be banned in schools?" in shown
            assert exchange.answer.split(".")[0][:40] in shown
            assert "heard 3 of 3" in shown
            assert "a farmers" in shown and "b fishers" in shown

    play(scene())


@pytest.mark.parametrize("mode", ["vanilla", "prompting", "moe"])
def test_the_other_modes_answer_in_words(mode: str) -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode=mode))
        async with running(app) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            assert (exchange.status, exchange.mode) == ("done", mode)
            assert exchange.answer.split(".")[0][:40] in screen(app)
            assert app.session.state.turns[-1].answer == exchange.answer

    play(scene())


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("<think>\nI see two.\n</think>\n\nIt is fair.", "It is fair."),
        ("I see two.\n</think>\n\nIt is fair.", "It is fair."),
        ("<think>\nI see two.", "The model only thought and gave no answer"),
    ],
)
def test_what_a_model_thinks_is_not_shown_and_its_answer_is(tmp_path: Path, said: str, shown: str) -> None:
    file = tmp_path / "script.json"
    file.write_text(json.dumps({"replies": [{"pattern": ".*", "text": said}]}))

    async def scene() -> None:
        app = chat(start(model="first", mode="vanilla"), ScriptedEngine(file))
        async with running(app) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            assert shown in screen(app) and "I see two" not in screen(app)
            assert exchange.answer == ("It is fair." if shown == "It is fair." else "")

    play(scene())


def test_ctrl_t_goes_through_all_modes_and_comes_back() -> None:
    async def scene() -> None:
        app = chat()
        async with running(app) as pilot:
            seen = []
            for _ in range(6):
                await pilot.press("ctrl+t")
                seen.append(app.session.state.mode)
            assert seen == ["steerable", "distributional", "vanilla", "prompting", "moe", "overton"]

    play(scene())


def test_a_follow_up_goes_on_from_what_was_said() -> None:
    async def scene() -> None:
        engine = ScriptedEngine(record=True)
        app = chat(start(model="first", mode="vanilla"), engine)
        async with running(app) as pilot:
            first = await ask(pilot, app, QUESTION)
            await ask(pilot, app, "And in universities?")
            last = engine.calls[-1].requests[0]
            assert [message.role for message in last.messages] == ["user", "assistant", "user"]
            assert last.messages[1].content.strip() == first.answer
            await pilot.press("ctrl+n")
            await ask(pilot, app, "And at work?")
            assert len(engine.calls[-1].requests[0].messages) == 1

    play(scene())


def test_escape_stops_and_keeps_the_partial_answer() -> None:
    async def scene() -> None:
        engine = Gated()
        app = chat(start(model="first", mode="vanilla"), engine)
        async with running(app) as pilot:
            await write(pilot, QUESTION)
            exchange = app.session.exchanges[1]
            await until(pilot, lambda: app.session.running)
            engine.allow(5)
            await until(pilot, lambda: exchange.answer)
            await pilot.press("escape")
            await until(pilot, lambda: exchange.status == "stopped", 5)
            await pilot.pause()
            assert exchange.answer
            assert "stopped" in screen(app)
            assert app.is_running
            assert not engine.closed

    play(scene())


def test_prompts_sent_meanwhile_are_queued_in_order_and_can_be_taken_back() -> None:
    async def scene() -> None:
        engine = Gated()
        app = chat(start(model="first", mode="vanilla"), engine)
        async with running(app) as pilot:
            for text in ("first", "second", "third"):
                await write(pilot, text)
            await until(pilot, lambda: app.session.running)
            await pilot.pause()
            assert app.session.waiting == 2
            assert screen(app).count("queued; Esc takes it back") == 2
            engine.allow()
            await until(pilot, lambda: app.session.waiting == 0 and app.session.running is None)
            assert [turn.prompt for turn in app.session.state.turns] == ["first", "second", "third"]

    play(scene())


def test_a_prompt_sent_before_the_model_is_there_waits_for_it() -> None:
    async def scene() -> None:
        app = chat(start(model="missing", mode="vanilla"), second=ScriptedEngine())
        async with running(app) as pilot:
            await write(pilot, QUESTION)
            await until(pilot, lambda: "There is no model 'missing'." in screen(app))
            assert "Known: first, second" in " ".join(screen(app).split())
            exchange = app.session.exchanges[1]
            assert exchange.status == "queued"
            await pilot.press("escape")  # back into the prompt, nothing lost
            assert app.query_one(PromptBox).text == QUESTION
            app.session.use_model("second")
            await pilot.press("enter")
            await until(pilot, lambda: app.session.state.turns)

    play(scene())


def test_a_broken_model_name_keeps_the_old_engine() -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="vanilla"))
        async with running(app) as pilot:
            await ask(pilot, app, QUESTION)
            app.session.use_model("typo")
            await until(pilot, lambda: "There is no model 'typo'." in screen(app))
            assert app.session.state.settings.model == "first"
            assert (await ask(pilot, app, "Still there?")).status == "done"

    play(scene())


def test_switching_the_model_closes_the_old_one() -> None:
    async def scene() -> None:
        old, new = Gated(), Gated()
        old.allow()
        new.allow()
        app = chat(start(model="first", mode="vanilla"), old, other=new)
        async with running(app) as pilot:
            await ask(pilot, app, QUESTION)
            app.session.use_model("other")
            await until(pilot, lambda: app.session.state.settings.model == "other")
            assert old.closed and not new.closed
            await ask(pilot, app, "And you?")
            assert new.said > 0
        assert new.closed

    play(scene())


def test_an_engine_error_appears_with_its_hint_and_the_prompt_survives() -> None:
    class Broken(ScriptedEngine):
        def generate(self, requests, *, should_stop=None):  # type: ignore[no-untyped-def]
            raise EngineFailure("The engine is out of memory.", "Lower --ctx-size.")

    async def scene() -> None:
        app = chat(start(model="first", mode="vanilla"), Broken())
        async with running(app) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            assert exchange.status == "failed"
            shown = screen(app)
            assert "Error: The engine is out of memory." in shown
            assert "Lower --ctx-size." in shown
            assert app.query_one(PromptBox).text == QUESTION
        with History(default_path()) as history:
            found = history.latest()
        assert found is not None
        assert (found.turns[0].status, found.turns[0].message) == ("failed", "The engine is out of memory.")

    play(scene())


def test_a_bug_leaves_its_traceback_in_a_file(tmp_path: Path) -> None:
    class Buggy(ScriptedEngine):
        def generate(self, requests, *, should_stop=None):  # type: ignore[no-untyped-def]
            raise KeyError("lane")

    async def scene() -> None:
        from pluralism_local.conversation.engines import Engines
        from pluralism_local.tui.app import ChatApp
        from tests.support.chat_driver import opener

        app = ChatApp(
            start(model="first", mode="vanilla"),
            engines=Engines(None, "first", opener(first=Buggy())),
            fault_file=tmp_path / "faults.log",
        )
        async with running(app) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            assert exchange.message == "Unexpected: KeyError: 'lane'"
            assert str(tmp_path / "faults.log") in exchange.hint
        assert 'raise KeyError("lane")' in (tmp_path / "faults.log").read_text()

    play(scene())


def test_what_does_not_fit_points_to_a_new_conversation() -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="vanilla", max_tokens=20), ScriptedEngine(context=60))
        async with running(app) as pilot:
            first = await ask(pilot, app, "word " * 80)
            assert "Ctrl+N" not in first.hint  # there is nothing to leave behind yet
            await ask(pilot, app, "short")
            exchange = await ask(pilot, app, "word " * 80)
            assert exchange.status == "failed"
            assert exchange.hint.startswith("Shorten the prompt") and "Ctrl+N" in exchange.hint

    play(scene())


def test_retry_replaces_the_turn_and_takes_the_next_seed() -> None:
    async def scene() -> None:
        engine = ScriptedEngine(record=True)
        app = chat(start(model="first", mode="vanilla", seed=7), engine)
        async with running(app) as pilot:
            await ask(pilot, app, QUESTION)
            await pilot.press("ctrl+r")
            await until(
                pilot, lambda: 2 in app.session.exchanges and app.session.exchanges[2].status == "done"
            )
            seeds = [call.requests[0].sampling.seed for call in engine.calls]  # type: ignore[union-attr]
            assert seeds == [7, 8]
            assert len(app.session.state.turns) == 1
            assert list(app.session.exchanges) == [2]
            await ask(pilot, app, "And now?")
            assert engine.calls[-1].requests[0].sampling.seed == 7  # type: ignore[union-attr]
        with History(default_path()) as history:
            found = history.latest()
        assert found is not None
        assert len(found.turns) == 3
        assert [turn.prompt for turn in found.to_go_on()] == [QUESTION, "And now?"]

    play(scene())


def test_who_said_this_opens_on_an_overton_answer_only() -> None:
    async def scene() -> None:
        app = chat()
        async with running(app) as pilot:
            await pilot.press("f6")
            assert not isinstance(app.screen, TraceView)
            exchange = await ask(pilot, app, QUESTION)
            app.query_one(Transcript).focus()
            await pilot.press("x")
            await until(pilot, lambda: isinstance(app.screen, TraceView))
            assert exchange.answer.split(".")[0][:30] in screen(app)
            await pilot.press("escape")
            assert not isinstance(app.screen, TraceView)

    play(scene())


def test_enter_on_a_community_shows_its_comment_beside_its_card() -> None:
    async def scene() -> None:
        app = chat()
        async with running(app) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            await pilot.press("f5")
            await pilot.pause()
            assert app.focused is app.query_one(CommunitiesPane)
            while app.query_one(CommunitiesPane).highlighted != 1:  # first through the comment that is open
                await pilot.press("down")
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, CommentView))
            shown = screen(app)
            assert "fishers: comment" in shown
            assert exchange.voices["fishers"].text[:30] in shown
            assert "Speaks for the fishers." in shown

    play(scene())


def test_ctrl_c_stops_and_does_not_quit() -> None:
    async def scene() -> None:
        engine = Gated()
        app = chat(start(model="first", mode="vanilla"), engine)
        async with running(app) as pilot:
            await write(pilot, QUESTION)
            await until(pilot, lambda: app.session.running)
            await pilot.press("ctrl+c")
            await until(pilot, lambda: app.session.running is None)
            assert app.is_running
            app.query_one(PromptBox).put("to be copied")
            await pilot.press("ctrl+a", "shift+end", "ctrl+c")
            assert app.clipboard == "to be copied"

    play(scene())


def test_the_palette_knows_every_command() -> None:
    async def scene() -> None:
        app = chat()
        async with running(app):
            titles = [command.title for command in app.get_system_commands(app.screen)]
            for wanted in (
                "History",
                "Communities",
                "Models",
                "Settings",
                "Retry",
                "Mode: moe",
                "Who said this?",
            ):
                assert any(title.startswith(wanted) for title in titles), wanted

    play(scene())


def test_up_brings_back_what_was_sent_and_down_the_draft() -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="vanilla"))
        async with running(app) as pilot:
            await ask(pilot, app, "one")
            await ask(pilot, app, "two")
            prompt = app.query_one(PromptBox)
            prompt.put("draft")
            await pilot.press("up")
            assert prompt.text == "two"
            await pilot.press("up", "up")
            assert prompt.text == "one"
            await pilot.press("down", "down")
            assert prompt.text == "draft"
            await pilot.press("ctrl+j", "x")
            assert prompt.text == "draft\nx"

    play(scene())


def test_earlier_exchanges_can_be_watched() -> None:
    async def scene() -> None:
        app = chat()
        async with running(app) as pilot:
            first = await ask(pilot, app, QUESTION)
            second = await ask(pilot, app, "And in universities?")
            assert app.watched is second
            await pilot.press("ctrl+up")
            assert app.watched is first
            await pilot.press("ctrl+down")
            assert app.watched is second

    play(scene())


def test_what_is_typed_after_a_click_into_the_text_goes_into_the_prompt() -> None:
    async def scene() -> None:
        app = chat()
        async with running(app) as pilot:
            await ask(pilot, app, QUESTION)
            app.query_one(Transcript).focus()
            await pilot.pause()
            await pilot.press("W", "h", "y", "question_mark")
            await pilot.pause()
            prompt = app.query_one(PromptBox)
            assert (app.focused, prompt.text) == (prompt, "Why?")

    play(scene())
