"""A training of sides, decided before any weight is loaded: everything that can be wrong is noticed here.

SidesSettings ──plan──> SidesPlan: base, voices, examples in order and held out, device, identity
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from communitylm.distilling.disjoint import evaluation_texts, overlaps
from communitylm.sides.examples import (
    SidedExample,
    VoicePair,
    answers,
    openings,
    ordered,
    teller,
    word_tokens,
)
from communitylm.sides.settings import VOICES, SidesSettings
from communitylm.training.bases import find_base
from communitylm.training.examples import Tokens
from communitylm.training.hardware import hardware
from communitylm.training.plan import TrainingPlan, digest_of
from pluralism_local.communities.library import Library, default_paths
from pluralism_local.config import load, paths
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.evaluation.voices.questions import ContestedQuestion, read_questions


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The answers of a pair's left and right to a question that nobody trains on."""

    register: str
    left: SidedExample
    right: SidedExample


@dataclass(frozen=True, kw_only=True)
class SidesPlan(TrainingPlan):
    """Everything decided before anything heavy is loaded.

    Attributes:
        pairs: whose personas speak; those of communities first.
        questions: how many are trained on.
        begun: beginnings of the texts in which the adapter is held to the base.
        held_out: of the communities' pairs alone, on the questions of `plocal communities judge` with a direction.
        header: tokens that switch the adapter on. words: the tokens of yes and no. end: that of a turn's end.
    """

    settings: SidesSettings
    order: tuple[SidedExample, ...]
    pairs: tuple[VoicePair, ...]
    questions: int
    begun: tuple[SidedExample, ...]
    held_out: tuple[HeldOut, ...]
    header: Tokens
    words: Tokens
    end: int

    @property
    def examples(self) -> list[SidedExample]:
        """All that is ever read."""
        held_out = [example for row in self.held_out for example in (row.left, row.right)]
        return [*self.order, *self.begun, *held_out]


def plan(settings: SidesSettings) -> SidesPlan:
    """Resolve and check everything; see `SidesPlan`.

    Raises:
        NotFound: a file or a community. InvalidInput: too few questions, one of those that voices are judged on, a
            community without a persona, or a base without a chat template.
    """
    values, training = settings.values, settings.values.training
    directed = _questions(settings)
    each = training.batch // VOICES
    if len(directed) < each:
        raise InvalidInput(
            f"{len(directed)} questions have a direction, and a step takes {each}.",
            "Give more questions, or lower training.batch.",
        )
    free = _open_questions(settings.open_file)
    _refuse_judged([*(question.text for question in directed), *free])
    pairs = _pairs(settings)
    of_communities = pairs[: len(values.sides.left)]
    base = find_base(values.base.model, settings.path.parent)
    with base.speller(chat=True) as speller:
        tell, words = teller(speller), word_tokens(speller)
        header, end = speller.header, speller.end
        order = ordered(
            tell, pairs, directed, passes=training.passes, batch=training.batch, seed=training.seed
        )
        begun = openings(tell, pairs, directed, free, count=training.texts, seed=training.seed)
        judged = [question for question in read_questions() if question.direction]
        held_out = [
            HeldOut(register=pair.register, left=left, right=right)
            for pair in of_communities
            for left, right in (answers(tell, pair, question) for question in judged)
        ]
    device, precision = hardware(training.device, training.precision)
    identity = [
        values.model_dump(mode="json"),
        [[question.text, question.direction] for question in directed],
        free,
        [[pair.left, pair.right] for pair in pairs],
        base.fingerprint or base.reference,
        precision,
    ]
    return SidesPlan(
        settings=settings,
        base=base,
        order=tuple(order),
        pairs=pairs,
        questions=len(directed),
        begun=tuple(begun),
        held_out=tuple(held_out),
        header=header,
        words=words,
        end=end,
        device=device,
        precision=precision,
        digest=digest_of(identity),
    )


def _questions(settings: SidesSettings) -> list[ContestedQuestion]:
    questions = [question for file in settings.question_files for question in read_questions(file)]
    distinct = {question.text: question for question in questions if question.direction}
    return list(distinct.values())


def _open_questions(file: Path) -> list[str]:
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except FileNotFoundError:
        raise NotFound(f"There is no file {file}.", "It holds open questions, one a line.") from None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{file} is not a text file: {error}.") from error
    if not any(lines):
        raise InvalidInput(f"{file} holds no question.", "Give one a line.")
    return [line for line in lines if line]


def _refuse_judged(questions: Sequence[str]) -> None:
    """See that nobody trains on what voices are judged by."""
    alike = overlaps(questions, evaluation_texts())
    if alike:
        question, text = alike[0]
        raise InvalidInput(
            f"{question!r} is like {text!r}, on which voices are judged ({len(alike)} in all).",
            "Take it out of the questions to train on.",
        )


def _pairs(settings: SidesSettings) -> tuple[VoicePair, ...]:
    sides = settings.values.sides
    library = Library(default_paths(paths().data_dir, load().settings.community_paths))
    pairs = [
        VoicePair(f"{left}, {right}", _persona(library, left), _persona(library, right))
        for left, right in zip(sides.left, sides.right, strict=True)
    ]
    pairs += [VoicePair("further", its.left, its.right) for its in sides.personas]
    return tuple(pairs)


def _persona(library: Library, id: str) -> str:
    persona = library.community(id).persona
    if not persona:
        raise InvalidInput(f"The community '{id}' has no persona to speak through.", "Name another one.")
    return persona
