"""One NLI training, from settings to a run folder.

    NliSettings ──plan──> NliPlan (base, examples in order, held-out pairs, device; what can be wrong is found here)
      ──train──> run folder: checkpoint-N/ while it runs, then
                   adapter/         the PEFT adapter, a plain LoRA
                   training.json    the record that export reads
                   held_out.jsonl   the held-out pairs
                   log.jsonl        a line per report: step, loss (nats/pair), accuracy, tokens/s, pairs/s

As in `training` for communities: transformers' Trainer steps, checkpoints and resumes, the order of the pairs is ours,
a run folder of another configuration is refused, a kill loses at most the steps since the last checkpoint.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from communitylm.community.planning import hardware
from communitylm.community.training import LOG, PEFT_FOLDER, RECORD, peft_errors, refuse_nan
from communitylm.nli.data import Gathered, Row, examples, file_digests, gather, word_tokens
from communitylm.nli.settings import NliSettings
from communitylm.training.bases import Base, find_base
from communitylm.training.examples import Example, Tokens, schedule
from pluralism_local import __version__
from pluralism_local.errors import EngineFailure, InvalidInput, Refused
from pluralism_local.evaluation.nli.prompts import NLI_PAIR, NLI_WORDS
from pluralism_local.files import write_atomic

KIND = "nli"
HELD_OUT, STATE = "held_out.jsonl", "run.json"
_BYTES_PER_WEIGHT = 4 * (1 + 2) * 3
"""float32 weights and AdamW's two moments, in the old checkpoint, the new one, and the adapter with room to spare."""
_SPARE_BYTES = 50 * 2**20

Say = Callable[[str], None]


@dataclass(frozen=True)
class NliPlan:
    """Everything decided before anything heavy is loaded.

    Attributes:
        order: training examples, as they will be seen.
        held_out: pairs nobody trains on, at most `training.evaluate`.
        gathered: where both come from.
        too_long: pairs left out for their length.
        opening: tokens that all prompts begin with. words: the answers' tokens, as `NLI_WORDS`.
        device, precision: resolved; precision is ``"bf16"`` or ``"fp32"``.
        digest: identity of settings, files and base; a run folder carries it.
    """

    settings: NliSettings
    base: Base
    order: tuple[Example, ...]
    held_out: tuple[tuple[Row, Example], ...]
    gathered: Gathered
    too_long: int
    opening: Tokens
    words: Tokens
    device: str
    precision: str
    digest: str

    @property
    def steps(self) -> int:
        return math.ceil(len(self.order) / self.settings.values.training.batch)

    @property
    def tokens(self) -> int:
        """Tokens of all prompts after the opening."""
        return sum(example.skip for example in self.order)


def plan(settings: NliSettings) -> NliPlan:
    """Resolve and check everything; see `NliPlan`.

    Raises:
        NotFound, InvalidInput: as `gather`, `examples`, `find_base` and `Base.speller`.
    """
    training = settings.values.training
    gathered = gather(settings)
    base = find_base(settings.values.base.model, settings.path.parent)
    with base.speller(chat=True) as speller:
        rows = (*gathered.training, *gathered.held_out)
        opening, made, too_long = examples(rows, speller, training.longest)
        words = word_tokens(speller)
    held_rows = {*gathered.held_out}
    held_out = [pair for pair in made if pair[0] in held_rows][: training.evaluate]
    repeat = settings.values.pairs.repeat
    trained = [
        example for row, example in made if row not in held_rows for _ in range(repeat.get(row.source, 1))
    ]
    if not trained or not held_out:
        raise InvalidInput(
            f"No pair of one part is within {training.longest} tokens.", "Raise training.longest."
        )
    planned = schedule(
        trained, tokens=training.pairs, passes=training.passes, batch=training.batch, seed=training.seed
    )
    device, precision = hardware(training.device, training.precision)
    files = file_digests(settings.files((*settings.values.pairs.files, *settings.values.pairs.apart)))
    values = settings.values.model_dump(mode="json")
    del values["pairs"]["folder"]  # where the files are does not matter, what is in them does
    identity = [values, files, base.fingerprint or base.reference, precision, NLI_PAIR.id, NLI_WORDS]
    return NliPlan(
        settings=settings,
        base=base,
        order=tuple(planned),
        held_out=tuple(held_out),
        gathered=gathered,
        too_long=too_long,
        opening=opening,
        words=words,
        device=device,
        precision=precision,
        digest=hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest(),
    )


