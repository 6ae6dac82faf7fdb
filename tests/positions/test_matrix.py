"""The matrix: within its width, without colour, whatever a position or a voice is called."""

from __future__ import annotations

import pytest

from pluralism_local.display.figures import cells
from pluralism_local.display.voices import looks
from pluralism_local.positions import page, summary
from pluralism_local.positions.matrix import grid, markdown, text
from pluralism_local.results import Mark, Position, Stance, Window


def position(claim: str, stances: dict[str, Stance], in_answer: bool | None = True) -> Position:
    return Position("00000000", claim, {}, {}, stances, in_answer)


VOICES = ("press-left", "press-center", "press-right")
BAN = position(
    "Phones should be banned during lessons.",
    {"press-left": "supports", "press-center": "supports", "press-right": "opposes"},
)
FREE = position(
    "Parents should decide.",
    {"press-left": "silent", "press-center": "opposes", "press-right": "supports"},
    False,
)
WINDOW = Window((BAN, FREE), VOICES, "llm", "entailment", dropped=1, merged=2)


def test_the_terminal_has_a_row_for_each_position() -> None:
    lines = text(WINDOW, 60)
    assert lines[0].split() == ["position", "a", "b", "c", "answer"]
    assert lines[1].startswith("1 Phones should be banned") and lines[1].endswith("● ● ○  yes")
    assert any(line.endswith("· ○ ●  no") for line in lines)
    assert "a press-left   b press-center   c press-right" in lines
    assert lines[-1] == "● supports   ○ opposes   · silent"


def test_a_terminal_without_such_characters_gets_others() -> None:
    lines = text(WINDOW, 60, unicode=False)
    assert lines[1].endswith("+ + -  yes") and "\n".join(lines).isascii()


