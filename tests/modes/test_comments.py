"""The comment stage: one call, stable seeds, every problem reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import InvalidInput, Unsupported
from pluralism_local.modes import Ask
from pluralism_local.modes.comments import comment_seed
from pluralism_local.results import CommentDelta, CommentDone, CommentStarted
from pluralism_local.types import Message, Request, Sampling
from tests.support.mode_asks import NO_ADAPTERS, THREE, answer, community, events_of, pool, script

ASK = Ask("Should phones be banned?", "overton", THREE)


def generated(engine: ScriptedEngine, call: int = 0) -> tuple[Request, ...]:
    found = engine.calls[call]
    assert found.kind == "generate"
    return tuple(request for request in found.requests if isinstance(request, Request))


def test_all_communities_are_asked_in_one_call() -> None:
    engine = ScriptedEngine(record=True)
    history = (Message("user", "Hello"), Message("assistant", "Good day"))
    ask = Ask(" Should phones be banned?\n", "overton", THREE, system="Be brief.", history=history)
    result = answer(ask, engine)
    assert [call.kind for call in engine.calls] == ["generate", "generate"]
    requests = generated(engine)
    assert [request.messages for request in requests] == [
        (Message("system", f"You speak for {name}."), *history, Message("user", "Should phones be banned?"))
        for name in ("left", "center", "right")
    ]
    assert {request.sampling.temperature for request in requests} == {1.0}
    assert [comment.community for comment in result.comments] == ["left", "center", "right"]
    assert [comment.weight for comment in result.comments] == [0.5, 0.25, 0.25]


def test_a_seed_belongs_to_a_community_and_not_to_a_place() -> None:
    engine = ScriptedEngine(record=True)
    few = answer(ASK, engine)
    more = answer(Ask(ASK.prompt, "overton", pool(("new", 0.4), ("right", 0.3), ("left", 0.3))), engine)
    texts = {comment.community: comment.text for comment in few.comments}
    assert {c.community: c.text for c in more.comments if c.community != "new"} == {
        name: texts[name] for name in ("right", "left")
    }
    assert [request.sampling.seed for request in generated(engine)] == [
        comment_seed(0, name) for name in ("left", "center", "right")
    ]
    other = answer(Ask(ASK.prompt, "overton", THREE, comment=Sampling(temperature=1, seed=1)), engine)
    assert all(a.text != b.text for a, b in zip(few.comments, other.comments, strict=True))


def test_a_seed_does_not_change_between_versions() -> None:
    assert comment_seed(0, "left") == 0x7F67A6A1  # printf 0:left | sha256sum
    assert 0 <= comment_seed(2**32 - 1, "x" * 64) < 2**32


def test_events_of_a_comment() -> None:
    engine = ScriptedEngine()
    events = events_of(ASK, engine)
    result = answer(ASK, engine)
    for comment in result.comments:
        own = [
            e
            for e in events
            if isinstance(e, CommentStarted | CommentDelta) and e.community == comment.community
        ]
        assert isinstance(own[0], CommentStarted)
        assert "".join(event.text for event in own if isinstance(event, CommentDelta)) == comment.text
    done = [event.comment for event in events if isinstance(event, CommentDone)]
    assert sorted(comment.community for comment in done) == ["center", "left", "right"]


def test_a_persona_is_text_and_only_the_question_is_put_in() -> None:
    engine = ScriptedEngine(record=True)
    curious = community("curious", "Asked {question}, speak.")
    answer(Ask("What is {question.__class__}?", "overton", pool(curious)), engine)
    assert generated(engine)[0].messages[0].content == "Asked What is {question.__class__}?, speak."


def test_problems_are_said_and_kept(tmp_path: Path) -> None:
    replies = [
        {"pattern": "(?s)speak for left.*banned", "text": "  \n"},
        {"pattern": "(?s)speak for center.*banned", "text": "one two three four five"},
        {"pattern": "(?s)speak for right.*banned", "text": " one two "},
        {"match": "Passage 1", "text": "Together."},
    ]
    engine = ScriptedEngine(script(tmp_path, replies=replies), record=True)
    result = answer(Ask(ASK.prompt, "overton", THREE, comment=Sampling(max_tokens=3)), engine)
    assert [(comment.text, comment.problem) for comment in result.comments] == [
        ("", "empty"),
        ("one two three", "cut off"),
        ("one two", None),
    ]
    assert result.warnings == (
        "Empty comments, left out: left.",
        "Comments cut off at 3 tokens, used as far as they go: center.",
    )
    asked = generated(engine, 1)[0].messages[-1].content
    assert "Passage 1: one two three\n\nPassage 2: one two\n\nComment:" in asked
    assert result.complete
    assert result.answer == "Together."


def test_adapters_travel_with_their_scale(tmp_path: Path) -> None:
    engine = ScriptedEngine(record=True)
    result = answer(Ask(ASK.prompt, "overton", pool(community("left", None, folder=tmp_path))), engine)
    adapter = generated(engine)[0].adapter
    assert adapter is not None
    assert (result.comments[0].adapter_sha256, result.comments[0].scale) == (adapter.sha256, 1.0)
    assert generated(engine)[0].messages == (Message("user", ASK.prompt),)


def test_an_adapter_speaks_without_its_persona(tmp_path: Path) -> None:
    engine = ScriptedEngine(record=True)
    answer(Ask(ASK.prompt, "overton", pool(community("left", folder=tmp_path), community("right"))), engine)
    left, right = generated(engine)
    assert left.adapter is not None and [message.role for message in left.messages] == ["user"]
    assert right.adapter is None and right.messages[0] == Message("system", "You speak for right.")


def test_an_adapter_that_was_trained_behind_its_persona_speaks_with_it(tmp_path: Path) -> None:
    both = community("left", folder=tmp_path, beside_persona=True)
    engine = ScriptedEngine(record=True)
    answer(Ask(ASK.prompt, "overton", pool(both, community("right"))), engine)
    left = generated(engine)[0]
    assert left.adapter is not None
    assert left.messages == (Message("system", "You speak for left."), Message("user", ASK.prompt))


def test_a_persona_stands_in_where_the_model_takes_no_adapters(tmp_path: Path) -> None:
    engine = ScriptedEngine(capabilities=NO_ADAPTERS, record=True)
    both, plain = community("left", folder=tmp_path), community("right")
    result = answer(Ask(ASK.prompt, "overton", pool(both, plain)), engine)
    assert [request.adapter for request in generated(engine)] == [None, None]
    assert result.comments[0].adapter_sha256 is None
    assert result.warnings[0] == "scripted: takes no adapters; through their persona alone speak: left."


def test_a_persona_that_an_adapter_only_stands_beside_is_no_stand_in(tmp_path: Path) -> None:
    engine = ScriptedEngine(capabilities=NO_ADAPTERS, record=True)
    both = community("left", folder=tmp_path, beside_persona=True)
    result = answer(Ask(ASK.prompt, "overton", pool(both, community("right"))), engine)
    assert [request.adapter for request in generated(engine)] == [None, None]
    assert not any("takes no adapters" in warning for warning in result.warnings)


def test_without_a_persona_it_is_refused_before_anything_runs(tmp_path: Path) -> None:
    engine = ScriptedEngine(capabilities=NO_ADAPTERS, record=True)
    mute = pool(community("left", None, folder=tmp_path), community("right"))
    with pytest.raises(Unsupported, match="cannot speak: left"):
        answer(Ask(ASK.prompt, "overton", mute), engine)
    assert engine.calls == []


@pytest.mark.parametrize("mode", ["overton", "steerable", "distributional", "moe"])
def test_a_pool_is_needed(mode: str) -> None:
    engine = ScriptedEngine(record=True)
    ask = Ask("Ban phones? A. Yes B. No", mode, attribute="honesty")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=f"The mode {mode} needs communities"):
        answer(ask, engine)
    assert engine.calls == []
