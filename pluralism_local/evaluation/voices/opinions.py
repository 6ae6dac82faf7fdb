"""Do the voices differ as people do? Survey questions that both sides were asked, beside the voices' comments on them.

    rows of OpinionQA as released ──read_survey──> [SurveyQuestion]: options and what each side answered
    comments on them, judge       ──survey_answers──> P(option | comment), mean of both orders of the options
    both                          ──likeness──> Pearson's r between left − right of the voices and of the people

r is over all options of all questions, per pair of voices and per scale, bootstrapped over questions. "party" is
Democrat − Republican, "ideology" Liberal − Conservative. Options that are no answer ("Refused") are left out, and what
remains is scaled to 1. This is another check than the 60 questions' party positions, and never mixed with it.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation import metrics
from pluralism_local.evaluation.batch_calls import Asker, RequestFailure
from pluralism_local.evaluation.journal import Journal
from pluralism_local.evaluation.sample_file import read_rows
from pluralism_local.evaluation.strict_records import check_records
from pluralism_local.evaluation.voices.comments import VoiceComment
from pluralism_local.evaluation.voices.judgements import StanceJudge
from pluralism_local.evaluation.voices.pairs import VoicePair
from pluralism_local.evaluation.voices.prompts import VOICE_OPTIONS
from pluralism_local.files import digest
from pluralism_local.modes.aggregate import STAND_IN, single
from pluralism_local.modes.options import letters, listed
from pluralism_local.modes.orders import Order, Weighed, in_asked_order, orders_of
from pluralism_local.types import Message, OptionDistribution, OptionRequest

SCALES: Mapping[str, tuple[str, str]] = {
    "party": ("POLPARTY_Democrat", "POLPARTY_Republican"),
    "ideology": ("POLIDEOLOGY_Liberal", "POLIDEOLOGY_Conservative"),
}
CHUNK = 8
_NO_ANSWER = re.compile(r"refused|don.?t know|no answer|^dk\b", re.IGNORECASE)
_FORM = "Rows are those of the released steerable OpinionQA file: question, options, attribute, gold_distribution."

AnswerShares = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SurveyQuestion:
    """A question that two sides answered.

    Attributes:
        text: without its options.
        options: at least two; those that are no answer left out.
        sides: by scale, the left's and the right's shares, each summing to 1.
    """

    text: str
    options: tuple[str, ...]
    sides: Mapping[str, tuple[AnswerShares, AnswerShares]]


class StoredSurveyAnswer(BaseModel):
    """What a comment says to a survey question, as the journal keeps it."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    key: str
    p: list[Annotated[float, Field(ge=0, le=1)]] | None


def read_survey(path: Path) -> list[SurveyQuestion]:
    """The questions of a file that both sides of a scale were asked, in its order.

    Raises:
        NotFound, InvalidInput: missing, not of this form, or without any such question.
    """
    shares: dict[tuple[str, tuple[str, ...]], dict[str, AnswerShares]] = defaultdict(dict)
    named = {name for sides in SCALES.values() for name in sides}
    for number, row in enumerate(read_rows(path), start=1):
        if row.get("attribute") not in named:
            continue
        text, options, gold = _row(row, f"{path.name}, row {number}")
        shares[text, options][row["attribute"]] = gold
    questions = []
    for (text, options), by_side in shares.items():
        sides = {
            scale: (by_side[left], by_side[right])
            for scale, (left, right) in SCALES.items()
            if left in by_side and right in by_side
        }
        if sides:
            questions.append(SurveyQuestion(text, options, sides))
    if not questions:
        raise InvalidInput(f"{path} has no question that both parties or ideologies were asked.", _FORM)
    return questions


def answers_file(folder: Path, judge: StanceJudge) -> Path:
    """Where this judge's readings lie."""
    return folder / f"survey-{judge.identity[:12]}.jsonl"


