"""The conversation: a view per exchange, the answer as streaming Markdown.

    Exchange ──Transcript.show──> TurnView: prompt, choice, answer (only what is new is parsed), what to know

A view parses Markdown in its own message loop, so that keys are handled between two pieces. Text of models is shown
without control characters; `markdown` says what else becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import fill, indent
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from pluralism_local.display.figures import beginning, cells, clean, many, one_line, percent, tokens
from pluralism_local.mode_specs import SPECS, ModeName
from pluralism_local.model_names import STARTER, without_folders
from pluralism_local.positions.summary import agreement, left_out
from pluralism_local.tui.distribution_pane import HEADING, distribution_lines
from pluralism_local.tui.exchange import Exchange
from pluralism_local.tui.session import ChatSession
from pluralism_local.tui.voice_text import is_dark, named

MOST_VIEWS = 60
"""Exchanges on the screen; older ones are in the history."""


class TurnView(Vertical):
    """One exchange."""

    DEFAULT_CSS = """
    TurnView { height: auto; padding: 0 1 0 2; margin-bottom: 1; }
    TurnView.-current { border-left: outer $accent; padding: 0 1 0 1; }
    TurnView .asked { text-style: bold; }
    TurnView .about { color: $text-muted; }
    TurnView .trouble { color: $text-error; text-style: bold; }
    TurnView .hidden { display: none; }
    """

    class Changed(Message):
        """The exchange has something new to show."""

        bubble = False

    def __init__(self, exchange: Exchange) -> None:
        from pluralism_local.tui.markdown import (
            AnswerMarkdown,  # its parser is not needed for the first paint
        )

        super().__init__(id=f"turn-{exchange.number}")
        self.exchange = exchange
        self._answer = AnswerMarkdown(classes="hidden")
        self._choice = Static("", classes="about hidden", markup=False)
        self._estimate = Static("", classes="hidden", markup=False)
        self._foot = Static("", classes="about", markup=False)
        self._trouble = Static("", classes="trouble hidden", markup=False)

    def compose(self) -> ComposeResult:
        yield Static(question(self.exchange), classes="asked", markup=False)
        yield self._choice
        yield self._answer
        yield self._estimate
        yield self._trouble
        yield self._foot

    async def on_mount(self) -> None:
        await self._show()

    async def on_turn_view_changed(self, message: Changed) -> None:
        message.stop()
        await self._show()

    async def _show(self) -> None:
        exchange = self.exchange
        if exchange.selection is not None:
            _put(self._choice, [f"chosen: {one_line(exchange.selection.community)}{_surely(exchange)}"])
        if exchange.distribution is None:  # else the bars say it, with what qualifies it
            answer = clean(exchange.answer)
            self._answer.set_class(not answer, "hidden")
            growing = exchange.status == "running"
            await self._answer.show(answer, growing=growing, voices=named(exchange), dark=is_dark(self.app))
        _put(self._estimate, estimate(exchange, max(24, min(72, self.size.width - 3))))
        _put(self._trouble, trouble(exchange))
        _put(self._foot, foot(exchange, max(40, self.size.width - 3)))

    def on_resize(self) -> None:
        self.post_message(self.Changed())


class Transcript(VerticalScroll):
    """All exchanges of the conversation; follows the newest unless the user has scrolled up."""

    DEFAULT_CSS = """
    Transcript { height: 1fr; scrollbar-gutter: stable; scrollbar-size-vertical: 1; }
    Transcript:focus { background: $boost; }
    Transcript #empty { color: $text-muted; padding: 1 2; }
    Transcript .note { padding: 0 1 0 2; margin-bottom: 1; }
    Transcript .note.about { color: $text-muted; }
    Transcript .note.trouble { color: $text-error; text-style: bold; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("x", "app.open('trace')", "Who said this?", show=False)]

    class Typed(Message):
        """A character was typed here, after a click into the text, say: it belongs into the prompt."""

        def __init__(self, character: str) -> None:
            super().__init__()
            self.character = character

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._views: dict[int, TurnView] = {}

    def on_key(self, event: events.Key) -> None:
        if event.is_printable and event.character and event.key != "x":
            event.stop()
            self.post_message(self.Typed(event.character))

    def compose(self) -> ComposeResult:
        yield Static("", id="empty", markup=False)

    def on_mount(self) -> None:
        self.anchor()

    def welcome(self, session: ChatSession) -> None:
        """Say what can be done here, where nothing else is shown yet."""
        empty = self.query_one("#empty", Static)
        if empty.display:
            empty.update(welcome(session, max(24, self.size.width - 6)))

    def show(self, exchange: Exchange) -> None:
        """Show what is new about an exchange, or all of a new one."""
        view = self._views.get(exchange.number)
        if view is not None:
            view.post_message(TurnView.Changed())
            return
        view = TurnView(exchange)
        self._views[exchange.number] = view
        self.query("#empty").set(display=False)
        self.mount(view)
        if len(self._views) > MOST_VIEWS:
            self.forget(min(self._views))

    def redraw(self) -> None:
        """Draw all of them in the theme's colours."""
        for view in self._views.values():
            view.post_message(TurnView.Changed())

    def forget(self, number: int) -> None:
        """Take an exchange off the screen."""
        view = self._views.pop(number, None)
        if view is not None:
            view.remove()

    def clear(self) -> None:
        """Take all of them off."""
        for number in list(self._views):
            self.forget(number)
        self.query("#empty").set(display=True)

    def mark(self, number: int | None) -> None:
        """Show which exchange the panes are about."""
        for key, view in self._views.items():
            view.set_class(key == number, "-current")
            if key == number and len(self._views) > 1 and number != max(self._views):
                view.scroll_visible()

    def note(self, text: str, *, trouble: bool = False) -> None:
        """Say something that belongs to no exchange, such as a model that could not be opened."""
        self.query("#empty").set(display=False)
        self.mount(Static(clean(text), classes="note trouble" if trouble else "note about", markup=False))


