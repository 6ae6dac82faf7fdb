"""The chat behind its keys: session, worker and widgets, and what comes back on the screen.

    Chat ── view: all widgets
         ── session ──> Worker ──> Outbox ──WorkProgress──> on_work_progress ──> ChatSession.take ──> widgets

`app.ChatApp` adds what the user does, and `open_screens` the screens over it.
"""

from __future__ import annotations

import gc
from pathlib import Path

from textual.app import App, ComposeResult
from textual.driver import Driver

from pluralism_local.conversation.engines import Engines
from pluralism_local.conversation.history_log import ConversationLog, HistoryLog
from pluralism_local.display.figures import one_line
from pluralism_local.errors import PlocalError
from pluralism_local.mode_specs import SPECS
from pluralism_local.tui.chat_view import TALL, WIDE, ChatView
from pluralism_local.tui.exchange import Exchange
from pluralism_local.tui.outbox import Outbox
from pluralism_local.tui.session import ChatSession
from pluralism_local.tui.state import Start
from pluralism_local.tui.terminal import forgiving
from pluralism_local.tui.worker import Worker
from pluralism_local.tui.worker_events import (
    Failed,
    Looked,
    NotReady,
    PoolMissing,
    Ready,
    Warned,
    WorkEvent,
    WorkProgress,
)


