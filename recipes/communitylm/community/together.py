"""Two communities trained together: one shared adapter, and what sets the two apart, added for one and taken away for
the other.

    first's examples, second's examples ──paired──> batches of half the one (side +1), half the other (side −1)
    shared S, apart D  ──every step──>  first = S + D, second = S − D     (S, D: every weight of the LoRA factors)
    gradients g₁ of first's text at S + D, g₂ of second's at S − D  ──>  dS = g₁ + g₂, dD = g₁ − g₂

Communities of a register write mostly alike, and two adapters trained apart learn that twice, each with the noise of
its own passages: on the other's text one of them does better merely because it came out better. Here what is alike
moves S alone, and D is all that can tell the sides apart: to second order, what its noise costs is the same for both.

Both adapters live in one PeftModel, as "default" (first) and `SECOND`; the optimizer steps S and D.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from communitylm.training.examples import Example, schedule
from communitylm.training.token_losses import Batch
from pluralism_local.lora import WEIGHTS

FIRST, SECOND = "default", "second"
Weights = dict[str, torch.Tensor]


def paired(
    first: Sequence[Example],
    second: Sequence[Example],
    *,
    tokens: int,
    passes: int,
    batch: int,
    seed: int,
) -> list[Example]:
    """The order of training: batches of `batch` // 2 examples of each side, first's (side +1) before second's (−1).

    Args:
        tokens, passes: of each side, as in `schedule`; it ends with the side that is through first.
        batch: even.
    """
    half = batch // 2
    extent = {"tokens": tokens, "passes": passes, "batch": half}
    of_first = schedule(first, seed=seed, **extent)
    of_second = schedule(second, seed=seed + 1, **extent)
    length = min(len(of_first), len(of_second))
    order: list[Example] = []
    for start in range(0, length, half):
        part = slice(start, min(start + half, length))
        order += [replace(example, side=1) for example in of_first[part]]
        order += [replace(example, side=-1) for example in of_second[part]]
    return order


def add_second(model: Any) -> None:
    """Give a PeftModel of one adapter its second, with the same weights."""
    model.add_adapter(SECOND, model.peft_config[FIRST])
    put_weights(model, weights_of(model, FIRST), SECOND)
    _train_both(model)


def weights_of(model: Any, adapter: str = FIRST) -> Weights:
    """A copy of an adapter's weights, by PEFT's names without the adapter's."""
    from peft import get_peft_model_state_dict

    weights = get_peft_model_state_dict(model, adapter_name=adapter, save_embedding_layers=False)
    return {name: weight.detach().clone() for name, weight in weights.items()}


def put_weights(model: Any, weights: Weights, adapter: str = FIRST) -> None:
    """Overwrite an adapter's weights in place."""
    from peft import set_peft_model_state_dict

    set_peft_model_state_dict(model, dict(weights), adapter_name=adapter)


def shared(first: Weights, second: Weights) -> Weights:
    """S of two sides: their mean."""
    return {name: (weight + second[name]) / 2 for name, weight in first.items()}


def load_checkpoint(model: Any, checkpoint: Path) -> None:
    """Both adapters as a checkpoint holds them: the first at its root, the second in a folder of its name."""
    from safetensors.torch import load_file

    put_weights(model, load_file(checkpoint / WEIGHTS), FIRST)
    put_weights(model, load_file(checkpoint / SECOND / WEIGHTS), SECOND)


def summed_over_sides(model: Any, batch: Batch, loss: Callable[[Any, Batch], torch.Tensor]) -> torch.Tensor:
    """Sum of `loss(model, rows)` over the sides, each with its adapter; gradients reach both adapters."""
    total = torch.zeros((), device=batch["sides"].device)
    for adapter, side in ((FIRST, 1), (SECOND, -1)):
        rows = batch["sides"] == side
        if rows.any():
            model.set_adapter(adapter)
            total = total + loss(model, {key: value[rows] for key, value in batch.items()})
    model.set_adapter(FIRST)
    _train_both(model)  # set_adapter freezes the other, and a frozen weight gets no gradient
    return total


def optimizer(model: Any, *, rate: float, apart: float, weight_decay: float) -> torch.optim.Optimizer:
    """AdamW over S (at `rate`) and D (at `rate` × `apart`), which keeps the model's two adapters at S + D and S − D."""
    sides = _sides(model)
    with torch.no_grad():
        middle = [torch.nn.Parameter((first + second) / 2) for first, second in sides]
        offset = [torch.nn.Parameter((first - second) / 2) for first, second in sides]
    stepper = torch.optim.AdamW(
        [{"params": middle, "lr": rate}, {"params": offset, "lr": rate * apart}], weight_decay=weight_decay
    )

    def split_gradients(*_: Any) -> None:
        for (first, second), s, d in zip(sides, middle, offset, strict=True):
            gradient_1 = torch.zeros_like(s) if first.grad is None else first.grad
            gradient_2 = torch.zeros_like(s) if second.grad is None else second.grad
            s.grad, d.grad = gradient_1 + gradient_2, gradient_1 - gradient_2

    def move_sides(*_: Any) -> None:
        with torch.no_grad():
            for (first, second), s, d in zip(sides, middle, offset, strict=True):
                first.copy_(s + d)
                second.copy_(s - d)

    stepper.register_step_pre_hook(split_gradients)
    stepper.register_step_post_hook(move_sides)
    return stepper


def _sides(model: Any) -> list[tuple[torch.nn.Parameter, torch.nn.Parameter]]:
    """Every LoRA weight of the first adapter with its fellow of the second."""
    named = dict(model.named_parameters())
    return [
        (weight, named[name.replace(f".{FIRST}.", f".{SECOND}.")])
        for name, weight in named.items()
        if f".{FIRST}." in name
    ]


def _train_both(model: Any) -> None:
    for pair in _sides(model):
        for weight in pair:
            weight.requires_grad_(True)
