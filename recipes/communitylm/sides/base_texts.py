"""How the base goes on where the adapter shall change nothing.

openings, PromptStates ──write──> for each the tokens that follow, with the end of the turn if it came
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from communitylm.sides.examples import SidedExample
from communitylm.sides.prompt_states import PromptStates, cache_of
from communitylm.training.examples import Tokens

TOGETHER = 48
TOP = 40
"""A token is drawn from the likeliest so many, at temperature 1."""


def write(
    model: Any, openings: Sequence[SidedExample], states: PromptStates, *, tokens: int, end: int, seed: int
) -> list[Tokens]:
    """What follows each opening, at least one token."""
    chance = torch.Generator().manual_seed(seed)
    texts: list[Tokens] = []
    with torch.no_grad(), model.disable_adapter():
        for length in sorted({len(opening.answer) for opening in openings}):
            of_length = [opening for opening in openings if len(opening.answer) == length]
            for at in range(0, len(of_length), TOGETHER):
                texts += _written(model, of_length[at : at + TOGETHER], states, tokens, end, chance)
    places = sorted(range(len(openings)), key=lambda place: len(openings[place].answer))
    by_place = dict(zip(places, texts, strict=True))
    return [by_place[place] for place in range(len(openings))]


def _written(
    model: Any,
    openings: Sequence[SidedExample],
    states: PromptStates,
    tokens: int,
    end: int,
    chance: torch.Generator,
) -> list[Tokens]:
    device = model.device
    batch = {name: tensor.to(device) for name, tensor in states.batch(openings).items()}
    cache = cache_of(batch)
    head = model.get_output_embeddings().weight
    tokens_in = torch.tensor([opening.answer for opening in openings], device=device)
    mask, drawn = batch["prompt_mask"], []
    for _ in range(tokens):
        mask = torch.cat([mask, torch.ones_like(tokens_in)], dim=1)
        positions = (mask.cumsum(dim=1) - 1)[:, -tokens_in.shape[1] :]
        hidden = (
            model.get_base_model()
            .model(
                input_ids=tokens_in, attention_mask=mask, position_ids=positions, cache=cache, use_cache=True
            )
            .last_hidden_state[:, -1]
        )
        likely = (hidden.contiguous() @ head.T).float().topk(TOP, dim=1)
        chosen = torch.multinomial(likely.values.softmax(dim=1).cpu(), 1, generator=chance).to(device)
        tokens_in = likely.indices.gather(1, chosen)
        drawn.append(tokens_in[:, 0])
    rows = torch.stack(drawn, dim=1).tolist()
    return [tuple(row[: row.index(end) + 1] if end in row else row) for row in rows]
