"""Answers as a run's journal keeps them.

    SampleOutcome ──answer_record──> {"id", "method", "output" | "pred_distribution" | "error", …} ──answer_of──> answer

Which form a record must have is said in `stored`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pluralism_local.errors import Refused
from pluralism_local.evaluation.batch_calls import RequestFailure, failure_in
from pluralism_local.evaluation.identity import of_positions
from pluralism_local.evaluation.sample_run import SampleOutcome
from pluralism_local.evaluation.samples import PositionsFound, Prediction, Sample


def answer_record(method: str, sample: Sample, outcome: SampleOutcome) -> dict[str, Any]:
    """JSON-ready."""
    record: dict[str, Any] = {"id": sample.id, "method": method}
    result = outcome.result
    if isinstance(result, RequestFailure):
        record |= result.record()
    else:
        if result.distribution is not None:
            record["pred_distribution"] = list(result.distribution)
            record["unassigned_mass"] = result.unassigned_mass
            record["distribution_method"] = result.distribution_method
            if result.stand_in:
                record["stand_in"] = result.stand_in
            if result.bounds is not None:
                record["bounds"] = [list(pair) for pair in result.bounds]
            if len(result.orders) > 1:
                record["orders"] = [list(order) for order in result.orders]
            if result.order_effect is not None:
                record["order_effect"] = result.order_effect
        if result.output is not None:
            record["output"] = result.output
        if result.selection is not None:
            record["selection"] = result.selection
            record["selection_method"] = result.selection_method
        if result.positions is not None:
            record["positions"] = asdict(result.positions) | {"prompts": of_positions()}
    record["usage"] = {role: usage.record() for role, usage in outcome.usage.items()}
    return record


def answer_of(record: Mapping[str, Any]) -> Prediction | RequestFailure:
    """What a checked record says."""
    if (failure := failure_in(record)) is not None:
        return failure
    p, positions = record.get("pred_distribution"), record.get("positions")
    return Prediction(
        None if p is None else tuple(p),
        record.get("output"),
        record.get("unassigned_mass"),
        record.get("selection"),
        record.get("distribution_method"),
        record.get("stand_in", 0.0),
        record.get("selection_method"),
        None if record.get("bounds") is None else tuple((low, high) for low, high in record["bounds"]),
        tuple(map(tuple, record.get("orders", ()))),
        record.get("order_effect"),
        None if positions is None else _positions(positions),
    )


def check_prompts(records: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """See that no answer was built from positions by other prompts than today's: a run's answers are of one kind.

    Raises:
        Refused: one was.
    """
    prompts = of_positions()
    if any(record.get("positions") and record["positions"]["prompts"] != prompts for record in records):
        raise Refused(
            f"{folder} has attributed answers that were made by other prompts.",
            "Begin anew with another --output, or go on with the version that it was begun with.",
        )


def _positions(record: Mapping[str, Any]) -> PositionsFound:
    return PositionsFound(tuple(record["texts"]), record["left_out"], record["marks"], record["unverified"])
