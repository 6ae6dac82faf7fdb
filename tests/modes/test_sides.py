"""A sentence for each side: which sides a question has, and what the starter writes of them under the grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.communities import Pool
from pluralism_local.engine import gbnf
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.evaluation.questions import QuestionBatch
from pluralism_local.evaluation.voices import balanced, read_questions
from pluralism_local.mode_specs import SPECS, PromptChoice
from pluralism_local.modes import Ask, run
from pluralism_local.modes.driver import prepared
from pluralism_local.modes.sides import (
    REMARK,
    TRIES,
    VIEWS,
    YES_OR_NO,
    Side,
    repeating,
    sides_of,
    write_sides,
)
from pluralism_local.modes.steps import Show, Warn, WriteEach
from pluralism_local.repetition import repeats
from pluralism_local.results import AnswerDelta, CommentDone, Result
from pluralism_local.types import Completion, Sampling, Usage
from tests.support.mode_asks import after, last, pool

TWO = pool(("left", 0.5), ("right", 0.5))
SHORT = Sampling(temperature=1, top_p=0.9, max_tokens=12)
FORMS: dict[tuple[Side, ...], str] = {
    YES_OR_NO: r"Some say yes, because .+\.\n\nOthers say no, because .+\.",
    VIEWS: r"Some say that .+\.\n\nOthers say that .+\.",
}


@pytest.mark.parametrize(
    "question",
    [
        "Should phones be banned in schools?",
        "Is tipping fair?",
        "My landlord sold the house. Must I move out?",
        "And for waiters?",
        "Raise the minimum wage?",
        "Ought one to say 'whatever'?",
    ],
)
def test_a_question_of_yes_or_no_has_both_sides(question: str) -> None:
    assert sides_of(question) == YES_OR_NO


@pytest.mark.parametrize(
    "question",
    [
        "How should we deal with climate change?",
        "And what about waiters?",
        "Is tea or coffee better?",
        "Phones in schools",
        "Is it so? Say what you think.",
        "",
        "Why?",
    ],
)
def test_any_other_has_two_views(question: str) -> None:
    assert sides_of(question) == VIEWS


@given(st.text(max_size=200))
def test_any_text_has_sides(question: str) -> None:
    assert sides_of(question) in (YES_OR_NO, VIEWS)


def test_the_judges_questions_are_all_of_yes_or_no_but_choices() -> None:
    others = [one.text for one in read_questions() if sides_of(one.text) != YES_OR_NO]
    assert all(re.search(r"\bor\b", text) for text in others)


@pytest.mark.parametrize("side", [*YES_OR_NO, *VIEWS])
def test_the_grammars_are_taken(side: Side) -> None:
    gbnf.check(side.grammar.gbnf)


@pytest.fixture(scope="module")
def starter(starter_path: Path) -> Iterator[LlamaEngine]:
    with LlamaEngine(starter_path, name="starter", options=LlamaOptions(ctx_size=1024)) as engine:
        yield engine


def ask_of(question: str, communities: Pool = TWO) -> Ask:
    return Ask(question, "overton", communities, comment=SHORT, answer=Sampling(max_tokens=200))


@pytest.mark.parametrize("question", [*(one.text for one in balanced(read_questions(), 3)), "What is fair?"])
def test_the_starter_keeps_to_the_form(starter: LlamaEngine, question: str) -> None:
    events = list(run(ask_of(question), llm=starter, communities=starter))
    result = events[-1]
    assert isinstance(result, Result) and result.complete and result.finish == "stop"
    assert re.fullmatch(FORMS[sides_of(question)], result.answer), result.answer
    assert not repeats(result.answer) and not re.search(r"\d", result.answer)
    assert "".join(event.text for event in events if isinstance(event, AnswerDelta)) == result.answer
    assert REMARK in result.warnings and "overton.synthesis@1" not in result.prompts
    assert result.turn is not None and result.turn.messages["llm"] == question


def test_it_is_asked_as_published_where_that_is_wanted(starter: LlamaEngine) -> None:
    published = replace(ask_of("Is tipping fair?"), prompts="paper", answer=Sampling(max_tokens=8))
    result = last(run(published, llm=starter, communities=starter))
    assert "overton.synthesis@1" in result.prompts and REMARK not in result.warnings


@pytest.mark.parametrize(
    ("tokens", "prompts", "least", "most"),
    [(600, "auto", 600, 600), (5000, "auto", 600, 1000), (600, "paper", 32, 400)],
)
def test_comments_that_the_starter_does_not_sum_up_need_not_fit_together(
    starter: LlamaEngine, tokens: int, prompts: PromptChoice, least: int, most: int
) -> None:
    ask = replace(ask_of("Is tipping fair?"), comment=replace(SHORT, max_tokens=tokens), prompts=prompts)
    result = last(run(ask, llm=starter, communities=starter, should_stop=after(0)))
    assert least <= result.comment_sampling.max_tokens <= most


def test_a_batch_gives_what_each_question_gets_alone(starter: LlamaEngine) -> None:
    questions = ["Is tipping fair?", "What is fair?"]
    batch = QuestionBatch(starter, starter, ask_of(""))
    for question, found in zip(questions, batch.answer_all(questions), strict=True):
        alone = last(run(ask_of(question), llm=starter, communities=starter))
        assert isinstance(found, Result)
        assert found.prompts == alone.prompts and found.warnings == alone.warnings
        assert re.fullmatch(FORMS[sides_of(question)], found.answer)


def test_a_stop_while_it_writes_keeps_the_comments(starter: LlamaEngine) -> None:
    said: list[str] = []
    events = run(
        ask_of("Is tipping fair?"), llm=starter, communities=starter, should_stop=lambda: len(said) == 2
    )
    for event in events:
        if isinstance(event, CommentDone):
            said.append(event.comment.text)
        assert not isinstance(event, AnswerDelta)
    assert isinstance(event, Result) and not event.complete and event.answer == ""
    assert [comment.text for comment in event.comments] == said


LOOP = "they are a part of our daily life, they are a part of our daily life, they are"
OTHER = "a school is a place for work and for friends and not for games of any kind"


@pytest.mark.parametrize(
    ("replies", "calls", "answer"),
    [
        ([("tea is good", "tea is bad")], [2], ("tea is good.", "tea is bad.")),
        ([(LOOP, OTHER), ("short",)], [2, 1], ("short.", f"{OTHER}.")),
        ([(OTHER, OTHER), ("something else",)], [2, 1], (f"{OTHER}.", "something else.")),
        ([(LOOP, LOOP), (OTHER, OTHER), ("else",)], [2, 2, 1], (f"{OTHER}.", "else.")),
        ([(LOOP, "no")] + [(LOOP,)] * (TRIES - 1), [2] + [1] * (TRIES - 1), (f"{LOOP}.", "no.")),
    ],
    ids=["none", "a loop", "the other's words", "both, then one", "for ever"],
)
def test_what_repeats_is_written_anew(
    starter: LlamaEngine, replies: list[tuple[str, ...]], calls: list[int], answer: tuple[str, str]
) -> None:
    _, case = prepared(SPECS["overton"], ask_of("Are phones good?"), starter, starter)
    steps = write_sides(case)
    assert next(steps) == Warn(REMARK)
    sizes, samplings = [], []
    step = steps.send(None)
    for texts in replies:
        assert isinstance(step, WriteEach)
        sizes.append(len(step.parts))
        samplings.append(step.parts[0][1])
        step = steps.send([Completion(text, "stop", Usage(), 0.0) for text in texts])
    assert sizes == calls
    leads = [side.lead for side in YES_OR_NO]
    assert isinstance(step, Show)
    assert step.text == "\n\n".join(f"{lead}{text}" for lead, text in zip(leads, answer, strict=True))
    assert samplings[0].temperature == 0 and all(one.temperature > 0 for one in samplings[1:])
    assert len({one.seed for one in samplings}) == len(samplings)  # each draw is another
    with pytest.raises(StopIteration) as end:
        steps.send(None)
    assert end.value.value.text == step.text


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=25).map(" ".join), max_size=4))
def test_without_those_that_repeat_nothing_does(texts: list[str]) -> None:
    found = repeating(texts)
    kept = [text for place, text in enumerate(texts) if place not in found]
    assert not repeats(" ".join(kept))
    assert found or not repeats(" ".join(texts))


def test_other_models_are_asked_as_published() -> None:
    engine = ScriptedEngine.from_spec("")
    result = last(run(ask_of("Is tipping fair?"), llm=engine, communities=engine))
    assert "overton.synthesis@1" in result.prompts and REMARK not in result.warnings
