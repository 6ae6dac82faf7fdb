"""Stored records of another shape: what can be read of them is shown, and the rest named."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.cli.main import main
from pluralism_local.conversation.trace import trace
from pluralism_local.history import Conversation, History, StoredTurn, default_path
from pluralism_local.tui import detail_screens, distribution_pane, positions_pane, transcript
from pluralism_local.tui.communities_pane import row
from pluralism_local.tui.detail_screens import traced_text
from pluralism_local.tui.exchange import Exchange, from_stored
from pluralism_local.tui.screens.conversation_text import local, preview
from pluralism_local.tui.voice_text import named
from tests.support.chat_driver import QUESTION, ask, chat, play, running, screen, start, until

NOW = datetime(2026, 1, 2, tzinfo=UTC)

ODD: list[dict[str, Any]] = [
    {"comments": [1]},
    {"comments": "x"},
    {"comments": [{"text": 5}, {"community": ["x"], "text": "Heard anyway."}]},
    {"distribution": "x"},
    {"distribution": {"options": ["a"], "p": ["x"]}},
    {"distribution": {"options": ["a", "b"], "p": [0.5]}},
    {"distribution": {"options": ["a", "b"], "p": [0.5, 0.5], "weights": 7, "per_community": [1]}},
    {"selection": 7},
    {"selection": {"community": "farmers", "probabilities": {"farmers": "x"}}},
    {"warnings": {"a": 1}, "attribute": [1], "turn": "x"},
]


def stored(record: Any, **more: Any) -> StoredTurn:
    return StoredTurn(1, "overton", QUESTION, "An answer.", "done", record, None, NOW, **more)


def everything_shown(exchange: Exchange) -> str:
    """All that the panes and the transcript say of an exchange."""
    voices = named(exchange)
    return "\n".join(
        [
            str(transcript.question(exchange)),
            exchange.answer,
            *transcript.estimate(exchange, 40),
            *transcript.trouble(exchange),
            *transcript.foot(exchange),
            *distribution_pane.lines(exchange, 30, apart=True),
            *detail_screens.facts(exchange),
            detail_screens.positions_text(exchange, 60, dark=True).plain,
            positions_pane.pane_text(exchange, 30, dark=False).plain,
            *(
                row(voice, voices[voice.community], 30, most, dark=True).plain
                for voice in exchange.voices.values()
                for most in (3, None)
            ),
            *(
                traced_text(found, "words", voices, dark=True).plain
                for found in trace(exchange.answer, exchange.comments)
            ),
        ]
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
comment = st.dictionaries(
    st.sampled_from(["community", "text", "weight", "problem", "tokens", "seconds", "finish"]),
    values | st.just({"completion": -1}),
)
found = st.fixed_dictionaries(
    {"options": st.lists(st.text(max_size=5) | values, max_size=3)},
    optional={
        name: values | st.lists(st.floats(0, 1), max_size=3)
        for name in ("p", "per_community", "weights", "unassigned_mass", "entropy_nats", "method", "bounds")
    },
)
records = values | st.fixed_dictionaries(
    {},
    optional={
        "comments": values | st.lists(comment | values, max_size=3),
        "selection": values
        | st.dictionaries(st.sampled_from(["community", "method", "probabilities", "said"]), values),
        "distribution": values | found,
        "warnings": values,
        "attribute": values,
        "turn": values,
    },
)


@given(records, st.dictionaries(st.sampled_from(["retry_of", "weights", "communities", "pool"]), values))
def test_nothing_that_a_record_holds_is_more_than_the_panes_can_show(
    record: Any, asked_with: dict[str, Any]
) -> None:
    turn = stored(record, asked_with=asked_with)
    shown = everything_shown(from_stored(1, turn))
    assert "An answer." in shown
    assert "An answer." in preview(Conversation("0" * 16, "Title", NOW, NOW, (turn,))).plain


def test_what_can_be_read_is_shown_and_the_rest_named() -> None:
    comments = [1, {"community": "farmers", "text": "Words."}, {"text": "Whose?"}, {"text": "And whose?"}]
    shown = everything_shown(from_stored(1, stored({"comments": comments, "selection": 7})))
    assert "Words." in shown and "Whose?" in shown and "And whose?" in shown
    assert "unknown" in shown and "unknown (2)" in shown
    assert "cannot be read: comments, selection." in shown


def test_a_mass_that_is_not_recorded_is_no_number() -> None:
    record = {"distribution": {"options": ["a", "b"], "p": [0.75, 0.25]}}
    shown = everything_shown(from_stored(1, stored(record)))
    assert "75.0 %" in shown and "outside the options not recorded" in shown and "nan" not in shown


def test_names_draw_nothing() -> None:
    name = "a\x1b[2J\nb"
    record = {
        "comments": [{"community": name, "text": "An answer."}],
        "selection": {"community": name, "method": name},
    }
    assert "\x1b" not in everything_shown(from_stored(1, stored(record)))


def test_the_ends_of_the_calendar_have_no_time_of_day_here(monkeypatch: pytest.MonkeyPatch) -> None:
    for zone in ("America/New_York", "Pacific/Auckland"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        for moment in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
            assert local(moment).strftime("%m-%d")
    monkeypatch.undo()
    time.tzset()


def test_they_are_imported_and_opened_from_the_history_and_asked_on(tmp_path: Path) -> None:
    assert main(["ask", "-m", "scripted:", "--mode", "overton", QUESTION]) == 0
    file = tmp_path / "odd.json"
    assert main(["logs", "export", "last", "--format", "json", "-o", str(file)]) == 0
    whole = json.loads(file.read_text())
    turn = whole["conversations"][0]["turns"][0]
    whole["conversations"][0]["id"] = "0" * 16
    whole["conversations"][0]["turns"] = [
        {**turn, "record": {**turn["record"], **odd}, "asked_with": {**turn["asked_with"], "retry_of": [1]}}
        for odd in ODD
    ]
    file.write_text(json.dumps(whole))
    with History(default_path()) as history:
        history.delete(history.list()[0].id)
    assert main(["logs", "import", str(file)]) == 0

    async def scene() -> None:
        app = chat(start(model="first"))
        async with running(app) as pilot:
            await until(pilot, lambda: app.session.library)
            await pilot.press("ctrl+o")
            await until(pilot, lambda: QUESTION in screen(app), 20)
            await pilot.press("enter")
            await until(pilot, lambda: len(app.session.exchanges) == len(ODD), 20)
            await pilot.press("f9")
            await until(pilot, lambda: "cannot be read: " in screen(app), 20)
            await pilot.press("escape")
            assert len(app.session.exchanges) == len(ODD)
            for _ in ODD:
                await app.run_action("watch(-1)")
                await pilot.pause()
            assert (await ask(pilot, app, "And in universities?")).status == "done"

    play(scene())
