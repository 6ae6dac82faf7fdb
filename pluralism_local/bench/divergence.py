"""How far a copy's next tokens are from its source's: mean KL divergence and perplexity on a text that ships.

    source ──Reference.record──> logits of every position, in a file without a name
    copy   ──Reference.compare──> Divergence(mean KL(source || copy) in nats, perplexity of the text)

Everything is computed in float64 from whole rows of logits, one for every token of the vocabulary. The text is fixed;
figures of two models with different vocabularies are not comparable, those of one model's files are.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.special

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.context import Context
from pluralism_local.engine.handles import Model
from pluralism_local.engine.schedule import Row
from pluralism_local.errors import Cancelled, DamagedWeights, InvalidInput

MOST_TOKENS = 512
"""Of the text that are read; by the vocabularies of today it has 380 to 430."""

_CHUNK = 32
"""Tokens of one decode call, whose rows of logits are in memory together."""

Logits = npt.NDArray[np.float32]
LogP = npt.NDArray[np.float64]
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Divergence:
    """Attributes:
    kl_nats: mean over positions of KL(source || copy) of the next token, in [0, ∞).
    perplexity: of the text, exp of the mean negative log-probability in nats, in [1, ∞).
    tokens: positions that both are means over.
    """

    kl_nats: float
    perplexity: float
    tokens: int


def passage() -> str:
    """The text."""
    return resources.files(__package__).joinpath("passage.txt").read_text("utf-8")


def text_tokens(model: Model) -> tuple[int, ...]:
    """The text as `model` reads it, cut to `MOST_TOKENS` and to what the model was trained to read.

    Raises: InvalidInput for a vocabulary that makes nothing of it.
    """
    most = min(MOST_TOKENS, model.training_context)
    tokens = model.tokenize(passage(), add_special=True, parse_special=False)[:most]
    if len(tokens) < 2:
        raise InvalidInput("The model's vocabulary has no tokens for English text.")
    return tokens


def log_softmax(logits: Logits) -> LogP:
    """Natural logarithms [vocabulary] of the probabilities that `logits` [vocabulary] make, in float64.

    A logit of -∞ rules its token out.

    Raises: DamagedWeights where they are not numbers.
    """
    row = logits.astype(np.float64)
    if not math.isfinite(row.max()):  # NaN if any is
        raise DamagedWeights("The model computes no probabilities for the text, only NaN or infinity.")
    return scipy.special.log_softmax(row)


def kl(p: LogP, q: LogP) -> float:
    """KL(p || q) in nats of two distributions given by log-probabilities [vocabulary], in [0, ∞]; 0 for equal ones.

    What p rules out, with a log-probability of -∞, adds nothing.
    """
    possible = p > -np.inf
    p, q = p[possible], q[possible]
    return float((np.exp(p) * (p - q)).sum())


def rows(model: Model, tokens: Sequence[int], *, threads: int, should_stop: ShouldStop) -> Iterator[Logits]:
    """Logits [vocabulary] after each of `tokens` but the last; each is valid until the next is asked for.

    Raises: Cancelled
    """
    cells = -(-len(tokens) // 256) * 256
    with Context(model, cells=cells, sequences=1, threads=threads, chunk=_CHUNK, outputs=_CHUNK) as context:
        for start in range(0, len(tokens) - 1, _CHUNK):
            places = range(start, min(start + _CHUNK, len(tokens) - 1))
            if not context.decode([Row(tokens[place], place, [0], True) for place in places], should_stop):
                raise Cancelled
            for index in range(len(places)):
                yield context.logits(index)


class Reference:
    """The source's logits [positions, vocabulary] in float32 on disk, in `folder`; closed, they are gone."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._tokens: tuple[int, ...] = ()
        self._row_bytes = 0

    def record(
        self,
        model: Model,
        *,
        threads: int,
        progress: Progress = lambda _share: None,
        should_stop: ShouldStop = never,
    ) -> Divergence:
        """Read the text with the source; its own figures, with a divergence of 0.

        Raises: Cancelled, DamagedWeights, InvalidInput, EngineFailure, OSError.
        """
        self._tokens = text_tokens(model)
        self._row_bytes = 4 * model.vocabulary_size
        read = rows(model, self._tokens, threads=threads, should_stop=should_stop)
        return self._means(read, self._keep, progress)

    def compare(
        self,
        model: Model,
        *,
        threads: int,
        progress: Progress = lambda _share: None,
        should_stop: ShouldStop = never,
    ) -> Divergence:
        """Read the same tokens with a copy of the source.

        Raises:
            InvalidInput: its vocabulary has another size.
            Cancelled, DamagedWeights, EngineFailure, OSError.
        """
        if 4 * model.vocabulary_size != self._row_bytes:
            raise InvalidInput("The copy has another vocabulary than its source.")
        read = rows(model, self._tokens, threads=threads, should_stop=should_stop)
        return self._means(read, lambda _, q: kl(log_softmax(self._next()), q), progress)

    def _means(
        self, read: Iterable[Logits], kl_of: Callable[[Logits, LogP], float], progress: Progress
    ) -> Divergence:
        """Means over the positions: of `kl_of`, given the logits and their log-probabilities, and of the surprise."""
        self._file.seek(0)
        divergence = surprise = 0.0
        for place, row in enumerate(read):
            progress(place / len(self._tokens))
            log_p = log_softmax(row)
            divergence += kl_of(row, log_p)
            surprise -= log_p[self._tokens[place + 1]]
        count = len(self._tokens) - 1
        # rounding can leave a sum of zeros just below zero
        return Divergence(max(0.0, divergence / count), math.exp(surprise / count), count)

    def _keep(self, row: Logits, _: LogP) -> float:
        self._file.write(row.tobytes())
        return 0.0

    def _next(self) -> Logits:
        return np.frombuffer(self._file.read(self._row_bytes), np.float32)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._file.close()


def reference_bytes(vocabulary: int) -> int:
    """Bytes that a `Reference` takes at most."""
    return MOST_TOKENS * vocabulary * 4
