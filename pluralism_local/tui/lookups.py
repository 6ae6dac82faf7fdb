"""What is found out about an answer once it is there: one lookup after the other; all give way to every prompt.

Exchange ──Lookups.begin──> Lookup ──Worker──> Looked ──Lookups.take──> Exchange: window, draws, sources or values
Exchange, ChatState ──Lookups.wanted──> what is looked for before anybody asks
Exchange, number ──Lookups.draw_cost──> what drawing so many comments takes | InvalidInput
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pluralism_local.conversation.engines import ENGINE_SETTINGS
from pluralism_local.errors import InvalidInput
from pluralism_local.results import Result
from pluralism_local.tui.exchange import Exchange, Search
from pluralism_local.tui.jobs import AskJob, Lookup, LookupKind
from pluralism_local.tui.worker_events import Looked

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.conversation.draw_cost import DrawCost
    from pluralism_local.tui.state import ChatState

QUICK = 20.0
"""Tokens a second of an answer from which on its positions are looked for at once: telling them takes about as many
tokens as the answer did."""


class Lookups:
    """The lookups that are under way.

    Args:
        look: has one carried out; a `Looked` comes back for each, in order.
    """

    def __init__(self, look: Callable[[Lookup], None]) -> None:
        self._look = look
        self._begun: list[Lookup] = []  # that nothing has come back of, in the order they are carried out
        self._jobs: dict[int, AskJob] = {}  # of the exchanges that were asked in this session

    def runs(self, number: int, kind: LookupKind) -> bool:
        """Whether this is being found out."""
        return any(
            (lookup.number, lookup.kind) == (number, kind) and not lookup.stop.is_set()
            for lookup in self._begun
        )

    def answered(self, job: AskJob) -> None:
        """There may be something to find out about it, asked as it was asked."""
        self._jobs[job.number] = job

    def forget(self) -> None:
        """The conversation is left."""
        self.stop()
        self._jobs.clear()

    def draw_cost(self, exchange: Exchange, draws: int, settings: Settings) -> DrawCost:
        """What it takes to draw so many comments of each community for an answer.

        Args:
            settings: of the model that is open.

        Raises: InvalidInput where they cannot be drawn, or so many cannot.
        """
        from pluralism_local.conversation.ask_checks import check_draws
        from pluralism_local.conversation.draw_cost import DrawCost

        if not exchange.can_be_looked_into("draws"):
            raise InvalidInput("Comments are drawn for a whole overton answer.", "Ask in the mode overton.")
        job = self._jobs.get(exchange.number)
        if job is None:
            raise InvalidInput(
                "Comments are drawn for what was asked since the chat was opened.", "Send the question again."
            )
        if any(getattr(job.settings, name) != getattr(settings, name) for name in ENGINE_SETTINGS):
            raise InvalidInput(
                "The model that commented is not open any more, or not as it was.", "Send the question again."
            )
        check_draws(draws, exchange.mode, len(job.ask.needed_pool().members))
        return DrawCost.of(replace(job.ask, draws=draws))

    def wanted(self, exchange: Exchange, state: ChatState) -> Iterator[LookupKind]:
        """What of an answer is looked for before anybody asks; a note says why comments are not drawn."""
        if _are_positions_wanted(state.settings, exchange):
            yield "positions"
        if not state.draws or not exchange.can_be_looked_into("draws"):
            return
        from pluralism_local.tui.draws_pane import in_words_of_the_chat

        try:
            self.draw_cost(exchange, state.draws, state.settings)
        except InvalidInput as error:
            exchange.add_warnings((in_words_of_the_chat(error),))
        else:
            yield "draws"

    def begin(
        self, exchange: Exchange, kind: LookupKind, state: ChatState, *, unasked: bool, draws: int = 0
    ) -> None:
        """Have it found out, in place of what is under way but draws, which take long; nothing where it is this.

        Args:
            unasked: nobody has asked for it, so that it waits for what is under way; values and draws always do.
            draws: comments of each community, where these are to be drawn.
        """
        if self.runs(exchange.number, kind):
            return
        if not unasked and kind in ("positions", "sources"):
            self._stop([lookup for lookup in self._begun if lookup.kind != "draws"])
        job = self._jobs.get(exchange.number)
        lookup = Lookup(
            exchange.number,
            kind,
            job.ask if job else state.ask_of(exchange, turns=()),
            tuple(exchange.comments),
            exchange.answer,
            state.settings,
            job,
            draws,
        )
        _mark(exchange, kind, "running")
        self._begun.append(lookup)
        self._look(lookup)

    def stop(self) -> bool:
        """Stop what is under way; whether anything was."""
        return self._stop(self._begun)

    def _stop(self, lookups: Sequence[Lookup]) -> bool:
        under_way = [lookup for lookup in lookups if not lookup.stop.is_set()]
        for lookup in under_way:
            lookup.stop.set()
        return bool(under_way)

    def take(self, event: Looked, exchange: Exchange | None) -> None:
        """Put what came of it into its exchange; None for one that was left behind."""
        from pluralism_local.conversation.trace import Sources  # which is not loaded before anybody looks

        lookup = self._begun.pop(0)
        if exchange is None:
            return
        if isinstance(event.finding, Result):
            exchange.window = event.finding.window or exchange.window
            exchange.draws = event.finding.draws or exchange.draws
            exchange.result = event.finding if exchange.result is not None else None
            exchange.add_warnings(event.finding.warnings)
        elif isinstance(event.finding, Sources):
            exchange.sources = event.finding
        elif event.finding is not None:
            exchange.values = event.finding
            exchange.add_warnings(event.finding.warnings)
        if not self.runs(lookup.number, lookup.kind):
            _mark(exchange, lookup.kind, _ending(event))
        if event.message:
            exchange.add_warnings((event.message,))


def _ending(event: Looked) -> Search:
    if event.message:
        return "failed"
    return "stopped" if event.stopped else "over"


def _mark(exchange: Exchange, kind: LookupKind, search: Search) -> None:
    """Say how far a lookup is; who said what has a screen that asks."""
    if kind == "positions":
        exchange.search = search
    elif kind == "draws":
        exchange.draws_search = search
    elif kind == "values":
        exchange.values_search = search


def _are_positions_wanted(settings: Settings, exchange: Exchange) -> bool:
    """Whether the positions of an answer are looked for before anybody asks for them.

    With "auto" they are where the LLM runs here and is quick: elsewhere a search costs more than a moment.
    """
    if not exchange.is_heard or exchange.status != "done" or exchange.window is not None:
        return False
    if settings.chat_positions != "auto":
        return settings.chat_positions == "always"
    result = exchange.result
    if result is None or result.llm.backend == "remote":
        return False
    speed = exchange.speed(0.0)
    return speed is not None and speed >= QUICK
