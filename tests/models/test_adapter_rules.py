"""What an adapter's header must say, and whether it belongs to a base."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from pluralism_local.errors import InvalidInput
from pluralism_local.gguf_header import GGUFHeader
from pluralism_local.models.adapter_rules import check_fits, check_lora, invocation_tokens
from pluralism_local.models.gguf_file import read_header
from tests.support.tiny.model import write_tiny, write_tiny_adapter


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> GGUFHeader:
    return read_header(write_tiny(tmp_path_factory.mktemp("base") / "tiny.gguf"))


@pytest.fixture(scope="module")
def lora(base: GGUFHeader, tmp_path_factory: pytest.TempPathFactory) -> GGUFHeader:
    path = tmp_path_factory.mktemp("lora") / "a.gguf"
    return read_header(write_tiny_adapter(path, base.path, invocation_tokens=(3, 4)))


def with_key(header: GGUFHeader, key: str, value: Any, kinds: tuple[int, ...] | None = None) -> GGUFHeader:
    return replace(
        header,
        metadata=header.metadata | {key: value},
        kinds=header.kinds | ({} if kinds is None else {key: kinds}),
    )


def renamed(header: GGUFHeader, old: str, new: str) -> GGUFHeader:
    return replace(header, tensors=tuple(replace(t, name=t.name.replace(old, new)) for t in header.tensors))


def test_a_lora_and_its_base_are_fine(lora: GGUFHeader, base: GGUFHeader) -> None:
    pairs = check_lora(lora)
    assert {pair.a.shape[1] for pair in pairs} == {pair.b.shape[0] for pair in pairs} == {4}
    assert invocation_tokens(lora) == (3, 4)
    check_fits(lora, base)


INVOCATION = "adapter.alora.invocation_tokens"


@pytest.mark.parametrize(
    ("key", "value", "kinds", "message"),
    [
        ("general.architecture", 7, (4,), "does not name the architecture"),
        ("general.architecture", "", None, "does not name the architecture"),
        ("general.type", 7, (4,), "is not a LoRA adapter"),
        ("adapter.lora.alpha", math.nan, None, "has alpha nan"),
        ("adapter.lora.alpha", math.inf, None, "has alpha inf"),
        ("adapter.lora.alpha", 8, (4,), "has alpha 8, which is no number in F32"),
        ("adapter.lora.alpha", 8.0, (12,), "which is no number in F32"),
        (INVOCATION, ["<s>", "a"], (9, 8), "no list of 1 to"),
        (INVOCATION, "abc", (8,), "no list of 1 to"),
        (INVOCATION, [], (9, 4), "no list of 1 to"),
        (INVOCATION, [1, 2], (9, 5), "no list of 1 to"),
        (INVOCATION, [2**31], (9, 4), "no list of 1 to"),
        (INVOCATION, [1] * 5000, (9, 4), "no list of 1 to"),
        (INVOCATION, 5, (4,), "no list of 1 to"),
    ],
)
def test_keys_that_cannot_be_used_are_refused(
    lora: GGUFHeader, key: str, value: Any, kinds: tuple[int, ...] | None, message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_lora(with_key(lora, key, value, kinds))
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("type", "shape"), [(26, (32, 4)), (28, (32, 4)), (9, (32, 4)), (0, (32, 0)), (0, (32,))]
)
def test_matrices_that_cannot_be_multiplied_are_refused(
    lora: GGUFHeader, type: int, shape: tuple[int, ...]
) -> None:
    first, *rest = lora.tensors
    with pytest.raises(InvalidInput, match=r"has (LoRA )?matrices"):
        check_lora(replace(lora, tensors=(replace(first, type=type, shape=shape), *rest)))


def test_an_adapter_of_another_base_is_told_what_differs(lora: GGUFHeader, base: GGUFHeader) -> None:
    for other, message in (
        (renamed(lora, "blk.1.", "blk.40."), "it changes layer 40, and the model has 2, from 0 on"),
        (renamed(lora, "attn_q", "attn_qq"), "'blk.0.attn_qq.weight', which the model has not"),
        (
            with_key(lora, "general.architecture", "qwen2"),
            "for the architecture 'qwen2', the model is 'llama'",
        ),
        (with_key(lora, INVOCATION, [99_999]), "switched on by the token 99,999"),
        (
            renamed(renamed(lora, "attn_k", "x"), "attn_q", "attn_k"),
            "'blk.0.attn_k.weight' is 32 by 16 there and 32 by 32",
        ),
    ):
        with pytest.raises(InvalidInput) as caught:
            check_fits(other, base)
        assert message in caught.value.message
        assert caught.value.hint
