"""What is at stake: arithmetic by hand, one model that tells in words, and searches that end in the middle."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.engine.scripted import EVERYTHING, ScriptedEngine
from pluralism_local.errors import EngineFailure, InvalidInput, RemoteFailure, Unsupported
from pluralism_local.modes.steps import Scores, Step, Weigh
from pluralism_local.modes.values import prompts
from pluralism_local.modes.values.assessor import relevances, valences
from pluralism_local.modes.values.prompts import LLM
from pluralism_local.modes.values.running import MOST, find_values
from pluralism_local.progress import ValuesProgress
from pluralism_local.prompts import Prompt
from pluralism_local.types import Message, OptionRequest
from pluralism_local.values.stakes import OPPOSES_UNTIL, STEEPNESS, SUPPORTS_FROM, Stake, Values
from tests.support.mode_asks import FailingEngine, NoLogprobs, after, script
from tests.test_prompts import digest

SITUATION = "Biking to work"
LISTED = {
    "values": ["Health", "Environmental sustainability", "Sustainability of the environment", "Convenience"],
    "rights": ["Right to clean air"],
    "duties": ["Duty to obey traffic laws"],
}
REASON = "It keeps people fit and saves them money."
REPLIES: list[dict[str, object]] = [
    {"match": "Which human values", "text": json.dumps(LISTED)},
    {"match": "Say in one plain sentence", "text": REASON},
]
WEIGHTS = [
    {"pattern": "(?s): N/A\n", "mass": {"Yes": 0.4, "No": 0.4}},
    {"pattern": "(?s)Health.*at stake", "mass": {"Yes": 0.9, "No": 0.1}},
    {"pattern": "(?s)Convenience.*at stake", "mass": {"Yes": 0.2, "No": 0.6}},
    {"match": "at stake", "mass": {"Yes": 0.7, "No": 0.3}},
    {"match": "support doing it", "mass": {"Yes": 0.8, "No": 0.2}},
    {"match": "oppose doing it", "mass": {"Yes": 0.5, "No": 0.5}},
]


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """A script of a model that lists values, and finds all but convenience at stake and in favour."""
    return script(tmp_path, replies=REPLIES, distributions=WEIGHTS)


def values_of(llm: LanguageModel, should_stop: ShouldStop = lambda: False, **options: Any) -> Values:
    """The last event, which must be the only Values."""
    *events, last = find_values(SITUATION, llm=llm, should_stop=should_stop, **options)
    assert all(isinstance(event, ValuesProgress) for event in events)
    assert isinstance(last, Values)
    return last


def weighed_by(llm: ScriptedEngine, steps: Generator[Step, Any, Any]) -> Any:
    """What steps that only weigh come to, without any driver."""
    try:
        step = next(steps)
        while isinstance(step, Weigh):
            requests = [
                OptionRequest((Message("user", wording.text),), step.options) for wording in step.wordings
            ]
            step = steps.send(llm.distribution(requests))
    except StopIteration as end:
        return end.value
    raise TypeError(f"no step that weighs: {step}")


def test_relevance_is_what_a_situation_adds_to_a_value(tmp_path: Path) -> None:
    odds = {
        "Situation: N/A\n\nValue: Health": (0.6, 0.2),
        "Situation: Biking to work\n\nValue: Health": (0.6, 0.3),
        "Situation: Fishing\n\nValue: Health": (0.2, 0.6),
    }
    file = script(
        tmp_path,
        distributions=[{"match": text, "mass": {"Yes": yes, "No": no}} for text, (yes, no) in odds.items()],
    )
    health = Stake("value", "Health")
    biking, fishing = weighed_by(ScriptedEngine(file), relevances([(SITUATION, health), ("Fishing", health)]))
    # odds 2, less 3 of the value without a situation
    assert biking.p == pytest.approx((2 / 3) / (2 / 3 + 1)) and biking.method == "scripted"
    # odds 1/3, less 3
    assert fishing.p == pytest.approx((1 / 9) / (1 / 9 + 1))


def test_valence_is_how_much_more_a_value_supports_than_it_opposes(tmp_path: Path) -> None:
    odds = {
        "(?s)Situation: Biking.*Value: Health.*support doing it": (0.6, 0.2),
        "(?s)Situation: Biking.*Value: Health.*oppose doing it": (0.2, 0.4),
    }
    file = script(
        tmp_path,
        distributions=[{"pattern": text, "mass": {"Yes": yes, "No": no}} for text, (yes, no) in odds.items()],
    )
    (valence,) = weighed_by(ScriptedEngine(file), valences([(SITUATION, Stake("value", "Health"))]))
    lean = math.log(3 / (1 / 2))  # odds 3 of support, 1/2 of opposition
    assert valence.support == pytest.approx(1 / (1 + math.exp(-STEEPNESS * (lean - SUPPORTS_FROM))))
    assert valence.oppose == pytest.approx(1 / (1 + math.exp(-STEEPNESS * (OPPOSES_UNTIL - lean))))
    assert sum(valence.p) == pytest.approx(1) and valence.method == "scripted"


def test_a_model_that_says_neither_yes_nor_no_leans_nowhere(tmp_path: Path) -> None:
    for mute in ("support", "oppose", "Answer"):
        said = [{"match": mute, "mass": {"Maybe": 1.0}}, {"match": "Answer", "mass": {"Yes": 0.9, "No": 0.1}}]
        llm = ScriptedEngine(script(tmp_path, distributions=said))
        (valence,) = weighed_by(llm, valences([(SITUATION, Stake("right", "Right to roam"))]))
        assert valence.p == pytest.approx((1 / 3, 1 / 3, 1 / 3)) and valence.leaning == "either"


@pytest.mark.parametrize(
    ("situation", "what"),
    [
        ("Biking to work", "doing it"),
        ("Is tipping fair? ", "the answer yes"),
        ("公平ですか\uff1f", "the answer yes"),
    ],
)
def test_of_a_question_the_answer_yes_is_supported(situation: str, what: str) -> None:
    for wording, verb in zip(
        LLM.valence(situation, Stake("right", "Right")), ("support", "oppose"), strict=True
    ):
        assert f"Does this right {verb} {what}? Answer Yes or No." in wording.text


WORDINGS = {
    "values.list@1": "702baf4cc1d8",
    "values.relevance@1": "f4ae3b31ddd7",
    "values.supports@1": "cbf30363f887",
    "values.opposes@1": "08eb7bc6b0e3",
    "values.reason@1": "35016f1514aa",
    "values.kaleido-generate@1": "2d0ada1c1e3a",
    "values.kaleido-relevance@1": "cf08ef46be89",
    "values.kaleido-valence@1": "669ee96f2740",
    "values.kaleido-explanation@1": "b7525c7773c4",
}


def test_wordings_are_pinned_to_their_versions() -> None:
    own = [prompt for prompt in vars(prompts).values() if isinstance(prompt, Prompt)]
    assert {prompt.id: digest(prompt) for prompt in own} == WORDINGS


def test_a_search_lists_weighs_and_explains(told: Path) -> None:
    found = values_of(ScriptedEngine(told))
    names = [one.stake.text for one in found.stakes]
    assert names == [
        "Health",
        "Environmental sustainability",
        "Sustainability of the environment",
        "Right to clean air",
        "Duty to obey traffic laws",
    ]
    assert [one.stake.text for one in found.irrelevant] == ["Convenience"]
    assert {one.reason for one in found.stakes} == {REASON}
    assert (
        found.complete and found.method == "scripted" and found.draws == 4
    )  # one list, then three for too few
    assert found.prompts == (
        "values.list@1",
        "values.relevance@1",
        "values.supports@1",
        "values.opposes@1",
        "values.reason@1",
    )


def test_values_that_entail_each_other_are_one_and_the_more_relevant_stands_for_it(told: Path) -> None:
    asked: list[tuple[str, str]] = []

    def scorer(pairs: Sequence[tuple[str, str]], _: ShouldStop) -> Scores:
        asked.extend(pairs)
        return [
            (0.9, 0.05, 0.05)
            if all("ustainab" in text for text in pair) or pair[0].startswith("Health")
            else (0.1, 0.8, 0.1)
            for pair in pairs
        ]

    found = values_of(ScriptedEngine(told), entailment=scorer)
    merged = {one.stake.text: [other.text for other in one.merged] for one in found.stakes}
    assert merged["Environmental sustainability"] == ["Sustainability of the environment"]
    assert merged["Health"] == []  # it entails all, and nothing entails it
    assert found.merged == 1 and ("Health matters.", "Right to clean air matters.") in asked


def test_a_scorer_that_fails_leaves_the_words(told: Path) -> None:
    def scorer(pairs: Sequence[tuple[str, str]], _: ShouldStop) -> Scores:
        raise EngineFailure("The scorer failed.")

    found = values_of(ScriptedEngine(told), entailment=scorer)
    assert len(found.stakes) == 5 and found.complete
    assert "Values that say the same were told by their words alone: The scorer failed." in found.warnings


def test_enough_values_take_one_list(tmp_path: Path) -> None:
    many = {"values": [f"Virtue {word}" for word in ("of a", "of b", "of c")]}
    file = script(tmp_path, replies=[{"match": "Which", "text": json.dumps(many)}, *REPLIES[1:]])
    found = values_of(ScriptedEngine(file), limit=3, min_relevance=0)
    assert found.draws == 1 and found.beyond == 0 and len(found.stakes) == 3
    found = values_of(ScriptedEngine(file), limit=2, min_relevance=0)
    assert found.beyond == 1 and len(found.stakes) == 2
    assert found.stakes[0].relevance >= found.stakes[1].relevance


def test_a_model_without_probabilities_tells_in_words(tmp_path: Path) -> None:
    file = script(
        tmp_path,
        replies=[
            *REPLIES,
            {"pattern": "(?s)Convenience.*at stake", "text": "No."},
            {"pattern": "(?s)Health.*at stake", "text": "Yes, it is"},
            {"match": "at stake", "text": "Perhaps"},
            {"pattern": "(?s)Health.*support doing it", "text": "Yes"},
            {"pattern": "(?s)Health.*oppose doing it", "text": "(No)"},
            {"match": "support doing it", "text": "Yes."},
            {"match": "oppose doing it", "text": "Yes, too"},
        ],
    )
    for llm in (
        NoLogprobs(file),
        ScriptedEngine(file, capabilities=replace(EVERYTHING, distribution="none")),
    ):
        found = values_of(llm)
        assert found.method == "words"
        assert [(one.stake.text, one.relevance) for one in found.stakes][:2] == [
            ("Health", 1.0),
            ("Environmental sustainability", 0.5),
        ]
        assert [one.relevance for one in found.irrelevant] == [0.0]
        health, sustainability = found.stakes[0].valence, found.stakes[1].valence
        assert health is not None and health.method == "words"
        assert health.p == pytest.approx((1, 0, 0), abs=1e-6)
        assert sustainability is not None and sustainability.leaning == "either"


@pytest.mark.parametrize("count", range(0, 60, 3))
def test_stopped_at_any_moment_it_keeps_what_is_finished(told: Path, count: int) -> None:
    whole = values_of(ScriptedEngine(told))
    engine = ScriptedEngine(told)
    found = values_of(engine, after(count))
    if found.complete:
        assert replace(found, seconds=0) == replace(whole, seconds=0)
        return
    by_name = {one.stake: one for one in (*whole.stakes, *whole.irrelevant)}
    for one in (*found.stakes, *found.irrelevant):
        assert one.relevance == by_name[one.stake].relevance
        assert one.valence in (None, by_name[one.stake].valence)
        assert one.reason in ("", by_name[one.stake].reason)
    assert set(found.unweighed) <= set(by_name)
    assert replace(values_of(engine), seconds=0) == replace(whole, seconds=0)  # the engine stays usable


def test_a_failure_in_the_middle_keeps_what_is_finished(told: Path) -> None:
    failing = FailingEngine(
        RemoteFailure("It is gone."), lambda text: "support doing it" in text, script=told
    )
    found = values_of(failing)
    assert not found.complete and len(found.stakes) == 5 and found.warnings == ("It is gone.",)
    assert all(one.valence is None and not one.reason for one in found.stakes)


def test_a_failure_before_anything_was_weighed_is_raised(told: Path) -> None:
    failing = FailingEngine(RemoteFailure("It is gone."), lambda text: "at stake" in text, script=told)
    with pytest.raises(RemoteFailure, match="It is gone"):
        values_of(failing)


def test_nothing_relevant_is_said_with_what_came_nearest(told: Path) -> None:
    found = values_of(ScriptedEngine(told), min_relevance=0.95)
    assert found.stakes == () and len(found.irrelevant) == 6 and found.complete
    assert "the highest is 0.90, of 'Health'" in found.warnings[0]


def test_a_refusal_to_list_is_said(tmp_path: Path) -> None:
    file = script(tmp_path, replies=[{"match": "Which", "text": "I'm sorry, but I cannot help with that."}])
    found = values_of(ScriptedEngine(file, capabilities=replace(EVERYTHING, grammars="none")))
    assert found.stakes == () and found.draws == 4
    assert "scripted:" in found.warnings[0] and "listed no values" in found.warnings[0]


@pytest.mark.parametrize("cut", [40, 75, 130])
def test_a_list_that_was_cut_off_gives_its_whole_names(tmp_path: Path, cut: int) -> None:
    file = script(
        tmp_path,
        replies=[{"match": "Which", "text": json.dumps(LISTED)[:cut]}, *REPLIES[1:]],
        distributions=WEIGHTS,
    )
    found = values_of(ScriptedEngine(file), min_relevance=0)
    listed = [name for names in LISTED.values() for name in names]
    assert found.stakes and {one.stake.text for one in found.stakes} <= set(listed)


@pytest.mark.parametrize(
    ("situation", "options", "message"),
    [
        (" \n", {}, "The situation is empty"),
        (SITUATION, {"limit": 0}, f"Between 1 and {MOST}"),
        (SITUATION, {"limit": MOST + 1}, f"Between 1 and {MOST}"),
        (SITUATION, {"min_relevance": 1.5}, "between 0 and 1"),
        (SITUATION, {"min_relevance": float("nan")}, "between 0 and 1"),
    ],
)
def test_what_cannot_be_looked_for_is_refused_at_the_call(
    situation: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        find_values(situation, llm=ScriptedEngine(), **options)


def test_a_base_model_is_refused() -> None:
    base = ScriptedEngine(capabilities=replace(EVERYTHING, only_continues=True))
    with pytest.raises(Unsupported, match="base model"):
        find_values(SITUATION, llm=base)
