"""The configuration of a training of sides.

recipes/configs/BASE/sides.toml ──read_sides_settings(path, overrides)──> SidesSettings(values, origins)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from communitylm.sides.examples import PAIRS
from communitylm.training.configuration import (
    LoraPart,
    Part,
    Settings,
    SteppingPart,
    TrainingValues,
    read_values,
)
from pluralism_local.communities.card_parts import ID_PATTERN

VOICES = 2 * PAIRS
"""Voices that answer a question in a step."""


class PersonaPair(Part):
    """Two further personas, one of each side, that no community has."""

    left: Annotated[str, Field(min_length=1)]
    right: Annotated[str, Field(min_length=1)]


class SidesPart(Part):
    """What is trained on.

    Attributes:
        questions: JSON lines as of `plocal communities judge`, relative to the configuration's folder; those on which
            both sides have an answer, not the same one, are trained on.
        left, right: communities of either side, the first of the one facing the first of the other; their personas
            speak.
        personas: further pairs of personas.
        open: a file of questions that no side answers by yes or no, one a line: on these the adapter is held to what
            the base says.
        about, licence: what the questions are and their terms, for the card.
    """

    questions: Annotated[tuple[str, ...], Field(min_length=1)]
    left: Annotated[tuple[str, ...], Field(min_length=1)]
    right: Annotated[tuple[str, ...], Field(min_length=1)]
    personas: tuple[PersonaPair, ...] = ()
    open: str
    about: str = "questions and the answer of either side"
    licence: str = "unknown"

    @model_validator(mode="after")
    def _face_each_other(self) -> SidesPart:
        if len(self.left) != len(self.right):
            raise ValueError(
                "sides.left and sides.right face each other; name as many of the one as of the other"
            )
        if len(self.left) + len(self.personas) < PAIRS:
            raise ValueError(f"at least {PAIRS} pairs of communities or personas are needed")
        return self


class SidesLoraPart(LoraPart):
    """The LoRA; it acts from the assistant's header on."""

    rank: Annotated[int, Field(ge=1, le=256)] = 8
    alpha: Annotated[float, Field(gt=0)] = 16.0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj")


class SidesTrainingPart(SteppingPart):
    """How it is trained.

    Attributes:
        passes: over the questions, each with other voices.
        batch: answers of a step, four to a question.
        apart: weight of the loss that a question's two sides differ in the right direction.
        hold: weight of the divergence from the base where the adapter shall change nothing: in what follows the first
            word, and in answers to open questions.
        held: texts of a step that are held so.
        texts: how many the base writes for that, half of them to open questions. tokens: of each at most.
    """

    passes: Annotated[int, Field(ge=1)] = 5
    batch: Annotated[int, Field(ge=VOICES)] = 32
    apart: Annotated[float, Field(ge=0, le=10)] = 1.0
    hold: Annotated[float, Field(ge=0, le=10)] = 1.0
    held: Annotated[int, Field(ge=1)] = 4
    texts: Annotated[int, Field(ge=2)] = 96
    tokens: Annotated[int, Field(ge=1)] = 32

    @model_validator(mode="after")
    def _whole_questions(self) -> SidesTrainingPart:
        if self.batch % VOICES:
            raise ValueError(f"training.batch must be a multiple of {VOICES}, a question's voices")
        return self


class SidesValues(TrainingValues):
    """A whole configuration; `id` names the run."""

    id: Annotated[str, Field(pattern=ID_PATTERN)]
    sides: SidesPart
    adapter: SidesLoraPart = SidesLoraPart()
    training: SidesTrainingPart = SidesTrainingPart()


class SidesSettings(Settings[SidesValues]):
    """The configuration of a training of sides."""

    @property
    def question_files(self) -> list[Path]:
        """Files of questions with a direction."""
        return [self.beside(file) for file in self.values.sides.questions]

    @property
    def open_file(self) -> Path:
        """The file of open questions."""
        return self.beside(self.values.sides.open)


def read_sides_settings(path: Path, overrides: Sequence[str] = ()) -> SidesSettings:
    """Read and check a configuration.

    Args:
        overrides: ``"training.rate=5e-4"``; the value is TOML, or a plain text.

    Raises:
        NotFound, InvalidInput: as `read_values`.
    """
    values, origins = read_values(
        path, overrides, SidesValues, examples="recipes/configs/qwen2.5-coder-1.5b/sides.toml"
    )
    return SidesSettings(path, values, origins)
