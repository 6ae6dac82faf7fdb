"""A PEFT LoRA as the GGUF that llama.cpp loads.

    PEFT folder, base's transformers config
      ──read_lora──> Lora (pairs A, B under GGUF names; what is unsupported is refused by name)
      ──write_lora_gguf──> file, whole or not at all; LoraInfo

Families: Llama and Mistral (rows of B of q and k permuted as llama.cpp's converter permutes the base's), Qwen 2 and 3,
Gemma 1 to 3 (no permutation). GGUF has one alpha for a file, and llama.cpp scales every pair by alpha / its rank:
rsLoRA becomes alpha·√r, and what alpha and rank patterns change is folded into B. A card has one rank:
pairs of a lower rank are filled up with zeros, which changes no product.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.files import LFS_HINT, is_lfs_pointer
from pluralism_local.models.gguf_file import sha256_of

CONFIG, WEIGHTS, PICKLED = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"
ARCHITECTURES = {
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "gemma": "gemma",
    "gemma2": "gemma2",
    "gemma3_text": "gemma3",
}
"""transformers' model type -> llama.cpp's architecture."""

_PERMUTED = frozenset({"llama", "mistral"})
_LAYER = re.compile(r"\blayers\.(\d+)\.")
_TIED = ("token_embd", "output")
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initializations that take a part out of the base's own weights: the adapter is right on what is left of them only."""

Matrix = npt.NDArray[np.float32]
Half = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Lora:
    """An adapter ready to be written.

    Attributes:
        architecture: llama.cpp's name.
        alpha: of the file; the update is B·A·alpha/rank.
        rank: of every pair.
        invocation: tokens that switch it on; empty for one that acts always.
        pairs: GGUF tensor name without suffix -> (A [rank, in], B [out, rank]), float16.
    """

    architecture: str
    alpha: float
    rank: int
    invocation: tuple[int, ...]
    pairs: Mapping[str, tuple[Half, Half]]


@dataclass(frozen=True, slots=True)
class LoraInfo:
    """What a written file holds; `alpha`, `rank` and `sha256` are what its card must say."""

    architecture: str
    alpha: float
    rank: int
    invocation: tuple[int, ...]
    tensors: int
    bytes: int
    sha256: str


def read_lora(folder: Path, base_config: Any) -> Lora:
    """Read and translate a PEFT adapter.

    Args:
        base_config: the base's transformers configuration.

    Raises:
        NotFound: a file of the folder is missing.
        InvalidInput: a kind of adapter, family or layer that has no form in GGUF, or shapes of another base; the
            message names it.
        Refused: weights that are not numbers, too large for F16, or all zero.
    """
    config = read_config(folder)
    _refuse_unsupported(config)
    family = base_config.model_type
    if family not in ARCHITECTURES:
        raise InvalidInput(
            f"Adapters for bases of the family '{family}' cannot be exported.",
            f"Supported are {', '.join(ARCHITECTURES)}.",
        )
    halves = _read_halves(folder)
    names = _gguf_names(family, base_config.num_hidden_layers, halves)
    _refuse_another_base(halves, names, base_config)
    rank, alpha = _rank_and_alpha(config)
    widest = max(a.shape[0] for a, _ in halves.values())
    rslora = bool(config.get("use_rslora"))
    file_alpha = alpha * math.sqrt(rank) if rslora else alpha
    pairs = {}
    for module, (a, b) in halves.items():
        r = a.shape[0]
        own_alpha = _pattern(config.get("alpha_pattern"), module, alpha)
        if r != _pattern(config.get("rank_pattern"), module, rank) or b.shape[1] != r:
            raise InvalidInput(f"{module} has rank {r}, {CONFIG} says otherwise.", "Save the adapter again.")
        scaling = own_alpha / (math.sqrt(r) if rslora else r)
        folded = _rows(b * np.float32(scaling / (file_alpha / widest)), family, base_config, names[module])
        filled = np.pad(a, ((0, widest - r), (0, 0))), np.pad(folded, ((0, 0), (0, widest - r)))
        pairs[names[module]] = (_half(filled[0], module), _half(filled[1], module))
    if not any(first.any() and second.any() for first, second in pairs.values()):
        raise Refused(f"The adapter {folder} does nothing: all its updates are zero.", "Train it first.")
    return Lora(
        architecture=ARCHITECTURES[family],
        alpha=file_alpha,
        rank=widest,
        invocation=tuple(config.get("alora_invocation_tokens") or ()),
        pairs=pairs,
    )