def welcome(session: ChatSession, width: int) -> Content:
    """What an empty transcript says: the modes, who answers, and how to get a better model where it is the starter."""
    state, model = session.state, session.model
    parts: list[Content | str | tuple[str, str]] = [modes(state.mode, width)]
    context = f" · {tokens(model.context)} ctx" if model is not None and model.context else ""
    parts += [
        "\nanswers  ",
        (one_line(without_folders(model.id)) if model else session.loading or "no model yet", "bold"),
        (f"{context}  F3\n", "dim"),
    ]
    if state.pool is not None and SPECS[state.mode].communities:
        parts += [f"voices   {one_line(state.pool.name or state.pool.id, 60)}", ("  F2\n", "dim")]
    if session.only_continues:
        parts.append("\nA base model: it continues texts, and follows no instructions.\n")
    if model is not None and model.id == STARTER:
        parts.append(
            "\nThe starter is there to try things out; what it writes is poor. A model worth reading: leave with "
            "Ctrl+Q and run\n"
        )
        parts += [("  plocal models pull recommended", "bold"), "\nthen choose it with F3.\n"]
    parts.append(("\nF1 keys   Ctrl+P commands   Ctrl+O history", "dim"))
    return Content.assemble(*parts)


def modes(chosen: ModeName, width: int) -> Content:
    """The modes and what each does, of the baselines only a chosen one, on lines of `width` cells."""
    parts: list[str | tuple[str, str]] = []
    for spec in SPECS.values():
        if not spec.baseline or spec.name == chosen:
            about = indent(fill(" ".join(spec.welcome.split()), width - 4), "    ")
            now = spec.name == chosen
            parts += [
                (f"{'▸' if now else ' '} {spec.name}", "bold"),
                ("   Ctrl+T for the next mode" if now else "", "dim"),
                (f"\n{about}\n", "" if now else "dim"),
            ]
    return Content.assemble(*parts)


def question(exchange: Exchange) -> Content:
    """The prompt, after who asked it and how."""
    how = exchange.mode + (f", towards {one_line(exchange.attribute, 40)}" if exchange.attribute else "")
    return Content.assemble(("you ", "bold"), (f"[{how}] ", "dim"), beginning(exchange.prompt))


def estimate(exchange: Exchange, width: int) -> list[str]:
    """The distribution with what qualifies it, where it is the answer."""
    if exchange.distribution is None:
        return []
    return [f"{HEADING}:", *distribution_lines(exchange.distribution, width, apart=False)]


def trouble(exchange: Exchange) -> list[str]:
    """The error, and what to do about it."""
    if exchange.status != "failed":
        return []
    return [f"Error: {clean(exchange.message)}", *([clean(exchange.hint)] if exchange.hint else [])]


def foot(exchange: Exchange, width: int = 200) -> list[str]:
    """What to know about the answer, the notes in one line of at most `width` cells."""
    lines = [note] if (note := _notes(exchange.warnings, width)) else []
    if exchange.status == "queued":
        lines.append("queued; Esc takes it back")
    elif exchange.status == "running":
        lines.append(_doing(exchange))
    elif exchange.status == "stopped":
        lines.append("stopped")
    if exchange.is_heard:
        lines.append(" · ".join(_heard(exchange, width)))
    return lines


def _notes(warnings: Sequence[str], width: int) -> str:
    """The first note, and how many there are besides."""
    if not warnings:
        return ""
    first, more = clean(warnings[0]), len(warnings) - 1
    rest = f" (and {more} more: F9)" if more else ""
    line = one_line(f"Note: {first}", max(20, width - cells(rest)))
    return line + (rest or (" (F9)" if line.endswith("…") and cells(line) + 5 <= width else ""))


def _heard(exchange: Exchange, width: int) -> Iterator[str]:
    """Who was heard and how far they agree; else what would tell."""
    window = exchange.window
    yield (heard := f"heard {len(exchange.comments)} of {len(exchange.voices)}")
    if window is not None and window.positions:
        yield agreement(window, width=width - cells(heard) - 3).removesuffix(".")
        if missing := len(left_out(window)):
            yield f"the answer leaves out {many(missing, 'position')}"
    elif window is None:  # else a note says that there are none
        running = exchange.search == "running"
        yield "looking for who disagrees …" if running else "F7 who disagrees?"
    if exchange.draws_search == "running":
        yield "drawing comments …"
    elif exchange.draws is not None:
        yield f"{exchange.draws.n * len(exchange.draws.comments)} drawn comments: F12"


def _doing(exchange: Exchange) -> str:
    """What a running exchange is at."""
    if exchange.answer_tokens:
        return "answering …"
    if SPECS[exchange.mode].chooses_first and exchange.selection is None:
        return "choosing …"
    voices = [voice for voice in exchange.voices.values() if voice.state != "not chosen"]
    done = sum(not voice.pending for voice in voices)
    if done < len(voices):
        alone = len(voices) == 1
        return f"{voices[0].community} writes …" if alone else f"communities write … {done} of {len(voices)}"
    return "reading …"


def _surely(exchange: Exchange) -> str:
    chosen = exchange.selection
    if chosen is None or not chosen.probabilities:
        return ""
    return f" {percent(chosen.probabilities.get(chosen.community, 0.0))}"


def _put(widget: Static, lines: Iterable[str]) -> None:
    text = "\n".join(lines)
    widget.set_class(not text, "hidden")
    if str(widget.content) != text:
        widget.update(text)
