"""What a method's figures rest on: how its answers came about, and how many of them are none.

    predictions ──basis_of──> Basis ──record──> JSON ──remarks──> sentences for people

An answer is none if no option had any probability (a stand-in: even shares in place of an answer), if a written label
names no option, or if a response is empty. Such answers are scored as even shares, as wrong, and as covering nothing,
and they are counted. A method that gave nothing else is void: it has no score.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pluralism_local.evaluation.parsing import NONE
from pluralism_local.evaluation.samples import Prediction
from pluralism_local.evaluation.tasks import TASKS, Task

UNKNOWN = "unknown"
"""How a distribution came about that a file or an earlier version does not say."""

ALREADY_CLEAR = "only"
"""How the distribution over a single option comes about: nobody is asked."""


@dataclass(frozen=True, slots=True)
class Basis:
    """Counts of a method's answers.

    Attributes:
        n: answers.
        distributions: how they were obtained ("exact", "top_logprobs", "scripted", "uniform", `ALREADY_CLEAR` or
            `UNKNOWN`) -> answers; one that was mixed of several counts for its weakest. Empty for texts.
        stand_ins: no option had any probability.
        partly: so for some of the communities that an answer was mixed of, not for all.
        unparsed: a written label that names no option.
        empty: a response without a sentence.
        unchosen: the LLM named no community, and the first by weight was taken.
        unclear: the LLM named several, and the last was taken.
        outside: mean probability outside the options, in [0, 1]; None where any answer lacks it.
        order_effect: mean of the answers that were asked in several orders, in [0, 1); None where none was.
    """

    n: int
    distributions: dict[str, int]
    stand_ins: int = 0
    partly: int = 0
    unparsed: int = 0
    empty: int = 0
    unchosen: int = 0
    unclear: int = 0
    outside: float | None = None
    order_effect: float | None = None

    @property
    def void(self) -> bool:
        """Whether the method answered nothing that it was asked."""
        questions = self.n - self.distributions.get(ALREADY_CLEAR, 0)
        return 0 < questions <= self.stand_ins + self.unparsed + self.empty

    def record(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self) | {"void": self.void}


def basis_of(task: Task, predictions: Sequence[Prediction], *, empty: int = 0) -> Basis:
    """Count them.

    Args:
        empty: of the responses, those without a sentence.
    """
    labels = task.answers == "label"
    outside = [
        prediction.unassigned_mass for prediction in predictions if prediction.unassigned_mass is not None
    ]
    effects = [prediction.order_effect for prediction in predictions if prediction.order_effect is not None]
    stand_ins = [_is_stand_in(prediction) for prediction in predictions]
    return Basis(
        len(predictions),
        dict(
            sorted(
                Counter(
                    prediction.distribution_method or UNKNOWN
                    for prediction in predictions
                    if prediction.distribution is not None
                ).items()
            )
        ),
        stand_ins=sum(stand_ins),
        partly=sum(prediction.stand_in > 0 for prediction in predictions) - sum(stand_ins),
        unparsed=sum(
            labels and not stand_in and task.read_label(prediction.output or "") == NONE
            for prediction, stand_in in zip(predictions, stand_ins, strict=True)
        ),
        empty=empty,
        unchosen=sum(prediction.selection_method == "fallback" for prediction in predictions),
        unclear=sum(prediction.selection_method == "unclear" for prediction in predictions),
        outside=math.fsum(outside) / len(outside) if outside and len(outside) == len(predictions) else None,
        order_effect=math.fsum(effects) / len(effects) if effects else None,
    )


def remarks(task: str, bases: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A sentence for each thing that a reader must know of each method; `bases` as in results.json."""
    return [sentence for name, basis in bases.items() for sentence in _sentences(task, name, basis)]


def void(bases: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Methods without a score; `bases` as in results.json."""
    return [name for name, basis in bases.items() if basis.get("void")]


def _sentences(task: str, name: str, basis: Mapping[str, Any]) -> list[str]:
    n = basis["n"]
    labels = task in TASKS and TASKS[task].answers == "label"
    scored = ", counted as wrong" if labels else "; even shares are scored in its place"
    scored = "" if basis["void"] else scored
    counts = [
        (basis["stand_ins"], f"a stand-in, since no option had any probability{scored}"),
        (basis["partly"], "in part a stand-in: after some comments no option had any probability"),
        (
            basis["unparsed"],
            f"unreadable, naming no option{'' if basis['void'] else ', and counted as wrong'}",
        ),
        (basis["empty"], f"empty{'' if basis['void'] else ', covering nothing'}"),
    ]
    sentences = [
        f"{count} of {n} answers {'is' if count == 1 else 'are'} {what}" for count, what in counts if count
    ]
    if basis["void"]:
        sentences = [f"no score, for {' and '.join(sentences)}"]
    if basis["unchosen"]:
        sentences.append(
            f"in {basis['unchosen']} of {n} samples the LLM named no community, and the first by weight was taken"
        )
    if basis["unclear"]:
        sentences.append(
            f"in {basis['unclear']} of {n} samples the LLM named several communities, and the last was taken"
        )
    return [f"{name}: {sentence}." for sentence in sentences]


def _is_stand_in(prediction: Prediction) -> bool:
    return prediction.stand_in > 1 - 1e-9
