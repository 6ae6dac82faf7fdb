"""A grammar while a text is written under it: llama.cpp's own, asked about single tokens first.

    gbnf ──Grammars.begin──> GrammarState ──allows(token)──> the drawn token stands, or masked(logits) ──> drawn again
                                     ──accept(token)──> the next place

To ask about one token takes microseconds; to ask about a whole vocabulary of 150,000 takes as long as a step of a small
model. So the whole is asked only where the model's own draw is refused. A text may end where the grammar may, and only
there; where it can go on with nothing else the end is all that is allowed.

Failures: a grammar that cannot be used is an InvalidInput before anything is decoded. llama.cpp ends the process over a
token that it was not asked about, so `accept` asks.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from functools import cached_property
from typing import Any

import llama_cpp as lib
import numpy as np
import numpy.typing as npt

from pluralism_local.engine import gbnf
from pluralism_local.engine.handles import Model
from pluralism_local.errors import EngineFailure, InvalidInput

_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])
"""llama.cpp's ``llama_token_data``."""


class Grammars:
    """Grammars over one model's vocabulary; `close` frees them."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._begun: list[GrammarState] = []

    def begin(self, text: str) -> GrammarState:
        """The grammar `text` (GBNF) at the beginning of a reply.

        Raises:
            InvalidInput: it is no grammar that can be used.
        """
        gbnf.check(text)
        self._begun.append(GrammarState(self, self._model, text))
        return self._begun[-1]

    @cached_property
    def silent(self) -> npt.NDArray[np.intp]:
        """Tokens that spell nothing and end nothing: control tokens, which llama.cpp's grammars take by their names."""
        every, model = range(self._model.vocabulary_size), self._model
        silent = [token for token in every if not (model.piece(token) or model.ends_answer(token))]
        return np.array(silent, dtype=np.intp)

    def close(self) -> None:
        """Free all that were begun."""
        for grammar in self._begun:
            grammar.close()
        self._begun.clear()


def check_all(model: Model, texts: Iterable[str | None]) -> None:
    """Raise InvalidInput if one of `texts` is no grammar that can be used; None is no text."""
    grammars = Grammars(model)
    for text in dict.fromkeys(texts):
        if text is not None:
            grammars.begin(text)
    grammars.close()


class GrammarState:
    """One reply's place in a grammar."""

    def __init__(self, owner: Grammars, model: Model, text: str) -> None:
        self._owner, self._model = owner, model
        self._pointer = lib.llama_sampler_init_grammar(model.vocabulary, text.encode(), gbnf.ROOT.encode())
        if not self._pointer:
            raise InvalidInput(
                "The grammar cannot be used: a rule may begin with itself, and so never come to a character.",
                "Write 'x ::= y x | y' in place of 'x ::= x y | y'.",
            )

    def allows(self, token: int) -> bool:
        """Whether `token` may come next."""
        if not (self._model.piece(token) or self._model.ends_answer(token)):
            return False
        candidate = np.zeros(1, _CANDIDATE)
        candidate["id"] = token
        self._apply(candidate)
        return bool(np.isfinite(candidate["logit"][0]))

    def masked(self, logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """`logits` [n_vocab] float32 with minus infinity for all that may not come next."""
        candidates = np.zeros(logits.size, _CANDIDATE)
        candidates["id"] = np.arange(logits.size, dtype=np.int32)
        candidates["logit"] = logits
        self._apply(candidates)
        candidates["logit"][self._owner.silent] = -np.inf
        return np.ascontiguousarray(candidates["logit"])

    def accept(self, token: int) -> None:
        """`token` came; one that ends the answer changes nothing.

        Raises:
            EngineFailure: it is not allowed.
        """
        if not self.allows(token):
            raise EngineFailure(f"Token {token} does not follow the grammar.")
        if not self._model.ends_answer(token):
            lib.llama_sampler_accept(self._live, token)

    def close(self) -> None:
        """Free it; twice is fine."""
        if self._pointer:
            lib.llama_sampler_free(self._pointer)
            self._pointer = None

    @property
    def _live(self) -> Any:
        if not self._pointer:
            raise EngineFailure("The grammar is closed.")
        return self._pointer

    def _apply(self, candidates: npt.NDArray[np.void]) -> None:
        data = candidates.ctypes.data_as(ctypes.POINTER(lib.llama_token_data))
        array = lib.llama_token_data_array(data=data, size=candidates.size, selected=-1, sorted=False)
        lib.llama_sampler_apply(self._live, ctypes.byref(array))
