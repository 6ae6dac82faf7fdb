"""The stepping of a training by transformers' Trainer, and the evaluation of an adapter in torch."""

from __future__ import annotations

import json
import time
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging

from communitylm.community import together as pair
from communitylm.community.contrast import contrast_loss
from communitylm.training.objective import collate, summed_loss
from pluralism_local.errors import Cancelled

if TYPE_CHECKING:
    from communitylm.community.planning import Plan
    from communitylm.community.training import Say

REPORT_SECONDS = 20.0


class _OrderedTrainer(Trainer):
    """Takes the examples as they come, and our loss."""

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        count = num_items_in_batch if num_items_in_batch is not None else (inputs["labels"] >= 0).sum()
        loss = summed_loss(model, inputs) / count
        return (loss, {}) if return_outputs else loss


class _PairTrainer(_OrderedTrainer):
    """Two adapters at once; see `pair`."""

    apart: float = 1.0

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        count = num_items_in_batch if num_items_in_batch is not None else (inputs["labels"] >= 0).sum()
        loss = pair.paired_loss(model, inputs, summed_loss) / count
        return (loss, {}) if return_outputs else loss

    def create_optimizer(self, _model: Any = None) -> torch.optim.Optimizer:
        self.optimizer = pair.optimizer(
            self.model,
            rate=self.args.learning_rate,
            apart=self.apart,
            weight_decay=self.args.weight_decay,
        )
        return self.optimizer

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        pair.load_checkpoint(self.model if model is None else model, Path(resume_from_checkpoint))


class _ContrastTrainer(_OrderedTrainer):
    """Pairs of a chosen and a rejected text; see `contrast`."""

    beta: float = 0.1
    anchor: float = 0.0

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        loss = contrast_loss(model, inputs, beta=self.beta, anchor=self.anchor)
        if num_items_in_batch is not None:  # the Trainer then divides by the forward passes of a step no more
            loss = loss / self.args.gradient_accumulation_steps
        return (loss, {}) if return_outputs else loss


class _Report(TrainerCallback):
    """A line on stderr every `REPORT_SECONDS`, and each in the log: step, loss, tokens/s, time left."""

    def __init__(self, plan: Plan, log: Path, say: Say) -> None:
        training = plan.settings.values.training
        size = training.batch * training.accumulate
        self._tokens = [
            sum(example.losses for example in plan.order[at : at + size])
            for at in range(0, len(plan.order), size)
        ]
        self._log, self._say = log, say
        self._began = self._last = time.monotonic()
        self._first = self._reported = 0

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self._began = self._last = time.monotonic()
        self._first = self._reported = state.global_step

    def on_log(
        self, _args: Any, state: Any, _control: Any, logs: dict[str, float] | None = None, **_: Any
    ) -> None:
        step, now = state.global_step, time.monotonic()
        if not logs or "loss" not in logs or step <= self._first:
            return
        last = step == len(self._tokens)
        if now - self._last < REPORT_SECONDS and not last and step > self._first + 1:
            return
        rate = sum(self._tokens[self._first : step]) / max(now - self._began, 1e-9)
        left = sum(self._tokens[step:]) / max(rate, 1e-9)
        line = {
            "step": step,
            "steps": len(self._tokens),
            "loss": round(logs["loss"], 4),
            "tokens_per_second": round(rate, 1),
        }
        with self._log.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
        self._say(
            f"step {step}/{len(self._tokens)}  loss {logs['loss']:.3f}  {rate:.0f} tokens/s  "
            f"{int(left // 60)}:{int(left % 60):02d} left"
        )
        self._last, self._reported = now, step


class _Clock(TrainerCallback):
    """Ends a run after `seconds`, with a checkpoint of its last step; never after the last step of all."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        if time.monotonic() >= self._until and state.global_step < state.max_steps:
            control.should_save = control.should_training_stop = True


def run_trainer(
    model: Any, plan: Plan, folder: Path, *, resume: Path | None, say: Say, seconds: float | None = None
) -> float:
    """Train `model` in place through the plan's order, from a checkpoint if given; seconds it took.

    Raises:
        Cancelled: `seconds` are over before the last step; a checkpoint is there to resume from.
    """
    training = plan.settings.values.training
    logging.set_verbosity_error()
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=training.batch,
        gradient_accumulation_steps=training.accumulate,
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
    contrast = plan.settings.values.contrast
    kind = _ContrastTrainer if contrast else _PairTrainer if plan.partner else _OrderedTrainer
    trainer = kind(
        model=model,
        args=arguments,
        train_dataset=list(plan.order),
        data_collator=collate,
        callbacks=[
            _Report(plan, folder / "log.jsonl", say),
            *([] if seconds is None else [_Clock(seconds)]),
        ],
    )
    if isinstance(trainer, _PairTrainer):
        trainer.apart = training.apart
    if isinstance(trainer, _ContrastTrainer) and contrast is not None:
        trainer.beta, trainer.anchor = contrast.beta, contrast.anchor
    trainer.remove_callback(PrinterCallback)  # its lines would go to standard output
    if resume is not None:
        say(f"Resuming after step {resume.name.rpartition('-')[2]} of {plan.steps}.")
    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hints of torch and transformers about hardware that is not there
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    if trainer.state.global_step < plan.steps:
        raise Cancelled(
            f"The time is over after step {trainer.state.global_step} of {plan.steps}.",
            "The same command goes on.",
        )
    return time.monotonic() - began


def evaluate(model: Any, plan: Plan, *, base: bool = False) -> float:
    """Mean loss over the plan's held-out examples, nats per token, under the active adapter, or the bare base."""
    size = plan.settings.values.training.batch
    longest_first = sorted(plan.held_out, key=lambda example: -len(example.answer))
    total = 0.0
    model.eval()
    context = torch.autocast(plan.device, dtype=torch.bfloat16) if plan.precision == "bf16" else nullcontext()
    with torch.no_grad(), context, model.disable_adapter() if base else nullcontext():
        for at in range(0, len(longest_first), size):
            batch = {
                key: value.to(plan.device) for key, value in collate(longest_first[at : at + size]).items()
            }
            total += float(summed_loss(model, batch))
    model.train()
    return total / sum(example.losses for example in longest_first)
