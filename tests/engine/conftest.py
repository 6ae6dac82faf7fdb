"""The real engine over the starter model, and adapters for it; one model in memory for all of these tests."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.bench.seeded import write_lora
from pluralism_local.engine.llama import LlamaEngine
from pluralism_local.models.gguf_file import read_header, sha256_of
from pluralism_local.types import Activation, AdapterRef
from tests.support.starter import ASSISTANT_HEADER, ONE_THREAD_EACH, MakeRef


@pytest.fixture(scope="session")
def engine(starter_path: Path) -> Iterator[LlamaEngine]:
    """Shared by the tests; they must not rely on what others left in its store."""
    with LlamaEngine(starter_path, name="starter", options=ONE_THREAD_EACH) as opened:
        yield opened


@pytest.fixture(scope="session")
def f16_path(starter_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter model in F16: activations are not quantized, so rounding stays small and a wrong cell shows."""
    llama_cpp = pytest.importorskip("llama_cpp")
    path = tmp_path_factory.mktemp("f16") / "starter-f16.gguf"
    params = llama_cpp.llama_model_quantize_default_params()
    params.allow_requantize, params.ftype, params.nthread = True, llama_cpp.LLAMA_FTYPE_MOSTLY_F16, 1
    code = llama_cpp.llama_model_quantize(
        str(starter_path).encode(), str(path).encode(), ctypes.byref(params)
    )
    assert code == 0
    return path


@pytest.fixture(scope="session")
def precise(f16_path: Path) -> Iterator[LlamaEngine]:
    """The engine over `f16_path`."""
    with LlamaEngine(f16_path, name="starter-f16", options=ONE_THREAD_EACH) as opened:
        yield opened


@pytest.fixture(scope="session")
def make_ref(starter_path: Path, tmp_path_factory: pytest.TempPathFactory) -> MakeRef:
    """Seeded adapters for the starter model: make_ref(seed, scale=1.0, activation="always")."""
    folder = tmp_path_factory.mktemp("adapters")
    header = read_header(starter_path)

    def make(
        seed: int, scale: float = 1.0, activation: Activation = "always", zero: bool = False
    ) -> AdapterRef:
        path = folder / f"{seed}-{activation}-{zero}.gguf"
        if not path.exists():
            tokens = ASSISTANT_HEADER if activation == "assistant" else None
            write_lora(path, base_header=header, seed=seed, zero=zero, invocation_tokens=tokens)
        return AdapterRef(path, sha256_of(path), scale, activation)

    return make
