"""Requests answered by open engines, one after the other.

    body ──read──> ChatRequest ──answer──> pool, Ask ──modes.run──> ModeEvent…, Result

Engines are not re-entrant, and what is remembered of conversations has no lock: `answer` belongs to one thread, the
rest to any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from pluralism_local import wiring
from pluralism_local.communities import Community, Pool
from pluralism_local.conversation.ask_builder import build_ask
from pluralism_local.conversation.ask_checks import check_draws
from pluralism_local.conversation.asking import run_ask
from pluralism_local.conversation.engines import Handles
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.errors import PlocalError
from pluralism_local.mode_specs import SPECS, ModeName
from pluralism_local.option_words import reworded
from pluralism_local.results import ModeEvent, Result
from pluralism_local.serve import models, requests
from pluralism_local.serve.conversations import Conversations
from pluralism_local.serve.replies import content
from pluralism_local.serve.requests import ChatRequest
from pluralism_local.serve.words import CHAT_COMPLETIONS
from pluralism_local.settings import Settings
from pluralism_local.types import Sampling


class Service:
    """What is asked of an open model and its communities.

    Args:
        settings: how answers and comments are drawn where a request does not say; the pool of a bare mode.
        handles: open engines, closed by whoever opened them.
        communities: ``ID[:SCALE]`` in place of the settings' pool.
        force: let adapters of other bases speak.
        words: what clients call the options that errors and warnings name.

    Raises:
        NotFound, InvalidInput, Refused: the settings' pool, or one of `communities`, cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        handles: Handles,
        *,
        communities: Sequence[str] = (),
        force: bool = False,
        words: Mapping[str, str] = CHAT_COMPLETIONS,
    ) -> None:
        self._words = words
        self._settings, self._handles, self._force = settings, handles, force
        self._shelf = wiring.library(settings)
        self._own = tuple(communities)
        self._fitted: dict[tuple[str | None, tuple[str, ...]], tuple[Pool, list[str]]] = {}
        self._conversations = Conversations()
        self._pool(None, ())

    @property
    def model(self) -> str:
        """The LLM's name, as the user would give it."""
        return self._handles.llm.info.id

    @property
    def pools(self) -> list[Pool]:
        """Every pool that can be asked by its id."""
        return self._shelf.pools()

    @property
    def communities(self) -> list[Community]:
        """Every community that can be asked by its id."""
        return self._shelf.communities()

    def names(self) -> list[str]:
        """What a request may name as its model."""
        return models.names([pool.id for pool in self.pools])

    def read(self, body: bytes) -> ChatRequest:
        """The request of a body; see `requests.read`."""
        with self._told():
            return requests.read(body, pools=[pool.id for pool in self.pools], answer=self.sampling)

    def question(
        self,
        question: str,
        *,
        mode: ModeName,
        pool: str | None = None,
        attribute: str | None = None,
        options: tuple[str, ...] = (),
        draws: int = 0,
    ) -> ChatRequest:
        """A request that asks one question and stands alone; a remark says what the mode has no use for.

        Raises:
            NotFound: there is no such pool, or the mode asks none.
        """
        name = mode if pool is None else f"{mode}:{pool}"
        models.read(name, [each.id for each in self.pools])
        spec = SPECS[mode]
        return ChatRequest(
            model=name,
            mode=mode,
            pool=pool,
            communities=(),
            system=None,
            opening=(),
            exchanges=(),
            sent=question,
            question=question,
            attribute=attribute,
            options=options if spec.options != "unused" else (),
            answer=self.sampling,
            draws=draws,
            remarks=tuple(requests.passed_over(spec, attribute, options)),
        )

    @property
    def sampling(self) -> Sampling:
        """How answers are drawn where a request does not say."""
        return self._settings.answer_sampling()

    def answer(self, request: ChatRequest, should_stop: ShouldStop = never) -> Iterator[ModeEvent]:
        """The events of the request's mode, the result last. Closing the iterator cancels.

        Raises:
            PlocalError: as `modes.run` does; NotFound, InvalidInput, Refused for a pool that cannot be asked.
        """
        with self._told():
            for event in self._events(request, should_stop):
                if isinstance(event, Result):
                    yield replace(event, warnings=tuple(map(self._reworded, event.warnings)))
                else:
                    yield event

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell clients what goes wrong in their own words."""
        try:
            yield
        except PlocalError as error:
            error.message, error.hint = self._reworded(error.message), self._reworded(error.hint)
            raise

    def _reworded(self, text: str) -> str:
        return reworded(text, self._words)

    def _events(self, request: ChatRequest, should_stop: ShouldStop) -> Iterator[ModeEvent]:
        pool, remarks = None, list[str]()
        if SPECS[request.mode].communities:
            pool, remarks = self._pool(request.pool, request.communities)
        if request.draws:
            check_draws(request.draws, request.mode, 0 if pool is None else len(pool.members))
        seeded = self._settings.model_copy(update={"seed": request.answer.seed})
        ask = build_ask(
            seeded,
            request.question,
            mode=request.mode,
            attribute=request.attribute,
            system=request.system,
            pool=pool,
            options=request.options or request.lettered,
            history=request.opening,
            turns=self._conversations.turns(request),
            draws=request.draws,
            keep=True,
        )
        ask = replace(ask, answer=request.answer, orders=request.orders or ask.orders)
        warnings = (*request.remarks, *remarks)
        events = run_ask(
            ask, self._handles, warnings=warnings, should_stop=should_stop, settings=self._settings
        )
        for event in events:
            if isinstance(event, Result) and event.turn is not None:
                self._conversations.keep(request, content(event, request), event.turn)
            yield event

    def _pool(self, name: str | None, specs: tuple[str, ...]) -> tuple[Pool, list[str]]:
        """A pool as it speaks through the open model, and what is to be said of that; None: the server's own."""
        key = (name, specs)
        if key not in self._fitted:
            own = self._own if name is None and not specs else specs
            pool = wiring.find_pool(self._shelf, name or self._settings.pool, list(own))
            fitted = wiring.fitting(pool, self._handles.communities, force=self._force)
            if specs:
                return fitted  # there are any number of them
            self._fitted[key] = fitted
        return self._fitted[key]
