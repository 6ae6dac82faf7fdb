"""Conversations: every voice goes on with its own words, whatever mode and pool come next, and as far as they fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.base import Capabilities
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import ContextOverflow, EngineFailure
from pluralism_local.mode_specs import ModeName
from pluralism_local.modes import MODES, Ask
from pluralism_local.results import LLM_VOICE, Result, Turn
from pluralism_local.types import AdapterRef, Message, OptionRequest, Request, Sampling
from tests.support.mode_asks import THREE, FailingEngine, after, answer, community, pool, script

NAMES = ("left", "center", "right", "north")
UNCOUNTED = Capabilities(adapters=True, distribution="exact", batched=True, counts_tokens=False)
BOUNDED = Capabilities(adapters=True, distribution="bounded", batched=True, counts_tokens=True)
SHORT = Sampling(temperature=1, max_tokens=6)

words = st.text("abc \n", min_size=1, max_size=12).filter(lambda text: bool(text.strip()))


class Step(NamedTuple):
    """What a user does in one turn."""

    mode: ModeName
    prompt: str
    names: tuple[str, ...]
    posed: bool


steps = st.builds(
    Step,
    st.sampled_from(list(MODES)),
    words,
    st.lists(st.sampled_from(NAMES), min_size=2, max_size=4, unique=True).map(tuple),
    st.booleans(),
)


def ask_for(step: Step, turns: Sequence[Turn] = (), **more: object) -> Ask:
    options = ("Yes", "No") if step.posed or step.mode == "distributional" else ()
    asked = Ask(
        step.prompt,
        step.mode,
        pool(*(community(name) for name in step.names)),
        system="Be brief.",
        attribute="honesty" if step.mode == "steerable" else None,
        options=() if step.mode == "overton" else options,
        turns=tuple(turns),
        answer=SHORT,
        comment=SHORT,
        keep=True,
    )
    return replace(asked, **more)  # type: ignore[arg-type]


def sent(engine: ScriptedEngine) -> list[Request | OptionRequest]:
    return [request for call in engine.calls for request in call.requests]


def turn_of(result: Result) -> Turn:
    assert result.turn is not None
    return result.turn


def converse(steps: Sequence[Step], llm: ScriptedEngine, communities: ScriptedEngine) -> list[Turn]:
    turns: list[Turn] = []
    for step in steps:
        turns.append(turn_of(answer(ask_for(step, turns), llm, communities)))
    return turns


# --- threads ---


@given(conversation=st.lists(steps, min_size=1, max_size=4))
def test_every_request_continues_the_voice_s_own_thread(conversation: list[Step]) -> None:
    threads: dict[str, list[Message]] = {name: [] for name in (*NAMES, LLM_VOICE)}
    turns: list[Turn] = []
    for step in conversation:
        llm, communities = ScriptedEngine(record=True), ScriptedEngine(record=True)
        result = answer(ask_for(step, turns), llm, communities)
        turn = turn_of(result)

        comments = sent(communities)
        heard = [comment.community for comment in result.comments]
        for name, request in zip(heard, comments, strict=True):
            persona = Message("system", f"You speak for {name}.")
            assert request.messages == (persona, *threads[name], Message("user", turn.messages[name]))

        system, thread = Message("system", "Be brief."), threads[LLM_VOICE]
        for request in sent(llm):
            assert request.messages[: len(thread) + 1] == (system, *thread)
            assert request.messages[len(thread) + 1].role == "user"
        answering = (system, *thread, Message("user", turn.messages[LLM_VOICE]))
        assert answering in [request.messages for request in sent(llm)] or result.mode == "distributional"

        assert set(turn.messages) == set(turn.replies) == {*heard, LLM_VOICE}
        assert (turn.prompt, turn.answer) == (step.prompt.strip(), result.answer)
        for voice, before in threads.items():
            spoke = voice in turn.replies
            before.append(Message("user", turn.messages[voice] if spoke else turn.prompt))
            before.append(Message("assistant", turn.replies[voice] if spoke else turn.answer))
        turns.append(turn)


@given(
    turns=st.lists(
        st.builds(
            Turn, words, words, st.dictionaries(st.sampled_from(NAMES), words), st.just({LLM_VOICE: "x"})
        ),
        max_size=5,
    ),
    voice=st.sampled_from((*NAMES, LLM_VOICE)),
    left_out=st.integers(0, 6),
)
def test_a_thread_alternates_and_ends_in_the_question(turns: list[Turn], voice: str, left_out: int) -> None:
    history = (Message("user", "Hello"), Message("assistant", "Good day"))
    ask = Ask("Why?", "vanilla", turns=tuple(turns), history=history)
    whole = ask.thread(voice, "Now?", Message("system", "Be brief."))
    assert [message.role for message in whole] == [
        "system",
        *["user", "assistant"] * (len(turns) + 1),
        "user",
    ]
    assert whole[:3] == (Message("system", "Be brief."), *history)
    assert whole[-1].content == "Now?"
    for turn, asked, said in zip(turns, whole[3:-1:2], whole[4:-1:2], strict=True):
        assert asked.content == turn.messages.get(voice, turn.prompt)
        assert said.content == ("x" if voice == LLM_VOICE else turn.answer)
    shorter = ask.thread(voice, "Now?", Message("system", "Be brief."), left_out)
    assert shorter == (*whole[:3], *whole[3 + 2 * min(left_out, len(turns)) :])


def test_said_is_to_the_character_what_came_and_the_answer_is_not(tmp_path: Path) -> None:
    replies = [{"match": "Situation:", "text": "\n An answer. \n"}, {"match": "", "text": "  A comment.\n"}]
    engine = ScriptedEngine(script(tmp_path, replies=replies))
    result = answer(Ask("Why?", "overton", THREE), engine)
    assert (result.answer, result.comments[0].text) == ("An answer.", "A comment.")
    assert turn_of(result).replies[LLM_VOICE] == "\n An answer. \n"
    assert turn_of(result).replies["left"] == "  A comment.\n"


def test_options_are_answered_in_the_thread_as_they_are_listed() -> None:
    step = Step("distributional", "Ban phones?", ("left", "right"), posed=True)
    result = answer(ask_for(step), ScriptedEngine())
    assert result.answer in {"Yes", "No"}
    assert turn_of(result).messages[LLM_VOICE] == "Ban phones?\nA. Yes\nB. No\nAnswer:"
    assert turn_of(result).replies[LLM_VOICE] == {"Yes": "A. Yes", "No": "B. No"}[result.answer]


def test_a_persona_keeps_the_conversation_s_first_question() -> None:
    engine = ScriptedEngine(record=True)
    members = pool(community("left", "You were asked: {question}"), community("right"))
    first = answer(Ask(" Ban phones? ", "overton", members), engine)
    answer(Ask("And now?", "overton", members, turns=(turn_of(first),)), engine)
    systems = [call.requests[0].messages[0].content for call in engine.calls[::2]]
    assert systems == ["You were asked: Ban phones?"] * 2


# --- who is part of a turn ---


def test_an_empty_comment_is_not_the_voice_s_own(tmp_path: Path) -> None:
    replies = [{"match": "You speak for left", "text": " \n"}, {"match": "", "text": "Something."}]
    engine = ScriptedEngine(script(tmp_path, replies=replies), record=True)
    turn = turn_of(answer(Ask("Why?", "overton", THREE), engine))
    assert set(turn.replies) == set(turn.messages) == {"center", "right", LLM_VOICE}
    engine.calls.clear()
    answer(Ask("And?", "overton", THREE, turns=(turn,)), engine)
    left = engine.calls[0].requests[0].messages
    assert [message.content for message in left[1:]] == ["Why?", "Something.", "And?"]


def test_what_was_stopped_before_any_answer_is_no_turn() -> None:
    ask = Ask("Why?", "overton", THREE, answer=SHORT, comment=SHORT)
    assert answer(ask, ScriptedEngine(), should_stop=after(2)).turn is None  # inside the comments
    stopped = [answer(ask, ScriptedEngine(), should_stop=after(calls)) for calls in range(6, 20)]
    partial = [result for result in stopped if result.answer and not result.complete]
    assert partial
    for result in stopped:
        assert (result.turn is not None) == bool(result.answer)
    for result in partial:  # the LLM did not finish: what it sees next is what the user saw
        assert set(turn_of(result).replies) == {"left", "center", "right"}
        assert turn_of(result).answer == result.answer


def test_an_llm_that_failed_after_its_first_word_is_not_part_of_the_turn() -> None:
    engine = FailingEngine(EngineFailure("Out of memory."), lambda text: text.startswith("Please comment"))
    result = answer(Ask("Why?", "overton", THREE), engine)
    assert set(turn_of(result).replies) == {"left", "center", "right"}
    assert turn_of(result).answer == result.answer != ""


def test_an_empty_answer_is_no_turn(tmp_path: Path) -> None:
    engine = ScriptedEngine(script(tmp_path, replies=[{"match": "", "text": " "}]))
    assert answer(Ask("Why?", "vanilla"), engine).turn is None


# --- keeping ---


@pytest.mark.parametrize("mode", list(MODES))
@pytest.mark.parametrize("keep", [False, True])
def test_all_that_will_be_continued_is_kept_if_wanted(mode: ModeName, keep: bool) -> None:
    llm, communities = ScriptedEngine(record=True), ScriptedEngine(record=True)
    step = Step(mode, "Ban phones?", ("left", "right"), posed=False)
    turn = turn_of(answer(ask_for(step, keep=keep), llm, communities))
    written = [r for r in (*sent(llm), *sent(communities)) if isinstance(r, Request)]
    assert {request.keep for request in written} <= {keep}
    kept = [request for request in sent(llm) if isinstance(request, Request)]
    assert len(kept) == (1 if mode != "distributional" or keep else 0)
    if mode == "distributional" and keep:  # weighed, so read once more to be kept
        assert [message.content for message in kept[0].messages[-2:]] == [
            turn.messages[LLM_VOICE],
            turn.replies[LLM_VOICE],
        ]
        assert kept[0].sampling.max_tokens == 1


def test_a_choice_in_words_is_not_kept() -> None:
    blind = Capabilities(adapters=True, distribution="none", batched=True, counts_tokens=True)
    llm = ScriptedEngine(capabilities=blind, record=True)
    answer(ask_for(Step("moe", "Ban phones?", ("left", "right"), posed=False)), llm, ScriptedEngine())
    assert [request.keep for request in sent(llm) if isinstance(request, Request)] == [False, True]


def test_a_server_is_not_asked_for_what_it_cannot_keep() -> None:
    llm = ScriptedEngine(capabilities=BOUNDED, record=True)
    answer(ask_for(Step("distributional", "Ban?", ("left", "right"), posed=True)), llm, ScriptedEngine())
    assert [call.kind for call in llm.calls] == ["distribution"]


def test_keeping_a_weighed_exchange_cannot_spoil_the_answer() -> None:
    step = Step("distributional", "Ban?", ("left", "right"), posed=True)
    whole = answer(ask_for(step), ScriptedEngine())
    failing = FailingEngine(EngineFailure("Full."), lambda text: text in {"A. Yes", "B. No"})
    failed = answer(ask_for(step), failing, ScriptedEngine())
    assert failed.complete
    assert (failed.distribution, failed.turn, failed.warnings) == (
        whole.distribution,
        whole.turn,
        whole.warnings,
    )


# --- room ---


def long_turns(count: int, words: int, *voices: str) -> list[Turn]:
    """Turns in which each voice was asked `words` words and said as many."""
    text = " ".join(["word"] * words)
    return [
        Turn("Short?", "Short.", dict.fromkeys(voices, text), dict.fromkeys(voices, text))
        for _ in range(count)
    ]


def test_the_oldest_turns_go_for_whom_they_do_not_fit_and_that_is_said() -> None:
    turns = long_turns(5, 40, "left", LLM_VOICE)  # 88 tokens each for these, 10 for the others
    llm, communities = ScriptedEngine(context=450, record=True), ScriptedEngine(context=300, record=True)
    result = answer(
        Ask("Why?", "overton", THREE, turns=tuple(turns), answer=SHORT, comment=SHORT), llm, communities
    )
    assert result.complete
    assert [len(request.messages) for request in sent(communities)] == [1 + 2 * 3 + 1, 12, 12]
    assert [len(request.messages) for request in sent(llm)] == [2 * 4 + 1]
    assert result.warnings[-2:] == (
        "For lack of room in the context, the oldest turn is not seen by: the model.",
        "For lack of room in the context, the oldest 2 turns are not seen by: left.",
    )


@given(
    mode=st.sampled_from(list(MODES)),
    lengths=st.lists(st.integers(1, 60), max_size=6),
    context=st.integers(120, 500),
    counts=st.booleans(),
)
def test_a_conversation_never_overflows_where_its_last_question_does_not(
    mode: ModeName, lengths: list[int], context: int, counts: bool
) -> None:
    step = Step(mode, "Ban phones?", NAMES[:3], posed=False)
    turns = [turn for length in lengths for turn in long_turns(1, length, *NAMES, LLM_VOICE)]

    def engine() -> ScriptedEngine:
        capabilities = ScriptedEngine().capabilities if counts else UNCOUNTED
        return ScriptedEngine(context=context, capabilities=capabilities, record=True)

    try:
        alone = answer(ask_for(step), engine())
    except ContextOverflow:
        with pytest.raises(ContextOverflow):
            answer(ask_for(step, turns), engine())
        return
    if not alone.complete:
        return  # without counting, an answer may overflow once the comments are there: kept, and said
    talking = engine()
    result = answer(ask_for(step, turns), talking)
    assert result.complete
    told = any("not seen by" in warning for warning in result.warnings)
    whole = min(len(request.messages) for request in talking.calls[-1].requests) >= 2 * len(turns) + 2
    assert told or whole
    if counts:  # nothing was tried that did not fit
        for request in sent(talking):
            new = request.sampling.max_tokens if isinstance(request, Request) else 1
            assert (talking.count_tokens(request.messages) or 0) + new <= context


@pytest.mark.parametrize("context", [150, 240, 330, 420, 510])
def test_as_few_turns_go_as_must(context: int) -> None:
    turns = long_turns(6, 40, LLM_VOICE)
    engine = ScriptedEngine(context=context, record=True)
    ask = Ask("Why?", "vanilla", turns=tuple(turns), answer=SHORT)
    answer(ask, engine)
    (request,) = sent(engine)
    gone = len(turns) - len(request.messages) // 2
    assert request.messages == ask.to_llm("Why?", gone)
    assert (engine.count_tokens(request.messages) or 0) + 6 <= context
    assert gone == 0 or (engine.count_tokens(ask.to_llm("Why?", gone - 1)) or 0) + 6 > context


def test_a_model_that_cannot_count_is_asked_again_with_half_of_the_turns() -> None:
    engine = ScriptedEngine(context=250, capabilities=UNCOUNTED, record=True)
    ask = Ask("Why?", "vanilla", turns=tuple(long_turns(8, 40, LLM_VOICE)), answer=SHORT)
    result = answer(ask, engine)
    assert [len(request.messages) // 2 for request in sent(engine)] == [8, 4, 2]
    assert result.warnings[-1] == (
        "For lack of room in the context, the oldest 6 turns are not seen by: the model."
    )


def test_an_overflow_that_counting_did_not_foresee_costs_one_turn() -> None:
    class Longer(ScriptedEngine):
        """Its sequences are a little longer than their texts count, as sampled tokens may be."""

        def count_tokens(self, messages: Sequence[Message], adapter: AdapterRef | None = None) -> int | None:
            return (super().count_tokens(messages) or 0) - 3

    fits = long_turns(4, 40, LLM_VOICE)
    context = 4 + 4 * 88 + 5 + 6  # header, turns, question, answer
    for less, seen in ((0, 4), (1, 3), (3, 3), (4, 3)):
        engine = Longer(context=context - less, record=True)
        result = answer(Ask("Why?", "vanilla", turns=tuple(fits), answer=SHORT), engine)
        assert len(sent(engine)[-1].messages) // 2 == seen
        assert bool(result.warnings[1:]) == bool(less)


def test_comments_are_shortened_only_when_no_turns_are_left() -> None:
    turns = tuple(long_turns(2, 40, LLM_VOICE))
    ask = Ask("Why?", "overton", THREE, turns=turns, answer=SHORT, comment=replace(SHORT, max_tokens=100))
    roomy = answer(ask, ScriptedEngine(context=450))
    assert roomy.comment_sampling.max_tokens == 100
    assert roomy.warnings[-1].endswith("the oldest turn is not seen by: the model.")
    tight = answer(ask, ScriptedEngine(context=300), ScriptedEngine())
    assert tight.comment_sampling.max_tokens < 100
    assert tight.warnings[-1].endswith("the oldest 2 turns are not seen by: the model.")
