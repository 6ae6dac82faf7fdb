"""The stepping of a training of sides, and how far its two sides differ on held-out questions."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from communitylm.progress import Say
from communitylm.sides.examples import SidedExample
from communitylm.sides.objective import differences, held_rows, log_probabilities, sided_rows, step_loss
from communitylm.sides.planning import SidesPlan
from communitylm.sides.prompt_states import PromptStates
from communitylm.training import stepping
from communitylm.training.examples import Tokens
from communitylm.training.token_losses import Batch

REPORTED = 200
"""Prompts between two lines that tell how many are read."""


def read_prompts(model: Any, plan: SidesPlan, say: Say) -> PromptStates:
    """The states of all that the plan ever asks."""
    told = 0

    def report(done: int, of: int) -> None:
        nonlocal told
        if done - told >= REPORTED or done == of:
            told = done
            say(f"Read {done:,} of {of:,} prompts.")

    states = PromptStates(model, report)
    with stepping.evaluating(model, plan):
        states.read(plan.examples)
    return states


class _Steps:
    """Puts together what a step takes in: its answers, and the texts whose turn it is to be held.

    Which texts follows from the answers alone, so that a resumed run sees what an uninterrupted one would.
    """

    def __init__(
        self, plan: SidesPlan, states: PromptStates, texts: Sequence[tuple[SidedExample, Tokens]]
    ) -> None:
        self._states, self._texts = states, texts
        self._held = plan.settings.values.training.held

    def collate(self, examples: Sequence[Any]) -> Batch:
        chance = random.Random(repr([(example.prompt, example.side) for example in examples]))
        held = chance.sample(self._texts, min(self._held, len(self._texts)))
        return {**sided_rows(examples, self._states), **held_rows(held, self._states)}


def run_trainer(
    model: Any,
    plan: SidesPlan,
    states: PromptStates,
    texts: Sequence[tuple[SidedExample, Tokens]],
    folder: Path,
    *,
    resume: Path | None,
    say: Say,
    seconds: float | None = None,
) -> float:
    """Train `model` in place; see `communitylm.training.stepping.run_trainer`.

    Args:
        texts: openings of the plan and how the base goes on.
    """
    training = plan.settings.values.training
    return stepping.run_trainer(
        model,
        plan,
        folder,
        loss=partial(step_loss, words=plan.words, apart=training.apart, hold=training.hold),
        collate=_Steps(plan, states, texts).collate,
        counts={"answers": [len(step) for step in plan.by_step()]},
        trainer=stepping.MeanLossTrainer,
        resume=resume,
        say=say,
        seconds=seconds,
    )


@dataclass(frozen=True, slots=True)
class SidesFigures:
    """On held-out questions, of all pairs of communities.

    Attributes:
        questions: how many.
        agrees: by pair the share of them on which its log-odds of yes differ in the known direction.
        right: share of all answers whose side's own word is more probable than the other one.
        first_words: mean probability of yes and no together.
    """

    questions: int
    agrees: dict[str, float]
    right: float
    first_words: float


def evaluate(model: Any, plan: SidesPlan, states: PromptStates, *, base: bool = False) -> SidesFigures:
    """Figures of the plan's held-out questions; of the bare base if asked."""
    agrees: dict[str, list[bool]] = defaultdict(list)
    right: list[bool] = []
    mass = 0.0
    size = max(1, plan.settings.values.training.batch // 2)
    with stepping.evaluating(model, plan, base=base):
        for at in range(0, len(plan.held_out), size):
            rows = plan.held_out[at : at + size]
            examples: list[SidedExample] = [example for row in rows for example in (row.left, row.right)]
            batch = {name: it.to(plan.device) for name, it in sided_rows(examples, states).items()}
            logs, words = log_probabilities(model, batch), list(plan.words)
            gaps = differences(logs, batch["sides"], plan.words).tolist()
            odds = ((logs[:, words[0]] - logs[:, words[1]]) * batch["sides"]).tolist()
            mass += float(logs[:, words].exp().sum())
            right += [value > 0 for value in odds]
            for row, gap in zip(rows, gaps, strict=True):
                agrees[row.register].append(gap > 0)
    return SidesFigures(
        questions=len(next(iter(agrees.values()))),
        agrees={register: sum(its) / len(its) for register, its in agrees.items()},
        right=sum(right) / len(right),
        first_words=mass / len(right),
    )
