"""Models without a chat template: what they are asked, that their answers end, and that it is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.engine.llama import LlamaEngine
from pluralism_local.engine.plain_form import STOPS, plain_form
from pluralism_local.modes import Ask, run
from pluralism_local.results import Turn
from pluralism_local.types import Message, Sampling
from tests.support.llama_requests import ask, texts, user
from tests.support.mode_asks import last
from tests.support.starter import ONE_THREAD_EACH
from tests.support.tiny.families import FAMILIES
from tests.support.tiny.model import write_tiny


def test_a_conversation_is_questions_and_answers() -> None:
    conversation = (
        Message("system", "You are a farmer."),
        Message("user", "Is it late?"),
        Message("assistant", " Yes."),
        Message("user", "Is it dark?"),
        Message("assistant", "No."),
        Message("user", "Passage 1: It is.\n\nComment:"),
    )
    assert plain_form(conversation) == (
        "You are a farmer.\n\nQuestion: Is it late?\nAnswer: Yes.\n\nQuestion: Is it dark?\nAnswer: No.\n\n"
        "Question: Passage 1: It is.\n\nComment:"
    )
    assert plain_form(conversation[1:2]) == "Question: Is it late?\nAnswer:"


def test_a_follow_up_begins_with_what_was_asked_and_said() -> None:
    first = plain_form(user("Is it late?"))
    said = " Yes, it is."
    second = plain_form((*user("Is it late?"), Message("assistant", said), Message("user", "Why?")))
    assert second.startswith(first + said)
    assert STOPS[0] in second[len(first + said) :]


@pytest.mark.parametrize(("template", "is_base"), [("auto", True), ("none", False)])
def test_a_base_model_is_told_apart(template: str, is_base: bool, tmp_path: Path) -> None:
    tiny = replace(FAMILIES["gemma3"], template=None if is_base else FAMILIES["gemma3"].template)
    path = write_tiny(tmp_path / "tiny.gguf", tiny)
    options = replace(ONE_THREAD_EACH, template=template)  # type: ignore[arg-type]
    with LlamaEngine(path, name="tiny", options=options) as engine:
        assert engine.capabilities.only_continues == is_base
        question = Ask("Is it late?", "vanilla", answer=Sampling(max_tokens=4))
        first = last(run(question, llm=engine, communities=engine))
        assert any("tiny is a base model" in warning for warning in first.warnings) == is_base
        later = replace(question, turns=(Turn("Is it?", "Yes.", {}, {}),))
        assert not any("base model" in w for w in last(run(later, llm=engine, communities=engine)).warnings)


@pytest.mark.slow
def test_a_base_model_does_not_run_on_into_a_next_question(fetched_model: Callable[[str], Path]) -> None:
    with LlamaEngine(fetched_model("gemma-3-270m"), name="gemma", options=ONE_THREAD_EACH) as engine:
        questions = ("What is the capital of France?", "How many legs has a dog?", "Is tea hot?")
        answers = texts(engine, [ask(question, tokens=60) for question in questions])
    assert all(answer.strip() for answer in answers)
    assert not any("Question:" in answer for answer in answers)
    assert "Paris" in answers[0]
