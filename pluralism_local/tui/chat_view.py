"""The chat's widgets in their places, and how they are brought up to date.

    ChatView: header | transcript, side (values, positions, draws, communities, distribution) | attribute or options
              | prompt | status

Wide terminals have the side pane beside the transcript, narrow ones below it, narrow and short ones in its place on
demand; where no community is asked and nobody has looked for values there is none. The view shows a session and decides
nothing.
"""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from pluralism_local.mode_specs import SPECS
from pluralism_local.tui.communities_pane import CommunitiesPane
from pluralism_local.tui.distribution_pane import DistributionPane
from pluralism_local.tui.draws_pane import DrawsPane
from pluralism_local.tui.exchange import Exchange, LiveComment
from pluralism_local.tui.positions_pane import PositionsPane
from pluralism_local.tui.prompt import PromptBox
from pluralism_local.tui.session import ChatSession
from pluralism_local.tui.splitter import Splitter
from pluralism_local.tui.status import StatusLine, header, status
from pluralism_local.tui.transcript import Transcript
from pluralism_local.tui.values_pane import ValuesPane

WIDE = 72
TALL = 20
LEAST, MOST = 20.0, 80.0
"""Percent of the chat's width, or height, that the side pane can take."""


class ChatView(Vertical):
    """All of the chat.

    Attributes:
        transcript, values, positions, draws, communities, distribution, attribute, prompt: its parts.
        side_share: percent of the width that the panes take, or of the height where they lie below.
    """

    DEFAULT_CSS = """
    ChatView { height: 1fr; }
    ChatView #body { height: 1fr; }
    ChatView #side { width: 42%; min-width: 24; height: 1fr; }
    ChatView.-alone Splitter { display: none; }
    ChatView.-alone #side { display: none; }
    ChatView #side.-drawn PositionsPane, ChatView #side.-drawn DrawsPane { max-height: 35%; }
    ChatView #side.-reading PositionsPane, ChatView #side.-reading ValuesPane { max-height: 35%; }
    ChatView #side.-weighing PositionsPane { max-height: 25%; }
    ChatView #steering { height: 1; background: $panel; }
    ChatView #steering Static { width: 10; padding: 0 1; color: $text-muted; }
    ChatView #attribute { width: 1fr; height: 1; border: none; padding: 0; background: $panel; }
    ChatView #options { height: 1; padding: 0 1; color: $text-muted; background: $panel; }
    """
    RESPONSIVE_CSS = """
    Screen.-short PromptBox { min-height: 1; max-height: 3; border: none; padding: 0 1; }
    Screen.-narrow #body { layout: vertical; }
    Screen.-narrow #side { width: 100%; min-width: 0; height: 42%; }
    Screen.-narrow Splitter { display: none; }
    Screen.-narrow.-short #side { display: none; }
    Screen.-narrow.-short.-side #side { display: block; height: 1fr; }
    Screen.-narrow.-short.-side #transcript { display: none; }
    """
    """For `App.CSS`: a widget's own style sheet does not see the screen's classes."""

    def __init__(self) -> None:
        super().__init__()
        self.transcript = Transcript(id="transcript")
        self.values = ValuesPane(id="values")
        self.positions = PositionsPane(id="positions")
        self.draws = DrawsPane(id="draws")
        self.communities = CommunitiesPane(id="communities")
        self.distribution = DistributionPane(id="distribution")
        self.attribute = Input(placeholder="e.g. rural voters", id="attribute", compact=True)
        self.prompt = PromptBox(id="prompt")
        self.side_share = 42.0
        self._last: tuple[ChatSession, Exchange | None, int | None] | None = None  # what was shown
        self._side = Vertical(
            self.values, self.positions, self.draws, self.communities, self.distribution, id="side"
        )
        self._header, self._status = StatusLine("header"), StatusLine("status")
        self._steering = Horizontal(Static("towards", markup=False), self.attribute, id="steering")
        self._options = Static("", id="options", markup=False)

    def compose(self) -> ComposeResult:
        yield self._header
        with Horizontal(id="body"):
            yield self.transcript
            yield Splitter()
            yield self._side
        yield self._steering
        yield self._options
        yield self.prompt
        yield self._status

    def show(self, session: ChatSession, watched: Exchange | None, *, marked: int | None) -> None:
        """Bring all but the transcript's texts up to date.

        Args:
            watched: the exchange that the panes are about.
            marked: the number of one to mark as such; None for none.
        """
        self._last = session, watched, marked
        state, width = session.state, self.size.width - 2
        spec = SPECS[state.mode]
        self._header.say(header(session, width))
        self._status.say(status(session, watched, width))
        self._steer(spec.attribute)
        self._options.display = spec.options == "needed"
        self.values.show(watched)
        heard = bool(watched.voices) if watched is not None else spec.communities
        self.communities.display = heard
        self._make_room(heard or self.values.display)
        self.transcript.welcome(session)
        answers = " · ".join(state.options) or "from the prompt (A. … B. …)"
        self._options.update(f"options: {answers}   F8 types them")
        if watched is None and state.pool is not None:
            members = state.pool.members
            self.communities.show_voices(
                [LiveComment(member.community.id, member.weight, "") for member in members]
            )
        else:
            self.communities.show(watched)
        self.positions.show(watched)
        self.draws.show(watched)
        self._side.set_class(self.draws.display, "-drawn")
        self.distribution.show(watched)
        self.transcript.mark(marked)

    def _steer(self, steerable: bool) -> None:
        """Show the attribute's line only where it steers."""
        if not steerable and self.attribute.has_focus:
            self.prompt.focus()  # what is hidden would keep the keys
        self._steering.display = steerable

    def _make_room(self, needed: bool) -> None:
        """Show the side pane only where there is something in it."""
        if not needed and self._side.has_focus_within:
            self.prompt.focus()  # what is hidden would keep the keys
        self.set_class(not needed, "-alone")

    def on_resize(self) -> None:
        self.share(self.side_share)
        if self._last is not None:
            session, watched, marked = self._last
            self.call_after_refresh(self.show, session, watched, marked=marked)

    def on_descendant_focus(self) -> None:
        """Whoever reads comments has most of the pane for them."""
        self._side.set_class(self.communities.has_focus, "-reading")
        self._side.set_class(self.values.has_focus, "-weighing")

    def share(self, percent: float) -> None:
        """Give the side pane so much of the width, or of the height where it lies below."""
        self.side_share = min(MOST, max(LEAST, percent))
        beside = not self.screen.has_class("-narrow")
        below = not beside and self.screen.has_class("-tall")
        self._side.styles.width = f"{self.side_share:g}%" if beside else None
        self._side.styles.height = f"{self.side_share:g}%" if below else None

    def rebuild(self, session: ChatSession) -> None:
        """Show the session's exchanges and its attribute in place of those that are shown."""
        self.attribute.value = session.state.attribute
        self.transcript.clear()
        for exchange in list(session.exchanges.values()):
            self.transcript.show(exchange)

    def give_back(self, text: str) -> None:
        """Put a prompt back where it was written, unless something else is written there."""
        if not self.prompt.text:
            self.prompt.put(text)
