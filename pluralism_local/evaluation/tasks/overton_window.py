"""Overton windows: how many of a question's viewpoints does a response state, and which that are none to state?

    {question, viewpoints [{text, weight, reasonable}]}  ──> Sample without options
    {prompt, draws}, a result of `plocal ask --draws`    ──> the same, with the positions that were drawn

The viewpoints are the user's: of a survey's clusters, of a deliberation, or of many comments that were drawn (Roadmap
§3.1; Poole-Dayán et al.). They are never shown to a model that answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.samples import Sample, Viewpoint, Where, content_id
from pluralism_local.evaluation.tasks.overton import TextTask
from pluralism_local.evaluation.tasks.rows import text
from pluralism_local.modes.wordings import Wording, word
from pluralism_local.prompts import OVERTON_SYNTHESIS, numbered
from pluralism_local.records.draws import draws_of

_WEIGHTS = ("weight", "prevalence")
_FORM = (
    'Each is a text, or an object like {"text": "…", "weight": 0.4, "reasonable": true}, of which only "text" is '
    "needed."
)


class OvertonWindow(TextTask):
    """Scored by entailment, on questions with viewpoints of one's own."""

    name = "overton-window"
    version = 1
    about = "your own questions with viewpoints: how much of the Overton window a response states"
    headline = ("overton_score", "weighted_overton_score", "precision")
    also = ("whole_window", "unreasonable", "unreasonable_share")
    windows = True

    def sample(self, row: Mapping[str, Any], where: Where) -> Sample:
        field = "prompt" if "draws" in row and "question" not in row else "question"
        question, viewpoints = text(row, field, where), read_viewpoints(row, where)
        content = [[viewpoint.text, viewpoint.weight, viewpoint.reasonable] for viewpoint in viewpoints]
        id = content_id(self.name, question, content, row.get("id"))
        return self._sample(id, row, where, question=question, cluster=question)

    def viewpoints(self, sample: Sample) -> tuple[Viewpoint, ...]:
        return read_viewpoints(sample.data, Where("", sample.row))

    def synthesis(self, sample: Sample, comments: Sequence[str]) -> Wording:
        return word(OVERTON_SYNTHESIS, question=sample.question, passages=numbered("Passage", comments))


def read_viewpoints(row: Mapping[str, Any], where: Where) -> tuple[Viewpoint, ...]:
    """A row's viewpoints, different ones, at least one of them reasonable and of some weight.

    Raises:
        InvalidInput: they are none; the message names file, row and place.
    """
    listed = _drawn(row["draws"], where) if "draws" in row else row.get("viewpoints")
    if not isinstance(listed, list) or not listed:
        problem = "must be a list of viewpoints" if "viewpoints" in row else "is missing"
        raise where.fault("viewpoints", problem, _FORM)
    viewpoints = [_viewpoint(item, place, where) for place, item in enumerate(listed)]
    weighted = [viewpoint for viewpoint in viewpoints if viewpoint.weight is not None]
    if len(weighted) not in (0, len(viewpoints)):
        raise where.fault(
            "viewpoints", f"has a weight at {len(weighted)} of {len(viewpoints)} places", "Weigh all or none."
        )
    places: dict[str, int] = {}
    for place, viewpoint in enumerate(viewpoints):
        if (first := places.setdefault(" ".join(viewpoint.text.split()), place)) != place:
            raise where.fault("viewpoints", f"has the same text at places {first} and {place}")
    if not any(viewpoint.reasonable for viewpoint in viewpoints):
        raise where.fault("viewpoints", "has no reasonable one, and so no window")
    if weighted and not sum(viewpoint.weight or 0.0 for viewpoint in viewpoints if viewpoint.reasonable):
        raise where.fault("viewpoints", "has no weight on any reasonable one")
    return tuple(viewpoints)


def _drawn(draws: object, where: Where) -> list[dict[str, Any]]:
    """The positions that were drawn for a question, as heavy as their shares."""
    readable = draws_of(draws)
    if readable is None or not readable.positions:
        raise where.fault("draws", "has no positions", "Take a result of plocal ask --draws N --json.")
    return [{"text": position.text, "weight": position.share.p} for position in readable.positions]


def _viewpoint(item: object, place: int, where: Where) -> Viewpoint:
    if isinstance(item, str):
        item = {"text": item}
    if not isinstance(item, dict):
        raise where.fault("viewpoints", f"has neither a text nor an object at place {place}", _FORM)
    try:
        words = text(item, "text", where)
    except InvalidInput as error:
        raise where.fault("viewpoints", f"has no text at place {place}", _FORM) from error
    weight_fields = [name for name in _WEIGHTS if item.get(name) is not None]
    if len(weight_fields) > 1:
        raise where.fault("viewpoints", f"has two weights at place {place}")
    weight = item[weight_fields[0]] if weight_fields else None
    if weight is not None and (
        isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf
    ):
        raise where.fault("viewpoints", f"has no number of at least 0 as the weight at place {place}")
    reasonable = item.get("reasonable", True)
    if not isinstance(reasonable, bool):
        raise where.fault("viewpoints", f"says neither true nor false under 'reasonable' at place {place}")
    return Viewpoint(words, None if weight is None else float(weight), reasonable)
