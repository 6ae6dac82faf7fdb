"""What a model's tokenizer must be, because llama.cpp relies on it and ends the process where it is not so.

    header ──check_vocabulary──> nothing, or InvalidInput

llama.cpp asserts that no two tokens are the same, that a token that stands at every prompt's start exists, and finds
out at a user's umlaut that a vocabulary of SentencePiece has no token for one of the bytes.
"""

from __future__ import annotations

import re
from itertools import compress
from typing import Any

from pluralism_local.errors import InvalidInput
from pluralism_local.gguf_header import GGUFHeader

_TOKENS, _SCORES = "tokenizer.ggml.tokens", "tokenizer.ggml.scores"
_TYPES, _MERGES = "tokenizer.ggml.token_type", "tokenizer.ggml.merges"
_HINT = "The file was damaged or badly converted: get it again, from another source if need be."

_STRING, _ARRAY, _I32, _F32 = 8, 9, 5, 6
_BYTE = 6  # llama.cpp's token type of a token that stands for one byte
_ESCAPE = re.compile(rb"\\(x[0-9a-fA-F]{2}|.)", re.DOTALL)
_NO_TOKENIZER = ("no_vocab", "none", "test", "bert")
_WITHOUT_MERGES = "kimi-k2"
# tokens that begin and end a text where the header names none
_DEFAULT_IDS = {"llama": (1, 2), "plamo2": (1, 2), "gpt2": (11, 11), "t5": (None, 1), "rwkv": (None, None)}
_ASKED_FOR = {"llama": True}  # whether a text begins with that token where the header does not say


def token_count(header: GGUFHeader) -> int:
    """Tokens of the vocabulary; 0 if the header lists none."""
    tokens = header.metadata.get(_TOKENS)
    return len(tokens) if isinstance(tokens, list) else 0


def check_vocabulary(header: GGUFHeader) -> None:
    """Check the tokenizer.

    Raises:
        InvalidInput: llama.cpp could not use it, and why.
    """
    rules = _Rules(header)
    rules.check_lists()
    rules.check_different()
    rules.check_bytes()
    rules.check_ends()


class _Rules:
    def __init__(self, header: GGUFHeader) -> None:
        self.header = header
        self.kind = header.text("tokenizer.ggml.model")
        self.tokens: list[str] = []

    def check_lists(self) -> None:
        if self.kind is None or self.kind in _NO_TOKENIZER:
            raise self._wrong(f"its tokenizer is {self.kind!r:.40}, which is none for text that is generated")
        self.tokens = self._list(_TOKENS, (_STRING,), required=True)
        if not self.tokens:
            raise self._wrong("its vocabulary is empty")
        for key, kinds in ((_SCORES, (_F32, _I32)), (_TYPES, (_I32,))):
            values = self._list(key, kinds)
            if values and len(values) < len(self.tokens):
                raise self._wrong(f"{key} has {len(values):,} entries for {len(self.tokens):,} tokens")
        merging = self.kind == "gpt2" and self.header.text("tokenizer.ggml.pre") != _WITHOUT_MERGES
        self._list(_MERGES, (_STRING,), required=merging)

    def check_different(self) -> None:
        """llama.cpp reads a text up to its first NUL, and gives an empty one a name of its own."""
        tokens = self.tokens
        different = set(tokens)
        if len(different) == len(tokens) and "" not in different and "\0" not in "".join(tokens):
            return
        seen: dict[str, int] = {}
        for number, token in enumerate(tokens):
            text = token.partition("\0")[0] or f"[EMPTY_{number}]"
            if (first := seen.setdefault(text, number)) != number:
                raise self._wrong(f"its tokens {first:,} and {number:,} are both {text!r:.60}")

    def check_bytes(self) -> None:
        types = self.header.metadata.get(_TYPES)
        if isinstance(types, list):
            byte_tokens = compress(self.tokens, map(_BYTE.__eq__, types))
            if strange := next((token for token in byte_tokens if not _is_byte(token)), None):
                raise self._wrong(
                    f"its token {strange!r:.60} stands for a byte and is not spelled so, as '<0x0A>' is"
                )
        if self.kind == "llama":
            there = set(self.tokens)
            for byte in range(256):
                if f"<0x{byte:02X}>" not in there and (byte > 127 or chr(byte) not in there):
                    raise self._wrong(f"its vocabulary has no token for the byte 0x{byte:02X}")

        if self.kind == "rwkv":
            self._check_beginnings()

    def _check_beginnings(self) -> None:
        """A byte that begins a token of RWKV is one, too: llama.cpp falls back on it, and else never ends."""
        spelled = [_unescaped(token) for token in self.tokens]
        alone = {text for text in spelled if len(text) == 1}
        for begins in {text[:1] for text in spelled if text}:
            if begins not in alone:
                raise self._wrong(f"its vocabulary has no token for the byte 0x{begins[0]:02X}")

    def check_ends(self) -> None:
        """A token that every text begins or ends with must be there."""
        for place, word in enumerate(("bos", "eos")):
            always = self.header.metadata.get(f"tokenizer.ggml.add_{word}_token")
            if always is None:
                always = word == "bos" and _ASKED_FOR.get(self.kind or "", False)
            id = self.header.integer(f"tokenizer.ggml.{word}_token_id")
            default = _DEFAULT_IDS.get(self.kind or "", (0, 0))[place]
            if always and not any(number in range(len(self.tokens)) for number in (id, default)):
                where = "begin" if word == "bos" else "end"
                raise self._wrong(
                    f"every text is to {where} with the token {id}, and its vocabulary has {len(self.tokens):,}"
                )

    def _list(self, key: str, kinds: tuple[int, ...], *, required: bool = False) -> list[Any]:
        """The list of this key, of one of the element types; empty if it is not there."""
        value = self.header.metadata.get(key)
        if value is None and not required:
            return []
        stored = self.header.kinds.get(key, (_ARRAY, kinds[0]))
        if not isinstance(value, list) or stored not in [(_ARRAY, kind) for kind in kinds]:
            raise self._wrong(f"{key} is {'missing' if value is None else 'no list of the right type'}")
        return value

    def _wrong(self, what: str) -> InvalidInput:
        return InvalidInput(f"{self.header.path} cannot be run: {what}.", _HINT)


def _unescaped(token: str) -> bytes:
    """The bytes of a token of RWKV, which is written as Python writes bytes."""
    return _ESCAPE.sub(_unescape, token.encode()) if "\\" in token else token.encode()


def _unescape(match: re.Match[bytes]) -> bytes:
    what = match[1]
    return (
        bytes([int(what[1:], 16)])
        if len(what) == 3
        else {b"t": b"\t", b"n": b"\n", b"r": b"\r"}.get(what, what)
    )


def _is_byte(token: str) -> bool:
    digits = token[3:5]
    return len(token) == 6 and token.startswith("<0x") and token.endswith(">") and _hexadecimal(digits)


def _hexadecimal(digits: str) -> bool:
    return all(digit in "0123456789abcdefABCDEF" for digit in digits)
