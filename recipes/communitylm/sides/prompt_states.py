"""What the base alone makes of the prompts, read once for a whole training.

    SidedExample… ──read──> PromptStates: by prompt its keys and values, a persona's own part once for all its questions
    examples ──batch──> keys, values (batch, layers, heads, P, width), left-padded, and their mask

An activated adapter does not change them. A training of some hundred questions sees every prompt many times, and
without them nine tenths of its work would be reading.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.nn.functional import pad

from communitylm.sides.examples import SidedExample
from communitylm.training.examples import Tokens

TOGETHER = 24
"""Prompts that are read at once."""

Layers = list[tuple[torch.Tensor, torch.Tensor]]
"""Of each layer the keys and the values, (heads, tokens, width)."""


class PromptStates:
    """Keys and values of prompts under the bare base.

    Args:
        model: a PeftModel over a causal LM; its adapter is off while prompts are read.
        report: is told how many of all prompts are read.
    """

    def __init__(self, model: Any, report: Callable[[int, int], None] | None = None) -> None:
        self._model, self._report = model, report
        self._core = model.get_base_model().model
        self._openings: dict[Tokens, Layers] = {}
        self._rests: dict[tuple[Tokens, int], Layers] = {}

    def read(self, examples: Sequence[SidedExample]) -> None:
        """Read what was not read before."""
        by_opening: dict[Tokens, dict[tuple[Tokens, int], None]] = defaultdict(dict)
        for example in examples:
            key = (example.prompt, example.opening)
            if key not in self._rests:
                by_opening[example.prompt[: example.opening]][key] = None
        waiting, done = sum(map(len, by_opening.values())), 0
        with torch.no_grad(), self._model.disable_adapter():
            for opening, keys in by_opening.items():
                if opening not in self._openings:
                    self._openings[opening] = _layers(self._read([opening]), 0, 0, len(opening))
                listed = list(keys)
                for at in range(0, len(listed), TOGETHER):
                    part = listed[at : at + TOGETHER]
                    cache = self._read(
                        [prompt[len(opening) :] for prompt, _ in part], self._openings[opening]
                    )
                    for row, (prompt, begins) in enumerate(part):
                        self._rests[prompt, begins] = _layers(cache, row, begins, len(prompt))
                    done += len(part)
                    if self._report is not None:
                        self._report(done, waiting)

    def batch(self, examples: Sequence[SidedExample]) -> dict[str, torch.Tensor]:
        """``keys``, ``values`` (batch, layers, heads, P, width), zeros before shorter prompts, and ``prompt_mask``
        (batch, P), int64."""
        length = max(len(example.prompt) for example in examples)
        sides: list[list[torch.Tensor]] = [[], []]
        for example in examples:
            opening = self._openings[example.prompt[: example.opening]]
            rest = self._rests[example.prompt, example.opening]
            for side, tensors in enumerate(sides):
                whole = [torch.cat([a[side], b[side]], dim=1) for a, b in zip(opening, rest, strict=True)]
                tensors.append(pad(torch.stack(whole), (0, 0, length - len(example.prompt), 0)))
        mask = torch.zeros(len(examples), length, dtype=torch.long)
        for row, example in enumerate(examples):
            mask[row, length - len(example.prompt) :] = 1
        return {"keys": torch.stack(sides[0]), "values": torch.stack(sides[1]), "prompt_mask": mask}

    def _read(self, rows: Sequence[Tokens], before: Layers | None = None) -> Any:
        """The cache of `rows`, right-padded, behind what was read `before`."""
        from transformers import DynamicCache

        device, width = self._model.device, max(map(len, rows))
        tokens = torch.zeros(len(rows), width, dtype=torch.long, device=device)
        for row, its in enumerate(rows):
            tokens[row, : len(its)] = torch.tensor(its)
        cache = DynamicCache()
        for layer, (keys, values) in enumerate(before or ()):
            cache.update(keys[None].to(device), values[None].to(device), layer)
        if before:
            cache.batch_repeat_interleave(len(rows))
        # what fills up the shorter rows comes behind all that is kept of them, and causal attention keeps it out
        self._core(input_ids=tokens, cache=cache, use_cache=True)
        return cache


def cache_of(batch: Mapping[str, torch.Tensor]) -> Any:
    """The prompts of `PromptStates.batch` as a cache of their own, which grows with what is read behind them."""
    from transformers import DynamicCache

    cache = DynamicCache()
    for layer in range(batch["keys"].shape[1]):
        cache.update(batch["keys"][:, layer], batch["values"][:, layer], layer)
    return cache


def _layers(cache: Any, row: int, start: int, end: int) -> Layers:
    return [
        (layer.keys[row, :, start:end].clone().cpu(), layer.values[row, :, start:end].clone().cpu())
        for layer in cache.layers
    ]
