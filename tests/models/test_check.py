"""Whether a model's file is what it should be."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from pluralism_local.errors import Cancelled, InvalidInput, Refused
from pluralism_local.models.check import verify
from tests.support.gguf_files import write_model


@pytest.fixture
def model_file(tmp_path: Path) -> Path:
    """A sound GGUF file of a model that nobody would want to run."""
    return write_model(tmp_path / "tiny.gguf")


def never() -> bool:
    return False


def test_the_starter_is_as_its_package_has_it(starter_path: Path) -> None:
    seen: list[float] = []
    (checked,) = verify(starter_path, seen.append, never)
    assert checked.sha256 == hashlib.sha256(starter_path.read_bytes()).hexdigest()
    assert checked.file_bytes == starter_path.stat().st_size
    assert checked.compared_with is not None
    assert "the package" in checked.compared_with
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) <= 101


def test_a_file_of_nobodys_is_sound_without_comparison(model_file: Path) -> None:
    (checked,) = verify(model_file, lambda _: None, never)
    assert checked.compared_with is None
    assert checked.tensors == 3


def test_a_changed_file_of_the_hubs_cache_is_refused(model_file: Path, tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    blob = blobs / hashlib.sha256(model_file.read_bytes()).hexdigest()
    blob.write_bytes(model_file.read_bytes())
    link = tmp_path / "linked.gguf"
    link.symlink_to(blob)
    assert verify(link, lambda _: None, never)[0].compared_with == "the Hub's cache"
    damaged = bytearray(blob.read_bytes())
    damaged[-1] ^= 1
    blob.write_bytes(damaged)
    with pytest.raises(Refused, match="is not what the Hub's cache has on record"):
        verify(link, lambda _: None, never)


def test_half_a_file_is_no_model_and_a_stop_ends_it(model_file: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        verify(model_file, lambda _: None, lambda: True)
    half = tmp_path / "half.gguf"
    half.write_bytes(model_file.read_bytes()[:-40])
    with pytest.raises(InvalidInput, match="truncated"):
        verify(half, lambda _: None, never)
