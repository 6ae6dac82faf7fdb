"""Screens about one exchange: a comment beside its card, and who said what of the answer.

CommentView(voice, community)     TraceView(traced sentences)     Esc or Enter closes either
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from pluralism_local.conversation.trace import FAINT, TITLE, Traced
from pluralism_local.display.figures import clean, one_line
from pluralism_local.tui.exchange import LiveComment

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
        Binding("escape,enter,q", "dismiss(None)", "Close"),
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
    """Each sentence of the answer with the comments nearest to it."""

    def __init__(self, traced: Sequence[Traced]) -> None:
        super().__init__()
        self._traced = traced

    def compose(self) -> ComposeResult:
        with Container(), VerticalScroll() as box:
            box.border_title = TITLE
            box.border_subtitle = "0 to 1: cosine of content words, not of meaning · Esc closes"
            for sentence in self._traced:
                yield Static(traced_text(sentence), markup=False)


def traced_text(traced: Traced) -> Content:
    """The sentence, then up to three communities with their score and the words that come nearest."""
    lines: list[Content | str | tuple[str, str]] = [(clean(traced.sentence), "bold"), "\n"]
    sources = [near for near in traced.nearest[:_SHOWN] if near.score >= FAINT]
    for near in sources:
        lines += [
            f"  {near.score:.2f}  {one_line(near.community)}: ",
            (one_line(near.sentence, 200), "italic"),
            "\n",
        ]
    if not sources:
        best = traced.nearest[0].score if traced.nearest else 0.0
        lines.append((f"  no comment comes near (the nearest: {best:.2f})\n", "dim"))
    return Content.assemble(*lines)


def _plain(title: str) -> Any:
    """A title without markup; the toolkit takes what it is declared to take only as text with markup."""
    return Content(title)


def card(community: Community | None) -> Content:
    """The card as the communities screen shows it."""
    if community is None:
        return Content("The card is not here any more.")
    from pluralism_local.tui.screens.card_text import about

    return about(community)
