"""The stepping of a community's training: of one community, of two together, or of a contrast."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from communitylm.community import together
from communitylm.community.contrast import contrast_loss
from communitylm.community.objective import collate, summed_loss
from communitylm.community.planning import CommunityPlan
from communitylm.progress import Say
from communitylm.training import stepping
from communitylm.training.stepping import MeanLossTrainer, OrderedTrainer


class _TogetherTrainer(OrderedTrainer):
    """Two adapters at once; see `together`."""

    def __init__(self, apart: float, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._apart = apart

    def create_optimizer(self, _model: Any = None) -> torch.optim.Optimizer:
        self.optimizer = together.optimizer(
            self.model,
            rate=self.args.learning_rate,
            apart=self._apart,
            weight_decay=self.args.weight_decay,
        )
        return self.optimizer

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        together.load_checkpoint(self.model if model is None else model, Path(resume_from_checkpoint))


def run_trainer(
    model: Any,
    plan: CommunityPlan,
    folder: Path,
    *,
    resume: Path | None,
    say: Say,
    seconds: float | None = None,
) -> float:
    """Train `model` in place; see `communitylm.training.stepping.run_trainer`."""
    contrast = plan.settings.values.contrast
    loss: stepping.Loss = summed_loss
    trainer: Callable[..., OrderedTrainer] = OrderedTrainer
    if contrast is not None:
        loss, trainer = partial(contrast_loss, beta=contrast.beta, anchor=contrast.anchor), MeanLossTrainer
    elif plan.partner is not None:
        loss = partial(together.summed_over_sides, loss=summed_loss)
        trainer = partial(_TogetherTrainer, plan.settings.values.training.apart)
    return stepping.run_trainer(
        model,
        plan,
        folder,
        loss=loss,
        collate=collate,
        counts={"tokens": [sum(example.losses for example in step) for step in plan.by_step()]},
        trainer=trainer,
        resume=resume,
        say=say,
        seconds=seconds,
    )


def evaluate(model: Any, plan: CommunityPlan, *, base: bool = False) -> float:
    """Mean loss over the plan's held-out examples, nats per token, under the active adapter, or the bare base."""
    total = 0.0
    with stepping.evaluating(model, plan, base=base):
        for _, batch in stepping.batches(plan.held_out, plan, collate):
            total += float(summed_loss(model, batch))
    return total / sum(example.losses for example in plan.held_out)
