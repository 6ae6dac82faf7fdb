"""The settings screen, and the form behind it."""

from __future__ import annotations

import pytest

from pluralism_local import config
from pluralism_local.config import Settings
from pluralism_local.errors import InvalidInput
from pluralism_local.tui.screens import fields
from pluralism_local.tui.screens.settings import SettingsScreen
from tests.support.screen_host import NARROW, PENDING, WIDE, Driver, play, shown

BUILT_IN = dict.fromkeys(Settings.model_fields, "built-in")


async def go_to(at: Driver, name: str) -> None:
    for _ in Settings.model_fields:
        if at.app.screen.focused is not None and at.app.screen.focused.id == name:
            return
        await at.press("down")
    raise AssertionError(f"there is no field {name}")


def test_every_setting_has_a_field_or_a_place_of_its_own() -> None:
    shown_names = [name for names in fields.groups().values() for name in names]
    assert sorted([*shown_names, *fields.ELSEWHERE]) == sorted(Settings.model_fields)
    assert all(fields.label(name) for name in shown_names)


@pytest.mark.parametrize("name", [name for names in fields.groups().values() for name in names])
def test_what_is_shown_means_the_value_and_can_be_saved(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLOCAL_PLAN")  # which all tests are run with
    value = getattr(Settings(), name)
    text = fields.as_typed(value)
    assert fields.value_of(name, text) == value
    config.set_value(name, text)
    assert getattr(config.load().settings, name) == value


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("temperature", "hot"),
        ("temperature", "nan"),
        ("temperature", "-1"),
        ("top_p", "0"),
        ("max_tokens", "1.5"),
        ("threads", ""),
        ("gpu_layers", "some"),
        ("ctx_size", "9" * 5000),
    ],
)
def test_a_wrong_value_is_refused_in_the_settings_own_words(name: str, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        fields.value_of(name, text)
    assert str(Settings.model_fields[name].description) in caught.value.message


def test_values_become_text_that_the_config_reads() -> None:
    assert [fields.as_typed(value) for value in (None, True, False, 0.5, "all")] == [
        "auto",
        "true",
        "false",
        "0.5",
        "all",
    ]


def test_only_what_differs_is_changed() -> None:
    texts = {"temperature": "0", "top_p": "0.5", "threads": "auto", "ctx_size": "4096"}
    assert fields.changed(Settings(), texts) == {"top_p": 0.5, "ctx_size": 4096}


def test_the_name_of_every_setting_is_shown_whole() -> None:
    async def scene() -> None:
        async with shown(SettingsScreen(Settings(), BUILT_IN), (80, 60)) as at:
            for names in fields.groups().values():
                assert [name for name in names if f" {fields.label(name)} " not in at.text] == []

    play(scene())


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_typed_values_are_checked_and_only_the_changed_ones_given(size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with shown(SettingsScreen(Settings(), BUILT_IN), size) as at:
            await at.type("hot")
            assert "temperature must be a number between 0 and 100." in at.words
            await at.press("down", "enter")  # the focus goes back to what is wrong
            assert at.app.choice is PENDING
            assert at.app.screen.focused is not None
            assert at.app.screen.focused.id == "temperature"
            await at.press("ctrl+u")
            await at.type("0.7")
            assert "settings · 1 changed" in at.lines[0]
            await go_to(at, "ctx_size")
            await at.type("4096")
            await go_to(at, "offline")
            await at.press("right")
            assert "‹ true ›" in at.text
            await at.press("enter")
            assert await at.chose() == {"temperature": 0.7, "ctx_size": 4096, "offline": True}

    play(scene())


@pytest.mark.parametrize("keys", [["escape"], ["enter"], ["9", "ctrl+z", "escape"], ["9", "ctrl+z", "enter"]])
def test_nothing_changed_is_none(keys: list[str]) -> None:
    async def scene() -> None:
        async with shown(SettingsScreen(Settings(), BUILT_IN)) as at:
            await at.press(*keys)
            assert await at.chose() is None

    play(scene())


@pytest.mark.parametrize(
    ("keys", "choice"),
    [
        (["d"], None),
        (["right", "enter"], None),
        (["s"], {"temperature": 9.0}),
        (["enter"], {"temperature": 9.0}),
        (["escape"], PENDING),
        (["b"], PENDING),
    ],
)
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_leaving_with_changes_asks_what_becomes_of_them(
    keys: list[str], choice: object, size: tuple[int, int]
) -> None:
    async def scene() -> None:
        async with shown(SettingsScreen(Settings(), BUILT_IN), size) as at:
            await at.press("9", "escape")
            await at.sees("Keep the changes of temperature?", "Save (s)", "Discard (d)", "Back (esc)")
            assert at.app.choice is PENDING
            await at.press(*keys)
            if choice is PENDING:
                await at.sees("settings · 1 changed", "9")
                assert at.app.choice is PENDING
                await at.press("ctrl+s")
                assert await at.chose() == {"temperature": 9.0}
            else:
                assert await at.chose() == choice

    play(scene())


def test_saving_a_wrong_value_on_the_way_out_leads_back_to_it() -> None:
    async def scene() -> None:
        async with shown(SettingsScreen(Settings(), BUILT_IN)) as at:
            await at.type("hot")
            await go_to(at, "seed")
            await at.press("escape", "s")
            await at.sees("temperature must be a number between 0 and 100.")
            assert at.app.choice is PENDING
            assert at.app.screen.focused is not None and at.app.screen.focused.id == "temperature"

    play(scene())


def test_a_field_goes_back_to_its_built_in_value() -> None:
    async def scene() -> None:
        async with shown(SettingsScreen(Settings(temperature=2.0, offline=True), BUILT_IN)) as at:
            await at.press("ctrl+r")
            await go_to(at, "offline")
            await at.press("ctrl+r", "ctrl+s")
            assert await at.chose() == {"temperature": 0.0, "offline": False}

    play(scene())


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_what_overrides_a_setting_is_said(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLOCAL_TOP_P", "0.9")
    loaded = config.load({"max_tokens": 9})

    async def scene() -> None:
        async with shown(SettingsScreen(loaded.settings, loaded.origin), size) as at:
            assert "Now from: built-in." in at.words
            await go_to(at, "top_p")
            assert "PLOCAL_TOP_P overrides what is saved" in at.words
            await go_to(at, "max_tokens")
            assert "--max-tokens overrides what is saved" in at.words

    play(scene())


def test_every_field_can_be_reached_and_seen_on_a_narrow_terminal() -> None:
    async def scene() -> None:
        async with shown(SettingsScreen(Settings(), BUILT_IN), NARROW) as at:
            for names in fields.groups().values():
                for name in names:
                    await go_to(at, name)
                    field = at.app.screen.focused
                    assert field is not None
                    assert 1 <= field.region.y < 9
                    assert name in at.text

    play(scene())
