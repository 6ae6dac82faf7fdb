"""Screens over the chat, and what becomes of their answers. They are imported when they are opened.

action ──> function here ──push_screen──> a screen ──its answer──> ChatSession
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from pluralism_local.errors import InvalidInput, PlocalError
from pluralism_local.mode_specs import listed

if TYPE_CHECKING:
    from pluralism_local.communities import Pool
    from pluralism_local.tui.chat import Chat


def communities(app: Chat) -> None:
    """Choose who is asked."""
    from pluralism_local import wiring
    from pluralism_local.tui.screens.communities import CommunitiesScreen

    session = app.session
    pool = session.state.pool
    if pool is None:
        app.notify(
            "The communities are still being read, or cannot be; see the transcript.", severity="warning"
        )
        return

    def take(chosen: Pool | None) -> None:
        if chosen is not None:
            session.use_pool(chosen)
            app.refresh_chat()

    library = session.library or wiring.library(session.state.settings)
    fingerprint = session.model.fingerprint if session.model else None
    app.push_screen(CommunitiesScreen(library, pool, fingerprint), take)


def models(app: Chat) -> None:
    """Switch the model."""
    from pluralism_local.tui.screens.models import ModelsScreen

    def take(name: str | None) -> None:
        if name:
            app.session.use_model(name)
            app.refresh_chat()

    settings = app.session.state.settings
    app.push_screen(ModelsScreen(settings, settings.model), take)


def history(app: Chat) -> None:
    """Open an earlier conversation."""
    from pluralism_local.tui.screens.history import HistoryScreen

    try:
        database = app.history_log.history()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the file, the chat goes on
        app.tell_trouble(error)
        return

    def take(conversation: str | None) -> None:
        if conversation is None:
            return
        try:
            chosen = database.get(conversation)
        except PlocalError as error:
            app.tell_trouble(error)
            return
        app.session.open_conversation(chosen)
        app.rebuild()

    app.push_screen(HistoryScreen(database), take)


def settings(app: Chat) -> None:
    """Change settings and keep them in the config."""
    from pluralism_local.tui.screens.settings import SettingsScreen

    def take(changed: Mapping[str, object] | None) -> None:
        if changed:
            save_settings(app, changed)

    app.push_screen(SettingsScreen(app.session.state.settings, dict(app.origin)), take)


def save_settings(app: Chat, changed: Mapping[str, object]) -> None:
    """Use changed settings now, and write them to the user's config; trouble with the file is told, not raised."""
    from pluralism_local import config
    from pluralism_local.tui.screens.fields import as_typed

    now = app.session.state.settings
    app.session.use_settings(type(now).model_validate({**now.model_dump(), **changed}))
    if "theme" in changed:
        app.wear(str(changed["theme"]))
    if "logging" in changed:
        app.history_log.writing = bool(changed["logging"])
    try:
        for name, value in changed.items():
            file = config.set_value(name, as_typed(value))
            app.origin[name] = f"user config {file}"
    except PlocalError as error:
        app.tell_trouble(error)
    app.refresh_chat()


def keep_theme(app: Chat, theme: str) -> None:
    """Write a theme that was chosen into the config."""
    if theme != app.session.state.settings.theme:
        save_settings(app, {"theme": theme})
    app.view.transcript.redraw()
    app.refresh_chat()


def show_help(app: Chat) -> None:
    """All keys."""
    from pluralism_local.tui.keys import help_rows
    from pluralism_local.tui.screens.help import HelpScreen

    app.push_screen(HelpScreen(list(help_rows())))


def options(app: Chat, prompt: str = "") -> None:
    """Type the options to weigh; with a prompt, send it then."""
    from pluralism_local.tui.options_form import OptionsForm

    def take(chosen: tuple[str, ...] | None) -> None:
        if chosen is None:
            return
        app.session.use_options(chosen)
        if prompt:
            app.send(prompt)
        app.refresh_chat()

    app.push_screen(OptionsForm(app.session.state.options), take)


