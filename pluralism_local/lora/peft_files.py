"""What PEFT saved: an adapter's configuration, and its pairs of matrices, read without PEFT and torch.

folder ──read_config──> its keys
folder ──read_pairs───> module name -> (A [rank, in], B [out, rank]), float32
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pluralism_local.display.figures import finite
from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.files import LFS_HINT, is_lfs_pointer, open_regular

CONFIG, WEIGHTS, PICKLED = "adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"

MAX_RANK = 4096
"""The highest that a card may state."""

Matrix = npt.NDArray[np.float32]

_FLOATS = {"F64": np.float64, "F32": np.float32, "F16": np.float16}
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")
"""Initializations that take a part out of the base's own weights: the adapter is right on what is left of them only."""

_KINDS = (
    ("lora_magnitude_vector", "DoRA"),
    ("lora_embedding_", "a LoRA on embeddings"),
    ("modules_to_save", "fully trained modules"),
    ("embed_tokens", "new embeddings"),
    ("lm_head", "a new output layer"),
    (".bias", "biases"),
)
"""What a tensor's name contains -> what it is."""


def read_config(folder: Path) -> dict[str, Any]:
    """What PEFT saved about an adapter.

    Raises:
        NotFound: it is not there. InvalidInput: no regular file, not JSON, or no configuration.
    """
    try:
        with open_regular(folder / CONFIG) as file:
            config = json.loads(file.read().decode("utf-8-sig"))
    except NotFound:
        raise NotFound(
            f"{folder} holds no {CONFIG}.",
            "Give a folder that PEFT saved, or a finished run of train_community.py.",
        ) from None
    except (ValueError, RecursionError) as error:
        hint = LFS_HINT if is_lfs_pointer(folder / CONFIG) else "Save the adapter again."
        raise InvalidInput(f"{folder / CONFIG} is not JSON: {error}.", hint) from error
    if not isinstance(config, dict):
        raise InvalidInput(f"{folder / CONFIG} is not a PEFT configuration.", "Save the adapter again.")
    return config


