"""Positions in an ask: found, assigned, written about; and whatever goes wrong with them leaves an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.base import Capabilities, ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import Cancelled, EngineFailure, InvalidInput
from pluralism_local.evaluation.questions import QuestionBatch
from pluralism_local.modes import Ask, find_positions, run
from pluralism_local.modes.steps import Scores
from pluralism_local.records import from_record, to_record
from pluralism_local.results import AnswerDelta, ModeEvent, Result
from pluralism_local.types import Sampling
from tests.support.mode_asks import BOUNDED, THREE, after, pool, script

BAN, FREE, NOISE = (
    "Phones should be banned.",
    "Parents should decide on phones.",
    "Phones are made of cheese.",
)
COMMENTS = {
    "left": f"{BAN} They distract pupils.",
    "center": f"I am torn. {BAN}",
    "right": f"{FREE} A ban is not for the state to make.",
}
OPPOSED = {(FREE, BAN), (BAN, FREE)}


class Words:
    """A scorer of entailment: a text entails what it says word for word; and what opposes what is told."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []

    def __call__(self, pairs: Sequence[tuple[str, str]], should_stop: ShouldStop) -> Scores:
        if should_stop():
            raise Cancelled
        self.pairs += pairs
        return [self.row(premise, hypothesis) for premise, hypothesis in pairs]

    @staticmethod
    def row(premise: str, hypothesis: str) -> tuple[float, float, float]:
        if (premise, hypothesis) in OPPOSED:
            return (0.0, 0.1, 0.9)
        spoken = premise.lower().rstrip(".")
        return (0.9, 0.1, 0.0) if hypothesis.lower().rstrip(".") in spoken else (0.1, 0.8, 0.1)


TELL = "What does the comment claim"
CLAIMS = {"left": BAN, "center": NOISE, "right": FREE}  # what the LLM says that each comment claims


def replies(
    claims: Mapping[str, str] = CLAIMS, sentences: Mapping[str, str] | None = None
) -> list[dict[str, str]]:
    """A script's: what each comment claims, a sentence for each position, and the comments."""
    return [
        *(
            {
                "pattern": f"(?s)Comment: {re.escape(COMMENTS[voice])}.*{TELL}",
                "text": claim,
            }
            for voice, claim in claims.items()
        ),
        *({"match": f"Position: {claim}", "text": text} for claim, text in (sentences or {}).items()),
        {"match": f"Position: {BAN}", "text": "Phones should be banned, since they distract pupils"},
        {"match": f"Position: {FREE}", "text": f"The state should not ban them. {FREE}"},
        {"match": "following passages", "text": f"Some say this. {FREE}"},
        *({"match": f"You speak for {voice}", "text": text} for voice, text in COMMENTS.items()),
    ]


def events(
    folder: Path,
    entailment: Words | None = None,
    should_stop: ShouldStop = never,
    *,
    script_parts: dict[str, Any] | None = None,
    capabilities: Capabilities | None = None,
    prompts: Any = "own",
    question: str = "Should phones be banned?",
    **ask: Any,
) -> list[ModeEvent]:
    able: Any = {"capabilities": capabilities or BOUNDED} if capabilities or entailment else {}
    engine = ScriptedEngine(script(folder, **(script_parts or {"replies": replies()})), **able)
    task = Ask(question, "overton", ask.pop("pool", THREE), positions=True, prompts=prompts, **ask)
    return list(run(task, llm=engine, communities=engine, should_stop=should_stop, entailment=entailment))


def result(*args: Any, **kwargs: Any) -> Result:
    last = events(*args, **kwargs)[-1]
    assert isinstance(last, Result)
    return last


