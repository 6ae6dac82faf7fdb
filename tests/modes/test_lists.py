"""What is a list of options and what is running text."""

from __future__ import annotations

from string import ascii_lowercase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluralism_local.errors import InvalidInput
from pluralism_local.modes.lists import find
from pluralism_local.modes.options import letters, listed, lists_options, pose, read

STEERED = "Do you consider yourself a\nA. Republican\nB. Democrat\nC. Independent\n"
YES_NO = ("Yes", "No")


@pytest.mark.parametrize(
    "text",
    [
        "a) Yes\nb) No",
        "a. Yes\nb. No",
        "(a) Yes\n(b) No",
        "1) Yes\n2) No",
        "1. Yes\n2. No",
        "(1) Yes\n(2) No",
        "1: Yes\n2: No",
        "• Yes\n• No",
        "- Yes\n- No",
        "* Yes\n* No",
        "– Yes\n– No",
        "☐ Yes\n☐ No",
        "[ ] Yes\n[ ] No",
        "**A.** Yes\n**B.** No",
        "**A**. Yes\n**B**. No",
        "**A. Yes**\n**B. No**",
        "- A. Yes\n- B. No",
        "* **A)** Yes\n* **B)** No",
        "A.Yes\nB.No",
        "A)Yes\nB)No",
        "(A)Yes\n(B)No",
        "Ａ．Yes\nＢ．No",
        "Ａ）Yes\nＢ）No",
        "（Ａ）Yes\n（Ｂ）No",
        "Ａ、Yes\nＢ、No",
        "[A] Yes\n[B] No",
        "[1] Yes\n[2] No",
        "A - Yes\nB - No",
        "1 – Yes\n2 – No",
        "А. Yes\nБ. No",
        "а) Yes\nб) No",
        "А. Yes\nВ. No",
        "Α. Yes\nΒ. No",
        "  1. Yes\n\n  2. No",
        "1. Yes\r\n2. No\r",
        "Options: a) Yes b) No",
        "Options: 1. Yes 2. No",
        "Choices: (a) Yes (b) No",
        "Answers: 1) Yes, 2) No",
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\nAnswer:"])
def test_forms_of_surveys_are_read_and_lettered(text: str, end: str) -> None:
    question = f"Is tipping fair?\n{text}{end}"
    assert read(question) == YES_NO
    posed = pose(question, ())
    assert posed.options == YES_NO
    assert "A. Yes\nB. No" in posed.text and posed.text.endswith("\nAnswer:")
    assert pose(question, YES_NO).text == posed.text  # and are not listed twice
    assert pose(posed.text, ()).text == posed.text


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("(1) Yes\n(2) No\n(8) Don't know\n(9) Refused", ("Yes", "No", "Don't know", "Refused")),
        ("1. Yes\n2. No\n98. Don't know\n99. Refused", ("Yes", "No", "Don't know", "Refused")),
        ("0. None\n1. Some\n2. All", ("None", "Some", "All")),
        ("A. Left\nB. Right\nX. Neither", ("Left", "Right", "Neither")),
    ],
)
def test_no_option_is_lost_where_letters_leave_some_out(text: str, options: tuple[str, ...]) -> None:
    posed = pose(f"Which?\n{text}\nAnswer:", ())
    assert posed.options == options
    assert posed.text == f"Which?\n{listed(options)}\nAnswer:"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("A: Hi!\nB: Hello.\nA: Bye.", "The lines from 'A Hi!' on do not count on from a first entry."),
        ("Fair?\n2. Some\n3. All", "The lines from '2 Some' on do not count on"),
        ("Fair?\nA. Yes\nC. No", "The lines from 'A Yes' on do not count on"),
        ("Fair? A. Yes B. No D. Other", "--option"),
        ("Fair?\ni. Yes\nii. No", "Lines that begin like 'i.' and 'ii.' are not read as options."),
        ("Fair?\n> A. Yes\n> B. No", "Lines that begin like '> A.' and '> B.' are not read as options."),
        ("Fair?\nOption A: Yes\nOption B: No", "Lines that begin like 'Option A:' and 'Option B:'"),
        ("Fair?\n1 Yes\n2 No", "Lines that begin like '1' and '2' are not read as options."),
        ("Fair? A.Yes B.No", "'A… B…' within a line is not read as options."),
    ],
)
def test_what_is_not_read_is_named(text: str, hint: str) -> None:
    assert read(text) == ()
    with pytest.raises(InvalidInput) as caught:
        pose(text, ())
    assert hint in caught.value.hint


