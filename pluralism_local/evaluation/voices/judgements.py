"""What a model makes of a comment: which way it answers, and whether it answers that question at all.

    comment, question ──"A. Yes B. No" and "A. No B. Yes"──mean──> P(yes)
    comment           ──P(question | comment) / P(question | no comment), of four questions──> P(this one)

A small model that is asked whether a text is on topic says yes to nearly everything; how much likelier a text makes its
question than other questions, it shows without being asked. The other three are of those that ship, the same for
all comments on a question. A question that a comment quotes back is no answer and is taken out before. A judge is
identified by its model, the prompts and how they are templated; what it said is journalled by that and the comment's
text, so that the same text is judged once, whoever said it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.errors import Unsupported
from pluralism_local.evaluation.batch_calls import Asker, RequestFailure, failure_in
from pluralism_local.evaluation.identity import model_key
from pluralism_local.evaluation.journal import Journal, Record
from pluralism_local.evaluation.strict_records import check_records
from pluralism_local.evaluation.voices.prompts import VOICE_QUESTION, VOICE_STANCE
from pluralism_local.evaluation.voices.questions import read_questions
from pluralism_local.files import digest
from pluralism_local.prompts import Prompt
from pluralism_local.repetition import words
from pluralism_local.types import Message, OptionDistribution, OptionRequest

CHUNK = 6
"""Comments that are judged together, in 18 prompts."""
OTHERS = 3
"""Questions beside the one that a comment was made on; chance is 1/4."""

YES, NO = "Yes", "No"
_LETTERS = ("A", "B")
_ORDERS = ((YES, NO), (NO, YES))
_PROMPTS: tuple[Prompt, ...] = (VOICE_STANCE, VOICE_QUESTION)
_ASKED = len(_ORDERS) + 1
_NO_COMMENT = "No comment."
_LEAST = 1e-300
"""Stands for a probability too small for a number, of which the logarithm is taken."""
_EMPTY = RequestFailure("empty", "The comment has no text.")

Probability = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class CommentVerdict:
    """Of one comment.

    Attributes:
        yes: probability in [0, 1] that it answers yes, the mean of both orders; 1 - yes that it answers no.
        on_topic: probability in [0, 1] that it answers this question and none of `OTHERS` others, if all are as likely
            beforehand.
        order_effect: in [0, 1], how far apart both orders are in `yes`.
        outside: in [0, 1], mean probability over both orders that the judge says neither letter.
    """

    yes: float
    on_topic: float
    order_effect: float
    outside: float


class StoredVerdict(BaseModel):
    """A judgement as the journal keeps it."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    key: str
    yes: Probability | None = None
    on_topic: Probability | None = None
    order_effect: Probability | None = None
    outside: Probability | None = None
    error: dict[str, str] | None = None


class StanceJudge:
    """A model that reads comments.

    Args:
        engine: must give exact probabilities, also of texts of several tokens.
        variant: whatever else its answers depend on, e.g. how prompts are templated.

    Attributes:
        identity: of model, prompts, the other questions and variant; hex.

    Raises:
        Unsupported: the model gives no such probabilities.
    """

    def __init__(self, engine: LanguageModel, *, variant: str = "") -> None:
        self.info = engine.info
        if engine.capabilities.distribution != "exact":
            raise Unsupported(
                f"{self.info.id} does not give the probabilities of whole texts, which judging voices needs.",
                "Take a local model with --judge.",
            )
        self._shipped = [question.text for question in read_questions()]
        self.identity = digest(
            [model_key(self.info), [prompt.id for prompt in _PROMPTS], self._shipped, variant]
        )
        self._asker = Asker(engine)
        self._priors: dict[str, OptionDistribution | RequestFailure] = {}

    def key(self, question: str, text: str) -> str:
        """Of a comment, all that its verdict depends on."""
        return digest([self.identity, question, text])[:24]

    def ask(self, comments: Sequence[tuple[str, str]]) -> list[CommentVerdict | RequestFailure]:
        """A verdict per (question, text), in order.

        Raises:
            PlocalError: as `Asker.distributions`.
        """
        for question in dict.fromkeys(question for question, _ in comments):
            prior = self._priors.get(question)
            if prior is None or (isinstance(prior, RequestFailure) and prior.may_pass):
                # one by one: it must not depend on what else is asked
                (self._priors[question],) = self._asker.distributions([self._which(question, _NO_COMMENT)])
        requests = [
            request
            for question, text in comments
            for request in (*_stances(question, text), self._which(question, _without(question, text)))
        ]
        answers = self._asker.distributions(requests)
        return [
            _verdict([*answers[_ASKED * place : _ASKED * (place + 1)], self._priors[question]])
            for place, (question, _) in enumerate(comments)
        ]

    def _which(self, question: str, text: str) -> OptionRequest:
        """Which question `text` answers: this one first, then others of those that ship."""
        own_words = set(words(question))
        others = sorted(
            (other for other in self._shipped if words(other) != words(question)),
            key=lambda other: (len(own_words & set(words(other))), digest([question, other])),
        )
        prompt = VOICE_QUESTION.render(comment=text.strip())
        return OptionRequest((Message("user", prompt),), (question, *others[:OTHERS]))


