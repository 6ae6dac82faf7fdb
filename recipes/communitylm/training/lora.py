"""The adapter of a training: a fresh one over the frozen base, how large it will be, and how it is saved.

TrainingPlan ──new_lora──> PeftModel ──(trained)──> save_lora ──> PEFT folder
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from communitylm.training.bases import Base
from communitylm.training.configuration import LoraPart
from communitylm.training.plan import TrainingPlan
from pluralism_local.errors import InvalidInput

_GGUF_NAMES = {
    "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
    "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down",
}  # fmt: skip


def new_lora(plan: TrainingPlan, **options: Any) -> Any:
    """The base, loaded and frozen, under a new adapter named "default"; both from the plan's seed.

    The base is frozen, so in bf16 it is half the memory traffic, and exactly the values that the GGUF's 4 bits stand
    for are not needed for the gradient; an export's parity is checked in float32.

    Args:
        options: further ones of `peft.LoraConfig`.

    Raises:
        NotFound, InvalidInput: as `Base.load`; the base has no layers of the names in `adapter.targets`.
    """
    import torch
    from peft import LoraConfig, get_peft_model

    adapter = plan.settings.values.adapter
    torch.manual_seed(plan.settings.values.training.seed)
    dtype = torch.bfloat16 if plan.precision == "bf16" else torch.float32
    model = plan.base.load(dtype, plan.device)
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        target_modules=list(adapter.targets),
        **options,
    )
    with _peft_errors(adapter.targets):
        return get_peft_model(model, lora)


def save_lora(model: Any, plan: TrainingPlan, folder: Path, invocation: Sequence[int] = ()) -> None:
    """Save the adapter "default" as a PEFT folder.

    Args:
        invocation: tokens that switch it on, where it was trained as a plain LoRA over the prompt's states.
    """
    config = model.peft_config["default"]
    config.alora_invocation_tokens = list(invocation) or None
    config.base_model_name_or_path = plan.base.reference
    config.inference_mode = True
    model.save_pretrained(folder, save_embedding_layers=False)


def trainable_weights(base: Base, adapter: LoraPart) -> int:
    """Weights of the adapter, from the GGUF's header; 0 where there is none to read."""
    from pluralism_local.models.gguf_file import read_header

    if base.gguf is None:
        return 0
    names = {_GGUF_NAMES.get(target) for target in adapter.targets}
    shapes = [
        tensor.shape
        for tensor in read_header(base.gguf).tensors
        if tensor.name.startswith("blk.") and tensor.name.split(".")[2] in names
    ]
    return sum(adapter.rank * sum(shape) for shape in shapes)


@contextmanager
def _peft_errors(targets: Sequence[str]) -> Iterator[None]:
    """PEFT's complaint about `targets` as InvalidInput."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name it has renamed
            yield
    except ValueError as error:
        raise InvalidInput(
            f"The base has no layers named {', '.join(targets)}: {str(error).splitlines()[0]}",
            "Set adapter.targets to names of its linear layers.",
        ) from error
