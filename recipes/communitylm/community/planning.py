"""A training, decided before any weight is loaded: everything that can be wrong is found here.

    Settings (and the partner's) ──plan──> Plan: base, examples in order, held-out examples, device, identity

Failure modes: a bad configuration, corpus or base, or partners that do not fit each other.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from communitylm.community.contrast import Pair, contrasted, read_pairs
from communitylm.community.settings import Settings
from communitylm.community.starting import WEIGHTS, start_folder
from communitylm.community.together import paired
from communitylm.corpus.passages import Passage, distilled
from communitylm.training.bases import Base, find_base
from communitylm.training.examples import (
    Example,
    Speller,
    Tokens,
    activated,
    causal,
    corpus_parts,
    schedule,
)
from pluralism_local.errors import InvalidInput


@dataclass(frozen=True)
class Plan:
    """Everything decided before anything heavy is loaded.

    Attributes:
        order: training examples, as they will be seen; of both sides where two are trained together, and of both texts
            of each pair in a contrast.
        side: which of them are this community's, 1 or -1.
        held_out: examples to evaluate before and after.
        passages, documents: of the training part of the corpus.
        device, precision: resolved; precision is ``"bf16"`` or ``"fp32"``.
        header: tokens that switch an activated adapter on; empty for the causal form.
        start: the PEFT folder that the adapter starts from; None for a fresh one.
        digest: identity of settings, corpora, start and base, and the partner's; a run folder carries it.
        distilled: sources of what is trained on that are models, not people.
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
    distilled: tuple[str, ...] = ()
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
    pairs: list[Pair] = []
    if values.contrast is not None:
        pairs = read_pairs(settings.beside(values.contrast.pairs))
        with base.speller(chat=True) as speller:
            order = contrasted(pairs, speller, longest=values.training.longest, **given)
    elif partner:
        order = paired(read[0].examples, read[1].examples, **given)
    else:
        order = schedule(read[0].examples, **given)
    start = start_folder(settings)
    device, precision = hardware(values.training.device, values.training.precision)
    plans = []
    for side, (one, has) in zip((1, -1), zip(sides, read, strict=True), strict=False):
        files = [one.corpus_file, *one.further_files, *([start / WEIGHTS] if start else [])]
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
                distilled=distilled([*has.sources, *(pair.source for pair in pairs)]),
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
    sources: frozenset[str | None]


def _read(settings: Settings, speller: Speller) -> _Read:
    values = settings.values
    training, held_out = corpus_parts(settings)
    examples = _examples(training, settings, speller)
    if values.corpus.evenly and values.training.tokens:
        examples = _first_tokens(examples, values.training.tokens)
    evaluated = _first_tokens(_examples(held_out, settings, speller), values.training.evaluate)
    if not examples or not evaluated:
        raise InvalidInput(
            f"{settings.corpus_file} is too small: no block of {values.training.block} tokens in one of its parts.",
            "Give more text, or a smaller training.block.",
        )
    documents = len({passage.document or passage.text for passage in training})
    sources = frozenset(passage.source for passage in training)
    return _Read(tuple(examples), tuple(evaluated), len(training), documents, sources)


def _digest(identity: Any) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def trainable_weights(plan: Plan) -> int:
    """Weights of the adapter, from the GGUF's header; 0 where there is none to read."""
    from pluralism_local.models.gguf_file import read_header

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
