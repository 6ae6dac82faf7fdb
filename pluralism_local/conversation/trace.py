"""Who said this? For every sentence of an answer the comments that it can come from.

    answer ──sentences──> each ──cosine of TF-IDF vectors──> the nearest sentence of every comment ──> Traced
                               ──P(entailment)──> the sentence of every comment that bears it out  ──> Traced
    Result ──trace_result──> Traced… ──trace_record──> the list that ``--json`` shows

The first measure is lexical, and says so: content words that two sentences share, rare ones counting more. It finds
what was quoted or paraphrased closely; it knows nothing of meaning, so a score of 0 does not say that nobody said it.
Words are folded to small letters and a plural or verb ending of English is dropped; other languages work word by word.
The second asks the scorer of entailment, where there is one: it takes seconds, and finds what was said in other words.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from pluralism_local.content_words import content_words
from pluralism_local.mode_specs import SPECS
from pluralism_local.positions.claims import claim_id
from pluralism_local.results import Result
from pluralism_local.sentences import sentences

if TYPE_CHECKING:
    from pluralism_local.engine.base import ShouldStop
    from pluralism_local.modes.steps import Entailment

Measure = Literal["words", "entailment"]

TRACEABLE = tuple(spec.name for spec in SPECS.values() if spec.comments == "together")
"""Modes whose answer is written from all comments together."""

FAINT: dict[Measure, float] = {"words": 0.15, "entailment": 0.5}
"""Scores below this are shown as nobody's: a word or two in common is no source."""

TITLES: dict[Measure, str] = {
    "words": "Who said this? (words in common)",
    "entailment": "Who said this? (what a comment entails)",
}

MOST_SENTENCES, MOST_PREMISES = 16, 12
"""Of an answer and of a comment, at most, that the scorer reads: every two of them are a pair."""


@dataclass(frozen=True, slots=True)
class Near:
    """A comment and how near it comes.

    Attributes:
        score: in [0, 1]; by words 1 for the same content words in the same proportions and 0 for none in common.
        sentence: the comment's sentence that comes nearest; empty when the score is 0.
    """

    community: str
    score: float
    sentence: str


@dataclass(frozen=True, slots=True)
class Traced:
    """A sentence of the answer, and every comment, nearest first (equal scores in the comments' order)."""

    sentence: str
    nearest: tuple[Near, ...]


@dataclass(frozen=True, slots=True)
class Sources:
    """An answer, traced sentence by sentence, and the measure of the scores."""

    measure: Measure
    sentences: tuple[Traced, ...]


def trace(answer: str, comments: Sequence[tuple[str, str]]) -> list[Traced]:
    """Trace each sentence of `answer` to the comments, given as (community, text).

    Word weights are ``ln((1 + n) / (1 + df)) + 1`` over the n sentences of all comments, so a word that every
    community uses tells little. Takes time linear in the texts times their sentences; nothing fails.
    """
    parts = [(community, sentence) for community, text in comments for sentence in sentences(text)]
    counts = [Counter(content_words(sentence)) for _, sentence in parts]
    weights = _weights(counts)
    vectors = [_unit(count, weights, len(counts)) for count in counts]
    return [
        Traced(sentence, _nearest(sentence, comments, parts, vectors, weights))
        for sentence in sentences(answer)
    ]


def trace_by_entailment(
    answer: str, comments: Sequence[tuple[str, str]], scorer: Entailment, should_stop: ShouldStop
) -> list[Traced]:
    """As `trace`; a score is the largest P(entailment) of a sentence of the answer by one of the comment's.

    Of an answer the first 16 sentences are traced, by the first 12 of each comment.

    Raises: as `scorer`, Cancelled when stopped.
    """
    premises = {community: sentences(text)[:MOST_PREMISES] for community, text in comments}
    traced = sentences(answer)[:MOST_SENTENCES]
    pairs = dict.fromkeys((part, each) for each in traced for parts in premises.values() for part in parts)
    scored = [pair for pair in pairs if not _is_same(*pair)]
    rows = scorer(scored, should_stop) if scored else []
    entailed = dict.fromkeys(pairs, 1.0)
    entailed.update((pair, min(1.0, float(row[0]))) for pair, row in zip(scored, rows, strict=True))
    return [Traced(each, _bearing_out(each, premises, entailed)) for each in traced]


def _is_same(part: str, sentence: str) -> bool:
    """Whether a comment says it word for word."""
    return claim_id(part) == claim_id(sentence)


def _bearing_out(
    sentence: str, premises: Mapping[str, Sequence[str]], entailed: Mapping[tuple[str, str], float]
) -> tuple[Near, ...]:
    nearest = []
    for community, parts in premises.items():
        best = max(parts, key=lambda part: entailed[part, sentence], default="")
        nearest.append(Near(community, entailed[best, sentence] if best else 0.0, best))
    return tuple(sorted(nearest, key=lambda near: -near.score))


def trace_result(result: Result) -> list[Traced]:
    """As `trace`, of an answer and the comments that say something."""
    return trace(
        result.answer,
        [(comment.community, comment.text) for comment in result.comments if comment.text.strip()],
    )


def trace_record(traced: Sequence[Traced]) -> list[dict[str, Any]]:
    """``[{"sentence": …, "nearest": [{"community", "score", "sentence"} …]} …]``, as JSON takes it."""
    return [asdict(sentence) for sentence in traced]


def _weights(counts: Sequence[Counter[str]]) -> dict[str, float]:
    sentences_with = Counter(word for count in counts for word in count)
    return {word: math.log((1 + len(counts)) / (1 + df)) + 1 for word, df in sentences_with.items()}


def _unit(count: Counter[str], weights: Mapping[str, float], sentences_in_all: int) -> dict[str, float]:
    """The TF-IDF vector of length 1; empty for a sentence without content words."""
    unseen = math.log(1 + sentences_in_all) + 1
    vector = {word: times * weights.get(word, unseen) for word, times in count.items()}
    length = math.sqrt(math.fsum(value * value for value in vector.values()))
    return {word: value / length for word, value in vector.items()} if length else {}


def _nearest(
    sentence: str,
    comments: Sequence[tuple[str, str]],
    parts: Sequence[tuple[str, str]],
    vectors: Sequence[Mapping[str, float]],
    weights: Mapping[str, float],
) -> tuple[Near, ...]:
    own = _unit(Counter(content_words(sentence)), weights, len(parts))
    best = {community: Near(community, 0.0, "") for community, _ in comments}
    for (community, part), vector in zip(parts, vectors, strict=True):
        score = min(1.0, math.fsum(value * vector.get(word, 0.0) for word, value in own.items()))
        if score > best[community].score:
            best[community] = Near(community, score, part)
    return tuple(sorted(best.values(), key=lambda near: -near.score))
