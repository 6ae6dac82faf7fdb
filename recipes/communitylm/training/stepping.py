"""The stepping of a training by transformers' Trainer, and passes over examples that change nothing.

    TrainingPlan, loss ──run_trainer──> trained weights in place; checkpoints, a report every `REPORT_SECONDS`
    examples           ──batches──────> those of a pass without gradient, under `evaluating`

The Trainer steps, schedules, checkpoints and resumes; the order of examples is the plan's, so a resumed run sees what
an uninterrupted one would.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging

from communitylm.progress import Say
from communitylm.training.examples import Example
from communitylm.training.hardware import computing
from communitylm.training.plan import TrainingPlan
from communitylm.training.run_folder import LOG
from communitylm.training.token_losses import Batch
from pluralism_local.display.figures import duration
from pluralism_local.errors import Cancelled

REPORT_SECONDS = 20.0

Loss = Callable[[Any, Batch], torch.Tensor]
"""From a model and a batch to the batch's summed loss, nats, differentiable in the adapter's weights."""

Collate = Callable[[Sequence[Example]], Batch]

Figures = Callable[[Mapping[str, float]], dict[str, float]]
"""From what the Trainer logs of a step to what a report says, by name."""


class OrderedTrainer(Trainer):
    """Takes the examples as they come, and our loss, as a mean over the batch's labels."""

    def __init__(self, loss: Loss, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._loss = loss

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        count = num_items_in_batch if num_items_in_batch is not None else (inputs["labels"] >= 0).sum()
        loss = self._loss(model, inputs) / count
        return (loss, {}) if return_outputs else loss


class MeanLossTrainer(OrderedTrainer):
    """As its base class, for a loss that is a batch's mean already."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        loss = self._loss(model, inputs)
        if num_items_in_batch is not None:  # the Trainer then divides by the forward passes of a step no more
            loss = loss / self.args.gradient_accumulation_steps
        return (loss, {}) if return_outputs else loss


class Report(TrainerCallback):
    """A line on stderr and in the log: at the first step, every `REPORT_SECONDS`, and at the last.

    Speeds are means since the start, or since the resumption.

    Args:
        counts: what is counted by its name, e.g. ``"tokens"``, how many in each step; the first tells the time left.
        figures: what else a line says.
    """

    def __init__(self, counts: Mapping[str, Sequence[int]], figures: Figures, log: Path, say: Say) -> None:
        self._counts, self._figures, self._log, self._say = counts, figures, log, say
        self._work = next(iter(counts.values()))
        self._began = self._reported = time.monotonic()
        self._first = 0

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Note when and where it begins."""
        self._began = self._reported = time.monotonic()
        self._first = state.global_step

    def on_log(
        self, _args: Any, state: Any, _control: Any, logs: Mapping[str, float] | None = None, **_: Any
    ) -> None:
        """Report the step if it is time."""
        step, now, steps = state.global_step, time.monotonic(), len(self._work)
        if not logs or "loss" not in logs or step <= self._first:
            return
        if now - self._reported < REPORT_SECONDS and step < steps and step > self._first + 1:
            return
        self._reported = now
        seconds = max(now - self._began, 1e-9)
        speeds = {unit: sum(each[self._first : step]) / seconds for unit, each in self._counts.items()}
        left = seconds * sum(self._work[step:]) / max(sum(self._work[self._first : step]), 1e-9)
        figures = self._figures(logs)
        line = {
            "step": step,
            "steps": steps,
            **{name: round(value, 4) for name, value in figures.items()},
            **{f"{unit}_per_second": round(speed, 2) for unit, speed in speeds.items()},
        }
        with self._log.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
        told = [f"{name} {value:.3f}" for name, value in figures.items()]
        told += [f"{speed:.{0 if speed >= 100 else 1}f} {unit}/s" for unit, speed in speeds.items()]
        self._say("  ".join([f"step {step}/{steps}", *told, f"{duration(left)} left"]))


class _Clock(TrainerCallback):
    """Ends a run after `seconds`, with a checkpoint of its last step; never after the last step of all."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        if time.monotonic() >= self._until and state.global_step < state.max_steps:
            control.should_save = control.should_training_stop = True


def run_trainer(
    model: Any,
    plan: TrainingPlan,
    folder: Path,
    *,
    loss: Loss,
    collate: Collate,
    counts: Mapping[str, Sequence[int]],
    figures: Figures = lambda logs: {"loss": logs["loss"]},
    trainer: Callable[..., OrderedTrainer] = OrderedTrainer,
    resume: Path | None,
    say: Say,
    seconds: float | None = None,
) -> float:
    """Train `model` in place through the plan's order, from a checkpoint if given; seconds it took.

    Args:
        counts, figures: as `Report`.
        seconds: of stepping at most; None: to the end.

    Raises:
        Cancelled: `seconds` are over before the last step; a checkpoint is there to resume from.
    """
    logging.set_verbosity_error()
    stepper = trainer(
        loss=loss,
        model=model,
        args=_arguments(plan, folder),
        train_dataset=list(plan.order),
        data_collator=collate,
        callbacks=[
            Report(counts, figures, folder / LOG, say),
            *([] if seconds is None else [_Clock(seconds)]),
        ],
    )
    stepper.remove_callback(PrinterCallback)  # its lines would go to standard output
    if resume is not None:
        say(f"Resuming after step {resume.name.rpartition('-')[2]} of {plan.steps}.")
    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hints of torch and transformers about hardware that is not there
        stepper.train(resume_from_checkpoint=str(resume) if resume else None)
    if stepper.state.global_step < plan.steps:
        raise Cancelled(
            f"The time is over after step {stepper.state.global_step} of {plan.steps}.",
            "The same command goes on.",
        )
    return time.monotonic() - began


def _arguments(plan: TrainingPlan, folder: Path) -> TrainingArguments:
    training = plan.settings.values.training
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=training.batch,
        gradient_accumulation_steps=plan.examples_per_step // training.batch,
        num_train_epochs=1,
        learning_rate=training.rate,
        warmup_steps=round(training.warmup * plan.steps),
        lr_scheduler_type=training.schedule,
        weight_decay=training.weight_decay,
        max_grad_norm=training.clip,
        seed=training.seed,
        use_cpu=plan.device == "cpu",
        bf16=plan.precision == "bf16",
        logging_steps=1,
        save_steps=training.checkpoint,
        save_total_limit=1,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        label_names=["labels"],
    )


@contextmanager
def evaluating(model: Any, plan: TrainingPlan, *, base: bool = False) -> Iterator[None]:
    """Passes without gradient or dropout, in the plan's precision; of the bare base if asked."""
    model.eval()
    with (
        torch.no_grad(),
        computing(plan.device, plan.precision),
        model.disable_adapter() if base else nullcontext(),
    ):
        yield
    model.train()


def batches(
    examples: Sequence[Example], plan: TrainingPlan, collate: Collate
) -> Iterator[tuple[list[int], Batch]]:
    """(places in `examples`, their batch on the plan's device), longest examples first."""
    size = plan.settings.values.training.batch
    longest_first = sorted(range(len(examples)), key=lambda place: -len(examples[place].answer))
    for at in range(0, len(longest_first), size):
        places = longest_first[at : at + size]
        batch = collate([examples[place] for place in places])
        yield places, {name: tensor.to(plan.device) for name, tensor in batch.items()}
