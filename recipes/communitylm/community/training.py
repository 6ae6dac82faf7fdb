"""One training of a community's adapter, from its plan to a run folder.

Plan (see `planning`) ──train──> RunFolder, its adapter with `alora_invocation_tokens` if it is activated
  for two communities trained together a folder for each, the second beside the first, and in both
    shared/           what they have in common, to start a third from
  for a contrast
    references.json   the losses that the run starts from
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from communitylm.community.contrast import REFERENCES, with_reference
from communitylm.community.planning import CommunityPlan
from communitylm.community.starting import SHARED, load_start, started_from
from communitylm.community.together import SECOND, Weights, add_second, put_weights, shared, weights_of
from communitylm.progress import Say
from communitylm.training.lora import new_lora, save_lora, trainable_weights
from communitylm.training.run_folder import PEFT_FOLDER, RECORD, RunFolder, record_of, write_record
from pluralism_local.errors import Refused


def train(
    plan: CommunityPlan, folder: Path, *, say: Say, restart: bool = False, seconds: float | None = None
) -> dict[str, Any]:
    """Carry out a plan in `folder`, resuming what is there; returns the record.

    A partner's run is written beside `folder`, under the partner's id.

    Raises:
        Refused: the folder holds a finished run, or one of another configuration (`restart` clears it); likewise the
            partner's.
        Cancelled: `seconds` of training are over before the last step; what is there resumes.
        EngineFailure: too little space, or the weights became no numbers.
    """
    run = RunFolder(folder, plan.digest, (SHARED, REFERENCES))
    resume = run.open(trainable_weights(plan.base, plan.settings.values.adapter), restart=restart)
    if resume is None and not restart:
        _refuse_finished_partner(plan, folder)
    from communitylm.community.stepping import run_trainer

    began = time.monotonic()
    say(f"Loading {plan.base.reference} …")
    model = _adapted(plan)
    plans = [plan, plan.partner] if plan.partner else [plan]
    before = {side.side: _base_loss(model, side, run, say) for side in plans}
    stepped = plan
    if plan.settings.values.contrast is not None:
        stepped = replace(plan, order=with_reference(model, plan, folder, say))
    stepping = run_trainer(model, stepped, folder, resume=resume, say=say, seconds=seconds)
    weights = {1: weights_of(model)}
    if plan.partner is not None:
        weights[-1] = weights_of(model, SECOND)
        model.delete_adapter(SECOND)
    after = {side.side: _loss(model, side, weights[side.side], before[side.side], run, say) for side in plans}
    record: dict[str, Any] = {}
    for side in reversed(plans):  # the plan's own record last: while it is missing, the run is unfinished
        place = folder if side is plan else folder.with_name(side.settings.id)
        put_weights(model, weights[side.side])
        save_lora(model, plan, place / PEFT_FOLDER, plan.header)
        if plan.partner is not None:
            put_weights(model, shared(weights[1], weights[-1]))
            save_lora(model, plan, place / SHARED, plan.header)
        record = {
            **_record(side, before[side.side], after[side.side]),
            "together": next(
                ({"id": it.settings.id, "tokens": it.tokens} for it in plans if it is not side), None
            ),
            **record_of(side, stepping, time.monotonic() - began),
        }
        write_record(place, record)
    run.remove_checkpoints()
    return record


def _refuse_finished_partner(plan: CommunityPlan, folder: Path) -> None:
    if plan.partner is None:
        return
    beside = folder.with_name(plan.partner.settings.id)
    if (beside / RECORD).exists():
        raise Refused(f"{beside} holds a finished run.", "Export it, or train both anew with --restart.")


def _adapted(plan: CommunityPlan) -> Any:
    """The base with a fresh adapter, or the one to start from; with two where two are trained."""
    adapter = plan.settings.values.adapter
    model = new_lora(plan, lora_dropout=adapter.dropout, use_rslora=adapter.rslora)
    if plan.start is not None:
        load_start(model, plan.start)
    if plan.partner is not None:
        add_second(model)
    return model


def _base_loss(model: Any, plan: CommunityPlan, run: RunFolder, say: Say) -> float:
    """Nats per token of the plan's held-out text under the base; taken once per run, and remembered in its folder."""
    from communitylm.community.stepping import evaluate

    key = f"base_loss_{plan.settings.id}"
    loss: float | None = run.remembered(key)
    if loss is None:
        loss = evaluate(model, plan, base=True)
        run.remember(key, loss)
    say(f"{_text(plan)} under the base: perplexity {math.exp(loss):.2f}")
    return loss


def _loss(
    model: Any, plan: CommunityPlan, weights: Weights, before: float, run: RunFolder, say: Say
) -> float:
    """Nats per token of the plan's held-out text under its trained `weights`, which are left in the model.

    Raises:
        EngineFailure: they are no numbers.
    """
    from communitylm.community.stepping import evaluate

    put_weights(model, weights)
    loss = evaluate(model, plan)
    run.refuse_nan(loss)
    say(f"{_text(plan)} under the adapter: perplexity {math.exp(loss):.2f} (base {math.exp(before):.2f})")
    return loss


def _text(plan: CommunityPlan) -> str:
    return f"Held-out text of {plan.settings.id}"


def _record(plan: CommunityPlan, before: float, after: float) -> dict[str, Any]:
    """What a community's record says beside what every record does; losses in nats per token."""
    values = plan.settings.values
    earlier = started_from(plan.start) if plan.start else None
    return {
        "id": values.id,
        "name": values.name,
        "description": values.description,
        "corpus": "; ".join([values.corpus.about, *(f"in part {source}" for source in plan.distilled)]),
        "licence": values.corpus.licence,
        "documents": plan.documents,
        "passages": plan.passages,
        "tokens": plan.tokens + (earlier["tokens"] if earlier else 0),
        "start": earlier,
        "recipe": plan.settings.recipe,
        "activation": "assistant" if plan.header else "always",
        "held_out": {
            "tokens": sum(example.losses for example in plan.held_out),
            "base_perplexity": round(math.exp(before), 3),
            "perplexity": round(math.exp(after), 3),
        },
    }
