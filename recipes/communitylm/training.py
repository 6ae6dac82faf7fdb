"""One training, from settings to a run folder.

    Settings ──plan──> Plan (base, examples in order, device, budget; everything that can be wrong is found here)
      ──train──> run folder: checkpoint-N/ while it runs, then
                   adapter/        the PEFT adapter, with `alora_invocation_tokens` if it is activated
                   training.json   the record that export and cards read
                   log.jsonl       a line per report: step, loss (nats/token), tokens/s

transformers' Trainer steps, schedules, checkpoints and resumes; the order of examples is ours, so a resumed run sees
what an uninterrupted one would. A run folder of another configuration is refused, a finished one too.

Failure modes: a bad configuration, corpus or base, or too little space is an error of `plan`, before any weight is
loaded; a kill loses at most the steps since the last checkpoint.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import math
import platform
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from communitylm.bases import Base, find_base
from communitylm.contrast import contrasted
from communitylm.examples import (
    Example,
    Speller,
    Tokens,
    activated,
    causal,
    corpus_parts,
    opposing_parts,
    schedule,
)
from communitylm.passages import Passage
from communitylm.settings import Settings
from communitylm.starting import WEIGHTS, load_start, start_folder, started_from
from pluralism_local import __version__
from pluralism_local.errors import EngineFailure, InvalidInput, Refused
from pluralism_local.files import write_atomic

RECORD, PEFT_FOLDER, LOG = "training.json", "adapter", "log.jsonl"
_BYTES_PER_WEIGHT = 4 * (1 + 2) * 3
"""float32 weights and AdamW's two moments, in the old checkpoint, the new one, and the adapter with room to spare."""
_SPARE_BYTES = 50 * 2**20

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """Everything decided before anything heavy is loaded.

    Attributes:
        order: training examples, as they will be seen.
        held_out: examples to evaluate before and after.
        passages, documents: of the training part of the corpus.
        device, precision: resolved; precision is ``"bf16"`` or ``"fp32"``.
        header: tokens that switch an activated adapter on; empty for the causal form.
        start: the PEFT folder that the adapter starts from; None for a fresh one.
        digest: identity of settings, corpora, start and base; a run folder carries it.
    """

    settings: Settings
    base: Base
    order: tuple[Example, ...]
    held_out: tuple[Example, ...]
    passages: int
    documents: int
    device: str
    precision: str
    header: Tokens
    start: Path | None
    digest: str

    @property
    def tokens(self) -> int:
        """Tokens of the community's text with a loss."""
        return sum(example.losses for example in self.order if example.weight > 0)

    @property
    def contrast_tokens(self) -> int:
        """Tokens of the others' text."""
        return sum(example.losses for example in self.order if example.weight < 0)

    @property
    def steps(self) -> int:
        training = self.settings.values.training
        return math.ceil(len(self.order) / (training.batch * training.accumulate))


def plan(settings: Settings) -> Plan:
    """Resolve and check everything; see `Plan`.

    Raises:
        NotFound, InvalidInput: as `corpus_parts`, `find_base` and `Base.speller`.
    """
    values = settings.values
    training, held_out = corpus_parts(settings)
    base = find_base(values.base.model, settings.path.parent)
    activates = values.adapter.form == "activated"
    with base.speller(chat=activates) as speller:
        header = speller.header if activates else ()
        examples = _examples(training, settings, speller)
        others = _examples(opposing_parts(settings), settings, speller)
        evaluated = _first_tokens(_examples(held_out, settings, speller), values.training.evaluate)
    if not examples or not evaluated:
        raise InvalidInput(
            f"{settings.corpus_file} is too small: no block of {values.training.block} tokens in one of its parts.",
            "Give more text, or a smaller training.block.",
        )
    training_values = values.training
    budget = {
        "tokens": training_values.tokens,
        "passes": training_values.passes,
        "batch": training_values.batch,
        "seed": training_values.seed,
    }
    if training_values.contrast:
        order = contrasted(examples, others, share=training_values.contrast, **budget)
    else:
        order = schedule(examples, **budget)
    start = start_folder(settings)
    device, precision = hardware(values.training.device, values.training.precision)
    read = [settings.corpus_file, *settings.against_files, *([start / WEIGHTS] if start else [])]
    files = [hashlib.sha256(file.read_bytes()).hexdigest() for file in read]
    identity = [values.model_dump(mode="json"), files, base.fingerprint or base.reference, precision]
    return Plan(
        settings=settings,
        base=base,
        order=tuple(order),
        held_out=tuple(evaluated),
        passages=len(training),
        documents=len({passage.document or passage.text for passage in training}),
        device=device,
        precision=precision,
        header=header,
        start=start,
        digest=hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest(),
    )


