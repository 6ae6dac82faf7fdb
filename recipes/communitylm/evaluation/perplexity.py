"""Perplexity of passages under the base and under adapters, through llama.cpp as `plocal` runs the base.

    (question, passage) ──prompt | header + passage + end of turn──> Scorer.losses ──> −Σ log p (nats), tokens

The prompt is decoded once without an adapter and shared with every model: it is the base's own for the base and for
activated adapters, which are switched on from the header's first token on. An adapter that acts always decodes the
prompt again. The figure per model is exp(Σ losses / Σ tokens) over the passages of a text; the end of turn counts as a
token.
"""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from communitylm.training.bases import Base
from communitylm.training.examples import Tokens
from pluralism_local.engine.context import Context
from pluralism_local.engine.fast_weights import COPY_TYPE, FastWeights
from pluralism_local.engine.handles import Adapter, Model
from pluralism_local.engine.library import install_log
from pluralism_local.engine.schedule import Row
from pluralism_local.errors import ContextOverflow, EngineFailure, InvalidInput
from pluralism_local.models.gguf_file import read_header, sha256_of

CHUNK = 128
CELLS = 2048
_PROMPT, _FORK = 0, 1


@dataclass(frozen=True, slots=True)
class Loss:
    """Of one passage under one model: −Σ log p in nats, and over how many tokens."""

    nats: float
    tokens: int


@dataclass(frozen=True, slots=True)
class AdapterFile:
    """An adapter's GGUF and the scale to use it with."""

    path: Path
    scale: float = 1.0


@contextmanager
def late_interrupts() -> Iterator[None]:
    """Keep a Ctrl-C to the end of the block and raise it there.

    llama.cpp logs through a Python callback, many times a decode: a KeyboardInterrupt raised in there is dropped, and
    the run goes on. Does nothing where Ctrl-C raises none: in other threads, or where it is ignored or handled.
    """
    raises = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not raises or threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed = threading.Event()
    signal.signal(signal.SIGINT, lambda _number, _frame: pressed.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed.is_set():
        raise KeyboardInterrupt


class Scorer:
    """One model in memory and all adapters, for any number of passages; use it as a context manager.

    `path` is the base's file, `layout` the type of the copy that runs in its place (see
    `pluralism_local.engine.fast_weights`) or None, `decoded` counts tokens given to llama.cpp.

    Args:
        base: must be a GGUF.
        copies: where a base in a type that CPUs multiply slowly is kept in a fast one; None runs the file itself.
        adapters: model id -> file; None is the bare base.
        threads: of llama.cpp.

    Raises:
        InvalidInput: the base is no GGUF, has no chat template, or an adapter does not fit it.
    """

    def __init__(
        self,
        base: Base,
        adapters: Mapping[str, AdapterFile | None],
        threads: int,
        copies: Path | None = None,
    ) -> None:
        if base.gguf is None:
            raise InvalidInput(
                f"{base.reference} is no GGUF.", "Perplexity is taken on the file that will run."
            )
        install_log()
        self.path = base.gguf
        copy = FastWeights(copies).copy(read_header(base.gguf), sha256_of(base.gguf), threads)
        self.layout = COPY_TYPE if copy else None
        with ExitStack() as stack:
            with late_interrupts():
                self._model = stack.enter_context(Model(copy or base.gguf))
                self._speller = stack.enter_context(base.speller(chat=True))
                self._adapters: dict[str, tuple[Adapter | None, float]] = {}
                for name, file in adapters.items():
                    opened = stack.enter_context(Adapter(self._model, file.path)) if file else None
                    self._adapters[name] = (opened, file.scale if file else 1.0)
                self._context = stack.enter_context(
                    Context(
                        self._model, cells=CELLS, sequences=2, threads=threads, chunk=CHUNK, outputs=CHUNK
                    )
                )
            self._stack = stack.pop_all()
        self.decoded = 0

    def __enter__(self) -> Scorer:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def tokens(self, passage: str) -> int:
        """Tokens of a passage that carry a loss."""
        return len(self._speller.text(passage)) + 1

    def losses(self, question: str, passage: str, models: Sequence[str]) -> Iterator[tuple[str, Loss]]:
        """The passage's loss under each of `models`, in their order.

        Raises:
            ContextOverflow: prompt and passage exceed the context.
            EngineFailure: a model's logits are not numbers.
        """
        prompt = self._speller.prompt(question)
        answer = (*self._speller.header, *self._speller.text(passage), self._speller.end)
        skip = len(self._speller.header)
        needed = 2 * len(prompt) + len(answer)
        if needed > CELLS:
            raise ContextOverflow(
                f"A passage of {len(answer):,} tokens with its prompt does not fit {CELLS:,} cells.",
                "Prepare shorter passages.",
                needed=needed,
                available=CELLS,
            )
        with late_interrupts():
            self._context.forget()
            self._decode(prompt, 0, _PROMPT, None, 1.0)
        for name in models:
            adapter, scale = self._adapters[name]
            with late_interrupts():
                self._context.forget(_FORK)
                if adapter is not None and not adapter.invocation:
                    self._decode(prompt, 0, _FORK, adapter, scale)
                else:
                    self._context.share(_PROMPT, _FORK)
                loss = self._score(answer, skip, len(prompt), adapter, scale)
            if not math.isfinite(loss.nats):
                raise EngineFailure(
                    f"The model '{name}' gives no probabilities for a passage (loss {loss.nats}).",
                    "Its weights are broken, or its scale is too large.",
                )
            yield name, loss

    def _decode(
        self, tokens: Tokens, start: int, sequence: int, adapter: Adapter | None, scale: float
    ) -> None:
        self._context.set_adapter(adapter, scale)
        rows = [Row(token, start + place, [sequence], output=False) for place, token in enumerate(tokens)]
        for at in range(0, len(rows), CHUNK):
            self._context.decode(rows[at : at + CHUNK])
        self.decoded += len(rows)

    def _score(self, answer: Tokens, skip: int, start: int, adapter: Adapter | None, scale: float) -> Loss:
        """Loss of answer[skip:], each token after all before it."""
        self._context.set_adapter(adapter, scale)
        fed = answer[:-1]
        nats = 0.0
        for at in range(0, len(fed), CHUNK):
            part = range(at, min(at + CHUNK, len(fed)))
            self._context.decode([Row(fed[i], start + i, [_FORK], output=i >= skip - 1) for i in part])
            for row, place in enumerate(part):
                if place >= skip - 1:
                    nats += surprise(self._context.logits(row), answer[place + 1])
        self.decoded += len(fed)
        return Loss(nats, len(answer) - skip)


def surprise(logits: npt.NDArray[np.float32], token: int) -> float:
    """−log softmax(logits)[token] in nats; summed in float64."""
    top = float(logits.max())
    return float(np.log(np.exp(logits - np.float32(top)).sum(dtype=np.float64)) + top - logits[token])
