"""The stepping of an NLI training by transformers' Trainer, and the evaluation of an adapter in torch."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import SequentialSampler
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback
from transformers.utils import logging

from communitylm.nli.data import Row
from communitylm.nli.objective import collate, computing, loss_and_guesses
from communitylm.training.examples import Example

if TYPE_CHECKING:
    from communitylm.nli.training import NliPlan

REPORT_SECONDS = 20.0

Say = Callable[[str], None]


@dataclass
class _Tally:
    """Guesses since the last report."""

    right: int = 0
    seen: int = 0
    loss: float = 0.0


class _PairTrainer(Trainer):
    """Takes the pairs as they come, our loss, and counts right guesses."""

    def __init__(self, plan: NliPlan, tally: _Tally, **keywords: Any) -> None:
        super().__init__(**keywords)
        self._plan, self._tally = plan, tally

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        return SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        words = torch.tensor(self._plan.words, device=inputs["labels"].device)
        with computing(self._plan.device, self._plan.precision):
            total, guesses = loss_and_guesses(model, inputs, self._plan.words)
        self._tally.right += int((words[guesses] == inputs["labels"]).sum())
        self._tally.seen += len(guesses)
        self._tally.loss += float(total.detach())
        loss = total / (num_items_in_batch if num_items_in_batch is not None else len(guesses))
        return (loss, {}) if return_outputs else loss


class _Report(TrainerCallback):
    """A line on stderr and in the log every `REPORT_SECONDS`: step, loss, accuracy, speed, time left.

    Loss (nats per pair) and accuracy are means since the last line; speeds are means since the start.
    """

    def __init__(self, plan: NliPlan, tally: _Tally, log: Path, say: Say) -> None:
        size = plan.settings.values.training.batch
        batches = [plan.order[at : at + size] for at in range(0, len(plan.order), size)]
        self._pairs = [len(batch) for batch in batches]
        self._tokens = [
            len(batch[0].prompt) + sum(len(example.answer) - 1 for example in batch) for batch in batches
        ]
        self._tally, self._log, self._say = tally, log, say
        self._began = self._last = time.monotonic()
        self._first = 0

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self._began = self._last = time.monotonic()
        self._first = state.global_step

    def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        step, now = state.global_step, time.monotonic()
        last = step == len(self._pairs)
        if now - self._last < REPORT_SECONDS and not last and step > self._first + 1:
            return
        seconds = max(now - self._began, 1e-9)
        speed = sum(self._tokens[self._first : step]) / seconds
        left = sum(self._tokens[step:]) / max(speed, 1e-9)
        line = {
            "step": step,
            "steps": len(self._pairs),
            "loss": round(self._tally.loss / self._tally.seen, 4),
            "accuracy": round(self._tally.right / self._tally.seen, 4),
            "tokens_per_second": round(speed, 1),
            "pairs_per_second": round(sum(self._pairs[self._first : step]) / seconds, 2),
        }
        with self._log.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
        self._say(
            f"step {step}/{line['steps']}  loss {line['loss']:.3f}  accuracy {line['accuracy']:.3f}  "
            f"{speed:.0f} tokens/s  {line['pairs_per_second']:.1f} pairs/s  "
            f"{int(left // 60)}:{int(left % 60):02d} left"
        )
        self._last = now
        self._tally.right, self._tally.seen, self._tally.loss = 0, 0, 0.0


def run_trainer(model: Any, plan: NliPlan, folder: Path, *, resume: Path | None, say: Say) -> float:
    """Train `model` in place through the plan's order, from a checkpoint if given; seconds it took."""
    training = plan.settings.values.training
    logging.set_verbosity_error()
    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=training.batch,
        num_train_epochs=1,
        learning_rate=training.rate,
        warmup_steps=round(training.warmup * plan.steps),
        lr_scheduler_type=training.schedule,
        weight_decay=training.weight_decay,
        max_grad_norm=training.clip,
        seed=training.seed,
        use_cpu=plan.device == "cpu",
        bf16=plan.precision == "bf16",
        logging_strategy="no",
        save_steps=training.checkpoint,
        save_total_limit=1,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        label_names=["labels"],
    )
    tally = _Tally()
    trainer = _PairTrainer(
        plan,
        tally,
        model=model,
        args=arguments,
        train_dataset=list(plan.order),
        data_collator=collate,
        callbacks=[_Report(plan, tally, folder / "log.jsonl", say)],
    )
    trainer.remove_callback(PrinterCallback)  # its lines would go to standard output
    if resume is not None:
        say(f"Resuming after step {resume.name.rpartition('-')[2]} of {plan.steps}.")
    began = time.monotonic()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # hints of torch and transformers about hardware that is not there
        trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    return time.monotonic() - began


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Held-out pairs: how many, mean loss (nats per pair), share of right words, and that by file (right, of)."""

    pairs: int
    loss: float
    accuracy: float
    by_file: dict[str, tuple[int, int]]


def evaluate(
    model: Any, plan: NliPlan, rows: Sequence[tuple[Row, Example]], *, base: bool = False
) -> Evaluation:
    """Loss and accuracy over `rows`, at least one; of the bare base if asked."""
    size = plan.settings.values.training.batch
    longest_first = sorted(rows, key=lambda row: -len(row[1].answer))
    total, by_file = 0.0, dict.fromkeys(sorted({row.source for row, _ in rows}), (0, 0))
    model.eval()
    with (
        torch.no_grad(),
        computing(plan.device, plan.precision),
        model.disable_adapter() if base else nullcontext(),
    ):
        for at in range(0, len(longest_first), size):
            part = longest_first[at : at + size]
            batch = {key: value.to(plan.device) for key, value in collate([pair for _, pair in part]).items()}
            loss, guesses = loss_and_guesses(model, batch, plan.words)
            total += float(loss)
            for (row, example), guess in zip(part, guesses.tolist(), strict=True):
                right, seen = by_file[row.source]
                by_file[row.source] = (right + (plan.words[guess] == example.answer[-1]), seen + 1)
    model.train()
    return Evaluation(
        len(rows), total / len(rows), sum(right for right, _ in by_file.values()) / len(rows), by_file
    )
