"""The pictures of README.md: the chat over the starter model and the shipped communities.

python -m tests.tui.screenshots [FOLDER]

They are SVG, as Textual draws them, without its font from the network: a reader's own monospaced font is used.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from functools import partial
from pathlib import Path

from pluralism_local.tui.app import ChatApp
from pluralism_local.tui.exchange import Exchange
from tests.support.chat_driver import QUESTION, running, start, until, write

PICTURES = Path(__file__).parent / "pictures"
SIZE = (112, 36)
SECONDS = 900
_FONT = re.compile(r"@font-face \{.*?\}", re.DOTALL)


def over(exchange: Exchange) -> bool:
    return exchange.status not in ("queued", "running")


def searched(exchange: Exchange) -> bool:
    return exchange.search == "over"


def save(app: ChatApp, path: Path) -> None:
    """Write what is on the screen."""
    path.write_text(_FONT.sub("", app.export_screenshot(title="plocal chat")), encoding="utf-8")


async def take(folder: Path) -> None:
    """Ask in two modes and keep a picture of each answer."""
    app = ChatApp(
        start(
            pool="perspectives",
            seed=3,
            max_tokens=60,
            comment_max_tokens=40,
            threads=1,
            plan="fixed",  # nothing to measure for a picture
            log=False,
            chat_positions="always",
        )
    )
    async with running(app, SIZE) as pilot:
        for mode, text in (
            ("overton", QUESTION),
            ("distributional", "Should they be banned? A. Yes B. No C. Only in class"),
        ):
            await pilot.app.run_action(f"mode('{mode}')")
            await write(pilot, text)
            exchange = list(app.session.exchanges.values())[-1]
            await until(pilot, partial(over, exchange), SECONDS)
            if mode == "overton":
                await until(pilot, partial(searched, exchange), SECONDS)
            await pilot.pause(0.5)
            save(app, folder / f"{mode}.svg")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        os.environ["PLOCAL_HOME"] = home
        asyncio.run(take(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES))
