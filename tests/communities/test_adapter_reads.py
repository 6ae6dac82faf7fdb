"""How often an ask reads its adapters' files: each is hashed once, later starts not at all, and parsed once a start."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import pluralism_local as plural
from pluralism_local.communities import shipped_path
from pluralism_local.gguf_header import GGUFHeader
from pluralism_local.models import gguf_file

COMMUNITIES = ("press-left", "press-center", "press-right")


@pytest.fixture
def files(own_home: Path) -> frozenset[Path]:
    """Their adapters, of every base."""
    shipped = shipped_path()
    assert shipped is not None
    paths = frozenset(file for id in COMMUNITIES for file in (shipped / id).glob("*.gguf"))
    assert len(paths) == 2 * len(COMMUNITIES)
    return paths


def opened() -> plural.Session:
    return plural.open("starter", communities=COMMUNITIES, max_tokens=2, comment_max_tokens=2)


def test_an_ask_reads_every_adapter_once(
    files: frozenset[Path], starter_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed, hashed = Counter[Path](), Counter[Path]()
    parser, file_digest = gguf_file.HeaderParser.header, hashlib.file_digest

    def parse(self: gguf_file.HeaderParser) -> GGUFHeader:
        parsed[self.path] += 1
        return parser(self)

    def digest(file: Any, /, *arguments: Any, **options: Any) -> Any:
        hashed[Path(file.name)] += 1
        return file_digest(file, *arguments, **options)

    monkeypatch.setattr(gguf_file.HeaderParser, "header", parse)
    monkeypatch.setattr(hashlib, "file_digest", digest)
    with opened() as session:
        assert session.ask("Should phones be banned in schools?").answer
    assert {file: parsed[file] for file in files} == dict.fromkeys(files, 1)
    assert {file: hashed[file] for file in files} == dict.fromkeys(files, 1)
    hashed.clear()
    opened().close()
    assert not files & hashed.keys(), "the digests are remembered while the files stay as they are"
