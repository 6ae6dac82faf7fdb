"""How many positions an ask's comments take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.evaluation.nli import NliPair
from pluralism_local.evaluation.nli.base import EntailmentScores
from pluralism_local.evaluation.voices.comments import VoiceComment
from pluralism_local.evaluation.voices.positions import beginning, count_positions, positions


class ByFirstWord:
    """Entails what begins with the same word; "anything" entails everything and is entailed by nothing."""

    name, identity, truncated = "by first word", "0", 0

    def __init__(self) -> None:
        self.pairs: list[NliPair] = []

    def score(self, pairs: Sequence[NliPair], *, should_stop: ShouldStop = never) -> EntailmentScores:
        self.pairs += pairs
        rows = [one.premise.split()[0] in ("anything", one.hypothesis.split()[0]) for one in pairs]
        return np.array([[0.8, 0.1, 0.1] if row else [0.1, 0.8, 0.1] for row in rows]).reshape(-1, 3)


def comment(question: str, text: str, community: str = "a") -> VoiceComment:
    return VoiceComment(question, community, text)


def test_only_entailment_both_ways_makes_two_comments_one_position() -> None:
    scorer = ByFirstWord()
    found = positions(
        [
            comment("q1", "ban it"),
            comment("q1", "ban it now"),
            comment("q1", "anything goes"),
            comment("q1", "   "),
            comment("q2", "keep it"),
            comment("q2", "keep it"),
        ],
        scorer,
    )

    assert found == {"q1": 2, "q2": 1}
    # equal comments need nobody's opinion, nor what entails a comment that does not entail it
    assert [(pair.premise, pair.hypothesis) for pair in scorer.pairs] == [
        ("ban it", "ban it now"),
        ("ban it", "anything goes"),
        ("ban it now", "anything goes"),
        ("ban it now", "ban it"),
    ]


def test_only_beginnings_are_compared() -> None:
    assert beginning("One. Two. Three.") == "One. Two."
    assert beginning("…") == "…"


@given(st.integers(0, 6).flatmap(lambda n: st.lists(st.booleans(), min_size=n * n, max_size=n * n)))
def test_a_count_lies_between_one_and_all(flags: list[bool]) -> None:
    size = int(len(flags) ** 0.5)
    table = np.array(flags, dtype=np.bool_).reshape(size, size)

    assert min(1, size) <= count_positions(table) <= size
    assert count_positions(np.ones_like(table)) == min(1, size)
    assert count_positions(np.zeros_like(table)) == size
    assert count_positions(table) == count_positions(table & table.T)
