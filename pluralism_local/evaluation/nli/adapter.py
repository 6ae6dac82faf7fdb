"""NLI by the base language model through an adapter: no other model, no PyTorch, no network.

    NliPair ──fitted──> at most `longest` tokens ──NLI_PAIR──> one user message
      ──engine.distribution over ("Yes", "Maybe", "No")──> P(entailment), P(neutral), P(contradiction)

The probabilities are the model's own for the three words, normalised to sum to 1. Failure modes: an engine without
adapters or option probabilities is `Unsupported`; an adapter of another base is the engine's `Refused`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.errors import Cancelled, InvalidInput, Unsupported
from pluralism_local.evaluation.identity import model_key
from pluralism_local.evaluation.nli.base import LABELS, EntailmentScores, NliPair, distinct, parts
from pluralism_local.evaluation.nli.prompts import NLI_PAIR, NLI_WORDS, nli_message
from pluralism_local.files import digest
from pluralism_local.types import AdapterRef, Message, OptionRequest

BATCH = 256
"""Requests per call of the engine: stopping is also polled inside."""

LONGEST = 512
_LEAST = 40
"""Characters that a premise keeps while its hypothesis can still be shortened instead."""
_MARGIN = 8
"""Tokens by which text at a seam may be spelled longer than the parts."""


class AdapterNli:
    """An `NliScorer` on a language model.

    Args:
        engine: of the adapter's base; not closed by this object.
        adapter: trained on `NLI_PAIR` with `NLI_WORDS`.
        longest: tokens of a whole prompt at most. Of a longer pair the end of the premise is cut, down to 40
            characters; then the end of the hypothesis. Where the engine cannot count tokens nothing is cut, and a
            prompt beyond its context is its `ContextOverflow`.
        batch: requests per call of the engine.

    Raises:
        Unsupported: the engine takes no adapters, or gives no option probabilities.
        InvalidInput: `longest` leaves no room for a pair.
    """

    def __init__(
        self, engine: LanguageModel, adapter: AdapterRef, *, longest: int = LONGEST, batch: int = BATCH
    ) -> None:
        able = engine.capabilities
        if not able.adapters or able.distribution == "none":
            raise Unsupported(
                f"The model {engine.info.id} cannot do NLI through an adapter: it "
                + ("gives no option probabilities." if able.adapters else "takes no adapters."),
                "Use a model file of this machine, such as starter.",
            )
        self._engine, self._adapter, self._batch = engine, adapter, batch
        self._longest = min(longest, (engine.info.context or longest) - 1)
        self._frame = self._tokens("x", "x")
        if self._frame is not None and self._frame + 2 * _MARGIN > self._longest:
            raise InvalidInput(
                f"A limit of {self._longest} tokens leaves no room for a pair: the question alone takes {self._frame}.",
                f"Allow at least {self._frame + 2 * _MARGIN}; {LONGEST} is usual.",
            )
        self._cut: set[NliPair] = set()

    @property
    def name(self) -> str:
        """Adapter and model, e.g. ``"starter-nli on starter"``."""
        return f"{self._adapter.path.stem} on {self._engine.info.id}"

    @property
    def identity(self) -> str:
        """Of the model, the adapter and its scale, the prompt with its words, and the limit."""
        adapter = {key: value for key, value in asdict(self._adapter).items() if key != "path"}
        return digest(
            {
                "kind": "adapter",
                "model": model_key(self._engine.info),
                "adapter": adapter,
                "prompt": NLI_PAIR.id,
                "words": NLI_WORDS,
                "longest": self._longest,
            }
        )

    @property
    def truncated(self) -> int:
        """Distinct pairs cut to `longest` so far."""
        return len(self._cut)

    def score(self, pairs: Sequence[NliPair], *, should_stop: ShouldStop = never) -> EntailmentScores:
        """See `NliScorer.score`; a pair whose words have no mass at all gets a third each.

        Raises:
            ContextOverflow, Refused, NotFound, InvalidInput: as `LanguageModel.distribution`.
        """
        different, index = distinct(pairs)
        # neighbours of one premise share its computation
        order = sorted(range(len(different)), key=lambda place: different[place].premise)
        scores = np.empty((len(different), len(LABELS)))
        for part in parts(len(order), self._batch):
            if should_stop():
                raise Cancelled
            requests = [self._request(different[place]) for place in order[part]]
            answers = self._engine.distribution(requests, should_stop=should_stop)
            scores[order[part]] = [answer.p for answer in answers]
        return scores[index]

    def _request(self, pair: NliPair) -> OptionRequest:
        fitted = self._fitted(pair)
        message = Message("user", nli_message(fitted.premise, fitted.hypothesis))
        return OptionRequest((message,), NLI_WORDS, self._adapter)

    def _fitted(self, pair: NliPair) -> NliPair:
        """The pair, or as much of it as `longest` allows; then it is counted."""
        if self._fits(pair.premise, pair.hypothesis):
            return pair
        self._cut.add(pair)
        # the second pass only matters where 40 characters of each are still too many
        return self._shortened(self._shortened(pair, _LEAST), 1)

    def _shortened(self, pair: NliPair, least: int) -> NliPair:
        """The premise's end cut as far as needed, to `least` characters; then the hypothesis's."""
        premise = _start(pair.premise, least, lambda text: self._fits(text, pair.hypothesis))
        return NliPair(premise, _start(pair.hypothesis, least, lambda text: self._fits(premise, text)))

    def _fits(self, premise: str, hypothesis: str) -> bool:
        if self._frame is None:
            return True
        # a token spells a byte or more, so most pairs need no counting
        if self._frame + len(premise.encode()) + len(hypothesis.encode()) + _MARGIN <= self._longest:
            return True
        tokens = self._tokens(premise, hypothesis)
        return tokens is None or tokens <= self._longest

    def _tokens(self, premise: str, hypothesis: str) -> int | None:
        return self._engine.count_tokens((Message("user", nli_message(premise, hypothesis)),))


def _start(text: str, least: int, fits: Callable[[str], bool]) -> str:
    """The longest beginning of `text` that fits, of whole words if it has several; never far below `least`."""
    text = " ".join(text.split())
    if fits(text):
        return text
    low, high = min(least, len(text)), len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(text[:middle]) else (low, middle - 1)
    beginning = text[:low]
    if low < len(text) and text[low] != " " and " " in beginning:
        beginning = beginning[: beginning.rindex(" ")]
    return beginning.strip()
