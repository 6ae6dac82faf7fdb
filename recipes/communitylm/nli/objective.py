"""The loss of a batch of pairs: cross-entropy of the answer's word, given the prompt.

    opening (1, P)  ──adapter on──> its KV, once for the batch ──repeated──┐
    rest    (batch, R) right-padded ──adapter on, over that KV─────────────┴─> hidden (batch, width) at the last token
                                                                                └─answer_loss──> nats

All prompts begin with the same tokens, more than half of a short pair's, and an adapter that acts always gives them the
same states in every row: computed once, with their gradient, they cost a batch-th. The softmax is over the whole
vocabulary, not over the three words alone: an engine weighs every spelling of a word ("Yes", " Yes"), and only so does
training push the probability of the others, and of all else, towards 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from communitylm.training.examples import Example, Tokens
from communitylm.training.token_losses import Batch, answer_loss, head_of


def collate(examples: Sequence[Example]) -> Batch:
    """Padded tensors, int64: opening (1, P); rest (batch, R); length (batch,) of each rest; labels (batch,), the words.

    Raises:
        ValueError: the examples begin with different tokens (a bug).
    """
    opening = examples[0].prompt
    if any(example.prompt != opening for example in examples):
        raise ValueError("the examples of a batch must have one opening")
    longest = max(example.skip for example in examples)
    rest = torch.zeros(len(examples), longest, dtype=torch.long)
    for row, example in enumerate(examples):
        rest[row, : example.skip] = torch.tensor(example.answer[:-1])
    labels = torch.tensor([example.answer[-1] for example in examples])
    return {
        "opening": torch.tensor([opening], dtype=torch.long),
        "rest": rest,
        "length": torch.tensor([example.skip for example in examples]),
        "labels": labels,
        "shift_labels": labels,  # by this name the Trainer counts them all; of "labels" it leaves the first out
    }


def last_hidden(model: Any, batch: Batch) -> torch.Tensor:
    """Hidden states (batch, width) at each prompt's last token, differentiable in the adapter's weights.

    Args:
        model: a PeftModel over a causal LM, its adapter on.
    """
    core = model.get_base_model().model
    rest, length = batch["rest"], batch["length"]
    rows, width = rest.shape
    shared = batch["opening"].shape[1]
    past = None
    if shared:
        past = core(input_ids=batch["opening"], use_cache=True).cache
        past.batch_repeat_interleave(rows)
    within = torch.arange(width, device=rest.device)
    mask = torch.cat([rest.new_ones(rows, shared), (within < length[:, None]).long()], dim=1)
    hidden = core(
        input_ids=rest,
        attention_mask=mask,
        position_ids=(shared + within).expand(rows, width),
        cache=past,
        use_cache=past is not None,
    ).last_hidden_state
    last: torch.Tensor = hidden[torch.arange(rows, device=rest.device), length - 1]
    return last


def loss_and_guesses(model: Any, batch: Batch, words: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed loss, nats, and for each row which of `words` is the most probable, int64 (batch,)."""
    hidden, head = last_hidden(model, batch), head_of(model)
    with torch.no_grad():
        guesses = (hidden.detach().to(head.dtype) @ head[list(words)].T).float().argmax(dim=1)
    return answer_loss(hidden, head, batch["labels"]), guesses


def word_probabilities(model: Any, examples: Sequence[Example], words: Tokens) -> torch.Tensor:
    """Probabilities (examples, words), float64, normalised over the words; no gradient."""
    with torch.no_grad():
        hidden = last_hidden(model, collate(examples))
        logits = hidden.double() @ head_of(model)[list(words)].double().T
        return logits.softmax(dim=1)
