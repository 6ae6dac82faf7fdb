"""Contested questions that can be answered by yes or no.

    one question a line, or JSON lines {"question", "topic", "left", "right", "source"}
        ──read_questions──> [ContestedQuestion]
    [ContestedQuestion], N ──balanced──> N of them, of as many topics as there are

"left" and "right" are "yes" or "no" where the position of that side is known from a public source, else null or left
out; a question has a direction where both are known and differ. The 60 that ship are in our own words; they and
their sources were written down before any comment was read.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pluralism_local.errors import InvalidInput
from pluralism_local.files import open_regular

YesNo = Literal["yes", "no"]
SHIPPED = "questions.jsonl"
NO_TOPIC = "any"
_FORM = 'Give one question a line, or objects like {"question": "…?", "topic": "…", "left": "yes", "right": "no"}.'


@dataclass(frozen=True, slots=True)
class ContestedQuestion:
    """A question of yes or no.

    Attributes:
        text: not blank, without white space around it.
        topic: what it is about, in a word; `NO_TOPIC` where the file does not say.
        left, right: the answer that this side's public position gives; None: not known.
        source: where the positions stand.
    """

    text: str
    topic: str = NO_TOPIC
    left: YesNo | None = None
    right: YesNo | None = None
    source: tuple[str, ...] = ()

    @property
    def direction(self) -> Literal[-1, 0, 1]:
        """1 where the left says yes and the right no, -1 the other way round, 0 where that is not known."""
        if self.left is None or self.right is None or self.left == self.right:
            return 0
        return 1 if self.left == "yes" else -1


class _Row(BaseModel):
    model_config = ConfigDict(strict=True)

    question: Annotated[str, Field(min_length=1, max_length=2000)]
    topic: Annotated[str, Field(min_length=1, max_length=80)] = NO_TOPIC
    left: YesNo | None = None
    right: YesNo | None = None
    source: list[str] | str = []


def read_questions(path: Path | None = None) -> list[ContestedQuestion]:
    """The questions of a file, in its order; those that ship without one. Blank lines are nothing.

    Raises:
        NotFound: there is no such file.
        InvalidInput: not UTF-8, no questions, one twice, or a line that is none; the message has the line.
    """
    if path is None:
        raw, name = resources.files(__package__).joinpath(SHIPPED).read_bytes(), SHIPPED
    else:
        with open_regular(path) as file:
            raw, name = file.read(), str(path)
    try:
        lines = raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{name} is not UTF-8 text.", _FORM) from error
    questions: dict[str, ContestedQuestion] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        question = _question(line.strip(), f"{name}, line {number}")
        if question.text in questions:
            raise InvalidInput(f"{name}, line {number}: the question is there twice.", "Give each once.")
        questions[question.text] = question
    if not questions:
        raise InvalidInput(f"{name} has no questions.", _FORM)
    return list(questions.values())


def balanced(questions: Sequence[ContestedQuestion], limit: int | None) -> list[ContestedQuestion]:
    """`limit` of them: the first of every topic, then the second of every topic, and so on; all without a limit.

    A larger limit only adds. Within a topic, those with a direction come first.
    """
    by_topic: dict[str, list[ContestedQuestion]] = defaultdict(list)
    for question in questions:
        by_topic[question.topic].append(question)
    for row in by_topic.values():
        row.sort(key=lambda question: question.direction == 0)
    ordered = [
        question for turn in zip_longest(*by_topic.values()) for question in turn if question is not None
    ]
    return ordered[:limit]


def _question(line: str, place: str) -> ContestedQuestion:
    if not line.startswith("{"):
        return ContestedQuestion(line)
    try:
        row = _Row.model_validate(json.loads(line))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(f"{place}: {key}: {first['msg']}.", _FORM) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{place} is no JSON object.", _FORM) from error
    if not row.question.strip():
        raise InvalidInput(f"{place}: the question is blank.", _FORM)
    return ContestedQuestion(row.question.strip(), row.topic, row.left, row.right, tuple(_texts(row.source)))


def _texts(source: Any) -> Iterator[str]:
    yield from [source] if isinstance(source, str) else source
