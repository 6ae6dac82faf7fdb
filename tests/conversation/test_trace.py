"""Tracing an answer to the comments: what must hold whatever the words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.content_words import content_words
from pluralism_local.conversation.trace import (
    MOST_SENTENCES,
    Near,
    trace,
    trace_by_entailment,
)
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.sentences import sentences

WORDS = st.sampled_from(
    ["tax", "school", "phone", "the", "parent", "children", "ban", "rule", "freedom", "cost", "a"]
)
SENTENCE = st.lists(WORDS, min_size=1, max_size=8).map(lambda words: " ".join(words).capitalize() + ".")
TEXT = st.lists(SENTENCE, max_size=5).map(" ".join)
COMMENTS = st.lists(TEXT, max_size=5).map(lambda texts: [(f"c{n}", text) for n, text in enumerate(texts)])


@given(TEXT, COMMENTS)
def test_every_sentence_is_there_with_every_comment_scored(
    answer: str, comments: list[tuple[str, str]]
) -> None:
    found = trace(answer, comments)
    assert [traced.sentence for traced in found] == sentences(answer)
    for traced in found:
        assert sorted(near.community for near in traced.nearest) == sorted(name for name, _ in comments)
        scores = [near.score for near in traced.nearest]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
        texts = dict(comments)
        assert all(near.sentence in sentences(texts[near.community]) for near in traced.nearest if near.score)
        assert all(not near.sentence for near in traced.nearest if not near.score)


@given(SENTENCE, COMMENTS)
def test_a_sentence_taken_from_a_comment_scores_1_there(
    sentence: str, comments: list[tuple[str, str]]
) -> None:
    found = trace(sentence, [*comments, ("source", f"First of all. {sentence}")])
    score = {near.community: near.score for near in found[0].nearest}["source"]
    assert score == pytest.approx(1 if content_words(sentence) else 0)


@given(TEXT, COMMENTS)
def test_the_order_of_the_comments_changes_no_score(answer: str, comments: list[tuple[str, str]]) -> None:
    def scores(order: list[tuple[str, str]]) -> list[dict[str, float]]:
        return [{near.community: near.score for near in traced.nearest} for traced in trace(answer, order)]

    for one, other in zip(scores(comments), scores(comments[::-1]), strict=True):
        assert one == pytest.approx(other)


@given(TEXT)
def test_without_words_in_common_the_score_is_0(answer: str) -> None:
    for traced in trace(answer, [("elsewhere", "Zebras graze quietly.")]):
        assert [near.score for near in traced.nearest] == [0]


def test_a_score_computed_by_hand() -> None:
    # Sentences of the comments: {ban, phone}, {ban, book}; n = 2. Weights: ban ln(3/3)+1 = 1, phone ln(3/2)+1 = w.
    # The answer {phone, tablet}: tablet is in no comment, ln(3/1)+1 = u. Cosine with {ban, phone}:
    # w·w / (sqrt(w²+u²) · sqrt(1+w²))
    found = trace("Phones, tablets.", [("a", "Ban phones."), ("b", "Ban books.")])
    w, u = math.log(3 / 2) + 1, math.log(3) + 1
    expected = w * w / (math.sqrt(w * w + u * u) * math.sqrt(1 + w * w))
    assert [(near.community, near.score) for near in found[0].nearest] == [
        ("a", pytest.approx(expected)),
        ("b", 0),
    ]


def test_what_everybody_says_tells_less_than_what_one_says() -> None:
    comments = [("a", "Schools need money."), ("b", "Schools need teachers."), ("c", "Schools need quiet.")]
    nearest = trace("Schools need quiet and money and quiet.", comments)[0].nearest
    assert [near.community for near in nearest] == ["c", "a", "b"]


def test_common_words_alone_are_no_trace() -> None:
    assert trace("It is what it is.", [("a", "It was what it would be.")])[0].nearest[0].score == 0


def test_no_comments_or_no_answer() -> None:
    assert trace("", [("a", "Something.")]) == []
    assert trace("Something.", [])[0].nearest == ()


def test_by_entailment_a_score_is_that_of_the_sentence_that_bears_it_out() -> None:
    asked: list[tuple[str, str]] = []

    def scorer(pairs: Sequence[tuple[str, str]], should_stop: ShouldStop) -> list[tuple[float, float, float]]:
        assert not should_stop()
        asked.extend(pairs)
        return [(0.75, 0.25, 0.0) if "lessons" in premise else (0.125, 0.875, 0.0) for premise, _ in pairs]

    comments = [("left", "It is late. They disturb lessons."), ("right", "Phones distract."), ("mute", "")]
    (found,) = trace_by_entailment("Phones distract!", comments, scorer, never)
    assert found.nearest == (
        Near("right", 1.0, "Phones distract."),  # word for word, which no scorer need be asked
        Near("left", 0.75, "They disturb lessons."),
        Near("mute", 0.0, ""),
    )
    assert asked == [("It is late.", "Phones distract!"), ("They disturb lessons.", "Phones distract!")]


@given(TEXT, COMMENTS)
def test_by_entailment_every_sentence_has_every_comment_too(
    answer: str, comments: list[tuple[str, str]]
) -> None:
    found = trace_by_entailment(answer, comments, lambda pairs, _: [(0.5, 0.5, 0.0) for _ in pairs], never)
    assert [traced.sentence for traced in found] == sentences(answer)[:MOST_SENTENCES]
    for traced in found:
        assert sorted(near.community for near in traced.nearest) == sorted(name for name, _ in comments)
