"""What is tried for which source, and how large it is said to become."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.bench.candidates import expected_bytes, find_kind, plan
from pluralism_local.engine.quantizer import quantize
from pluralism_local.errors import InvalidInput
from pluralism_local.gguf_header import GGUFHeader, Tensor
from pluralism_local.models.gguf_file import read_header

F16, Q4_K, Q4_1, Q2_K, Q6_K = 1, 12, 3, 10, 14
FILE_TYPE = {F16: 1, Q4_K: 15, Q4_1: 3, Q2_K: 10}


def source(kind: int, width: int = 2048) -> GGUFHeader:
    """The header of a made-up model with two matrices and a norm."""
    tensors = [
        Tensor("token_embd.weight", (width, 32_000), kind if kind == F16 else Q6_K, 0),
        Tensor("blk.0.ffn_up.weight", (width, 320_000), kind, 0),
        Tensor("blk.0.attn_norm.weight", (width,), 0, 0),
    ]
    size = sum(tensor.nbytes or 0 for tensor in tensors)
    return GGUFHeader(Path("m.gguf"), 3, {"general.file_type": FILE_TYPE[kind]}, tuple(tensors), 0, size)


def kinds(header: GGUFHeader, *named: str, machine: str = "x86_64") -> list[str]:
    return [candidate.kind for candidate in plan(header, named, machine)[0]]


def test_all_that_are_fast_here_and_none_larger_than_the_source() -> None:
    assert kinds(source(F16)) == ["Q4_0", "Q4_K_M", "Q8_0"]
    assert kinds(source(F16), machine="arm64") == ["Q4_0", "Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0"]
    candidates, left_out = plan(source(Q4_K), (), "x86_64")
    assert [candidate.kind for candidate in candidates] == ["Q4_0"]
    reasons = {left.kind: left.reason for left in left_out}
    assert reasons["Q4_K_M"] == "the source has this type" and "larger" in reasons["Q8_0"]
    assert "--try IQ4_NL" in reasons["IQ4_NL"]
    assert kinds(source(Q4_1)) == ["Q4_0", "Q4_K_M", "Q8_0"]  # itself slow: larger ones may pay


def test_what_the_user_names_is_tried_alone_unless_it_cannot_help() -> None:
    assert kinds(source(F16), "IQ4_NL", "Q6_K") == ["IQ4_NL", "Q6_K"]
    with pytest.raises(InvalidInput, match="Q8_0 is not tried: it would be larger"):
        plan(source(Q4_K), ["Q8_0"])
    with pytest.raises(InvalidInput, match="the source has this type"):
        plan(source(Q4_K), ["Q4_K_M"])
    with pytest.raises(InvalidInput, match="nothing to try"):
        plan(source(Q2_K))


def test_a_kind_is_found_in_any_case_and_the_nearest_is_named() -> None:
    assert find_kind("q4_k_m") == "Q4_K_M"
    with pytest.raises(InvalidInput) as caught:
        find_kind("q4_k")
    assert "Q4_K_M" in caught.value.hint


def test_sizes_of_a_split_or_undeclared_source_are_told_by_its_tensors() -> None:
    header = source(F16)
    undeclared = replace(header, metadata={})
    assert expected_bytes(undeclared, "Q4_0") == expected_bytes(header, "Q4_0")


@pytest.mark.parametrize("kind", ["Q4_0", "Q4_K_M", "Q8_0"])
def test_the_expected_size_is_the_written_one_within_a_tenth(
    starter_path: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "out.gguf"
    quantize(starter_path, out, kind, threads=2, expected_bytes=10**8)
    assert expected_bytes(read_header(starter_path), kind) == pytest.approx(out.stat().st_size, rel=0.1)
