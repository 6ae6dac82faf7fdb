"""Who disagrees? From an answer to the matrix, with few keys and without holding up the next question."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from textual.content import Content

from pluralism_local.conversation import looking
from pluralism_local.conversation.trace import Sources
from pluralism_local.display.voices import ON_DARK, looks
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.history import History, default_path
from pluralism_local.tui.app import ChatApp
from pluralism_local.tui.communities_pane import CommunitiesPane
from pluralism_local.tui.detail_screens import PositionsView, TraceView
from pluralism_local.tui.exchange import Exchange
from pluralism_local.tui.voice_text import marked
from pluralism_local.types import EngineEvent, Request
from tests.support.chat_driver import QUESTION, ask, chat, play, running, screen, start, until, write
from tests.support.command_line import add_card

BAN, FREE = "Phones should be banned.", "Parents should decide."
TELL = "What does the comment claim"
SAID = {
    "farmers": f"{BAN} They distract pupils.",
    "fishers": f"{BAN} Nobody needs one.",
    "millers": f"{FREE} A ban is not for the state to make.",
}


def script(
    folder: Path, said: dict[str, str], claims: Sequence[str], engine: type[ScriptedEngine] = ScriptedEngine
) -> Any:
    """An engine whose communities say this, and whose LLM tells these claims and knows who holds them."""
    support, oppose, silent = ({"Yes": yes, "No": 1 - yes} for yes in (0.9, 0.1, 0.5))
    stances = [
        {
            "pattern": f"(?s)Comment: {re.escape(text)}.*Claim: {re.escape(claim)}",
            "mass": support if claim in text else oppose,
        }
        for text in said.values()
        for claim in claims
    ]
    file = folder / "script.json"
    replies = [
        *(
            {"pattern": f"(?s)Comment: {re.escape(text)}.*{TELL}", "text": claim}
            for text in said.values()
            for claim in claims
            if claim in text
        ),
        *({"match": f"You speak for the {community}.", "text": text} for community, text in said.items()),
    ]
    file.write_text(
        json.dumps({"replies": replies, "distributions": [*stances, {"match": "", "mass": silent}]})
    )
    return engine(file)


async def answered(pilot: Any, app: ChatApp, text: str = QUESTION) -> Exchange:
    """The exchange, its positions found."""
    exchange = await ask(pilot, app, text)
    await until(pilot, lambda: exchange.search == "over", 60)
    await pilot.pause()
    return exchange


def test_nobody_has_to_press_a_key_where_the_model_is_quick(tmp_path: Path) -> None:
    async def scene() -> None:
        app = chat(engine=script(tmp_path, SAID, [BAN, FREE]))
        async with running(app, (120, 40)) as pilot:
            exchange = await answered(pilot, app)
            shown = screen(app)
            assert exchange.window is not None
            assert [position.text for position in exchange.window.positions] == [BAN, FREE]
            assert "who holds which position" in shown and "# a b c  answer" in shown
            assert '2 of 3 agree on "Phones should be banned"' in shown and "against: millers" in shown
            assert "1 ● ● ○" in shown and "2 · · ●" in shown
            await pilot.press("f7")
            await until(pilot, lambda: isinstance(app.screen, PositionsView))
            await pilot.pause()
            assert "assigned by its own probabilities" in " ".join(screen(app).split())
            await pilot.press("f7")
            assert not isinstance(app.screen, PositionsView)

    play(scene())
    with History(default_path()) as history:
        (conversation,) = history.all()
    record: Any = conversation.turns[0].record
    assert [position["text"] for position in record["positions"]] == [BAN, FREE]


def test_two_keys_do_where_nobody_has_looked(tmp_path: Path) -> None:
    async def scene() -> None:
        app = chat(start(model="first", chat_positions="never"), script(tmp_path, SAID, [BAN, FREE]))
        async with running(app) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            assert exchange.search == "none" and "F7 who disagrees?" in screen(app)
            await pilot.press("f7")
            await until(pilot, lambda: exchange.window, 60)
            await pilot.pause()
            assert "against: millers" in screen(app)
            await pilot.press("f7")
            await until(pilot, lambda: isinstance(app.screen, PositionsView))

    play(scene())


class Slow(ScriptedEngine):
    """Says everything at once but what comments claim, which it never ends by itself."""

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        lists = any(TELL in request.messages[-1].content for request in requests)
        for event in super().generate(requests, should_stop=should_stop):
            while lists and not should_stop():
                time.sleep(0.01)
            yield event


def test_a_prompt_stops_the_search_which_can_be_begun_again(tmp_path: Path) -> None:
    async def scene() -> None:
        app = chat(engine=script(tmp_path, SAID, [BAN, FREE], Slow))
        async with running(app) as pilot:
            first = await ask(pilot, app, QUESTION)
            await until(pilot, lambda: first.search == "running" and "looking for" in screen(app))
            await until(pilot, lambda: "positions: looking for claims …" in screen(app))
            await write(pilot, "And in universities?")
            await until(pilot, lambda: first.search == "stopped")
            second = list(app.session.exchanges.values())[-1]
            await until(pilot, lambda: second.status == "done" and second.search == "running")
            await pilot.press("escape")
            await until(pilot, lambda: second.search == "stopped")
            assert app.session.loading == ""
            assert first.window is None and not first.warnings
            assert app.is_running and len(app.session.state.turns) == 2

    play(scene())


@pytest.mark.parametrize(
    ("said", "claims"),
    [
        (dict.fromkeys(SAID, f"{BAN} They distract pupils."), [BAN]),  # all alike
        ({**SAID, "fishers": ""}, [BAN, FREE]),  # one says nothing
        (dict.fromkeys(SAID, "学校で電話を禁止すべきです。"), ["学校で電話を禁止すべきです。"]),
        ({**SAID, "farmers": "[b]{Phones}[/b] *must* <go> now."}, ["[b]{Phones}[/b] *must* <go> now."]),
        (SAID, [f"Claim number {number} is about phones." for number in range(40)]),
        (SAID, []),
    ],
)
def test_whatever_comes_back_can_be_read(tmp_path: Path, said: dict[str, str], claims: list[str]) -> None:
    async def scene() -> None:
        app = chat(engine=script(tmp_path, said, claims))
        async with running(app, (80, 24)) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            await until(pilot, lambda: exchange.search == "over", 60)
            for keys in (["f7"], ["f6"], ["f9"], ["f5", "down", "enter"]):
                await pilot.press(*keys)
                await pilot.pause()
                assert all(len(line) <= 80 for line in screen(app).splitlines())
                await pilot.press("escape")
            if len(set(said.values())) == 1 and claims == [BAN]:
                assert "All voices hold one position" in screen(app)

    play(scene())


def test_twenty_four_voices_have_pages_and_each_its_letter(tmp_path: Path, own_home: Path) -> None:
    names = [f"voice-{number:02d}" for number in range(24)]
    for name in names:
        add_card(own_home, name)
    pool = own_home / "data" / "communities" / "pools" / "many.yaml"
    pool.write_text("".join(f"- {{card: {name}}}\n" for name in names))

    async def scene() -> None:
        app = chat(start(model="first", pool="many"), script(tmp_path, dict.fromkeys(names, BAN), [BAN]))
        async with running(app, (80, 24)) as pilot:
            await answered(pilot, app)
            await pilot.press("f7")
            await until(pilot, lambda: isinstance(app.screen, PositionsView))
            await pilot.pause()
            shown = screen(app)
            assert "a b c d e f g h i j k l" in shown and "m n o p q r s t u v w x" in shown
            assert "a voice-00" in shown

    play(scene())


def test_the_sources_are_there_by_words_and_say_so_where_there_is_no_scorer(tmp_path: Path) -> None:
    async def scene() -> None:
        app = chat(engine=script(tmp_path, SAID, [BAN, FREE]))
        async with running(app) as pilot:
            exchange = await answered(pilot, app)
            await pilot.press("f6")
            await until(pilot, lambda: isinstance(app.screen, TraceView))
            assert "(words in common)" in screen(app)
            await until(pilot, lambda: exchange.sources is not None)
            await until(pilot, lambda: "there is no scorer of entailment here" in screen(app))

    play(scene())


def test_who_said_this_takes_the_place_of_a_search_and_says_that_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = threading.Event()

    def sources(*_: object, **__: object) -> Sources:
        read.wait(60)
        return Sources("words", ())

    monkeypatch.setattr(looking, "sources", sources)

    async def scene() -> None:
        app = chat(engine=script(tmp_path, SAID, [BAN, FREE], Slow))
        async with running(app, (120, 40)) as pilot:
            exchange = await ask(pilot, app, QUESTION)
            await until(pilot, lambda: exchange.search == "running")
            await pilot.press("f6")
            await until(pilot, lambda: exchange.search == "stopped")
            await pilot.pause()
            assert "is reading …" in screen(app)
            read.set()
            await until(pilot, lambda: "there is no scorer of entailment here" in screen(app))

    play(scene())


def test_comments_are_read_whole_in_the_pane_and_the_pane_can_be_resized(tmp_path: Path) -> None:
    long = " ".join(f"Sentence number {number} about phones." for number in range(36)) + " Finis."

    async def scene() -> None:
        app = chat(engine=script(tmp_path, {**SAID, "farmers": long}, [BAN]))
        async with running(app, (80, 24)) as pilot:
            await answered(pilot, app)
            await pilot.press("f5")
            await pilot.pause()
            for _ in range(80):
                if "Finis." in screen(app):
                    break
                await pilot.press("down")
                await pilot.pause()
            assert "Finis." in screen(app)
            assert app.query_one(CommunitiesPane).highlighted == 0
            before = app.query_one("#side").size.width
            await pilot.press("alt+left")
            await pilot.pause()
            wider = app.query_one("#side").size.width
            await pilot.press("alt+right", "alt+right")
            await pilot.pause()
            assert app.query_one("#side").size.width < before < wider
            await pilot.mouse_down("Splitter")
            await pilot.hover("#transcript", offset=(20, 3))
            await pilot.mouse_up("#transcript", offset=(20, 3))
            await pilot.pause()
            assert app.query_one("#side").size.width > wider

    play(scene())


def test_marks_have_the_colours_of_the_voices_they_name() -> None:
    voices = looks(["press-left", "press-right"])
    text = Content("Most hold [x] that [press-left, nobody, press-right] it is [press-left")
    coloured = marked(text, voices, dark=True)
    assert coloured.plain == text.plain
    assert {(text.plain[span.start : span.end], str(span.style)) for span in coloured.spans} == {
        ("press-left", f"bold {ON_DARK[0]}"),
        ("press-right", f"bold {ON_DARK[1]}"),
    }
