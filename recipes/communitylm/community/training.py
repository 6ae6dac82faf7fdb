"""One training, from its plan to a run folder.

    Plan (see `planning`) ──train──> run folder: checkpoint-N/ while it runs, then
                   adapter/        the PEFT adapter, with `alora_invocation_tokens` if it is activated
                   training.json   the record that export and cards read
                   log.jsonl       a line per report: step, loss (nats/token), tokens/s
                 for two communities trained together a folder for each, the second beside the first, and in both
                   shared/         what they have in common, to start a third from

transformers' Trainer steps, schedules, checkpoints and resumes; the order of examples is ours, so a resumed run sees
what an uninterrupted one would. A run folder of another configuration is refused, a finished one too.

Failure modes: too little space is an error before any weight is loaded; a kill loses at most the steps since the last
checkpoint; weights that became no numbers end the run before anything is written or removed.
"""

from __future__ import annotations

import datetime
import json
import math
import platform
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from communitylm.community.contrast import REFERENCES, with_reference
from communitylm.community.planning import Plan, trainable_weights
from communitylm.community.starting import SHARED, load_start, started_from
from communitylm.community.together import SECOND, Weights, add_second, put_weights, shared, weights_of
from pluralism_local import __version__
from pluralism_local.errors import EngineFailure, InvalidInput, Refused
from pluralism_local.files import write_atomic

RECORD, PEFT_FOLDER, LOG = "training.json", "adapter", "log.jsonl"
_BYTES_PER_WEIGHT = 4 * (1 + 2) * 3
"""float32 weights and AdamW's two moments, in the old checkpoint, the new one, and the adapter with room to spare."""
_SPARE_BYTES = 50 * 2**20

Say = Callable[[str], None]


