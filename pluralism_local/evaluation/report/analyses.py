"""What a report computes beyond the summaries: gold entropy, examples, pools compared, message faithfulness.

    samples ──gold_entropy──> Estimate
    base, patched (Summaries) ──pool_difference──> Estimate, paired over the samples of both
    responses, comments, NliScorer ──faithfulness_of──> MessageFaithfulness (Modular Pluralism §5, Figure 5)

Nothing here asks a language model but for the NLI scorer's; its scores are kept in the run's folder as they come.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation import metrics
from pluralism_local.evaluation.beside import kept_beside
from pluralism_local.evaluation.comments import CommentsBySample
from pluralism_local.evaluation.journal import Journal
from pluralism_local.evaluation.metrics import Estimate
from pluralism_local.evaluation.nli import NliPair, NliScorer
from pluralism_local.evaluation.nli.base import ENTAILMENT
from pluralism_local.evaluation.nli_cache import RememberedNli, nli_file
from pluralism_local.evaluation.runner import Results
from pluralism_local.evaluation.samples import Prediction, Sample
from pluralism_local.evaluation.stored import StoredEntailment
from pluralism_local.evaluation.summary import RunSummary

PairProgress = Callable[[int, int], None]


@dataclass(frozen=True)
class MessageFaithfulness:
    """How far a method's responses are made of the comments that it was given.

    Attributes:
        reflected: mean over responses of the share of comments that entail at least one sentence, in [0, 1].
        new: mean over responses of the share of sentences that no comment entails, in [0, 1].
        communities: id -> share of its comments that entail at least one sentence.
        silent: comments without text; they count nowhere.
        scorer, scorer_identity: what judged entailment.
        truncated: pairs that were cut to the scorer's limit, of those not remembered.
    """

    method: str
    reflected: Estimate
    new: Estimate
    communities: dict[str, Estimate]
    silent: int
    scorer: str
    scorer_identity: str
    truncated: int


@dataclass(frozen=True, slots=True)
class _Response:
    """A sample's comments that say something, and the sentences of its response; `at` is its first pair."""

    cluster: str
    comments: tuple[tuple[str, str], ...]
    sentences: tuple[str, ...]
    at: int


def faithfulness_of(
    folder: Path,
    samples: Sequence[Sample],
    results: Results,
    comments: CommentsBySample,
    scorer: NliScorer,
    *,
    method: str = "ours",
    seed: int = 0,
    should_stop: ShouldStop = never,
    progress: PairProgress = lambda *_: None,
) -> MessageFaithfulness:
    """Both directions of Figure 5 by argmax: a comment is the premise, a sentence of the response the hypothesis.

    Args:
        folder: of the run; scores are kept in it (see `RememberedNli`), the caller holds its lock.
        comments: by sample id and community id; samples that it lacks, or that failed, are left out.
        seed: of the intervals, which resample situations.
        progress: called with (pairs scored, pairs to score).

    Returns:
        `reflected` is over responses to which something was said, 0 for an empty response; `new` is over responses
        that are not empty. NaN without any.

    Raises:
        InvalidInput: no sample has both comments and an answer of `method`.
        Cancelled, EngineFailure: as the scorer does; what was scored is kept.
        Refused, OSError: as `Journal` does.
    """
    responses = _responses(samples, results.get(method, {}), comments)
    if not responses:
        raise InvalidInput(
            f"No sample has both comments and an answer of '{method}'.",
            "Faithfulness needs a run of ours on an overton task, and the comments that were kept with it.",
        )
    pairs = [
        NliPair(comment, sentence)
        for row in responses
        for _, comment in row.comments
        for sentence in row.sentences
    ]
    own = nli_file(folder, scorer)
    with Journal(own) as journal:
        remembered = RememberedNli(scorer, journal, progress, kept_beside(own, StoredEntailment))
        scores = remembered.score(pairs, should_stop=should_stop)
    entails = scores.argmax(axis=1) == ENTAILMENT if len(pairs) else scores.reshape(-1)
    shares, flags = [], []
    for row in responses:
        size = len(row.comments) * len(row.sentences)
        table = entails[row.at : row.at + size].reshape(len(row.comments), len(row.sentences))
        shares.append(metrics.faithfulness(table))
        flags.append([float(comment_entails.any()) for comment_entails in table])
    speakers = {id for row in comments.values() for id in row}
    return MessageFaithfulness(
        method,
        _mean([(share.reflected, row.cluster) for share, row in zip(shares, responses, strict=True)], seed),
        _mean([(share.new, row.cluster) for share, row in zip(shares, responses, strict=True)], seed),
        {id: _mean(_of_community(id, responses, flags), seed) for id in sorted(speakers)},
        silent=sum(not text.strip() for row in comments.values() for text in row.values()),
        scorer=scorer.name,
        scorer_identity=scorer.identity,
        truncated=scorer.truncated,
    )