@pytest.mark.parametrize("text", ["A. Yes\nB. No", "A) Yes\nB) No", "A: Yes\nB: No", "(A) Yes\n(B) No"])
def test_letters_that_stand_as_they_are_weighed_stay(text: str) -> None:
    question = f"Is tipping fair?\n{text}\nAnswer:"
    assert (read(question), pose(question, ()).text) == (YES_NO, question)


@pytest.mark.parametrize(
    "text",
    [
        f"{STEERED}Answer: B\n\nIs tipping fair?\nA. Yes\nB. No\nAnswer:",
        f"{STEERED}Answer: B. Democrat\n\nIs tipping fair?\nA. Yes\nB. No",
        f"{STEERED}Answer: Democrat\n\nIs tipping fair? A. Yes B. No",
        f"{STEERED}**Answer:** (B)\n\nIs tipping fair?\nA. Yes\nB. No\nPlease answer with a letter.",
        "Party?\n1. Left\n2. Right\n3. None\nAnswer: 2\n\nIs tipping fair?\n1. Yes\n2. No\nAnswer:",
        "Party? Options: A. Left B. Right C. None\nAnswer: A\n\nIs tipping fair? Options: A. Yes B. No\nAnswer:",
        f"{STEERED}\nIs tipping fair?\nA. Yes\nB. No\nAnswer:",
        f"{STEERED}\nIs tipping fair?\nA. Yes\nB. No",
    ],
)
def test_the_last_list_is_the_questions(text: str) -> None:
    assert read(text) == YES_NO


def test_what_is_not_weighed_of_several_lists_is_said() -> None:
    posed = pose(f"{STEERED}\nIs tipping fair?\nA. Yes\nB. No\nAnswer:", ())
    assert posed.remarks == (
        "The prompt also lists options that are not weighed: Republican, Democrat, Independent.",
    )
    assert pose(f"{STEERED}Answer: B\n\nFair?\nA. Yes\nB. No", ()).remarks == ()


@pytest.mark.parametrize(
    "text",
    [
        f"{STEERED}\nDo you tip?\nA. Yes\nB. No\n\nNow: is tipping fair?",
        f"{STEERED}\nIs tipping fair?\n1. Yes\n2. No\nAnswer:",
        f"{STEERED}\nRemember:\n- be honest\n- be brief\nAnswer:",
    ],
)
def test_of_lists_that_compete_both_are_named(text: str) -> None:
    with pytest.raises(
        InvalidInput, match=r"lists different options: \(Republican, Democrat, Independent\) and \("
    ):
        pose(text, ())
    assert lists_options(text)


PROSE = [
    "J. A. Smith and B. Jones disagree about tipping. Is it fair?",
    "A. Smith and B. Jones disagree about tipping. Is it fair?",
    "A. Smith, B. Jones and C. Brown wrote about tipping. Is it fair?",
    "A. Smith met B. Jones.",
    "The case of A. Smith vs. B. Jones is known. Is it fair?",
    "As A. Smith told B. Jones, tipping is an old custom",
    "Vitamin A. is good, vitamin B. is better. Which one?",
    "They said that (A) taxes rise and (B) wages fall. Is that fair?",
    "Plan (A) beats plan (B) every time",
    "It was J. A. Smith.\nB. Jones came later.",
    "The authors are\nA. Smith and\nB. Jones. Are they right?",
    "A: Hello!\nB: Hi.\nWho of them is polite?",
    "Consider this:\n1. Cost matters.\n2. So does fairness.\nIs tipping fair?",
    "Rules:\n- be honest\n- be brief\nIs tipping fair?",
    "Meet at 1. Avenue or 2. Avenue?",
    "The value is 1.5 or 2.5",
    "A.B. Smith\nB.C. Jones",
    "A.\nB.",
    f"{STEERED}Answer: B\n\nIs tipping fair?",
]