def comment(app: Chat, community: str) -> None:
    """A whole comment beside its card."""
    from pluralism_local.tui.detail_screens import CommentView
    from pluralism_local.tui.exchange import LiveComment

    exchange = app.watched
    voice = exchange.voices.get(community) if exchange else None
    pool = app.session.state.pool
    cards = {member.community.id: member.community for member in pool.members} if pool else {}
    card = cards.get(community)
    if card is None and app.session.library is not None:
        try:
            card = app.session.library.community(community)
        except PlocalError:
            card = None
    app.push_screen(CommentView(voice or LiveComment(community, state="has said nothing yet"), card))


def trace(app: Chat) -> None:
    """Who said what of the watched answer: by the words at once, by entailment when that was looked into."""
    from pluralism_local.conversation.trace import TRACEABLE
    from pluralism_local.tui.detail_screens import TraceView

    exchange = app.watched
    if exchange is None or not exchange.is_heard:
        app.notify(f"Only an {listed(TRACEABLE)} answer can be traced to comments.", severity="warning")
        return
    searching = exchange.sources is None and app.session.look(exchange, "sources")
    app.push_screen(TraceView(exchange, searching=searching))


def apart(app: Chat) -> None:
    """Who disagrees: the positions of an answer, looked for first where need be, or each community's own shares."""
    from pluralism_local.tui.detail_screens import PositionsView

    exchange = app.watched
    if exchange is None or not exchange.is_heard:
        app.view.distribution.apart = not app.view.distribution.apart
    elif exchange.window is not None:
        app.push_screen(PositionsView(exchange))
    elif not app.session.look(exchange, "positions"):
        app.notify("There is no model yet that could look for positions.", severity="warning")
    if exchange is not None:
        app.view.transcript.show(exchange)
    app.refresh_chat()


def draws(app: Chat) -> None:
    """Many comments of each community and their positions: those of the watched answer, or as many as are typed."""
    from pluralism_local.tui.detail_screens import DrawsView

    exchange = app.watched
    if exchange is not None and exchange.draws is not None:
        app.push_screen(DrawsView(exchange, exchange.draws, lambda: draw(app)))
    else:
        draw(app)


def draw(app: Chat) -> None:
    """Ask how many comments are to be drawn for the watched answer, and have them drawn."""
    from pluralism_local.positions.shares import MOST
    from pluralism_local.tui.draws_pane import USUAL, DrawsForm, in_words_of_the_chat

    session, exchange = app.session, app.watched
    if exchange is None or not exchange.is_over:
        app.notify("Nothing was asked yet." if exchange is None else "Still answering.", severity="warning")
        return
    if exchange.draws_search == "running":
        app.notify("Comments are being drawn; Esc stops.")
        return
    usual = session.state.draws or max(2, min(USUAL, MOST // max(1, len(exchange.voices))))
    settings = session.state.settings
    try:
        session.lookups.draw_cost(exchange, 2, settings)
    except InvalidInput as error:
        app.notify(in_words_of_the_chat(error), severity="warning")
        return

    def take(number: int | None) -> None:
        if number is None:
            return
        if not session.look(exchange, "draws", draws=number):
            app.notify("There is no model yet that could draw comments.", severity="warning")
        app.refresh_chat()

    app.push_screen(
        DrawsForm(usual, lambda number: session.lookups.draw_cost(exchange, number, settings)), take
    )


def about(app: Chat) -> None:
    """Notes and figures of the watched answer."""
    from pluralism_local.tui.detail_screens import FactsView

    exchange = app.watched
    if exchange is None:
        app.notify("Nothing was asked yet.", severity="warning")
    else:
        app.push_screen(FactsView(exchange, app.session.context))


SCREENS: Mapping[str, Callable[[Chat], None]] = MappingProxyType(
    {
        "communities": communities,
        "models": models,
        "history": history,
        "settings": settings,
        "help": show_help,
        "options": options,
        "trace": trace,
        "apart": apart,
        "draws": draws,
        "about": about,
    }
)
"""What `ChatApp.action_open` opens, by name."""