def judge_file(folder: Path, judge: StanceJudge) -> Path:
    """Where this judge's verdicts lie."""
    return folder / f"stance-{judge.identity[:12]}.jsonl"


def judge_comments(
    judge: StanceJudge,
    journal: Journal,
    comments: Sequence[tuple[str, str]],
    *,
    should_stop: ShouldStop = never,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> list[CommentVerdict | RequestFailure | None]:
    """A verdict per (question, text), in order; None: not yet, because it was stopped. Blank texts are failures.

    What failed and may pass is not kept: the next call asks again.

    Args:
        journal: open for writing, of this judge alone.
        should_stop: asked between chunks.
        progress: told (judged, to judge) of the distinct comments.

    Raises:
        PlocalError: as `StanceJudge.ask`; finished chunks stay.
    """
    check_records(StoredVerdict, journal.records, journal.path)
    verdicts = {record["key"]: _read(record) for record in journal.records}
    by_key = {judge.key(*comment): comment for comment in comments if comment[1].strip()}
    missing = [key for key in by_key if key not in verdicts]
    progress(len(by_key) - len(missing), len(by_key))
    for start in range(0, len(missing), CHUNK):
        if should_stop():
            break
        keys = missing[start : start + CHUNK]
        answers = judge.ask([by_key[key] for key in keys])
        journal.append(
            [_record(key, verdict) for key, verdict in zip(keys, answers, strict=True) if _lasts(verdict)]
        )
        verdicts |= dict(zip(keys, answers, strict=True))
        progress(len(by_key) - len(missing) + start + len(keys), len(by_key))
    return [verdicts.get(judge.key(*comment)) if comment[1].strip() else _EMPTY for comment in comments]


def _stances(question: str, comment: str) -> Iterator[OptionRequest]:
    for first, second in _ORDERS:
        text = VOICE_STANCE.render(question=question, comment=comment.strip(), first=first, second=second)
        yield OptionRequest((Message("user", text),), _LETTERS)


def _without(question: str, comment: str) -> str:
    """The comment without the question's words in their order, wherever it quotes them; never blank."""
    quoted = r"\W+".join(map(re.escape, words(question)))
    rest = re.sub(rf"\b{quoted}\b\W?", " ", comment, flags=re.IGNORECASE) if quoted else comment
    return rest if words(rest) else _NO_COMMENT


def _verdict(answers: Sequence[OptionDistribution | RequestFailure]) -> CommentVerdict | RequestFailure:
    """Of the answers about one comment: both orders of yes and no, which question, and which without a comment."""
    usable: list[OptionDistribution] = []
    for answer in answers:
        if isinstance(answer, RequestFailure):
            return answer
        if answer.method == "uniform":
            return RequestFailure("silent", "The judge gave no option any probability.")
        usable.append(answer)
    first, second, after, before = usable
    gains = [
        math.log(max(with_comment, _LEAST)) - math.log(max(without, _LEAST))
        for with_comment, without in zip(after.mass, before.mass, strict=True)
    ]
    weights = [math.exp(gain - max(gains)) for gain in gains]
    return CommentVerdict(
        yes=(first.p[0] + second.p[1]) / 2,
        on_topic=weights[0] / sum(weights),
        order_effect=abs(first.p[0] - second.p[1]),
        outside=(first.unassigned_mass + second.unassigned_mass) / 2,
    )


def _lasts(verdict: CommentVerdict | RequestFailure) -> bool:
    return not (isinstance(verdict, RequestFailure) and verdict.may_pass)


def _record(key: str, verdict: CommentVerdict | RequestFailure) -> Record:
    if isinstance(verdict, RequestFailure):
        return {"key": key, **verdict.record()}
    return {
        "key": key,
        "yes": verdict.yes,
        "on_topic": verdict.on_topic,
        "order_effect": verdict.order_effect,
        "outside": verdict.outside,
    }


def _read(record: Mapping[str, Any]) -> CommentVerdict | RequestFailure:
    return failure_in(record) or CommentVerdict(
        record["yes"], record["on_topic"], record["order_effect"], record["outside"]
    )
