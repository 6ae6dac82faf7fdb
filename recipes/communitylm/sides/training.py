"""One training of sides, from its plan to a run folder.

SidesPlan (see `planning`) ──train──> RunFolder, its adapter with `alora_invocation_tokens`
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from communitylm.progress import Say
from communitylm.sides.examples import SidedExample
from communitylm.sides.planning import SidesPlan
from communitylm.training.examples import Tokens
from communitylm.training.lora import new_lora, save_lora, trainable_weights
from communitylm.training.run_folder import PEFT_FOLDER, RunFolder, record_of, write_record
from pluralism_local.display.figures import many

KIND = "sides"


def train(
    plan: SidesPlan, folder: Path, *, say: Say, restart: bool = False, seconds: float | None = None
) -> dict[str, Any]:
    """Carry out a plan in `folder`, resuming what is there; returns the record.

    Raises:
        Refused: the folder holds a finished run, or one of another configuration (`restart` clears it).
        Cancelled: `seconds` of training are over before the last step; what is there resumes.
        EngineFailure: too little space, or the weights became no numbers.
    """
    run = RunFolder(folder, plan.digest)
    resume = run.open(trainable_weights(plan.base, plan.settings.values.adapter), restart=restart)
    from communitylm.sides.stepping import evaluate, read_prompts, run_trainer

    began = time.monotonic()
    say(f"Loading {plan.base.reference} …")
    model = new_lora(plan)
    if plan.device == "cpu":
        model.set_attn_implementation(
            "sdpa"
        )  # the header alone is stepped through, over what is read already
    states = read_prompts(model, plan, say)
    before = run.remembered("base")
    if before is None:
        before = asdict(evaluate(model, plan, states, base=True))
        run.remember("base", before)
    say(f"Held out, the base: {_told(before)}")
    texts = _base_texts(model, plan, states, run, say)
    stepping = run_trainer(model, plan, states, texts, folder, resume=resume, say=say, seconds=seconds)
    after = asdict(evaluate(model, plan, states))
    run.refuse_nan(after["first_words"])
    say(f"Held out, the adapter: {_told(after)}")
    save_lora(model, plan, folder / PEFT_FOLDER, plan.header)
    record = {**_record(plan, before, after), **record_of(plan, stepping, time.monotonic() - began)}
    write_record(folder, record)
    run.remove_checkpoints()
    return record


def _base_texts(
    model: Any, plan: SidesPlan, states: Any, run: RunFolder, say: Say
) -> list[tuple[SidedExample, Tokens]]:
    """The plan's openings and how the base goes on, written once for a run."""
    from communitylm.sides.base_texts import write

    training = plan.settings.values.training
    texts = run.remembered("texts")
    if texts is None:
        say(f"The base writes {many(len(plan.begun), 'text')} …")
        texts = write(model, plan.begun, states, tokens=training.tokens, end=plan.end, seed=training.seed)
        run.remember("texts", texts)
    return [(opening, tuple(text)) for opening, text in zip(plan.begun, texts, strict=True)]


def _told(figures: dict[str, Any]) -> str:
    agrees = ", ".join(f"{share:.2f} ({register})" for register, share in figures["agrees"].items())
    return (
        f"of {figures['questions']} questions the two differ as their sides do on {agrees}; "
        f"{figures['right']:.2f} of all answers right; yes or no comes first by {figures['first_words']:.2f}"
    )


def _record(plan: SidesPlan, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """What such a record says beside what every record does."""
    values = plan.settings.values
    return {
        "kind": KIND,
        "id": values.id,
        "corpus": values.sides.about,
        "licence": values.sides.licence,
        "documents": plan.questions,
        "recipe": plan.settings.recipe,
        "activation": "assistant",
        "beside_persona": True,
        "held_out": {"base": before, "adapter": after},
    }
