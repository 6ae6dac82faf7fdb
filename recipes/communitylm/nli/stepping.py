"""The stepping of an NLI training, and the evaluation of an adapter in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from communitylm.nli.data import SourcedPair
from communitylm.nli.objective import collate, loss_and_guesses
from communitylm.nli.planning import NliPlan
from communitylm.progress import Say
from communitylm.training import stepping
from communitylm.training.examples import Example
from communitylm.training.hardware import computing
from communitylm.training.token_losses import Batch


class _Tally:
    """The training's loss, which counts right guesses; loss and accuracy are means since the last report."""

    def __init__(self, plan: NliPlan) -> None:
        self._plan = plan
        self._right = self._pairs = 0
        self._nats = 0.0

    def loss(self, model: Any, batch: Batch) -> torch.Tensor:
        words = torch.tensor(self._plan.words, device=batch["labels"].device)
        with computing(self._plan.device, self._plan.precision):
            total, guesses = loss_and_guesses(model, batch, self._plan.words)
        self._right += int((words[guesses] == batch["labels"]).sum())
        self._pairs += len(guesses)
        self._nats += float(total.detach())
        return total

    def figures(self, _logs: Mapping[str, float]) -> dict[str, float]:
        figures = {"loss": self._nats / self._pairs, "accuracy": self._right / self._pairs}
        self._right = self._pairs = 0
        self._nats = 0.0
        return figures


def run_trainer(
    model: Any, plan: NliPlan, folder: Path, *, resume: Path | None, say: Say, seconds: float | None = None
) -> float:
    """Train `model` in place; see `communitylm.training.stepping.run_trainer`."""
    tally, steps = _Tally(plan), plan.by_step()
    return stepping.run_trainer(
        model,
        plan,
        folder,
        loss=tally.loss,
        collate=collate,
        counts={
            "tokens": [len(step[0].prompt) + sum(len(pair.answer) - 1 for pair in step) for step in steps],
            "pairs": [len(step) for step in steps],
        },
        figures=tally.figures,
        resume=resume,
        say=say,
        seconds=seconds,
    )


@dataclass(frozen=True, slots=True)
class HeldOutFigures:
    """Held-out pairs: how many, mean loss (nats per pair), share of right words, and that by file (right, of)."""

    pairs: int
    loss: float
    accuracy: float
    by_file: dict[str, tuple[int, int]]


def evaluate(
    model: Any, plan: NliPlan, rows: Sequence[tuple[SourcedPair, Example]], *, base: bool = False
) -> HeldOutFigures:
    """Loss and accuracy over `rows`, at least one; of the bare base if asked."""
    total, by_file = 0.0, dict.fromkeys(sorted({row.source for row, _ in rows}), (0, 0))
    with stepping.evaluating(model, plan, base=base):
        for places, batch in stepping.batches([example for _, example in rows], plan, collate):
            loss, guesses = loss_and_guesses(model, batch, plan.words)
            total += float(loss)
            for place, guess in zip(places, guesses.tolist(), strict=True):
                row, example = rows[place]
                right, seen = by_file[row.source]
                by_file[row.source] = (right + (plan.words[guess] == example.answer[-1]), seen + 1)
    right = sum(right for right, _ in by_file.values())
    return HeldOutFigures(len(rows), total / len(rows), right / len(rows), by_file)
