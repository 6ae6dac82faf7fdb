"""Corpora as files: what is read, and how a bad line is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from communitylm.corpus.passages import Passage, read_passages, write_passages
from pluralism_local.errors import InvalidInput, NotFound
from tests.support.corpus import letters


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    passages = [*letters("riders"), Passage("Über uns – „ja“.", view=-0.25)]
    write_passages(tmp_path / "c.jsonl", passages)
    assert read_passages(tmp_path / "c.jsonl") == passages


def test_a_compressed_corpus_with_other_keys_and_nulls(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "c.jsonl.gz", "wt", encoding="utf-8") as out:
        out.write('{"text": "One.", "speaker": null, "score": -0.4}\n\n{"text": "Two.", "speaker": "B"}\n')
    assert read_passages(tmp_path / "c.jsonl.gz") == [Passage("One."), Passage("Two.", speaker="B")]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b'{"text": "One."}\nnot json\n', "line 2 is not JSON"),
        (b'{"text": "One."}\n["Two."]\n', "line 2 has no 'text'"),
        (b'{"text": "  "}\n', "line 1 has no 'text'"),
        (b'{"text": "One.", "speaker": 3}\n', "'speaker' must be a text"),
        (b'{"text": "One.", "view": "high"}\n', "'view' must be a number"),
        (b'{"text": "caf\xe9"}\n', "is not a JSONL file"),
        (b"\n\n", "holds no passages"),
        (b"", "holds no passages"),
    ],
)
def test_a_bad_corpus_is_named_with_its_line(tmp_path: Path, content: bytes, match: str) -> None:
    (tmp_path / "c.jsonl").write_bytes(content)
    with pytest.raises(InvalidInput, match=match) as caught:
        read_passages(tmp_path / "c.jsonl")
    assert caught.value.hint


def test_no_corpus_and_a_truncated_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no corpus"):
        read_passages(tmp_path / "c.jsonl")
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b'{"text": "One."}\n' * 50)[:30])
    with pytest.raises(InvalidInput, match="is not a JSONL file"):
        read_passages(tmp_path / "c.jsonl.gz")
