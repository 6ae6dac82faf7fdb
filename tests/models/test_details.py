"""What a model's header says of it, and the memory it will take, against numbers from hand and from llama.cpp."""

from __future__ import annotations

import hashlib
from pathlib import Path

import gguf
import pytest
from gguf import GGMLQuantizationType as Q

from pluralism_local.gguf_header import GGUFHeader
from pluralism_local.models.details import FILE_TYPES, estimate_memory
from pluralism_local.models.gguf_file import read_header
from pluralism_local.models.store import ModelFile, details
from tests.support.gguf_files import TOKENS, write_model


def test_details_of_the_starter(starter_path: Path) -> None:
    found = details(ModelFile("starter", starter_path, "starter"))
    assert found.architecture == "llama"
    assert found.parameters == 134_515_008
    assert found.quantization == "Q4_1"
    assert list(found.tensor_types) == ["Q4_1", "Q8_0", "F32"]
    assert sum(found.tensor_types.values()) == found.parameters
    assert (found.layers, found.embedding, found.heads, found.kv_heads) == (30, 576, 9, 3)
    assert (found.context_length, found.vocabulary, found.license) == (8192, 49152, "apache-2.0")
    template = read_header(starter_path).metadata["tokenizer.chat_template"]
    assert found.chat_template_sha256 == hashlib.sha256(template.encode()).hexdigest()
    assert found.file_bytes == starter_path.stat().st_size


@pytest.mark.parametrize("ctx", [512, 2048])
def test_estimated_memory_is_weights_cache_and_compute(tmp_path: Path, ctx: int) -> None:
    path = write_model(tmp_path / "m.gguf", embedding=64, layers=2, heads=4, kv_heads=2)
    # 2 layers · 2 KV heads · (16 + 16) · 2 bytes = 256 bytes a token; 256 rows of 4 heads' float32 scores
    expected = path.stat().st_size + ctx * 256 + 256 * 4 * ctx * 4
    found = details(ModelFile("m", path, "path"), ctx)
    assert (found.estimated_memory_bytes, found.estimated_context) == (expected, ctx)
    assert details(ModelFile("m", path, "path")).estimated_context == 128


def test_the_starters_cache_is_what_llama_cpp_allocates(starter_path: Path) -> None:
    header = read_header(starter_path)
    cache_and_compute = [estimate_memory(header, ctx) - header.file_bytes for ctx in (2048, 4096)]
    # llama.cpp reports a KV buffer of 45.00 MiB for 2,048 cells; up to 5,461 tokens the logits outweigh the scores
    assert cache_and_compute[1] - cache_and_compute[0] == 45 * 1024**2


def header_with(metadata: dict[str, object]) -> GGUFHeader:
    return GGUFHeader(Path("x"), 3, {"general.architecture": "x", **metadata}, (), 0, 1000)


def test_estimated_memory_reads_lists_and_explicit_lengths() -> None:
    header = header_with(
        {
            "x.block_count": 3,
            "x.attention.head_count": [4, 4, 8],
            "x.attention.head_count_kv": [1, 0, 2],
            "x.attention.key_length": 10,
            "x.attention.value_length": 6,
        }
    )
    assert estimate_memory(header, 100) == 1000 + 100 * 3 * 16 * 2 + 256 * 8 * 100 * 4


def test_what_a_header_does_not_say_counts_as_nothing() -> None:
    assert estimate_memory(header_with({}), 100) == 1000
    assert (
        estimate_memory(header_with({"x.block_count": 2**32 - 1, "x.attention.head_count": "many"}), 1)
        == 1000
    )


def test_without_kv_heads_every_head_has_its_own(tmp_path: Path) -> None:
    grouped = write_model(tmp_path / "a.gguf", heads=4, kv_heads=4)
    plain = write_model(tmp_path / "b.gguf", heads=4, kv_heads=None)
    sizes = [estimate_memory(read_header(path), 64) - path.stat().st_size for path in (grouped, plain)]
    assert sizes[0] == sizes[1]
    assert details(ModelFile("b", plain, "path")).kv_heads is None


def test_without_a_file_type_the_tensors_tell_the_quantization(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.gguf", kind=Q.Q8_0, file_type=None)
    found = details(ModelFile("m", path, "path"))
    assert found.quantization == "Q8_0"
    assert found.tensor_types == {"Q8_0": 2 * 64 * 64, "F32": len(TOKENS) * 64}


def test_file_type_names_are_llama_cpps() -> None:
    names = {int(kind): kind.name.removeprefix("MOSTLY_").removeprefix("ALL_") for kind in gguf.LlamaFileType}
    assert {number: names[number] for number in FILE_TYPES if number is not None} == FILE_TYPES


def test_a_base_model_has_no_template(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.gguf", template=None)
    assert details(ModelFile("m", path, "path")).chat_template_sha256 is None


def test_what_a_header_says_stays_on_its_line(tmp_path: Path) -> None:
    forged = "Nice\nfingerprint  sha256:00\x1b[2J\u202e" + "x" * 100_000
    path = write_model(tmp_path / "m.gguf", extra={"general.name": forged, "general.license": forged})
    found = details(ModelFile("m", path, "path"))
    for said in (found.name, found.license):
        assert said is not None and said.startswith("Nice fingerprint sha256:00[2Jxxx")
        assert len(said) <= 200
        assert said.isprintable()
