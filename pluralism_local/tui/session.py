"""What is asked next: the queue of prompts, the conversation they belong to, and what came back.

    submit ──> queued ──pump (one at a time, once a model is open)──> Worker ──WorkEvent──> take ──> Exchange

No widget here. Everything runs in the application's thread; `take` says what changed, so that the application shows
it. Events of a conversation that was left behind are dropped: the history still gets them from the worker.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from pluralism_local.conversation.engines import ENGINE_SETTINGS
from pluralism_local.mode_specs import MODES, SPECS, ModeName
from pluralism_local.remote_url import without_credentials
from pluralism_local.results import Result, Turn
from pluralism_local.tui.exchange import Exchange, from_stored
from pluralism_local.tui.jobs import AskJob, Asks, LookupKind
from pluralism_local.tui.lookups import Lookups
from pluralism_local.tui.state import ChatState, Start
from pluralism_local.tui.worker_events import (
    Failed,
    Happened,
    Loading,
    Looked,
    NotReady,
    PoolFound,
    PoolMissing,
    Ready,
    WorkEvent,
)
from pluralism_local.types import ModelInfo

if TYPE_CHECKING:
    from pluralism_local.communities import Library, Pool
    from pluralism_local.config import Settings
    from pluralism_local.conversation.history_log import ConversationLog
    from pluralism_local.history import Conversation

MakeLog = Callable[[str | None], "ConversationLog"]


class ChatSession:
    """A conversation in progress.

    Attributes:
        state: the choices for the next prompt.
        exchanges: of this conversation, by number, in order.
        running: the one that is being answered.
        model: what is open; None before.
        only_continues: whether the model is a base model, which follows no instructions.
        loading: what is being opened or looked for, for the status line; empty when nothing is.
        context: tokens that the conversation takes; None if unknown.
        lookups: what is being found out about its answers.
    """

    def __init__(
        self, start: Start, worker: Asks, make_log: MakeLog, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._begun = start.taking_over()
        self.state = ChatState.begin(self._begun)
        self.exchanges: dict[int, Exchange] = {}
        self.running: Exchange | None = None
        self.model: ModelInfo | None = None
        self.library: Library | None = None
        self.loading = ""
        self.context: int | None = None
        self.only_continues = False
        self._start = start
        self._worker = worker
        self._make_log = make_log
        self._clock = clock
        self._waiting: deque[Exchange] = deque()
        self._job: AskJob | None = None
        self._number = 0
        self._last: tuple[AskJob, bool] | None = None  # the last finished one, and whether it added a turn
        self.lookups = Lookups(worker.look)
        self._retry_of: int | None = None
        self._opening = 0  # openings that the worker has not answered yet
        self._finding: deque[tuple[float, ...]] = deque()  # weights of the pools that it is to find
        self._log = make_log(start.conversation.id if start.conversation else None)
        if start.conversation:
            self._restore(start.conversation)

    # What the user does

    def begin(self) -> None:
        """Open the model and read the pool, in the background."""
        # the pool first: it is soon there, and then shown while the model is read
        self._find_pool(self._begun.choices.specs, self._begun.choices.weights)
        if not self._opening:  # another model may have been chosen already
            self._open(self.state.settings)

    def submit(self, prompt: str) -> Exchange:
        """Queue a prompt with the choices in force; it runs as soon as nothing else does."""
        self.state = replace(self.state, retries=0)
        return self._queue(prompt, self.state.mode, self.state.attribute, self.state.options)

    def stop(self) -> bool:
        """Stop the running answer, keeping what there is, or a lookup; False if nothing runs."""
        if self._job is None:
            return self.lookups.stop()
        self._job.stop.set()
        return True

    def take_back(self) -> Exchange | None:
        """Take the newest waiting prompt out of the queue again."""
        if not self._waiting:
            return None
        exchange = self._waiting.pop()
        del self.exchanges[exchange.number]
        return exchange

    def retry(self) -> tuple[Exchange, Exchange] | None:
        """Ask the last prompt again with the next seed, in place of its turn: (old, new).

        None while something runs or waits, or before anything was asked in this session.
        """
        if self.running or self._waiting or self._last is None:
            return None
        job, added = self._last
        old = self.exchanges.pop(job.number)
        turns = self.state.turns[:-1] if added else self.state.turns
        self.state = replace(self.state, turns=turns, retries=self.state.retries + 1)
        self._retry_of = job.turn
        self._last = None
        return old, self._queue(old.prompt, old.mode, old.attribute or "", old.options)

    def look(self, exchange: Exchange, kind: LookupKind, *, unasked: bool = False, draws: int = 0) -> bool:
        """Find something out about an answer, `unasked` behind all else; False where nothing can be found out."""
        if not exchange.can_be_looked_into(kind) or self.model is None or self._opening:
            return False
        self.lookups.begin(exchange, kind, self.state, unasked=unasked, draws=draws)
        return True

    def new(self) -> None:
        """Leave this conversation and begin another; what runs is stopped, what waits is dropped."""
        self._leave()
        self.state = replace(self.state, turns=(), retries=0, system=self._start.choices.system)
        self.context = 0
        self._log = self._make_log(None)

    def open_conversation(self, conversation: Conversation) -> None:
        """Leave this conversation and go on with one of the history, asking as it was asked."""
        from pluralism_local.history import before

        self._leave()
        earlier, now = before(conversation), self.state
        self.state = replace(
            now,
            settings=now.settings.model_copy(update={"pool": earlier.pool or now.settings.pool}),
            mode=earlier.mode or now.mode,
            attribute=earlier.attribute or now.attribute,
            options=(),
            system=earlier.system,
            turns=conversation.to_go_on(),
            retries=0,
        )
        if earlier.pool or earlier.communities:
            self._find_pool(earlier.communities, earlier.weights)
        self.context = None
        self._log = self._make_log(conversation.id)
        self._restore(conversation)

    def next_mode(self) -> ModeName:
        """Switch to the mode after this one."""
        return self.use_mode(MODES[(MODES.index(self.state.mode) + 1) % len(MODES)])

    def use_mode(self, mode: ModeName) -> ModeName:
        """Switch the mode of the prompts to come."""
        self.state = replace(self.state, mode=mode)
        return mode

    def use_pool(self, pool: Pool) -> None:
        """Ask these communities from now on."""
        self.state = replace(self.state, pool=pool)

    def use_attribute(self, text: str) -> None:
        """Steer towards this from now on."""
        self.state = replace(self.state, attribute=text.strip())

    def use_options(self, options: tuple[str, ...]) -> None:
        """Weigh these from now on; empty for those in the prompt."""
        self.state = replace(self.state, options=options)

    def use_model(self, name: str) -> None:
        """Open another model; the one before answers until then, and after a failure."""
        self._open(self.state.settings.model_copy(update={"model": name}))

    def use_settings(self, settings: Settings) -> None:
        """Take on settings; those that an engine is opened with take effect when it is open again."""
        before = self.state.settings
        changed = {
            name for name in type(settings).model_fields if getattr(settings, name) != getattr(before, name)
        }
        engine = changed & set(ENGINE_SETTINGS)
        unchanged = {name: getattr(before, name) for name in engine}
        self.state = replace(self.state, settings=settings.model_copy(update=unchanged))
        if "mode" in changed:
            self.use_mode(settings.mode)
        if changed & {"pool", "community_paths"}:
            self._find_pool()
        if engine:
            self._open(settings)

    # What the worker says

    def take(self, event: WorkEvent) -> Exchange | None:
        """Take in an event; the exchange that changed, if one did."""
        match event:
            case Loading():
                self._prepares(event.text)
            case Ready():
                self._ready(event)
            case NotReady():
                self._opened()
            case PoolFound():
                self._found(event)
            case PoolMissing():
                self._finding.popleft()
                self._pump()
            case Happened() | Failed() | Looked():
                self._prepares("")  # what was got ready for it is ready, or will not be
                return self._happened(event) if isinstance(event, Happened) else self._over_and_done(event)
        return None

    @property
    def waiting(self) -> int:
        """Prompts in the queue."""
        return len(self._waiting)

    def _ready(self, event: Ready) -> None:
        self.model, self.only_continues = event.model, event.only_continues
        engine = {name: getattr(event.settings, name) for name in ENGINE_SETTINGS}
        self.state = replace(self.state, settings=self.state.settings.model_copy(update=engine))
        self._opened()

    def _prepares(self, text: str) -> None:
        """Something is got ready, or, where there is no text, it is."""
        if text or not self._opening:
            self.loading = text

    def _opened(self) -> None:
        """An opening is over, well or not; prompts go to the last one that was asked for."""
        self._opening -= 1
        if not self._opening:
            self.loading = ""
            self._pump()

    def _find_pool(self, specs: tuple[str, ...] = (), weights: tuple[float, ...] = ()) -> None:
        """Have the settings' pool read, or one of `specs`; prompts wait for it."""
        self._finding.append(weights)
        self._worker.find_pool(self.state.settings, specs)

    def _found(self, event: PoolFound) -> None:
        pool, weights = event.pool, self._finding.popleft()
        if weights:
            from pluralism_local.history import weighed

            pool = weighed(pool, weights)
        self.library = event.library
        self.use_pool(pool)
        self._pump()

    def _happened(self, event: Happened) -> Exchange | None:
        exchange = self.exchanges.get(event.number)
        if exchange is not None:
            exchange.take(event.event, self._clock())
        if isinstance(event.event, Result):
            turn = event.event.turn if exchange is not None else None
            if exchange is not None:
                self.context = event.context
            self._over(event.number, turn)
            if exchange is not None and self._job is None:
                for kind in self.lookups.wanted(exchange, self.state):
                    self.look(exchange, kind, unasked=True, draws=self.state.draws)
        return exchange

    def _over_and_done(self, event: Failed | Looked) -> Exchange | None:
        exchange = self.exchanges.get(event.number)
        if isinstance(event, Looked):
            self.lookups.take(event, exchange)
            return exchange
        if exchange is not None:
            exchange.fail(event.message, event.hint)
        self._over(event.number, None)
        return exchange

    def _over(self, number: int, turn: Turn | None) -> None:
        job = self._job
        if job is None or job.number != number:
            return
        if turn is not None:
            self.state = replace(self.state, turns=(*self.state.turns, turn))
        if number in self.exchanges:
            self.lookups.answered(job)
        self._last = (job, turn is not None) if number in self.exchanges else None
        self._job = self.running = None
        self._pump()

    # The queue

    def _queue(self, prompt: str, mode: ModeName, attribute: str, options: tuple[str, ...]) -> Exchange:
        self._number += 1
        steered = attribute if SPECS[mode].attribute and attribute else None
        exchange = Exchange(self._number, prompt, mode, steered, options)
        self.exchanges[exchange.number] = exchange
        self._waiting.append(exchange)
        self._pump()
        return exchange

    def _pump(self) -> None:
        """Hand the next prompt to the worker if it is idle, has a model, and knows whom to ask."""
        busy = self._job is not None or self._opening or self._finding
        if busy or self.model is None or not self._waiting:
            return
        exchange = self._waiting.popleft()
        ask = self.state.ask_of(exchange)
        exchange.begin(self.state.pool if SPECS[exchange.mode].communities else None)
        job = AskJob(exchange.number, ask, self.state.settings, self._log, self._start.force, self._retry_of)
        self._retry_of = None
        self.running, self._job = exchange, job
        self.lookups.stop()
        self._worker.ask(job)

    def _open(self, settings: Settings) -> None:
        self.loading, self._opening = f"opening {without_credentials(settings.model)} …", self._opening + 1
        self._worker.open(settings, communities=SPECS[self.state.mode].communities)

    def _leave(self) -> None:
        self.stop()
        self.lookups.forget()
        self._waiting.clear()
        self.exchanges.clear()
        self.running = None
        self._last = None

    def _restore(self, conversation: Conversation) -> None:
        from pluralism_local.history.values import retried  # it read the conversation, so it is here

        again = {retried(stored.asked_with) for stored in conversation.turns}
        for stored in conversation.turns:
            if stored.id in again:
                continue
            self._number += 1
            self.exchanges[self._number] = from_stored(self._number, stored)
