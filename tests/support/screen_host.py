"""An application with nothing but one of the screens, and ways to look at it and type into it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen

PENDING = object()
"""The choice of a screen that is still open."""

WIDE, NARROW = (80, 24), (40, 12)
_PATIENCE = 120.0
"""Seconds, on whatever else the machine has to do."""


class Host(App[None]):
    """Shows the screen and keeps what it was dismissed with in `choice`."""

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._first = screen
        self.choice: object = PENDING

    def on_mount(self) -> None:
        self.push_screen(self._first, self._take)

    def _take(self, choice: object) -> None:
        self.choice = choice


class Driver:
    """Hands and eyes."""

    def __init__(self, app: Host, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    @property
    def text(self) -> str:
        """What is on the terminal, line by line."""
        return "\n".join(strip.text for strip in self.app.screen._compositor.render_strips())

    @property
    def words(self) -> str:
        """The same on one line, so that it does not matter where a text is wrapped."""
        return " ".join(self.text.split())

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type letters, digits and the like."""
        names = {
            " ": "space",
            ".": "full_stop",
            "-": "minus",
            "/": "slash",
            "%": "percent_sign",
            "_": "underscore",
        }
        await self.press(*(names.get(letter, letter) for letter in text))

    async def until(self, reached: Callable[[], object]) -> None:
        """Let the application work until something is so."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            await self.pilot.pause(0.01)
            if reached():
                return
            assert time.monotonic() < deadline, f"it never came to that; on the screen is:\n{self.text}"

    async def sees(self, *texts: str) -> None:
        """Wait until all of these are on the screen, wherever they are wrapped."""
        await self.until(lambda: all(" ".join(text.split()) in self.words for text in texts))

    async def chose(self) -> object:
        """Wait until the screen is left; its choice."""
        await self.until(lambda: self.app.choice is not PENDING)
        return self.app.choice


@asynccontextmanager
async def shown(screen: Screen[Any], size: tuple[int, int] = WIDE) -> AsyncIterator[Driver]:
    """The screen in a terminal of `size` columns and lines."""
    app = Host(screen)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        yield Driver(app, pilot)


def play(scene: Coroutine[Any, Any, None]) -> None:
    """Run an asynchronous test."""
    asyncio.run(scene)
