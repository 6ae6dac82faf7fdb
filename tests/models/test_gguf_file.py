"""The header reader against llama.cpp's own reader and writer, and against damaged and hostile files."""

from __future__ import annotations

import hashlib
import os
import struct
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gguf
import pytest
from gguf import GGMLQuantizationType as Q
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluralism_local.errors import InvalidInput, NotFound, PlocalError
from pluralism_local.gguf_header import GGML_TYPES, GGUFHeader, fingerprint
from pluralism_local.models.gguf_file import general_type, read_header, sha256_of
from tests.support.gguf_files import TOKENS, write_model

in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@contextmanager
def at_most_bytes(limit: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def start(tensors: int, keys: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


def key(name: str, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def tensor(name: str, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def header_of(tmp_path: Path, content: bytes) -> GGUFHeader:
    path = tmp_path / "made.gguf"
    path.write_bytes(content)
    return read_header(path)


def test_the_starter_model_reads_as_with_gguf(starter_path: Path) -> None:
    header = read_header(starter_path)
    reference = gguf.GGUFReader(starter_path)

    fields = {name: field for name, field in reference.fields.items() if not name.startswith("GGUF.")}
    assert list(header.metadata) == list(fields)
    assert header.metadata == {name: field.contents() for name, field in fields.items()}
    assert header.kinds == {name: (*map(int, field.types),) for name, field in fields.items()}
    assert [(t.name, t.shape, t.type, t.nbytes, header.data_offset + t.offset) for t in header.tensors] == [
        (t.name, tuple(t.shape.tolist()), int(t.tensor_type), t.n_bytes, t.data_offset)
        for t in reference.tensors
    ]
    assert header.file_bytes == starter_path.stat().st_size
    assert sum(t.elements for t in header.tensors) == 134_515_008


def test_block_sizes_are_ggmls() -> None:
    reference = {int(kind): (kind.name, *sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    assert {number: reference[number] for number in GGML_TYPES} == {
        number: tuple(block) for number, block in GGML_TYPES.items()
    }


@pytest.mark.parametrize("kind", [Q.F32, Q.F16, Q.Q8_0, Q.Q4_0, Q.Q4_1])
def test_every_tensor_type_ends_where_the_next_begins(tmp_path: Path, kind: Q) -> None:
    header = read_header(write_model(tmp_path / "m.gguf", kind=kind))
    ends = [t.offset + (t.nbytes or 0) for t in header.tensors]
    assert [t.offset for t in header.tensors[1:]] == ends[:-1]
    assert header.file_bytes == header.data_offset + ends[-1]
    assert header.tensors[1].type == int(kind)


SCALARS: dict[gguf.GGUFValueType, st.SearchStrategy[Any]] = {
    gguf.GGUFValueType.UINT8: st.integers(0, 2**8 - 1),
    gguf.GGUFValueType.INT8: st.integers(-(2**7), 2**7 - 1),
    gguf.GGUFValueType.UINT16: st.integers(0, 2**16 - 1),
    gguf.GGUFValueType.INT16: st.integers(-(2**15), 2**15 - 1),
    gguf.GGUFValueType.UINT32: st.integers(0, 2**32 - 1),
    gguf.GGUFValueType.INT32: st.integers(-(2**31), 2**31 - 1),
    gguf.GGUFValueType.UINT64: st.integers(0, 2**64 - 1),
    gguf.GGUFValueType.INT64: st.integers(-(2**63), 2**63 - 1),
    gguf.GGUFValueType.FLOAT32: st.floats(width=32, allow_nan=False),
    gguf.GGUFValueType.FLOAT64: st.floats(allow_nan=False),
    gguf.GGUFValueType.BOOL: st.booleans(),
    gguf.GGUFValueType.STRING: st.text(min_size=1, max_size=20),
}
one_value = st.sampled_from(list(SCALARS)).flatmap(
    lambda kind: st.tuples(st.just(kind), SCALARS[kind] | st.lists(SCALARS[kind], min_size=1, max_size=5))
)


@in_one_folder
@given(values=st.dictionaries(st.text(min_size=1, max_size=12), one_value, max_size=8))
def test_what_gguf_writes_is_what_is_read(
    tmp_path: Path, values: dict[str, tuple[gguf.GGUFValueType, Any]]
) -> None:
    values.pop("general.architecture", None)
    values.pop("general.alignment", None)
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    for name, (kind, value) in values.items():
        if isinstance(value, list):
            writer.add_key_value(name, value, gguf.GGUFValueType.ARRAY, sub_type=kind)
        else:
            writer.add_key_value(name, value, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    expected = {"general.architecture": "llama", **{name: value for name, (_, value) in values.items()}}
    assert read_header(path).metadata == expected


def test_every_truncation_is_reported_with_both_sizes(tmp_path: Path) -> None:
    whole = write_model(tmp_path / "m.gguf").read_bytes()
    data = len(whole) - 2 * 64 * 64 * 2 - len(TOKENS) * 64 * 4
    for cut in [*range(data + 100), *range(data, len(whole), 999), len(whole) - 1]:
        with pytest.raises(InvalidInput) as caught:
            header_of(tmp_path, whole[:cut])
        if cut >= 24:
            assert "truncated" in caught.value.message
            assert f"has {cut:,} bytes" in caught.value.message
    assert header_of(tmp_path, whole).file_bytes == len(whole)


@settings(in_one_folder, max_examples=400)
@given(data=st.data())
def test_random_corruption_gives_a_header_or_an_error_of_ours(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "whole.gguf"
    if not path.exists():
        write_model(path, embedding=32, layers=1)
    content = bytearray(path.read_bytes())
    size = len(content) - 32 * 32 * 2 - len(TOKENS) * 32 * 4
    spots = st.tuples(
        st.integers(0, size - 1), st.sampled_from([0, 1, 2, 8, 9, 127, 128, 255]) | st.integers(0, 255)
    )
    for at, value in data.draw(st.lists(spots, min_size=1, max_size=6)):
        content[at] = value
    with at_most_bytes(8_000_000):
        try:
            header = header_of(tmp_path, bytes(content))
        except PlocalError:
            return
    assert fingerprint(header).startswith("sha256:")


@settings(in_one_folder, max_examples=200)
@given(rest=st.binary(max_size=300))
def test_noise_after_the_counts_gives_an_error_of_ours(tmp_path: Path, rest: bytes) -> None:
    with pytest.raises(PlocalError):
        header_of(tmp_path, start(2, 3) + rest)


HUGE = 2**60
HOSTILE = {
    "tensors": start(HUGE, 0),
    "keys": start(0, HUGE),
    "key name": start(0, 1) + struct.pack("<Q", HUGE),
    "text": start(0, 1) + key("a", 8, struct.pack("<Q", HUGE)),
    "strings": start(0, 1) + key("a", 9, struct.pack("<IQ", 8, HUGE)),
    "numbers": start(0, 1) + key("a", 9, struct.pack("<IQ", 4, HUGE)),
    "numbers overflowing": start(0, 1) + key("a", 9, struct.pack("<IQ", 12, 2**64 - 1)),
    "nested array": start(0, 1) + key("a", 9, struct.pack("<IQ", 9, 1) + struct.pack("<IQ", 4, 0)),
    "unknown type": start(0, 1) + key("a", 13, bytes(8)),
    "key twice": start(0, 2) + 2 * key("a", 0, b"\x01"),
    "alignment zero": start(0, 1) + key("general.alignment", 4, bytes(4)),
    "alignment 24": start(0, 1) + key("general.alignment", 4, struct.pack("<I", 24)),
    "alignment text": start(0, 1) + key("general.alignment", 8, text("32")),
    "five dimensions": start(1, 0) + tensor("a", (1, 1, 1, 1, 1)),
    "more keys than any model has": start(0, 65_537) + bytes(2**20),
    "more tensors than any model has": start(65_537, 0) + bytes(2**21),
    "shape": start(1, 0) + tensor("a", (2**63, 2**63, 2**63, 2**63)),
    "offset": start(1, 0) + tensor("a", (1,), offset=2**63),
    "offset between blocks": start(1, 0) + tensor("a", (1,), offset=4) + bytes(64),
    "row of half a block": start(1, 0) + tensor("a", (16,), kind=2) + bytes(64),
    "tensor twice": start(2, 0) + 2 * tensor("a", (1,)) + bytes(128),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_headers_are_refused_cheaply(tmp_path: Path, content: bytes) -> None:
    with at_most_bytes(1_000_000), pytest.raises(InvalidInput, match=r"damaged|truncated"):
        header_of(tmp_path, content)


def test_a_large_file_does_not_make_large_claims_believable(tmp_path: Path) -> None:
    path = tmp_path / "sparse.gguf"
    for claim in (
        key("a", 9, struct.pack("<IQ", 0, 2**30)),  # 2³⁰ small numbers would be 8 GiB of pointers
        key("a", 9, struct.pack("<IQ", 8, 2**28)),
        key("a", 9, struct.pack("<IQ", 0, 2**26)),  # within the header's limit in bytes, not in values
        key("a", 8, struct.pack("<Q", 2**30)),
    ):
        path.write_bytes(start(0, 1) + claim)
        os.truncate(path, 2**33)
        with at_most_bytes(1_000_000), pytest.raises(InvalidInput, match="damaged"):
            read_header(path)


def test_no_text_is_longer_than_a_mebibyte_but_the_template(tmp_path: Path) -> None:
    long = text("x" * (2**20 + 1))
    for name, kind, value in (
        ("general.name", 8, long),
        ("tokenizer.ggml.tokens", 9, struct.pack("<IQ", 8, 2) + text("a") + long),
        ("x" * (2**20 + 1), 4, bytes(4)),
    ):
        with (
            at_most_bytes(4_000_000),
            pytest.raises(InvalidInput, match="bytes long, where at most 1,048,576"),
        ):
            header_of(tmp_path, start(0, 1) + key(name, kind, value))
    with pytest.raises(InvalidInput, match="bytes long"):
        header_of(tmp_path, start(1, 0) + tensor("x" * (2**20 + 1), (1,)) + bytes(64))
    for name in ("tokenizer.chat_template", "tokenizer.chat_template.tool_use", "tokenizer.huggingface.json"):
        assert len(header_of(tmp_path, start(0, 1) + key(name, 8, long)).metadata[name]) == 2**20 + 1


def test_bytes_that_are_no_utf8_stay_visible_and_distinct(tmp_path: Path) -> None:
    values = struct.pack("<IQ", 8, 2) + struct.pack("<Q", 1) + b"\xff" + struct.pack("<Q", 1) + b"\xfe"
    assert header_of(tmp_path, start(0, 1) + key("a", 9, values)).metadata == {"a": ["\\xff", "\\xfe"]}


def test_a_tensor_of_a_newer_type_is_read_without_its_size(tmp_path: Path) -> None:
    header = header_of(tmp_path, start(1, 0) + tensor("a", (3,), kind=200) + bytes(64))
    assert header.tensors[0].nbytes is None


def test_missing_file_names_the_nearest_sibling(tmp_path: Path) -> None:
    write_model(tmp_path / "smollm-q4.gguf")
    with pytest.raises(NotFound) as caught:
        read_header(tmp_path / "smolm-q4.gguf")
    assert caught.value.hint == "Did you mean 'smollm-q4.gguf'?"


def test_a_link_that_leads_nowhere_is_told_so_and_not_suggested(tmp_path: Path) -> None:
    for name in ("x.gguf", "xx.gguf"):
        (tmp_path / name).symlink_to(tmp_path / "gone.gguf")
    with pytest.raises(NotFound, match=r"x\.gguf is a link to .*gone\.gguf, which is not there") as caught:
        read_header(tmp_path / "x.gguf")
    assert caught.value.hint == "Give another file, or make the link anew."


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04 and so on", "is not a GGUF file"),
        (start(0, 0, version=1), "GGUF version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    ],
)
def test_other_content_is_named(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        header_of(tmp_path, content)


def test_the_type_is_told_without_reading_on(tmp_path: Path) -> None:
    path = tmp_path / "made.gguf"
    said = key("general.architecture", 8, text("llama")) + key("general.type", 8, text("adapter"))
    tokens = key("tokens", 9, struct.pack("<IQ", 8, 2**50))
    for content, expected in (
        (start(0, 3) + said + tokens, "adapter"),
        (start(0, 3) + tokens + said, None),
        (start(0, 1) + key("general.type", 4, bytes(4)), None),
        (start(0, 5), None),
        (b"GGUF", None),
        (b"", None),
        (b"PK", None),
    ):
        path.write_bytes(content)
        assert general_type(path) == expected
    assert general_type(tmp_path / "none.gguf") is None


def test_failed_downloads_are_recognised(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        header_of(tmp_path, b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    assert "git lfs pull" in caught.value.hint
    with pytest.raises(InvalidInput) as caught:
        header_of(tmp_path, b"\n<!DOCTYPE html><html>")
    assert "web page" in caught.value.hint


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="a folder"):
        read_header(tmp_path)
    with pytest.raises(InvalidInput, match="a device or a pipe"):
        read_header(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_header(Path("a\0b.gguf"))
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_header(tmp_path / ("x" * 5000))


def test_fingerprint_sees_the_model_and_not_its_quantization(tmp_path: Path) -> None:
    def of(**changes: Any) -> str:
        return fingerprint(read_header(write_model(tmp_path / "m.gguf", **changes)))

    base = of()
    assert base == of(kind=Q.Q4_0, file_type=gguf.LlamaFileType.MOSTLY_Q4_0, seed=1, template=None)
    others = [of(layers=3), of(embedding=32), of(architecture="qwen2"), of(tokens=("x", *TOKENS[1:]))]
    assert len({base, *others}) == 5


def test_fingerprint_does_not_depend_on_the_order_of_tensors(tmp_path: Path) -> None:
    one, two = tensor("a", (1,)), tensor("b", (1,), offset=32)
    first = header_of(tmp_path, start(2, 0) + one + two + bytes(128))
    second = header_of(tmp_path, start(2, 0) + two + one + bytes(128))
    assert fingerprint(first) == fingerprint(second)


def test_sha256_is_the_files_and_follows_its_changes(tmp_path: Path) -> None:
    path, cache = tmp_path / "a.bin", tmp_path / "caches" / "files.json"
    for content in (b"one", b"three"):
        path.write_bytes(content)
        for _ in range(2):
            assert sha256_of(path, cache) == hashlib.sha256(content).hexdigest() == sha256_of(path)
    with pytest.raises(NotFound):
        sha256_of(tmp_path / "none.bin", cache)


def test_sha256_comes_from_the_cache_while_the_file_is_the_same(tmp_path: Path) -> None:
    path, cache = tmp_path / "a.bin", tmp_path / "files.json"
    path.write_bytes(b"one")
    digest = sha256_of(path, cache)
    cache.write_text(cache.read_text().replace(digest, "remembered"))
    assert sha256_of(path, cache) == "remembered"
    os.utime(path, ns=(0, 5))
    assert sha256_of(path, cache) == digest


def test_files_that_are_gone_leave_the_cache(tmp_path: Path) -> None:
    cache = tmp_path / "files.json"
    for name in ("old.bin", "new.bin"):
        (tmp_path / name).write_bytes(b"one")
        sha256_of(tmp_path / name, cache)
        (tmp_path / "old.bin").unlink(missing_ok=True)
    assert "new.bin" in cache.read_text()
    assert "old.bin" not in cache.read_text()


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b'{"a": 3}', b"[" * 100_000, b"\xff"])
def test_a_damaged_cache_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    path, cache = tmp_path / "a.bin", tmp_path / "files.json"
    path.write_bytes(b"one")
    cache.write_bytes(damage)
    digest = sha256_of(path, cache)
    assert digest == hashlib.sha256(b"one").hexdigest()
    assert digest in cache.read_text()


def test_an_unwritable_cache_is_done_without(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    assert sha256_of(path, path / "files.json") == hashlib.sha256(b"one").hexdigest()
    assert list(tmp_path.iterdir()) == [path]