def train(
    plan: Plan, folder: Path, *, say: Say, restart: bool = False, seconds: float | None = None
) -> dict[str, Any]:
    """Carry out a plan in `folder`, resuming what is there; returns the record.

    A partner's run is written beside `folder`, under the partner's id.

    Raises:
        Refused: the folder holds a finished run, or one of another configuration (`restart` clears it); likewise the
            partner's.
        Cancelled: `seconds` of training are over before the last step; what is there resumes.
        EngineFailure: too little space.
    """
    resume = _prepare_folder(plan, folder, restart)
    if resume is None and not restart:
        _refuse_finished_partner(plan, folder)
    from communitylm.community.steps import run_trainer

    began = time.monotonic()
    say(f"Loading {plan.base.reference} …")
    model = _adapted(plan)
    plans = [plan, plan.partner] if plan.partner else [plan]
    before = {one.side: _base_loss(model, one, folder, say) for one in plans}
    stepped = plan
    if plan.settings.values.contrast is not None:
        stepped = replace(plan, order=with_reference(model, plan, folder, say))
    seconds = run_trainer(model, stepped, folder, resume=resume, say=say, seconds=seconds)
    weights = {1: weights_of(model)}
    if plan.partner is not None:
        weights[-1] = weights_of(model, SECOND)
        model.delete_adapter(SECOND)
    after = {one.side: _loss(model, one, weights[one.side], before[one.side], folder, say) for one in plans}
    record: dict[str, Any] = {}
    for one in reversed(plans):  # the plan's own record last: while it is missing, the run is unfinished
        place = folder if one is plan else folder.with_name(one.settings.id)
        put_weights(model, weights[one.side])
        _save(model, plan, place / PEFT_FOLDER)
        if plan.partner is not None:
            put_weights(model, shared(weights[1], weights[-1]))
            _save(model, plan, place / SHARED)
        together = next((other for other in plans if other is not one), None)
        record = _record(one, together, before[one.side], after[one.side], seconds, time.monotonic() - began)
        write_atomic(place / RECORD, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    return record


def _refuse_finished_partner(plan: Plan, folder: Path) -> None:
    if plan.partner is None:
        return
    beside = folder.with_name(plan.partner.settings.id)
    if (beside / RECORD).exists():
        raise Refused(f"{beside} holds a finished run.", "Export it, or train both anew with --restart.")


def _adapted(plan: Plan) -> Any:
    """The base with a fresh adapter, or the one to start from; with two where two are trained."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(plan.settings.values.training.seed)
    # the base is frozen: in bf16 it is half the memory traffic, and exactly the values that the GGUF's 4 bits stand for
    # are not needed for the gradient; the export's parity is checked in float32
    dtype = torch.bfloat16 if plan.precision == "bf16" else torch.float32
    model = plan.base.load(dtype, plan.device)
    adapter = plan.settings.values.adapter
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        use_rslora=adapter.rslora,
        target_modules=list(adapter.targets),
    )
    with peft_errors(adapter.targets):
        model = get_peft_model(model, lora)
    if plan.start is not None:
        load_start(model, plan.start)
    if plan.partner is not None:
        add_second(model)
    return model


def _base_loss(model: Any, plan: Plan, folder: Path, say: Say) -> float:
    """Nats per token of the plan's held-out text under the base; taken once per run, and remembered in `folder`."""
    from communitylm.community.steps import evaluate

    key = f"base_loss_{plan.settings.id}"
    found = _remembered(folder, key) or evaluate(model, plan, base=True)
    _remember(folder, key, found)
    say(f"{_text(plan)} under the base: perplexity {math.exp(found):.2f}")
    return found


def _loss(model: Any, plan: Plan, weights: Weights, before: float, folder: Path, say: Say) -> float:
    """Nats per token of the plan's held-out text under its trained `weights`, which are left in the model.

    Raises:
        EngineFailure: they are no numbers.
    """
    from communitylm.community.steps import evaluate

    put_weights(model, weights)
    found = evaluate(model, plan)
    refuse_nan(found, folder)
    say(f"{_text(plan)} under the adapter: perplexity {math.exp(found):.2f} (base {math.exp(before):.2f})")
    return found


def _text(plan: Plan) -> str:
    return f"Held-out text of {plan.settings.id}"


def refuse_nan(loss: float, folder: Path) -> None:
    """Raise EngineFailure, before anything is written or removed, if the trained weights are no numbers."""
    if not math.isfinite(loss):
        raise EngineFailure(
            "The training diverged: the held-out loss is no number.",
            f"The last checkpoint in {folder} may still be sound. Train anew with --restart and a lower training.rate.",
        )


def _prepare_folder(plan: Plan, folder: Path, restart: bool) -> Path | None:
    """Make the folder fit for the run; the checkpoint to resume from, if any."""
    state = folder / "run.json"
    if restart and folder.exists():
        for old in (*folder.glob("checkpoint-*"), folder / PEFT_FOLDER, folder / SHARED):
            shutil.rmtree(old, ignore_errors=True)
        for name in ("run.json", RECORD, LOG, REFERENCES):
            (folder / name).unlink(missing_ok=True)
    if (folder / RECORD).exists():
        raise Refused(f"{folder} holds a finished run.", "Export it, or train anew with --restart.")
    if state.exists():
        if json.loads(state.read_text())["digest"] != plan.digest:
            raise Refused(
                f"{folder} holds an unfinished run of another configuration, corpus or base.",
                "Change them back to resume it, or begin anew with --restart.",
            )
    elif folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty and no run of this recipe.", "Give another --output.")
    folder.mkdir(parents=True, exist_ok=True)
    needed = trainable_weights(plan) * _BYTES_PER_WEIGHT + _SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise EngineFailure(
            f"The run needs about {needed / 1e6:.0f} MB in {folder}, and {free / 1e6:.0f} MB are free.",
            "Free some space, or give --output on another disk.",
        )
    if not state.exists():
        write_atomic(state, json.dumps({"digest": plan.digest}) + "\n")
    whole = [path for path in folder.glob("checkpoint-*") if (path / "trainer_state.json").exists()]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _remembered(folder: Path, key: str) -> float | None:
    found = json.loads((folder / "run.json").read_text()).get(key)
    return found if isinstance(found, float) else None


def _remember(folder: Path, key: str, value: float) -> None:
    state = json.loads((folder / "run.json").read_text())
    write_atomic(folder / "run.json", json.dumps({**state, key: value}) + "\n")


@contextmanager
def peft_errors(targets: Sequence[str]) -> Iterator[None]:
    """Turn PEFT's complaint about `targets` into InvalidInput."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name it has renamed
            yield
    except ValueError as error:
        raise InvalidInput(
            f"The base has no layers named {', '.join(targets)}: {str(error).splitlines()[0]}",
            "Set adapter.targets to names of its linear layers.",
        ) from error


def _save(model: Any, plan: Plan, place: Path) -> None:
    """The PEFT adapter; trained as a plain LoRA over the prompt's states, which is what its invocation tokens say."""
    config = model.peft_config["default"]
    config.alora_invocation_tokens = list(plan.header) or None
    config.base_model_name_or_path = plan.base.reference
    config.inference_mode = True
    model.save_pretrained(place, save_embedding_layers=False)


def _record(
    plan: Plan, together: Plan | None, before: float, after: float, seconds: float, wall: float
) -> dict[str, Any]:
    values = plan.settings.values
    earlier = started_from(plan.start) if plan.start else None
    return {
        "id": values.id,
        "name": values.name,
        "description": values.description,
        "base": {
            "reference": plan.base.reference,
            "model": plan.base.name,
            "fingerprint": plan.base.fingerprint,
            "path": str(plan.base.gguf) if plan.base.gguf else None,
        },
        "corpus": "; ".join([values.corpus.about, *(f"in part {source}" for source in plan.distilled)]),
        "licence": values.corpus.licence,
        "documents": plan.documents,
        "passages": plan.passages,
        "tokens": plan.tokens + (earlier["tokens"] if earlier else 0),
        "start": earlier,
        "together": {"id": together.settings.id, "tokens": together.tokens} if together else None,
        "steps": plan.steps,
        "recipe": f"recipes/configs/{plan.settings.path.name}",
        "settings": {key: value for key, value, _ in plan.settings.rows()},
        "seed": values.training.seed,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "activation": "assistant" if plan.header else "always",
        "held_out": {
            "tokens": sum(example.losses for example in plan.held_out),
            "base_perplexity": round(math.exp(before), 3),
            "perplexity": round(math.exp(after), 3),
        },
        "device": plan.device,
        "precision": plan.precision,
        "minutes": round(wall / 60, 1),
        "training_minutes": round(seconds / 60, 1),
        "machine": f"{platform.machine()}, {platform.system()}",
        "digest": plan.digest,
        "version": __version__,
    }
