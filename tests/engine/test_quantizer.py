"""Quantizing in a child process: what is written, what is refused, and that stopping leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.engine.child_process import Ended
from pluralism_local.engine.library import install_log, write_quantized
from pluralism_local.engine.quantizer import quantize
from pluralism_local.errors import Cancelled, EngineFailure
from pluralism_local.gguf_header import GGML_TYPES, fingerprint
from pluralism_local.model_names import COPY_TYPES
from pluralism_local.models.details import read_model_header
from pluralism_local.models.gguf_file import read_header
from tests.support.tiny.families import FAMILIES
from tests.support.tiny.model import write_tiny


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_tiny(tmp_path / "tiny.gguf")


@pytest.mark.parametrize("kind", ["Q4_0", "Q8_0"])
def test_it_writes_the_type_with_the_tensors_that_adapters_need(
    tiny: Path, tmp_path: Path, kind: str
) -> None:
    shares: list[float] = []
    out = tmp_path / "out.gguf"
    quantize(tiny, out, kind, threads=1, expected_bytes=40_000, progress=shares.append)
    header = read_header(out)
    assert fingerprint(header) == fingerprint(read_header(tiny))
    assert kind in {GGML_TYPES[tensor.type].name for tensor in header.tensors}
    assert all(0 <= share <= 1 for share in shares) and shares
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.gguf", "tiny.gguf"]


@pytest.mark.parametrize("family", FAMILIES)
def test_models_of_every_family_can_be_written_in_every_type(tmp_path: Path, family: str) -> None:
    install_log()
    source = write_tiny(tmp_path / "source.gguf", FAMILIES[family])
    for kind in COPY_TYPES:
        out = tmp_path / f"{kind}.gguf"
        write_quantized(source, out, kind, 1)
        assert fingerprint(read_model_header(out)) == fingerprint(read_header(source))


def test_what_is_quantized_is_quantized_again(tiny: Path, tmp_path: Path) -> None:
    once, twice = tmp_path / "once.gguf", tmp_path / "twice.gguf"
    quantize(tiny, once, "Q8_0", threads=1, expected_bytes=1)
    quantize(once, twice, "Q4_0", threads=1, expected_bytes=1)
    assert twice.stat().st_size < once.stat().st_size < tiny.stat().st_size


def test_what_llama_cpp_will_not_write_is_an_error_and_leaves_what_was_there(tmp_path: Path) -> None:
    broken, out = tmp_path / "broken.gguf", tmp_path / "out.gguf"
    broken.write_bytes(b"GGUF nothing")
    out.write_bytes(b"before")
    with pytest.raises(EngineFailure, match=r"broken\.gguf in Q4_0"):
        quantize(broken, out, "Q4_0", threads=1, expected_bytes=1)
    assert out.read_bytes() == b"before" and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (Ended((), fault="ended by SIGABRT", complaint="llama-quant.cpp:253: no"), "SIGABRT, llama-quant"),
        (Ended((), failure="exit code 3"), "exit code 3"),
        (Ended(()), "ended early"),
    ],
)
def test_a_child_that_dies_is_an_error(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ended: Ended, told: str
) -> None:
    monkeypatch.setattr("pluralism_local.engine.child_process.run", lambda *_, **__: ended)
    with pytest.raises(EngineFailure, match=told):
        quantize(tiny, tmp_path / "out.gguf", "Q4_0", threads=1, expected_bytes=1)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.gguf"]


def test_stopped_it_leaves_no_file(starter_path: Path, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        quantize(
            starter_path,
            tmp_path / "out.gguf",
            "Q8_0",
            threads=1,
            expected_bytes=145_000_000,
            should_stop=lambda: True,
        )
    assert not list(tmp_path.iterdir())
