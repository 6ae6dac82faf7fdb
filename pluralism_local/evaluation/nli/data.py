"""Labelled pairs from files, as NLI data sets have them.

    .jsonl | .jsonl.gz | .json ──read_pairs──> NliData(rows, skipped)

A record has ``premise``, ``hypothesis`` and ``label``, or ``sentence1``, ``sentence2`` and ``gold_label`` as SNLI and
MultiNLI do; further fields are left alone. Labels are names in any case or 0, 1, 2 in the order of `LABELS`; ``"-"``
and -1 say that annotators did not agree: such records are skipped and counted. Failure modes: `NotFound` for a file
that is not there, `InvalidInput` for everything else, with file, line and field.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.nli.base import LABELS, Label, NliPair
from pluralism_local.files import open_regular

_FIELDS = {
    "premise": ("premise", "sentence1"),
    "hypothesis": ("hypothesis", "sentence2"),
    "label": ("gold_label", "label"),
}
_NO_GOLD = ("-", "-1")
_LABEL_OF: dict[str, Label] = {
    **{label: label for label in LABELS},
    **{str(number): label for number, label in enumerate(LABELS)},
}


@dataclass(frozen=True, slots=True)
class LabelledPair:
    """A pair and what annotators say about it."""

    pair: NliPair
    label: Label


@dataclass(frozen=True, slots=True)
class NliData:
    """The labelled pairs of a file in its order; `skipped` records had no gold label."""

    rows: tuple[LabelledPair, ...]
    skipped: int


def read_pairs(path: Path) -> NliData:
    """Read a file; see the module for its format. An empty one gives no rows.

    Raises:
        NotFound: it is not there. InvalidInput: another kind of file, damaged, or a record that is none.
    """
    rows = []
    skipped = 0
    for place, record in _records(path):
        premise, hypothesis, label = (_field(record, name, place) for name in _FIELDS)
        for name, text in (("premise", premise), ("hypothesis", hypothesis)):
            if not isinstance(text, str) or not text.strip():
                raise _wrong(place, name, text, "It must be a text that is not blank.")
        if isinstance(label, bool) or not isinstance(label, str | int):
            raise _wrong(place, "label", label, _label_hint())
        name = str(label).strip().lower()
        if name in _NO_GOLD:
            skipped += 1
            continue
        if name not in _LABEL_OF:
            raise _wrong(place, "label", label, _label_hint())
        rows.append(LabelledPair(NliPair(premise, hypothesis), _LABEL_OF[name]))
    return NliData(tuple(rows), skipped)


def _records(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every record with its place for messages."""
    text = _text(path)
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield from _objects([_parsed(line, f"{path}, line {number}")], f"{path}, line {number}", None)
    elif path.name.endswith(".json"):
        records = _parsed(text, str(path))
        if not isinstance(records, list):
            raise InvalidInput(
                f"{path} is not a list of records.", 'It should look like [{"premise": …}, …].'
            )
        yield from _objects(records, f"{path}, record", 1)
    else:
        raise InvalidInput(f"{path} is no file of labelled pairs.", "Give a .jsonl, .jsonl.gz or .json file.")


def _objects(records: list[Any], place: str, first: int | None) -> Iterator[tuple[str, dict[str, Any]]]:
    for offset, record in enumerate(records):
        here = place if first is None else f"{place} {first + offset}"
        if not isinstance(record, dict):
            raise InvalidInput(
                f"{here} is not a JSON object.", 'It should look like {"premise": …, "hypothesis": …}.'
            )
        yield here, record


def _text(path: Path) -> str:
    with open_regular(path) as file:
        data = file.read()
    try:
        if path.name.endswith(".gz"):
            data = gzip.decompress(data)
        return data.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"{path} is a damaged gzip file: {error}.", "Get it again.") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{path}, line {line} is not UTF-8.", "Save the file as UTF-8.") from error


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{place} is not JSON: {error}.", "Write one JSON object a line.") from error


def _field(record: dict[str, Any], name: str, place: str) -> Any:
    for field in _FIELDS[name]:
        if field in record:
            return record[field]
    others = ", ".join(map(str, record)) or "none"
    raise InvalidInput(f"{place} has no field '{name}'.", f"Its fields are: {others}.")


def _wrong(place: str, name: str, value: Any, hint: str) -> InvalidInput:
    return InvalidInput(f"{place}: the field '{name}' is {value!r:.80}.", hint)


def _label_hint() -> str:
    return f"Labels are {', '.join(LABELS)}, or 0, 1, 2 in this order; '-' where there is none."
