"""Passages that take a side come before those that announce something."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from communitylm.corpus.passages import Passage
from communitylm.corpus.stances import stance_score, take_sides

ARGUES = "We must protect the right to vote, because a country that fails its citizens cannot be just."
ANNOUNCES = (
    "Senator John Smith announced today that Grand Rapids was awarded grants of $1,200,000 and 14 new buses."
)


def test_an_argument_scores_higher_than_an_announcement() -> None:
    assert stance_score(ARGUES) > 0 > stance_score(ANNOUNCES)


def test_the_side_itself_does_not_matter() -> None:
    other = ARGUES.replace("protect", "oppose")
    assert stance_score(other) == stance_score(ARGUES)


def test_the_best_come_first_and_no_speaker_fills_the_choice() -> None:
    loud = [Passage(f"{ARGUES} Reason {'really ' * n}.", speaker="Loud") for n in range(20)]
    quiet = [
        Passage(f"We should pay teachers better. {'Again. ' * n}", speaker=f"Quiet {n}") for n in range(9)
    ]
    chosen = take_sides([*loud, *quiet], 10, most=0.1)
    assert [passage.speaker for passage in chosen].count("Loud") == 1
    assert len(chosen) == 10


def test_where_there_are_too_few_speakers_they_fill_up() -> None:
    assert len(take_sides([Passage(f"{ARGUES} {n}", speaker="One") for n in range(6)], 4, most=0.25)) == 4


@given(st.lists(st.text(min_size=1, max_size=80), max_size=20, unique=True), st.integers(1, 10))
def test_a_choice_is_of_what_was_given_and_the_same_in_any_order(texts: list[str], count: int) -> None:
    passages = [Passage(text, speaker=str(len(text) % 3)) for text in texts]
    chosen = take_sides(passages, count)
    assert len(chosen) == min(count, len(passages))
    assert set(chosen) <= set(passages)
    assert chosen == take_sides(reversed(passages), count)
    scores = [stance_score(passage.text) for passage in chosen]
    assert scores == sorted(scores, reverse=True)
