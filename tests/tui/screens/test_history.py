"""The history screen, over a real database."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.history import ConversationSummary, History
from pluralism_local.results import Aggregate, Comment, Result
from pluralism_local.tui.screens.history import HistoryScreen
from pluralism_local.types import ModelInfo, Sampling, Usage
from tests.support.screen_host import NARROW, PENDING, WIDE, Driver, play, shown


def result(prompt: str, answer: str, distribution: Aggregate | None = None) -> Result:
    info = ModelInfo("starter", "llama.cpp")
    comments = (Comment("farmers", "Rain is late.", "stop", Usage(), 1.0),)
    return Result(
        "overton", prompt, answer, comments, info, info, Sampling(), Sampling(), distribution=distribution
    )


def tell(history: History, prompt: str, answer: str) -> str:
    id = history.begin(prompt)
    history.finish(history.ask(id, "overton", prompt, {}), result(prompt, answer))
    return id


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with History(tmp_path / "logs.db") as opened:
        yield opened


@pytest.fixture
def ids(history: History) -> list[str]:
    """Three conversations, the first begun first."""
    talks = [
        ("Who owns the sea?", "Nobody, say some."),
        ("魚は誰のもの？", "漁師のもの。"),
        ("Is bread dear?", "It is."),
    ]
    return [tell(history, prompt, answer) for prompt, answer in talks]


async def ready(at: Driver) -> None:
    await at.sees("Is bread dear?")


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_the_newest_comes_first_and_enter_opens(
    history: History, ids: list[str], size: tuple[int, int]
) -> None:
    async def scene() -> None:
        async with shown(HistoryScreen(history), size) as at:
            await ready(at)
            assert "▸ Is bread dear?" in at.lines[2]
            assert "魚は誰のもの" in at.lines[3]
            assert "Who owns the sea?" in at.lines[4]
            await at.press("down", "down", "enter")
            assert await at.chose() == ids[0]

    play(scene())


def test_the_preview_shows_prompt_answer_bars_and_who_was_heard(history: History) -> None:
    id = history.begin("Shall we sow?")
    bars = Aggregate(("yes", "no"), (0.75, 0.25), {}, {}, 0.0, 0.56, "exact")
    history.finish(
        history.ask(id, "distributional", "Shall we sow?", {}), result("Shall we sow?", "yes", bars)
    )
    history.fail(history.ask(id, "overton", "Why?", {}), "The model is gone.")

    async def scene() -> None:
        async with shown(HistoryScreen(history), (100, 30)) as at:
            await at.sees("you  Shall we sow?", "75.0 %  yes", "25.0 %  no", "heard: farmers", "2 turns")
            await at.sees("you  Why?", "failed: The model is gone.", "(no answer)")

    play(scene())


def test_on_a_narrow_terminal_the_preview_takes_the_lists_place(history: History, ids: list[str]) -> None:
    async def scene() -> None:
        async with shown(HistoryScreen(history), NARROW) as at:
            await ready(at)
            await at.press("i")
            await at.sees("you  Is bread dear?")
            await at.press("end")
            await at.sees("It is.")
            await at.press("i")
            await at.sees("▸ Is bread dear?", "Who owns the sea?")

    play(scene())


def test_search_finds_words_of_answers_while_typing(history: History, ids: list[str]) -> None:
    async def scene() -> None:
        async with shown(HistoryScreen(history)) as at:
            await ready(at)
            await at.press("slash")
            await at.type("nobody")
            await at.until(lambda: "bread" not in at.text)
            await at.sees("▸ Who owns the sea?", "1 found", "found  Nobody, say some.")
            await at.type("x")
            await at.sees("Nothing has 'nobodyx'. Esc clears the search.")
            await at.press("enter", "enter", "d", "r", "e")  # there is nothing to do any of it to
            await at.sees("No conversation is chosen.")
            assert at.app.choice is PENDING
            await at.press("slash", "escape")
            await at.sees("Is bread dear?", "history · 3")

    play(scene())


def test_typing_never_waits_for_the_database(
    history: History, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    let_go = threading.Event()
    plain = history.list

    def slow(search: str = "", limit: int = 50, offset: int = 0) -> list[ConversationSummary]:
        asked.append(search)
        let_go.wait(60)
        return plain(search, limit, offset)

    async def scene() -> None:
        async with shown(HistoryScreen(history)) as at:
            await ready(at)
            monkeypatch.setattr(history, "list", slow)
            await at.press("slash")
            await at.type("who")
            await at.until(lambda: asked)  # the search hangs in its thread
            await at.type(" owns")
            assert at.lines[1].strip() == "who owns"
            let_go.set()
            await at.sees("1 found", "▸ Who owns the sea?")
            assert asked[-1] == "who owns"

    play(scene())


def test_more_are_read_when_the_cursor_comes_to_the_end(history: History) -> None:
    for number in range(60):
        tell(history, f"Question {number}", "Yes.")

    async def scene() -> None:
        async with shown(HistoryScreen(history)) as at:
            await at.sees("history · 50+", "Question 59")
            await at.press("end")
            await at.sees("history · 60", "▸ Question 10")
            await at.press("end")
            assert "▸ Question 0" in at.text

    play(scene())


def test_r_renames(history: History, ids: list[str]) -> None:
    async def scene() -> None:
        async with shown(HistoryScreen(history)) as at:
            await ready(at)
            await at.press("down", "down", "r")
            await at.sees("Title")
            await at.press("ctrl+u", "enter")  # nothing is no title
            assert "at least one character" in at.text
            await at.type("The sea")
            await at.press("enter")
            await at.sees("▸ The sea")
            assert history.get(ids[0]).title == "The sea"

    play(scene())


@pytest.mark.parametrize(("answer", "left"), [("y", 2), ("n", 3), ("escape", 3)])
def test_d_deletes_once_it_is_confirmed(history: History, ids: list[str], answer: str, left: int) -> None:
    async def scene() -> None:
        async with shown(HistoryScreen(history)) as at:
            await ready(at)
            await at.press("end", "d")
            await at.sees("Delete 'Who owns the sea?' with 1 turn?")
            await at.press(answer)
            await at.until(lambda: "cannot be brought back" not in at.text)
            if left == 2:
                await at.sees("history · 2", "▸ 魚は誰のもの")
            assert len(history.list()) == left

    play(scene())


def test_e_exports_and_replaces_only_what_may_be_replaced(history: History, ids: list[str]) -> None:
    async def scene() -> None:
        async with shown(HistoryScreen(history), (100, 24)) as at:
            await ready(at)
            await at.press("e")
            await at.sees("is-bread-dear.md")
            await at.press("enter")
            await at.sees("Written to")
            file = Path("is-bread-dear.md")
            assert "It is." in file.read_text()
            file.write_text("mine")
            await replaced(at, "n")
            assert file.read_text() == "mine"
            await replaced(at, "y")
            await at.sees("Written to")
            assert "It is." in file.read_text()

    play(scene())


async def replaced(at: Driver, answer: str) -> None:
    """Export to the same name again, and answer the question."""
    await at.press("e", "enter")
    await at.sees("is-bread-dear.md exists. Replace it?")
    await at.press(answer)
    await at.until(lambda: "Replace it?" not in at.text)


@pytest.mark.parametrize("name", ["out.json", "out.html"])
def test_the_ending_says_the_format(history: History, ids: list[str], name: str) -> None:
    async def scene() -> None:
        async with shown(HistoryScreen(history)) as at:
            await ready(at)
            await at.press("e", "ctrl+u")
            await at.type("out.txt")
            assert ".md, .json or .html" in at.lines[-1]
            await at.press("ctrl+u")
            await at.type(name)
            await at.press("enter")
            await at.sees("Written to")
            text = Path(name).read_text()
            if name.endswith(".json"):
                assert json.loads(text)["conversations"][0]["title"] == "Is bread dear?"
            else:
                assert "<html" in text

    play(scene())


def test_an_empty_history_says_what_comes_here(history: History) -> None:
    async def scene() -> None:
        async with shown(HistoryScreen(history), NARROW) as at:
            await at.sees("Nothing is here yet.")
            await at.press("enter", "d")
            assert at.app.choice is PENDING
            await at.press("escape")
            assert await at.chose() is None

    play(scene())


def test_what_another_process_has_deleted_is_said(history: History, ids: list[str]) -> None:
    async def scene() -> None:
        async with shown(HistoryScreen(history)) as at:
            await ready(at)
            history.delete(ids[0])
            await at.press("end", "r")
            await at.sees("Title")
            await at.type("x")
            await at.press("enter")
            await at.sees("There is no conversation")

    play(scene())
