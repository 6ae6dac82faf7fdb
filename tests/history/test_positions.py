"""Positions in exports: the matrix in every form, the answer with notes in its margin, nothing taken for markup."""

from __future__ import annotations

from dataclasses import replace

from pluralism_local.history import History, markdown, page
from pluralism_local.results import Mark, Position, Window
from tests.support.results import result, talk

CLAIM = "Phones {should} be <b>banned</b> | now."
WINDOW = Window(
    (Position("0badcafe", CLAIM, {"fishers": 0.9}, {"fishers": 0.0}, {"fishers": "supports"}, False),),
    ("fishers",),
    "llm",
    "entailment",
    dropped=2,
    marks=(Mark(1, "fishers", 0.2, verified=False),),
)


def test_markdown_has_the_matrix(history: History) -> None:
    talk(history, replace(result(), window=WINDOW))
    text = markdown.dump(history.all())
    assert r"| Phones \{should\} be \<b\>banned\</b\> \| now. | ● | no |" in text
    assert "2 claims had no comment behind them" in text


def test_html_has_the_matrix_and_notes_in_the_margin(history: History) -> None:
    talk(history, replace(result(answer="Phones go. [fishers]"), window=WINDOW))
    text = page.dump(history.all())
    assert "Phones {should} be &lt;b&gt;banned&lt;/b&gt; | now." in text and "<b>" not in text
    assert 'class="margin"' in text and "(unverified)" in text


def test_without_marks_the_answer_stands_as_it_is(history: History) -> None:
    talk(history, replace(result(), window=replace(WINDOW, marks=())))
    text = page.dump(history.all())
    assert 'class="margin"' not in text and "Some say yes." in text and 'class="matrix"' in text


def test_without_positions_there_is_neither(history: History) -> None:
    talk(history, result())
    assert "Positions" not in markdown.dump(history.all())
    assert 'class="matrix"' not in page.dump(history.all())
