"""From comments and what a judge made of them to figures; no model, no file.

    [Judged], questions, pairs ──report──> Report(voices, pairs, pool) ──record──> JSON

Every figure has a 95 % interval, bootstrapped over questions. P(yes) is `Verdict.yes`.

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
from pluralism_local.evaluation.asking import Failure
from pluralism_local.evaluation.metrics import Estimate
from pluralism_local.evaluation.voices.comments import VoiceComment
from pluralism_local.evaluation.voices.judgements import Verdict
from pluralism_local.evaluation.voices.pairs import VoicePair
from pluralism_local.evaluation.voices.questions import Question
from pluralism_local.evaluation.voices.texts import invented_figures, repeats, words

PERMUTATIONS = 1000
FIRM = 2 / 3
ALL = "all"


@dataclass(frozen=True, slots=True)
class Judged:
    """A comment and its verdict; a Failure where it could not be judged, None where it was not yet."""

    comment: VoiceComment
    verdict: Verdict | Failure | None


@dataclass(frozen=True)
class TextFigures:
    """Of some comments.

    Attributes:
        comments, judged, failed: how many there are, have a verdict, could not be judged.
        on_topic: share whose `Verdict.on_topic` is at least 1/2.
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
class Report:
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
            "voices": [
                {"id": one.id, **_texts_record(one.texts), "yes": one.yes.record()} for one in self.voices
            ],
            "pairs": [_pair_record(one) for one in self.pairs],
        }


def report(
    questions: Sequence[Question],
    judged: Sequence[Judged],
    pairs: Sequence[VoicePair] = (),
    *,
    personas: Mapping[str, str] | None = None,
    positions: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Report:
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
    by_text = {one.text: one for one in questions}
    rows = [one for one in judged if one.comment.question in by_text]
    table: dict[str, dict[str, Judged]] = defaultdict(dict)
    for one in rows:
        if one.comment.community in table[one.comment.question]:
            raise ValueError(f"{one.comment.community} comments twice on '{one.comment.question}'")
        table[one.comment.question][one.comment.community] = one
    stances = {
        question: {id: one.verdict.yes for id, one in row.items() if isinstance(one.verdict, Verdict)}
        for question, row in table.items()
    }
    told = personas or {}
    ids = list(dict.fromkeys(one.comment.community for one in rows))
    several = {question: list(row.values()) for question, row in stances.items() if len(row) > 1}
    counted = {} if positions is None else {text: n for text, n in positions.items() if text in table}
    return Report(
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


def _text_figures(rows: Sequence[Judged], personas: Mapping[str, str], seed: int) -> TextFigures:
    def mean(values: Sequence[tuple[float, Judged]]) -> Estimate:
        return metrics.mean(
            [value for value, _ in values], [one.comment.question for _, one in values], seed=seed
        )

    def invents(one: VoiceComment) -> bool:
        return bool(invented_figures(one.text, (one.question, personas.get(one.community, ""))))

    verdicts = [(one.verdict, one) for one in rows if isinstance(one.verdict, Verdict)]
    blank = [one for one in rows if not one.comment.text.strip()]
    failed = sum(isinstance(one.verdict, Failure) and bool(one.comment.text.strip()) for one in rows)
    return TextFigures(
        comments=len(rows),
        judged=len(verdicts),
        failed=failed,
        on_topic=mean(
            [(float(v.on_topic >= 0.5), one) for v, one in verdicts] + [(0.0, one) for one in blank]
        ),
        repeats=mean([(float(repeats(one.comment.text)), one) for one in rows]),
        invents=mean([(float(invents(one.comment)), one) for one in rows]),
        ends=mean([(float(one.comment.ends), one) for one in rows if one.comment.ends is not None]),
        words=mean([(float(len(words(one.comment.text))), one) for one in rows]),
        order_effect=mean([(v.order_effect, one) for v, one in verdicts]),
    )


def _voice(
    id: str, rows: Sequence[Judged], questions: Mapping[str, Question], personas: Mapping[str, str], seed: int
) -> VoiceFigures:
    own = [one for one in rows if one.comment.community == id]
    stances = [
        (one.verdict.yes, questions[one.comment.question]) for one in own if isinstance(one.verdict, Verdict)
    ]
    return VoiceFigures(
        id,
        _text_figures(own, personas, seed),
        metrics.mean([yes for yes, _ in stances], [one.text for _, one in stances], seed=seed),
        tuple(yes for yes, _ in stances),
        tuple(yes if one.direction > 0 else 1 - yes for yes, one in stances if one.direction),
    )


def _pairs(
    questions: Mapping[str, Question],
    stances: Mapping[str, Mapping[str, float]],
    pairs: Sequence[VoicePair],
    seed: int,
) -> list[PairFigures]:
    """One of each pair and, of several, one of all together."""
    found = [_pair(one.register, one.left, one.right, [one], questions, stances, seed) for one in pairs]
    if len(pairs) > 1:
        found.append(_pair(ALL, "", "", pairs, questions, stances, seed))
    return found


def _pair(
    register: str,
    left: str,
    right: str,
    pairs: Sequence[VoicePair],
    questions: Mapping[str, Question],
    stances: Mapping[str, Mapping[str, float]],
    seed: int,
) -> PairFigures:
    rows = [
        (text, questions[text].direction, row[one.left], row[one.right])
        for text, row in stances.items()
        for one in pairs
        if questions[text].direction and one.left in row and one.right in row
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
    questions: Mapping[str, Question],
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
        for one in pairs:
            if one.left in row and one.right in row:
                apart = mixed[:, ids.index(one.left)] - mixed[:, ids.index(one.right)]
                total += (np.sign(apart * questions[text].direction) + 1) / 2
                count += 1
    if not count:
        return None
    shares = total / count
    low, high = np.percentile(shares, metrics.intervals.PERCENTILES)
    return float(shares.mean()), float(low), float(high)


def _in_direction(apart: float) -> float:
    return 0.5 if apart == 0 else float(apart > 0)


def _texts_record(one: TextFigures) -> dict[str, Any]:
    counts = {"comments": one.comments, "judged": one.judged, "failed": one.failed}
    figures = {
        "on_topic": one.on_topic,
        "repeats": one.repeats,
        "invents": one.invents,
        "ends": one.ends,
        "words": one.words,
        "order_effect": one.order_effect,
    }
    return counts | {name: figure.record() for name, figure in figures.items()}


def _pair_record(one: PairFigures) -> dict[str, Any]:
    mixed = one.shuffled
    return {
        "register": one.register,
        "left": one.left or None,
        "right": one.right or None,
        "questions": one.n,
        "agrees": one.agrees.record(),
        "gap": None if math.isnan(one.gap.value) else one.gap.record(),
        "shuffled": None if mixed is None else dict(zip(("mean", "low", "high"), mixed, strict=True)),
    }
