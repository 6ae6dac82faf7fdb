"""The application: gives keys to the session.

    ChatApp ── Chat: the session and what is shown of it       keys: all keys       open_screens: screens over the chat
            ── on_prompt_box_submitted ──> ChatSession.submit

The worker is started after the first paint, so that the prompt is there before any model or card is read.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from textual.app import SystemCommand
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Input

from pluralism_local.mode_specs import MODES, SPECS, STEERED
from pluralism_local.tui import keys, open_screens
from pluralism_local.tui.chat import Chat, lists_options
from pluralism_local.tui.communities_pane import CommunitiesPane
from pluralism_local.tui.prompt import PromptBox
from pluralism_local.tui.splitter import Splitter
from pluralism_local.tui.state import Start
from pluralism_local.tui.transcript import Transcript
from pluralism_local.tui.values_pane import ValuesPane
from pluralism_local.wiring import find_mode

STEP = 4.0
"""Percent of the chat's width, or height, by which a key moves the line between answers and panes."""


class ChatApp(Chat):
    """`plocal chat`: what keys and widgets do; see `Chat` for its arguments."""

    BINDINGS: ClassVar[list[BindingType]] = [*keys.bindings()]

    def on_mount(self) -> None:
        self.view.prompt.focus()
        for name in ("SIGHUP", "SIGTERM"):
            # there is none on this system, or this is not the main thread
            with suppress(AttributeError, RuntimeError, ValueError):
                asyncio.get_running_loop().add_signal_handler(getattr(signal, name), self.exit)
        self.tell_remarks()
        self.wear(self.session.state.settings.theme)
        self.theme_changed_signal.subscribe(self, lambda theme: open_screens.keep_theme(self, theme.name))
        self.rebuild()
        self.call_after_refresh(self.session.begin)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        yield from super().get_system_commands(screen)
        for key in keys.KEYS:
            yield SystemCommand(f"{key.title} ({key.keys.split(',')[0]})", key.what, self._runner(key.action))
        for mode in MODES:
            yield SystemCommand(
                f"Mode: {mode}", "Answer the prompts to come in this mode", self._runner(f"mode('{mode}')")
            )

    # What the user does

    def on_prompt_box_submitted(self, event: PromptBox.Submitted) -> None:
        event.stop()
        state = self.session.state
        spec = SPECS[state.mode]
        if spec.attribute and not state.attribute:
            self.attribute_awaited = True
            self.view.attribute.focus()
            self.notify("Write what the answer should be steered towards, then Enter.")
        elif spec.options == "needed" and not state.options and not lists_options(event.text):
            open_screens.options(self, event.text)
        else:
            self.send(event.text)

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "attribute":
            self.session.use_attribute(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "attribute":
            self.view.prompt.focus()
            if self.attribute_awaited and self.session.state.attribute and self.view.prompt.text.strip():
                self.send(self.view.prompt.text)

    def on_transcript_typed(self, event: Transcript.Typed) -> None:
        self.view.prompt.focus()
        self.view.prompt.insert(event.character)

    def on_communities_pane_chosen(self, event: CommunitiesPane.Chosen) -> None:
        open_screens.comment(self, event.community)

    def on_values_pane_chosen(self, event: ValuesPane.Chosen) -> None:
        """Steer the next answer by the value; the question it is of is there to be asked again."""
        self.session.use_mode(STEERED)
        self.session.use_attribute(event.stake.attribute)
        self.view.attribute.value = event.stake.attribute
        if self.watched is not None:
            self.view.give_back(self.watched.prompt)
        self.screen.remove_class("-side")
        self.view.prompt.focus()
        self.refresh_chat()

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
        self.session.use_mode(find_mode(mode))
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
        self.watching = None
        self.refresh_chat()

    def action_watch(self, step: int) -> None:
        """Show another exchange in the panes."""
        exchanges = self.session.exchanges.values()
        numbers = [exchange.number for exchange in exchanges if exchange.status != "queued"]
        watched = self.watched
        if watched is None:
            return
        place = min(len(numbers) - 1, max(0, numbers.index(watched.number) + step))
        self.watching = None if place == len(numbers) - 1 else numbers[place]
        self.refresh_chat()

    def action_side(self) -> None:
        """Go to the communities pane, showing it where it is hidden; from there back to the prompt."""
        away = self.query_one("#side").has_focus_within
        self.screen.set_class(not away, "-side")
        target = self.view.prompt if away else self.view.communities
        self.call_after_refresh(target.focus)

    def action_values(self) -> None:
        """Look for what is at stake in the watched question, and go to it; from there back to the prompt."""
        exchange = self.watched
        if exchange is None or not exchange.is_over:
            idle = exchange is None
            self.notify("Nothing was asked yet." if idle else "Still answering.", severity="warning")
            return
        if exchange.values_search in ("none", "stopped", "failed") and not self.session.look(
            exchange, "values"
        ):
            self.notify("There is no model yet that could look for values.", severity="warning")
            return
        away = self.view.values.has_focus
        self.screen.set_class(not away, "-side")
        self.refresh_chat()
        self.call_after_refresh(self.view.prompt.focus if away else self.view.values.focus)

    def action_share(self, steps: int) -> None:
        """Give the side pane more room, or less."""
        self.view.share(self.view.side_share + steps * STEP)

    def on_splitter_moved(self, event: Splitter.Moved) -> None:
        self.view.share(100 * (self.size.width - event.x) / max(1, self.size.width))

    def action_scroll_answers(self, pages: int) -> None:
        if pages < 0:
            self.view.transcript.scroll_page_up()
        else:
            self.view.transcript.scroll_page_down()

    def action_open(self, screen: str) -> None:
        """Open one of `open_screens.SCREENS`."""
        open_screens.SCREENS[screen](self)

    def _runner(self, action: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            await self.run_action(action)

        return run


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
