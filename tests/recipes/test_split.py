"""The split: nobody on both sides, stable under additions, the same everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from communitylm.corpus.passages import Passage
from communitylm.corpus.split import SLACK, evenly, split
from pluralism_local.errors import InvalidInput
from tests.support.corpus import letters

SIZES = st.lists(st.integers(1, 40), min_size=2, max_size=30)


@given(SIZES, st.floats(0.02, 0.5), st.integers(0, 5))
def test_no_speaker_is_on_both_sides_and_nothing_is_lost(sizes: list[int], share: float, seed: int) -> None:
    passages = [
        Passage(f"{who} {i}", speaker=str(who)) for who, size in enumerate(sizes) for i in range(size)
    ]
    training, held_out = split(passages, share, seed)
    assert not {p.speaker for p in training} & {p.speaker for p in held_out}
    assert sorted(p.text for p in training + held_out) == sorted(p.text for p in passages)
    assert training and held_out
    assert len(held_out) <= max(SLACK * max(1, share * len(passages)), min(sizes))


def test_without_speakers_whole_documents_are_held_out() -> None:
    passages = [Passage(f"{d} {i}", document=str(d)) for d in range(20) for i in range(5)]
    training, held_out = split(passages, 0.1, 0)
    assert len(held_out) == 10 and len({p.document for p in held_out}) == 2
    assert training == [p for p in passages if p not in held_out]
    assert held_out == [p for p in passages if p not in training]


def test_the_split_does_not_depend_on_order_and_is_pinned() -> None:
    passages = letters("riders", speakers=10)
    training, held_out = split(passages, 0.2, 7)
    again = split(passages[::-1], 0.2, 7)
    assert again[1] == held_out[::-1] and sorted(p.text for p in again[0]) == sorted(p.text for p in training)
    assert {p.speaker for p in held_out} == {"riders-3", "riders-9"}  # by sha256 of "7:speaker riders-N"


def test_one_speaker_cannot_be_split() -> None:
    with pytest.raises(InvalidInput, match="none can be held out"):
        split([Passage("a", speaker="x"), Passage("b", speaker="x")], 0.1, 0)


@given(SIZES, st.integers(0, 5))
def test_any_beginning_hears_everyone_alike(sizes: list[int], seed: int) -> None:
    passages = [
        Passage(f"{who} {i}", speaker=str(who)) for who, size in enumerate(sizes) for i in range(size)
    ]
    ordered = evenly(passages, seed)
    assert ordered == evenly(passages[::-1], seed)
    assert sorted(p.text for p in ordered) == sorted(p.text for p in passages)
    for end in range(len(ordered) + 1):
        counts = [0] * len(sizes)
        for passage in ordered[:end]:
            counts[int(passage.speaker or "")] += 1
        most = max(counts)
        assert all(count >= min(most - 1, size) for count, size in zip(counts, sizes, strict=True))
