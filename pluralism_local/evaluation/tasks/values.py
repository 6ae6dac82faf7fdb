"""Values of a situation: is a value, right or duty at stake, and does it support or oppose the situation?

    {situation, vrd: text | [text]}   ──rows──> a row for each value, and one for a value of another situation
                                      ──> Sample with options relevant, not relevant      values-relevance
    {situation, vrd, label}           ──> Sample with options Support, Oppose, Either     values-valence

The steps that answer are those of `plocal values`: no community has a part in them. Files are those of Value
Kaleidoscope, which lists what is relevant and nothing that is not. Values of other situations stand in for that, each
drawn as often as it occurs, so that no value tells by itself; some of them would be relevant, too, and no method can
be right on all.
"""

from __future__ import annotations

import math
import random
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from pluralism_local.errors import InvalidInput, Unsupported
from pluralism_local.evaluation import metrics
from pluralism_local.evaluation.parsing import read_label
from pluralism_local.evaluation.samples import Sample, Where, content_id
from pluralism_local.evaluation.tasks.base import Task
from pluralism_local.evaluation.tasks.rows import text, texts
from pluralism_local.evaluation.tasks.value_kaleidoscope import LABELS
from pluralism_local.evaluation.tasks.value_kaleidoscope import OPTIONS as VALENCE
from pluralism_local.mode_specs import ALONE, ModeName
from pluralism_local.modes.options import letters
from pluralism_local.modes.steps import Answered, Case, Steps
from pluralism_local.modes.values.assessor import Pair, relevances, valences
from pluralism_local.modes.values.prompts import LLM
from pluralism_local.modes.wordings import Wording
from pluralism_local.proportions import entropy_nats
from pluralism_local.results import Aggregate
from pluralism_local.values.listing import tidy
from pluralism_local.values.stakes import Stake, Telling

RELEVANCE = ("relevant", "not relevant")

_TRIES = 100
"""Draws after which a situation is taken to have every value of the file."""


class _Values(Task):
    """Answered by the LLM alone."""

    answers = "label"
    mode = ALONE
    heard = False
    clusters = "situations"
    version = 2

    def _pair(self, row: Mapping[str, Any], where: Where, options: tuple[str, ...], place: int) -> Sample:
        """A situation and a value; the option at `place` is right."""
        situation, value = text(row, "situation", where), text(row, "vrd", where)
        return Sample(
            id=content_id(self.name, situation, value, options[place], row.get("id")),
            row=where.row,
            cluster=situation,
            question=situation,
            options=options,
            gold=tuple(float(option == options[place]) for option in options),
            attribute=value,
            data=row,
        )

    def algorithm(self, mode: ModeName) -> Callable[[Case[Any]], Steps]:
        """Those of `plocal values`, of a situation and a value that are given."""
        del mode
        return self._told

    @abstractmethod
    def _told(self, case: Case[Sample]) -> Steps:
        """The steps that answer."""

    def comment(self, sample: Sample) -> Wording:
        del sample
        raise Unsupported(f"{self.name} asks no community.")

    def prompting(self, sample: Sample) -> Wording:
        del sample
        raise Unsupported(f"{self.name} has no baseline that is told in its prompt.")


class RelevanceTask(_Values):
    """Which values `plocal values` keeps."""

    name = "values-relevance"
    about = "Value Kaleidoscope: is a value at stake in a situation, or is it another situation's?"
    headline = ("accuracy", "roc_auc", "average_precision")
    positive = "A"
    weighings = 2 if LLM.calibrated else 1  # also of the value alone

    def vanilla(self, sample: Sample) -> Wording:
        return LLM.relevance(*_pair_of(sample))

    def _told(self, case: Case[Sample]) -> Steps:
        (relevance,) = yield from relevances([_pair_of(case.question)])
        return _answered(case, self.vanilla(case.question), (relevance.p, 1 - relevance.p), relevance.method)

    def rows(self, rows: Sequence[dict[str, Any]], file: str) -> Sequence[dict[str, Any]]:
        """As they are where one says whether it is relevant; else each value, and another situation's after it."""
        if any("relevant" in row for row in rows):
            return rows
        own = [(text(row, "situation", where), _values(row, where)) for row, where in _placed(rows, file)]
        return with_others(own, file)

    def sample(self, row: Mapping[str, Any], where: Where) -> Sample:
        relevant = row.get("relevant")
        if not isinstance(relevant, bool):
            raise where.fault("relevant", "must be true or false" if "relevant" in row else "is missing")
        return self._pair(row, where, RELEVANCE, int(not relevant))


