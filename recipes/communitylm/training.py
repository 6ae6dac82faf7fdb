"""One training, from settings to a run folder.

    Settings ──plan──> Plan (base, examples in order, device, budget; everything that can be wrong is found here)
      ──train──> run folder: checkpoint-N/ while it runs, then
                   adapter/        the PEFT adapter, with `alora_invocation_tokens` if it is activated
                   training.json   the record that export and cards read
                   log.jsonl       a line per report: step, loss (nats/token), tokens/s
                 for two communities trained together a folder for each, the second beside the first, and in both
                   shared/         what they have in common, to start a third from

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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from communitylm.bases import Base, find_base
from communitylm.examples import (
    Example,
    Speller,
    Tokens,
    activated,
    causal,
    corpus_parts,
    schedule,
)
from communitylm.pair import SECOND, add_second, paired, put_weights, shared, weights_of
from communitylm.passages import Passage
from communitylm.settings import Settings
from communitylm.starting import SHARED, WEIGHTS, load_start, start_folder, started_from
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
        order: training examples, as they will be seen; of both sides where two are trained together.
        side: which of them are this community's, 1 or -1.
        held_out: examples to evaluate before and after.
        passages, documents: of the training part of the corpus.
        device, precision: resolved; precision is ``"bf16"`` or ``"fp32"``.
        header: tokens that switch an activated adapter on; empty for the causal form.
        start: the PEFT folder that the adapter starts from; None for a fresh one.
        digest: identity of settings, corpora, start and base, and the partner's; a run folder carries it.
        partner: the plan of the community that is trained in the same run, its own `partner` left out.
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
    side: int = 1
    partner: Plan | None = None

    @property
    def tokens(self) -> int:
        """Tokens of the community's text with a loss."""
        return sum(example.losses for example in self.order if example.side == self.side)

    @property
    def steps(self) -> int:
        training = self.settings.values.training
        return math.ceil(len(self.order) / (training.batch * training.accumulate))


def plan(settings: Settings) -> Plan:
    """Resolve and check everything; see `Plan`. Which of two partners is planned changes nothing in the run.

    Raises:
        NotFound, InvalidInput: as `corpus_parts`, `find_base`, `Base.speller` and `Settings.partner`.
    """
    values = settings.values
    partner = settings.partner()
    sides = sorted([settings, partner] if partner else [settings], key=lambda one: one.id)
    base = find_base(values.base.model, settings.path.parent)
    activates = values.adapter.form == "activated"
    with base.speller(chat=activates) as speller:
        header = speller.header if activates else ()
        read = [_read(one, speller) for one in sides]
    given = {
        "tokens": values.training.tokens,
        "passes": values.training.passes,
        "batch": values.training.batch,
        "seed": values.training.seed,
    }
    order = (
        paired(read[0].examples, read[1].examples, **given)
        if partner
        else schedule(read[0].examples, **given)
    )
    start = start_folder(settings)
    device, precision = hardware(values.training.device, values.training.precision)
    plans = []
    for side, (one, has) in zip((1, -1), zip(sides, read, strict=True), strict=False):
        files = [one.corpus_file, *([start / WEIGHTS] if start else [])]
        identity = [
            one.values.model_dump(mode="json"),
            [hashlib.sha256(file.read_bytes()).hexdigest() for file in files],
            base.fingerprint or base.reference,
            precision,
        ]
        plans.append(
            Plan(
                settings=one,
                base=base,
                order=tuple(order),
                held_out=has.held_out,
                passages=has.passages,
                documents=has.documents,
                device=device,
                precision=precision,
                header=header,
                start=start,
                digest=_digest(identity),
                side=side,
            )
        )
    own, *other = sorted(plans, key=lambda plan: plan.settings is not settings)
    if not other:
        return own
    with_other, with_own = _digest([own.digest, other[0].digest]), _digest([other[0].digest, own.digest])
    return replace(own, digest=with_other, partner=replace(other[0], digest=with_own))


@dataclass(frozen=True)
class _Read:
    examples: tuple[Example, ...]
    held_out: tuple[Example, ...]
    passages: int
    documents: int


def _read(settings: Settings, speller: Speller) -> _Read:
    values = settings.values
    training, held_out = corpus_parts(settings)
    examples = _examples(training, settings, speller)
    evaluated = _first_tokens(_examples(held_out, settings, speller), values.training.evaluate)
    if not examples or not evaluated:
        raise InvalidInput(
            f"{settings.corpus_file} is too small: no block of {values.training.block} tokens in one of its parts.",
            "Give more text, or a smaller training.block.",
        )
    documents = len({passage.document or passage.text for passage in training})
    return _Read(tuple(examples), tuple(evaluated), len(training), documents)


def _digest(identity: Any) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def train(plan: Plan, folder: Path, *, say: Say, restart: bool = False) -> dict[str, Any]:
    """Carry out a plan in `folder`, resuming what is there; returns the record.

    A partner's run is written beside `folder`, under the partner's id.

    Raises:
        Refused: the folder holds a finished run, or one of another configuration (`restart` clears it); likewise the
            partner's.
        EngineFailure: too little space.
    """
    resume = _prepare_folder(plan, folder, restart)
    if plan.partner is not None:
        beside = folder.with_name(plan.partner.settings.id)
        if resume is None and not restart and (beside / RECORD).exists():
            raise Refused(f"{beside} holds a finished run.", "Export it, or train both anew with --restart.")
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
    if plan.partner is not None:
        add_second(model)
    plans = [plan, plan.partner] if plan.partner else [plan]
    before = {}
    for one in plans:
        key = f"base_loss_{one.settings.id}"
        before[one.side] = _remembered(folder, key) or evaluate(model, one, base=True)
        _remember(folder, key, before[one.side])
        say(f"{_text(one)} under the base: perplexity {math.exp(before[one.side]):.2f}")
    seconds = run_trainer(model, plan, folder, resume=resume, say=say)
    weights = {1: weights_of(model)}
    if plan.partner is not None:
        weights[-1] = weights_of(model, SECOND)
        model.delete_adapter(SECOND)
    after = {}
    for one in plans:
        put_weights(model, weights[one.side])
        after[one.side] = evaluate(model, one)
        refuse_nan(after[one.side], folder)
        say(
            f"{_text(one)} under the adapter: perplexity {math.exp(after[one.side]):.2f} "
            f"(base {math.exp(before[one.side]):.2f})"
        )
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


def _text(plan: Plan) -> str:
    return f"Held-out text of {plan.settings.id}"


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
        for old in (*folder.glob("checkpoint-*"), folder / PEFT_FOLDER, folder / SHARED):
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
        "corpus": values.corpus.about,
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
