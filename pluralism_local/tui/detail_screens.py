"""Screens about one exchange: a comment beside its card, who said what, who holds what, and all that is known of it.

CommentView(voice, community)  TraceView(exchange)  PositionsView(exchange)  DrawsView(…)  FactsView(exchange)
Esc closes
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from pluralism_local.conversation.trace import FAINT, TITLES, Measure, Sources, Traced, trace
from pluralism_local.display.figures import clean, many, one_line, percent
from pluralism_local.display.voices import Look
from pluralism_local.positions.matrix import grid, legend, names
from pluralism_local.positions.shares import grid as grid_of_shares
from pluralism_local.positions.shares import headline, notes
from pluralism_local.positions.summary import remarks
from pluralism_local.results import Draws
from pluralism_local.tui.exchange import Exchange, LiveComment
from pluralism_local.tui.voice_text import coloured, is_dark, lines, named, style

if TYPE_CHECKING:
    from pluralism_local.communities import Community

_SHOWN = 3


class _View(ModalScreen[None]):
    """A large box over the chat."""

    DEFAULT_CSS = """
    _View { align: center middle; }
    _View Container { width: 96%; height: 92%; background: $surface; layout: horizontal; }
    _View VerticalScroll { width: 1fr; height: 1fr; border: round $accent; padding: 0 1; scrollbar-size-vertical: 1; }
    _View Static { height: auto; }
    .-narrow _View Container, _View.-narrow Container { layout: vertical; width: 100%; height: 100%; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,f6,f7,f9", "dismiss(None)", "Close"),
        Binding("tab", "app.focus_next", show=False),
    ]


class CommentView(_View):
    """The whole comment, and the card of who wrote it."""

    def __init__(self, voice: LiveComment, community: Community | None) -> None:
        super().__init__()
        self._voice = voice
        self._community = community

    def compose(self) -> ComposeResult:
        with Container():
            with VerticalScroll() as left:
                left.border_title = _plain(f"{one_line(self._voice.community, 40)}: comment")
                left.border_subtitle = "Esc closes"
                yield Static(clean(self._voice.text).strip() or f"({self._voice.state})", markup=False)
            with VerticalScroll() as right:
                right.border_title = "card"
                yield Static(card(self._community), markup=False)


class TraceView(_View):
    """Each sentence of the answer with the comments it can come from.

    It opens with the words that they share, and is shown anew when the scorer of entailment has read them.
    """

    def __init__(self, exchange: Exchange, *, searching: bool) -> None:
        super().__init__()
        self.exchange = exchange
        self._searching = searching
        self._text = Static("", markup=False)
        self._box = VerticalScroll(self._text)

    def compose(self) -> ComposeResult:
        with Container():
            yield self._box

    def on_mount(self) -> None:
        self._show()

    def found(self, *, searching: bool) -> None:
        """The exchange knows its sources, or will not, unless they are still looked for."""
        self._searching = searching
        self._show()

    def _show(self) -> None:
        exchange = self.exchange
        sources = exchange.sources or Sources("words", tuple(trace(exchange.answer, exchange.comments)))
        self._box.border_title = TITLES[sources.measure]
        self._box.border_subtitle = "Esc closes"
        voices, dark = named(exchange), is_dark(self.app)
        scale = Content.styled(f"{_scale(exchange.sources, searching=self._searching)}\n", "dim")
        traced = (traced_text(each, sources.measure, voices, dark=dark) for each in sources.sentences)
        self._text.update(lines([scale, *traced]))


def _scale(sources: Sources | None, *, searching: bool) -> str:
    """What the scores are, and why they are no others; None while, or because, the scorer has not said."""
    if sources is not None and sources.measure == "entailment":
        return "0 to 1: how probably a sentence of the comment entails it"
    if searching:
        why = "the scorer of entailment is reading …"
    else:
        why = (
            "there is no scorer of entailment here" if sources is not None else "the scorer did not get to it"
        )
    return f"0 to 1: cosine of content words, not of meaning; {why}"


def traced_text(traced: Traced, measure: Measure, voices: Mapping[str, Look], *, dark: bool) -> Content:
    """The sentence, then up to three communities with their score and the words that come nearest."""
    parts: list[Content | str | tuple[str, str]] = [(clean(traced.sentence), "bold"), "\n"]
    sources = [near for near in traced.nearest[:_SHOWN] if near.score >= FAINT[measure]]
    for near in sources:
        look = voices.get(near.community)
        parts += [
            f"  {near.score:.2f}  ",
            (f"{look.letter} {one_line(near.community)}", style(look, dark=dark))
            if look
            else one_line(near.community),
            ": ",
            (one_line(near.sentence, 200), "italic"),
            "\n",
        ]
    if not sources:
        best = traced.nearest[0].score if traced.nearest else 0.0
        parts.append((f"  no comment comes near (the nearest: {best:.2f})\n", "dim"))
    return Content.assemble(*parts)


