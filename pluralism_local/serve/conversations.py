"""What the voices of earlier exchanges said, so that a follow-up goes on from it.

    a request's exchanges ──turns──> what each voice was asked and said, as far as it is remembered
    a finished exchange   ──keep──> remembered under the whole conversation that led to it

A client sends its conversation anew with every question, and of each answer only the text. An exchange is found by all
texts up to its own, so another conversation never meets it; one that is not remembered (another program's, or too long
ago) becomes a turn of the texts alone, as for a community that joins later.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable

from pluralism_local.results import Turn
from pluralism_local.serve.requests import ChatRequest, EarlierExchange

MOST_CHARACTERS = 16 * 2**20
"""Of all that is remembered; the conversations that were not gone on with longest are forgotten first."""


class Conversations:
    """Remembered turns, bounded by `most` characters. Used by one thread."""

    def __init__(self, most: int = MOST_CHARACTERS) -> None:
        self._most = most
        self._turns: OrderedDict[str, Turn] = OrderedDict()
        self._characters = 0

    def turns(self, request: ChatRequest) -> tuple[Turn, ...]:
        """The turns before the request's question, oldest first."""
        turns = []
        for key, exchange in zip(_keys(request, request.exchanges), request.exchanges, strict=True):
            turn = self._turns.get(key)
            if turn is None:
                turn = Turn(exchange.question or exchange.sent, exchange.answer, {}, {})
            else:
                self._turns.move_to_end(key)
            turns.append(turn)
        return tuple(turns)

    def keep(self, request: ChatRequest, answer: str, turn: Turn) -> None:
        """Remember the exchange that the request and its answer, as the client was sent it, make."""
        *_, key = _keys(
            request, [*request.exchanges, EarlierExchange(request.sent, request.question, answer)]
        )
        if key in self._turns:
            self._characters -= _size(self._turns.pop(key))
        self._turns[key] = turn
        self._characters += _size(turn)
        while self._characters > self._most:
            _, oldest = self._turns.popitem(last=False)
            self._characters -= _size(oldest)

    def __len__(self) -> int:
        return len(self._turns)


def _keys(request: ChatRequest, exchanges: Iterable[EarlierExchange]) -> Iterable[str]:
    """A key of each exchange, made of all texts up to it; white space around an answer does not matter."""
    texts = [request.system or "", *(message.content for message in request.opening)]
    key = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
    for exchange in exchanges:
        texts = [key, exchange.sent, exchange.answer.strip()]
        key = hashlib.sha256(json.dumps(texts).encode()).hexdigest()
        yield key


def _size(turn: Turn) -> int:
    texts = (turn.prompt, turn.answer, *turn.messages.values(), *turn.replies.values())
    return sum(map(len, texts)) + 256  # and what holds them