def train(plan: Plan, folder: Path, *, say: Say, restart: bool = False) -> dict[str, Any]:
    """Carry out a plan in `folder`, resuming what is there; returns the record.

    Raises:
        Refused: the folder holds a finished run, or one of another configuration (`restart` clears it).
        EngineFailure: too little space.
    """
    resume = _prepare_folder(plan, folder, restart)
    import torch
    from peft import LoraConfig, get_peft_model

    from communitylm.steps import evaluate, run_trainer

    values = plan.settings.values
    began = time.monotonic()
    torch.manual_seed(values.training.seed)
    say(f"Loading {plan.base.reference} …")
    # the base is frozen: in bf16 it is half the memory traffic, and exactly the values that the GGUF's 4 bits stand for
    # are not needed for the gradient; the export's parity is checked in float32
    dtype = torch.bfloat16 if plan.precision == "bf16" else torch.float32
    model = plan.base.load(dtype, plan.device)
    adapter = values.adapter
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
    before = _remembered(folder, "base_loss") or evaluate(model, plan, base=True)
    _remember(folder, "base_loss", before)
    say(f"Held-out text under the base: perplexity {math.exp(before):.2f}")
    seconds = run_trainer(model, plan, folder, resume=resume, say=say)
    after = evaluate(model, plan)
    refuse_nan(after, folder)
    say(f"Held-out text under the adapter: perplexity {math.exp(after):.2f} (base {math.exp(before):.2f})")
    _save(model, plan, folder)
    record = _record(plan, before, after, seconds, time.monotonic() - began)
    write_atomic(folder / RECORD, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    return record


def refuse_nan(loss: float, folder: Path) -> None:
    """Raise EngineFailure, before anything is written or removed, if the trained weights are no numbers."""
    if not math.isfinite(loss):
        raise EngineFailure(
            "The training diverged: the held-out loss is no number.",
            f"The last checkpoint in {folder} may still be sound. Train anew with --restart and a lower training.rate.",
        )


def trainable_weights(plan: Plan) -> int:
    """Weights of the adapter, from the GGUF's header; 0 where there is none to read."""
    from pluralism_local.gguf_file import read_header

    if plan.base.gguf is None:
        return 0
    names = {
        "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
        "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down",
    }  # fmt: skip
    adapter = plan.settings.values.adapter
    wanted = {names.get(target) for target in adapter.targets}
    shapes = [
        tensor.shape
        for tensor in read_header(plan.base.gguf).tensors
        if tensor.name.startswith("blk.") and tensor.name.split(".")[2] in wanted
    ]
    return sum(adapter.rank * sum(shape) for shape in shapes)


def _examples(passages: Sequence[Passage], settings: Settings, speller: Speller) -> list[Example]:
    training = settings.values.training
    if settings.values.adapter.form == "activated":
        return activated(passages, speller, training.longest)
    return causal(passages, speller, training.block)


def _first_tokens(examples: Sequence[Example], tokens: int) -> list[Example]:
    """Leading examples until `tokens` losses are reached."""
    chosen: list[Example] = []
    count = 0
    for example in examples:
        if count >= tokens:
            break
        chosen.append(example)
        count += example.losses
    return chosen


def hardware(device: str, precision: str) -> tuple[str, str]:
    """Device and precision for ``"auto"``.

    Raises:
        InvalidInput: a device that is not there.
    """
    import torch

    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        device = next(name for name, here in there.items() if here)
    elif not there[device]:
        raise InvalidInput(
            f"This machine, or this build of torch, has no device '{device}'.",
            'Set training.device = "auto".',
        )
    if precision == "auto":
        cpu = torch.cpu.get_capabilities()
        quick = {
            "cuda": there["cuda"] and torch.cuda.is_bf16_supported(),
            "mps": False,
            "cpu": bool(cpu.get("avx512_bf16") or cpu.get("amx_bf16")),
        }
        precision = "bf16" if quick[device] else "fp32"
    return device, precision


def _prepare_folder(plan: Plan, folder: Path, restart: bool) -> Path | None:
    """Make the folder fit for the run; the checkpoint to resume from, if any."""
    state = folder / "run.json"
    if restart and folder.exists():
        for old in (*folder.glob("checkpoint-*"), folder / PEFT_FOLDER):
            shutil.rmtree(old, ignore_errors=True)
        for name in ("run.json", RECORD, LOG):
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


def _save(model: Any, plan: Plan, folder: Path) -> None:
    """The PEFT adapter; trained as a plain LoRA over the prompt's states, which is what its invocation tokens say."""
    config = model.peft_config["default"]
    config.alora_invocation_tokens = list(plan.header) or None
    config.base_model_name_or_path = plan.base.reference
    config.inference_mode = True
    model.save_pretrained(folder / PEFT_FOLDER, save_embedding_layers=False)


def _record(plan: Plan, before: float, after: float, seconds: float, wall: float) -> dict[str, Any]:
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
        "corpus": values.corpus.about,
        "licence": values.corpus.licence,
        "documents": plan.documents,
        "passages": plan.passages,
        "tokens": plan.tokens + (earlier["tokens"] if earlier else 0),
        "start": earlier,
        "contrast_tokens": plan.contrast_tokens,
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
