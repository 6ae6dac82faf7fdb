"""What is at stake in a question: looked for when a key is pressed, shown in a pane, taken to steer the next answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.modes.values.prompts import NOWHERE
from pluralism_local.tui.exchange import Exchange
from pluralism_local.tui.prompt import PromptBox
from pluralism_local.tui.values_pane import ValuesPane
from pluralism_local.types import EngineEvent, Request
from pluralism_local.values.stakes import Values
from tests.support.chat_driver import QUESTION, ask, chat, play, running, screen, start, until

LISTS = {"values": ["Learning", "Weather"], "rights": ["Right to property"], "duties": ["Duty of care"]}
AT_STAKE = {"Learning": 0.9, "Right to property": 0.8, "Duty of care": 0.7, "Weather": 0.2}


def script(folder: Path, engine: type[ScriptedEngine] = ScriptedEngine) -> Any:
    """An engine whose LLM lists these and holds them to be so relevant; all of them support it."""
    weighed = [
        {
            "pattern": f"Situation: (?!{NOWHERE}).*{name}\n\nIs this".replace("\n", r"\s"),
            "mass": {"Yes": p, "No": 1 - p},
        }
        for name, p in AT_STAKE.items()
    ]
    weighed = [{**entry, "pattern": f"(?s){entry['pattern']}"} for entry in weighed]
    even = [{"match": "Answer Yes or No.", "mass": {"Yes": 0.5, "No": 0.5}}]
    leans = [
        {
            "pattern": rf"(?s)Situation: (?!{NOWHERE}).*(?:{'|'.join(AT_STAKE)})\s+Does this \w+ support",
            "mass": {"Yes": 0.8, "No": 0.2},
        }
    ]
    file = folder / "script.json"
    replies = [
        {"match": "Which human values", "text": json.dumps(LISTS)},
        {
            "pattern": r"Value: Learning[\s\S]*in one plain sentence",
            "text": "Pupils learn more without them.",
        },
        {"match": "in one plain sentence", "text": "It is said to be so."},
    ]
    file.write_text(json.dumps({"replies": replies, "distributions": [*weighed, *leans, *even]}))
    return engine(file)


async def valued(pilot: Any, exchange: Exchange) -> Values:
    """What is found after the key is pressed."""
    await pilot.press("f10")
    await until(pilot, lambda: exchange.values_search == "over", 60)
    await pilot.pause()
    assert exchange.values is not None
    return exchange.values


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_a_key_shows_what_is_at_stake_and_enter_steers_by_it(tmp_path: Path, size: tuple[int, int]) -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="vanilla"), script(tmp_path))
        async with running(app, size) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            assert exchange.values is None and exchange.values_search == "none"  # nothing unasked
            assert not app.query_one(ValuesPane).display
            values = await valued(pilot, exchange)
            found = [(one.stake.text, round(one.relevance, 2)) for one in values.stakes]
            assert found == [("Learning", 0.9), ("Right to property", 0.8), ("Duty of care", 0.7)]
            shown = screen(app)
            assert "values at stake" in shown and "+ Learning" in shown
            assert ".90 at stake · supports .80" in shown and "Pupils learn more" in shown
            assert "Enter steers by Learning" in shown
            assert app.query_one(ValuesPane).has_focus
            await pilot.press("down", "enter")
            assert app.session.state.mode == "steerable"
            assert app.session.state.attribute == app.view.attribute.value == "right: Right to property"
            assert app.query_one(PromptBox).has_focus and app.query_one(PromptBox).text == QUESTION
            await pilot.press("enter")
            await until(pilot, lambda: list(app.session.exchanges.values())[-1].status == "done", 60)
            assert list(app.session.exchanges.values())[-1].attribute == "right: Right to property"

    play(scene())


def test_all_of_them_can_be_read_where_there_is_little_room(tmp_path: Path) -> None:
    async def scene() -> None:
        app = chat(start(model="first"), script(tmp_path))
        async with running(app, (60, 18)) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            await valued(pilot, exchange)
            await pilot.press("down", "down")
            await pilot.pause()
            assert "Duty of care" in screen(app)
            await pilot.press("f10")
            await pilot.pause()
            assert app.query_one(PromptBox).has_focus and "Duty of care" not in screen(app)

    play(scene())


class Slow(ScriptedEngine):
    """Says everything at once but the list of values, which it never ends by itself."""

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        lists = any("Which human values" in request.messages[-1].content for request in requests)
        for event in super().generate(requests, should_stop=should_stop):
            while lists and not should_stop():
                time.sleep(0.01)
            yield event


def test_a_search_is_told_in_the_status_line_and_stopped_by_escape(tmp_path: Path) -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="vanilla"), script(tmp_path, Slow))
        async with running(app) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            await pilot.press("f10")
            await until(pilot, lambda: "values: listing …" in screen(app), 60)
            assert "esc stop" in screen(app) and "looking for values … Esc stops" in screen(app)
            await pilot.press("escape")
            await until(pilot, lambda: exchange.values_search == "stopped", 60)
            await pilot.pause()
            assert "Stopped; F10 looks again." in screen(app) and "values: listing" not in screen(app)

    play(scene())


def test_before_there_is_a_question_nothing_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        app, told = chat(engine=script(tmp_path)), list[str]()
        monkeypatch.setattr(app, "notify", lambda message, **_: told.append(message))
        async with running(app) as pilot:
            await pilot.press("f10")
            await pilot.pause()
            assert told == ["Nothing was asked yet."]
            assert not app.session.exchanges and not app.query_one(ValuesPane).display

    play(scene())


def test_values_wait_for_the_positions_that_are_looked_for(tmp_path: Path) -> None:
    async def scene() -> None:
        app = chat(start(model="first", chat_positions="always"), script(tmp_path))
        async with running(app, (120, 40)) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            await valued(pilot, exchange)
            assert exchange.search == "over"  # and was not stopped for them

    play(scene())
