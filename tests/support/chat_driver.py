"""A chat to drive: over the scripted engine, over one that waits for a word, or over the starter model."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from textual.pilot import Pilot

from pluralism_local import config
from pluralism_local.conversation.ask_builder import AskChoices
from pluralism_local.conversation.engines import Engines
from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import NotFound
from pluralism_local.tui.app import ChatApp
from pluralism_local.tui.exchange import Exchange
from pluralism_local.tui.prompt import PromptBox
from pluralism_local.tui.state import Start
from pluralism_local.types import EngineEvent, Request, TextDelta

QUESTION = "Should phones be banned in schools?"


class Gated(ScriptedEngine):
    """A scripted engine that waits at every word until it is allowed to say it, or told to stop."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.said = 0
        self._words = threading.Semaphore(0)
        self._free = False

    def allow(self, words: int | None = None) -> None:
        """Let it say so many more words; None: all."""
        self._free = self._free or words is None
        self._words.release(words or 1)

    def hold(self) -> None:
        """Allow no more words than it has said."""
        self._free = False
        self._words = threading.Semaphore(0)

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        for event in super().generate(requests, should_stop=should_stop):
            if isinstance(event, TextDelta):
                while not (self._free or self._words.acquire(timeout=0.01) or should_stop()):
                    pass
                self.said += 1
            yield event

    def close(self) -> None:
        self.closed = True
        super().close()


def opener(**models: LanguageModel) -> Callable[..., LanguageModel]:
    """Opens one of these by name; any other name is not there."""

    def open_one(name: str, settings: config.Settings, status: Callable[[str], None]) -> LanguageModel:
        status(f"loading {name} …")
        if name not in models:
            raise NotFound(f"There is no model '{name}'.", "Known: " + ", ".join(models))
        return models[name]

    return open_one


def start(log: bool = True, **more: Any) -> Start:
    """The beginning that these settings make; `attribute` and the like are the start's own."""
    own = {name: more.pop(name) for name in ("attribute", "specs") if name in more}
    conversation, draws = more.pop("conversation", None), more.pop("draws", 0)
    loaded = config.load(more)
    choices = AskChoices(**own)
    return Start(loaded.settings, loaded.origin, choices, draws=draws, log=log, conversation=conversation)


def chat(begin: Start | None = None, engine: LanguageModel | None = None, **models: LanguageModel) -> ChatApp:
    """A chat over `engine`, known as "first", and over `models` by their names."""
    begin = begin or start(model="first")
    return ChatApp(begin, engines=Engines(None, "first", opener(first=engine or ScriptedEngine(), **models)))


@asynccontextmanager
async def running(app: ChatApp, size: tuple[int, int] = (100, 30)) -> AsyncIterator[Pilot[None]]:
    """Run `app` without a terminal, then close what it opened."""
    try:
        async with app.run_test(size=size) as pilot:
            yield pilot
    finally:
        assert await asyncio.to_thread(app.shut)


async def until(pilot: Pilot[None], reached: Callable[[], object], seconds: float = 250) -> None:
    """Let the application run until something is true."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not reached within {seconds} s"
        await pilot.pause(0.01)


async def write(pilot: Pilot[None], text: str) -> None:
    """Put `text` into the prompt and send it."""
    pilot.app.query_one(PromptBox).put(text)
    await pilot.press("enter")


async def ask(pilot: Pilot[None], app: ChatApp, text: str) -> Exchange:
    """Send `text` and wait until it is answered; the exchange."""
    await write(pilot, text)
    exchange = list(app.session.exchanges.values())[-1]
    await until(pilot, lambda: exchange.status not in ("queued", "running"))
    await pilot.pause()
    return exchange


def screen(app: ChatApp) -> str:
    """What the terminal would show, as text."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line)[:width] for line in lines[:height])


def play(scene: Coroutine[Any, Any, None]) -> None:
    """Run an asynchronous test."""
    asyncio.run(scene)
