"""From comments and what a judge made of them to figures; no model, no file.

    [JudgedComment], questions, pairs ──report──> VoiceReport(voices, pairs, pool) ──record──> JSON

Every figure has a 95 % interval, bootstrapped over questions. P(yes) is `CommentVerdict.yes`.

stance spread   variance over the voices of P(yes), mean over the questions with at least two of them
two-sided       share of those questions with one voice of P(yes) ≥ 2/3 and one of ≤ 1/3
agrees          per pair and over all: share of the questions with a known direction on which the P(yes) of the left
                voice and of the right differ in that direction; a tie is half. .5 is chance
gap             mean of that difference, counted in the known direction: paired, as both voices answer each question
shuffled        `agrees` where the names of all voices are permuted on every question: its mean and middle 95 %
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pluralism_local.evaluation import metrics
from pluralism_local.evaluation.batch_calls import RequestFailure
from pluralism_local.evaluation.metrics import Estimate
from pluralism_local.evaluation.voices.comments import VoiceComment
from pluralism_local.evaluation.voices.invented_figures import invented_figures
from pluralism_local.evaluation.voices.judgements import CommentVerdict
from pluralism_local.evaluation.voices.pairs import VoicePair
from pluralism_local.evaluation.voices.questions import ContestedQuestion
from pluralism_local.repetition import repeats, words

PERMUTATIONS = 1000
FIRM = 2 / 3
ALL = "all"


@dataclass(frozen=True, slots=True)
class JudgedComment:
    """A comment and its verdict; a RequestFailure where it could not be judged, None where it was not yet."""

    comment: VoiceComment
    verdict: CommentVerdict | RequestFailure | None


@dataclass(frozen=True)
class TextFigures:
    """Of some comments.

    Attributes:
        comments, judged, failed: how many there are, have a verdict, could not be judged.
        on_topic: share whose `CommentVerdict.on_topic` is at least 1/2.
        repeats, invents: share with any eight words twice, and with a number that nobody told it.
        ends: share that ended by itself, of those where that is known.
        words: mean number.
        order_effect: mean distance of the judge's two orders; what is below it means little.
    """

    comments: int
    judged: int
    failed: int
    on_topic: Estimate
    repeats: Estimate
    invents: Estimate
    ends: Estimate
    words: Estimate
    order_effect: Estimate


@dataclass(frozen=True)
class VoiceFigures:
    """Of one voice. `left_answer`: P(the left's known answer) per question with a direction; `yes`: mean P(yes)."""

    id: str
    texts: TextFigures
    yes: Estimate
    answers: tuple[float, ...]
    left_answer: tuple[float, ...]

    def record(self) -> dict[str, Any]:
        """JSON-ready; NaN is null."""
        return {"id": self.id, **_texts_record(self.texts), "yes": self.yes.record()}


@dataclass(frozen=True)
class PairFigures:
    """Of two opposite voices, or of all pairs; `n` questions with a direction and both verdicts. See the module."""

    register: str
    left: str
    right: str
    n: int
    agrees: Estimate
    gap: Estimate
    shuffled: tuple[float, float, float] | None


@dataclass(frozen=True)
class VoiceReport:
    """Of a pool. `positions`: different positions per ask, None where nobody scored entailment."""

    questions: int
    directed: int
    texts: TextFigures
    spread: Estimate
    two_sided: Estimate
    positions: Estimate | None
    voices: tuple[VoiceFigures, ...]
    pairs: tuple[PairFigures, ...]

    def record(self) -> dict[str, Any]:
        """JSON-ready; NaN is null."""
        return {
            "questions": self.questions,
            "directed_questions": self.directed,
            **_texts_record(self.texts),
            "stance_spread": self.spread.record(),
            "two_sided": self.two_sided.record(),
            "positions": None if self.positions is None else self.positions.record(),
            "voices": [voice.record() for voice in self.voices],
            "pairs": [_pair_record(pair) for pair in self.pairs],
        }


def report(
    questions: Sequence[ContestedQuestion],
    judged: Sequence[JudgedComment],
    pairs: Sequence[VoicePair] = (),
    *,
    personas: Mapping[str, str] | None = None,
    positions: Mapping[str, int] | None = None,
    seed: int = 0,
) -> VoiceReport:
    """The figures of comments on questions, whoever made them.

    Args:
        questions: with their directions; comments on others are left out.
        judged: at most one per question and voice.
        pairs: of opposite voices; ids without comments give figures of n 0.
        personas: by voice, what it was told beside the question, whose numbers it has not invented.
        positions: by question, as `positions.positions` counts them.
        seed: of intervals and permutations.

    Raises:
        ValueError: a voice has two comments on one question (a bug).
    """
    by_text = {question.text: question for question in questions}
    rows = [judgement for judgement in judged if judgement.comment.question in by_text]
    table: dict[str, dict[str, JudgedComment]] = defaultdict(dict)
    for judgement in rows:
        if judgement.comment.community in table[judgement.comment.question]:
            raise ValueError(
                f"{judgement.comment.community} comments twice on '{judgement.comment.question}'"
            )
        table[judgement.comment.question][judgement.comment.community] = judgement
    stances = {
        question: {
            id: judgement.verdict.yes
            for id, judgement in row.items()
            if isinstance(judgement.verdict, CommentVerdict)
        }
        for question, row in table.items()
    }
    told = personas or {}
    ids = list(dict.fromkeys(judgement.comment.community for judgement in rows))
    several = {question: list(row.values()) for question, row in stances.items() if len(row) > 1}
    counted = {} if positions is None else {text: n for text, n in positions.items() if text in table}
    return VoiceReport(
        questions=len(table),
        directed=sum(by_text[text].direction != 0 for text in table),
        texts=_text_figures(rows, told, seed),
        spread=metrics.mean([float(np.var(row)) for row in several.values()], list(several), seed=seed),
        two_sided=metrics.mean(
            [float(max(row) >= FIRM and min(row) <= 1 - FIRM) for row in several.values()],
            list(several),
            seed=seed,
        ),
        positions=None
        if positions is None
        else metrics.mean([float(n) for n in counted.values()], list(counted), seed=seed),
        voices=tuple(_voice(id, rows, by_text, told, seed) for id in ids),
        pairs=tuple(_pairs(by_text, stances, pairs, seed)),
    )


def _text_figures(rows: Sequence[JudgedComment], personas: Mapping[str, str], seed: int) -> TextFigures:
    def mean(values: Sequence[tuple[float, JudgedComment]]) -> Estimate:
        return metrics.mean(
            [value for value, _ in values], [judgement.comment.question for _, judgement in values], seed=seed
        )

    def invents(comment: VoiceComment) -> bool:
        return bool(invented_figures(comment.text, (comment.question, personas.get(comment.community, ""))))

    verdicts = [
        (judgement.verdict, judgement) for judgement in rows if isinstance(judgement.verdict, CommentVerdict)
    ]
    blank = [judgement for judgement in rows if not judgement.comment.text.strip()]
    failed = sum(
        isinstance(judgement.verdict, RequestFailure) and bool(judgement.comment.text.strip())
        for judgement in rows
    )
    return TextFigures(
        comments=len(rows),
        judged=len(verdicts),
        failed=failed,
        on_topic=mean(
            [(float(v.on_topic >= 0.5), judgement) for v, judgement in verdicts]
            + [(0.0, judgement) for judgement in blank]
        ),
        repeats=mean([(float(repeats(judgement.comment.text)), judgement) for judgement in rows]),
        invents=mean([(float(invents(judgement.comment)), judgement) for judgement in rows]),
        ends=mean(
            [
                (float(judgement.comment.ends), judgement)
                for judgement in rows
                if judgement.comment.ends is not None
            ]
        ),
        words=mean([(float(len(words(judgement.comment.text))), judgement) for judgement in rows]),
        order_effect=mean([(v.order_effect, judgement) for v, judgement in verdicts]),
    )


def _voice(
    id: str,
    rows: Sequence[JudgedComment],
    questions: Mapping[str, ContestedQuestion],
    personas: Mapping[str, str],
    seed: int,
) -> VoiceFigures:
    own = [judgement for judgement in rows if judgement.comment.community == id]
    stances = [
        (judgement.verdict.yes, questions[judgement.comment.question])
        for judgement in own
        if isinstance(judgement.verdict, CommentVerdict)
    ]
    return VoiceFigures(
        id,
        _text_figures(own, personas, seed),
        metrics.mean([yes for yes, _ in stances], [question.text for _, question in stances], seed=seed),
        tuple(yes for yes, _ in stances),
        tuple(yes if question.direction > 0 else 1 - yes for yes, question in stances if question.direction),
    )


def _pairs(
    questions: Mapping[str, ContestedQuestion],
    stances: Mapping[str, Mapping[str, float]],
    pairs: Sequence[VoicePair],
    seed: int,
) -> list[PairFigures]:
    """One of each pair and, of several, one of all together."""
    figures = [
        _pair(pair.register, pair.left, pair.right, [pair], questions, stances, seed) for pair in pairs
    ]
    if len(pairs) > 1:
        figures.append(_pair(ALL, "", "", pairs, questions, stances, seed))
    return figures


def _pair(
    register: str,
    left: str,
    right: str,
    pairs: Sequence[VoicePair],
    questions: Mapping[str, ContestedQuestion],
    stances: Mapping[str, Mapping[str, float]],
    seed: int,
) -> PairFigures:
    rows = [
        (text, questions[text].direction, row[pair.left], row[pair.right])
        for text, row in stances.items()
        for pair in pairs
        if questions[text].direction and pair.left in row and pair.right in row
    ]
    groups = [text for text, *_ in rows]
    lefts = [direction * a for _, direction, a, _ in rows]
    rights = [direction * b for _, direction, _, b in rows]
    return PairFigures(
        register,
        left,
        right,
        len(set(groups)),
        agrees=metrics.mean(
            [_in_direction(a - b) for a, b in zip(lefts, rights, strict=True)], groups, seed=seed
        ),
        gap=metrics.difference(lefts, rights, groups, seed=seed),
        shuffled=_shuffled(pairs, questions, {text: stances[text] for text in groups}, seed),
    )


def _shuffled(
    pairs: Sequence[VoicePair],
    questions: Mapping[str, ContestedQuestion],
    stances: Mapping[str, Mapping[str, float]],
    seed: int,
) -> tuple[float, float, float] | None:
    """Mean and middle 95 % of `agrees` over permutations of the voices' names; None without questions."""
    generator = np.random.default_rng(seed)
    total, count = np.zeros(PERMUTATIONS), 0
    for text in sorted(stances):
        row = stances[text]
        ids = sorted(row)
        values = np.array([row[id] for id in ids])
        mixed = generator.permuted(np.tile(values, (PERMUTATIONS, 1)), axis=1)
        for pair in pairs:
            if pair.left in row and pair.right in row:
                apart = mixed[:, ids.index(pair.left)] - mixed[:, ids.index(pair.right)]
                total += (np.sign(apart * questions[text].direction) + 1) / 2
                count += 1
    if not count:
        return None
    shares = total / count
    low, high = np.percentile(shares, metrics.intervals.PERCENTILES)
    return float(shares.mean()), float(low), float(high)


def _in_direction(apart: float) -> float:
    return 0.5 if apart == 0 else float(apart > 0)


def _texts_record(texts: TextFigures) -> dict[str, Any]:
    counts = {"comments": texts.comments, "judged": texts.judged, "failed": texts.failed}
    figures = {
        "on_topic": texts.on_topic,
        "repeats": texts.repeats,
        "invents": texts.invents,
        "ends": texts.ends,
        "words": texts.words,
        "order_effect": texts.order_effect,
    }
    return counts | {name: figure.record() for name, figure in figures.items()}


def _pair_record(pair: PairFigures) -> dict[str, Any]:
    mixed = pair.shuffled
    return {
        "register": pair.register,
        "left": pair.left or None,
        "right": pair.right or None,
        "questions": pair.n,
        "agrees": pair.agrees.record(),
        "gap": None if math.isnan(pair.gap.value) else pair.gap.record(),
        "shuffled": None if mixed is None else dict(zip(("mean", "low", "high"), mixed, strict=True)),
    }
