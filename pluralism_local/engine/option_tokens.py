"""How an option can be said: every token path that spells it right after a prompt."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pluralism_local.engine.handles import Model
from pluralism_local.engine.markers import Marked
from pluralism_local.engine.prompter import Prompter
from pluralism_local.engine.scoring import Path, disjoint
from pluralism_local.errors import InvalidInput

_LETTERS = re.compile(r"[A-Za-z0-9]+")


class OptionTokens:
    """Paths of options for one model.

    Args:
        texts: how the vocabulary lists its tokens, where known: of those without an option's own letters none can spell
            it, and need not be asked for their bytes.
    """

    def __init__(self, model: Model, prompter: Prompter, texts: Sequence[str] = ()) -> None:
        self._model, self._prompter = model, prompter
        self._texts = texts if len(texts) == model.vocabulary_size else None
        self._tokens: dict[str, list[int]] = {}

    def paths(self, prompt: Marked, option: str) -> tuple[Path, ...]:
        """Single tokens that spell `option` apart from white space ("A", " A"), and the tokenizer's own splits of it
        with and without a space in front, where these do not merge with the prompt's last token.

        Raises:
            InvalidInput: the vocabulary cannot write it there.
        """
        word = option.strip()
        paths: list[Path] = [(token,) for token in self._single_tokens(word)]
        before = self._prompter.tokens(prompt)
        for text in (word, f" {word}"):
            whole = self._prompter.tokens(Marked(prompt + self._prompter.quote(text)))
            if whole[: len(before)] == before:
                paths.append(whole[len(before) :])
        distinct = disjoint(paths)
        if not distinct:
            raise InvalidInput(f"The option '{option}' cannot be written with this model's vocabulary here.")
        return distinct

    def _single_tokens(self, word: str) -> list[int]:
        """Tokens that spell `word` and white space around it, if any."""
        if word not in self._tokens:
            self._tokens[word] = [token for token in self._candidates(word) if self._spelled(token) == word]
        return self._tokens[word]

    def _candidates(self, word: str) -> Iterable[int]:
        """Tokens that may spell it: letters and digits of ASCII stand for themselves, or for a byte by its number."""
        letters = max(_LETTERS.findall(word), key=len, default="")
        if self._texts is None or not letters:
            return range(self._model.vocabulary_size)
        byte = f"<0x{ord(word):02X}>" if len(word) == 1 else letters
        return (token for token, text in enumerate(self._texts) if letters in text or byte in text)

    def _spelled(self, token: int) -> str:
        return self._model.piece(token).decode("utf-8", "replace").strip()
