"""What the LLM is bound to: grammars that llama.cpp takes, and the texts that they let pass."""

from __future__ import annotations

import re

import pytest

from pluralism_local.engine import gbnf
from pluralism_local.positions.claims import LONGEST_CLAIM
from pluralism_local.positions.grammars import (
    LEAD,
    characters_of,
    claim_grammar,
    position_grammar,
    sentence_grammar,
)

POSITION = "Phones should be banned."
LATIN, CHINESE, RUSSIAN = "Should phones be banned?", "手机应该被禁止吗？", "Запретить телефоны?"


@pytest.mark.parametrize("question", [LATIN, CHINESE, RUSSIAN, "¿Prohibir los móviles?", "", "1 + 1 = ?"])
@pytest.mark.parametrize(
    "comments", [[], ["We think that they should not be."], ["Sie stören im Unterricht."]]
)
def test_they_are_grammars(question: str, comments: list[str]) -> None:
    gbnf.check(claim_grammar(question, comments).gbnf)
    gbnf.check(sentence_grammar(question).gbnf)
    gbnf.check(position_grammar(question, comments, POSITION).gbnf)


@pytest.mark.parametrize(
    ("claim", "literal"),
    [
        (POSITION, '[Pp] "hones should be banned"'),
        ('They say "no" to \\ and {braces} [x].', r'[Tt] "hey say \"no\" to \\ and {braces} [x]"'),
        ("禁止手机。", '"禁止手机"'),
        ("Élèves en ont besoin…", '"Élèves en ont besoin"'),
        ("16 is the right age!", '"16 is the right age"'),
    ],
)
def test_a_sentence_of_the_answer_begins_with_its_position(claim: str, literal: str) -> None:
    english = position_grammar(LATIN, ["We think that they should not be."], claim).gbnf
    gbnf.check(english)
    assert literal in english and '(" because " char{8,120})? "."' in english
    other = position_grammar(LATIN, ["Sie stören im Unterricht."], claim).gbnf
    assert literal in other and "because" not in other


@pytest.mark.parametrize(
    ("comment", "leads"),
    [
        ("As a senator, I believe that phones should not be banned in schools.", True),
        ("Phones are a distraction, and the state should ban them.", True),
        ("Handys gehören in der Schule verboten, weil sie im Unterricht stören.", False),
        ("Les téléphones devraient être interdits à l'école.", False),
        ("电话应当被禁止", False),
        ("", False),
    ],
)
def test_only_what_is_english_is_told_in_english(comment: str, leads: bool) -> None:
    assert (LEAD in claim_grammar(LATIN, [comment]).gbnf) is leads


def takes(question: str, claim: str) -> bool:
    """Whether the grammar lets `claim` pass, by the same classes as a regular expression."""
    allowed = characters_of(question)
    first, inside = (part.replace(" ", "\\ ") for part in (allowed.first, allowed.inside))
    ends = allowed.ends.replace('"', "").replace(".", "[.]").replace(" ", "")
    return bool(re.fullmatch(f"{first}{inside}{{8,{LONGEST_CLAIM}}}{ends}", claim))


@pytest.mark.parametrize(
    ("question", "claim", "expected"),
    [
        (LATIN, "Phones should be banned in schools.", True),
        (LATIN, "Café owners' phones cost €5, too.", True),
        (LATIN, "Phones should be 禁止 in schools.", False),
        (LATIN, "Phones are bad. They should be banned.", False),
        (LATIN, 'Phones are "bad" for schools.', False),
        (LATIN, "- Phones are bad for schools.", False),
        (LATIN, "Phones {bad} for schools.", False),
        (LATIN, f"Phones {'very ' * 50}bad.", False),
        (LATIN, "Ban them.", False),
        (CHINESE, "学校应该禁止学生使用手机和平板。", True),
        (CHINESE, "Phones should be banned in schools.", True),
        (RUSSIAN, "Телефоны в школе надо запретить.", True),
    ],
)
def test_a_claim_is_one_short_sentence_in_the_questions_script(
    question: str, claim: str, expected: bool
) -> None:
    assert takes(question, claim) == expected
