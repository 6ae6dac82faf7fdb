"""Training on pairs: of two answers to a question, the community's own is made likelier than the other side's.

    pairs.jsonl ──read_pairs──> [AnswerPair] ──contrasted──> chosen (side 1), rejected (side −1), chosen, rejected, …
    the adapter as the run starts ──with_reference──> the same, each with its loss r at the start
    losses l of a batch ──contrast_loss──> −log σ(β·((r − l)chosen − (r − l)rejected)) + anchor · chosen's loss a token

This is direct preference optimization (Rafailov et al. 2023) with the run's start as the reference: the base itself for
a fresh adapter, which adds nothing, else `adapter.start`, e.g. a run on the same community's texts. The references are
computed once and kept in the run's folder. The anchor keeps the chosen text itself likely, which a difference of
two does not ask for.

Failure modes: a file that holds no pairs, or a line that is none, is `InvalidInput` with its place.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from communitylm.community.objective import IGNORED, collate, row_losses
from communitylm.progress import Say
from communitylm.training.examples import Example, Speller, schedule
from communitylm.training.plan import TrainingPlan
from communitylm.training.token_losses import Batch
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.files import write_atomic
from pluralism_local.prompts import QUESTION

REFERENCES = "references.json"
_EACH = 50
"""Batches between two lines of progress."""


@dataclass(frozen=True, slots=True)
class AnswerPair:
    """A question, the community's answer to it, and that of others; `source` is the answer's own (`Passage.source`)."""

    question: str
    chosen: str
    rejected: str
    source: str | None = None


def read_pairs(path: Path) -> list[AnswerPair]:
    """The pairs of a JSONL file, in order.

    Raises:
        NotFound: there is no such file. InvalidInput: a line without the three texts, or no line at all.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise NotFound(f"There are no pairs in {path}.", "recipes/make_pairs.py makes them.") from None
    pairs = []
    for number, line in enumerate(lines, start=1):
        try:
            row: Any = json.loads(line)
            question, chosen, rejected = (row[name].strip() for name in ("question", "chosen", "rejected"))
            source = row.get("source")
            if not (question and chosen and rejected) or not isinstance(source, str | None):
                raise ValueError
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(
                f"{path}, line {number} is no pair.",
                'Each line is an object {"question": "…", "chosen": "…", "rejected": "…"}.',
            ) from error
        pairs.append(AnswerPair(question, chosen, rejected, source))
    if not pairs:
        raise InvalidInput(f"{path} holds no pairs.", "See what recipes/make_pairs.py counted.")
    return pairs


def write_pairs(path: Path, pairs: Sequence[AnswerPair]) -> None:
    """Write pairs whole or not at all."""
    write_atomic(path, "".join(json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in pairs))


def contrasted(
    pairs: Sequence[AnswerPair],
    speller: Speller,
    *,
    longest: int,
    tokens: int,
    passes: int,
    batch: int,
    seed: int,
) -> list[Example]:
    """The order of training: batches of `batch` examples, each chosen one (side 1) before its rejected one (−1).

    Args:
        longest: tokens of question and answer at most; what is cut has no end token.
        tokens: of chosen answers in all, 0: `passes` decides; as in `schedule`.
        batch: even.
    """
    rejected: dict[int, Example] = {}
    chosen = []
    for pair in pairs:
        prompt = speller.prompt(QUESTION.render(question=pair.question))
        most = max(len(speller.header) + 1, longest - len(prompt))
        good, bad = (
            Example(prompt, (*speller.header, *speller.text(text), speller.end)[:most], len(speller.header))
            for text in (pair.chosen, pair.rejected)
        )
        chosen.append(good)
        rejected[id(good)] = replace(bad, side=-1)
    order = schedule(chosen, tokens=tokens, passes=passes, batch=batch // 2, seed=seed)
    return [example for good in order for example in (good, rejected[id(good)])]


def with_reference(model: Any, plan: TrainingPlan, folder: Path, say: Say) -> tuple[Example, ...]:
    """The plan's order with each example's loss under `model`, which must be as the run starts.

    The losses are kept in `folder`; a run that resumes reads them there.
    """
    distinct = list(dict.fromkeys(plan.order))
    file = folder / REFERENCES
    if file.exists():
        losses = json.loads(file.read_text(encoding="utf-8"))
    else:
        say(f"Reading {len(distinct):,} texts as the run starts …")
        losses = _losses(model, plan, distinct, say)
        write_atomic(file, json.dumps(losses) + "\n")
    references = dict(zip(distinct, losses, strict=True))
    return tuple(replace(example, reference=references[example]) for example in plan.order)


def _losses(model: Any, plan: TrainingPlan, examples: Sequence[Example], say: Say) -> list[float]:
    from communitylm.training.stepping import batches, evaluating

    losses = [0.0] * len(examples)
    done = 0
    with evaluating(model, plan):
        for number, (places, batch) in enumerate(batches(examples, plan, collate), start=1):
            for place, loss in zip(places, row_losses(model, batch).tolist(), strict=True):
                losses[place] = loss
            done += len(places)
            if number % _EACH == 0:
                say(f"  {done:,} of {len(examples):,}")
    return losses


def contrast_loss(model: Any, batch: Batch, *, beta: float, anchor: float) -> torch.Tensor:
    """Mean over the pairs of a batch of what the module says, nats; rows are chosen, rejected, chosen, rejected, …"""
    losses = row_losses(model, batch)
    gained = batch["reference"] - losses  # by how many nats each text is likelier than at the start
    margin = beta * (gained[0::2] - gained[1::2])
    tokens = (batch["labels"][0::2] != IGNORED).sum()
    return -F.logsigmoid(margin).mean() + anchor * losses[0::2].sum() / tokens
