"""Labelled pairs from files: every format that is out there, and mistakes by file, line and field."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.evaluation.nli.base import LABELS, NliPair
from pluralism_local.evaluation.nli.data import LabelledPair, read_pairs


def record(label: Any, **more: Any) -> dict[str, Any]:
    return {"premise": "It rains.", "hypothesis": "It is wet.", "label": label, **more}


def write(path: Path, *records: Any) -> Path:
    text = json.dumps(records) if path.suffix == ".json" else "".join(json.dumps(r) + "\n" for r in records)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.json"])
def test_formats_and_labels(tmp_path: Path, name: str) -> None:
    labels = ["Entailment", "NEUTRAL ", "contradiction", 0, 1, 2, "0", "2", "-", -1]
    data = read_pairs(write(tmp_path / name, *(record(label, genre="travel") for label in labels)))
    assert [LABELS.index(row.label) for row in data.rows] == [0, 1, 2, 0, 1, 2, 0, 2]
    assert data.skipped == 2
    assert data.rows[0].pair == NliPair("It rains.", "It is wet.")


def test_the_fields_of_snli_and_multinli(tmp_path: Path) -> None:
    row = {"sentence1": "a", "sentence2": "b", "gold_label": "neutral", "label": "x", "annotator_labels": []}
    assert read_pairs(write(tmp_path / "a.jsonl", row)).rows == (LabelledPair(NliPair("a", "b"), "neutral"),)


def test_blank_lines_and_empty_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n\n" + json.dumps(record(0)) + "\r\n\n")
    assert len(read_pairs(tmp_path / "a.jsonl").rows) == 1
    (tmp_path / "b.jsonl").write_text("")
    assert read_pairs(tmp_path / "b.jsonl").rows == ()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (record("maybe"), "line 2: the field 'label' is 'maybe'"),
        (record(3), "line 2: the field 'label' is 3"),
        (record(True), "line 2: the field 'label' is True"),
        (record(1.0), "line 2: the field 'label' is 1.0"),
        (record(None), "line 2: the field 'label' is None"),
        (record(0, premise=" "), "line 2: the field 'premise' is ' '"),
        (record(0, hypothesis=7), "line 2: the field 'hypothesis' is 7"),
        ({"premise": "a", "label": 0}, "line 2 has no field 'hypothesis'"),
        ([1], "line 2 is not a JSON object"),
    ],
)
def test_mistakes_name_file_line_and_field(tmp_path: Path, row: Any, said: str) -> None:
    path = write(tmp_path / "pairs.jsonl", record(0), row)
    with pytest.raises(InvalidInput) as caught:
        read_pairs(path)
    assert caught.value.message.startswith(str(path)) and said in caught.value.message and caught.value.hint


def test_mistakes_in_a_list_name_the_record(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="record 2: the field 'label'"):
        read_pairs(write(tmp_path / "pairs.json", record(0), record("?")))
    (tmp_path / "one.json").write_text("{}")
    with pytest.raises(InvalidInput, match="not a list of records"):
        read_pairs(tmp_path / "one.json")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_pairs(tmp_path / "gone.jsonl")
    for name, content, said in [
        ("a.csv", b"x", "no file of labelled pairs"),
        ("a.jsonl", b'{"premise"\n', "line 1 is not JSON"),
        ("b.jsonl", b'\n{"premise": "\xff"}', "line 2 is not UTF-8"),
        ("a.jsonl.gz", b"plain", "damaged gzip"),
        ("b.jsonl.gz", gzip.compress(b"x" * 1000)[:-9], "damaged gzip"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidInput, match=said):
            read_pairs(tmp_path / name)
