"""What a tokenizer must be."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pluralism_local.errors import InvalidInput
from pluralism_local.gguf_header import GGUFHeader
from pluralism_local.models.gguf_file import read_header
from pluralism_local.models.vocabulary_rules import check_vocabulary, token_count
from tests.support.tiny.model import Tiny, write_tiny

TOKENS = "tokenizer.ggml.tokens"


@pytest.fixture(scope="module")
def sentencepiece(tmp_path_factory: pytest.TempPathFactory) -> GGUFHeader:
    return read_header(write_tiny(tmp_path_factory.mktemp("spm") / "tiny.gguf"))


@pytest.fixture(scope="module")
def bpe(tmp_path_factory: pytest.TempPathFactory) -> GGUFHeader:
    return read_header(write_tiny(tmp_path_factory.mktemp("bpe") / "tiny.gguf", Tiny(tokenizer="bpe")))


def changed(header: GGUFHeader, key: str, value: Any, kinds: tuple[int, ...] | None = None) -> GGUFHeader:
    """With another value of a key of the tokenizer; None takes it out."""
    name = f"tokenizer.ggml.{key}"
    metadata = {other: old for other, old in header.metadata.items() if other != name}
    metadata |= {} if value is None else {name: value}
    return replace(header, metadata=metadata, kinds=header.kinds | ({} if kinds is None else {name: kinds}))


def with_tokens(header: GGUFHeader, places: dict[int, str]) -> GGUFHeader:
    tokens = list(header.metadata[TOKENS])
    for place, token in places.items():
        tokens[place] = token
    return changed(header, "tokens", tokens)


def refused(header: GGUFHeader) -> str:
    with pytest.raises(InvalidInput) as caught:
        check_vocabulary(header)
    assert caught.value.hint
    return caught.value.message


def test_whole_tokenizers_are_fine(sentencepiece: GGUFHeader, bpe: GGUFHeader) -> None:
    for header in (sentencepiece, bpe):
        check_vocabulary(header)
        assert token_count(header) == len(header.metadata[TOKENS])


def test_no_two_tokens_are_the_same(bpe: GGUFHeader) -> None:
    assert "its tokens 5 and 70 are both 'x y'" in refused(with_tokens(bpe, {5: "x y", 70: "x y"}))
    # llama.cpp reads up to the NUL
    assert "are both 'x y'" in refused(with_tokens(bpe, {5: "x y", 70: "x y\0z"}))
    assert "[EMPTY_70]" in refused(with_tokens(bpe, {5: "[EMPTY_70]", 70: ""}))
    check_vocabulary(with_tokens(bpe, {5: "", 70: ""}))
    check_vocabulary(with_tokens(bpe, {5: "xyz\0y"}))


@pytest.mark.parametrize(
    ("key", "value", "kinds", "message"),
    [
        ("model", None, None, "its tokenizer is None"),
        ("model", "no_vocab", None, "its tokenizer is 'no_vocab'"),
        ("model", "bert", None, "its tokenizer is 'bert'"),
        ("tokens", None, None, "tokens is missing"),
        ("tokens", "x", (8,), "no list of the right type"),
        ("tokens", [1, 2], (9, 4), "no list of the right type"),
        ("tokens", [], None, "its vocabulary is empty"),
        ("scores", [0.0] * 9, None, "scores has 9 entries"),
        ("scores", [0] * 400, (9, 4), "no list of the right type"),
        ("token_type", [1] * 9, None, "token_type has 9 entries"),
        ("token_type", [1.0] * 400, (9, 6), "no list of the right type"),
        ("merges", [1], (9, 5), "no list of the right type"),
        ("token_type", [6] * 400, None, "stands for a byte and is not spelled so"),
    ],
)  # fmt: skip
def test_lists_have_their_types_and_lengths(
    sentencepiece: GGUFHeader, key: str, value: Any, kinds: tuple[int, ...] | None, message: str
) -> None:
    assert message in refused(changed(sentencepiece, key, value, kinds))


def test_a_vocabulary_of_byte_pairs_needs_merges(bpe: GGUFHeader) -> None:
    assert "merges is missing" in refused(changed(bpe, "merges", None))
    check_vocabulary(changed(changed(bpe, "merges", None), "pre", "kimi-k2"))


def test_sentencepiece_has_a_token_for_every_byte(sentencepiece: GGUFHeader) -> None:
    place = sentencepiece.metadata[TOKENS].index("<0xC3>")
    types = sentencepiece.metadata["tokenizer.ggml.token_type"]
    plain = changed(sentencepiece, "token_type", [1] * len(types))
    assert "no token for the byte 0xC3" in refused(with_tokens(plain, {place: "other"}))
    newline = sentencepiece.metadata[TOKENS].index("<0x0A>")
    check_vocabulary(with_tokens(plain, {newline: "\n"}))


def test_a_byte_that_begins_a_token_of_rwkv_is_one(bpe: GGUFHeader) -> None:
    singles = [repr(bytes([byte]))[2:-1] for byte in range(256)]
    words = ["hello", "\\xe6\\x97\\xa5", "日本", "\\n\\n", "\\\\x"]

    def rwkv(tokens: list[str]) -> GGUFHeader:
        plain = changed(changed(bpe, "model", "rwkv"), "tokens", tokens)
        return changed(plain, "token_type", [1] * len(tokens))

    check_vocabulary(rwkv(singles + words))
    assert "no token for the byte 0x68" in refused(rwkv([*words, *(s for s in singles if s != "h")]))
    assert "no token for the byte 0xE6" in refused(rwkv([*words, *(s for s in singles if s != "\\xe6")]))
    assert "no token for the byte 0x0A" in refused(rwkv([*words, *(s for s in singles if s != "\\n")]))


def test_the_token_that_every_text_begins_with_is_there(sentencepiece: GGUFHeader, bpe: GGUFHeader) -> None:
    few = with_tokens(bpe, {})
    few = changed(changed(few, "tokens", few.metadata[TOKENS][:9]), "bos_token_id", 99)
    check_vocabulary(few)
    assert "begin with the token 99" in refused(changed(few, "add_bos_token", True))
    assert "end with the token" in refused(changed(few, "add_eos_token", True))
    check_vocabulary(changed(sentencepiece, "bos_token_id", 2**32 - 1))  # llama.cpp then takes its default
