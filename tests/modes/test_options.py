"""Options are read as people write them, and written as they are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.errors import InvalidInput
from pluralism_local.modes.options import asked_by_letter, letters, listed, pose, read

line = (
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=30)
    .map(str.strip)
    .filter(lambda text: bool(text) and not text.endswith("Answer:"))
)
word = st.text(st.characters(categories=["Ll"]), min_size=1, max_size=8)
phrase = st.lists(word, min_size=1, max_size=4).map(" ".join)


@given(st.lists(line, min_size=2, max_size=26))
def test_what_is_listed_is_read(options: list[str]) -> None:
    assert read(f"Which one?\n{listed(options)}\nAnswer:") == tuple(options)


@given(st.lists(phrase, min_size=2, max_size=26), st.sampled_from(["{}.", "{})", "{}:", "({})"]))
def test_one_line_in_every_style(options: list[str], style: str) -> None:
    pairs = zip(letters(len(options)), options, strict=True)
    text = " ".join(f"{style.format(letter)} {option}" for letter, option in pairs)
    assert read(f"Question: which? {text}\nAnswer:") == tuple(options)


@given(st.lists(line, min_size=2, max_size=26, unique=True), phrase)
def test_posing_what_is_posed_changes_nothing(options: list[str], question: str) -> None:
    posed = pose(question, options)
    assert posed.options == tuple(options)
    assert posed.text.endswith("\nAnswer:")
    assert pose(posed.text, options).text == posed.text
    assert pose(posed.text, ()).options == posed.options
    assert asked_by_letter(posed.text) == posed.options


@pytest.mark.parametrize(
    "text",
    [
        "Ban phones?",
        "Which?\n1. Yes\n2. No\nAnswer:",
        "Which?\na) Yes\nb) No",
        "The options were A. Yes B. No\n\nWrite an essay about them.",
        "A. Yes\nB. Yes\nAnswer:",
        "A. Yes B. No, or else: A. Red B. Blue?",
    ],
)
def test_what_is_not_asked_by_its_own_letters(text: str) -> None:
    assert asked_by_letter(text) == ()


@given(st.text(alphabet="ABab12.):?\n xy", max_size=60))
def test_what_is_asked_by_its_letters_is_posed_as_it_stands(text: str) -> None:
    if options := asked_by_letter(text):
        posed = pose(text, options)
        assert posed.options == options
        assert posed.text.startswith(text.rstrip().removesuffix("Answer:").rstrip())


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("Options: A. Very favorable B. DK/Refused\nAnswer:", ("Very favorable", "DK/Refused")),
        ("Is it moral?\n\nA. I let him go.\nB. I keep him.\nAnswer:", ("I let him go.", "I keep him.")),
        ("Support?\n(A) Yes\n(B) No\n(C) Either", ("Yes", "No", "Either")),
        ("Support?\n  A) Yes\n\n  B) No", ("Yes", "No")),
        ("A. Yes B. No\nC. Maybe", ("Yes", "No", "Maybe")),
        ("A. Take plan B. Then rest\nB. Do nothing", ("Take plan B. Then rest", "Do nothing")),
        ("Vitamin A. Is it good? A. Yes B. No Answer:", ("Yes", "No")),
        ("A. 1 B. 2 C. 3. Or else: A. 4 B. 5", ("1", "2", "3. Or else: A. 4 B. 5")),
        ("Mixed A. one B) two", ()),
        ("B. no C. A", ()),
        ("A. alone", ()),
        ("Who wrote A. and why?", ()),
        ("", ()),
    ],
)
def test_reading(text: str, options: tuple[str, ...]) -> None:
    assert read(text) == options


def test_white_space_inside_an_option_is_kept() -> None:
    assert read("Options: A. Yes B. Total      N=\nAnswer:") == ("Yes", "Total      N=")


def test_options_are_appended_in_place_of_a_bare_answer_line() -> None:
    assert pose("Ban phones?\nAnswer:", ["Yes", "No"]).text == "Ban phones?\nA. Yes\nB. No\nAnswer:"
    assert pose("Ban phones?", [" Yes ", "No"]).text == "Ban phones?\nA. Yes\nB. No\nAnswer:"


def test_a_listed_question_gets_only_the_answer_line() -> None:
    posed = pose("Ban? A. Yes B. No", ())
    assert (posed.text, posed.prompt.id) == ("Ban? A. Yes B. No\nAnswer:", "options.answer@1")
    posed = pose("Ban? (A) Yes (B) No\nAnswer:", ["Yes", "No"])
    assert (posed.text, posed.prompt.id) == ("Ban? (A) Yes (B) No\nAnswer:", "question@1")


@pytest.mark.parametrize(
    ("question", "options", "message"),
    [
        ("Ban phones?", [], "At least 2 options are needed, got 0."),
        ("Ban phones?", ["Yes"], "At least 2 options are needed, got 1."),
        (
            "Ban phones?",
            [str(n) for n in range(27)],
            "At most 26 options can be weighed.* got 27.",
        ),
        ("Ban phones?", ["Yes", " "], "An option must not be empty."),
        ("Ban phones?", ["Yes", "Yes "], "Two options are the same."),
    ],
)
def test_unusable_options(question: str, options: list[str], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        pose(question, options)


@pytest.mark.parametrize(
    ("question", "options", "text", "left_out"),
    [
        ("Ban? A. Yes B. No C. Maybe", ["Yes", "No"], "Ban? A. Yes B. No C. Maybe\nAnswer:", "Maybe"),
        ("Ban? A. Yes B. No", ["Yes", "Maybe"], "Ban? A. Yes B. No\nA. Yes\nB. Maybe\nAnswer:", "No"),
        ("Ban? A. Yes B. No", ["No", "Yes"], "Ban? A. Yes B. No\nA. No\nB. Yes\nAnswer:", ""),
        ("Ban?\n1. Yes\n2. No\nAnswer:", ["Yes", "No"], "Ban?\nA. Yes\nB. No\nAnswer:", ""),
        ("Ban?\n1. Yes\n2. No", ["Never", "Yes"], "Ban?\n1. Yes\n2. No\nA. Never\nB. Yes\nAnswer:", "No"),
        (
            "J. A. Smith and B. Jones disagree about tipping. Is it fair?",
            ["Yes", "No"],
            "J. A. Smith and B. Jones disagree about tipping. Is it fair?\nA. Yes\nB. No\nAnswer:",
            "",
        ),
        (
            "Party?\nA. Left\nB. Right\n\nBan?\nA. Yes\nB. No\nBe honest.",
            ["Yes", "No"],
            "Party?\nA. Left\nB. Right\n\nBan?\nA. Yes\nB. No\nBe honest.\nAnswer:",
            "",
        ),
        (
            "Party?\nA. Left\nB. Right\nAnswer: A\n\nBan?\nA. Yes\nB. No",
            ["Left", "Right"],
            "Party?\nA. Left\nB. Right\nAnswer: A\n\nBan?\nA. Yes\nB. No\nA. Left\nB. Right\nAnswer:",
            "Yes, No",
        ),
    ],
)
def test_options_that_are_given_win(question: str, options: list[str], text: str, left_out: str) -> None:
    posed = pose(question, options)
    assert (posed.text, posed.options) == (text, tuple(options))
    said = f"The prompt also lists options that are not weighed: {left_out}."
    assert posed.remarks == ((said,) if left_out else ())


@pytest.mark.parametrize(
    "text", ["A. x " * 60_000, "A. x\n" * 60_000, "A. " + " " * 300_000, "A.\n" * 100_000]
)
@pytest.mark.timeout(120)  # what is quadratic in these takes hours
def test_no_text_takes_long(text: str) -> None:
    assert read(text) == ()
