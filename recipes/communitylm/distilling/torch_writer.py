"""Many texts at once from a model in PyTorch: for a writer whose texts nobody waits for one by one.

    [Request] ──TorchWriter──> [Written]; the last message may be the assistant's: the text then begins with it

What all prompts of a call begin with is read once, and every step draws a token for each text that has not ended. On a
CPU with matrix units for bf16, and on a GPU, fifty texts take little longer than a few. Tokens are drawn from the
`MOST_LIKELY` likeliest, of which `top_p` keeps some; the same call gives the same texts on the same machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import takewhile
from typing import Any

import torch

from communitylm.distilling.generating import Written
from communitylm.progress import Say
from communitylm.training.bases import Base
from communitylm.training.hardware import hardware
from pluralism_local.types import Message, Request, Sampling

BATCH = 48
"""Requests that are written together: what a model of 1.5 billion parameters remembers of so many takes a gigabyte."""
MOST_LIKELY = 64


class TorchWriter:
    """Writes with `base`, which is loaded for the first text.

    Raises on the first text:
        NotFound, InvalidInput: as `Base.load` and `Base.speller`; the base has no chat template.
    """

    def __init__(self, base: Base, say: Say) -> None:
        self._base, self._say = base, say
        self._open = ExitStack()
        self._model: Any = None

    def __enter__(self) -> TorchWriter:
        return self

    def _load(self) -> None:
        device, precision = hardware("auto", "auto")
        self._speller = self._open.enter_context(self._base.speller(chat=True))
        self._say(f"Loading {self._base.reference} …")
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self._model = self._base.load(dtype, device).eval()
        self._model.set_attn_implementation("sdpa")  # training's own repeats keys and values for every head

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def __call__(self, requests: Sequence[Request]) -> list[Written]:
        """A text for each request, all drawn as the first one's `sampling` says."""
        if self._model is None:
            self._load()
        sampling, openings = requests[0].sampling, [_opening(request) for request in requests]
        prompts = [
            (*self._speller.conversation(_asked(request)), *self._speller.text(opening))
            for request, opening in zip(requests, openings, strict=True)
        ]
        with torch.inference_mode():
            drawn = self._draw(prompts, sampling)
        return [
            Written((opening + self._speller.spelled(tokens)).strip(), ended)
            for opening, (tokens, ended) in zip(openings, drawn, strict=True)
        ]

    def _draw(self, prompts: Sequence[Sequence[int]], sampling: Sampling) -> list[tuple[list[int], bool]]:
        """Of each prompt the tokens that follow, and whether the end of the turn came."""
        device, end = self._model.device, self._speller.end
        chance = torch.Generator(device).manual_seed(sampling.seed)
        logits, cache, mask = self._read(prompts)
        drawn: list[list[int]] = [[] for _ in prompts]
        writing = list(range(len(prompts)))
        for _ in range(sampling.max_tokens):
            tokens = _drawn(logits.float(), sampling, chance)
            going = [place for place, token in enumerate(tokens.tolist()) if token != end]
            for place in going:
                drawn[writing[place]].append(int(tokens[place]))
            if len(going) < len(writing):
                rows = torch.tensor(going, device=device, dtype=torch.long)
                cache.batch_select_indices(rows)
                tokens, mask, writing = tokens[rows], mask[rows], [writing[place] for place in going]
            if not writing:
                break
            mask = torch.cat([mask, mask.new_ones(len(writing), 1)], dim=1)
            logits = self._step(tokens[:, None], mask, cache)
        return [(tokens, place not in writing) for place, tokens in enumerate(drawn)]

    def _read(self, prompts: Sequence[Sequence[int]]) -> tuple[torch.Tensor, Any, torch.Tensor]:
        """Logits after each prompt, the cache and its mask; shorter prompts are filled up between what they share and
        the rest."""
        from transformers import DynamicCache

        alike = takewhile(lambda column: len(set(column)) == 1, zip(*prompts, strict=False))
        shared = min(len(list(alike)), min(map(len, prompts)) - 1)
        width = max(map(len, prompts)) - shared
        cache, device, many = DynamicCache(), self._model.device, len(prompts)
        if shared:
            first = torch.tensor([prompts[0][:shared]], device=device)
            self._fill(first, torch.ones_like(first), cache)
            cache.batch_repeat_interleave(many)
        rest = torch.zeros(many, width, dtype=torch.long, device=device)
        mask = torch.ones(many, shared + width, dtype=torch.long, device=device)
        for row, prompt in enumerate(prompts):
            own = prompt[shared:]
            rest[row, width - len(own) :] = torch.tensor(own, device=device)
            mask[row, shared : shared + width - len(own)] = 0
        if width > 1:
            self._fill(rest[:, :-1], mask[:, :-1], cache)
        return self._step(rest[:, -1:], mask, cache), cache, mask

    def _fill(self, tokens: torch.Tensor, mask: torch.Tensor, cache: Any) -> None:
        """Read `tokens` into the cache, without what they make likely."""
        self._model.base_model(**_inputs(tokens, mask, cache))

    def _step(self, tokens: torch.Tensor, mask: torch.Tensor, cache: Any) -> torch.Tensor:
        """Read a token a row and give the logits after it."""
        return self._model(**_inputs(tokens, mask, cache)).logits[:, -1]


def _inputs(tokens: torch.Tensor, mask: torch.Tensor, cache: Any) -> dict[str, Any]:
    """`tokens`, rows × new, after what is in the cache; `mask` is of all tokens so far."""
    positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
    return {
        "input_ids": tokens,
        "attention_mask": mask,
        "position_ids": positions,
        "cache": cache,
        "use_cache": True,
    }


def _opening(request: Request) -> str:
    last = request.messages[-1]
    return last.content if last.role == "assistant" else ""


def _asked(request: Request) -> tuple[Message, ...]:
    return request.messages[:-1] if request.messages[-1].role == "assistant" else request.messages


def _drawn(logits: torch.Tensor, sampling: Sampling, chance: torch.Generator) -> torch.Tensor:
    """A token a row."""
    if sampling.temperature == 0:
        return logits.argmax(dim=1)
    best, tokens = logits.topk(min(MOST_LIKELY, logits.shape[1]), dim=1)
    shares = torch.softmax(best / sampling.temperature, dim=1)
    before = shares.cumsum(dim=1) - shares
    nucleus = shares.masked_fill(before >= sampling.top_p, 0.0)
    return tokens.gather(1, torch.multinomial(nucleus, 1, generator=chance)).squeeze(1)
