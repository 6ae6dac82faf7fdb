"""Judging with models that can read, or at least compute."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pluralism_local.engine.llama import LlamaEngine
from pluralism_local.evaluation.voices.judgements import CommentVerdict, StanceJudge
from pluralism_local.models.gguf_file import sha256_of

ROWS = [json.loads(line) for line in Path(__file__).with_name("texts.jsonl").read_text().splitlines()]


@contextmanager
def judging(path: Path) -> Iterator[Callable[[list[dict[str, str]]], list[CommentVerdict]]]:
    """Rows -> verdicts, by the model of this file."""
    with LlamaEngine(path, name="judge", sha256=sha256_of(path)) as engine:
        judge = StanceJudge(engine)

        def ask(rows: list[dict[str, str]]) -> list[CommentVerdict]:
            found = judge.ask([(one["question"], one["text"]) for one in rows])
            assert all(isinstance(one, CommentVerdict) for one in found)
            return [one for one in found if isinstance(one, CommentVerdict)]

        yield ask


def test_twenty_texts_that_answer_their_question_and_twenty_that_do_not() -> None:
    assert [sum(one["answers"] is wanted for one in ROWS) for wanted in (True, False)] == [20, 20]


@pytest.mark.slow
def test_a_small_model_gives_probabilities_that_hardly_depend_on_the_batch(starter_path: Path) -> None:
    with judging(starter_path) as ask:
        both = ask([ROWS[0], ROWS[20]])
        (alone,) = ask([ROWS[0]])

    on, off = both
    assert all(0 < p < 1 for one in both for p in (one.yes, one.on_topic))
    assert off.on_topic < 0.5 < on.on_topic  # even the starter: a text about zoos, and one about farms
    assert alone.yes == pytest.approx(on.yes, abs=0.02)
    assert alone.on_topic == pytest.approx(on.on_topic, abs=0.02)


@pytest.mark.slow
@pytest.mark.timeout(1200)  # some 12,000 tokens of prompts, on whatever else the machine has to do
def test_a_model_of_one_and_a_half_billion_parameters_tells_answers_from_other_texts(
    fetched_model: Callable[[str], Path],
) -> None:
    with judging(fetched_model("qwen25-coder-1.5b")) as ask:
        found = ask(ROWS)

    right = [(one.on_topic >= 0.5) is row["answers"] for one, row in zip(found, ROWS, strict=True)]
    assert sum(right) >= 28  # asked whether a text is on topic, this model says yes to all 40
    # of one question the text for it against the text against it, as the figures compare left and right
    yes = {row["question"]: one.yes for one, row in zip(found, ROWS, strict=True) if row["yes"] is True}
    no = {row["question"]: one.yes for one, row in zip(found, ROWS, strict=True) if row["yes"] is False}
    assert len(yes.keys() & no.keys()) == 9
    assert sum(yes[question] > no[question] for question in yes.keys() & no.keys()) >= 7
