"""How an option can be said: every token path that spells it right after a prompt."""

from __future__ import annotations

from pluralism_local.engine.handles import Model
from pluralism_local.engine.markers import Marked
from pluralism_local.engine.prompter import Prompter
from pluralism_local.engine.scoring import Path, disjoint
from pluralism_local.errors import InvalidInput


class Spellings:
    """Paths of options for one model; its vocabulary is gone through once, at the first use."""

    def __init__(self, model: Model, prompter: Prompter) -> None:
        self._model, self._prompter = model, prompter
        self._words: dict[str, list[int]] | None = None

    def paths(self, prompt: Marked, option: str) -> tuple[Path, ...]:
        """Single tokens that spell `option` apart from white space ("A", " A"), and the tokenizer's own splits of it
        with and without a space in front, where these do not merge with the prompt's last token.

        Raises:
            InvalidInput: the vocabulary cannot write it there.
        """
        word = option.strip()
        paths: list[Path] = [(token,) for token in self._single_tokens().get(word, [])]
        before = self._prompter.tokens(prompt)
        for text in (word, f" {word}"):
            whole = self._prompter.tokens(Marked(prompt + self._prompter.quote(text)))
            if whole[: len(before)] == before:
                paths.append(whole[len(before) :])
        found = disjoint(paths)
        if not found:
            raise InvalidInput(f"The option '{option}' cannot be written with this model's vocabulary here.")
        return found

    def _single_tokens(self) -> dict[str, list[int]]:
        """Tokens by what each spells without white space."""
        if self._words is None:
            words: dict[str, list[int]] = {}
            for token in range(self._model.vocabulary_size):
                spelled = self._model.piece(token).decode("utf-8", "replace").strip()
                if spelled:
                    words.setdefault(spelled, []).append(token)
            self._words = words
        return self._words
