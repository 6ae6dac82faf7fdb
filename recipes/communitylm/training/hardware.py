"""Where a training computes, and in what precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from pluralism_local.errors import InvalidInput


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


def computing(device: str, precision: str) -> AbstractContextManager[Any]:
    """Where a forward pass runs: bf16 autocast, or nothing."""
    import torch

    return torch.autocast(device, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()