def test_the_answer_is_built_from_the_positions(tmp_path: Path) -> None:
    found = result(tmp_path, Words())
    assert found.complete and found.window is not None
    assert found.answer == (
        "Most voices, two of three, hold that phones should be banned, since they distract pupils. [left, center]\n\n"
        f"Only right holds that the state should not ban them. {FREE} [right]"
    )
    first, second = found.window.positions
    assert (first.text, second.text) == (BAN, FREE)
    assert first.stance == {"left": "supports", "center": "supports", "right": "opposes"}
    assert second.stance == {"left": "opposes", "center": "opposes", "right": "supports"}
    assert (found.window.dropped, found.window.finder, found.window.method) == (1, "llm", "entailment")
    assert (first.in_answer, second.in_answer) == (True, True)
    assert {"overton.claim@1", "overton.sentence@1"} <= set(found.prompts)
    assert "overton.synthesis@1" not in found.prompts and "positions" in found.seconds


def test_a_claim_about_what_nobody_spoke_of_is_dropped_and_counted(tmp_path: Path) -> None:
    """As small models copy the prompt's example, and then agree to it."""

    class Agreeable(Words):
        @staticmethod
        def row(premise: str, hypothesis: str) -> tuple[float, float, float]:
            return (0.9, 0.1, 0.0) if "stadium" in hypothesis else Words.row(premise, hypothesis)

    everything = replies(
        {**CLAIMS, "center": "The town should build a stadium because a stadium brings jobs."}
    )
    window = result(tmp_path, Agreeable(), script_parts={"replies": everything}).window
    assert window is not None
    assert [position.text for position in window.positions] == [BAN, FREE] and window.dropped == 2


def test_a_mark_that_no_comment_bears_out_is_unverified(tmp_path: Path) -> None:
    window = result(tmp_path, Words()).window
    assert window is not None
    # the sentence about the ban says more than any comment does word for word
    assert [(mark.sentence, mark.voice, mark.verified) for mark in window.marks] == [
        (1, "left", False),
        (1, "center", False),
        (2, "right", False),
    ]


def test_a_sentence_in_the_words_of_its_position_is_not_asked_about_again(tmp_path: Path) -> None:
    """Small models copy the position: what bears it out is known, whatever an LLM says of other letters."""
    scorer = Words()
    copied = {BAN: BAN[:1].lower() + BAN[1:-1], FREE: FREE}
    window = result(tmp_path, scorer, script_parts={"replies": replies(CLAIMS, copied)}).window
    assert window is not None
    assert [(mark.sentence, mark.voice, mark.p, mark.verified) for mark in window.marks] == [
        (number, voice, position.support[voice], True)
        for number, position in enumerate(window.positions, start=1)
        for voice in position.supporters
    ]
    assert not any(hypothesis == copied[BAN] for _, hypothesis in scorer.pairs)


def test_the_answer_streams_as_it_stands(tmp_path: Path) -> None:
    every = events(tmp_path, Words())
    last = every[-1]
    assert isinstance(last, Result)
    deltas = [event.text for event in every if isinstance(event, AnswerDelta)]
    assert "".join(deltas) == last.answer and len(deltas) > 2


def test_a_follow_up_goes_on_from_the_answer(tmp_path: Path) -> None:
    found = result(tmp_path, Words())
    assert found.turn is not None and found.turn.answer == found.answer
    again = result(tmp_path, Words(), turns=(found.turn,))
    assert again.answer == found.answer


def test_the_papers_prompt_answers_first_and_the_positions_come_after(tmp_path: Path) -> None:
    every = events(tmp_path, Words(), prompts="paper")
    found = every[-1]
    assert isinstance(found, Result) and found.window is not None
    assert found.answer == f"Some say this. {FREE}" and "overton.synthesis@1" in found.prompts
    assert [position.in_answer for position in found.window.positions] == [False, True]
    assert found.window.marks == ()
    prompts = list(found.prompts)
    assert prompts.index("overton.synthesis@1") < prompts.index("overton.claim@1")


def test_nobody_looks_for_positions_unasked(tmp_path: Path) -> None:
    engine = ScriptedEngine(script(tmp_path, replies=replies()), record=True)
    found = list(run(Ask("Ban phones?", "overton", THREE), llm=engine, communities=engine))[-1]
    assert isinstance(found, Result) and found.window is None
    assert len(engine.calls) == 2
    assert to_record(found)["positions"] == [] and to_record(found)["window"] is None


