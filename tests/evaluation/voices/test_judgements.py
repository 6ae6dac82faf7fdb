"""What a judge is asked, and what is made of its answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from pluralism_local.engine.scripted import EVERYTHING, ScriptedEngine
from pluralism_local.errors import InvalidInput, Unsupported
from pluralism_local.evaluation.batch_calls import RequestFailure
from pluralism_local.evaluation.journal import Journal
from pluralism_local.evaluation.voices.judgements import CommentVerdict, StanceJudge, judge_comments
from pluralism_local.types import OptionRequest

COMMENTS = [
    (f"Is {i} enough?", f"I say {word}.")
    for i, word in enumerate(["yes", "no", "so", "well", "hm", "ah", "oh"])
]


def script(tmp_path: Path, *entries: object) -> Path:
    file = tmp_path / "script.json"
    file.write_text(json.dumps({"distributions": entries}))
    return file


def test_both_orders_are_averaged_so_that_a_judge_who_likes_a_letter_says_nothing(tmp_path: Path) -> None:
    engine = ScriptedEngine(script(tmp_path, {"match": "support?", "mass": {"A": 0.6, "B": 0.2}}))

    (verdict,) = StanceJudge(engine).ask([("Is it?", "It is.")])

    assert isinstance(verdict, CommentVerdict)
    assert verdict.yes == pytest.approx(0.5)
    assert verdict.order_effect == pytest.approx(0.5)
    assert verdict.outside == pytest.approx(0.2)


def test_a_judge_who_reads_the_options_is_understood_in_both_orders(tmp_path: Path) -> None:
    engine = ScriptedEngine(
        script(
            tmp_path,
            {"pattern": r"support\?\nA\. Yes\nB", "mass": {"A": 0.9, "B": 0.1}},
            {"pattern": r"support\?\nA\. No\nB", "mass": {"A": 0.3, "B": 0.7}},
        )
    )

    (verdict,) = StanceJudge(engine).ask([("Is it?", "It is.")])

    assert isinstance(verdict, CommentVerdict)
    assert verdict.yes == pytest.approx(0.8)
    assert verdict.order_effect == pytest.approx(0.2)


def test_on_topic_is_how_much_likelier_a_comment_makes_its_question_than_the_others(tmp_path: Path) -> None:
    before, after = {"Is it?": 0.25}, {"Is it?": 0.5}
    entries = [{"match": "No comment.", "mass": before}, {"match": "Text: It is.", "mass": after}]
    engine = ScriptedEngine(script(tmp_path, {"match": "support?", "mass": {"A": 1}}, *entries), record=True)

    (verdict,) = StanceJudge(engine).ask([("Is it?", "It is.")])

    assert isinstance(verdict, CommentVerdict)
    assert verdict.on_topic == pytest.approx(2 / (2 + 1 + 1 + 1))  # twice as likely, the others as before
    asked = {one.options for call in engine.calls for one in call.requests if isinstance(one, OptionRequest)}
    (questions,) = asked - {("A", "B")}
    assert questions[0] == "Is it?" and len(set(questions)) == 4


@pytest.mark.parametrize(
    "echo", ["Is tea good?", "is TEA good", "…", "Is tea good? Is tea, good?", "IS TEA\nGOOD?!"]
)
def test_a_question_quoted_back_is_no_answer(echo: str) -> None:
    (verdict,) = StanceJudge(ScriptedEngine()).ask([("Is tea good?", echo)])

    assert isinstance(verdict, CommentVerdict)
    assert verdict.on_topic == pytest.approx(0.25)  # as likely as the three others: chance


def test_a_judge_that_gives_no_option_any_probability_has_said_nothing(tmp_path: Path) -> None:
    engine = ScriptedEngine(script(tmp_path, {"match": "I say no", "mass": {}}))

    first, second = StanceJudge(engine).ask(COMMENTS[:2])

    assert isinstance(first, CommentVerdict)
    assert isinstance(second, RequestFailure) and second.code == "silent"


def test_what_is_asked_beside_it_changes_no_verdict() -> None:
    both = StanceJudge(ScriptedEngine()).ask(COMMENTS[:2])
    assert [StanceJudge(ScriptedEngine()).ask([one])[0] for one in COMMENTS[:2]] == both


def test_equal_comments_are_judged_once_and_kept(tmp_path: Path) -> None:
    engine = ScriptedEngine(record=True)
    judge = StanceJudge(engine)
    told: list[tuple[int, int]] = []

    with Journal(tmp_path / "j.jsonl") as journal:
        first = judge_comments(judge, journal, [*COMMENTS, *COMMENTS], progress=lambda *now: told.append(now))
        asked = sum(len(call.requests) for call in engine.calls)
        again = judge_comments(judge, journal, COMMENTS)

    assert first[:7] == first[7:] == again
    assert asked == sum(len(call.requests) for call in engine.calls) == 3 * 7 + 7
    assert told == [(0, 7), (6, 7), (7, 7)]


def test_a_stop_leaves_none_and_the_rest_follows(tmp_path: Path) -> None:
    judge = StanceJudge(ScriptedEngine())
    stops = iter([False, True])

    with Journal(tmp_path / "j.jsonl") as journal:
        cut = judge_comments(judge, journal, COMMENTS, should_stop=lambda: next(stops))
    assert [one is None for one in cut] == [False] * 6 + [True]
    with Journal(tmp_path / "j.jsonl") as journal:
        whole = judge_comments(judge, journal, COMMENTS)
    assert whole[:6] == cut[:6] and isinstance(whole[6], CommentVerdict)


def test_blank_comments_are_never_asked_about(tmp_path: Path) -> None:
    engine = ScriptedEngine(record=True)
    with Journal(tmp_path / "j.jsonl") as journal:
        (found,) = judge_comments(StanceJudge(engine), journal, [("Is it?", "  ")])
    assert isinstance(found, RequestFailure) and found.code == "empty"
    assert not engine.calls


def test_another_template_is_another_judge() -> None:
    engine = ScriptedEngine()
    assert StanceJudge(engine).identity != StanceJudge(engine, variant="none").identity


@pytest.mark.parametrize("able", ["none", "bounded"])
def test_a_model_without_exact_probabilities_is_no_judge(able: Literal["none", "bounded"]) -> None:
    engine = ScriptedEngine(capabilities=replace(EVERYTHING, distribution=able))
    with pytest.raises(Unsupported, match="probabilities"):
        StanceJudge(engine)


def test_a_journal_of_another_form_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.jsonl") as journal:
        journal.append([{"key": "k", "yes": 7}])
        with pytest.raises(InvalidInput):
            judge_comments(StanceJudge(ScriptedEngine()), journal, COMMENTS)
