"""Markdown and HTML for readers: everything is there, and nothing in it is taken for markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from pluralism_local.history import History, markdown, page
from pluralism_local.results import Aggregate
from tests.support.documents import OPEN, heads
from tests.support.results import result, talk

NASTY = "<script>alert('x')</script> & \"q\" </div></details> \x1b[31m \u202e"
YES_NO = Aggregate(("Yes", "<b>No"), (0.75, 0.25), {}, {}, 0.1, 0.56, "exact")


class Tags(HTMLParser):
    """The tags that a browser would see, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_one_file_with_every_text_escaped(history: History) -> None:
    talk(history, result(NASTY, NASTY, NASTY, distribution=YES_NO), title=NASTY)
    history.fail(history.ask(talk(history, result("مرحبا")), "moe", "Why?", {}), NASTY)
    text = page.dump(history.all())
    parsed = Tags(text)
    assert parsed.open == []
    assert "script" not in parsed.seen and "b" not in parsed.seen
    assert parsed.text.count("<script>alert('x')</script>") == 5  # title, prompt, answer, comment, message
    assert "75.0 %" in parsed.text and "Model estimate" in parsed.text and "مرحبا" in parsed.text
    assert not {name for name, _ in parsed.attributes} & {"src", "href", "onclick"}
    assert "\x1b" not in text and "http://" not in text and "https://" not in text
    assert "<title>2 conversations</title>" in text


def test_markdown_frames_every_text(history: History) -> None:
    id = talk(
        history, result("# Not a title\n\nReally?", "**Kept** as it is.\x07", "> a\n- b", distribution=YES_NO)
    )
    history.fail(history.ask(id, "moe", "Why?", {}), "Out of *memory*.")
    text = markdown.dump(history.all())
    blocks = text.split("\n\n")
    assert blocks[0] == "# \\# Not a title Really?"
    assert "> # Not a title\n>\n> Really?" in blocks
    assert "**Kept** as it is." in blocks
    assert "| Yes | 75.0 % |\n| \\<b\\>No | 25.0 % |" in text and "model estimate" in text
    assert "**fishers**" in blocks and "> > a\n> - b" in blocks
    assert ", moe, failed: Out of \\*memory\\*." in text
    assert "\x07" not in text and text.endswith("\n") and not text.endswith("\n\n")


def test_several_conversations_are_set_apart(history: History) -> None:
    talk(history, result("One?"))
    talk(history, result("Two?"))
    assert markdown.dump(history.all()).count("\n\n---\n\n# ") == 1


@pytest.mark.parametrize("answer", OPEN)
def test_an_answer_that_is_left_open_takes_nothing_along(history: History, answer: str) -> None:
    talk(history, result("One?", answer))
    talk(history, result("Two?", "Yes."))
    told = [head for head in heads(markdown.dump(history.all())) if not head.startswith("20")]
    assert told == ["One?", "Heard", "Two?", "Heard"]