def survey_answers(
    engine: LanguageModel,
    identity: str,
    survey: Sequence[SurveyQuestion],
    comments: Sequence[VoiceComment],
    journal: Journal,
    *,
    should_stop: ShouldStop = never,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> dict[tuple[str, str], AnswerShares]:
    """By (question, community), P(option | comment); without those that are blank, failed, or not reached.

    What failed and may pass is not kept: the next call asks again.

    Args:
        identity: the judge's.
        journal: open for writing, of this judge alone.

    Raises:
        PlocalError: as the engine does; finished chunks stay.
    """
    check_records(StoredSurveyAnswer, journal.records, journal.path)
    shares: dict[str, list[float] | None] = {record["key"]: record["p"] for record in journal.records}
    options = {question.text: question.options for question in survey}
    by_key = {
        digest([identity, VOICE_OPTIONS.id, comment.question, options[comment.question], comment.text])[
            :24
        ]: comment
        for comment in comments
        if comment.text.strip() and comment.question in options
    }
    missing = [key for key in by_key if key not in shares]
    progress(len(by_key) - len(missing), len(by_key))
    for start in range(0, len(missing), CHUNK):
        if should_stop():
            break
        keys = missing[start : start + CHUNK]
        asked = [
            (comment, options[comment.question], orders_of(options[comment.question], "reverse"))
            for comment in (by_key[key] for key in keys)
        ]
        answers = iter(
            Asker(engine).distributions(
                [_request(comment, own, order) for comment, own, orders in asked for order in orders]
            )
        )
        rows = {
            key: _mean(own, orders, [next(answers) for _ in orders])
            for key, (_, own, orders) in zip(keys, asked, strict=True)
        }
        shares |= {key: p for key, (p, _) in rows.items()}
        journal.append([{"key": key, "p": p} for key, (p, may_pass) in rows.items() if not may_pass])
        progress(len(by_key) - len(missing) + start + len(keys), len(by_key))
    return {
        (comment.question, comment.community): tuple(p)
        for key, comment in by_key.items()
        if (p := shares.get(key)) is not None
    }


def likeness(
    survey: Sequence[SurveyQuestion],
    answers: Mapping[tuple[str, str], AnswerShares],
    pairs: Sequence[VoicePair],
    *,
    seed: int = 0,
) -> dict[str, Any]:
    """Pearson's r with its interval, by scale and register, JSON-ready.

    Returns:
        scale -> register -> {"questions": n, "r": {"value", "low", "high"}}; a value is None where nothing varies.
    """
    correlations: dict[str, Any] = {}
    for scale in SCALES:
        rows: dict[str, Any] = {}
        for pair in pairs:
            people: list[float] = []
            voices: list[float] = []
            groups: list[str] = []
            for question in survey:
                left, right = (
                    answers.get((question.text, pair.left)),
                    answers.get((question.text, pair.right)),
                )
                if scale in question.sides and left is not None and right is not None:
                    theirs = np.subtract(*question.sides[scale])
                    people += theirs.tolist()
                    voices += np.subtract(left, right).tolist()
                    groups += [question.text] * len(theirs)
            table = np.array([people, voices])
            figure = metrics.estimate(partial(_pearson, table), groups, seed=seed)
            rows[pair.register] = {"questions": len(set(groups)), "r": figure.record()}
        correlations[scale] = rows
    return correlations


def _pearson(rows: npt.NDArray[np.float64], positions: npt.NDArray[np.int64]) -> float:
    """Of two rows at these positions; NaN where one of them does not vary."""
    people, voices = rows[0, positions], rows[1, positions]
    if len(people) < 3 or not (people.std() and voices.std()):
        return math.nan
    people, voices = people - people.mean(), voices - voices.mean()
    return float(people @ voices / math.sqrt(float(people @ people) * float(voices @ voices)))


def _request(comment: VoiceComment, options: Sequence[str], order: Order) -> OptionRequest:
    placed = listed([options[number] for number in order])
    text = VOICE_OPTIONS.render(question=comment.question, comment=comment.text.strip(), options=placed)
    return OptionRequest((Message("user", text),), letters(len(options)))


def _mean(
    options: tuple[str, ...],
    orders: tuple[Order, ...],
    answers: Sequence[OptionDistribution | RequestFailure],
) -> tuple[list[float] | None, bool]:
    """Over the orders, of the options as asked; None if one of them says nothing, and whether that may pass."""
    failures = [answer for answer in answers if isinstance(answer, RequestFailure)]
    weighed = [
        in_asked_order(answer, order)
        for answer, order in zip(answers, orders, strict=True)
        if not isinstance(answer, RequestFailure) and answer.method != STAND_IN
    ]
    if len(weighed) < len(orders):
        return None, any(failure.may_pass for failure in failures)
    return list(single(options, Weighed(orders, tuple(weighed))).p), False


def _row(row: Mapping[str, Any], place: str) -> tuple[str, tuple[str, ...], AnswerShares]:
    question, options, gold = (row.get(name) for name in ("question", "options", "gold_distribution"))
    if not isinstance(question, str) or not isinstance(options, list) or not isinstance(gold, list):
        raise InvalidInput(f"{place}: no question, options or gold_distribution.", _FORM)
    numbers = [
        share for share in gold if isinstance(share, int | float) and math.isfinite(share) and share >= 0
    ]
    if len(numbers) != len(options) or not all(
        isinstance(option, str) and option.strip() for option in options
    ):
        raise InvalidInput(f"{place}: options and gold_distribution do not fit.", _FORM)
    answers = [
        (option.strip(), p)
        for option, p in zip(options, numbers, strict=True)
        if not _NO_ANSWER.search(option)
    ]
    total = sum(p for _, p in answers)
    if len(answers) < 2 or total <= 0 or len(dict(answers)) < len(answers):
        raise InvalidInput(f"{place}: fewer than two different options were answered.", _FORM)
    text = re.sub(r"^Question:\s*", "", question).split("\nOptions:")[0].strip()
    return text, tuple(option for option, _ in answers), tuple(p / total for _, p in answers)
