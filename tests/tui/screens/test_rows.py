"""The list: cursor, messages, and lines that fit whatever they hold."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult

from pluralism_local.tui.screens.rows import ListRow, Rows, fitted
from tests.support.screen_host import play


class Listing(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[str, str | None]] = []

    def compose(self) -> ComposeResult:
        yield Rows()

    def on_rows_moved(self, event: Rows.Moved) -> None:
        self.said.append(("moved", event.row.key if event.row else None))

    def on_rows_chosen(self, event: Rows.Chosen) -> None:
        self.said.append(("chosen", event.row.key))

    @property
    def list(self) -> Rows:
        return self.query_one(Rows)


def lines(app: Listing) -> list[str]:
    return [app.list.render_line(y).text for y in range(len(app.list.rows))]


@pytest.mark.parametrize(
    "text", ["short", "a longer text than fits", "漢字漢字漢字漢字漢字", "שלום עולם שלום", ""]
)
@pytest.mark.parametrize("width", [0, 1, 2, 9, 10])
def test_a_fitted_text_has_exactly_that_many_cells(text: str, width: int) -> None:
    assert cell_len(fitted(text, width)) == width


def test_what_is_cut_ends_in_an_ellipsis_and_what_fits_does_not() -> None:
    assert fitted("abcdef", 4) == "abc…"
    assert fitted("abcd", 4) == "abcd"
    assert fitted("漢字漢", 4) == "漢… "


def test_arrows_move_enter_chooses_and_the_ends_hold() -> None:
    async def scene() -> None:
        app = Listing()
        async with app.run_test(size=(40, 5)) as pilot:
            app.list.show([ListRow(str(number), f"row {number}") for number in range(9)])
            await pilot.press("up", "down", "down", "enter", "end", "down", "home")
            await pilot.pause()
            moved = [key for what, key in app.said if what == "moved"]
            assert moved == ["0", "1", "2", "8", "0"]
            assert ("chosen", "2") in app.said

    play(scene())


def test_the_cursor_stays_on_its_row_when_rows_come_and_go() -> None:
    async def scene() -> None:
        app = Listing()
        async with app.run_test(size=(40, 5)) as pilot:
            app.list.show([ListRow(key, key) for key in "abc"])
            await pilot.press("down")
            app.list.show([ListRow(key, key) for key in "xyabc"])
            assert app.list.row == ListRow("b", "b")
            app.list.show([ListRow(key, key) for key in "ac"])  # b is gone: the nearest place
            assert app.list.row == ListRow("c", "c")
            app.list.show([])
            await pilot.press("enter", "down", "pagedown")
            assert app.list.rows == ()
            assert app.said[-1] == ("moved", None)
            assert not [what for what, _ in app.said if what == "chosen"]

    play(scene())


def test_the_cursor_is_seen_without_colour_and_a_far_row_is_scrolled_to() -> None:
    async def scene() -> None:
        app = Listing()
        async with app.run_test(size=(40, 5)) as pilot:
            app.list.show([ListRow(str(number), f"row {number}") for number in range(50)])
            await pilot.press("end")
            await pilot.pause()
            shown = [app.list.render_line(y).text for y in range(5)]
            assert [line for line in shown if line.startswith("▸")] == [shown[-1]]
            assert "row 49" in shown[-1]

    play(scene())


@pytest.mark.parametrize(("width", "right"), [(80, "sixteen per cent"), (40, "16%")])
def test_the_text_gives_way_to_the_right_which_is_short_where_there_is_little_room(
    width: int, right: str
) -> None:
    async def scene() -> None:
        app = Listing()
        async with app.run_test(size=(width, 5)) as pilot:
            wide = "社區" * 30
            app.list.show(
                [
                    ListRow("a", "a", "[x] ", ("sixteen per cent", "16%")),
                    ListRow("b", wide, "[ ] ", ("sixteen per cent", "16%")),
                    ListRow("c", "broken " * 20, "✗ "),
                ]
            )
            await pilot.pause()
            assert {cell_len(line) for line in lines(app)} == {width}
            assert lines(app)[0].endswith(right)
            assert lines(app)[1].endswith(right)
            assert lines(app)[1].startswith("  [ ] 社區")

    play(scene())
