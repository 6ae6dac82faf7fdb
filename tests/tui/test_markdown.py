"""What a model wrote is drawn: all of it, however it looks to a Markdown parser."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from textual.app import App, ComposeResult
from textual.containers import VerticalScroll
from textual.pilot import Pilot

from pluralism_local.display.figures import clean
from pluralism_local.tui.markdown import DEEPEST, MOST_COLUMNS, AnswerMarkdown, parser
from tests.support.chat_driver import play

MARKUP = re.compile(r"[\s*_`~#>|+=:.\d-]+")
"""What a parser may take for markup, and numbers of lists."""

BARE = re.compile(r"\s+")


class Page(App[None]):
    """One answer, and nothing else."""

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield AnswerMarkdown()

    @property
    def answer(self) -> AnswerMarkdown:
        return self.query_one(AnswerMarkdown)

    async def draw(self, pilot: Pilot[None], text: str) -> str:
        await self.answer.show(text, growing=False)
        return await self.drawn(pilot)

    async def drawn(self, pilot: Pilot[None]) -> str:
        await pilot.pause()
        lines = self.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in line) for line in lines)


def read(text: str) -> str:
    """All text of the parsed answer, in order."""
    words = list[str]()
    for token in parser().parse(text):
        if token.type in ("fence", "code_block"):
            words.append(token.info + token.content)
        words += ["\n" if child.type == "hardbreak" else child.content for child in token.children or ()]
        words.append("\n")
    return "".join(words)


LITERAL = [
    "Write to <name>, if a<b and c>d. Use List<String>.",
    "<div>\nhi\n</div>",
    "<details><summary>More</summary>hidden</details>",
    "<think>\nThe first is closest.",
    "<script>alert(1)</script> <style>x</style> <pre>\ny",
    "before <!-- a comment --> after",
    "<!-- begun\n\nand never ended",
    "<?php x ?> <![CDATA[y]]> <!DOCTYPE z>",
    "&lt;b&gt; &amp;amp; &copy; &#65; &#x42; &nbsp;",
    "<https://example.org/a> <a@example.org> https://example.org/%41 www.example.org",
    "[name](https://example.org 'title') ![picture](x.png) [a][b] [c]",
    "[1]: https://example.org/x",
    "[1]: <y>\n[2]: z 'title'",
    "\\(x\\) C:\\!new\\(1) \\<b> \\\\ \\",
    "2*3*4 = 24, 2**3**4, f(a)*(b)*(c), x[0]*[1]*[2]",
    ">5 years",
    "Values\n>5 are high",
    "[/b] [bold] [@click=x]y[/] \\[red]",
]


@pytest.mark.parametrize("text", LITERAL)
def test_it_is_text_as_it_was_written(text: str) -> None:
    assert BARE.sub("", read(text)) == BARE.sub("", text)


def test_all_of_it_is_on_the_screen_too() -> None:
    async def scene() -> None:
        page = Page()
        async with page.run_test(size=(100, 30)) as pilot:
            for text in LITERAL:
                assert BARE.sub("", await page.draw(pilot, text)) == BARE.sub("", text)

    play(scene())


plain = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=60)
pieces = st.one_of(
    plain,
    st.sampled_from(
        [
            *(
                "<",
                "</",
                ">",
                "<!--",
                "-->",
                "<b>",
                "<think>",
                "&lt;",
                "&",
                "[",
                "](",
                "]: ",
                "![",
                "\\",
                "a",
            ),
            *(
                "\n",
                "\n\n",
                "\n```",
                "\n~~~ x",
                "\n> ",
                "\n- ",
                "\n  1. ",
                "\n    ",
                "\n---\n",
                "**",
                "_",
                "`",
            ),
            *("|", "\n|-|-|\n"),
        ]
    ),
)
answers = st.lists(pieces, max_size=12).map("".join).map(clean)


@settings(deadline=None)
@given(answers)
@example("|a|b|\n|-|-|\n|1|2|three|")
@example("|a|\n|-|\n|1|two|")
@example(f"|{'a|' * (MOST_COLUMNS + 1)}\n|{'-|' * (MOST_COLUMNS + 1)}\n")
@example(f"{'>' * 2 * DEEPEST} deep")
@example(f"{'- ' * 2 * DEEPEST}deep")
@example("```Yes")
@example("```<name> is said\ncode\n```")
@example("> ~~~ quoted &lt;words>")
@example("<div>\n\n# <b>head</b>\n\n- <i>item</i>")
def test_nothing_but_markup_is_left_out(text: str) -> None:
    drawn, written = MARKUP.sub("", read(text)), MARKUP.sub("", text)
    # the name of a code block's language is left out; what it highlights is not
    assert drawn == written or [word for word in re.findall(r"(?:```|~~~)\s*(\S*)", text) if word]


unmarked = st.text(
    st.characters(codec="ascii", categories=("L", "N", "P", "S", "Zs")), min_size=1, max_size=200
)
"""Words, brackets and signs, with what begins markup taken out."""


def test_every_character_of_a_plain_answer_is_on_the_screen() -> None:
    async def scene(texts: Sequence[str]) -> None:
        page = Page()
        async with page.run_test(size=(60, 40)) as pilot:
            for text in texts:
                assert BARE.sub("", await page.draw(pilot, text)) == BARE.sub("", text)

    @settings(deadline=None, max_examples=10, suppress_health_check=list(HealthCheck))
    @given(st.lists(unmarked.map(lambda text: re.sub(r"[*_`~#>|+=.)\-]|\s{4,}", "", text)), max_size=10))
    def check(texts: list[str]) -> None:
        play(scene(texts))

    check()


WIDE = [
    "    indented words that are wider than the terminal, so they go on below",
    "```python\nx = 'a line of code that is wider than the terminal, so it goes on below'\n```",
    "|first|second|\n|-|-|\n|words that are wider than a column|averyveryverylongwordwiderthananycolumn|",
    f"|{'wide|' * MOST_COLUMNS}\n|{'-|' * MOST_COLUMNS}\n|{'cells|' * MOST_COLUMNS}",
]


def test_what_is_wider_than_the_terminal_goes_on_below() -> None:
    """By the letters, as the words of a table are drawn beside each other."""

    async def scene() -> None:
        page = Page()
        async with page.run_test(size=(38, 60)) as pilot:
            for text in WIDE:
                drawn = await page.draw(pilot, text)
                letters = re.sub(r"[^a-z]", "", text.removeprefix("```python"))
                assert sorted(re.sub(r"[^a-z]", "", drawn)) == sorted(letters)

    play(scene())


def test_depth_leaves_room_for_words() -> None:
    async def scene() -> None:
        page = Page()
        async with page.run_test(size=(38, 60)) as pilot:
            for mark in ("> ", "- ", "1. ", "> - "):
                assert "deep" in await page.draw(pilot, mark * 2 * DEEPEST + "deep")

    play(scene())


def test_lines_are_kept_apart() -> None:
    async def scene() -> None:
        page = Page()
        async with page.run_test(size=(60, 20)) as pilot:
            drawn = await page.draw(pilot, "An old silent pond\nA frog jumps in\u2028Splash")
            assert [line.strip() for line in drawn.splitlines() if line.strip()] == [
                "An old silent pond",
                "A frog jumps in",
                "Splash",
            ]

    play(scene())


def test_markdown_is_still_formatted() -> None:
    kinds = {
        token.type for token in parser().parse("# a\n\n- **b** `c`\n\n> d\n\n|e|\n|-|\n|f|\n\n```py\ng\n```")
    }
    assert {"heading_open", "bullet_list_open", "blockquote_open", "table_open", "fence"} <= kinds
    (paragraph,) = [token for token in parser().parse("**b** *i* `c` ~~s~~") if token.type == "inline"]
    marks = {child.type for child in paragraph.children or ()}
    assert {"strong_open", "em_open", "code_inline", "s_open"} <= marks


def test_cells_of_a_table_can_be_pointed_at() -> None:
    async def scene() -> None:
        page = Page()
        async with page.run_test(size=(60, 20), tooltips=True) as pilot:
            await page.draw(pilot, "|a [/x]|b|\n|-|-|\n|c [/y]|d|")
            for cell in page.query("MarkdownTableCellContents"):
                await pilot.hover(cell)
                await pilot.pause(0.4)

    play(scene())


STREAMED = [
    *LITERAL,
    "# Head <x>\n\nOne.\n\n- a\n- b <c>\n\n  more\n\n1. d\n\nTwo.",
    "|a|b|\n|-|-|\n|1|<2>|\n|3|4|\n\n```py\nx < y\n\n\nz\n```\nEnd.",
    "para\n===\nnext\n---\n\n> a\nb\n\n***\n\n    code\n\n    more\n\nend",
    "a\u2028b\n\nc\u2029d\n\n\ne",
    "|a|b|\n|-|-|\n|1|2|\n|1|2|three|\n\nend",
]


@pytest.mark.parametrize("size", [1, 3, 7])
def test_an_answer_that_streams_looks_as_one_that_comes_at_once(size: int) -> None:
    async def scene() -> None:
        page = Page()
        async with page.run_test(size=(60, 40)) as pilot:
            for text in STREAMED:
                whole = await page.draw(pilot, text)
                for end in range(0, len(text) + size, size):
                    await page.answer.show(text[:end], growing=True)
                await page.answer.show(text, growing=False)
                assert await page.drawn(pilot) == whole, text

    play(scene())