class PositionsView(_View):
    """The matrix on the whole screen, and what is to be said of it."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange
        self._text = Static("", markup=False)
        self._box = VerticalScroll(self._text)

    def compose(self) -> ComposeResult:
        with Container():
            self._box.border_title = "who holds which position"
            self._box.border_subtitle = f"{legend()} · Esc closes"
            yield self._box

    def on_resize(self) -> None:
        width = max(24, self._box.scrollable_content_region.width - 1)
        self._text.update(positions_text(self._exchange, width, dark=is_dark(self.app)))


def positions_text(exchange: Exchange, width: int, *, dark: bool) -> Content:
    """Matrix, letters and remarks; a line where there is nothing to show."""
    window = exchange.window
    if window is None or not window.positions:
        return Content("No positions were found in the comments.")
    voices = named(exchange)
    first, *others = (Content(line) for line in remarks(window, width=width))
    drawn = [*grid(window, width, voices), (), *names(window.voices, width, voices)]
    matrix = (coloured(line, voices, dark=dark) for line in drawn)
    return lines([first.stylize("bold"), Content(""), *matrix, Content(""), *others])


class DrawsView(_View):
    """The shares of drawn comments on the whole screen; it ends with whether others are to be drawn."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("f12,ctrl+s", "again", "Draw again")]

    def __init__(self, exchange: Exchange, draws: Draws, again: Callable[[], None]) -> None:
        super().__init__()
        self._exchange, self._draws, self._again = exchange, draws, again
        self._text = Static("", markup=False)
        self._box = VerticalScroll(self._text)

    def compose(self) -> ComposeResult:
        with Container():
            self._box.border_title = "drawn comments"
            self._box.border_subtitle = "F12 draws again · Esc closes"
            yield self._box

    def on_resize(self) -> None:
        width = max(24, self._box.scrollable_content_region.width - 1)
        self._text.update(draws_text(self._exchange, self._draws, width, dark=is_dark(self.app)))

    def action_again(self) -> None:
        """Close, and ask how many comments are to be drawn now."""
        self.dismiss()
        self._again()


def draws_text(exchange: Exchange, draws: Draws, width: int, *, dark: bool) -> Content:
    """Positions with their shares, letters and notes."""
    voices = named(exchange)
    drawn = [*grid_of_shares(draws, width, voices), (), *names(draws.comments, width, voices)]
    shares = (coloured(line, voices, dark=dark) for line in drawn)
    head = Content.styled(headline(draws, width), "bold")
    return lines([head, Content(""), *shares, Content(""), *map(Content, notes(draws))])


class FactsView(_View):
    """What the answer's notes say in full, and what it took."""

    def __init__(self, exchange: Exchange, context: int | None) -> None:
        super().__init__()
        self._exchange = exchange
        self._taken = context

    def compose(self) -> ComposeResult:
        with Container(), VerticalScroll() as box:
            box.border_title = "about this answer"
            box.border_subtitle = "Esc closes"
            yield Static("\n".join(facts(self._exchange, self._taken)), markup=False)


def facts(exchange: Exchange, context: int | None = None) -> Iterator[str]:
    """Notes, then model, draws, tokens and times, and each comment's share of them.

    Args:
        context: tokens of the conversation; None where they are not known.
    """
    yield from (f"Note: {clean(warning)}\n" for warning in exchange.warnings)
    result = exchange.result
    if result is not None:
        drawn = result.answer_sampling
        yield f"model        {one_line(result.llm.id)}"
        yield f"drawn with   seed {drawn.seed}, temperature {drawn.temperature:g}, top p {drawn.top_p:g}"
        for role, used in result.usage.items():
            yield f"{role:<12} {used.prompt:,} tokens read, {used.completion:,} written"
        times = (f"{stage} {took:.1f} s" for stage, took in result.seconds.items())
        yield f"time         {', '.join(times)}"
    if context is not None and result is not None:
        yield f"context      {context:,}/{result.llm.context or 0:,} ctx"
    if (speed := exchange.speed(0.0)) is not None and exchange.status != "running":
        yield f"speed        {speed:.0f} tokens a second"
    if exchange.voices:
        yield ""
    for voice in exchange.voices.values():
        pace = voice.speed(0.0) if voice.seconds is not None else None
        share = f", weight {percent(voice.weight)}" if voice.weight is not None else ""
        paced = f", {pace:.0f} a second" if pace is not None else ""
        yield f"{one_line(voice.community)}: {voice.state or 'not asked'}, {many(voice.tokens, 'token')}{paced}{share}"


def _plain(title: str) -> Any:
    """A title without markup; the toolkit takes what it is declared to take only as text with markup."""
    return Content(title)


def card(community: Community | None) -> Content:
    """The card as the communities screen shows it."""
    if community is None:
        return Content("The card is not here any more.")
    from pluralism_local.tui.screens.card_text import about

    return about(community)