def write_lora_gguf(lora: Lora, path: Path) -> LoraInfo:
    """Write `lora` in F16.

    Raises:
        OSError: it cannot be written; an earlier file stays as it was.
    """
    import gguf

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        writer = gguf.GGUFWriter(temporary, lora.architecture)
        with contextlib.closing(writer):
            _write(writer, lora)
        temporary.chmod(0o644)
        info = LoraInfo(
            architecture=lora.architecture,
            alpha=lora.alpha,
            rank=lora.rank,
            invocation=lora.invocation,
            tensors=2 * len(lora.pairs),
            bytes=temporary.stat().st_size,
            sha256=sha256_of(temporary),
        )
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return info


def _write(writer: Any, lora: Lora) -> None:
    import gguf

    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", lora.alpha)
    if lora.invocation:
        # the writer would infer INT32, which llama.cpp refuses to load
        writer.add_key_value(
            "adapter.alora.invocation_tokens",
            list(lora.invocation),
            gguf.GGUFValueType.ARRAY,
            sub_type=gguf.GGUFValueType.UINT32,
        )
    for target, (a, b) in lora.pairs.items():
        writer.add_tensor(f"{target}.weight.lora_a", np.ascontiguousarray(a))
        writer.add_tensor(f"{target}.weight.lora_b", np.ascontiguousarray(b))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()


