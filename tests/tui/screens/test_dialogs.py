"""Yes or no, and one line."""

from __future__ import annotations

import pytest

from pluralism_local.errors import InvalidInput
from pluralism_local.tui.screens.ask_line import AskLine
from pluralism_local.tui.screens.confirm import Confirm
from tests.support.screen_host import NARROW, PENDING, WIDE, play, shown


def not_x(text: str) -> None:
    if text == "x":
        raise InvalidInput("Not x.", "Take y.")


@pytest.mark.parametrize(
    ("keys", "answer"),
    [
        (["y"], True),
        (["n"], False),
        (["escape"], False),
        (["enter"], False),  # the focus begins on no
        (["left", "enter"], True),
        (["tab", "enter"], True),
    ],
)
def test_a_confirmation_is_answered_by_letter_or_button(keys: list[str], answer: bool) -> None:
    async def scene() -> None:
        async with shown(Confirm("Delete it?", yes="Delete", no="Keep"), NARROW) as at:
            assert "Delete it?" in at.text
            assert "Delete (y)" in at.text
            assert "Keep (n, esc)" in at.text
            await at.press(*keys)
            assert await at.chose() is answer

    play(scene())


def test_a_line_is_checked_while_it_is_typed_and_not_taken_before_it_will_do() -> None:
    async def scene() -> None:
        async with shown(AskLine("Which?", "old", check=not_x, hint="letters")) as at:
            assert "letters" in at.text
            await at.type("x")  # replaces what stood there
            assert "Not x. Take y." in at.text
            await at.press("enter")
            assert at.app.choice is PENDING
            await at.type("y ")
            assert "Not x" not in at.text
            await at.press("enter")
            assert await at.chose() == "xy"

    play(scene())


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_esc_gives_no_line_and_a_long_question_leaves_room_for_it(size: tuple[int, int]) -> None:
    async def scene() -> None:
        async with shown(AskLine("漢字 " * 60 + "\x1b[31m", "value", check=not_x), size) as at:
            assert "value" in at.text
            assert "esc cancel" in at.text
            await at.press("escape")
            assert await at.chose() is None

    play(scene())