class Chat(App[None]):
    """A conversation on the screen.

    Args:
        start: the choices of the command line.
        engines: opens and closes models; None for those that `start` names.
        history_file: None for the user's own.
        fault_file: where tracebacks of bugs go.

    Attributes:
        fault: the bug that has ended the application; None for none.
        watching: the number of the exchange that the panes are about; None for the newest.
        attribute_awaited: a prompt was sent off, and goes when there is an attribute.
    """

    TITLE = "plocal"
    CSS = ChatView.RESPONSIVE_CSS
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - as Textual declares them
    VERTICAL_BREAKPOINTS = [(0, "-short"), (TALL, "-tall")]  # noqa: RUF012

    def __init__(
        self,
        start: Start,
        *,
        engines: Engines | None = None,
        history_file: Path | None = None,
        fault_file: Path | None = None,
    ) -> None:
        super().__init__()
        self.origin = dict(start.origin)
        self._remarks = start.remarks
        self._outbox = Outbox(lambda events: self.post_message(WorkProgress(events)))
        self.history_log = HistoryLog(
            history_file,
            writing=start.log,
            tell=lambda text: self._tell(Warned(one_line(text))),
            given_up=lambda error: self._tell(
                Warned(f"The history is not written: {one_line(f'{error.message} {error.hint}')}")
            ),
        )
        self._worker = Worker(
            engines or Engines(start.communities_model, start.default_local),
            self._tell,
            at_end=self.history_log.close,
            fault_file=fault_file,
        )
        self.session = ChatSession(start, self._worker, lambda id: ConversationLog(self.history_log, id))
        self.watching: int | None = None
        self.fault: Exception | None = None
        self._settled = False
        self.attribute_awaited = False  # a prompt was sent off, and goes when there is one
        self.view = ChatView()

    def get_driver_class(self) -> type[Driver]:
        return forgiving(super().get_driver_class())

    def compose(self) -> ComposeResult:
        yield self.view

    def wear(self, theme: str) -> None:
        """Take on a theme, if there is one of that name."""
        if theme in self.available_themes:
            self.theme = theme
        else:
            self._tell(Warned(f"There is no theme '{theme}'; Ctrl+P and 'Theme' list them."))

    def shut(self) -> bool:
        """Stop what runs, close engines and history; whether that was done in time. Call after `run`."""
        done = self._worker.close()
        self._outbox.close()
        return done

    def _handle_exception(self, error: Exception) -> None:
        """End, and leave it to whoever ran the application to tell: the toolkit would print all variables, too."""
        self.fault = self.fault or error
        super()._handle_exception(error)
        self._exit_renderables.clear()

    def tell_remarks(self) -> None:
        """Say what the command line had to say."""
        for remark in self._remarks:
            self._tell(Warned(remark))

    # What comes from the worker

    def _tell(self, event: WorkEvent) -> None:
        self._outbox.add(event)

    def on_work_progress(self, message: WorkProgress) -> None:
        if not (self.is_running and self.view.transcript.is_attached):  # the application is ending
            return
        changed: dict[int, Exchange] = {}
        for event in message.events:
            exchange = self.session.take(event)
            if exchange is not None:
                changed[exchange.number] = exchange
            self._announce(event, exchange)
            self._tell_screen(event)
        if self.session.running is not None:
            changed[self.session.running.number] = self.session.running
        for exchange in changed.values():
            self.view.transcript.show(exchange)
        self.refresh_chat()

    def _announce(self, event: WorkEvent, exchange: Exchange | None) -> None:
        """Say what belongs to no exchange, and give back the prompt of one that failed."""
        match event:
            case Ready():
                self._leave_alone_what_stays()
            case NotReady():
                then = (
                    " The model before goes on."
                    if event.one_goes_on
                    else " F3 chooses another; prompts wait."
                )
                self.view.transcript.note(f"Error: {event.message} {event.hint}{then}", trouble=True)
            case PoolMissing():
                pool = self.session.state.pool
                then = f" The pool {pool.id} goes on." if pool is not None else ""
                self.view.transcript.note(
                    f"Error: {event.message} {event.hint}{then} F2 chooses communities.", trouble=True
                )
            case Warned():
                self.view.transcript.note(f"Warning: {event.text}")
            case Failed() if exchange is not None:
                self.view.give_back(exchange.prompt)

    def _tell_screen(self, event: WorkEvent) -> None:
        """Have the screen about an answer's sources show them when they are there."""
        exchange = self.session.exchanges.get(event.number) if isinstance(event, Looked) else None
        if exchange is not None:
            from pluralism_local.tui.detail_screens import TraceView

            if isinstance(self.screen, TraceView) and self.screen.exchange is exchange:
                self.screen.found(searching=self.session.lookups.runs(exchange.number, "sources"))

    def _leave_alone_what_stays(self) -> None:
        """Have the collector skip what is there with the first model: mostly modules, which stay until the end.

        Going through them takes it 60 ms or more, in which no key is answered.
        """
        if not self._settled:
            self._settled = True
            gc.freeze()

    def tell_trouble(self, error: Exception) -> None:
        """Show an error that belongs to no exchange."""
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, PlocalError):
            text = f"{error.message} {error.hint}"
        self.view.transcript.note(f"Error: {text}", trouble=True)

    # What the screen shows

    @property
    def watched(self) -> Exchange | None:
        """The exchange that the panes are about."""
        exchanges = self.session.exchanges
        if self.watching in exchanges:
            return exchanges[self.watching]
        begun = [exchange for exchange in exchanges.values() if exchange.status != "queued"]
        return begun[-1] if begun else None

    def rebuild(self) -> None:
        """Show the session from the beginning, after another conversation was taken up."""
        self.watching = None
        self.view.rebuild(self.session)
        self.refresh_chat()

    def refresh_chat(self) -> None:
        """Bring everything around the answers up to date."""
        self.view.show(self.session, self.watched, marked=self.watching)

    def send(self, text: str) -> None:
        """Ask `text` with the choices in force."""
        self.attribute_awaited = False
        self.view.prompt.remember(text)
        self.view.prompt.put("")
        self.view.prompt.focus()
        self.watching = None
        state = self.session.state
        if state.options and (SPECS[state.mode].options != "needed" or lists_options(text)):
            self.session.use_options(())
        self.view.transcript.show(self.session.submit(text))
        self.view.transcript.anchor()
        self.refresh_chat()


def lists_options(text: str) -> bool:
    """Whether a prompt lists the options to weigh."""
    from pluralism_local.modes import options  # not needed for the first paint

    return options.lists_options(text)
