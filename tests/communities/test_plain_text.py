"""Texts of cards and pools are what they look like."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.communities import Library, load_community
from pluralism_local.communities.plain_text import plain, plain_line
from pluralism_local.errors import InvalidInput
from tests.support.cards import plocal, write_card

INVISIBLE = (
    "\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u202a\u202e\u2060\u2066\u2069\u2800\u3164\ufeff\uffa0"
    "\U000e0041\U000e0101"
)


@pytest.mark.parametrize("character", INVISIBLE, ids=[f"U+{ord(it):04X}" for it in INVISIBLE])
@pytest.mark.parametrize("key", ["name", "description", "persona"])
def test_invisible_characters_of_a_card_are_named(tmp_path: Path, key: str, character: str) -> None:
    folder = write_card(tmp_path, "odd", {"plocal": plocal("odd", **{key: f"Far{character}mers"})})
    with pytest.raises(InvalidInput) as caught:
        load_community(folder)
    assert f"plocal.{key}" in caught.value.message
    assert f"the invisible character U+{ord(character):04X}" in caught.value.message
    assert "after 'Far'" in caught.value.message
    assert character not in caught.value.message


@pytest.mark.parametrize("key", ["name", "description"])
def test_invisible_characters_of_a_pool_are_named(tmp_path: Path, key: str) -> None:
    write_card(tmp_path, "words", {"plocal": plocal("words")})
    file = tmp_path / "odd.yaml"
    file.write_text(yaml.safe_dump({key: "Two\u202eowt", "members": [{"card": "words"}]}), encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"U\+202E \(right-to-left override\)"):
        Library([tmp_path]).pool(file)


@pytest.mark.parametrize("text", ["👩‍🌾 Farmers", "می‌خواهم", "क्‍ष", "❤️", "日本", "Zoë", "\u202fa"])
def test_what_scripts_and_emoji_need_stays(text: str) -> None:
    assert plain(text) == text.strip()


@pytest.mark.parametrize("text", ["a\u200db", "\u200dé", "é\u200c", "é\u200d a"])
def test_a_joiner_that_joins_nothing_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"invisible character U\+200[CD]"):
        plain(text)


def test_a_line_is_one_line() -> None:
    assert plain_line(" Two\n  lines\tof it ") == "Two lines of it"


@given(st.text())
def test_what_passes_has_nothing_of_the_kind(text: str) -> None:
    try:
        kept = plain(text)
    except ValueError:
        return
    assert kept == text.strip() != ""
    categories = {
        unicodedata.category(character) for character in kept if character not in "\n\t\u200c\u200d"
    }
    assert categories.isdisjoint({"Cc", "Cf", "Zl", "Zp"})
