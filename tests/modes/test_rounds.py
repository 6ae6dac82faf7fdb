"""Rounds: what voices hear, what changed, and whatever goes wrong leaves an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.agreement import Deliberation, RoundStarted
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import Cancelled, EngineFailure, InvalidInput
from pluralism_local.modes import Ask, run
from pluralism_local.modes.steps import Scores
from pluralism_local.records import from_record, to_record
from pluralism_local.results import CommentStarted, ModeEvent, Result
from pluralism_local.types import Request, Sampling
from tests.support.mode_asks import BOUNDED, THREE, FailingEngine, after, pool, script

BAN, FREE = "Phones should be banned.", "Parents should decide."
QUESTION = "Should phones be banned?"
COMMENTS = {
    "left": f"{BAN} They distract pupils.",
    "center": f"I am torn. {BAN}",
    "right": f"{FREE} Not the state.",
}
REPLIES = {
    "left": f"{BAN} I have heard you.",
    "center": f"You convinced me. {FREE}",
    "right": f"{FREE} No ban, ever.",
}
HEARD = "These positions were taken"


class Words:
    """A scorer: a text entails what it says word for word, and contradicts a ban with "no ban"."""

    def __call__(self, pairs: Sequence[tuple[str, str]], should_stop: ShouldStop) -> Scores:
        if should_stop():
            raise Cancelled
        return [self.row(premise.lower(), hypothesis.lower()) for premise, hypothesis in pairs]

    @staticmethod
    def row(premise: str, hypothesis: str) -> tuple[float, float, float]:
        if "no ban" in premise and hypothesis == BAN.lower():
            return (0.0, 0.0, 1.0)
        return (0.9, 0.1, 0.0) if hypothesis.rstrip(".") in premise else (0.1, 0.8, 0.1)


def parts(**replies: str) -> list[dict[str, str]]:
    """A script's: replies in rounds, then the list of claims, the answer and the first comments."""
    return [
        *({"pattern": f"(?s)You speak for {voice}.*You have said what you think", "text": text}
          for voice, text in {**REPLIES, **replies}.items()),
        *({"pattern": f"(?s)Comment: {re.escape(comment)}.*What does the comment claim", "text": claim}
          for comment in (*COMMENTS.values(), *REPLIES.values()) for claim in (BAN, FREE) if claim in comment),
        {"match": "following passages", "text": "Some say this."},
        *({"match": f"You speak for {voice}", "text": text} for voice, text in COMMENTS.items()),
    ]  # fmt: skip


def events(
    folder: Path,
    entailment: Words | None = None,
    should_stop: ShouldStop = never,
    *,
    engine: ScriptedEngine | None = None,
    rounds: int = 1,
    hears: Any = "positions",
    **ask: Any,
) -> list[ModeEvent]:
    engine = engine or ScriptedEngine(script(folder, replies=parts()), record=True, capabilities=BOUNDED)
    task = Ask(
        QUESTION, "overton", ask.pop("pool", THREE), deliberation=Deliberation(rounds, hears=hears), **ask
    )
    return list(run(task, llm=engine, communities=engine, should_stop=should_stop, entailment=entailment))


def result(*args: Any, **kwargs: Any) -> Result:
    last = events(*args, **kwargs)[-1]
    assert isinstance(last, Result)
    return last


def prompts_of(engine: ScriptedEngine) -> list[Request]:
    return [it for call in engine.calls for it in call.requests if isinstance(it, Request)]


def test_voices_hear_positions_without_names_and_what_changed_is_told(tmp_path: Path) -> None:
    engine = ScriptedEngine(script(tmp_path, replies=parts()), record=True, capabilities=BOUNDED)
    held = result(tmp_path, Words(), engine=engine)
    assert [comment.text for comment in held.comments] == list(REPLIES.values())
    first, second = held.rounds
    assert [comment.text for comment in first.comments] == list(COMMENTS.values()) and first.changes == ()
    assert [(it.voice, it.kind) for it in second.changes] == [
        ("left", "stood"), ("center", "revised"), ("right", "answered"),
    ]  # fmt: skip
    center, right = second.changes[1:]
    assert (center.gained, center.dropped) == ((FREE,), (BAN,)) and right.opposed == (BAN,)
    assert second.window is not None and [it.text for it in second.window.positions] == [BAN, FREE]
    hearing = [request for request in prompts_of(engine) if HEARD in request.messages[-1].content]
    assert len(hearing) == 3
    for request, own in zip(hearing, COMMENTS.values(), strict=True):
        _, question, comment, heard = request.messages
        assert (question.content, comment.content) == (QUESTION, own)
        assert f"- {BAN}\n- {FREE}" in heard.content
        assert not any(name in heard.content for name in ("left", "center", "right"))
    # the answer is written from the last comments
    (synthesis,) = [it for it in prompts_of(engine) if it.messages[-1].content.endswith("Comment:")]
    assert all(text in synthesis.messages[-1].content for text in REPLIES.values())
    assert from_record(to_record(held)).rounds[1].changes == second.changes
    assert from_record(to_record(held)).rounds[0].comments == first.comments


