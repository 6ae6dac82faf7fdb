"""What the LLM is bound to: grammars that llama.cpp takes, and the texts that they let pass."""

from __future__ import annotations

import json
import re

import pytest

from pluralism_local.engine import gbnf
from pluralism_local.positions.grammars import (
    LONGEST_CLAIM,
    characters_of,
    claims_grammar,
    sentence_grammar,
    whole_claims,
)

LATIN, CHINESE, RUSSIAN = "Should phones be banned?", "手机应该被禁止吗？", "Запретить телефоны?"


@pytest.mark.parametrize("question", [LATIN, CHINESE, RUSSIAN, "¿Prohibir los móviles?", "", "1 + 1 = ?"])
@pytest.mark.parametrize("most", [1, 2, 7])
def test_they_are_grammars(question: str, most: int) -> None:
    grammar = claims_grammar(most, question)
    gbnf.check(grammar.gbnf)
    gbnf.check(sentence_grammar(question).gbnf)
    assert grammar.schema is not None and grammar.schema["properties"]["positions"]["maxItems"] == most


def takes(question: str, claim: str) -> bool:
    """Whether the grammar lets `claim` pass, by the same classes as a regular expression."""
    allowed = characters_of(question)
    first, inside = (part.replace(" ", "\\ ") for part in (allowed.first, allowed.inside))
    ends = allowed.ends.replace('"', "").replace(".", "[.]").replace(" ", "")
    return bool(re.fullmatch(f"{first}{inside}{{10,{LONGEST_CLAIM - 2}}}{ends}", claim))


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
        (LATIN, f"Phones {'very ' * 30}bad.", False),
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


def test_the_schema_is_what_the_list_is() -> None:
    schema = claims_grammar(3, LATIN).schema
    assert schema is not None and list(schema["properties"]) == ["positions"]
    assert json.loads(json.dumps(schema)) == schema


def test_a_claim_that_the_limit_ended_is_left_out_where_others_are_whole() -> None:
    cut = "A" * (LONGEST_CLAIM - 1) + "."
    assert whole_claims([cut, "Phones distract pupils."]) == ["Phones distract pupils."]
    assert whole_claims([cut]) == [cut] and whole_claims([]) == []
