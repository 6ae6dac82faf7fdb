"""What recurs of a prompt: found from the messages, the same for every question, and never a word of one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.engine.handles import Model
from pluralism_local.engine.prompter import Prompter
from pluralism_local.engine.recurring import WORTH_KEEPING, Recurring
from pluralism_local.engine.schedule import common_prefix
from pluralism_local.prompts import OVERTON_SYNTHESIS, recurring
from pluralism_local.types import Message
from tests.support.personas import PERSONAS, asked
from tests.support.tiny.families import FAMILIES
from tests.support.tiny.model import write_tiny

QUESTIONS = ("Should phones be banned?", "42", "\nx", " why", "(a) or (b)?", "Quokka", "é")


@pytest.fixture(scope="module", params=FAMILIES)
def prompter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prompter]:
    path = write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.gguf", FAMILIES[request.param])
    with Model(path) as model:
        yield Prompter(model)


def spelled(prompter: Prompter, messages: tuple[Message, ...]) -> tuple[int, ...]:
    return prompter.tokens(prompter.prompt(messages))


def test_a_prompt_begins_with_its_persona_whatever_is_asked(prompter: Prompter) -> None:
    finder = Recurring(prompter)
    for persona in PERSONAS:
        found = {finder.prefix(asked(persona, question)) for question in QUESTIONS}
        assert len(found) == 1
        (prefix,) = found
        assert prefix is not None and len(prefix.tokens) >= WORTH_KEEPING
        text = b"".join(map(prompter._model.piece, prefix.tokens)).decode()
        assert persona in text
        for question in QUESTIONS:
            tokens = spelled(prompter, asked(persona, question))
            assert common_prefix(tokens, prefix.tokens) >= len(prefix.tokens) - 1


def test_the_head_is_what_the_template_writes_before_every_persona(prompter: Prompter) -> None:
    first, second = (Recurring(prompter).prefix(asked(persona, "Why?")) for persona in PERSONAS[:2])
    assert first is not None and second is not None
    assert first.head == second.head <= common_prefix(first.tokens, second.tokens)
    assert first.tokens[: first.head] == second.tokens[: first.head]


def test_later_turns_change_nothing(prompter: Prompter) -> None:
    finder = Recurring(prompter)
    question = asked(PERSONAS[0], "Why?")
    later = (*question, Message("assistant", "Because."), Message("user", "And then?", 0))
    assert finder.prefix(later) == finder.prefix(question) is not None


def test_nothing_recurs_that_is_not_said_to(prompter: Prompter) -> None:
    finder = Recurring(prompter)
    assert finder.prefix((Message("system", PERSONAS[0]), Message("user", "Why?"))) is None
    assert finder.prefix((Message("user", PERSONAS[0]),)) is None
    assert finder.prefix(()) is None


def test_what_is_too_short_is_not_worth_it(prompter: Prompter) -> None:
    for persona in ("Be brief.", PERSONAS[0]):
        why, x = (spelled(prompter, asked(persona, question)) for question in ("Why?", "x"))
        prefix = Recurring(prompter).prefix(asked(persona, "Why?"))
        assert (prefix is not None) == (common_prefix(why, x) >= WORTH_KEEPING)


def test_a_persona_recurs_up_to_the_question_in_it(prompter: Prompter) -> None:
    finder = Recurring(prompter)

    def prefix(question: str) -> tuple[int, ...]:
        system = Message("system", f"{PERSONAS[0]} You are asked: {question} Answer.", len(PERSONAS[0]))
        found = finder.prefix((system, Message("user", question)))
        assert found is not None
        return found.tokens

    assert len({prefix(question) for question in QUESTIONS}) == 1
    assert PERSONAS[0] in b"".join(map(prompter._model.piece, prefix("Why?"))).decode()
    assert "asked" not in b"".join(map(prompter._model.piece, prefix("Why?"))).decode()


def test_an_instruction_recurs_up_to_the_question(prompter: Prompter) -> None:
    finder = Recurring(prompter)
    found = set()
    for question in ("Phones?", "Trees?"):
        text = OVERTON_SYNTHESIS.render(question=question, passages="Passage 1: Yes.")
        found.add(finder.prefix((Message("user", text, recurring(text)),)))
    (prefix,) = found
    assert prefix is not None
    words = b"".join(map(prompter._model.piece, prefix.tokens)).decode()
    assert "diverse values and perspectives.\n\nSituation:" in words and "hones" not in words


def test_a_personas_prefix_is_the_same_before_every_instruction(prompter: Prompter) -> None:
    finder = Recurring(prompter)
    system, question = asked(PERSONAS[0], "Why?")
    instruction = Message("user", "What should be done about bridges?", len("What should be done about "))
    assert finder.prefix((system, instruction)) == finder.prefix((system, question)) is not None


def test_a_template_that_refuses_other_texts_leaves_no_prefix(
    prompter: Prompter, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pluralism_local.errors import InvalidInput

    def refuse(_: object) -> None:
        raise InvalidInput("no")

    monkeypatch.setattr(prompter, "prompt", refuse)
    assert Recurring(prompter).prefix(asked(PERSONAS[0], "Why?")) is None


def test_a_base_model_has_prefixes_too(starter_path: Path) -> None:
    with Model(starter_path) as model:
        prefix = Recurring(Prompter(model, "none")).prefix(asked(PERSONAS[0], "Why?"))
        assert prefix is not None
        assert PERSONAS[0] in b"".join(map(model.piece, prefix.tokens)).decode()
