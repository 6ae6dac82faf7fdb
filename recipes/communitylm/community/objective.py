"""The loss of a batch of examples: the prompt read by the base, the answer by the adapted model.

    prompts  (batch, P) left-padded  ──base, no gradient──> KV of the prompt
    answers  (batch, A) right-padded ──adapter on, over that KV──> hidden (batch, A, width) ──token_losses──> nats

For an activated adapter this is what PEFT computes with `alora_invocation_tokens` (the adapter acts from the header
on, and the prompt's states do not depend on it), without the backward pass through the prompt and without a mask in
every layer. For a causal one the prompts are empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from communitylm.training.examples import Example
from communitylm.training.token_losses import Batch, head_of, token_losses

IGNORED = -100


def collate(examples: Sequence[Example]) -> Batch:
    """Padded tensors, int64: prompt, prompt_mask (batch, P); answer, answer_mask, labels (batch, A); sides (batch,);
    and, float32, reference (batch,).

    labels[:, t] is the token that follows answer[:, t], `IGNORED` where it carries no loss.
    """
    longest_prompt = max(len(example.prompt) for example in examples)
    longest_answer = max(len(example.answer) for example in examples) - 1
    prompt = torch.zeros(len(examples), longest_prompt, dtype=torch.long)
    answer = torch.zeros(len(examples), longest_answer, dtype=torch.long)
    prompt_mask, answer_mask = torch.zeros_like(prompt), torch.zeros_like(answer)
    labels = torch.full_like(answer, IGNORED)
    for row, example in enumerate(examples):
        if example.prompt:
            prompt[row, -len(example.prompt) :] = torch.tensor(example.prompt)
            prompt_mask[row, -len(example.prompt) :] = 1
        length = len(example.answer) - 1
        answer[row, :length] = torch.tensor(example.answer[:-1])
        answer_mask[row, :length] = 1
        labels[row, example.skip - 1 : length] = torch.tensor(example.answer[example.skip :])
    return {
        "prompt": prompt,
        "prompt_mask": prompt_mask,
        "answer": answer,
        "answer_mask": answer_mask,
        "labels": labels,
        "shift_labels": labels,  # by this name the Trainer counts them all; of "labels" it leaves the first out
        "sides": torch.tensor([example.side for example in examples]),
        "reference": torch.tensor([example.reference for example in examples]),
    }


def summed_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Sum over the batch's labels of −log p(label), nats; see `row_losses`."""
    return row_losses(model, batch).sum()


def row_losses(model: Any, batch: Batch) -> torch.Tensor:
    """Per example (batch,), the sum over its labels of −log p(label), nats; differentiable in the adapter's weights.

    Args:
        model: a PeftModel over a causal LM, its LoRA without invocation tokens.
    """
    core = model.get_base_model().model
    past = None
    mask = torch.cat([batch["prompt_mask"], batch["answer_mask"]], dim=1)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    width = batch["prompt"].shape[1]
    if width:
        with torch.no_grad(), model.disable_adapter():
            past = core(
                input_ids=batch["prompt"],
                attention_mask=batch["prompt_mask"],
                position_ids=positions[:, :width],
                use_cache=True,
            ).cache
    hidden = core(
        input_ids=batch["answer"],
        attention_mask=mask,
        position_ids=positions[:, width:],
        cache=past,
        use_cache=past is not None,
    ).last_hidden_state
    carrying = batch["labels"] != IGNORED
    losses = token_losses(hidden[carrying], head_of(model), batch["labels"][carrying])
    rows = carrying.nonzero()[:, 0]
    return torch.zeros(len(carrying), device=losses.device).index_add(0, rows, losses)
