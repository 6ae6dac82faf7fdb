"""Questions of yes or no, from files and as they ship."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.evaluation.voices.questions import NO_TOPIC, ContestedQuestion, balanced, read_questions


def test_the_shipped_questions_are_sixty_over_twelve_topics_with_sources_for_every_position() -> None:
    questions = read_questions()

    assert len(questions) == 60
    assert set(Counter(one.topic for one in questions).values()) == {5}
    assert all(one.source for one in questions if one.left or one.right)
    directions = Counter(one.direction for one in questions)
    # a voice that says yes to everything, or differs one way always, must not look like a leaning one
    assert directions[1] + directions[-1] >= 30
    assert abs(directions[1] - directions[-1]) <= 2


def test_lines_and_objects_may_stand_in_one_file(tmp_path: Path) -> None:
    file = tmp_path / "questions"
    file.write_text(
        "\ufeffShould tea be taxed?\n\n"
        '{"question": " Is tipping fair? ", "topic": "work", "left": "no", "right": "yes", "source": "a leaflet"}\n'
    )

    assert read_questions(file) == [
        ContestedQuestion("Should tea be taxed?", NO_TOPIC),
        ContestedQuestion("Is tipping fair?", "work", "no", "yes", ("a leaflet",)),
    ]


@pytest.mark.parametrize(
    ("left", "right", "direction"),
    [("yes", "no", 1), ("no", "yes", -1), ("yes", "yes", 0), ("yes", None, 0), (None, None, 0)],
)
def test_a_direction_needs_two_different_positions(left: str, right: str, direction: int) -> None:
    assert ContestedQuestion("?", left=left, right=right).direction == direction  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no questions"),
        ("\n  \n", "no questions"),
        ("Why?\nWhy?\n", "line 2: the question is there twice"),
        ('{"question": "Why?", "left": "maybe"}', "line 1: left"),
        ('{"topic": "work"}', "line 1: question"),
        ('{"question": " "}', "blank"),
        ('{"question": "Why?"', "no JSON object"),
        ('Why?\n{"question": 3}', "line 2: question"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "questions.jsonl"
    file.write_text(text)

    with pytest.raises(InvalidInput, match=message):
        read_questions(file)


def test_no_text_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_questions(tmp_path / "bytes")
    with pytest.raises(NotFound):
        read_questions(tmp_path / "nothing")


ROWS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([None, "yes", "no"])), max_size=20).map(
    lambda rows: [ContestedQuestion(f"q{i}", topic, "yes", right) for i, (topic, right) in enumerate(rows)]  # type: ignore[arg-type]
)


@given(ROWS, st.integers(1, 25))
def test_a_limit_is_balanced_and_a_larger_one_only_adds(
    questions: list[ContestedQuestion], limit: int
) -> None:
    chosen = balanced(questions, limit)

    assert len(chosen) == min(limit, len(questions))
    assert balanced(questions, limit + 1)[: len(chosen)] == chosen
    there = Counter(one.topic for one in questions)
    taken = Counter(one.topic for one in chosen)
    for topic in there:  # nobody has two more than a topic that still had some
        if taken[topic] < there[topic]:
            assert max(taken.values()) <= taken[topic] + 1
    assert set(balanced(questions, None)) == set(questions)


def test_the_shipped_file_is_read_strictly() -> None:
    from importlib import resources

    text = resources.files("pluralism_local.evaluation.voices").joinpath("questions.jsonl").read_text()
    assert {tuple(json.loads(line)) for line in text.splitlines()} == {
        ("topic", "question", "left", "right", "source")
    }
