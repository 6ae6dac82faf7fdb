"""The copies that optimize keeps: their names, their notes, and when one must not be used."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.errors import Cancelled, InvalidInput, NotFound, Refused
from pluralism_local.models import optimized
from pluralism_local.models.optimized import (
    OptimizedCopy,
    everywhere,
    find,
    is_copy,
    keep,
    note_of,
    places,
    read,
    target,
)


def never() -> bool:
    return False


def quiet(_share: float) -> None:
    pass


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "big.gguf"
    path.parent.mkdir()
    path.write_bytes(b"source")
    return path


def write(
    source: Path, data: Path, kind: str = "Q4_0", *, managed: bool = False, **more: Any
) -> OptimizedCopy:
    """Keep a candidate of four bytes."""
    candidate = data.parent / "candidate"
    candidate.write_bytes(b"fast")
    kept = OptimizedCopy(
        path=target(source, kind, data, is_managed=managed),
        source=optimized.stamp([source], "abc"),
        kind=kind,
        file_bytes=4,
        sha256="def",
        written=more.pop("written", "2026-01-01T00:00:00+00:00"),
        llama_cpp="0.3.36",
        requantized=False,
        figures={"copy": {"kl_nats": 0.1}},
    )
    keep(candidate, replace(kept, **more), data, quiet, never)
    return replace(kept, **more)


def look(source: Path, data: Path, tag: str, sha256: str = "abc", *, managed: bool = False) -> OptimizedCopy:
    folders = places(source, data, is_managed=managed)
    return find("big", [source], tag, folders, lambda: sha256)


def test_a_copy_lies_beside_its_source_and_is_found_by_both_tags(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    kept = write(source, data)
    assert kept.path == source.with_name("big.plocal-Q4_0.gguf") and kept.path.read_bytes() == b"fast"
    assert look(source, data, "Q4_0") == look(source, data, "fast") == read(kept.path) == kept
    assert is_copy(kept.path) and not is_copy(source)
    assert everywhere(data) == [kept]
    note = json.loads(note_of(kept.path).read_text())
    assert note["schema"] == "plocal.optimized/1" and note["source"]["sha256"] == "abc"


def test_fast_is_the_one_that_was_kept_last(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    last = write(source, data, "Q8_0", written="2026-02-01T00:00:00+00:00")
    write(source, data, "Q4_0")
    assert look(source, data, "fast").kind == last.kind
    assert look(source, data, "Q4_0").kind == "Q4_0"
    assert [kept.kind for kept in everywhere(data)] == ["Q4_0", "Q8_0"]


def test_elsewhere_it_has_the_sources_place_in_its_name(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    other = tmp_path / "others" / "big.gguf"
    other.parent.mkdir()
    other.write_bytes(b"other!")
    kept = write(source, data, managed=True)
    assert kept.path.parent == data / "optimized"
    assert look(source, data, "fast", managed=True) == kept
    with pytest.raises(NotFound):
        look(other, data, "fast", managed=True)


def test_another_revision_of_a_hubs_file_is_the_same_place(tmp_path: Path) -> None:
    files = [tmp_path / f"models--u--r/snapshots/{it}/big.gguf" for it in ("c0ffee", "decade")]
    assert optimized.same_place(*files)
    assert not optimized.same_place(files[0], tmp_path / "models--u--other/snapshots/c0ffee/big.gguf")


def test_beside_a_source_that_cannot_be_written_it_lies_in_the_data_folder(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tmp_path / "data"
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != source.parent)
    kept = write(source, data)
    assert kept.path.parent == data / "optimized" and look(source, data, "fast") == kept


def test_a_source_that_was_only_touched_is_read_and_still_the_same(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    kept = write(source, data)
    os.utime(source, (1, 1))
    assert look(source, data, "fast", "abc") == kept
    with pytest.raises(Refused) as caught:
        look(source, data, "fast", "other")
    assert caught.value.hint == "Make it with: plocal models optimize big."
    source.write_bytes(b"grown now")
    with pytest.raises(Refused, match="before it changed"):
        look(source, data, "Q4_0", "abc")


def test_what_is_not_there_or_not_whole(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with pytest.raises(NotFound, match="no faster copy of the model 'big'"):
        look(source, data, "fast")
    kept = write(source, data)
    with pytest.raises(NotFound, match="no copy in Q8_0"):
        look(source, data, "Q8_0")
    kept.path.write_bytes(b"fas")
    with pytest.raises(Refused, match="it has 3 bytes, not 4"):
        look(source, data, "fast")
    kept.path.unlink()
    assert everywhere(data) == [] and read(kept.path) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "null", '{"source": {}}', "[" * 10_000, '{"source": {"path": 1}}', "\ud800"]
)
def test_a_damaged_note_is_no_note(source: Path, tmp_path: Path, text: str) -> None:
    data = tmp_path / "data"
    kept = write(source, data)
    note_of(kept.path).write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(NotFound):
        look(source, data, "fast")
    assert everywhere(data) == []
    assert write(source, data) == read(kept.path)


@pytest.mark.parametrize("key", ["kind", "file_bytes", "sha256", "written", "schema", "source"])
def test_a_note_that_lacks_something_or_has_another_type(source: Path, tmp_path: Path, key: str) -> None:
    kept = write(source, tmp_path / "data")
    note = json.loads(note_of(kept.path).read_text())
    note_of(kept.path).write_text(json.dumps({name: note[name] for name in note if name != key}))
    assert read(kept.path) is None
    if key != "schema":
        note_of(kept.path).write_text(json.dumps({**note, key: None}))
        assert read(kept.path) is None


def test_a_damaged_list_of_folders_is_begun_anew(source: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "optimized").mkdir(parents=True)
    (data / "optimized" / "folders.json").write_text("{")
    kept = write(source, data)
    assert everywhere(data) == [kept]


def test_on_another_disk_it_is_copied_and_stopping_leaves_what_was_there(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, shares = tmp_path / "data", list[float]()
    before = write(source, data)
    candidate = tmp_path / "candidate"
    candidate.write_bytes(b"another")
    kept = replace(before, file_bytes=7)
    real = Path.stat

    def stat(path: Path, **options: bool) -> Any:
        status = real(path, **options)
        return os.stat_result([*status[:2], 999, *status[3:]]) if path == candidate else status

    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(Cancelled):
        keep(candidate, kept, data, quiet, lambda: True)
    assert kept.path.read_bytes() == b"fast" and read(kept.path) == before
    assert len(list(source.parent.iterdir())) == 3
    keep(candidate, kept, data, shares.append, never)
    assert kept.path.read_bytes() == b"another" and read(kept.path) == kept and shares == [1.0]


def test_a_folder_in_its_place_is_refused(source: Path, tmp_path: Path) -> None:
    source.with_name("big.plocal-Q4_0.gguf").mkdir()
    with pytest.raises(InvalidInput, match="is a folder"):
        write(source, tmp_path / "data")
