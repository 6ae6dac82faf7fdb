"""How it feels: typing while six communities of the real engine write, and how often the screen is told."""

from __future__ import annotations

import asyncio
import re
import statistics
import sys
import time
from dataclasses import dataclass

import pytest
from textual import events
from textual.message import Message
from textual.screen import Screen

from pluralism_local.tui.app import ChatApp
from pluralism_local.tui.prompt import PromptBox
from pluralism_local.tui.worker_events import WorkProgress
from tests.support.chat_driver import QUESTION, running, start, until, write

LIMIT = 0.05
"""Seconds from a key to the screen that the issue allows."""

_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Watched(ChatApp):
    """Notes what goes to the terminal and when, and when progress is sent."""

    def __init__(self, *arguments: object, **more: object) -> None:
        super().__init__(*arguments, **more)  # type: ignore[arg-type]
        self.painted: list[tuple[float, str]] = []
        self.told: list[float] = []

    def _display(self, screen: Screen[object], renderable: object) -> None:
        super()._display(screen, renderable)  # type: ignore[arg-type]
        render = getattr(renderable, "render_segments", None)
        if render is not None:
            self.painted.append((time.perf_counter(), _ANSI.sub("", render(self.console))))

    def post_message(self, message: Message) -> bool:
        if isinstance(message, WorkProgress):  # when it is sent: a late event loop takes two at a time
            self.told.append(time.perf_counter())
        return super().post_message(message)


@dataclass(frozen=True)
class Measured:
    """One run: seconds per key, seconds of processor time per turn of the event loop, most updates in a second."""

    delays: list[float]
    turns: list[float]
    busiest: int

    def __str__(self) -> str:
        late = sum(delay >= LIMIT for delay in self.delays)
        return (
            f"{len(self.delays)} keys: median {1000 * statistics.median(self.delays):.1f} ms, "
            f"worst {1000 * max(self.delays):.1f} ms, {late} above 50 ms; "
            f"longest turn of the event loop {1000 * max(self.turns):.1f} ms of processor time; "
            f"{self.busiest} updates in the busiest second\n"
        )


@pytest.mark.slow  # it measures time: run it on a machine that does little else
@pytest.mark.usefixtures("starter_path")
def test_typing_while_six_communities_write(capsys: pytest.CaptureFixture[str]) -> None:
    """A key waits for its turn of the processor, too, where others have taken the cores, which no program can help:
    the median is asked of the best of six runs. What the application itself takes is asked of every one.
    """
    runs: list[Measured] = []
    while len(runs) < 6 and not any(statistics.median(run.delays) < LIMIT for run in runs):
        runs.append(measure())
        with capsys.disabled():
            sys.stdout.write(f"\n{runs[-1]}")
        assert len(runs[-1].delays) >= 20
        assert max(runs[-1].turns) < LIMIT  # the application never holds a key up so long
        assert runs[-1].busiest <= 20
    assert statistics.median(runs[-1].delays) < LIMIT


def measure() -> Measured:
    """Type while six communities write."""

    async def scene() -> Measured:
        app = Watched(start(pool="perspectives", comment_max_tokens=150, max_tokens=32, threads=2))
        async with running(app) as pilot:
            await write(pilot, QUESTION)
            exchange = app.session.exchanges[1]
            await until(pilot, lambda: any(voice.tokens > 1 for voice in exchange.voices.values()))
            app.told.clear()
            turns: list[float] = []
            watch = asyncio.create_task(processor_time_of_turns(turns))
            delays = await type_while_running(app)
            watch.cancel()
            told = list(app.told)  # before it closes: what is left then goes out at once
        return Measured(delays, turns, max(sum(t <= u < t + 1 for u in told) for t in told))

    return asyncio.run(scene())


async def processor_time_of_turns(turns: list[float]) -> None:
    """Note how much processor time this thread takes between two turns of the event loop, in seconds."""
    while True:
        before = time.thread_time()
        await asyncio.sleep(0)
        turns.append(time.thread_time() - before)
        await asyncio.sleep(0.002)


async def type_while_running(app: Watched) -> list[float]:
    """Type letters while communities write; seconds from each key to the first paint that shows it."""
    prompt, delays, text = app.query_one(PromptBox), list[float](), ""
    while app.session.running is not None and not app.session.running.answer and len(delays) < 60:
        letter = "abcdefghijklmnopqrstuvwxyz"[len(delays) % 26]
        text += letter
        app.painted.clear()
        pressed = time.perf_counter()
        app.post_message(events.Key(letter, letter))
        while not any(text[-40:] in shown for _, shown in app.painted):
            assert time.perf_counter() - pressed < 60
            await asyncio.sleep(0.001)
        delays.append(next(at for at, shown in app.painted if text[-40:] in shown) - pressed)
        await asyncio.sleep(0.07)
    assert prompt.text == text
    return delays