@pytest.mark.parametrize("text", PROSE)
@pytest.mark.parametrize("end", ["", "\nAnswer:"])
def test_running_text_is_no_list(text: str, end: str) -> None:
    assert read(text + end) == ()
    assert not lists_options(text + end)
    with pytest.raises(InvalidInput, match="At least 2 options are needed, got 0"):
        pose(text + end, ())
    posed = pose(text + end, YES_NO)
    assert (posed.text, posed.remarks) == (f"{text}\nA. Yes\nB. No\nAnswer:", ())


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (PROSE[0], "'A … B …' within running text is not taken for options: begin a line with each"),
        ("1. Cost\n2. Fairness\nIs it?", "The list '1 Cost …' is taken for options only where it comes last"),
        ("- Cost\n- Fairness\nIs it?", "The list '- Cost …' is taken for options only where it comes last"),
        (f"{STEERED}Answer: B\n\nFair?", "The list 'A Republican …' is answered already"),
    ],
)
def test_the_hint_says_what_was_seen(text: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        pose(text, ())
    assert hint in caught.value.hint
    assert "--option" in caught.value.hint


def test_an_instruction_after_answer_is_no_answer() -> None:
    assert read("Fair?\nA. Yes\nB. No\nAnswer: A for yes, B for no") == YES_NO
    assert read("Fair?\na) Yes\nb) No\nAnswer: a single letter") == YES_NO


entry = (
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=30)
    .map(str.strip)
    .filter(lambda text: bool(text) and not text.endswith("Answer:") and not text.endswith(("*", "_")))
)
MARKERS = {
    "a) ": ascii_lowercase,
    "(a) ": ascii_lowercase,
    "1. ": [str(number) for number in range(1, 27)],
    "(1) ": [str(number) for number in range(1, 27)],
    "**A.** ": letters(26),
    "- A. ": letters(26),
}


@given(st.lists(entry, min_size=2, max_size=26), st.sampled_from(sorted(MARKERS)))
def test_what_is_listed_in_another_form_is_read(options: list[str], form: str) -> None:
    first = MARKERS[form][0]
    lines = [
        form.replace(first, label) + option for label, option in zip(MARKERS[form], options, strict=False)
    ]
    assert read("\n".join(["Which one?", *lines, "Answer:"])) == tuple(options)


words = st.lists(
    st.sampled_from(
        ["the", "a", "law", "plan", "people", "think", "that", "it", "is", "fair", "good", "not", "and", "or"]
    ),
    min_size=1,
    max_size=9,
)
initial = st.sampled_from("ABCJ")
person = st.builds(
    lambda one, name: f"{one}. {name}", initial, st.sampled_from(["Smith", "Jones", "A. Brown"])
)
sentence = st.one_of(
    words.map(lambda said: " ".join(said).capitalize()),
    st.builds(lambda a, b, said: f"{a} and {b} say {' '.join(said)}", person, person, words),
    st.builds(lambda a, b, said: f"In the end {a} told {b} of {' '.join(said)}", person, person, words),
    st.builds(lambda a, b: f"We know ({a[0]}) the one and (B) the other from {b}", person, person),
)
prose = st.lists(
    st.builds(str.__add__, sentence, st.sampled_from([".", "?", ","])), min_size=1, max_size=6
).map(" ".join)


@given(prose)
def test_prose_is_never_a_list(text: str) -> None:
    assert read(text) == ()
    assert pose(text, YES_NO).remarks == ()


piece = st.sampled_from(
    [
        "A.",
        "B.",
        "(A)",
        "B)",
        "1.",
        "2.",
        "- ",
        "a)",
        "b)",
        "Answer:",
        "Answer: A",
        "\n",
        "\n\n",
        " ",
        "Yes",
        "?",
        "**",
        "Ａ．",
    ]
)


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=200), st.lists(piece, max_size=40).map("".join)))
def test_no_text_is_too_odd(text: str) -> None:
    found = find(text)
    for one in found.lists:
        assert len(one.options) >= 2 and all(option.strip() for option in one.options)
        assert 0 <= one.start < one.end <= len(text)
    try:
        options = read(text)
    except InvalidInput:
        options = ()
    if 2 <= len(options) <= 26:
        posed = pose(text, ())
        assert posed.options == options
        assert pose(posed.text, options).text == posed.text
    assert pose(text, YES_NO).options == YES_NO
