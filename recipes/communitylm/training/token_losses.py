"""The loss of tokens, from hidden states: logits of a large vocabulary never exist all at once."""

from __future__ import annotations

from typing import Any

import torch

from pluralism_local.errors import InvalidInput

CHUNK = 256
"""Rows of logits computed at a time: a vocabulary of 49,152 in float32 then takes 50 MB instead of gigabytes."""

Batch = dict[str, torch.Tensor]
"""What a collator makes of examples, by name."""


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
            targets = labels[part, None]
            logits = (hidden[part].to(head.dtype) @ head.T).float()  # (chunk, vocabulary)
            normalizer = logits.logsumexp(dim=1, keepdim=True)
            losses[part] = (normalizer - logits.gather(1, targets))[:, 0]
            probabilities = logits.sub_(normalizer).exp_()
            probabilities.scatter_add_(1, targets, torch.full_like(targets, -1, dtype=torch.float32))
            gradient[part] = (probabilities.to(head.dtype) @ head).to(hidden.dtype)
        ctx.save_for_backward(gradient)
        return losses

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream[0][:, None].to(gradient.dtype), None, None