class ValenceTask(_Values):
    """What `plocal values` says that a value does."""

    name = "values-valence"
    about = "Value Kaleidoscope: does a value support or oppose a situation, or either?"
    headline = ("accuracy", "balanced_accuracy", "macro_f1", "binary_accuracy")
    undecided = "C"
    weighings = 2  # of support and of opposition

    def sample(self, row: Mapping[str, Any], where: Where) -> Sample:
        label = text(row, "label", where)
        if label not in LABELS:
            raise where.fault("label", f"is '{label}' and not one of {', '.join(LABELS)}")
        return self._pair(row, where, VALENCE, LABELS.index(label))

    def vanilla(self, sample: Sample) -> Wording:
        return LLM.valence(*_pair_of(sample))[0]

    def _told(self, case: Case[Sample]) -> Steps:
        (valence,) = yield from valences([_pair_of(case.question)])
        return _answered(case, self.vanilla(case.question), valence.p, valence.method)

    def read_label(self, text: str) -> str:
        return read_label(text)


def _pair_of(sample: Sample) -> Pair:
    """Situation and value as `plocal values` takes them; Value Kaleidoscope says the kind with the first word."""
    name = sample.attribute or ""
    return sample.cluster, tidy("value", name) or Stake("value", name)


def _answered(case: Case[Sample], wording: Wording, p: tuple[float, ...], method: Telling) -> Answered:
    """The options' shares; the letter alone where the LLM answers in words."""
    if method == "words":
        letter = letters(len(p))[metrics.most_likely(p)]
        return Answered(wording, "" if len(set(p)) == 1 else letter)
    shares = Aggregate(
        options=case.options,
        p=p,
        per_community={},
        weights={},
        unassigned_mass=math.nan,  # a mean over prompts that the steps keep to themselves
        entropy_nats=entropy_nats(p),
        method=method,
    )
    return Answered(wording, distribution=shares)


def with_others(own: Sequence[tuple[str, Sequence[str]]], file: str) -> list[dict[str, Any]]:
    """Rows of each situation's own values, each once and followed by one that is drawn from other situations.

    What is drawn depends on the file's situations and values alone. Values are the same whatever their case.

    Args:
        own: (situation, its values); a situation may come several times.

    Raises:
        InvalidInput: a situation has every value of the file.
    """
    taken: dict[str, set[str]] = {}
    for situation, values in own:
        taken.setdefault(situation, set()).update(map(str.casefold, values))
    every = [value for _, values in own for value in values]
    pairs: list[dict[str, Any]] = []
    seen: set[tuple[str, str]] = set()
    for situation, values in own:
        for value in dict.fromkeys(values):
            if (situation, value) in seen:
                continue
            seen.add((situation, value))
            draw = random.Random(int.from_bytes(sha256(f"{situation}\n{value}".encode()).digest()))
            for _ in range(_TRIES):
                other = every[int(draw.random() * len(every))]
                if other.casefold() not in taken[situation]:
                    break
            else:
                raise InvalidInput(
                    f"{file}: there is no value of another situation for '{situation}'.",
                    "Give a file with more situations.",
                )
            taken[situation].add(other.casefold())
            pairs += [
                {"situation": situation, "vrd": value, "relevant": True},
                {"situation": situation, "vrd": other, "relevant": False},
            ]
    return pairs


def _values(row: Mapping[str, Any], where: Where) -> tuple[str, ...]:
    """A row's value, or its list of them."""
    return texts(row, "vrd", where) if isinstance(row.get("vrd"), list) else (text(row, "vrd", where),)


def _placed(rows: Sequence[dict[str, Any]], file: str) -> list[tuple[dict[str, Any], Where]]:
    return [(row, Where(file, number, row.get("id"))) for number, row in enumerate(rows)]