@pytest.mark.parametrize("width", [24, 34, 40, 80, 200])
@pytest.mark.parametrize("voices", [1, 6, 24, 40])
@pytest.mark.parametrize(
    "claim",
    ["Short one.", "long " * 39 + ".", "{a} [b] *c* <d>.", "电话应当被禁止。" * 20],
)
def test_it_keeps_to_its_width(width: int, voices: int, claim: str) -> None:
    names = tuple(f"voice-{number}" for number in range(voices))
    stances: dict[str, Stance] = dict.fromkeys(names, "supports")
    lines = text(Window((position(claim, stances),) * 12, names, "llm", "llm"), width)
    assert max(map(cells, lines)) <= width
    heads = [line for line in lines if line.split()[-1:] == ["answer"]]
    assert width < 80 or len(heads) == -(-voices // 12)  # a page for every twelve
    assert sum(len(head.split()) - 2 for head in heads) == voices


def test_no_positions_are_no_matrix() -> None:
    empty = Window((), VOICES, "llm", "llm", dropped=3)
    assert (text(empty), markdown(empty), page.table(empty)) == ([], "", "")


def test_markdown_escapes_what_a_claim_holds() -> None:
    odd = position("A | B *c* <d>.", {"press-left": "supports"}, None)
    table = markdown(Window((odd,), ("press-left",), "llm", "llm"))
    assert table.splitlines()[2] == r"| A \| B \*c\* \<d\>. | ● | ? |"


def test_html_says_in_words_what_its_signs_say() -> None:
    odd = position("<script>alert(1)</script> is right.", {"press-left": "supports"}, None)
    markup = page.table(Window((odd,), ("press-left",), "llm", "llm"))
    assert "<script>" not in markup and 'aria-label="supports"' in markup


def test_margin_notes_name_the_voices_and_what_fails() -> None:
    marks = (Mark(1, "press-left", 0.9, verified=True), Mark(2, "press-right", 0.1, verified=False))
    window = Window(WINDOW.positions, VOICES, "llm", "entailment", marks=marks)
    markup = page.annotated("Phones distract. [press-left]\n\nParents <decide>. [press-right]", window)
    assert markup.count("<p>") == 2 and "Parents &lt;decide&gt;" in markup
    first, second = markup.split("</p>")[:2]
    assert "unverified" not in first and "(unverified)" in second
    assert "[" not in markup and "Phones distract." in first  # the names stand in the margin


def test_names_that_are_not_the_marks_of_a_sentence_stay_in_it() -> None:
    window = Window((BAN,), VOICES, "llm", "llm", marks=(Mark(1, "press-left", 0.9, verified=True),))
    assert "[press-right]" in page.annotated("Phones distract. [press-right]", window)
    assert "[press-left]" in page.annotated("[press-left] say that phones distract.", window)


def test_a_page_names_the_letters_of_its_matrix_below_it() -> None:
    table, below = page.table(WINDOW).split("</table>")
    for voice in VOICES:
        assert f'title="{voice}" aria-label="{voice}"' in table and f"<bdi>{voice}</bdi>" not in table
        assert f"<bdi>{voice}</bdi>" in below
    assert "● supports" in below and "2 of 3 agree on &quot;Phones should be banned" in below


def test_remarks() -> None:
    lines = list(summary.remarks(WINDOW))
    assert lines[0] == '2 of 3 agree on "Phones should be banned during lessons" · against: press-right'
    assert lines[1] == 'Left out: "Parents should decide." (press-right)'
    assert lines[2] == (
        "Positions: the authors' words or the LLM's, assigned by an entailment scorer; 2 claims said the "
        "same as another; 1 claim had no comment behind it."
    )


def test_voices_of_one_position_are_no_window() -> None:
    agreed = position("Phones distract.", dict.fromkeys(VOICES, "supports"))
    assert summary.agreement(Window((agreed,), VOICES, "llm", "llm")) == (
        "All voices hold one position: that is no window of opinions."
    )
    alone = position("Phones distract.", {"press-left": "supports"})
    assert (
        summary.agreement(Window((alone,), ("press-left",), "llm", "llm"))
        == '1 of 1 agree on "Phones distract"'
    )


@pytest.mark.parametrize("width", [30, 48, 60, 72, 78, 100, 300])
def test_the_agreement_names_its_position_and_keeps_to_its_width(width: int) -> None:
    claim = "Phones should be banned during lessons, but rather kept in lockers where nobody hears them."
    taken: dict[str, Stance] = {"press-left": "supports", "press-center": "supports", "press-right": "silent"}
    window = Window((position(claim, taken), FREE), VOICES, "llm", "llm")
    line = summary.agreement(window, width=width)
    assert line.startswith('2 of 3 agree on "Phones should be banned during') and line.endswith(
        " · undecided: press-right"
    )
    assert cells(line) <= max(width, 84) and ("…" in line) == (cells(claim) > width - 41)
    assert next(summary.remarks(window, width=width)) == line
    assert claim.rstrip(".") in next(summary.remarks(window))


def test_positions_that_one_voice_each_holds_are_no_agreement() -> None:
    apart = [
        position(f"Claim {voice}.", {**dict.fromkeys(VOICES, "silent"), voice: "supports"})
        for voice in VOICES
    ]
    assert summary.agreement(Window(tuple(apart), VOICES, "llm", "llm")) == "No two voices share a position."


def test_marks_that_fail_are_named() -> None:
    marks = (Mark(1, "press-left", 0.9, verified=True), Mark(2, "press-right", 0.1, verified=False))
    window = Window((BAN,), VOICES, "llm", "llm", marks=marks)
    assert "Unverified, no comment bears it out: press-right in sentence 2" in list(summary.remarks(window))


def test_in_a_narrow_place_positions_stand_below_their_signs() -> None:
    lines = text(WINDOW, 30)
    assert lines[:4] == [
        "# a b c  answer",
        "1 ● ● ○  yes",
        "  Phones should be banned",
        "  during lessons.",
    ]


def test_every_span_of_a_sign_or_letter_has_its_voice() -> None:
    named = looks(VOICES)
    for width in (30, 80):
        lines = list(grid(WINDOW, width, named))
        assert [span.voice for span in lines[0] if span.voice] == list(VOICES)
        rows = [line for line in lines[1:] if any(span.voice for span in line)]
        assert len(rows) == 2 and all(len([span for span in row if span.voice]) == 3 for row in rows)
    assert ["".join(span.text for span in line) for line in grid(WINDOW, 80, named)] == text(WINDOW, 80)[:3]


def test_letters_go_by_the_pool_also_where_one_of_it_said_nothing() -> None:
    pool = ("press-left", "speech-left", "press-center", "press-right")
    assert text(WINDOW, 60, pool=pool)[0].split() == ["position", "a", "c", "d", "answer"]
    markup = page.table(WINDOW, pool)
    assert '<span class="voice voice-2">c</span> <bdi>press-center</bdi>' in markup
    assert '<span class="voice voice-2">c</span></th>' in markup