def test_other_modes_have_no_positions(tmp_path: Path) -> None:
    engine, task = ScriptedEngine(), Ask("Ban?", "vanilla", positions=True, prompts="own")
    *_, found = run(task, llm=engine, communities=engine)
    assert isinstance(found, Result) and found.window is None


def weighed() -> list[dict[str, Any]]:
    """A script's: the LLM says yes where a scorer would see entailment, no where it would see the opposite."""

    def weights(comment: str, claim: str) -> dict[str, float]:
        support, neutral, _ = Words.row(comment, claim)
        yes = support + neutral / 2
        return {"Yes": yes, "No": 1 - yes}

    nothing_said = {"pattern": r"Comment:\s+Claim:", "mass": {"Yes": 0.5, "No": 0.5}}
    return [
        nothing_said,
        *(
            {
                "pattern": f"(?s)Comment: {re.escape(comment)}.*Claim: {re.escape(claim)}",
                "mass": weights(comment, claim),
            }
            for comment in (*COMMENTS.values(), BAN, FREE, NOISE)
            for claim in (BAN, FREE, NOISE)
        ),
    ]


def test_without_a_scorer_the_llm_weighs(tmp_path: Path) -> None:
    parts = {"replies": replies(), "distributions": weighed()}
    window = result(tmp_path, None, script_parts=parts).window
    assert window is not None and window.method == "llm"
    assert [position.text for position in window.positions] == [BAN, FREE] and window.dropped == 1
    assert window.positions[0].supporters == ("left", "center")


def test_an_answer_without_probability_is_no_support_whatever_the_prior(tmp_path: Path) -> None:
    never_ready = {"pattern": r"Comment:\s+Claim:", "mass": {"Yes": 0.1, "No": 0.9}}
    neither_word = {"pattern": f"Comment: {re.escape(COMMENTS['left'])}", "mass": {"Perhaps": 1.0}}
    agreeing = {"pattern": f"Comment: {re.escape(COMMENTS['center'])}", "mass": {"Yes": 0.9, "No": 0.1}}
    listed = replies(
        {"center": "Torn or distracted, pupils deserve a ban."}
    )  # both speak of it, in other words
    parts = {"replies": listed, "distributions": [never_ready, neither_word, agreeing]}
    window = result(tmp_path, None, script_parts=parts).window
    assert window is not None and window.method == "llm"
    assert [dict(position.stance) for position in window.positions] == [
        {"left": "silent", "center": "supports", "right": "silent"}
    ]


def test_an_llm_without_grammars_gets_the_papers_prompt_and_sentences(tmp_path: Path) -> None:
    able = Capabilities(
        adapters=True, distribution="exact", batched=True, counts_tokens=True, grammars="none"
    )
    found = result(tmp_path, Words(), capabilities=able)
    assert found.window is not None and found.window.finder == "sentences"
    assert "overton.synthesis@1" in found.prompts and "overton.claim@1" not in found.prompts
    assert BAN in [position.text for position in found.window.positions]


def test_an_llm_that_gives_nothing_to_go_by_is_told_of(tmp_path: Path) -> None:
    able = Capabilities(adapters=True, distribution="none", batched=True, counts_tokens=True, grammars="json")
    found = result(tmp_path, None, capabilities=able)
    assert found.window is None and found.answer
    assert any("Positions are not looked for" in warning for warning in found.warnings)


@pytest.mark.parametrize("told", ["", "I cannot help with that.", "Should phones be banned?", NOISE])
def test_where_nothing_is_told_that_was_said_the_sentences_are_taken(tmp_path: Path, told: str) -> None:
    found = result(tmp_path, Words(), script_parts={"replies": replies(dict.fromkeys(COMMENTS, told))})
    assert found.window is not None and found.window.finder == "sentences" and found.window.positions
    assert NOISE not in [position.text for position in found.window.positions]


