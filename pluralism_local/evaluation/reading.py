"""Samples and answered rows from files in the released JSON format: a list of objects.

    path ──read_rows──> [row] ──read_samples(task)──> [Sample]
                          └───read_answers(task)──> [(Sample, Prediction)]   where rows have output or pred_distribution

Everything wrong is `InvalidInput` naming file, row and field; a missing file is `NotFound`. An empty file, a sample
that comes twice and a row without an answer are faults, too: nothing is dropped.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.samples import Prediction, Sample, Where
from pluralism_local.evaluation.tasks import Task
from pluralism_local.evaluation.tasks.global_opinion_qa import DistributionalGlobalOpinionQA, unfamiliar
from pluralism_local.evaluation.tasks.rows import distribution, name, share
from pluralism_local.files import open_regular

FORMAT = "A task's file is a JSON list of objects, as the released input/*.json."


@dataclass(frozen=True, slots=True)
class Answered:
    """A file of answers, as far as it has them.

    Attributes:
        samples, predictions: of the rows with an answer, in the file's order.
        missing: rows without one.
    """

    samples: tuple[Sample, ...]
    predictions: tuple[Prediction, ...]
    missing: int


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a ``.json`` or ``.json.gz`` file, at least one.

    Raises:
        NotFound, InvalidInput: missing, unreadable, not JSON, not a list of objects, or empty.
    """
    with open_regular(path) as file:
        raw = file.read()
    try:
        found = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON: {error}.", FORMAT) from error
    if not isinstance(found, list):
        raise InvalidInput(f"{path} is not a list.", FORMAT)
    if not found:
        raise InvalidInput(f"{path} has no rows.", FORMAT)
    for number, row in enumerate(found):
        if not isinstance(row, dict):
            raise InvalidInput(f"{path.name}, row {number}: is no object.", FORMAT)
    return found


def read_samples(task: Task, path: Path) -> list[Sample]:
    """Every row as a sample, in the file's order.

    Raises:
        NotFound, InvalidInput: as `read_rows`, a bad row, or two rows with one id or the same content.
    """
    return _samples(task, read_rows(path), path.name)


def read_answers(task: Task, path: Path, *, partial: bool = False) -> Answered:
    """The answers of a file: `pred_distribution`, or `output` where the answer is a label or text.

    Args:
        partial: rows without an answer are counted and left out instead of being a fault.

    Raises:
        NotFound, InvalidInput: as `read_samples`; a wrong distribution; a row without an answer.
    """
    rows = read_rows(path)
    samples = _samples(task, rows, path.name)
    kept: list[tuple[Sample, Prediction]] = []
    absent: list[int] = []
    for sample, row in zip(samples, rows, strict=True):
        found = _answer(task, sample, row, path.name)
        if found is None:
            absent.append(sample.row)
        else:
            kept.append((sample, found))
    if absent and (not partial or not kept):
        field = "pred_distribution" if task.answers == "distribution" else "output"
        raise InvalidInput(
            f"{path.name}: {len(absent)} of {len(rows)} rows have no '{field}', the first is row {absent[0]}.",
            "Answer them all, or give --partial to score the others."
            if kept
            else "Score a file with answers.",
        )
    return Answered(tuple(s for s, _ in kept), tuple(p for _, p in kept), len(absent))


def remarks(task: Task, samples: Sequence[Sample]) -> list[str]:
    """Sentences about what can be used and is probably not meant."""
    if not isinstance(task, DistributionalGlobalOpinionQA):
        return []
    unknown = unfamiliar(sample.attribute or "" for sample in samples)
    return [f"The published surveys do not have: {', '.join(unknown)}."] if unknown else []


def _samples(task: Task, rows: Sequence[dict[str, Any]], file: str) -> list[Sample]:
    samples = [task.sample(row, Where(file, number, row.get("id"))) for number, row in enumerate(rows)]
    by_content: dict[str, int] = {}
    by_name: dict[str, int] = {}
    for sample, row in zip(samples, rows, strict=True):
        own_id = json.dumps(row.get("id"), sort_keys=True)
        for known, key, what in (
            (by_name, own_id, f"the id {own_id}"),
            (by_content, sample.id, "its content"),
        ):
            if key in known and key != "null":
                raise InvalidInput(
                    f"{file}, row {sample.row}: has {what} in common with row {known[key]}.",
                    "Take one of them out, or give them different ids.",
                )
            known[key] = sample.row
    return samples


def answer_fields(task: Task, found: Prediction) -> dict[str, Any]:
    """A prediction as fields of a row, which `read_answers` reads as the same answer."""
    fields: dict[str, Any] = {}
    if found.output is not None or task.answers == "label":
        fields["output"] = found.output or ""
    if found.distribution is not None and task.answers == "distribution":
        fields["pred_distribution"] = list(found.distribution)
    if found.stand_in:  # else the row has the very fields of the released code
        fields["stand_in"] = found.stand_in
        fields["distribution_method"] = found.distribution_method
        fields["unassigned_mass"] = found.unassigned_mass
    return fields


def _answer(task: Task, sample: Sample, row: dict[str, Any], file: str) -> Prediction | None:
    where = Where(file, sample.row, row.get("id"))
    if task.answers == "distribution":
        if row.get("pred_distribution") is None:
            return None
        return Prediction(
            distribution(row, "pred_distribution", len(sample.options), where),
            unassigned_mass=share(row, "unassigned_mass", where),
            distribution_method=name(row, "distribution_method", where),
            stand_in=share(row, "stand_in", where) or 0.0,
        )
    output = row.get("output")
    if output is None:
        return None
    if not isinstance(output, str):
        raise where.fault("output", "must be a text")
    return Prediction(output=output, stand_in=share(row, "stand_in", where) or 0.0)