def read_config(folder: Path) -> dict[str, Any]:
    """What PEFT saved about an adapter.

    Raises:
        NotFound: it is not there. InvalidInput: not JSON, or no configuration.
    """
    try:
        found = json.loads((folder / CONFIG).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise NotFound(
            f"{folder} holds no {CONFIG}.",
            "Give a folder that PEFT saved, or a finished run of train_community.py.",
        ) from None
    except ValueError as error:
        hint = LFS_HINT if is_lfs_pointer(folder / CONFIG) else "Save the adapter again."
        raise InvalidInput(f"{folder / CONFIG} is not JSON: {error}.", hint) from error
    if not isinstance(found, dict):
        raise InvalidInput(f"{folder / CONFIG} is not a PEFT configuration.", "Save the adapter again.")
    return found


def _refuse_unsupported(config: Mapping[str, Any]) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise InvalidInput(
            f"An adapter of the type {kind} has no form in GGUF.", "Only LoRA can be exported."
        )
    start = config.get("init_lora_weights")
    asked = {
        "DoRA (use_dora)": config.get("use_dora"),
        "QALoRA (use_qalora)": config.get("use_qalora"),
        "trained biases (bias)": config.get("bias") not in (None, "none"),
        "biases of the LoRA (lora_bias)": config.get("lora_bias"),
        "fully trained modules (modules_to_save)": config.get("modules_to_save"),
        "trained tokens (trainable_token_indices)": config.get("trainable_token_indices"),
        "transposed layers (fan_in_fan_out)": config.get("fan_in_fan_out"),
        "repeated layers (layer_replication)": config.get("layer_replication"),
        "LoRA on parameters (target_parameters)": config.get("target_parameters"),
        "Megatron layers (megatron_config)": config.get("megatron_config"),
        "block-diagonal matrices (use_bdlora)": config.get("use_bdlora"),
        "routing between adapters (arrow_config)": config.get("arrow_config"),
        "KaSA (kasa_config)": config.get("kasa_config"),
        "MonteCLoRA (monteclora_config)": config.get("monteclora_config"),
        f"a changed base (init_lora_weights={start!r})": str(start).startswith(_CHANGES_BASE),
    }
    named = [name for name, value in asked.items() if value]
    if named:
        raise InvalidInput(f"GGUF has no form for {', '.join(named)}.", "Train a plain or an activated LoRA.")


def _read_halves(folder: Path) -> dict[str, tuple[Matrix, Matrix]]:
    """Module name -> (A, B) in float32."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file  # numpy has no bfloat16

    try:
        tensors = load_file(folder / WEIGHTS)
    except FileNotFoundError:
        raise NotFound(f"{folder} holds no {WEIGHTS}.", _how_to_get_weights(folder)) from None
    except SafetensorError as error:
        if is_lfs_pointer(folder / WEIGHTS):
            raise InvalidInput(f"{folder / WEIGHTS} is not the weights.", LFS_HINT) from error
        raise InvalidInput(f"{folder / WEIGHTS} is damaged: {error}.", "Save the adapter again.") from error
    found: dict[str, dict[str, Matrix]] = {}
    for key, tensor in tensors.items():
        module, dot, half = key.removesuffix(".weight").rpartition(".")
        if not dot or half not in ("lora_A", "lora_B"):
            raise InvalidInput(
                f"{folder / WEIGHTS} holds '{key}', which has no form in GGUF.", "Train a plain LoRA."
            )
        values: Matrix = tensor.float().numpy()
        if not np.isfinite(values).all():
            raise Refused(
                f"{key} of {folder} holds values that are not numbers.",
                "The training went wrong; lower its rate.",
            )
        found.setdefault(module.removeprefix("base_model.model."), {})[half] = values
    alone = [module for module, parts in found.items() if len(parts) != 2]
    if alone or not found:
        raise InvalidInput(
            f"{folder / WEIGHTS} is not made of pairs of LoRA matrices ({(alone or ['empty'])[0]}).",
            "Save it again.",
        )
    return {module: (parts["lora_A"], parts["lora_B"]) for module, parts in found.items()}


def _how_to_get_weights(folder: Path) -> str:
    if (folder / PICKLED).exists():
        return (
            f"There is {PICKLED}, in which code could hide, so it is not read: load the adapter with PEFT and save it "
            "again with save_pretrained(FOLDER, safe_serialization=True)."
        )
    return "PEFT saves it beside its configuration."


def _gguf_names(family: str, layers: int, modules: Mapping[str, object]) -> dict[str, str]:
    import gguf

    arch = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == ARCHITECTURES[family])
    table = gguf.get_tensor_name_map(arch, layers)
    names = {}
    for module in modules:
        name = table.get_name(module)
        if name is None and (layer := _LAYER.search(module)) and int(layer[1]) >= layers:
            raise InvalidInput(
                f"A LoRA on layer {layer[1]} ('{module}') belongs to another base: this one has {layers}, from 0 on.",
                "Name the base that the adapter was trained on.",
            )
        if name is None or name in _TIED or not name.startswith("blk."):
            raise InvalidInput(
                f"A LoRA on '{module}' cannot be exported.",
                "Target the linear layers inside the blocks, not embeddings or the output.",
            )
        names[module] = name
    return names


def _refuse_another_base(
    halves: Mapping[str, tuple[Matrix, Matrix]], names: Mapping[str, str], base: Any
) -> None:
    hidden, inner, heads = base.hidden_size, base.intermediate_size, base.num_attention_heads
    head = getattr(base, "head_dim", None) or hidden // heads
    keys = _key_heads(base) * head
    shapes = {
        "attn_q": (hidden, heads * head),
        "attn_k": (hidden, keys),
        "attn_v": (hidden, keys),
        "attn_output": (heads * head, hidden),
        "ffn_gate": (hidden, inner),
        "ffn_up": (hidden, inner),
        "ffn_down": (inner, hidden),
    }  # (in, out)
    for module, (a, b) in halves.items():
        found = (a.shape[1], b.shape[0])
        expected = shapes.get(names[module].rpartition(".")[2], found)
        if found != expected:
            raise InvalidInput(
                f"The LoRA on '{module}' is for a layer of {found[0]} inputs and {found[1]} outputs, this base has "
                f"{expected[0]} and {expected[1]}.",
                "Give the base that the adapter was trained on.",
            )


def _rank_and_alpha(config: Mapping[str, Any]) -> tuple[int, float]:
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not isinstance(rank, int) or rank < 1:
        raise InvalidInput(f"{CONFIG} has the rank r={rank!r}.", "It must be a whole number above 0.")
    if not isinstance(alpha, (int, float)) or not 0 < alpha < math.inf:
        raise InvalidInput(f"{CONFIG} has lora_alpha={alpha!r}.", "It must be a number above 0.")
    return rank, float(alpha)


def _half(matrix: Matrix, module: str) -> Half:
    with np.errstate(over="ignore"):
        half = matrix.astype(np.float16)
    if not np.isfinite(half).all():
        raise Refused(
            f"The LoRA on '{module}' holds values up to {np.abs(matrix).max():.3g}, more than F16 can.",
            "The training went wrong, or its alpha is out of range; lower its rate.",
        )
    return half


def _pattern(patterns: Mapping[str, Any] | None, module: str, default: float) -> float:
    """The value that PEFT takes for `module`: of the pattern that matches its name's end, else the default."""
    from peft.utils.other import get_pattern_key

    if not patterns:
        return default
    key = get_pattern_key(patterns.keys(), module)
    return float(patterns.get(key, default))


def _rows(b: Matrix, family: str, base_config: Any, name: str) -> Matrix:
    """B's rows in GGUF's order: for Llama's q and k the two halves of each head's rotary pairs are interleaved."""
    kind = name.rpartition(".")[2]
    if family not in _PERMUTED or kind not in ("attn_q", "attn_k"):
        return b
    heads = _key_heads(base_config) if kind == "attn_k" else base_config.num_attention_heads
    rows, rank = b.shape
    return b.reshape(heads, 2, rows // heads // 2, rank).swapaxes(1, 2).reshape(rows, rank)


def _key_heads(base_config: Any) -> int:
    return int(getattr(base_config, "num_key_value_heads", None) or base_config.num_attention_heads)
