"""What two modes need beside a question: the attribute of steerable, the options of distributional."""

from __future__ import annotations

from textual.widgets import Input

from pluralism_local.tui.distribution_pane import DistributionPane
from pluralism_local.tui.options_form import OptionsForm
from pluralism_local.tui.prompt import PromptBox
from tests.support.chat_driver import QUESTION, ask, chat, play, running, screen, start, until, write


def test_steerable_wants_an_attribute_and_shows_the_choice() -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="steerable"))
        async with running(app) as pilot:
            await write(pilot, QUESTION)
            field = app.query_one("#attribute", Input)
            assert app.focused is field
            assert app.query_one(PromptBox).text == QUESTION
            await pilot.press("enter")
            assert not app.session.exchanges  # nothing to steer towards yet
            field.focus()
            await pilot.press(*"rural", "enter")
            await until(pilot, lambda: app.session.exchanges)
            exchange = app.session.exchanges[1]
            await until(pilot, lambda: exchange.status == "done")
            await pilot.pause()
            assert exchange.attribute == "rural"
            assert exchange.selection is not None and exchange.selection.probabilities is not None
            p = exchange.selection.probabilities[exchange.selection.community]
            shown = screen(app)
            assert f"chosen: {exchange.selection.community} {100 * p:.1f} %" in shown
            assert "chosen by the LLM" in shown  # the pane, with a bar for each
            assert "f5" in shown.splitlines()[-1]  # there is a comment to read

    play(scene())


def test_an_attribute_written_beside_a_draft_sends_nothing() -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="steerable"))
        async with running(app) as pilot:
            await pilot.press(*"Is")
            app.query_one("#attribute", Input).focus()
            await pilot.press(*"rural", "enter", *" it?")
            assert app.query_one(PromptBox).text == "Is it?"
            assert not app.session.exchanges

    play(scene())


def test_the_next_mode_takes_the_keys_away_from_the_attribute() -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="steerable"))
        async with running(app) as pilot:
            app.query_one("#attribute", Input).focus()
            await pilot.press("ctrl+t", *"Why?")
            assert app.query_one(PromptBox).text == "Why?"
            assert app.session.state.attribute == ""

    play(scene())


def test_distributional_reads_options_from_the_prompt() -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="distributional"))
        async with running(app) as pilot:
            exchange = await ask(pilot, app, f"{QUESTION} A. Yes B. No")
            found = exchange.distribution
            assert found is not None and found.options == ("Yes", "No")
            shown = screen(app)
            assert "model estimate" in shown
            assert f"{100 * found.p[0]:.1f} %" in shown
            assert f"outside the options {100 * found.unassigned_mass:.1f} %" in shown
            assert "entropy" in shown
            pane = app.query_one(DistributionPane)
            before = pane.virtual_size.height
            await pilot.press("f7")
            await pilot.pause()
            assert pane.virtual_size.height > before  # each community's own bars
            assert f"{100 * found.per_community['fishers'][0]:.1f} %" in pane._text.plain

    play(scene())


def test_distributional_asks_for_options_that_the_prompt_lacks() -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="distributional"))
        async with running(app) as pilot:
            await write(pilot, QUESTION)
            await until(pilot, lambda: isinstance(app.screen, OptionsForm))
            await pilot.press(*"Yes", "enter", "enter")
            assert isinstance(app.screen, OptionsForm)  # one option is too few
            await pilot.press(*"No", "enter", "enter")
            await until(pilot, lambda: app.session.exchanges)
            exchange = app.session.exchanges[1]
            await until(pilot, lambda: exchange.status == "done")
            assert exchange.distribution is not None
            assert exchange.distribution.options == ("Yes", "No")

    play(scene())


def test_leaving_the_form_keeps_the_prompt() -> None:
    async def scene() -> None:
        app = chat(start(model="first", mode="distributional"))
        async with running(app) as pilot:
            await write(pilot, QUESTION)
            await until(pilot, lambda: isinstance(app.screen, OptionsForm))
            await pilot.press("escape")
            await pilot.pause()
            assert app.query_one(PromptBox).text == QUESTION
            assert not app.session.exchanges

    play(scene())
