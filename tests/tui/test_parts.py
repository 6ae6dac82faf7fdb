"""Outbox, engines and exchanges: the parts without a screen."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from itertools import pairwise

import pytest
from rich.cells import cell_len

from pluralism_local import config
from pluralism_local.conversation.engines import Engines
from pluralism_local.display.voices import looks
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import EngineFailure, NotFound
from pluralism_local.results import (
    Aggregate,
    AnswerDelta,
    Comment,
    CommentDelta,
    CommentDone,
    CommentStarted,
    Result,
    Selected,
    Selection,
)
from pluralism_local.tui.communities_pane import row
from pluralism_local.tui.detail_screens import facts
from pluralism_local.tui.distribution_pane import distribution_lines, selection_lines, strips
from pluralism_local.tui.exchange import Exchange, LiveComment
from pluralism_local.tui.outbox import Outbox
from pluralism_local.tui.transcript import foot
from pluralism_local.tui.worker_events import Warned, WorkEvent
from pluralism_local.types import Message, ModelInfo, Request, Sampling, Side, Usage
from tests.support.chat_driver import opener


def test_the_outbox_posts_everything_in_order_and_at_most_20_times_a_second() -> None:
    posts: list[tuple[float, tuple[WorkEvent, ...]]] = []
    outbox = Outbox(lambda events: posts.append((time.monotonic(), events)))
    sent: list[str] = []
    while len(sent) < 400 or len(posts) < 5:
        sent.append(str(len(sent)))
        outbox.add(Warned(sent[-1]))
        time.sleep(0.001)
    outbox.close()
    assert [event.text for _, events in posts for event in events] == sent  # type: ignore[union-attr]
    gaps = [later - before for (before, _), (later, _) in pairwise(posts)]
    assert min(gaps[:-1]) >= 0.049  # closing does not wait


def test_the_outbox_leaves_nothing_lying() -> None:
    arrived = threading.Event()
    outbox = Outbox(lambda events: arrived.set() if Warned("last") in events else None)
    outbox.add(Warned("first"))
    outbox.add(Warned("last"))
    assert arrived.wait(60)  # without another event to push it
    outbox.close()


def status(text: str) -> None:
    """Told what is being opened."""


def asked(engine: object) -> bool:
    """Whether an engine is still open."""
    try:
        list(engine.generate([Request((Message("user", "x"),))]))  # type: ignore[attr-defined]
    except EngineFailure:
        return False
    return True


def test_one_engine_serves_both_unless_the_llm_is_remote() -> None:
    local, remote = ScriptedEngine(), ScriptedEngine()
    engines = Engines(None, "local", opener(local=local, **{"remote:http://localhost:1/v1": remote}))
    settings = config.Settings(model="local")
    handles = engines.use(settings, communities=True, status=status)
    assert handles.llm is handles.communities is local
    far = config.Settings(model="remote:http://localhost:1/v1")
    handles = engines.use(far, communities=True, status=status)
    assert (handles.llm, handles.communities) == (remote, local)
    engines.use(far, communities=False, status=status)
    assert asked(local)  # a mode without communities does not close their model
    engines.use(settings, communities=True, status=status)
    assert asked(local) and not asked(remote)
    engines.close()
    assert not asked(local)


def test_an_engine_is_opened_again_when_its_settings_change() -> None:
    opened: list[ScriptedEngine] = []

    def open_one(name: str, settings: config.Settings, status: object) -> ScriptedEngine:
        opened.append(ScriptedEngine())
        return opened[-1]

    engines = Engines(None, "a", open_one)
    settings = config.Settings(model="a")
    engines.use(settings, communities=True, status=status)
    engines.use(settings.model_copy(update={"temperature": 0.7}), communities=True, status=status)
    assert len(opened) == 1
    engines.use(settings.model_copy(update={"ctx_size": 512}), communities=True, status=status)
    assert len(opened) == 2
    assert not asked(opened[0]) and asked(opened[1])


def test_a_failure_leaves_the_engines_as_they_were() -> None:
    local = ScriptedEngine()
    engines = Engines("missing", "local", opener(local=local))
    settings = config.Settings(model="local")
    engines.use(settings, communities=False, status=status)
    with pytest.raises(NotFound):
        engines.use(settings, communities=True, status=status)
    assert asked(local) and engines.any


def comment(community: str, text: str, problem: None = None) -> Comment:
    return Comment(community, text, "stop", Usage(10, 0, 7), 2.0, weight=0.25, problem=problem)


def test_an_exchange_grows_with_its_events() -> None:
    exchange = Exchange(1, "Why?", "overton")
    exchange.take(CommentStarted("a"), 10)
    exchange.take(CommentDelta("a", "One"), 11)
    exchange.take(CommentDelta("a", " two"), 12)
    assert exchange.voices["a"].speed(14) == pytest.approx(0.5)  # 2 tokens in 4 seconds
    assert exchange.speed(14) == pytest.approx(0.5)
    exchange.take(CommentDone(comment("a", "One two three")), 15)
    voice = exchange.voices["a"]
    assert (voice.state, voice.tokens, voice.weight, voice.speed(99)) == ("done", 7, 0.25, 3.5)
    exchange.take(AnswerDelta("So"), 20)
    exchange.take(AnswerDelta(" be it."), 21)
    assert (exchange.answer, exchange.speed(24)) == ("So be it.", 0.5)
    assert exchange.comments == [("a", "One two three")]


def test_what_was_not_asked_or_was_stopped_does_not_wait_for_ever() -> None:
    moe = Exchange(1, "Why?", "moe", voices={id: LiveComment(id) for id in ("a", "b")})
    assert foot(begun(moe)) == ["choosing …"]
    moe.take(Selected(Selection("b", "probabilities", {"a": 0.25, "b": 0.75})), 10)
    assert foot(moe) == ["b writes …"]
    moe.take(CommentDone(comment("b", "One")), 12)
    assert [voice.state for voice in moe.voices.values()] == ["not chosen", "done"]
    assert foot(moe) == ["reading …"]

    overton = begun(Exchange(2, "Why?", "overton", voices={id: LiveComment(id) for id in ("a", "b")}))
    overton.take(CommentDone(comment("a", "One")), 10)
    assert foot(overton) == ["communities write … 1 of 2"]
    overton.fail("Broken.", "")
    assert [voice.state for voice in overton.voices.values()] == ["done", "stopped"]


def begun(exchange: Exchange) -> Exchange:
    exchange.begin(None)
    return exchange


def test_the_speed_of_what_was_only_weighed_is_that_of_the_comments() -> None:
    exchange = Exchange(1, "Why?", "distributional")
    spent = {"llm": Usage(100, 0, 1), "communities": Usage(60, 0, 30)}
    took = {"comments": 3.0, "answer": 5.0, "total": 8.0}
    info, sampling = ModelInfo("x", "scripted"), Sampling()
    exchange.take(
        Result(
            "distributional", "Why?", "", (), info, info, sampling, sampling,
            distribution=ESTIMATE, usage=spent, seconds=took,
        ),
        10,
    )  # fmt: skip
    assert exchange.speed(99) == 10


def test_a_row_fits_its_pane_whatever_the_community_says() -> None:
    voice = LiveComment(
        "a-community-with-a-rather-long-name", 1 / 6, "writing", "学校で電話を禁止すべき " * 9, 12, 1.0
    )
    for width in (24, 34):
        lines = row(voice, LOOK, width, 3, dark=True, share=True).plain.splitlines()
        assert len(lines) == 4
        assert len(row(voice, LOOK, width, dark=True).plain.splitlines()) == 2
        whole = row(voice, LOOK, width, None, dark=True).plain
        assert "".join(whole.split()).count("学校で電話を禁止すべき") == 9
        assert all(cell_len(line) <= width for line in [*lines, *whole.splitlines()])
        assert lines[0].startswith("b a-comm") and lines[0].endswith("17% writing")


@pytest.mark.parametrize(
    ("side", "state", "facts"),
    [
        ("no", "done", "side: no"),
        ("yes", "cut off", "side: yes, cut off"),
        (None, "done", ""),
        (None, "writing", "writing"),
    ],
)
def test_a_row_says_which_side_its_comment_is_told_to_take(side: Side | None, state: str, facts: str) -> None:
    head = row(
        LiveComment("left", state=state, text="So.", side=side), LOOK, 40, dark=True
    ).plain.splitlines()[0]
    assert head == f"b left  {facts}".rstrip()


def test_the_notes_are_one_line_that_says_how_many_there_are() -> None:
    notes = ("Comments may take 120 tokens each instead of 200, so that they fit.", "One was cut off.")
    exchange = Exchange(1, "Why?", "overton", status="done", warnings=notes)
    (line,) = foot(exchange, 50)
    assert line.startswith("Note: Comments may take") and line.endswith("… (and 1 more: F9)")
    assert cell_len(line) <= 50
    assert list(facts(exchange))[:2] == [f"Note: {note}\n" for note in notes]
    assert foot(Exchange(1, "Why?", "overton", status="done", warnings=notes[1:]), 50) == [
        "Note: One was cut off."
    ]


LOOK = looks("ab")["b"]
ESTIMATE = Aggregate(
    ("Yes", "No"), (0.75, 0.25), {"a": (0.5, 0.5), "b": (1.0, 0.0)}, {"a": 0.5, "b": 0.5}, 0.1, 0.56, "exact"
)


def test_each_letter_stands_at_its_communitys_share() -> None:
    voices = {id: LiveComment(id) for id in ("a", "b")}
    exchange = Exchange(1, "Why?", "distributional", voices=voices, distribution=ESTIMATE)
    yes, no = (line.plain for line in strips(exchange, 32, dark=True))
    assert yes == f"Yes 0 {'·' * 10}a{'·' * 9}b 100"  # 50 % and 100 % of 21 cells
    assert no == f"No  0 b{'·' * 9}a{'·' * 10} 100"
    crowd: dict[str, tuple[float, ...]] = {f"v{number:02d}": (0.5, 0.5) for number in range(24)}
    even = replace(ESTIMATE, per_community=crowd, weights=dict.fromkeys(crowd, 1 / 24))
    exchange = Exchange(
        1, "Why?", "distributional", voices={id: LiveComment(id) for id in crowd}, distribution=even
    )
    for width in (24, 34, 60):
        for line in strips(exchange, width, dark=False):
            assert cell_len(line.plain) <= width
    assert set("abcdefghijklmnopqrstuvwx") <= set(strips(exchange, 60, dark=True)[0].plain)


def test_a_distribution_has_numbers_what_is_outside_and_each_community_on_demand() -> None:
    together = distribution_lines(ESTIMATE, 32, apart=False)
    assert together == [
        f"Yes {'▇' * 15}       75.0 %",
        f"No  {'▇' * 5}                 25.0 %",
        "outside the options 10.0 %",
        "entropy 0.56 of 0.69 nats",
    ]
    apart = distribution_lines(ESTIMATE, 32, apart=True)
    assert apart[:4] == together
    assert "a (50%)" in apart and "b (50%)" in apart
    assert any(line.startswith("Yes") and line.endswith("100.0 %") for line in apart)


def test_how_much_the_places_decided_is_said_where_there_were_several_orders() -> None:
    rotated = replace(
        ESTIMATE,
        orders=((0, 1), (1, 0)),
        by_order=((1.0, 0.0), (0.5, 0.5)),
        order_effect=0.25,
        order_effects={"a": 0.5},
    )
    assert distribution_lines(rotated, 32, apart=False)[-1] == "order effect 25.0 % over 2 orders"
    apart = distribution_lines(rotated, 32, apart=True)
    assert apart[apart.index("a (50%)") + 1] == "order effect 50.0 %"
    assert apart[apart.index("b (50%)") + 1].startswith("Yes")


def test_a_stand_in_has_no_bars() -> None:
    kept = replace(ESTIMATE, p=(0.5, 0.5), method="uniform", unassigned_mass=1.0)
    said = distribution_lines(replace(kept, per_community={}), 40, apart=True)
    assert said == [
        "none of the options had any probability,",
        "so there is no estimate",
        "outside the options 100.0 %",
    ]
    partly = replace(ESTIMATE, method="uniform", stand_ins=("a",))
    apart = distribution_lines(partly, 40, apart=True)
    assert apart[0].startswith("Yes") and "none of the options had any probability" in apart
    assert sum("▇" in line for line in apart) == 3  # Yes and No together, and Yes of b


def test_a_selection_is_drawn_or_explained() -> None:
    drawn = selection_lines(Selection("b", "probabilities", {"a": 0.2, "b": 0.8}), 30)
    assert [line.split()[0] for line in drawn] == ["b", "a"]
    assert selection_lines(Selection("b", "fallback"), 30) == ["b", "the pool's first: the LLM named none"]
