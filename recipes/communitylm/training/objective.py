"""The loss of a batch of examples: the prompt read by the base, the answer by the adapted model.

    prompts  (batch, P) left-padded  ──base, no gradient──> KV of the prompt
    answers  (batch, A) right-padded ──adapter on, over that KV──> hidden (batch, A, width) ──answer_loss──> nats

For an activated adapter this is what PEFT computes with `alora_invocation_tokens` (the adapter acts from the header
on, and the prompt's states do not depend on it), without the backward pass through the prompt and without a mask in
every layer. For a causal one the prompts are empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from communitylm.training.examples import Example
from pluralism_local.errors import InvalidInput

IGNORED = -100
CHUNK = 256
"""Rows of logits computed at a time: a vocabulary of 49,152 in float32 then takes 50 MB instead of gigabytes."""

Batch = dict[str, torch.Tensor]


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
    wanted = batch["labels"] != IGNORED
    losses = token_losses(hidden[wanted], head_of(model), batch["labels"][wanted])
    rows = wanted.nonzero()[:, 0]
    return torch.zeros(len(wanted), device=losses.device).index_add(0, rows, losses)


def head_of(model: Any) -> torch.Tensor:
    """Weights (vocabulary, width) of the output layer.

    Raises:
        InvalidInput: the output is more than a matrix product (a bias, soft-capped or scaled logits).
    """
    head = model.get_output_embeddings()
    config = model.config
    special = [
        name
        for name in ("final_logit_softcapping", "logit_scale", "logits_scaling")
        if getattr(config, name, None)
    ]
    if getattr(head, "bias", None) is not None:
        special.append("a bias in its output layer")
    if special:
        raise InvalidInput(
            f"Bases with {' and '.join(special)} cannot be trained by this recipe.",
            "Take another base, or train with PEFT's own tools and export with recipes/export_gguf.py.",
        )
    weights: torch.Tensor = head.weight
    return weights


def answer_loss(hidden: torch.Tensor, head: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Sum of `token_losses`."""
    return token_losses(hidden, head, labels).sum()


def token_losses(hidden: torch.Tensor, head: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """−log softmax(hidden · headᵀ)[label] of each row, (rows,) float32; the head is taken as frozen.

    Args:
        hidden: (rows, width). head: (vocabulary, width). labels: (rows,) int64.
    """
    losses: torch.Tensor = _TokenLosses.apply(hidden, head, labels)
    return losses


class _TokenLosses(torch.autograd.Function):
    """Logits, their normalizer and the gradient in one pass over chunks, so that all logits never exist at once."""

    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, head: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        hidden = hidden.detach()
        gradient = torch.empty_like(hidden)
        losses = torch.empty(len(labels), dtype=torch.float32, device=hidden.device)
        for start in range(0, len(labels), CHUNK):
            part = slice(start, start + CHUNK)
            wanted = labels[part, None]
            logits = (hidden[part].to(head.dtype) @ head.T).float()  # (chunk, vocabulary)
            normalizer = logits.logsumexp(dim=1, keepdim=True)
            losses[part] = (normalizer - logits.gather(1, wanted))[:, 0]
            probabilities = logits.sub_(normalizer).exp_()
            probabilities.scatter_add_(1, wanted, torch.full_like(wanted, -1, dtype=torch.float32))
            gradient[part] = (probabilities.to(head.dtype) @ head).to(hidden.dtype)
        ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream[0][:, None].to(gradient.dtype), None, None
