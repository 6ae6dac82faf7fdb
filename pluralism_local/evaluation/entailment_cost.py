"""What entailment adds to a run whose texts are scored by it: pairs at most, and minutes by a probe of the scorer.

    estimate's record, RunSetup, methods, NliScorer ──with_entailment──> the record, these pairs and minutes in it

Of a run of the paper's Overton task with a small scorer this is most of the time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from pluralism_local.evaluation.methods import METHODS
from pluralism_local.evaluation.nli import NliPair, NliScorer
from pluralism_local.evaluation.runner import RunSetup

TOKENS_OF_A_SENTENCE = 24
"""Of 500 responses of at most 112 tokens, whose pairs were counted (recipes/LOG.md)."""

PROBE_PREMISES, PROBE_HYPOTHESES = 2, 6
"""Pairs of one premise share its computation, in a run about as many as here."""


def with_entailment(
    record: Mapping[str, Any], setup: RunSetup, methods: Sequence[str], scorer: NliScorer
) -> dict[str, Any]:
    """`record` with the keys "entailment_pairs" and "pairs_per_second", and their minutes in "minutes".

    Args:
        record: of `estimate.estimate`.
        methods: of the run, controls among them: a control's responses meet other viewpoints.

    Raises:
        EngineFailure: as the scorer does.
    """
    pairs, rate = pairs_at_most(setup, methods), _rate(setup, scorer)
    return {
        **record,
        "entailment_pairs": pairs,
        "pairs_per_second": round(rate, 1),
        "minutes": round(record["minutes"] + pairs / rate / 60, 1),
    }


def pairs_at_most(setup: RunSetup, methods: Sequence[str]) -> int:
    """Sentences × viewpoints of all responses, in the directions that the task asks for; 0 for other tasks."""
    if setup.task.answers != "text":
        return 0
    responses = sum(name in METHODS or name == "shuffled" for name in methods)
    sentences = -(-setup.answer.max_tokens // TOKENS_OF_A_SENTENCE)
    viewpoints = sum(len(setup.task.viewpoints(sample)) for sample in setup.samples)
    return responses * sentences * viewpoints * (1 if setup.task.windows else 2)


def _rate(setup: RunSetup, scorer: NliScorer) -> float:
    """Pairs a second, of texts as long as these viewpoints."""
    texts = [setup.samples[0].question]
    for sample in setup.samples:
        texts += [viewpoint.text for viewpoint in setup.task.viewpoints(sample)]
        if len(texts) > PROBE_HYPOTHESES:
            break
    pairs = [
        NliPair(premise, hypothesis)
        for premise in texts[-PROBE_PREMISES:]
        for hypothesis in texts[:PROBE_HYPOTHESES]
    ]
    scorer.score(pairs[:1])  # whatever is loaded or written the first time
    began = time.perf_counter()
    scorer.score(pairs)
    return len(pairs) / max(time.perf_counter() - began, 1e-6)
