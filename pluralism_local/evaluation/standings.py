"""What judges' verdicts on pairs of responses come to: how often a method wins, and how far judges agree.

    the PairVerdicts of a judge       ──standing──> win, tie and lose shares of a, position bias
    the PairVerdicts of several judges ──agreement──> Fleiss' kappa

Intervals are over situations: pairs of one situation are not independent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pluralism_local.evaluation import metrics
from pluralism_local.evaluation.batch_calls import RequestFailure
from pluralism_local.evaluation.judging import PairJudgement, PairVerdict, ResponsePair
from pluralism_local.evaluation.metrics import Estimate
from pluralism_local.evaluation.metrics.agreement import PairOutcome

OUTCOMES: tuple[PairOutcome, ...] = ("win", "tie", "lose")
HUMANS_KAPPA = 0.4678
"""Fleiss' kappa of the paper's five annotators (§4)."""


@dataclass(frozen=True)
class Standing:
    """Of a against an opponent.

    Attributes:
        shares: of pairs that a wins, ties and loses, summing to 1; NaN without pairs, and where no answer of the judge
            could be read.
        n: pairs with a verdict; `failed` and `missing` have none.
        unparsed: of the 2 n answers.
        position_bias: "flipped" and "inconsistent", shares of the n pairs (see `PairVerdict`); "first" and "second",
            shares of "1" and "2" among the 2 n answers, equal for a judge who does not mind the place. NaN as `shares`.
    """

    shares: dict[PairOutcome, Estimate]
    n: int
    failed: int
    missing: int
    unparsed: int
    position_bias: dict[str, float]

    def record(self) -> dict[str, Any]:
        """JSON-ready; NaN is None."""
        bias = {name: None if math.isnan(share) else share for name, share in self.position_bias.items()}
        counts = {"n": self.n, "failed": self.failed, "missing": self.missing, "unparsed": self.unparsed}
        return {
            **{name: share.record() for name, share in self.shares.items()},
            **counts,
            "position_bias": bias,
        }


def standing(pairs: Sequence[ResponsePair], judged: Sequence[PairJudgement], *, seed: int = 0) -> Standing:
    """Count verdicts; intervals are over situations."""
    decided = [
        (pair, judgement)
        for pair, judgement in zip(pairs, judged, strict=True)
        if isinstance(judgement, PairVerdict)
    ]
    groups, verdicts = [pair.situation for pair, _ in decided], [verdict for _, verdict in decided]
    answers = [answer for verdict in verdicts for answer in (verdict.first, verdict.second)]
    silent = all(verdict.silent for verdict in verdicts)
    return Standing(
        shares={
            name: metrics.mean(
                [math.nan if silent else float(verdict.outcome == name) for verdict in verdicts],
                groups,
                seed=seed,
            )
            for name in OUTCOMES
        },
        n=len(verdicts),
        failed=sum(isinstance(judgement, RequestFailure) for judgement in judged),
        missing=sum(judgement is None for judgement in judged),
        unparsed=answers.count(None),
        position_bias={
            "flipped": _share([verdict.flipped for verdict in verdicts], silent),
            "inconsistent": _share([verdict.inconsistent for verdict in verdicts], silent),
            "first": _share([answer == "1" for answer in answers], silent),
            "second": _share([answer == "2" for answer in answers], silent),
        },
    )


def agreement(
    pairs: Mapping[str, Sequence[ResponsePair]],
    judges: Sequence[Mapping[str, Sequence[PairJudgement]]],
    *,
    seed: int = 0,
) -> Estimate | None:
    """Fleiss' kappa over win, tie and lose of the pairs, of all opponents, that every judge gave a readable verdict on.

    None with fewer than two judges; NaN as `metrics.fleiss_kappa`, and without such a pair.
    """
    if len(judges) < 2:
        return None
    counts, groups = [], []
    for opponent, row in pairs.items():
        for pair, judgements in zip(
            row, zip(*(judge[opponent] for judge in judges), strict=True), strict=True
        ):
            outcomes = [
                judgement.outcome
                for judgement in judgements
                if isinstance(judgement, PairVerdict) and not judgement.silent
            ]
            if len(outcomes) == len(judges):
                counts.append([outcomes.count(name) for name in OUTCOMES])
                groups.append(pair.situation)
    table = np.array(counts, dtype=np.int64).reshape(-1, 3)
    return metrics.estimate(lambda places: metrics.fleiss_kappa(table[places]), groups, seed=seed)


def _share(values: Sequence[bool], silent: bool) -> float:
    return math.nan if silent or not values else sum(values) / len(values)
