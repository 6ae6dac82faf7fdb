"""What lies damaged in the cache is made again, and never answers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.engine import shelf
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.errors import EngineFailure
from pluralism_local.types import Request, TextDelta, TextStarted
from tests.support.llama_requests import ask, letters, run, texts
from tests.support.starter import MakeRef

FIRST, MOST = 100_000_000, 40_000_000
"""Where the damage begins, and its bytes: many layers, and nothing that a load would see."""


def damage(path: Path, byte: bytes, *, seen: bool) -> bytes:
    """Overwrite a part; `seen` where the file's time tells of it. Returns what was there."""
    whole, before = path.read_bytes(), path.stat()
    length = min(MOST, len(whole) - FIRST)
    path.write_bytes(whole[:FIRST] + byte * length + whole[FIRST + length :])
    if not seen:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    return whole


def only(folder: Path) -> Path:
    (path,) = folder.glob("*.gguf")
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def options(cache: Path) -> LlamaOptions:
    return LlamaOptions(ctx_size=512, threads=1, lanes=1, weights_dir=cache / "weights")


@pytest.fixture(scope="module")
def sound(starter_path: Path, options: LlamaOptions, make_ref: MakeRef) -> Iterator[list[str]]:
    """What the copy says when all is well, alone and with adapters; it is in the cache then."""
    with LlamaEngine(starter_path, name="starter", options=options) as engine:
        yield [*texts(engine, [ask("Say hi.", tokens=8)]), *texts(engine, adapted(make_ref))]


def adapted(make_ref: MakeRef) -> list[Request]:
    return [ask("Hi.", make_ref(seed, 1.5, activation="assistant"), tokens=4) for seed in (0, 1)]


@pytest.mark.parametrize("byte", [b"\0", b"\xff"])
def test_damage_that_the_files_time_tells_of_is_repaired_at_the_next_open(
    starter_path: Path,
    cache: Path,
    options: LlamaOptions,
    sound: list[str],
    make_ref: MakeRef,
    byte: bytes,
) -> None:
    whole = damage(path := only(cache / "weights"), byte, seen=True)
    with LlamaEngine(starter_path, name="starter", options=options) as engine:
        assert engine.info.weights == "Q8_0"
        assert [*texts(engine, [ask("Say hi.", tokens=8)]), *texts(engine, adapted(make_ref))] == sound
    assert path.read_bytes() == whole


@pytest.mark.slow
def test_damage_that_nothing_tells_of_is_repaired_when_no_numbers_come(
    starter_path: Path, cache: Path, options: LlamaOptions, sound: list[str], make_ref: MakeRef
) -> None:
    whole = damage(path := only(cache / "weights"), b"\xff", seen=False)
    with LlamaEngine(starter_path, name="starter", options=options) as engine:
        for expected, requests in ((sound[:1], [ask("Say hi.", tokens=8)]), (sound[1:], adapted(make_ref))):
            _, events = run(engine, requests)
            assert [isinstance(event, TextStarted) for event in events].count(True) == len(requests)
            written = [
                "".join(e.text for e in events if isinstance(e, TextDelta) and e.index == i) for i in (0, 1)
            ]
            assert written[: len(expected)] == expected
        assert engine.info.weights == "Q8_0"
    assert path.read_bytes() == whole


@pytest.mark.slow
def test_probabilities_of_options_are_repaired_too(
    starter_path: Path, cache: Path, options: LlamaOptions, sound: list[str]
) -> None:
    with LlamaEngine(starter_path, name="starter", options=options) as engine:
        expected = engine.distribution([letters()])
    damage(only(cache / "weights"), b"\xff", seen=False)
    with LlamaEngine(starter_path, name="starter", options=options) as engine:
        assert engine.distribution([letters()]) == expected


def test_damage_is_found_after_the_machine_starts_anew(
    starter_path: Path,
    cache: Path,
    options: LlamaOptions,
    sound: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = damage(path := only(cache / "weights"), b"\0", seen=False)
    (tmp_path / "boot_id").write_text("another\n")
    monkeypatch.setattr(shelf, "_BOOT", tmp_path / "boot_id")
    with LlamaEngine(starter_path, name="starter", options=options) as engine:
        assert texts(engine, [ask("Say hi.", tokens=8)]) == sound[:1]
    assert path.read_bytes() == whole


def test_a_model_that_computes_no_numbers_itself_is_told(starter_path: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(starter_path.read_bytes())
    damage_from = 60_000_000
    with broken.open("r+b") as file:
        file.seek(damage_from)
        file.write(b"\xff" * 30_000_000)
    options = LlamaOptions(ctx_size=256, threads=1, lanes=1, weights_dir=tmp_path / "weights")
    with LlamaEngine(broken, name="broken", options=options) as engine:
        assert engine.info.weights is None  # llama.cpp copies no such numbers
        with pytest.raises(EngineFailure, match="no usable next-token probabilities"):
            texts(engine, [ask("Say hi.", tokens=2)])
