"""Whole tokenizers of some 300 tokens, of either kind: every byte, some words, the family's control tokens."""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Literal

import gguf

Tokenizer = Literal["sentencepiece", "bpe"]
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6

ENDS = ("<|endoftext|>", "<|im_end|>")
_WORDS = (" A", " B", " C", " D", " the")


def add_sentencepiece(
    writer: gguf.GGUFWriter, controls: Sequence[str] = (), *, space_prefix: bool = False
) -> int:
    """Add a tokenizer of SentencePiece that begins every text with ``<s>``; return its size.

    `controls` come after ``<unk>``, ``<s>`` and ``</s>``. With `space_prefix` every stretch of text gets a space.
    """
    tokens = ["<unk>", "<s>", "</s>", *controls, *(f"<0x{byte:02X}>" for byte in range(256))]
    types = [UNKNOWN, *[CONTROL] * (2 + len(controls)), *[BYTE] * 256]
    pieces = ["▁", *string.ascii_letters, *".,:?!'", "▁t", "th", "▁th", "▁the", "er", "in", "▁a"]
    if controls:
        pieces += [f"▁{word.strip()}" for word in _WORDS if f"▁{word.strip()}" not in pieces]
    scores = [0.0] * len(tokens) + [-float(place) for place in range(len(pieces))]
    tokens, types = tokens + pieces, types + [NORMAL] * len(pieces)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    writer.add_add_space_prefix(space_prefix)
    return len(tokens)


def add_bpe(
    writer: gguf.GGUFWriter, controls: Sequence[str] = ENDS, *, pre: str = "gpt-2", begins: bool = False
) -> int:
    """Add a tokenizer of byte pairs; return its size.

    The first of `controls` begins a text, also by itself if it `begins` every text, and the last ends it.
    """
    merges = ["t h", "Ġ t", "Ġt h", "Ġth e", "e r", "i n", "Ġ a"]
    if controls != ENDS:
        merges += [f"Ġ {word.strip()}" for word in _WORDS[:4]]
    tokens = [*_byte_letters(), *(merge.replace(" ", "") for merge in merges), *controls]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([NORMAL] * (len(tokens) - len(controls)) + [CONTROL] * len(controls))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens) - len(controls))
    writer.add_eos_token_id(len(tokens) - 1)
    writer.add_add_bos_token(begins)
    return len(tokens)


def _byte_letters() -> list[str]:
    """The letter that stands for each byte in GPT-2's vocabulary: itself where printable, else one from 256 on."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]
