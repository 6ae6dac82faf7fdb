"""What a voice did in a round, from its two comments."""

from __future__ import annotations

import pytest

from pluralism_local.deliberation.changes import change, similarity
from pluralism_local.results import Stance

BEFORE: dict[str, Stance] = {"Ban.": "supports", "Free.": "silent"}
COMMENT, REPLY = "Phones should be banned in every school.", "I hear what you say about parents, and yet."


@pytest.mark.parametrize(
    ("after", "kind"),
    [
        ({"Ban.": "supports", "Free.": "silent"}, "stood"),
        ({"Ban.": "silent", "Free.": "silent"}, "stood"),  # it need not say everything again
        ({"Ban.": "supports", "Free.": "opposes"}, "answered"),
        ({"Ban.": "supports", "Free.": "supports"}, "revised"),
        ({"Ban.": "opposes", "Free.": "silent"}, "revised"),
    ],
)
def test_kinds_follow_from_positions(after: dict[str, Stance], kind: str) -> None:
    assert change("left", COMMENT, REPLY, BEFORE, after).kind == kind


def test_what_was_gained_and_dropped_is_listed() -> None:
    turned = change("left", COMMENT, REPLY, BEFORE, {"Ban.": "opposes", "Free.": "supports"})
    assert (turned.gained, turned.dropped, turned.opposed) == (("Free.",), ("Ban.",), ("Ban.",))
    assert turned.method == "positions"


def test_the_same_words_stand_whatever_a_scorer_says() -> None:
    same = change("left", COMMENT, COMMENT, BEFORE, {"Ban.": "opposes", "Free.": "supports"})
    assert (same.kind, same.method, same.similarity, same.gained) == ("stood", "text", 1.0, ())


def test_without_positions_words_decide() -> None:
    assert change("left", COMMENT, f"{COMMENT} And soon.").kind == "stood"
    assert change("left", COMMENT, REPLY).kind == "revised"
    assert change("left", COMMENT, REPLY, {}, {}).method == "text"


def test_silence_is_no_change_of_mind() -> None:
    assert change("left", COMMENT, " \n", BEFORE, {"Ban.": "silent", "Free.": "silent"}).kind == "silent"


def test_similarity_is_of_words_in_order() -> None:
    assert similarity("a b c d", "A B x D") == pytest.approx(6 / 8)
    assert similarity("", "a") == 0 and similarity("a", " ") == 0
