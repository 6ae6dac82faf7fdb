"""An ask from settings and choices; what a conversation hands on to its next turn."""

from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local import config
from pluralism_local.agreement import Deliberation
from pluralism_local.config import Settings
from pluralism_local.conversation.ask_builder import (
    AskChoices,
    build_ask,
    choose_pool,
    going_on,
    latest_or,
    to_continue,
)
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.history import Conversation, History, asked_with, default_path
from pluralism_local.mode_specs import MODES, ModeName
from pluralism_local.modes import Ask
from pluralism_local.types import Message, Sampling
from tests.support.mode_asks import answer

QUESTION = "Ban phones?\nA. Yes\nB. No"


def conversation(
    mode: ModeName, settings: Settings, attribute: str | None = None, system: str | None = None
) -> Conversation:
    """One turn, asked so, in the history."""
    pool = choose_pool(settings, ("farmers", "fishers"))
    ask = build_ask(settings, QUESTION, mode=mode, pool=pool, attribute=attribute, system=system)
    with History(default_path()) as history:
        id = history.begin(QUESTION)
        turn = history.ask(id, mode, QUESTION, asked_with(ask, settings))
        history.finish(turn, answer(ask, ScriptedEngine()))
        return history.get(id)


def test_the_settings_sampling_is_the_asks() -> None:
    settings = Settings(
        mode="vanilla",
        temperature=0.5,
        top_p=0.8,
        max_tokens=7,
        comment_temperature=0.3,
        seed=3,
        orders="reverse",
    )
    ask = build_ask(settings, QUESTION, retries=2)
    assert ask == Ask(
        QUESTION,
        "vanilla",
        orders="reverse",
        answer=Sampling(0.5, 0.8, 7, 5),
        comment=Sampling(0.3, 0.9, 200, 5),
    )


def test_every_field_of_an_ask_can_be_given() -> None:
    with_everything = build_ask(
        Settings(take_sides=True),
        QUESTION,
        pool=choose_pool(Settings(pool="village")),
        mode="overton",
        attribute="rural",
        options=["Yes", "No"],
        system="Be brief.",
        turns=conversation("overton", Settings(pool="village")).to_go_on(),
        history=[Message("user", "Hello")],
        positions=True,
        prompts="own",
        draws=8,
        deliberation=Deliberation(1),
        keep=True,
    )
    plain = build_ask(Settings(mode="vanilla", orders="asked"), "Another?", retries=1)
    assert [
        field.name
        for field in fields(Ask)
        if getattr(with_everything, field.name) == getattr(plain, field.name)
    ] == []


def test_positions_are_left_out_where_comments_are_not_put_together() -> None:
    ask = build_ask(Settings(mode="vanilla"), QUESTION, positions=True, prompts="own")
    assert (ask.positions, ask.prompts) == (False, "auto")


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**33))
def test_a_retry_takes_another_seed_and_one_that_there_is(seed: int, retries: int) -> None:
    settings = Settings(seed=seed)
    drawn = settings.answer_sampling(retries).seed
    assert 0 <= drawn < 2**32 and drawn == settings.comment_sampling(retries).seed
    assert (drawn == seed) == (retries % 2**32 == 0)


def test_single_communities_with_weights() -> None:
    pool = choose_pool(Settings(), ("farmers", "fishers"), (0.75, 0.25))
    assert [(member.community.id, member.weight) for member in pool.members] == [
        ("farmers", 0.75),
        ("fishers", 0.25),
    ]


@pytest.mark.parametrize("mode", MODES)
def test_a_conversation_goes_on_as_it_was_asked(mode: ModeName) -> None:
    before = conversation(mode, Settings(), attribute="rural", system="Be brief.")
    loaded = config.load({})
    settings, choices = going_on(loaded.settings, loaded.origin, AskChoices(), before)
    assert settings.mode == mode
    attribute = "rural" if mode == "steerable" else None
    assert choices == AskChoices(("farmers", "fishers"), (), attribute, "Be brief.")


def test_what_is_told_now_counts() -> None:
    before = conversation("steerable", Settings(), attribute="rural", system="Be brief.")
    loaded = config.load({"mode": "vanilla", "pool": "village"})
    told = AskChoices(attribute="coastal", system="Be long.")
    assert going_on(loaded.settings, loaded.origin, told, before) == (loaded.settings, told)
    loaded = config.load({})
    told = AskChoices(specs=("fishers",))
    assert going_on(loaded.settings, loaded.origin, told, before)[1].specs == ("fishers",)
    assert going_on(loaded.settings, loaded.origin, told, None) == (loaded.settings, told)


def test_which_conversation_is_gone_on_with() -> None:
    assert latest_or(None) is None
    with pytest.raises(NotFound, match="no conversation"):
        to_continue(None)
    with History(default_path()) as history:
        empty = history.begin("Nothing")
        history.ask(empty, "vanilla", "Nothing", {})
    with pytest.raises(InvalidInput, match="no answer to go on from"):
        to_continue(empty)
    with pytest.raises(NotFound):
        latest_or("zzzz")
    before = conversation("vanilla", Settings())
    assert to_continue(None) == to_continue(before.id) == latest_or(None) == before