@pytest.mark.parametrize("positions", [False, True])
def test_who_is_to_hear_the_others_comments_hears_no_positions(tmp_path: Path, positions: bool) -> None:
    engine = ScriptedEngine(script(tmp_path, replies=parts()), record=True, capabilities=BOUNDED)
    held = result(tmp_path, Words(), engine=engine, hears="comments", positions=positions)
    heard = [
        it.messages[-1].content for it in prompts_of(engine) if "what others said" in it.messages[-1].content
    ]
    assert len(heard) == 3
    for text, own in zip(heard, COMMENTS.values(), strict=True):
        others = [comment for comment in COMMENTS.values() if comment != own]
        assert own not in text and all(comment in text for comment in others)
    assert held.rounds[1].window is None
    assert {it.method for it in held.rounds[1].changes} == {"text"}
    assert (held.window is not None) is positions


def test_every_round_has_its_own_seeds_and_a_thread_of_one_exchange(tmp_path: Path) -> None:
    engine = ScriptedEngine(record=True)
    told = events(tmp_path, engine=engine, rounds=3, comment=Sampling(1.0, 1.0, 30, 5))
    seeds = [it.sampling.seed for it in prompts_of(engine) if it.sampling.temperature == 1]
    assert len(seeds) == 12 == len(set(seeds))
    assert {len(it.messages) for it in prompts_of(engine) if HEARD in it.messages[-1].content} <= {4}
    assert [(it.number, it.rounds) for it in told if isinstance(it, RoundStarted)] == [(1, 3), (2, 3), (3, 3)]
    assert sum(isinstance(it, CommentStarted) for it in told) == 12


def test_a_voice_that_says_nothing_in_a_round_keeps_its_comment(tmp_path: Path) -> None:
    engine = ScriptedEngine(script(tmp_path, replies=parts(center=" ")))
    held = result(tmp_path, Words(), engine=engine)
    assert held.comments[1].text == COMMENTS["center"]
    assert held.rounds[1].changes[1].kind == "silent"
    assert any("Nothing said in round 1" in it and "center" in it for it in held.warnings)


def test_one_that_was_silent_before_may_join(tmp_path: Path) -> None:
    silent = [{"match": "You speak for left", "text": " "}]
    replies = [*parts()[:3], *silent, *parts()[3:]]
    held = result(tmp_path, Words(), engine=ScriptedEngine(script(tmp_path, replies=replies)))
    assert held.comments[0].text == REPLIES["left"]
    assert [it.voice for it in held.rounds[1].changes] == ["center", "right"]


def test_a_round_that_fails_leaves_the_comments_before_it(tmp_path: Path) -> None:
    engine = FailingEngine(
        EngineFailure("The model broke."),
        lambda text: "You have said what you think" in text,
        events=0,
        script=script(tmp_path, replies=parts()),
    )
    held = result(tmp_path, Words(), engine=engine)
    assert held.complete and held.answer == "Some say this." and held.rounds == ()
    assert "Round 1 could not be held: The model broke." in held.warnings
    assert [comment.text for comment in held.comments] == list(COMMENTS.values())


@pytest.mark.parametrize("calls", [1, 5, 9, 14, 20, 30])
def test_stopping_anywhere_keeps_whole_comments(tmp_path: Path, calls: int) -> None:
    held = result(tmp_path, Words(), after(calls))
    for comment in held.comments:
        if comment.problem is None:
            assert comment.text in (COMMENTS[comment.community], REPLIES[comment.community])


def test_one_voice_has_nobody_to_hear(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="at least two voices"):
        events(tmp_path, pool=pool(("left", 1.0)))
    almost = [{"match": f"You speak for {voice}", "text": " "} for voice in ("center", "right")]
    held = result(tmp_path, Words(), engine=ScriptedEngine(script(tmp_path, replies=[*almost, *parts()[3:]])))
    assert held.complete and "There are no rounds: fewer than two voices said anything." in held.warnings


def test_other_modes_hold_no_rounds(tmp_path: Path) -> None:
    task = Ask(QUESTION, "vanilla", deliberation=Deliberation(1))
    engine = ScriptedEngine()
    with pytest.raises(InvalidInput, match="vanilla has none such"):
        list(run(task, llm=engine, communities=engine))


def test_what_the_communities_hear_fits_their_context(tmp_path: Path) -> None:
    tight = ScriptedEngine(context=420, record=True)
    held = result(tmp_path, engine=tight, hears="comments", answer=Sampling(max_tokens=20))
    assert held.complete and len(held.rounds) == 2
    assert any("Comments may take" in it and "420" in it for it in held.warnings)
