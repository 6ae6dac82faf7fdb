"""The loss of a step: the first word after the header, a question's sides apart, all other text as the base has it.

    keys, values of prompts ──answers so far, adapter on──> logits after each token
        sided rows   −log p(the side's word), and softplus(−(log-odds of who says yes − of who says no)) for each pair
        held rows    KL(base ‖ adapted) after every token of a text of the base's, from where its opening ends

The softmax is over the whole vocabulary, so that a voice learns to begin with one of the two words at all. Without held
rows a voice repeats yes and no for good: the adapter acts on every token, and the first one alone was taught.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import nll_loss, softplus

from communitylm.sides.examples import SidedExample
from communitylm.sides.prompt_states import PromptStates, cache_of
from communitylm.training.examples import Tokens
from communitylm.training.token_losses import Batch, head_of

HELD = "held_"
"""What the names of a batch's held rows begin with."""


def sided_rows(examples: Sequence[SidedExample], states: PromptStates) -> Batch:
    """What `PromptStates.batch` gives; answer and answer_mask (batch, A), the header; labels, the words' tokens, and
    sides (batch,), all int64."""
    header = torch.tensor([example.answer[: example.skip] for example in examples])
    labels = torch.tensor([example.answer[-1] for example in examples])
    return {
        **states.batch(examples),
        "answer": header,
        "answer_mask": torch.ones_like(header),
        "labels": labels,
        "shift_labels": labels,  # by this name the Trainer counts them all; of "labels" it leaves the first out
        "sides": torch.tensor([example.side for example in examples]),
    }


def held_rows(texts: Sequence[tuple[SidedExample, Tokens]], states: PromptStates) -> Batch:
    """Of texts (opening, what follows) the same, right-padded; carrying (batch, A), bool, is true from the opening's
    last token to the last but one of the text. Every name begins with `HELD`."""
    whole = [(*example.answer, *rest) for example, rest in texts]
    answer = torch.zeros(len(texts), max(map(len, whole)) - 1, dtype=torch.long)
    mask, carrying = torch.zeros_like(answer), torch.zeros_like(answer, dtype=torch.bool)
    for row, ((example, _), tokens) in enumerate(zip(texts, whole, strict=True)):
        length = len(tokens) - 1
        answer[row, :length] = torch.tensor(tokens[:-1])
        mask[row, :length] = 1
        carrying[row, len(example.answer) - 1 : length] = True
    rows = states.batch([example for example, _ in texts])
    rows |= {"answer": answer, "answer_mask": mask, "carrying": carrying}
    return {f"{HELD}{name}": tensor for name, tensor in rows.items()}


def log_probabilities(model: Any, batch: Batch, carrying: torch.Tensor | None = None) -> torch.Tensor:
    """(rows, vocabulary) float32 after each answer's last token, or after those that are `carrying`, row by row;
    differentiable in the adapter's weights where it is on."""
    cache = cache_of(batch)
    answer = batch["answer"]
    mask = torch.cat([batch["prompt_mask"], batch["answer_mask"]], dim=1)
    positions = (mask.cumsum(dim=1) - 1)[:, -answer.shape[1] :]
    core = model.get_base_model().model
    hidden = core(
        input_ids=answer, attention_mask=mask, position_ids=positions, cache=cache, use_cache=True
    ).last_hidden_state
    head = head_of(model)
    # cut out of all positions it would be copied once a row by the product with so large a matrix
    rows = hidden[:, -1].contiguous() if carrying is None else hidden[carrying]
    return (rows.to(head.dtype) @ head.T).float().log_softmax(dim=1)


def step_loss(model: Any, batch: Batch, *, words: Tokens, apart: float, hold: float) -> torch.Tensor:
    """The mean loss of a step's sided and held rows, nats; see the module.

    Args:
        words: tokens of yes and no. apart, hold: weights, as of `settings.SidesTrainingPart`.
    """
    logs = log_probabilities(model, batch)
    loss = nll_loss(logs, batch["labels"])
    loss = loss + apart * softplus(-differences(logs, batch["sides"], words)).mean()
    held = {name.removeprefix(HELD): tensor for name, tensor in batch.items() if name.startswith(HELD)}
    adapted = log_probabilities(model, held, held["carrying"])
    with torch.no_grad(), model.disable_adapter():
        base = log_probabilities(model, held, held["carrying"])
    return loss + hold * (base.exp() * (base - adapted)).sum(dim=1).mean()


def differences(logs: torch.Tensor, sides: torch.Tensor, words: Tokens) -> torch.Tensor:
    """Of each pair (two rows, of opposite sides): the log-odds of yes of who says yes less those of who says no."""
    odds = (logs[:, words[0]] - logs[:, words[1]]) * sides
    return odds[0::2] + odds[1::2]