def test_a_claim_and_its_reason_are_two_positions_and_whose_they_are_need_not_be_asked(
    tmp_path: Path,
) -> None:
    reason = "Phones should be banned because they distract pupils from every lesson of the day."
    told = replies({"left": f"The comment claims that {reason[:1].lower()}{reason[1:]}", "right": FREE})
    window = result(tmp_path, Words(), script_parts={"replies": told}).window
    assert window is not None
    stances = {position.text: dict(position.stance) for position in window.positions}
    assert stances == {
        BAN: {"left": "supports", "center": "supports", "right": "opposes"},
        FREE: {"left": "opposes", "center": "opposes", "right": "supports"},
        reason: {"left": "supports", "center": "silent", "right": "silent"},
    }


def test_comments_that_are_all_alike_hold_one_position(tmp_path: Path) -> None:
    said = [{"match": f"You speak for {voice}", "text": BAN} for voice in COMMENTS]
    found = result(
        tmp_path,
        Words(),
        script_parts={"replies": [*said, {"match": TELL, "text": BAN}, *replies()]},
    )
    assert found.window is not None and len(found.window.positions) == 1
    assert found.answer.startswith("All three voices hold that phones should be banned")


class Alike(Words):
    """Takes two claims for the same."""

    CLAIMS = ("Phones should be banned everywhere.", "No pupil should have a phone.")

    @staticmethod
    def row(premise: str, hypothesis: str) -> tuple[float, float, float]:
        if {premise, hypothesis} == set(Alike.CLAIMS):
            return (0.9, 0.1, 0.0)
        return Words.row(premise, hypothesis)


def test_claims_that_entail_each_other_are_one_and_no_pair_is_scored_in_vain(tmp_path: Path) -> None:
    first, same = Alike.CLAIMS
    other = "Parents should decide about phones at home."
    scorer = Alike()
    told = replies({"left": first, "center": same, "right": other})
    window = result(tmp_path, scorer, script_parts={"replies": told}).window

    assert window is not None and (window.merged, window.dropped) == (1, 0)
    assert [position.text for position in window.positions] == [first, other]
    assert window.positions[0].supporters == ("left", "center")
    assert len(set(scorer.pairs)) == len(scorer.pairs)
    assert (first, other) in scorer.pairs and (other, first) not in scorer.pairs


def test_empty_comments_are_no_voices(tmp_path: Path) -> None:
    said = [{"match": "You speak for left", "text": " "}, *replies({"center": BAN, "right": FREE})]
    found = result(tmp_path, Words(), script_parts={"replies": said})
    assert found.window is not None and found.window.voices == ("center", "right")
    assert found.answer.startswith("Only center holds that")


def test_no_comment_at_all_is_answered_alone(tmp_path: Path) -> None:
    said = [{"match": "You speak for", "text": " "}]
    found = result(tmp_path, Words(), script_parts={"replies": [*said, *replies()]})
    assert found.window is None and found.answer


@pytest.mark.parametrize("count", [1, 24])
def test_one_voice_and_many(tmp_path: Path, count: int) -> None:
    voices = pool(*((f"voice-{number}", 1 / count) for number in range(count)))
    found = result(
        tmp_path,
        Words(),
        pool=voices,
        script_parts={"replies": [{"match": TELL, "text": BAN}]},
    )
    assert found.complete and found.window is not None and len(found.window.voices) == count
    assert 1 <= len(found.window.positions) <= 12


def test_a_claim_with_braces_and_markup_is_text(tmp_path: Path) -> None:
    odd = "Phones {should} be <b>banned</b> *now*."
    said = [{"match": "You speak for left", "text": odd}, {"match": f"Comment: {odd}", "text": odd}]
    found = result(tmp_path, Words(), script_parts={"replies": [*said, *replies()]})
    assert found.window is not None and odd in [position.text for position in found.window.positions]


