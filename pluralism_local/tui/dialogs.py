"""Screens over the chat, and what becomes of their answers. They are imported when they are opened.

action ──> function here ──push_screen──> a screen ──its answer──> Session
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from pluralism_local.errors import PlocalError
from pluralism_local.mode_specs import SPECS, listed

if TYPE_CHECKING:
    from pluralism_local.communities import Pool
    from pluralism_local.tui.app import ChatApp


def communities(app: ChatApp) -> None:
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


def models(app: ChatApp) -> None:
    """Switch the model."""
    from pluralism_local.tui.screens.models import ModelsScreen

    def take(name: str | None) -> None:
        if name:
            app.session.use_model(name)
            app.refresh_chat()

    settings = app.session.state.settings
    app.push_screen(ModelsScreen(settings, settings.model), take)


def history(app: ChatApp) -> None:
    """Open an earlier conversation."""
    from pluralism_local.tui.screens.history import HistoryScreen

    try:
        database = app.memory.history()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the file, the chat goes on
        app.tell_trouble(error)
        return

    def take(conversation: str | None) -> None:
        if conversation is None:
            return
        try:
            found = database.get(conversation)
        except PlocalError as error:
            app.tell_trouble(error)
            return
        app.session.open_conversation(found)
        app.rebuild()

    app.push_screen(HistoryScreen(database), take)


def settings(app: ChatApp) -> None:
    """Change settings and keep them in the config."""
    from pluralism_local.tui.screens.settings import SettingsScreen

    def take(changed: Mapping[str, object] | None) -> None:
        if changed:
            save_settings(app, changed)

    app.push_screen(SettingsScreen(app.session.state.settings, dict(app.origin)), take)


def save_settings(app: ChatApp, changed: Mapping[str, object]) -> None:
    """Use changed settings now, and write them to the user's config; trouble with the file is told, not raised."""
    from pluralism_local import config

    now = app.session.state.settings
    app.session.use_settings(type(now).model_validate({**now.model_dump(), **changed}))
    if "theme" in changed:
        app.wear(str(changed["theme"]))
    if "logging" in changed:
        app.memory.writing = bool(changed["logging"])
    try:
        for name, value in changed.items():
            file = config.set_value(name, as_text(value))
            app.origin[name] = f"user config {file}"
    except PlocalError as error:
        app.tell_trouble(error)
    app.refresh_chat()


def keep_theme(app: ChatApp, theme: str) -> None:
    """Write a theme that was chosen into the config."""
    if theme != app.session.state.settings.theme:
        save_settings(app, {"theme": theme})


def as_text(value: object) -> str:
    """A setting as `config.set_value` reads it."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def show_help(app: ChatApp) -> None:
    """All keys."""
    from pluralism_local.tui.keys import help_rows
    from pluralism_local.tui.screens.help import HelpScreen

    app.push_screen(HelpScreen(list(help_rows())))


def options(app: ChatApp, prompt: str = "") -> None:
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


def comment(app: ChatApp, community: str) -> None:
    """A whole comment beside its card."""
    from pluralism_local.tui.exchange import Voice
    from pluralism_local.tui.views import CommentView

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
    app.push_screen(CommentView(voice or Voice(community, state="has said nothing yet"), card))


def trace(app: ChatApp) -> None:
    """Who said what of the watched answer."""
    from pluralism_local.tui.trace import trace as find
    from pluralism_local.tui.views import TraceView

    exchange = app.watched
    traced = exchange is not None and SPECS[exchange.mode].comments == "together"
    if exchange is None or not traced or not exchange.answer.strip() or not exchange.comments:
        able = listed(spec.name for spec in SPECS.values() if spec.comments == "together")
        app.notify(f"Only an {able} answer can be traced to comments.", severity="warning")
        return
    app.push_screen(TraceView(find(exchange.answer, exchange.comments)))


SCREENS: Mapping[str, Callable[[ChatApp], None]] = MappingProxyType(
    {
        "communities": communities,
        "models": models,
        "history": history,
        "settings": settings,
        "help": show_help,
        "options": options,
        "trace": trace,
    }
)
"""What `ChatApp.action_open` opens, by name."""
