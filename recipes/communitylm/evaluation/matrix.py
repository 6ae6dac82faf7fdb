"""The result of an evaluation: perplexity of every text under every model, and what it says of the targets.

    losses[text][model] = [Loss per passage, the same passages for every model] ──tabulate──> Matrix ──record──> JSON

Intervals are of the ratio perplexity(model) / perplexity(own adapter) on a text: 95 %, bootstrapped over speakers
(passages of one speaker are not independent; both models on the same speakers), as `plocal eval` does it. Below 1 the
model does better than the own adapter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from communitylm.evaluation.perplexity import Loss
from pluralism_local.evaluation.metrics import Estimate, estimate

BASE = "base"
IMPROVEMENT = 0.10
CULTURE = "culture-"
CULTURES_OWN_BEST = 5 / 6
"""Targets: an own adapter lowers perplexity by a tenth; five of six cultures are best under their own."""

Losses = Mapping[str, Mapping[str, Sequence[Loss]]]


@dataclass(frozen=True)
class Matrix:
    """Perplexities with the base first.

    Attributes:
        texts, models: ids; `models[0]` is ``"base"``.
        perplexity: text -> model -> exp of the mean loss per token.
        tokens, passages, groups: per text; groups are speakers, or documents where no speaker is named.
        interval: text -> model -> (low, high) of the ratio to the own adapter; for texts of several groups that have
            one.
        opposites: text -> models that must do worse on it than its own.
        nats: text -> model -> summed loss, for the record.
    """

    texts: tuple[str, ...]
    models: tuple[str, ...]
    perplexity: dict[str, dict[str, float]]
    tokens: dict[str, int]
    passages: dict[str, int]
    groups: dict[str, int]
    interval: dict[str, dict[str, tuple[float, float]]]
    opposites: Mapping[str, tuple[str, ...]]
    nats: dict[str, dict[str, float]] = field(default_factory=dict)

    def checks(self) -> dict[str, dict[str, Any]]:
        """Per text with an own adapter: own and base perplexity, improvement (a share), best model, opposites.

        Of an opposite, `own_is_better` compares the figures and `clear` says whether the whole interval of the ratio
        lies above 1: without it the order may be chance.
        """
        checks = {}
        for text in self.texts:
            row = self.perplexity[text]
            if text not in row:
                continue
            own, base = row[text], row[BASE]
            checks[text] = {
                "own": own,
                "base": base,
                "improvement": 1 - own / base,
                "best": min(row, key=lambda model: row[model]),
                "opposites": {
                    model: self._against(text, model)
                    for model in self.opposites.get(text, ())
                    if model in row
                },
            }
        return checks

    def _against(self, text: str, model: str) -> dict[str, Any]:
        own, other = self.perplexity[text][text], self.perplexity[text][model]
        low, high = self.interval.get(text, {}).get(model, (None, None))
        return {
            "perplexity": other,
            "ratio": other / own,
            "own_is_better": own < other,
            "interval": None if low is None else [low, high],
            "clear": low is not None and low > 1,
        }

    def unclear(self) -> list[str]:
        """A sentence per opposite that the own adapter beats within the interval of chance."""
        return [
            f"{text}: better than {model} only within chance (ratio {against['ratio']:.4f}, {_interval(against)}); "
            "score more tokens or speakers."
            for text, check in self.checks().items()
            for model, against in check["opposites"].items()
            if against["own_is_better"] and not against["clear"]
        ]

    def missed(self) -> list[str]:
        """A sentence per target that was missed."""
        checks = self.checks()
        missed = [
            f"{text}: its own adapter lowers perplexity by {100 * check['improvement']:.1f} %, less than 10 %."
            for text, check in checks.items()
            if check["improvement"] < IMPROVEMENT
        ]
        for text, check in checks.items():
            for model, against in check["opposites"].items():
                if not against["own_is_better"]:
                    missed.append(f"{text}: {model} does better on its text (ratio {against['ratio']:.4f}).")
            missed += [
                f"{text}: its opposite {model} was not evaluated; give its configuration, too."
                for model in self.opposites.get(text, ())
                if model not in check["opposites"]
            ]
        cultures = [text for text in checks if text.startswith(CULTURE)]
        best = [text for text in cultures if checks[text]["best"] == text]
        if len(best) < CULTURES_OWN_BEST * len(cultures):
            others = ", ".join(
                f"{text} (best: {checks[text]['best']})" for text in cultures if text not in best
            )
            missed.append(
                f"Only {len(best)} of {len(cultures)} cultures are best under their own adapter: {others}."
            )
        return missed

    def record(self) -> dict[str, Any]:
        """As in the JSON file."""
        return {
            "texts": list(self.texts),
            "models": list(self.models),
            "perplexity": self.perplexity,
            "tokens": self.tokens,
            "passages": self.passages,
            "groups": self.groups,
            "log_loss_nats": self.nats,
            "interval": {
                text: {m: list(pair) for m, pair in row.items()} for text, row in self.interval.items()
            },
            "checks": self.checks(),
            "missed": self.missed(),
            "unclear": self.unclear(),
        }


def tabulate(
    losses: Losses,
    models: Sequence[str],
    opposites: Mapping[str, tuple[str, ...]],
    groups: Mapping[str, Sequence[str]],
    seed: int = 0,
) -> Matrix:
    """Add up losses; `models` begins with ``"base"``, `groups` says of each passage of a text whose it is.

    Raises:
        ValueError: a text's models were not scored on the same passages (a bug).
    """
    perplexity: dict[str, dict[str, float]] = {}
    total: dict[str, dict[str, float]] = {}
    interval: dict[str, dict[str, tuple[float, float]]] = {}
    tokens: dict[str, int] = {}
    for text, row in losses.items():
        counts = {model: [loss.tokens for loss in row[model]] for model in models}
        if any(counts[model] != counts[models[0]] for model in models):
            raise ValueError(f"{text} was not scored on the same passages by every model")
        tokens[text] = sum(counts[models[0]])
        nats = {model: np.array([loss.nats for loss in row[model]]) for model in models}
        total[text] = {model: math.fsum(nats[model]) for model in models}
        perplexity[text] = {model: math.exp(total[text][model] / tokens[text]) for model in models}
        if text in models and len(set(groups[text])) > 1:
            sizes = np.array(counts[models[0]])
            ratios = {model: _ratio(nats[model] - nats[text], sizes, groups[text], seed) for model in models}
            interval[text] = {
                model: (ratio.low, ratio.high)
                for model, ratio in ratios.items()
                if ratio.low is not None and ratio.high is not None
            }
    return Matrix(
        texts=tuple(losses),
        models=tuple(models),
        perplexity=perplexity,
        tokens=tokens,
        passages={text: len(row[models[0]]) for text, row in losses.items()},
        groups={text: len(set(groups[text])) for text in losses},
        interval=interval,
        opposites=dict(opposites),
        nats=total,
    )


def _ratio(
    differences: npt.NDArray[np.float64], sizes: npt.NDArray[np.int64], groups: Sequence[str], seed: int
) -> Estimate:
    """exp(Σ differences / Σ sizes), each [passages], in nats and tokens."""
    return estimate(
        lambda places: float(np.exp(differences[places].sum() / sizes[places].sum())), groups, seed=seed
    )


def _interval(against: Mapping[str, Any]) -> str:
    if against["interval"] is None:
        return "of a single speaker"
    low, high = against["interval"]
    return f"95 % {low:.3f} to {high:.3f}"
