"""One NLI training, from its plan to a run folder.

NliPlan (see `planning`) ──train──> RunFolder, its adapter a plain LoRA, and held_out.jsonl, the held-out pairs
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from communitylm.nli.planning import NliPlan
from communitylm.progress import Say
from communitylm.training.lora import new_lora, save_lora, trainable_weights
from communitylm.training.run_folder import PEFT_FOLDER, RunFolder, record_of, write_record
from pluralism_local.evaluation.nli.prompts import NLI_PAIR, NLI_WORDS
from pluralism_local.files import write_atomic

KIND = "nli"
HELD_OUT = "held_out.jsonl"


def train(
    plan: NliPlan, folder: Path, *, say: Say, restart: bool = False, seconds: float | None = None
) -> dict[str, Any]:
    """Carry out a plan in `folder`, resuming what is there; returns the record.

    Raises:
        Refused: the folder holds a finished run, or one of another configuration (`restart` clears it).
        Cancelled: `seconds` of training are over before the last step; what is there resumes.
        EngineFailure: too little space, or the weights became no numbers.
    """
    run = RunFolder(folder, plan.digest, (HELD_OUT,))
    resume = run.open(trainable_weights(plan.base, plan.settings.values.adapter), restart=restart)
    from communitylm.nli.stepping import evaluate, run_trainer

    began = time.monotonic()
    say(f"Loading {plan.base.reference} …")
    model = new_lora(plan)
    before = run.remembered("base")
    if before is None:
        before = asdict(evaluate(model, plan, plan.held_out, base=True))
        run.remember("base", before)
    say(f"Held out, the base: loss {before['loss']:.3f}, accuracy {before['accuracy']:.3f}")
    stepping = run_trainer(model, plan, folder, resume=resume, say=say, seconds=seconds)
    after = evaluate(model, plan, plan.held_out)
    run.refuse_nan(after.loss)
    say(f"Held out, the adapter: loss {after.loss:.3f}, accuracy {after.accuracy:.3f}")
    save_lora(model, plan, folder / PEFT_FOLDER)
    _write_held_out(plan, folder / HELD_OUT)
    record = {
        **_record(plan, run.remembered("base"), asdict(after)),
        **record_of(plan, stepping, time.monotonic() - began),
    }
    del record["settings"]["pairs.folder"]  # where the files lay is nobody's business: the record ships
    write_record(folder, record)
    run.remove_checkpoints()
    return record


def _write_held_out(plan: NliPlan, path: Path) -> None:
    lines = [
        json.dumps({**asdict(row.pair), "label": row.label, "source": row.source}, ensure_ascii=False)
        for row, _ in plan.held_out
    ]
    write_atomic(path, "\n".join(lines) + "\n")


def _record(plan: NliPlan, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What an NLI run's record says beside what every record does."""
    pairs = plan.settings.values.pairs
    return {
        "kind": KIND,
        "prompt": NLI_PAIR.id,
        "words": list(NLI_WORDS),
        "files": list(pairs.files),
        "about": pairs.about,
        "licence": pairs.licence,
        "pairs": len(plan.gathered.training),
        "pairs_seen": len(plan.order),
        "left_out": {**plan.gathered.left_out, "too long": plan.too_long},
        "recipe": f"recipes/{plan.settings.path.name}",
        "held_out": {"base": before, "adapter": after},
    }
