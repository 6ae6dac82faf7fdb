"""The voices' differences beside those of people."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.journal import Journal
from pluralism_local.evaluation.voices.comments import VoiceComment
from pluralism_local.evaluation.voices.opinions import SurveyQuestion, likeness, read_survey, survey_answers
from pluralism_local.evaluation.voices.pairs import VoicePair

PAIR = VoicePair("press", "l", "r")
OPTIONS = ("A lot", "Some", "None")


def row(
    attribute: str, gold: list[float], question: str = "How much?", options: object = (*OPTIONS, "Refused")
) -> object:
    return {
        "question": f"Question: {question}\nOptions: A. A lot\nAnswer:",
        "options": list(options) if isinstance(options, tuple) else options,
        "attribute": attribute,
        "gold_distribution": gold,
    }


def survey_file(folder: Path, *rows: object) -> Path:
    file = folder / "survey.json"
    file.write_text(json.dumps(rows))
    return file


def test_questions_that_both_sides_answered(tmp_path: Path) -> None:
    file = survey_file(
        tmp_path,
        row("POLPARTY_Democrat", [0.6, 0.1, 0.1, 0.2]),
        row("RELIG_Atheist", [1, 0, 0, 0]),
        row("POLPARTY_Republican", [0.1, 0.4, 0.5, 0.0]),
        row("POLIDEOLOGY_Liberal", [1, 0, 0, 0]),
        row("POLPARTY_Democrat", [1, 0, 0, 0], "Asked of one side?"),
    )

    (one,) = read_survey(file)

    assert (one.text, one.options, set(one.sides)) == ("How much?", OPTIONS, {"party"})
    left, right = one.sides["party"]
    assert left == pytest.approx((0.75, 0.125, 0.125))
    assert right == pytest.approx((0.1, 0.4, 0.5))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("RELIG_Atheist", [1, 0, 0, 0])], "no question that both"),
        ([row("POLPARTY_Democrat", [1, 0])], "row 1: options and gold_distribution do not fit"),
        ([row("POLPARTY_Democrat", [1, 0, 0, 0], options="ABCD")], "row 1: no question, options"),
        ([row("POLPARTY_Democrat", [0, 0, 0, 1])], "row 1: fewer than two"),
        ([row("POLPARTY_Democrat", [1, 0], options=("Yes", "Refused"))], "row 1: fewer than two"),
    ],
)
def test_rows_that_are_none_are_refused(tmp_path: Path, rows: list[object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        read_survey(survey_file(tmp_path, *rows))


def test_answers_are_the_mean_of_both_directions_and_asked_once(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"distributions": [{"match": "", "mass": {"A": 0.5, "B": 0.3, "C": 0.2}}]}))
    engine = ScriptedEngine(script, record=True)
    survey = [SurveyQuestion("How much?", OPTIONS, {})]
    said = [
        VoiceComment("How much?", "l", "Much."),
        VoiceComment("How much?", "r", " "),
        VoiceComment("Else?", "l", "x"),
    ]

    with Journal(tmp_path / "s.jsonl") as journal:
        found = survey_answers(engine, "me", survey, said, journal)
        assert survey_answers(engine, "me", survey, said, journal) == found

    assert list(found) == [("How much?", "l")]
    assert found["How much?", "l"] == pytest.approx((0.35, 0.3, 0.35))
    assert len(engine.calls) == 1


def test_an_option_that_points_at_its_place_keeps_it_in_the_other_order(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"distributions": [{"match": "", "mass": {"A": 0.5, "B": 0.3, "C": 0.2}}]}))
    survey = [SurveyQuestion("Which?", ("Jobs", "Prices", "Neither of the above"), {})]

    with Journal(tmp_path / "s.jsonl") as journal:
        shares = survey_answers(
            ScriptedEngine(script), "me", survey, [VoiceComment("Which?", "l", "Both.")], journal
        )

    assert shares["Which?", "l"] == pytest.approx((0.4, 0.4, 0.2))


def test_voices_like_people_correlate_and_turned_round_they_do_the_opposite() -> None:
    people = [((0.7, 0.2, 0.1), (0.1, 0.3, 0.6)), ((0.2, 0.3, 0.5), (0.4, 0.4, 0.2))]
    survey = [SurveyQuestion(f"q{i}", OPTIONS, {"party": sides}) for i, sides in enumerate(people)]
    alike = {(f"q{i}", id): p for i, sides in enumerate(people) for id, p in zip("lr", sides, strict=True)}
    turned = {(q, "r" if id == "l" else "l"): p for (q, id), p in alike.items()}

    assert likeness(survey, alike, [PAIR])["party"]["press"]["r"]["value"] == pytest.approx(1)
    assert likeness(survey, turned, [PAIR])["party"]["press"]["r"]["value"] == pytest.approx(-1)
    assert likeness(survey, alike, [PAIR])["ideology"]["press"] == {
        "questions": 0,
        "r": {"value": None, "low": None, "high": None},
    }


def test_voices_that_do_not_differ_have_no_correlation() -> None:
    survey = [SurveyQuestion("q", OPTIONS, {"party": ((0.7, 0.2, 0.1), (0.1, 0.3, 0.6))})]
    same = {("q", id): (0.5, 0.25, 0.25) for id in "lr"}
    assert likeness(survey, same, [PAIR])["party"]["press"]["r"]["value"] is None
