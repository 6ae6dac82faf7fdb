"""Searching: any text may be typed, and a word of a conversation finds it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pluralism_local.history import History
from pluralism_local.history.search import contains, snippet, words
from tests.support.results import result, talk

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[History]:
    with History(tmp_path_factory.mktemp("search") / "logs.db") as history:
        talk(
            history,
            result("Should *phones* be banned?", 'The "case" against C++.', "Netze und Fische, 100 %"),
        )
        talk(history, result("手机应该禁止吗?", "Ёлки да палки", "مرحبا بالعالم"), title="A title of its own")
        yield history


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("phones", True, False),
        ("PHONES Banned", True, False),
        ("phone", True, False),
        ("ban", True, False),
        ("*phones*", True, False),
        ("*", True, False),
        ('"case', True, False),
        ('"case against"', False, False),
        ('"phones* be"', True, False),
        ("case phones", True, False),  # in answer and prompt
        ("C++", True, False),
        ("++", True, False),
        ("%", True, False),
        ("_", False, False),
        ("fische", True, False),
        ("手机", False, True),
        ("禁", False, True),
        ("ёлки", False, True),
        ("Ё", False, True),
        ("بالعالم", False, True),
        ("its own", False, True),
        ("title phones", False, False),
        ("phones NOT banned", False, False),
        ("phones OR fische", False, False),
        ("", True, True),
        ("  ", True, True),
    ],
)
def test_words_find_what_has_them_all(shelf: History, text: str, first: bool, second: bool) -> None:
    titles = {one.title for one in shelf.list(text)}
    assert ("Should *phones* be banned?" in titles, "A title of its own" in titles) == (first, second)


@quick
@given(st.text(max_size=30))
@example('"')
@example("'")
@example('a" OR "b')
@example("NEAR(a b)")
@example("prompt:phones")
@example("^phones*")
@example("(((")
@example("\0\ud800")
@example("-- ; DROP TABLE turn")
def test_any_text_can_be_searched_for(shelf: History, text: str) -> None:
    found = shelf.list(text)
    assert len(found) <= 2
    for one in found:
        conversation = shelf.get(one.id)
        everything = [conversation.title, *(f"{t.prompt} {t.answer} {t.record}" for t in conversation.turns)]
        assert all(any(contains(text, word) for text in everything) for word in words(text))


@quick
@given(st.text(min_size=1, max_size=40), st.data())
def test_a_part_of_what_was_said_finds_it(tmp_path: Path, text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    part = text[start : start + data.draw(st.integers(1, 12))]
    with History(tmp_path / "logs.db") as history:
        id = talk(history, result(comment=f"before {text} after"))
        assert id in [one.id for one in history.list(part.replace('"', " "), limit=1000)]
        history.delete(id)


def test_words_in_quotes_stand_together() -> None:
    assert words('"minimum wage" rise') == ("minimum wage", "rise")
    assert words('say "so') == ("say", '"so')
    assert words('"" " "') == ('""', '"', '"')


def test_a_snippet_is_one_line_around_the_word() -> None:
    text = "one two three. " * 30 + "Then the needle\nlay there. " + "four five six. " * 30
    found = snippet([text], ["NEEDLE"])
    assert found.startswith("…") and "the needle lay there." in found and found.endswith("…")
    assert len(found) <= 90 and "\n" not in found
    assert snippet(["no\nmatch"], ["needle"]) == "no match"
    assert snippet(["first", "the needle"], ["needle"]) == "the needle"
    assert snippet([], []) == ""


def test_the_index_follows_every_change(tmp_path: Path) -> None:
    path = tmp_path / "logs.db"
    with History(path) as history:
        id = history.begin("x")
        turn = history.ask(id, "overton", "Question about apples?", {})
        history.partial(turn, "pears so far")
        assert len(history.list("apples")) == 1 and history.list("pears") == []
        history.fail(turn, "broken")
        assert len(history.list("pears")) == 1
        history.finish(turn, result("Question about apples?", "plums", "cherries"))
        assert history.list("pears") == []
        assert len(history.list("plums cherries")) == 1
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO turn_words(turn_words, rank) VALUES ('integrity-check', 1)")
    connection.close()
