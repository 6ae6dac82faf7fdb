"""The screens over the chat, and what becomes of their answers."""

from __future__ import annotations

from typing import Any

from textual.screen import Screen

from pluralism_local import config
from pluralism_local.communities import ad_hoc_pool
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.tui import open_screens
from pluralism_local.tui.app import ChatApp
from pluralism_local.tui.screens.communities import CommunitiesScreen
from pluralism_local.tui.screens.help import HelpScreen
from pluralism_local.tui.screens.history import HistoryScreen
from pluralism_local.tui.screens.models import ModelsScreen
from pluralism_local.tui.screens.settings import SettingsScreen
from tests.support.chat_driver import QUESTION, ask, chat, play, running, screen, start, until


def answered(app: ChatApp, kind: type[Screen[Any]], value: object) -> None:
    """Close the screen with an answer, as a user's choice would."""
    assert isinstance(app.screen, kind)
    app.screen.dismiss(value)


def test_communities_chosen_are_asked_from_then_on() -> None:
    async def scene() -> None:
        app = chat()
        async with running(app) as pilot:
            await until(pilot, lambda: app.session.library)
            library = app.session.library
            assert library is not None
            await pilot.press("f2")
            await pilot.pause()
            answered(app, CommunitiesScreen, ad_hoc_pool([(library.community("millers"), None)]))
            exchange = await ask(pilot, app, QUESTION)
            assert list(exchange.voices) == ["millers"]
            assert "pool: ad-hoc" in screen(app)

    play(scene())


def test_a_model_chosen_is_opened() -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="vanilla"), second=ScriptedEngine())
        async with running(app) as pilot:
            await pilot.press("f3")
            await pilot.pause()
            answered(app, ModelsScreen, "second")
            await until(pilot, lambda: app.session.state.settings.model == "second")
            await pilot.press("f3")
            await pilot.pause()
            answered(app, ModelsScreen, None)
            assert (await ask(pilot, app, QUESTION)).status == "done"

    play(scene())


def test_settings_are_used_at_once_and_kept_in_the_config() -> None:
    async def scene() -> None:
        engine = ScriptedEngine(record=True)
        app = chat(start(model="first", mode="vanilla"), engine)
        async with running(app) as pilot:
            await pilot.press("f4")
            await pilot.pause()
            answered(app, SettingsScreen, {"seed": 11, "max_tokens": 5, "logging": False})
            await pilot.pause()
            await ask(pilot, app, QUESTION)
            sampling = engine.calls[-1].requests[0].sampling  # type: ignore[union-attr]
            assert (sampling.seed, sampling.max_tokens) == (11, 5)
            assert not app.history_log.writing
            await pilot.press("f9")
            await pilot.pause()
            assert "seed 11" in screen(app)

    play(scene())
    kept = config.load().settings
    assert (kept.seed, kept.max_tokens, kept.logging) == (11, 5, False)


def test_a_setting_of_the_engine_opens_it_again() -> None:
    async def scene() -> None:
        opened: list[int | None] = []

        def open_one(name: str, settings: config.Settings, status: object) -> ScriptedEngine:
            opened.append(settings.ctx_size)
            return ScriptedEngine()

        from pluralism_local.conversation.engines import Engines

        app = ChatApp(start(model="first", mode="vanilla"), engines=Engines(None, "first", open_one))
        async with running(app) as pilot:
            await ask(pilot, app, QUESTION)
            open_screens.save_settings(app, {"ctx_size": 2048})
            await until(pilot, lambda: app.session.state.settings.ctx_size == 2048)
            await ask(pilot, app, "And now?")
            assert opened == [None, 2048]

    play(scene())


def test_settings_that_cannot_be_saved_are_used_all_the_same(monkeypatch: Any) -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="vanilla"))
        async with running(app) as pilot:
            config.paths().config_file.write_text("this is no TOML")
            open_screens.save_settings(app, {"seed": 5})
            await pilot.pause()
            assert app.session.state.seed == 5
            assert "Error:" in screen(app)

    play(scene())


def test_a_conversation_chosen_is_opened() -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="vanilla"))
        async with running(app) as pilot:
            first = await ask(pilot, app, QUESTION)
            id = app.history_log.history().list()[0].id
            await pilot.press("ctrl+n", "ctrl+o")
            await pilot.pause()
            answered(app, HistoryScreen, id)
            await until(pilot, lambda: app.session.exchanges)
            await pilot.pause()
            assert first.answer.split(".")[0][:40] in screen(app)
            assert len(app.session.state.turns) == 1

    play(scene())


def test_help_shows_every_key() -> None:
    async def scene() -> None:
        app = chat()
        async with running(app, (100, 50)) as pilot:
            await pilot.press("f1")
            await until(pilot, lambda: isinstance(app.screen, HelpScreen))
            await pilot.pause()
            shown = screen(app)
            for key in ("enter", "escape", "ctrl+t", "ctrl+o", "f2", "f8", "ctrl+q", "pageup"):
                assert key in shown, key

    play(scene())


def test_a_theme_that_is_chosen_is_worn_and_kept() -> None:
    async def scene() -> None:
        app = chat()
        async with running(app) as pilot:
            assert app.theme == "textual-dark"
            app.theme = "nord"
            await pilot.pause()
        assert config.load().settings.theme == "nord"
        again = chat(start(model="first"))
        async with running(again) as pilot:
            assert again.theme == "nord"
        odd = chat(start(model="first", theme="plaid"))
        async with running(odd) as pilot:
            await until(pilot, lambda: "There is no theme 'plaid'" in screen(odd))

    play(scene())
