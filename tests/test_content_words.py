"""Words that carry meaning, and which forms are one word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.content_words import content_words, is_made_of, speaks_of, spoken_share


@pytest.mark.parametrize(
    "forms",
    [
        "phone phones",
        "ban bans banned banning",
        "policy policies",
        "vote votes voted voting",
        "tax taxes taxed taxing",
        "class classes",
        "speech speeches",
        "study studies",
        "agree agrees agreed",
    ],
)
def test_forms_of_a_word_are_one(forms: str) -> None:
    assert len(set(content_words(forms))) == 1


def test_other_words_are_others() -> None:
    words = "ban bank need news press less student study Schüler 学校"
    assert len(set(content_words(words))) == len(words.split())


def test_function_words_carry_none() -> None:
    assert content_words("Is it what they should not have been doing?") == []
    assert content_words("They shouldn't and couldn’t, it isn't so.") == []


@given(st.text(max_size=100))
def test_any_text_has_some_or_none(text: str) -> None:
    assert all(word == word.strip() and word for word in content_words(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Phones should not be banned.", True),
        ("Banning phones costs money.", True),  # half of its words
        ("A stadium would bring jobs.", False),
        ("It should be so.", True),  # no word that could stand elsewhere
        ("学校应该禁止手机", True),
        ("城市应该建造体育场", False),
    ],
)
def test_what_a_text_is_made_of(text: str, expected: bool) -> None:
    assert is_made_of(text, "A ban of phones would help pupils. 我认为学校应当禁止手机。") == expected


@pytest.mark.parametrize(
    ("text", "claim", "expected"),
    [
        ("They distract pupils.", "Phones are a distraction.", True),
        ("Phones cost money.", "Phones are a distraction.", False),  # the question's word is no sign
        (
            "Teachers earn little.",
            "Phones should not be banned.",
            True,
        ),  # the claim adds no word to the question
        ("我认为手机会分散学生的注意力。", "手机分散注意力", True),
        ("我认为教师的工资太低。", "手机分散注意力", False),
        ("", "Phones are a distraction.", False),
    ],
)
def test_whether_a_text_speaks_of_what_a_claim_adds(text: str, claim: str, expected: bool) -> None:
    assert speaks_of(text, claim, "Should phones be banned?") == expected


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("It rings, and pupils cannot listen in class.", 1.0),
        ("Distracted by every ring.", 1 / 3),
        ("Parents decide.", 0.0),
        ("", 0.0),
    ],
)
def test_how_much_of_a_reason_a_text_has(text: str, share: float) -> None:
    claim = "Phones should be banned because they ring while pupils listen."
    assert spoken_share(text, claim, "Should phones be banned?") == pytest.approx(share)


def test_of_a_claim_that_adds_nothing_a_text_has_all() -> None:
    assert spoken_share("Anything.", "Phones should be banned.", "Should phones be banned?") == 1.0
    assert spoken_share("学校应该禁止手机。", "手机应该禁止。", "") == 1.0
