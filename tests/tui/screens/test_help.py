"""The keys, at any width."""

from __future__ import annotations

from textual.containers import VerticalScroll

from pluralism_local.tui.screens.help import HelpScreen
from tests.support.screen_host import NARROW, WIDE, play, shown

ROWS = [
    (f"ctrl+{letter}", f"Does the thing that {letter} stands for, whatever that may be")
    for letter in "abcdefghij"
]


def test_wide_the_sentence_stands_beside_its_key() -> None:
    async def scene() -> None:
        async with shown(HelpScreen({"Here": ROWS[:2], "There": ROWS[2:4]}), WIDE) as at:
            assert "ctrl+a  Does the thing that a stands for" in at.text
            assert (
                at.text.index("Here")
                < at.text.index("ctrl+a")
                < at.text.index("There")
                < at.text.index("ctrl+c")
            )

    play(scene())


def test_narrow_it_wraps_between_words_and_scrolls_to_the_last() -> None:
    async def scene() -> None:
        async with shown(HelpScreen(ROWS), NARROW) as at:
            assert at.lines[1].strip() == "ctrl+a"
            assert "ctrl+j" not in at.text
            assert all(len(line.rstrip()) <= 40 for line in at.lines)
            await at.press("end")
            await at.until(lambda: "ctrl+j" in at.text)
            assert at.app.screen.query_one(VerticalScroll).has_focus
            await at.press("escape")
            assert await at.chose() is None

    play(scene())
