"""Samples and answered rows from files in the released JSON format, a list of objects, and in its common variants.

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

from pluralism_local.display.figures import many
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.samples import Prediction, Sample, Where
from pluralism_local.evaluation.tasks import Task
from pluralism_local.evaluation.tasks.rows import distribution, name, rounded_sum, share
from pluralism_local.files import open_regular

FORMAT = (
    "A task's file is a JSON list of objects, as the released input/*.json; "
    'JSON lines and {"data": [...]} are read, too.'
)
_GZIP = b"\x1f\x8b"
_LINES = frozenset({".jsonl", ".ndjson", ".jsonlines"})


@dataclass(frozen=True, slots=True)
class AnsweredFile:
    """A file of answers, as far as it has them.

    Attributes:
        samples, predictions: of the rows with an answer, in the file's order.
        missing: rows without one.
    """

    samples: tuple[Sample, ...]
    predictions: tuple[Prediction, ...]
    missing: int


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The objects of a file, at least one: a JSON list, an object around a single one, or JSON lines; maybe gzipped.

    Raises:
        NotFound, InvalidInput: missing, unreadable, not JSON, none of these, or empty.
    """
    with open_regular(path) as file:
        raw = file.read()
    try:
        if path.suffix == ".gz" or raw.startswith(_GZIP):
            raw = gzip.decompress(raw)
        text = raw.decode(json.detect_encoding(raw))
        rows = _lines(text, path) if _is_lines(text, path) else _list(json.loads(text), path)
    except (ValueError, EOFError, gzip.BadGzipFile, zlib.error, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON: {error}.", FORMAT) from error
    if not rows:
        raise InvalidInput(f"{path} has no rows.", FORMAT)
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InvalidInput(f"{path.name}, row {number}: is no object.", FORMAT)
    return rows


def _is_lines(text: str, path: Path) -> bool:
    """Whether a file has an object a line; a list may have its first object on a line of its own, too."""
    lines = text.strip().split("\n", 2)
    if not lines[0].lstrip().startswith("{"):
        return False
    if _LINES.intersection(path.suffixes):
        return True
    try:
        return len(lines) > 1 and isinstance(json.loads(lines[0]), dict)
    except ValueError:
        return False


def _lines(text: str, path: Path) -> list[Any]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise InvalidInput(f"{path.name}, line {number}: is not JSON: {error}.", FORMAT) from error
    return rows


def _list(content: Any, path: Path) -> list[Any]:
    """The rows themselves, or those inside an object that has a single list of objects."""
    if isinstance(content, list):
        return content
    lists = {
        key: value
        for key, value in (content.items() if isinstance(content, dict) else ())
        if isinstance(value, list) and value and all(isinstance(row, dict) for row in value)
    }
    if len(lists) == 1:
        return next(iter(lists.values()))
    several = (
        f" It has lists under {', '.join(map(repr, lists))}: keep one of them in a file of its own."
        if lists
        else ""
    )
    raise InvalidInput(f"{path} is not a list.", f"{FORMAT}{several}")


def read_samples(task: Task, path: Path) -> list[Sample]:
    """Every row as a sample, in the file's order.

    Raises:
        NotFound, InvalidInput: as `read_rows`, a bad row, or two rows with one id or the same content.
    """
    return _samples(task, task.rows(read_rows(path), path.name), path.name)


def read_answers(task: Task, path: Path, *, partial: bool = False) -> AnsweredFile:
    """The answers of a file: `pred_distribution`, or `output` where the answer is a label or text.

    Args:
        partial: rows without an answer are counted and left out instead of being a fault.

    Raises:
        NotFound, InvalidInput: as `read_samples`; a wrong distribution; a row without an answer.
    """
    rows = task.rows(read_rows(path), path.name)
    samples = _samples(task, rows, path.name)
    answered: list[tuple[Sample, Prediction]] = []
    absent: list[int] = []
    for sample, row in zip(samples, rows, strict=True):
        prediction = _answer(task, sample, row, path.name)
        if prediction is None:
            absent.append(sample.row)
        else:
            answered.append((sample, prediction))
    if absent and (not partial or not answered):
        field = "pred_distribution" if task.answers == "distribution" else "output"
        raise InvalidInput(
            f"{path.name}: {len(absent)} of {len(rows)} rows have no '{field}', the first is row {absent[0]}.",
            "Answer them all, or give --partial to score the others."
            if answered
            else "Score a file with answers.",
        )
    return AnsweredFile(tuple(s for s, _ in answered), tuple(p for _, p in answered), len(absent))


def data_warnings(task: Task, samples: Sequence[Sample]) -> list[str]:
    """Sentences about what can be used and is probably not meant, or was scaled."""
    sentences = []
    for field in ("gold_distribution", "pred_distribution"):
        sums = [total for sample in samples if (total := rounded_sum(sample.data.get(field))) is not None]
        if sums:
            between = f"{min(sums):.4g}" if min(sums) == max(sums) else f"{min(sums):.4g} to {max(sums):.4g}"
            sentences.append(
                f"'{field}' of {many(len(sums), 'row')} is rounded and sums to {between}; it was scaled to sum to 1."
            )
    return sentences + task.data_warnings(samples)


def _samples(task: Task, rows: Sequence[dict[str, Any]], file: str) -> list[Sample]:
    samples = [task.sample(row, Where(file, number, row.get("id"))) for number, row in enumerate(rows)]
    by_content: dict[str, int] = {}
    by_name: dict[str, int] = {}
    for sample, row in zip(samples, rows, strict=True):
        own_id = json.dumps(row.get("id"), sort_keys=True)
        for rows_by_key, key, what in (
            (by_name, own_id, f"the id {own_id}"),
            (by_content, sample.id, "its content"),
        ):
            if key in rows_by_key and key != "null":
                raise InvalidInput(
                    f"{file}, row {sample.row}: has {what} in common with row {rows_by_key[key]}.",
                    "Take one of them out, or give them different ids.",
                )
            rows_by_key[key] = sample.row
    return samples


def answer_fields(task: Task, prediction: Prediction) -> dict[str, Any]:
    """A prediction as fields of a row, which `read_answers` reads as the same answer."""
    fields: dict[str, Any] = {}
    if prediction.output is not None or task.answers == "label":
        fields["output"] = prediction.output or ""
    if prediction.distribution is not None and (task.answers == "distribution" or task.positive is not None):
        fields["pred_distribution"] = list(prediction.distribution)
    if prediction.stand_in:  # else the row has the very fields of the released code
        fields["stand_in"] = prediction.stand_in
        fields["distribution_method"] = prediction.distribution_method
        fields["unassigned_mass"] = prediction.unassigned_mass
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
    shares = None
    if task.positive is not None and row.get("pred_distribution") is not None:
        shares = distribution(row, "pred_distribution", len(sample.options), where)
    return Prediction(
        shares,
        output,
        share(row, "unassigned_mass", where),
        distribution_method=name(row, "distribution_method", where),
        stand_in=share(row, "stand_in", where) or 0.0,
    )
