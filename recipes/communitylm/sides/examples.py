"""What is trained and evaluated on: a persona before a question, and the first word that its side answers with.

question, VoicePair ──answers──> SidedExample of the left, of the right
questions, pairs ──ordered──> the order of training: two pairs for each question
the same, open questions ──openings──> beginnings of texts that the base goes on with
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from communitylm.training.examples import Example, Speller, Tokens
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.voices.questions import ContestedQuestion
from pluralism_local.types import Message

WORDS = ("Yes", "No")
PAIRS = 2
"""Pairs of voices that answer a question in a step."""


@dataclass(frozen=True, slots=True)
class VoicePair:
    """A persona of the left and one of the right; `register` names the pair."""

    register: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class SidedExample(Example):
    """A persona and a question before the header, and the side's first word behind it; `side` is 1 for yes, -1 for no,
    0 for an open question, whose `answer` is the header alone.

    Attributes:
        opening: how many of the prompt's tokens the persona takes; they are read once for all of its questions.
    """

    opening: int = 0


Tell = Callable[[str, str, int], SidedExample]
"""Persona, question and side (as of `SidedExample`) to an example."""


def teller(speller: Speller) -> Tell:
    """Examples as `plocal ask` puts a persona before a question.

    Raises:
        InvalidInput: a word of `WORDS` takes the base several tokens.
    """
    words = word_tokens(speller)

    @cache
    def of_no_question(persona: str) -> Tokens:
        return _prompt(speller, persona, "…")

    def tell(persona: str, question: str, side: int) -> SidedExample:
        whole = _prompt(speller, persona, question)
        other = of_no_question(persona)
        opening = next(
            (at for at, (mine, theirs) in enumerate(zip(whole, other, strict=False)) if mine != theirs),
            min(len(whole), len(other)),
        )
        first_word = {1: words[:1], -1: words[1:], 0: ()}[side]
        return SidedExample(
            whole,
            (*speller.header, *first_word),
            len(speller.header),
            side=side,
            opening=min(opening, len(whole) - 1),
        )

    return tell


def word_tokens(speller: Speller) -> Tokens:
    """The tokens of `WORDS`.

    Raises:
        InvalidInput: one of them takes several.
    """
    spelled = [speller.text(word) for word in WORDS]
    if any(len(tokens) != 1 for tokens in spelled):
        raise InvalidInput("The base model has no single tokens for Yes and No.", "Take another base.")
    return tuple(tokens[0] for tokens in spelled)


def _prompt(speller: Speller, persona: str, question: str) -> Tokens:
    whole = speller.conversation((Message("system", persona), Message("user", question)))
    return whole[: len(whole) - len(speller.header)]


def answers(tell: Tell, pair: VoicePair, question: ContestedQuestion) -> tuple[SidedExample, SidedExample]:
    """What the left and the right of a pair say to a question with a direction."""
    return (
        tell(pair.left, question.text, question.direction),
        tell(pair.right, question.text, -question.direction),
    )


def ordered(
    tell: Tell,
    pairs: Sequence[VoicePair],
    questions: Sequence[ContestedQuestion],
    *,
    passes: int,
    batch: int,
    seed: int,
) -> list[SidedExample]:
    """The order of training: in every pass all questions, shuffled, each with two pairs drawn for it, a pair's left
    before its right.

    Questions that fill no step of `batch` answers wait for the next pass.
    """
    rng, each = random.Random(seed), batch // (2 * PAIRS)
    order: list[SidedExample] = []
    for _ in range(passes):
        shuffled = list(questions)
        rng.shuffle(shuffled)
        for question in shuffled[: len(shuffled) // each * each]:
            for pair in rng.sample(list(pairs), PAIRS):
                order += answers(tell, pair, question)
    return order


def openings(
    tell: Tell,
    pairs: Sequence[VoicePair],
    questions: Sequence[ContestedQuestion],
    open_questions: Sequence[str],
    *,
    count: int,
    seed: int,
) -> list[SidedExample]:
    """Beginnings of texts in which the adapter shall change nothing: in turn an open question, by any persona, and a
    question with its side's first word said."""
    rng = random.Random(seed)
    begun: list[SidedExample] = []
    for number in range(count):
        pair = rng.choice(list(pairs))
        if number % 2:
            begun.append(rng.choice(answers(tell, pair, rng.choice(list(questions)))))
        else:
            begun.append(tell(rng.choice((pair.left, pair.right)), rng.choice(list(open_questions)), 0))
    return begun