def gold_entropy(samples: Sequence[Sample], seed: int = 0) -> Estimate:
    """Mean entropy of the gold distributions in nats; NaN for no samples."""
    return metrics.mean(
        [metrics.entropy(sample.gold) for sample in samples],
        [sample.cluster for sample in samples],
        seed=seed,
    )


def pool_difference(
    base: RunSummary, patched: RunSummary, metric: str, method: str = "ours"
) -> Estimate | None:
    """`patched` − `base` of a method's mean metric, paired over the samples that both have.

    None where they share none, or either lacks the method or the metric per sample.
    """
    left, right = values_by_sample(base, metric, method), values_by_sample(patched, metric, method)
    shared = [sample for sample in base.samples if sample.id in left and sample.id in right]
    if not shared:
        return None
    return metrics.difference(
        [right[sample.id] for sample in shared],
        [left[sample.id] for sample in shared],
        [sample.cluster for sample in shared],
    )


def pool_difference_by_part(
    base: RunSummary,
    patched: RunSummary,
    metric: str,
    part_of: Callable[[Sample], str],
    method: str = "ours",
) -> dict[str, Estimate]:
    """`pool_difference` per part of the samples, sorted by its name."""
    left, right = values_by_sample(base, metric, method), values_by_sample(patched, metric, method)
    members: dict[str, list[Sample]] = {}
    for sample in base.samples:
        if sample.id in left and sample.id in right:
            members.setdefault(part_of(sample), []).append(sample)
    return {
        name: metrics.difference(
            [right[sample.id] for sample in members[name]],
            [left[sample.id] for sample in members[name]],
            [sample.cluster for sample in members[name]],
        )
        for name in sorted(members)
    }


def values_by_sample(summary: RunSummary, metric: str, method: str = "ours") -> dict[str, float]:
    """Sample id -> figure; empty where the method was not run or the metric is no mean."""
    scores = summary.methods.get(method)
    values = [] if scores is None else scores.values.get(metric, [])
    return dict(zip((sample.id for sample in summary.samples), values, strict=False))


def on_samples(summary: RunSummary, metric: str, sample_ids: Iterable[str], method: str = "ours") -> Estimate:
    """A method's mean metric over the samples of these ids; NaN for none."""
    values = values_by_sample(summary, metric, method)
    ids = set(sample_ids) & values.keys()
    samples = [sample for sample in summary.samples if sample.id in ids]
    return metrics.mean([values[sample.id] for sample in samples], [sample.cluster for sample in samples])


def base_of(pool: str) -> str | None:
    """The pool that this one patches: ``"perspectives"`` of ``"perspectives+culture-asia"``; None if it is none."""
    base, plus, _ = pool.rpartition("+")
    return base if plus else None


def examples(summary: RunSummary, method: str) -> list[tuple[str, Sample, float]]:
    """Three samples by a method's J–S distance: the nearest, the middle one and the farthest, each once.

    Never chosen by hand: equal distances go by the sample's id, questions with a single option are passed over.
    """
    values = values_by_sample(summary, "js_distance", method)
    ordered = sorted(
        (sample for sample in summary.samples if sample.id in values and len(sample.options) > 1),
        key=lambda sample: (values[sample.id], sample.id),
    )
    places = {"nearest": 0, "middle": (len(ordered) - 1) // 2, "farthest": len(ordered) - 1}
    chosen: dict[str, tuple[str, Sample, float]] = {}
    for name, place in places.items() if ordered else ():
        sample = ordered[place]
        chosen.setdefault(sample.id, (name, sample, values[sample.id]))
    return list(chosen.values())


def _responses(
    samples: Sequence[Sample], answers: Mapping[str, object], comments: CommentsBySample
) -> list[_Response]:
    responses, at = [], 0
    for sample in samples:
        answer = answers.get(sample.id)
        if not isinstance(answer, Prediction) or sample.id not in comments:
            continue
        spoken = tuple((id, text) for id, text in comments[sample.id].items() if text.strip())
        row = _Response(sample.cluster, spoken, tuple(metrics.sentences(answer.output or "")), at)
        at += len(row.comments) * len(row.sentences)
        responses.append(row)
    return responses


def _of_community(
    id: str, responses: Sequence[_Response], flags: Sequence[Sequence[float]]
) -> list[tuple[float, str]]:
    return [
        (flag, row.cluster)
        for row, row_flags in zip(responses, flags, strict=True)
        for (name, _), flag in zip(row.comments, row_flags, strict=True)
        if name == id
    ]


def _mean(values: Sequence[tuple[float, str]], seed: int) -> Estimate:
    """Over those that are defined."""
    defined = [(value, group) for value, group in values if not math.isnan(value)]
    return metrics.mean([value for value, _ in defined], [group for _, group in defined], seed=seed)
