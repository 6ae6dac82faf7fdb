"""What tasks, runs and scores hand to each other.

    row of a file ──Task.sample──> Sample ──a method──> Prediction ──score──> figures

A sample's id comes from what it says and not from where it stands: sorting or cutting a file moves no result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pluralism_local.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Sample:
    """One item of a task.

    Attributes:
        id: 16 hex digits, from the row's content.
        row: position in its file from 0, for messages only.
        cluster: question or situation; samples of one are not independent, so intervals resample these.
        question: the query as models see it, its options and "Answer:" included.
        options: the answers' texts in order; empty where the answer is free text.
        gold: a probability per option (one-hot for a label); empty where the answer is free text.
        attribute: what to steer towards, or whose distribution it is, as the file writes it; None without one.
        data: the row itself.
    """

    id: str
    row: int
    cluster: str
    question: str
    options: tuple[str, ...]
    gold: tuple[float, ...]
    attribute: str | None
    data: Mapping[str, Any] = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """What a response to a question could state.

    Attributes:
        text: a statement.
        weight: how prevalent it is, at least 0, in a unit that the question's viewpoints share; None where unknown.
        reasonable: whether it is in the question's Overton window, and so to be stated.
    """

    text: str
    weight: float | None = None
    reasonable: bool = True


@dataclass(frozen=True, slots=True)
class PositionsFound:
    """What a method that looks for the positions of the comments found in them and in its response.

    Attributes:
        texts: the positions.
        left_out: how many of them the response does not state, by the method's own check.
        marks: names of voices behind the response's sentences.
        unverified: those of them that the voice's comment does not bear out.
    """

    texts: tuple[str, ...]
    left_out: int
    marks: int
    unverified: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a method answered to a sample.

    Attributes:
        distribution: a probability per option; None where the answer is text.
        output: the answer as text: a letter, or the response.
        unassigned_mass: probability of saying none of the options, in [0, 1]; None where unknown.
        selection: id of the community that was chosen; None where none is.
        distribution_method: how the distribution was obtained, the weakest way where several were mixed; "only" where
            there is a single option; None where unknown.
        stand_in: weight, in [0, 1], of what is no answer in the distribution: even shares where no option had any
            probability.
        selection_method: how the community was chosen, as in `results.Selection`, or "unclear": parsed from words that
            named several; None where unknown.
        bounds: (low, high) of each probability where a server hides some of them; None where they are exact.
        orders: in which the options were asked, see `results.Aggregate`; empty where unknown.
        order_effect: how much their places decided, in [0, 1); None for a single order.
        positions: of the comments; None where nobody looked for them.
    """

    distribution: tuple[float, ...] | None = None
    output: str | None = None
    unassigned_mass: float | None = None
    selection: str | None = None
    distribution_method: str | None = None
    stand_in: float = 0.0
    selection_method: str | None = None
    bounds: tuple[tuple[float, float], ...] | None = None
    orders: tuple[tuple[int, ...], ...] = ()
    order_effect: float | None = None
    positions: PositionsFound | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """A row in a file, for messages: "rows.json, row 3 (id 17)"."""

    file: str
    row: int
    id: object = None

    def __str__(self) -> str:
        return f"{self.file}, row {self.row}" + ("" if self.id is None else f" (id {self.id})")

    def fault(self, field: str, problem: str, hint: str = "") -> InvalidInput:
        """The error of one field; the message names file, row and field."""
        return InvalidInput(f"{self}: '{field}' {problem}.", hint)


def content_id(task: str, *content: object) -> str:
    """16 hex digits of the sha256 of `content` as canonical JSON."""
    text = json.dumps([task, *content], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
