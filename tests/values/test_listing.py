"""Lists of values: whatever a model writes is read, a list that was cut off as far as it is whole."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine import gbnf
from pluralism_local.values.listing import LONGEST, MOST_OF_KIND, read_stakes, values_grammar
from pluralism_local.values.stakes import Kind, Stake

SITUATION = "Biking to work"
WHOLE = json.dumps(
    {
        "values": ["Health", "Environmental sustainability"],
        "rights": ["Right to clean air"],
        "duties": ["Duty to obey traffic laws"],
    }
)
FOUND = [
    Stake("value", "Health"),
    Stake("value", "Environmental sustainability"),
    Stake("right", "Right to clean air"),
    Stake("duty", "Duty to obey traffic laws"),
]


@pytest.mark.parametrize(
    "reply",
    [
        WHOLE,
        f"Here is the list:\n```json\n{WHOLE}\n```",
        json.dumps([{"kind": stake.kind, "text": stake.text} for stake in FOUND]),
        json.dumps([f"{stake.kind.capitalize()}: {stake.text}" for stake in FOUND]),
        "\n".join(f"{stake.kind.capitalize()}: {stake.text}" for stake in FOUND),
        "Values:\n1. **Health**\n2. Environmental sustainability (value)\n\n"
        "Rights:\n- Right to clean air.\n\n## Duties\n* Duty to obey traffic laws",
        "Values: Health, Environmental sustainability\nRights: Right to clean air\nDuties: Duty to obey traffic laws",
    ],
)
def test_lists_are_read_in_every_form(reply: str) -> None:
    assert read_stakes(reply, SITUATION) == FOUND


@given(st.integers(0, len(WHOLE)))
def test_of_a_list_that_was_cut_off_the_whole_names_are_read(end: int) -> None:
    found = read_stakes(WHOLE[:end], SITUATION)
    assert found == FOUND[: len(found)]
    assert len(found) >= sum(f'"{stake.text}"' in WHOLE[:end] for stake in FOUND)


@given(st.text(max_size=400))
def test_nothing_fails_and_every_name_is_one_line(reply: str) -> None:
    for stake in read_stakes(reply, SITUATION):
        assert stake.text.strip() == stake.text and 2 <= len(stake.text) < LONGEST
        assert "\n" not in stake.text


@given(st.lists(st.text(max_size=30), max_size=6), st.sampled_from(["values", "rights", "duties"]))
def test_any_json_list_is_read(names: list[str], key: str) -> None:
    texts = [stake.text.casefold() for stake in read_stakes(json.dumps({key: names}), SITUATION)]
    assert len(texts) == len(set(texts)) <= len(names)


@pytest.mark.parametrize(
    "name",
    ["", " ", "1", "...", "value", "Value 1", "[value]", "n/a", "Biking to work", "biking to work!", "x" * 61,
     "That everybody who lives here can breathe clean air all day long"],
)  # fmt: skip
def test_what_names_no_value_is_left_out(name: str) -> None:
    assert read_stakes(json.dumps({"values": [name, "Health"]}), SITUATION) == [Stake("value", "Health")]


@pytest.mark.parametrize(
    "reply", ["I'm sorry, but I cannot help with that.", "As an AI, I have no values.", "", "{}", "[]"]
)
def test_a_refusal_lists_nothing(reply: str) -> None:
    assert read_stakes(reply, SITUATION) == []


def test_a_name_says_its_kind_itself() -> None:
    reply = json.dumps({"values": ["Right to privacy", "duty to help", "Duty: Be kind"]})
    assert read_stakes(reply, SITUATION) == [
        Stake("right", "Right to privacy"),
        Stake("duty", "Duty to help"),
        Stake("duty", "Be kind"),
    ]


def test_names_in_other_scripts_and_with_markup_are_kept() -> None:
    reply = json.dumps({"values": ["健康", "حرية", "{b} <i>"], "rights": ["Recht auf saubere Luft"]})
    assert [stake.text for stake in read_stakes(reply, "自転車通勤")] == [
        "健康", "حرية", "{b} <i>", "Recht auf saubere Luft",
    ]  # fmt: skip


@pytest.mark.parametrize("situation", [SITUATION, "自転車で通勤する", "Ездить на работу на велосипеде"])
def test_the_grammar_is_one_and_its_lists_are_bounded(situation: str) -> None:
    grammar = values_grammar(situation)
    gbnf.check(grammar.gbnf)
    assert grammar.schema is not None
    lists = grammar.schema["properties"]
    assert [lists[key]["maxItems"] for key in ("values", "rights", "duties")] == list(MOST_OF_KIND.values())


def test_an_id_is_of_kind_and_words() -> None:
    kinds: list[Kind] = ["value", "right", "duty"]
    ids = {Stake(kind, "Privacy").id for kind in kinds}
    assert len(ids) == 3 and all(re.fullmatch("[0-9a-f]{8}", id) for id in ids)
    assert Stake("value", "clean air").id == Stake("value", "Clean air!").id
