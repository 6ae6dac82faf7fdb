"""The application: gives keys to the session and shows what comes back.

    ChatApp ── view: all widgets        keys: all keys        dialogs: screens over the chat
            ── on_prompt_submitted ──> Session.submit        on_progress ──> Session.take ──> widgets

The worker is started after the first paint, so that the prompt is there before any model or card is read.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from textual.app import App, ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.driver import Driver
from textual.screen import Screen
from textual.widgets import Input

from pluralism_local.errors import PlocalError
from pluralism_local.mode_specs import MODES, SPECS
from pluralism_local.tui import dialogs, keys
from pluralism_local.tui.communities_pane import CommunitiesPane
from pluralism_local.tui.engines import Engines
from pluralism_local.tui.exchange import Exchange
from pluralism_local.tui.memory import Log, Memory
from pluralism_local.tui.messages import Failed, NotReady, PoolMissing, Progress, Ready, Warned, WorkEvent
from pluralism_local.tui.outbox import Outbox
from pluralism_local.tui.prompt import Prompt
from pluralism_local.tui.session import Session
from pluralism_local.tui.state import Start
from pluralism_local.tui.terminal import forgiving
from pluralism_local.tui.transcript import Transcript
from pluralism_local.tui.view import TALL, WIDE, ChatView
from pluralism_local.tui.work import Worker


class ChatApp(App[None]):
    """`plocal chat`.

    Args:
        start: the choices of the command line.
        engines: opens and closes models; None for those that `start` names.
        history_file: None for the user's own.
        fault_file: where tracebacks of bugs go.

    Attributes:
        fault: the bug that has ended the application; None for none.
    """

    TITLE = "plocal"
    CSS = ChatView.RESPONSIVE_CSS
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]  # noqa: RUF012 - as Textual declares them
    VERTICAL_BREAKPOINTS = [(0, "-short"), (TALL, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings()]

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
        self._outbox = Outbox(lambda events: self.post_message(Progress(events)))
        self.memory = Memory(history_file, writing=start.log, warn=lambda text: self._tell(Warned(text)))
        self._worker = Worker(
            engines or Engines(start.communities_model, start.default_local),
            self._tell,
            at_end=self.memory.close,
            fault_file=fault_file,
        )
        self.session = Session(start, self._worker, lambda id: Log(self.memory, id))
        self._watching: int | None = None  # None: the newest
        self.fault: Exception | None = None
        self._settled = False
        self._attribute_awaited = False  # a prompt was sent off, and goes when there is one
        self.view = ChatView()

    def get_driver_class(self) -> type[Driver]:
        return forgiving(super().get_driver_class())

    def compose(self) -> ComposeResult:
        yield self.view

    def on_mount(self) -> None:
        self.view.prompt.focus()
        for name in ("SIGHUP", "SIGTERM"):
            # there is none on this system, or this is not the main thread
            with suppress(AttributeError, RuntimeError, ValueError):
                asyncio.get_running_loop().add_signal_handler(getattr(signal, name), self.exit)
        for remark in self._remarks:
            self._tell(Warned(remark))
        self.wear(self.session.state.settings.theme)
        self.theme_changed_signal.subscribe(self, lambda theme: dialogs.keep_theme(self, theme.name))
        self.rebuild()
        self.call_after_refresh(self.session.begin)

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

    # What comes from the worker

    def _tell(self, event: WorkEvent) -> None:
        self._outbox.add(event)

    def on_progress(self, message: Progress) -> None:
        if not (self.is_running and self.view.transcript.is_attached):  # the application is ending
            return
        changed: dict[int, Exchange] = {}
        for event in message.events:
            exchange = self.session.take(event)
            if exchange is not None:
                changed[exchange.number] = exchange
            self._announce(event, exchange)
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
                kept = " The model before goes on." if event.kept else " F3 chooses another; prompts wait."
                self.view.transcript.note(f"Error: {event.message} {event.hint}{kept}", trouble=True)
            case PoolMissing():
                pool = self.session.state.pool
                kept = f" The pool {pool.id} goes on." if pool is not None else ""
                self.view.transcript.note(
                    f"Error: {event.message} {event.hint}{kept} F2 chooses communities.", trouble=True
                )
            case Warned():
                self.view.transcript.note(f"Warning: {event.text}")
            case Failed() if exchange is not None:
                self.view.give_back(exchange.prompt)

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
        if self._watching in exchanges:
            return exchanges[self._watching]
        begun = [exchange for exchange in exchanges.values() if exchange.status != "queued"]
        return begun[-1] if begun else None

    def rebuild(self) -> None:
        """Show the session from the beginning, after another conversation was taken up."""
        self._watching = None
        self.view.rebuild(self.session)
        self.refresh_chat()

    def refresh_chat(self) -> None:
        """Bring everything around the answers up to date."""
        self.view.show(self.session, self.watched, marked=self._watching)

    def on_resize(self) -> None:
        self.call_after_refresh(self.refresh_chat)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        for key in keys.KEYS:
            yield SystemCommand(f"{key.title} ({key.keys.split(',')[0]})", key.what, self._runner(key.action))
        for mode in MODES:
            yield SystemCommand(
                f"Mode: {mode}", "Answer the prompts to come in this mode", self._runner(f"mode('{mode}')")
            )

    # What the user does

    def on_prompt_submitted(self, event: Prompt.Submitted) -> None:
        event.stop()
        state = self.session.state
        spec = SPECS[state.mode]
        if spec.attribute and not state.attribute:
            self._attribute_awaited = True
            self.view.attribute.focus()
            self.notify("Write what the answer should be steered towards, then Enter.")
        elif spec.options == "needed" and not state.options and not _lists_options(event.text):
            dialogs.options(self, event.text)
        else:
            self.send(event.text)

    def send(self, text: str) -> None:
        """Ask `text` with the choices in force."""
        self._attribute_awaited = False
        self.view.prompt.remember(text)
        self.view.prompt.put("")
        self.view.prompt.focus()
        self._watching = None
        state = self.session.state
        if state.options and (SPECS[state.mode].options != "needed" or _lists_options(text)):
            self.session.use_options(())
        self.view.transcript.show(self.session.submit(text))
        self.view.transcript.anchor()
        self.refresh_chat()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "attribute":
            self.session.use_attribute(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "attribute":
            self.view.prompt.focus()
            if self._attribute_awaited and self.session.state.attribute and self.view.prompt.text.strip():
                self.send(self.view.prompt.text)

    def on_transcript_typed(self, event: Transcript.Typed) -> None:
        self.view.prompt.focus()
        self.view.prompt.insert(event.character)

    def on_communities_pane_chosen(self, event: CommunitiesPane.Chosen) -> None:
        dialogs.comment(self, event.community)

    def action_stop(self) -> None:
        """Stop the running answer; with none, take back the newest prompt that waits."""
        if self.session.stop():
            return
        exchange = self.session.take_back()
        if exchange is not None:
            self.view.transcript.forget(exchange.number)
            self.view.give_back(exchange.prompt)
            self.refresh_chat()

    def action_copy_or_stop(self) -> None:
        """Widgets with a selection have copied it before this is reached."""
        self.session.stop()

    def action_next_mode(self) -> None:
        self.session.next_mode()
        self.refresh_chat()

    def action_mode(self, mode: str) -> None:
        self.session.use_mode(next(known for known in MODES if known == mode))
        self.refresh_chat()

    def action_new(self) -> None:
        self.session.new()
        self.rebuild()

    def action_retry(self) -> None:
        pair = self.session.retry()
        if pair is None:
            idle = self.session.running is None
            self.notify("There is nothing to ask again." if idle else "Still answering.")
            return
        old, new = pair
        self.view.transcript.forget(old.number)
        self.view.transcript.show(new)
        self._watching = None
        self.refresh_chat()

    def action_watch(self, step: int) -> None:
        """Show another exchange in the panes."""
        numbers = [number for number, one in self.session.exchanges.items() if one.status != "queued"]
        watched = self.watched
        if watched is None:
            return
        place = min(len(numbers) - 1, max(0, numbers.index(watched.number) + step))
        self._watching = None if place == len(numbers) - 1 else numbers[place]
        self.refresh_chat()

    def action_side(self) -> None:
        """Go to the communities pane, showing it where it is hidden; from there back to the prompt."""
        away = self.query_one("#side").has_focus_within
        self.screen.set_class(not away, "-side")
        target = self.view.prompt if away else self.view.communities
        self.call_after_refresh(target.focus)

    def action_apart(self) -> None:
        self.view.distribution.apart = not self.view.distribution.apart
        self.refresh_chat()

    def action_scroll_answers(self, pages: int) -> None:
        if pages < 0:
            self.view.transcript.scroll_page_up()
        else:
            self.view.transcript.scroll_page_down()

    def action_open(self, screen: str) -> None:
        """Open one of `dialogs.SCREENS`."""
        dialogs.SCREENS[screen](self)

    def _runner(self, action: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            await self.run_action(action)

        return run


def _lists_options(text: str) -> bool:
    from pluralism_local.modes.options import lists_options

    return lists_options(text)


def run_chat(start: Start, *, fault_file: Path | None = None) -> int:
    """Run the application until the user leaves it, then close what it opened; the exit code.

    A model that is still being read is left behind with the process: native code cannot be interrupted, and the
    interpreter must not end under it. The history then finds the turn without its writer.

    Raises: whatever has ended the application, which is a bug; the terminal is as it was before.
    """
    app = ChatApp(start, fault_file=fault_file)
    try:
        app.run()
        if app.fault is not None:
            raise app.fault
    finally:
        if not app.shut():
            if app.fault is None:
                os._exit(app.return_code or 0)
            atexit.register(os._exit, 1)  # once it was told
    return app.return_code or 0
