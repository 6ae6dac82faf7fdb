"""The one thread that touches engines: opens them, asks, writes the history, and says what happens.

    Worker.open(settings) ─┐                        ┌─> Loading…, Ready | NotReady
    Worker.find_pool(…)   ─┼─ one after the other ──┼─> PoolFound | PoolMissing
    Worker.ask(job)       ─┤                        ├─> Happened(event)…, the Result last | Failed
    Worker.look(lookup)   ─┘                        └─> Looked
    job.stop.set() ──polled by the engine──> Result(complete=False)
    Worker.close() ──> stop, finish what runs, close engines and history

Every error becomes an event; a bug also leaves its traceback in a file that the message names.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pluralism_local.errors import Cancelled, PlocalError
from pluralism_local.mode_specs import SPECS
from pluralism_local.results import LLM_VOICE, Result
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
from pluralism_local.types import Message

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.conversation.engines import Engines, Handles
    from pluralism_local.conversation.trace import Sources
    from pluralism_local.engine.base import LanguageModel
    from pluralism_local.modes import Ask
    from pluralism_local.tui.jobs import AskJob, Lookup
    from pluralism_local.values.stakes import Values

CLOSE_SECONDS = 20.0
"""How long `close` waits for an answer to stop and to be kept."""

OPENING_SECONDS = 2.0
"""How long `close` waits for a model that is being opened: nothing can interrupt that, and nothing is lost."""


class Worker:
    """Carries out what it is given, in order, in a thread of its own.

    Args:
        engines: opened and closed here only.
        tell: takes events; called from the worker's thread.
        at_end: called in the worker's thread after everything is closed.
        fault_file: where tracebacks of bugs go; None drops them.
    """

    def __init__(
        self,
        engines: Engines,
        tell: Callable[[WorkEvent], None],
        *,
        at_end: Callable[[], None] = lambda: None,
        fault_file: Path | None = None,
    ) -> None:
        self._engines = engines
        self._tell = tell
        self._at_end = at_end
        self._fault_file = fault_file
        self._opening = False
        self._closing = threading.Event()
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="plocal-worker", daemon=True)
        self._thread.start()

    def open(self, settings: Settings, *, communities: bool) -> None:
        """Open the engines of these settings."""
        self._tasks.put(lambda: self._open(settings, communities))

    def find_pool(self, settings: Settings, specs: tuple[str, ...]) -> None:
        """Read the cards of the settings' pool, or of the communities that `specs` name."""
        self._tasks.put(lambda: self._find_pool(settings, specs))

    def ask(self, job: AskJob) -> None:
        """Carry out a prompt."""
        self._tasks.put(lambda: self._ask(job))

    def look(self, lookup: Lookup) -> None:
        """Find something out about an answer."""
        self._tasks.put(lambda: self._look(lookup))

    def close(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Stop what runs, keep what there is, close everything; whether that was done in time (seconds)."""
        self._closing.set()
        self._tasks.put(None)
        self._thread.join(min(timeout, OPENING_SECONDS))
        begun = time.monotonic()
        while self._thread.is_alive() and not self._opening and time.monotonic() - begun < timeout:
            self._thread.join(0.05)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while (task := self._tasks.get()) is not None:
                if not self._closing.is_set():
                    task()
        finally:
            self._engines.close()
            self._at_end()

    def _open(self, settings: Settings, communities: bool) -> None:
        try:
            handles = self._use(settings, communities)
            llm = handles.llm
            self._tell(Ready(settings, llm.info, llm.capabilities.only_continues))
        except Exception as error:  # noqa: BLE001 - the worker's edge
            message, hint = self._describe(error)
            self._tell(NotReady(message, hint, one_goes_on=self._engines.any))

    def _use(self, settings: Settings, communities: bool) -> Handles:
        self._opening = True
        try:
            return self._engines.use(settings, communities=communities, status=self._loading)
        finally:
            self._opening = False

    def _loading(self, text: str) -> None:
        self._tell(Loading(text))

    def _find_pool(self, settings: Settings, specs: tuple[str, ...]) -> None:
        from pluralism_local import wiring

        try:
            library = wiring.library(settings)
            self._tell(PoolFound(wiring.find_pool(library, settings.pool, list(specs)), library))
        except Exception as error:  # noqa: BLE001 - the worker's edge
            self._tell(PoolMissing(*self._describe(error)))

    def _ask(self, job: AskJob) -> None:
        try:
            self._answer(job)
        except Exception as error:  # noqa: BLE001 - the worker's edge
            message, hint = self._describe(error)
            job.log.fail(message)
            if job.ask.turns and not isinstance(error, Cancelled):
                hint = f"{hint} Ctrl+N begins a new conversation.".strip()
            self._tell(Failed(job.number, message, hint))

    def _answer(self, job: AskJob) -> None:
        from pluralism_local.conversation.asking import fit_ask, run_ask

        job.turn = job.log.begin(job.ask, job.settings, job.retry_of)
        needed = SPECS[job.ask.mode].communities
        handles = self._use(job.settings, needed)
        ask, warnings = fit_ask(job.ask, handles, force=job.force) if needed else (job.ask, [])
        events = run_ask(
            ask,
            handles,
            warnings=warnings,
            log=job.log,
            should_stop=lambda: job.stop.is_set() or self._closing.is_set(),
        )
        with closing(events):
            for event in events:
                if isinstance(event, Result):
                    job.result = event
                    job.log.finish(event)
                    self._tell(Happened(job.number, event, _context(handles.llm, ask, event)))
                else:
                    self._tell(Happened(job.number, event))

    def _look(self, lookup: Lookup) -> None:
        finding: Result | Sources | Values | None = None
        message = ""
        try:
            if not lookup.stop.is_set():
                finding = self._found_out(lookup)
        except Cancelled:
            finding = None
        except Exception as error:  # noqa: BLE001 - the worker's edge
            message = " ".join(filter(None, self._describe(error)))
        self._tell(
            Looked(lookup.number, finding, stopped=lookup.stop.is_set() and not message, message=message)
        )

    def _found_out(self, lookup: Lookup) -> Result | Sources | Values | None:
        """None where it was stopped before there was anything."""
        from pluralism_local.conversation import looking
        from pluralism_local.conversation.asking import fit_ask

        handles = self._use(lookup.settings, communities=lookup.kind != "values")
        circumstances: looking.Circumstances = {
            "settings": lookup.settings,
            "should_stop": lambda: lookup.stop.is_set() or self._closing.is_set(),
            "status": self._loading,
        }
        if lookup.kind == "values":
            return looking.values(lookup.ask.question, handles, **circumstances)
        if lookup.kind == "sources":
            return looking.sources(lookup.comments, lookup.answer, handles, **circumstances)
        job = lookup.job
        if lookup.kind == "draws" and job is not None and job.result is not None:
            ask, _ = fit_ask(lookup.ask, handles, force=job.force)
            ask = replace(ask, draws=lookup.draws)
            searched = looking.draw(ask, job.result.comments, lookup.answer, handles, **circumstances)
        else:
            comments = dict(lookup.comments)
            searched = looking.search(lookup.ask, comments, lookup.answer, handles, **circumstances)
        if not searched.complete:
            return None
        if job is None or job.result is None:
            return searched
        job.result = looking.with_search(job.result, searched)
        if job.turn is not None:
            job.log.amend(job.turn, job.result)
        return job.result

    def _describe(self, error: Exception) -> tuple[str, str]:
        """A sentence and what to do next."""
        if isinstance(error, PlocalError):
            return error.message, error.hint
        if isinstance(error, OSError):
            return f"{error.strerror or error}: {error.filename or 'a file'}.", ""
        return f"Unexpected: {type(error).__name__}: {error}", self._keep_traceback()

    def _keep_traceback(self) -> str:
        if self._fault_file is None:
            return ""
        try:
            self._fault_file.parent.mkdir(parents=True, exist_ok=True)
            with self._fault_file.open("a", encoding="utf-8") as file:
                file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}\n{traceback.format_exc()}\n")
        except OSError:
            return "This is a bug."
        return f"This is a bug; its traceback is in {self._fault_file}."


def _context(llm: LanguageModel, ask: Ask, result: Result) -> int | None:
    """Tokens of the conversation as the LLM has it after this result; None where it cannot be counted."""
    turns = (*ask.turns, result.turn) if result.turn is not None else ask.turns
    messages = [Message("system", ask.system)] if ask.system else []
    for turn in turns:
        messages.append(Message("user", turn.messages.get(LLM_VOICE, turn.prompt)))
        messages.append(Message("assistant", turn.replies.get(LLM_VOICE, turn.answer)))
    if not messages:
        return 0
    try:
        return llm.count_tokens(messages)
    except PlocalError:
        return None
