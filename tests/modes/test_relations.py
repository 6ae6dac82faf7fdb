"""What a comment does with a claim: which of it is asked of the LLM, and which needs no asking."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.engine.base import Capabilities, ShouldStop
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.modes import Ask, run
from pluralism_local.modes.positions.assigner import ScoredPairs, merged, relate_all
from pluralism_local.modes.positions.finder import MOST_CLAIMS
from pluralism_local.modes.steps import Case, Entail, Weigh
from pluralism_local.modes.wordings import AskQuestion, AskWordings
from pluralism_local.positions.plan import PositionPlan
from pluralism_local.positions.stances import stance
from pluralism_local.results import Result, Stance
from pluralism_local.types import OptionDistribution, Sampling
from tests.support.mode_asks import BOUNDED, THREE, pool, script

QUESTION = AskQuestion("Should phones be banned?", lists_options=False)
CLAIM, DENIAL = "Phones distract from lessons.", "Phones do not distract from lessons."


def related(
    texts: Mapping[str, str],
    claims: Sequence[str],
    agreed: Mapping[str, float],
    held: Mapping[str, Sequence[int]],
) -> tuple[dict[str, list[Stance]], list[str]]:
    """By text what it does with each claim, and what the LLM, which agrees so much after each text, was asked."""
    plan = PositionPlan(attributed=False, finder="llm", method="llm", grammars="gbnf")
    case = Case(AskWordings(), QUESTION, "text", (), (), "exact", Sampling(), plan)
    steps = relate_all(case, texts, claims, ScoredPairs(), held)
    asked: list[str] = []
    try:
        step = next(steps)
        while True:
            reply = None
            if isinstance(step, Weigh):
                asked += [wording.text for wording in step.wordings]
                reply = [
                    weighed(
                        step.options, next((p for text, p in agreed.items() if text in wording.text), 0.5)
                    )
                    for wording in step.wordings
                ]
            step = steps.send(reply)
    except StopIteration as end:
        relations = end.value
    return {voice: [stance(relation, "llm") for relation in row] for voice, row in relations.items()}, asked


def weighed(options: tuple[str, ...], yes: float) -> OptionDistribution:
    p = (yes, 1 - yes)
    return OptionDistribution(options, p, p, 0.0, tuple(zip(p, p, strict=True)), "exact")


def test_the_llm_is_not_asked_about_what_a_comment_does_not_speak_of() -> None:
    texts = {"left": "They are a distraction.", "right": "Teachers earn little.", "center": " "}
    plain, asked = related(texts, [CLAIM, DENIAL], {"a distraction.": 0.9}, {})
    assert len(asked) == 4 and not any("Teachers" in text for text in asked)  # left's two, and the two priors
    assert plain["right"] == plain["center"] == ["silent", "silent"]


def test_the_llm_is_not_asked_about_what_a_comment_is_known_to_claim_and_its_denial_is_opposed() -> None:
    texts = {"left": "They are a distraction.", "right": "Nobody learns with distractions."}
    agreed = {"a distraction.": 0.9, "with distractions.": 0.9}  # with everything: the LLM is too ready
    plain, asked = related(texts, [CLAIM, DENIAL], agreed, {"left": [0]})
    assert not any("a distraction." in text and text.endswith(CLAIM) for text in asked)
    assert plain == {"left": ["supports", "opposes"], "right": ["silent", "silent"]}


def test_who_is_told_to_claim_a_thing_and_its_denial_is_left_with_both() -> None:
    plain, asked = related({"left": "They are a distraction."}, [CLAIM, DENIAL], {}, {"left": [0, 1]})
    assert plain == {"left": ["supports", "supports"]} and not asked


BAN = "Phones should be banned."
NOISE, COST = (
    f"{BAN[:-1]} because {why}." for why in ("they ring in every lesson", "they cost parents money")
)


def test_the_llm_is_asked_for_a_reason_only_of_a_text_that_has_most_of_its_words() -> None:
    texts = {
        "left": "They ring all day in a lesson, which is why they must go.",
        "right": "What parents want is what counts.",
    }
    agreed = {texts["left"]: 0.9, texts["right"]: 0.9}
    plain, asked = related(texts, [BAN, NOISE, COST], agreed, {"left": [0], "right": [0]})
    assert [text.rpartition("Claim: ")[2] for text in asked] == [NOISE, NOISE]  # of left, and without a text
    assert plain == {"left": ["supports", "supports", "silent"], "right": ["supports", "silent", "silent"]}


@pytest.mark.parametrize("said", ["Phones should not be banned.", "I believe phones must not be banned."])
def test_the_llm_is_not_asked_whether_one_that_denies_a_claim_holds_it_for_a_reason(said: str) -> None:
    texts = {"left": f"{said} They ring in every lesson."}
    plain, asked = related(texts, [BAN, NOISE], {"They ring": 0.9}, {})
    assert plain == {"left": ["opposes", "silent"]} and not asked


def test_the_llm_is_not_asked_whether_one_that_calls_nothing_complex_calls_the_question_so() -> None:
    claim = "The question of a ban is complex and depends on the school."
    texts = {
        "left": "A ban in every school is right.",
        "right": "A school is a complicated place? It is complex.",
    }
    plain, asked = related(texts, [claim], dict.fromkeys(texts.values(), 0.9), {})
    assert plain == {"left": ["silent"], "right": ["supports"]} and len(asked) == 2


def test_where_it_is_open_whether_a_claim_is_held_the_llm_is_asked_for_the_reason_with_it() -> None:
    texts = {"left": "Lessons in which they ring every minute: ban them."}
    plain, asked = related(texts, [BAN, NOISE], {"ban them": 0.9}, {})
    assert plain == {"left": ["supports", "supports"]} and len(asked) == 4


def test_a_claim_is_not_compared_with_itself_for_a_reason_nor_with_its_denial() -> None:
    other, denial = "Parents should decide about phones.", "Phones should not be banned."
    plan = PositionPlan(attributed=False, finder="llm", method="llm", grammars="gbnf", scores=True)
    case = Case(AskWordings(), QUESTION, "text", (), (), "exact", Sampling(), plan)
    steps = merged(case, [BAN, NOISE, COST, denial, other], ScoredPairs())
    compared: list[set[str]] = []
    step = next(steps)
    try:
        while True:
            assert isinstance(step, Entail)
            compared += map(set, step.pairs)
            step = steps.send([(0.9, 0.1, 0.0) for _ in step.pairs])  # a scorer that takes all for the same
    except StopIteration as end:
        groups = end.value
    assert groups == [[0, 4], [1, 2, 3]]
    assert not [pair for pair in compared if BAN in pair and pair & {NOISE, COST, denial}]


def test_claims_that_there_is_no_room_for_are_counted_and_not_as_merged(tmp_path: Path) -> None:
    things = [chr(ord("a") + place) * 6 for place in range(MOST_CLAIMS + 4)]
    voices = pool(*((f"of-{thing}", 1.0) for thing in things))
    claims = {f"of-{thing}": f"Only {thing} {thing[:3]}ette helps." for thing in things}
    replies = [
        *({"pattern": f"Comment: {claim}", "text": claim} for claim in claims.values()),
        *({"match": f"You speak for {voice}", "text": claim} for voice, claim in claims.items()),
    ]
    engine = ScriptedEngine(script(tmp_path, replies=replies), capabilities=BOUNDED)
    *_, result = run(Ask("What helps?", "overton", voices, positions=True), llm=engine, communities=engine)
    assert isinstance(result, Result) and result.window is not None
    assert len(result.window.positions) == MOST_CLAIMS
    assert (result.window.merged, result.window.dropped, result.window.beyond) == (0, 0, 4)


@pytest.mark.parametrize(
    "able", [BOUNDED, replace(BOUNDED, distribution="none"), replace(BOUNDED, grammars="none")]
)
def test_a_voice_that_says_it_has_no_view_is_silent_whatever_it_reports(
    tmp_path: Path, able: Capabilities
) -> None:
    comments = {
        "left": f"{CLAIM} They are loud.",
        "center": f"As an AI, I do not have personal opinions. Some say: {CLAIM}",
        "right": "Parents should decide on phones. They know best.",
    }
    replies = [
        *(
            {"pattern": f"(?s)Comment: {re.escape(text)}.*What does", "text": CLAIM}
            for text in comments.values()
        ),
        *({"match": f"You speak for {voice}", "text": text} for voice, text in comments.items()),
    ]
    agreeing = [{"match": "", "mass": {"Yes": 0.9, "No": 0.1}}]
    engine = ScriptedEngine(script(tmp_path, replies=replies, distributions=agreeing), capabilities=able)

    def scorer(pairs: Sequence[tuple[str, str]], should_stop: ShouldStop) -> list[tuple[float, float, float]]:
        return [(0.9, 0.1, 0.0) for _ in pairs]

    ask = Ask("Should phones be banned?", "overton", THREE, positions=True)
    *_, result = run(ask, llm=engine, communities=engine, entailment=scorer)
    assert isinstance(result, Result) and result.window is not None
    stances = [position.stance for position in result.window.positions]
    assert [*stances[0]] == ["left", "center", "right"] and any(one["left"] == "supports" for one in stances)
    assert {one["center"] for one in stances} == {"silent"}
