"""The entailment scorer that ships, at hand for asks: opened when first needed, on an engine that is open already.

    engines, settings ──entailment──> Entailment | None ──pairs──> P(entailment), P(neutral), P(contradiction)

It is an adapter of the starter model. Where neither of the ask's engines runs that, a second one is opened for it;
where the starter is not installed there is no scorer, and the LLM's own probabilities do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.errors import NotFound
from pluralism_local.model_names import STARTER
from pluralism_local.modes.steps import Entailment, Scores

if TYPE_CHECKING:
    from pluralism_local.evaluation.nli import NliScorer
    from pluralism_local.settings import Settings

_CONTEXT = 2048
"""Tokens for a batch of pairs: they are short."""


@contextmanager
def entailment(
    settings: Settings, engines: Sequence[LanguageModel], status: Callable[[str], None]
) -> Iterator[Entailment | None]:
    """The scorer while the block lasts; None where the starter model is not here, and for scripted engines.

    Args:
        engines: those of the ask, which the scorer shares where one of them is the starter.
        status: told what is being opened and got ready, and an empty text once it is.
    """
    if any(engine.info.backend == "scripted" for engine in engines):
        yield None
        return
    with ExitStack() as stack:
        scorer = _Shipped(settings, engines, status, stack)
        yield scorer if scorer.is_here() else None


class _Shipped:
    """An `Entailment` whose model is opened at the first call."""

    def __init__(
        self,
        settings: Settings,
        engines: Sequence[LanguageModel],
        status: Callable[[str], None],
        stack: ExitStack,
    ) -> None:
        self._settings, self._engines, self._status, self._stack = settings, engines, status, stack
        self._scorer: NliScorer | None = None

    def is_here(self) -> bool:
        """Whether there is a model to run it on."""
        if self._shared() is not None:
            return True
        from pluralism_local.models import store

        try:
            store.resolve(STARTER, self._settings)
        except NotFound:
            return False
        return True

    def __call__(self, pairs: Sequence[tuple[str, str]], should_stop: ShouldStop) -> Scores:
        """Rows as `modes.steps.Entail` gets them.

        Raises:
            Cancelled: stopped in the middle. Refused, EngineFailure: the scorer cannot be used.
        """
        from pluralism_local.evaluation.nli import AdapterNli, NliPair, find_shipped

        opened = self._scorer is None
        if self._scorer is None:
            engine = self._shared() or self._open()
            self._scorer = AdapterNli(engine, find_shipped(engine.info).adapter)
            self._status("")
        scores = self._scorer.score([NliPair(*pair) for pair in pairs], should_stop=should_stop)
        if opened:
            self._status("")  # the engine may have tried the adapter first, and said so
        rows: list[list[float]] = scores.tolist()
        return rows

    def _shared(self) -> LanguageModel | None:
        """The ask's own engine that runs the starter."""
        return next((engine for engine in self._engines if engine.info.id == STARTER), None)

    def _open(self) -> LanguageModel:
        from pluralism_local import wiring

        settings = self._settings.model_copy(update={"ctx_size": _CONTEXT})
        return self._stack.enter_context(wiring.open_engine(STARTER, settings, self._status))
