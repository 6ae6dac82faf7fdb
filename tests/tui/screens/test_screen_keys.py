"""The keys at the bottom, and the help of each screen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.screen import Screen

from pluralism_local.communities import Library
from pluralism_local.config import Settings
from pluralism_local.history import History
from pluralism_local.tui.screens.communities import CommunitiesScreen
from pluralism_local.tui.screens.frame import Frame
from pluralism_local.tui.screens.history import HistoryScreen
from pluralism_local.tui.screens.models import ModelsScreen
from pluralism_local.tui.screens.settings import SettingsScreen
from tests.support.screen_host import NARROW, WIDE, play, shown

SCREENS: list[type[Frame[Any]]] = [CommunitiesScreen, ModelsScreen, HistoryScreen, SettingsScreen]


def make(kind: type[Frame[Any]], village: Path) -> Screen[Any]:
    if kind is CommunitiesScreen:
        library = Library([village / "data" / "communities"])
        return CommunitiesScreen(library, library.pool("village"))
    if kind is ModelsScreen:
        return ModelsScreen(Settings(), "starter")
    if kind is HistoryScreen:
        return HistoryScreen(History(village / "logs.db"))
    return SettingsScreen(Settings(), {})


@pytest.mark.parametrize("kind", SCREENS)
@pytest.mark.parametrize("size", [WIDE, NARROW, (20, 8), (200, 60)])
def test_a_screen_says_its_name_above_and_its_keys_below(
    kind: type[Frame[Any]], size: tuple[int, int], village: Path
) -> None:
    async def scene() -> None:
        async with shown(make(kind, village), size) as at:
            await at.until(lambda: "f1 keys" in at.lines[-1])
            assert at.lines[0].strip().startswith(kind.NAME[: size[0] - 2])
            assert all(len(line) <= size[0] for line in at.lines)
            first = kind.KEYS[0]
            assert f"{first.label} {first.short}" in "\n".join(at.lines[-2:])

    play(scene())


@pytest.mark.parametrize("kind", SCREENS)
def test_f1_shows_every_key_of_the_screen(kind: type[Frame[Any]], village: Path) -> None:
    async def scene() -> None:
        async with shown(make(kind, village)) as at:
            await at.press("f1")
            for key in kind.KEYS:
                assert key.label in at.text
                assert key.what[:30] in at.text
            await at.press("escape")
            assert "f1 keys" in at.lines[-1]

    play(scene())


@pytest.mark.parametrize("kind", SCREENS)
def test_a_screen_survives_being_made_narrow_and_wide(kind: type[Frame[Any]], village: Path) -> None:
    async def scene() -> None:
        async with shown(make(kind, village)) as at:
            for size in (NARROW, (10, 4), WIDE):
                await at.pilot.resize_terminal(*size)
                await at.pilot.pause()
            await at.until(lambda: "f1 keys" in at.lines[-1])
            assert at.lines[0].strip().startswith(kind.NAME)

    play(scene())
