"""The copy of a base in a type that CPUs multiply fast: when there is one, and that it is the same model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest

from pluralism_local.engine import fast_weights
from pluralism_local.engine.fast_weights import COPY_TYPE, FastWeights, slow_type
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.gguf_header import GGML_TYPES
from pluralism_local.models.gguf_file import read_header
from tests.support.llama_requests import ask, letters, texts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "weights"


@pytest.fixture(scope="module")
def fast(starter_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaEngine]:
    folder = tmp_path_factory.mktemp("weights")
    with LlamaEngine(
        starter_path, name="starter", options=LlamaOptions(ctx_size=512, weights_dir=folder)
    ) as engine:
        yield engine


def test_the_copy_holds_the_same_matrices_in_8_bits_and_everything_else_as_it_was(
    starter_path: Path, folder: Path
) -> None:
    base = read_header(starter_path)
    assert slow_type(base) == "Q4_1"
    path = FastWeights(folder).copy(base, "starter", 1)
    assert path is not None
    copy = read_header(path)
    assert {tensor.name: tensor.shape for tensor in copy.tensors} == {
        tensor.name: tensor.shape for tensor in base.tensors
    }
    assert {GGML_TYPES[tensor.type].name for tensor in copy.tensors} == {COPY_TYPE, "F32"}
    same = {key for key in base.metadata if key not in ("general.file_type", "general.quantization_version")}
    assert {key: copy.metadata.get(key) for key in same} == {key: base.metadata[key] for key in same}
    assert slow_type(copy) is None and FastWeights(folder).copy(copy, "copy", 1) is None


def test_it_is_written_once_and_the_oldest_are_thrown_away(
    starter_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []

    def write(source: Path, out: Path, kind: str, threads: int) -> None:
        written.append(source)
        out.write_bytes(b"copy")

    monkeypatch.setattr(fast_weights, "write_quantized", write)
    base, shelf = read_header(starter_path), FastWeights(folder)
    first = shelf.copy(base, "a", 1)
    assert first is not None and shelf.copy(base, "a", 1) == first and len(written) == 1
    second = shelf.copy(base, "b", 1)
    assert second not in (None, first)
    os.utime(first.with_suffix(".json"), (1, 1))
    third = shelf.copy(base, "c", 1)
    assert sorted(folder.glob("*.gguf")) == sorted(path for path in (second, third) if path)
    assert len(list(folder.iterdir())) == 4  # each with its note


def test_no_copy_is_no_error(
    starter_path: Path, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = read_header(starter_path)
    assert FastWeights(None).copy(base, "a", 1) is None
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    shelf = FastWeights(blocked)
    assert shelf.copy(base, "a", 1) is None and str(blocked) in shelf.reason
    monkeypatch.setattr(fast_weights, "LARGEST_MODEL", 10)
    large = FastWeights(folder)
    assert large.copy(base, "a", 1) is None and "too large" in large.reason and not folder.exists()
    options = LlamaOptions(ctx_size=256, weights_dir=blocked)
    with LlamaEngine(starter_path, name="starter", options=options) as engine:
        assert engine.info.weights is None and texts(engine, [ask("Say hi.", tokens=3)])[0]


def test_a_copy_that_cannot_be_loaded_is_thrown_away_and_the_file_runs(
    starter_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        fast_weights, "write_quantized", lambda source, out, kind, threads: out.write_bytes(b"no model")
    )
    options = LlamaOptions(ctx_size=256, weights_dir=folder)
    with LlamaEngine(starter_path, name="starter", options=options) as engine:
        assert engine.info.weights is None
    assert not list(folder.iterdir())


@pytest.mark.slow
def test_the_copys_weights_are_the_files_within_a_220th_of_a_blocks_largest(
    starter_path: Path, folder: Path
) -> None:
    path = FastWeights(folder).copy(read_header(starter_path), "starter", 1)
    assert path is not None
    name = "blk.3.ffn_down.weight"
    original, copied = (
        next(gguf.dequantize(t.data, t.tensor_type) for t in gguf.GGUFReader(file).tensors if t.name == name)
        for file in (starter_path, path)
    )
    # half a step of 127, and the rounding of its scale to 16 bits
    blocks, difference = original.reshape(-1, 32), (copied - original).reshape(-1, 32)
    assert (np.abs(difference) <= np.abs(blocks).max(axis=1, keepdims=True) / 220).all()
    assert np.abs(difference).max() > 0


def test_the_copy_answers_as_the_file_does(fast: LlamaEngine, starter_path: Path) -> None:
    assert fast.info.weights == COPY_TYPE
    requests = [letters(f"{question}\nA. Yes\nB. No\nC. Perhaps") for question in ("Is it?", "Was it?")]
    with LlamaEngine(starter_path, name="starter", options=LlamaOptions(ctx_size=512)) as plain:
        assert plain.info.weights is None
        expected = [each.p for each in plain.distribution(requests)]
    weighed = [each.p for each in fast.distribution(requests)]
    # activations are quantized to 8 bits on both sides, to other grids: .063 was seen, .05 between two batch shapes
    assert float(np.abs(np.array(expected) - np.array(weighed)).max()) < 0.1
    assert [max(p) == p[0] for p in expected] == [max(p) == p[0] for p in weighed] == [True, True]