def refuse_unsupported(config: Mapping[str, Any]) -> None:
    """Refuse by name what GGUF has no form for.

    Raises:
        InvalidInput: another adapter than LoRA, or one with parts that are more than pairs of matrices.
    """
    kind = config.get("peft_type")
    if kind != "LORA":
        raise InvalidInput(
            f"An adapter of the type {kind} has no form in GGUF.", "Only LoRA can be exported."
        )
    start = config.get("init_lora_weights")
    parts = {
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
    named = [name for name, value in parts.items() if value]
    if named:
        raise InvalidInput(f"GGUF has no form for {', '.join(named)}.", "Train a plain or an activated LoRA.")


def rank_and_alpha(config: Mapping[str, Any]) -> tuple[int, float]:
    """The adapter's rank and alpha, where no pattern says otherwise.

    Raises:
        InvalidInput: either is missing or cannot be one.
    """
    rank, alpha = config.get("r"), finite(config.get("lora_alpha"))
    if not isinstance(rank, int) or not 1 <= rank <= MAX_RANK:
        raise InvalidInput(
            f"{CONFIG} has the rank r={rank!r:.40}.", f"It must be a whole number of 1 to {MAX_RANK:,}."
        )
    if alpha is None or alpha <= 0:
        raise InvalidInput(
            f"{CONFIG} has lora_alpha={config.get('lora_alpha')!r:.40}.", "It must be a number above 0."
        )
    return rank, alpha


def invocation(config: Mapping[str, Any]) -> tuple[int, ...]:
    """The tokens that switch an activated LoRA on; empty for one that acts always.

    Raises:
        InvalidInput: what stands there is no list of token ids.
    """
    tokens = config.get("alora_invocation_tokens") or []
    if not isinstance(tokens, list) or not all(type(token) is int and 0 <= token < 2**31 for token in tokens):
        raise InvalidInput(
            f"{CONFIG} has alora_invocation_tokens={tokens!r:.40}.", "They must be a list of token ids."
        )
    return tuple(tokens)


def pattern(patterns: Mapping[str, Any] | None, module: str, default: float) -> float:
    """The value that PEFT takes for `module`: of the first pattern that its name ends with, else the default.

    Raises:
        InvalidInput: what stands there is no pattern, or no number.
    """
    if patterns is not None and not isinstance(patterns, Mapping):
        raise InvalidInput(f"{CONFIG} has the patterns {patterns!r:.40}.", "They must be names with numbers.")
    for key, value in (patterns or {}).items():
        try:
            if re.match(rf"(.*\.)?({key})$", module):
                return float(value)
        except (re.error, TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(f"{CONFIG} has the pattern {key!r:.60}: {value!r:.40} ({error}).") from error
    return default


def read_pairs(folder: Path) -> dict[str, tuple[Matrix, Matrix]]:
    """Module name, without PEFT's own prefix -> (A, B).

    Raises:
        NotFound: the weights are missing.
        InvalidInput: damaged, or something else than pairs of LoRA matrices; the message names it.
        Refused: values that are not numbers.
    """
    matrices: dict[str, dict[str, Matrix]] = {}
    for key, values in _tensors(folder).items():
        module, dot, half = key.removesuffix(".weight").rpartition(".")
        if not dot or half not in ("lora_A", "lora_B") or values.ndim != 2:
            kind = next((f", {name}" for part, name in _KINDS if part in key), "")
            raise InvalidInput(
                f"{folder / WEIGHTS} holds '{key}'{kind}, which has no form in GGUF.", "Train a plain LoRA."
            )
        if not np.isfinite(values).all():
            raise Refused(
                f"{key} of {folder} holds values that are not numbers.",
                "The training went wrong; lower its rate.",
            )
        matrices.setdefault(module.removeprefix("base_model.model."), {})[half] = values
    alone = [module for module, parts in matrices.items() if len(parts) != 2]
    if alone or not matrices:
        raise InvalidInput(
            f"{folder / WEIGHTS} is not made of pairs of LoRA matrices ({(alone or ['empty'])[0]}).",
            "Save it again.",
        )
    return {module: (parts["lora_A"], parts["lora_B"]) for module, parts in matrices.items()}


def _tensors(folder: Path) -> dict[str, Matrix]:
    """Every tensor of the weights in float32."""
    from safetensors import SafetensorError, deserialize

    path = folder / WEIGHTS
    try:
        with open_regular(path) as file:
            stored: list[tuple[str, dict[str, Any]]] = deserialize(file.read())  # type: ignore[no-untyped-call]
    except NotFound:
        raise NotFound(f"{folder} holds no {WEIGHTS}.", _how_to_get_weights(folder)) from None
    except SafetensorError as error:
        if is_lfs_pointer(path):
            raise InvalidInput(f"{path} is not the weights.", LFS_HINT) from error
        raise InvalidInput(f"{path} is damaged: {error}.", "Save the adapter again.") from error
    # by name, for the order is another one each time, and that of the tensors decides a file's hash
    return {key: _floats(path, key, tensor) for key, tensor in sorted(stored, key=lambda pair: pair[0])}


def _floats(path: Path, key: str, tensor: Mapping[str, Any]) -> Matrix:
    kind, data = tensor["dtype"], tensor["data"]
    if kind == "BF16":  # which numpy has not: the upper half of a float32
        values = (np.frombuffer(data, np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)
    elif kind in _FLOATS:
        values = np.frombuffer(data, _FLOATS[kind]).astype(np.float32)
    else:
        raise InvalidInput(
            f"{path} holds '{key}' in {kind}, which no LoRA is kept in.", "Save it in float32."
        )
    return values.reshape(tensor["shape"])


def _how_to_get_weights(folder: Path) -> str:
    if (folder / PICKLED).exists():
        return (
            f"There is {PICKLED}, in which code could hide, so it is not read: load the adapter with PEFT and save it "
            "again with save_pretrained(FOLDER, safe_serialization=True)."
        )
    return "PEFT saves it beside its configuration."