class Failing(Words):
    """A scorer that fails at its call after `calls`."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._left = calls

    def __call__(self, pairs: Sequence[tuple[str, str]], should_stop: ShouldStop) -> Scores:
        if not self._left:
            raise EngineFailure("The scorer is broken.")
        self._left -= 1
        return super().__call__(pairs, should_stop)


@pytest.mark.parametrize("prompts", ["own", "paper"])
@pytest.mark.parametrize("calls", [0, 1])
def test_a_scorer_that_fails_leaves_an_answer(tmp_path: Path, calls: int, prompts: str) -> None:
    found = result(tmp_path, Failing(calls), prompts=prompts)
    assert found.complete and found.answer
    assert any("The scorer is broken." in warning for warning in found.warnings)


@pytest.mark.parametrize("prompts", ["own", "paper"])
def test_stopping_at_any_moment_ends_in_a_result(tmp_path: Path, prompts: str) -> None:
    whole = result(tmp_path, Words(), prompts=prompts)
    for calls in range(300):
        stopped = result(tmp_path, Words(), after(calls), prompts=prompts)
        assert whole.answer.startswith(stopped.answer)
        if stopped.complete:
            break
    else:
        pytest.fail("it never completed")
    assert stopped.answer == whole.answer and stopped.window == whole.window


def test_the_record_reads_back(tmp_path: Path) -> None:
    found = result(tmp_path, Words())
    record = json.loads(json.dumps(to_record(found), allow_nan=False))
    assert [position["text"] for position in record["positions"]] == [BAN, FREE]
    assert set(record["positions"][0]) == {"id", "text", "support", "opposition", "stance", "in_answer"}
    read = from_record(record)
    assert read.window == found.window and read.unreadable == ()


@pytest.mark.parametrize("positions", [3, [3], [{"text": 4}], "x"])
def test_a_record_with_odd_positions_says_so(tmp_path: Path, positions: object) -> None:
    record = {**to_record(result(tmp_path, Words())), "positions": positions}
    assert "positions" in from_record(record).unreadable


@pytest.mark.parametrize("prompts", ["own", "paper"])
def test_many_questions_get_what_each_gets_alone(tmp_path: Path, prompts: Any) -> None:
    engine = ScriptedEngine(script(tmp_path, replies=replies()), capabilities=BOUNDED)
    question = "Should phones be banned?"
    pattern = Ask(
        "", "overton", pool=THREE, comment=Sampling(), answer=Sampling(), positions=True, prompts=prompts
    )
    batch = QuestionBatch(engine, engine, pattern, entailment=Words())
    alone = result(tmp_path, Words(), prompts=prompts)
    for together in batch.answer_all([question, "Should phones be free?"])[:1]:
        assert isinstance(together, Result)
        assert (together.answer, together.window) == (alone.answer, alone.window)
        assert set(together.prompts) == set(alone.prompts)
    broken = replace(batch, entailment=Failing(0)).answer_all([question])[0]
    assert isinstance(broken, Result) and broken.answer
    assert any("The scorer is broken." in warning for warning in broken.warnings)


def test_the_same_positions_are_found_when_the_answer_is_long_there(tmp_path: Path) -> None:
    first = result(tmp_path, Words(), prompts="paper")
    words, comments = Words(), {comment.community: comment.text for comment in first.comments}
    told: list[str] = []
    ask = Ask("Should phones be banned?", "overton", THREE)
    with ScriptedEngine(script(tmp_path, replies=replies()), capabilities=BOUNDED) as engine:
        later = find_positions(
            ask,
            {**comments, "silent": " "},
            first.answer,
            llm=engine,
            entailment=words,
            progress=lambda progress: told.append(progress.line),
        )
        stopped = find_positions(
            ask, comments, first.answer, llm=engine, entailment=words, should_stop=lambda: True
        )
        with pytest.raises(InvalidInput):
            find_positions(ask, {"left": "\n"}, first.answer, llm=engine, entailment=words)
        with pytest.raises(InvalidInput):
            find_positions(replace(ask, mode="vanilla"), comments, first.answer, llm=engine, entailment=words)
    assert first.window is not None and later.window == first.window
    assert later.complete and later.answer == first.answer and "positions" in later.seconds
    assert told[0] == "positions: looking for claims …" and told[-1].endswith(" comparisons")
    assert not stopped.complete and stopped.window is None