def train(plan: NliPlan, folder: Path, *, say: Say, restart: bool = False) -> dict[str, Any]:
    """Carry out a plan in `folder`, resuming what is there; returns the record.

    Raises:
        Refused: the folder holds a finished run, or one of another configuration (`restart` clears it).
        EngineFailure: too little space.
    """
    resume = _prepare_folder(plan, folder, restart)
    import torch

    from communitylm.nli.steps import evaluate, run_trainer

    began = time.monotonic()
    torch.manual_seed(plan.settings.values.training.seed)
    say(f"Loading {plan.base.reference} …")
    model = _adapted(plan)
    _check_space(folder, sum(p.numel() for p in model.parameters() if p.requires_grad))
    before = evaluate(model, plan, plan.held_out, base=True) if resume is None else None
    if before is not None:
        say(f"Held out, the base: loss {before.loss:.3f}, accuracy {before.accuracy:.3f}")
        _remember(folder, plan, {"base": asdict(before)})
    seconds = run_trainer(model, plan, folder, resume=resume, say=say)
    after = evaluate(model, plan, plan.held_out)
    refuse_nan(after.loss, folder)
    say(f"Held out, the adapter: loss {after.loss:.3f}, accuracy {after.accuracy:.3f}")
    config = model.peft_config["default"]
    config.base_model_name_or_path, config.inference_mode = plan.base.reference, True
    model.save_pretrained(folder / PEFT_FOLDER, save_embedding_layers=False)
    _write_held_out(plan, folder / HELD_OUT)
    evaluations = {"base": json.loads((folder / STATE).read_text()).get("base"), "adapter": asdict(after)}
    record = _record(plan, evaluations, seconds, time.monotonic() - began)
    write_atomic(folder / RECORD, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    return record


def _adapted(plan: NliPlan) -> Any:
    """The base, frozen, under a new LoRA."""
    import torch
    from peft import LoraConfig, get_peft_model

    adapter = plan.settings.values.adapter
    dtype = torch.bfloat16 if plan.precision == "bf16" else torch.float32
    model = plan.base.load(dtype, plan.device)
    lora = LoraConfig(
        task_type="CAUSAL_LM", r=adapter.rank, lora_alpha=adapter.alpha, target_modules=list(adapter.targets)
    )
    with peft_errors(adapter.targets):
        return get_peft_model(model, lora)


def _prepare_folder(plan: NliPlan, folder: Path, restart: bool) -> Path | None:
    """Make the folder fit for the run; the checkpoint to resume from, if any."""
    state = folder / STATE
    if restart and state.exists():
        for old in (*folder.glob("checkpoint-*"), folder / PEFT_FOLDER):
            shutil.rmtree(old, ignore_errors=True)
        for name in (STATE, RECORD, LOG, HELD_OUT):
            (folder / name).unlink(missing_ok=True)
    if (folder / RECORD).exists():
        raise Refused(f"{folder} holds a finished run.", "Export it, or train anew with --restart.")
    if state.exists():
        if json.loads(state.read_text())["digest"] != plan.digest:
            raise Refused(
                f"{folder} holds an unfinished run of another configuration, files or base.",
                "Change them back to resume it, or begin anew with --restart.",
            )
    elif folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty and no run of this recipe.", "Give another --output.")
    folder.mkdir(parents=True, exist_ok=True)
    if not state.exists():
        _remember(folder, plan, {})
    whole = [path for path in folder.glob("checkpoint-*") if (path / "trainer_state.json").exists()]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _check_space(folder: Path, weights: int) -> None:
    needed, free = weights * _BYTES_PER_WEIGHT + _SPARE_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise EngineFailure(
            f"The run needs about {needed / 1e6:.0f} MB in {folder}, and {free / 1e6:.0f} MB are free.",
            "Free some space, or give --output on another disk.",
        )


def _remember(folder: Path, plan: NliPlan, more: dict[str, Any]) -> None:
    write_atomic(folder / STATE, json.dumps({"digest": plan.digest, **more}) + "\n")


def _write_held_out(plan: NliPlan, path: Path) -> None:
    lines = [
        json.dumps({**asdict(row.pair), "label": row.label, "source": row.source}, ensure_ascii=False)
        for row, _ in plan.held_out
    ]
    write_atomic(path, "\n".join(lines) + "\n")


def _record(plan: NliPlan, evaluations: dict[str, Any], seconds: float, wall: float) -> dict[str, Any]:
    values, base = plan.settings.values, plan.base
    return {
        "kind": KIND,
        "base": {
            "reference": base.reference,
            "model": base.name,
            "fingerprint": base.fingerprint,
            "path": str(base.gguf) if base.gguf else None,
        },
        "prompt": NLI_PAIR.id,
        "words": list(NLI_WORDS),
        "files": list(values.pairs.files),
        "about": values.pairs.about,
        "licence": values.pairs.licence,
        "pairs": len(plan.gathered.training),
        "pairs_seen": len(plan.order),
        "left_out": {**plan.gathered.left_out, "too long": plan.too_long},
        "steps": plan.steps,
        "recipe": f"recipes/{plan.settings.path.name}",
        # where the files lay on this machine is nobody's business: the record ships with the adapter
        "settings": {key: value for key, value, _ in plan.settings.rows() if key != "pairs.folder"},
        "seed": values.training.seed,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "held_out": evaluations,
        "device": plan.device,
        "precision": plan.precision,
        "minutes": round(wall / 60, 1),
        "training_minutes": round(seconds / 60, 1),
        "machine": f"{platform.machine()}, {platform.system()}",
        "digest": plan.digest,
        "version": __version__,
    }
