"""A jury over statements: who proposes, who judges, what is chosen, and what it costs to go wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.agreement import Agreement, Deliberation, JuryStarted
from pluralism_local.deliberation.summary import headline
from pluralism_local.deliberation.verdict import Candidate
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import EngineFailure, InvalidInput, Unsupported
from pluralism_local.modes import Ask, run
from pluralism_local.modes.deliberation.jury import judge
from pluralism_local.modes.steps import Case, Judge, Voice
from pluralism_local.modes.wordings import AskQuestion, AskWordings
from pluralism_local.records import from_record, to_record
from pluralism_local.results import ModeEvent, Result
from pluralism_local.types import Message, OptionRequest, Sampling
from tests.modes.test_rounds import COMMENTS, QUESTION
from tests.support.mode_asks import (
    BOUNDED,
    NO_PROBABILITIES,
    THREE,
    FailingEngine,
    NoLogprobs,
    after,
    pool,
    script,
)

STATEMENTS = {"left": "Ban them.", "center": "Ban them in class.", "right": "Let parents decide."}
OF_ALL = "Let each school decide."
# P(yes) by voice and statement
AGREES: dict[str, dict[str, float]] = {
    "left": {"Ban them.": 0.9, "Ban them in class.": 0.8, "Let parents decide.": 0.1, OF_ALL: 0.6},
    "center": {"Ban them.": 0.6, "Ban them in class.": 0.9, "Let parents decide.": 0.4, OF_ALL: 0.55},
    "right": {"Ban them.": 0.05, "Ban them in class.": 0.3, "Let parents decide.": 0.95, OF_ALL: 0.7},
}


BY_LEAST = Deliberation(rule="maxmin")


def replies(**more: str) -> list[dict[str, str]]:
    return [
        *({"match": match, "text": text} for match, text in more.items()),
        {"match": "every one of these voices", "text": f"Statement: {OF_ALL}"},
        *({"pattern": f"(?s)You speak for {voice}.*Write one statement", "text": text}
          for voice, text in STATEMENTS.items()),
        *({"match": f"You speak for {voice}", "text": text} for voice, text in COMMENTS.items()),
    ]  # fmt: skip


UNTOLD: dict[str, Any] = {"match": "Would the author of the comment agree", "mass": {"Yes": 0.7, "No": 0.3}}


def votes(agrees: dict[str, dict[str, float]] = AGREES, lean: float = 0.0) -> list[dict[str, Any]]:
    """A script's: P(yes) wherever it stands, and `lean` more for the letter A, whatever that means.

    The comments tell nothing of the statements.
    """
    return [
        UNTOLD,
        *(
            {
                "pattern": f"(?s)You speak for {voice}.*Statement: {re.escape(statement)}\n.*{listed}",
                "mass": {"A": first + lean, "B": 1 - first - lean},
            }
            for voice, row in agrees.items()
            for statement, p in row.items()
            for listed, first in (("A. Yes", p), ("A. No", 1 - p))
        ),
    ]


def events(
    folder: Path,
    deliberation: Deliberation = BY_LEAST,
    should_stop: ShouldStop = never,
    *,
    engine: ScriptedEngine | None = None,
    communities: ScriptedEngine | None = None,
    **ask: Any,
) -> list[ModeEvent]:
    engine = engine or ScriptedEngine(script(folder, replies=replies(), distributions=votes()))
    task = Ask(QUESTION, "overton", ask.pop("pool", THREE), deliberation=deliberation, **ask)
    return list(run(task, llm=engine, communities=communities or engine, should_stop=should_stop))


def result(*args: Any, **kwargs: Any) -> Result:
    last = events(*args, **kwargs)[-1]
    assert isinstance(last, Result)
    return last


def chosen(held: Result) -> Agreement:
    assert held.agreement is not None
    return held.agreement


def test_everybody_proposes_and_everybody_judges(tmp_path: Path) -> None:
    told = events(tmp_path)
    held = told[-1]
    assert isinstance(held, Result) and held.complete
    agreement = chosen(held)
    assert held.answer == OF_ALL and agreement.is_consensus and held.warnings == ()
    assert {it.text: it.by for it in agreement.statements} == {
        OF_ALL: ("llm",), "Ban them.": ("left",), "Ban them in class.": ("center",), "Let parents decide.": ("right",),
    }  # fmt: skip
    for statement in agreement.statements:
        assert dict(statement.scores) == pytest.approx(
            {voice: AGREES[voice][statement.text] for voice in AGREES}
        )
    assert agreement.loses_most is not None and agreement.loses_most.voice == "center"
    assert [it.statements for it in told if isinstance(it, JuryStarted)] == [4]
    assert from_record(to_record(held)).agreement == agreement
    json.dumps(to_record(held), allow_nan=False)
    assert held.turn is not None and held.turn.answer == OF_ALL
    assert "consensus" in held.seconds and held.usage["communities"].prompt > 0


@pytest.mark.parametrize(
    ("deliberation", "statement", "rejects"),
    [
        (Deliberation(rule="mean"), "Ban them in class.", ("right",)),  # weights .5, .25, .25
        (Deliberation(rule="borda"), "Ban them in class.", ("right",)),
        (Deliberation(rule="nash"), "Ban them in class.", ("right",)),
        (Deliberation(rule="w_alpha", alpha=4.0), OF_ALL, ()),
        (Deliberation(rule="w_alpha", alpha=0.0), "Ban them in class.", ("right",)),
    ],
)
def test_what_a_voice_rejects_is_never_called_a_consensus(
    tmp_path: Path, deliberation: Deliberation, statement: str, rejects: tuple[str, ...]
) -> None:
    held = result(tmp_path, deliberation)
    assert held.answer == statement and chosen(held).chosen.rejected_by == rejects
    assert chosen(held).is_consensus == (not rejects)
    assert held.warnings == (("The answer is no consensus: right rejects it.",) if rejects else ())
    assert to_record(held)["agreement"]["is_consensus"] == (not rejects)


@pytest.mark.parametrize(
    ("yes", "denied", "against"),
    [
        (0.7, 0.7, ()),
        (0.7, 0.6, ()),
        (0.6, 0.7, ()),
        (0.4, 0.6, ("center",)),
        (0.1, 0.1, ()),
        (0.2, 0.7, ("center",)),
    ],
)
def test_what_a_voice_has_spoken_against_is_no_consensus_whatever_it_votes(
    tmp_path: Path, yes: float, denied: float, against: tuple[str, ...]
) -> None:
    """By hand: odds of 0.4 and 0.6 come to 4/6 against 6/4, which is 0.31 for it, below 0.35; 0.6 and 0.7 to 0.39."""
    reads = [
        {
            "pattern": f"(?s)Comment: {re.escape(COMMENTS['center'])}.*Claim: {claim}",
            "mass": {"Yes": p, "No": 1 - p},
        }
        for claim, p in ((re.escape(OF_ALL), yes), ("It is not true that let each", denied))
    ]
    file = script(tmp_path, replies=replies(), distributions=[*reads, *votes()])
    held = result(tmp_path, engine=ScriptedEngine(file))
    agreement = chosen(held)
    assert agreement.chosen.text == OF_ALL and agreement.chosen.rejected_by == ()
    assert agreement.against == against and agreement.is_consensus == (not against)
    said = "center has spoken against it"
    assert held.warnings == ((f"The answer is no consensus: {said}.",) if against else ())
    assert headline(agreement).endswith(said) == bool(against)
    assert from_record(to_record(held)).agreement == agreement


def test_an_llm_that_cannot_tell_stances_is_not_asked_what_the_voices_have_said(tmp_path: Path) -> None:
    file = script(tmp_path, replies=replies(), distributions=votes())
    engine = ScriptedEngine(file, capabilities=BOUNDED, record=True)
    assert chosen(result(tmp_path, engine=engine)).against == ()
    asked = [request.messages[-1].content for call in engine.calls for request in call.requests]
    assert not any("Would the author" in text for text in asked)


def test_a_voice_that_leans_to_a_letter_scores_as_one_that_does_not(tmp_path: Path) -> None:
    leaning = ScriptedEngine(script(tmp_path, replies=replies(), distributions=votes(lean=0.04)))
    scores = {it.text: dict(it.scores) for it in chosen(result(tmp_path, engine=leaning)).statements}
    assert scores == {
        text: pytest.approx({voice: AGREES[voice][text] for voice in AGREES})
        for text in [*STATEMENTS.values(), OF_ALL]
    }


def test_one_that_goes_by_letters_alone_neither_agrees_nor_rejects(tmp_path: Path) -> None:
    always_a = [{"match": "Do you agree", "mass": {"A": 0.9, "B": 0.1}}]
    held = result(
        tmp_path, engine=ScriptedEngine(script(tmp_path, replies=replies(), distributions=always_a))
    )
    assert {p for it in chosen(held).statements for p in it.scores.values()} == {0.5}


CANDIDATES = [
    Candidate(f"{number:08x}", text, ("left",)) for number, text in enumerate([*STATEMENTS.values(), OF_ALL])
]


@given(st.permutations(CANDIDATES))
def test_the_order_of_the_statements_has_no_part_in_what_voices_see(order: list[Candidate]) -> None:
    """The same prompts in the same order, and each statement alone in its prompt: scores cannot depend on places."""
    case = Case(AskWordings(), AskQuestion(QUESTION, False), "text", (), _voices(), "exact", Sampling())
    step = next(judge(case, COMMENTS, order))
    assert isinstance(step, Judge)
    texts = [cue.wording.text for cue in step.cues]
    straight = next(judge(case, COMMENTS, CANDIDATES))
    assert isinstance(straight, Judge) and texts == [cue.wording.text for cue in straight.cues]
    assert all(
        sum(candidate.text in text for candidate in CANDIDATES) == 1 for text in texts if "class" not in text
    )
    assert _scores(case, order) == _scores(case, CANDIDATES)


def _requests(step: Judge) -> list[OptionRequest]:
    return [
        OptionRequest((Message("user", f"{cue.voice.id} {cue.wording.text}"),), step.options)
        for cue in step.cues
    ]


def _scores(case: Case[AskQuestion], candidates: list[Candidate]) -> dict[str, dict[str, float]]:
    steps = judge(case, COMMENTS, candidates)
    step = next(steps)
    assert isinstance(step, Judge)
    with pytest.raises(StopIteration) as end:
        steps.send(ScriptedEngine().distribution(_requests(step)))
    return {
        voice: {candidate.id: score for candidate, score in zip(candidates, row, strict=True)}
        for voice, row in end.value.value.items()
    }


def _voices() -> Any:
    return tuple(Voice(member, None) for member in THREE.members)


def test_a_silent_voice_proposes_nothing_and_judges_all(tmp_path: Path) -> None:
    silent = {"You speak for left": " "}
    engine = ScriptedEngine(script(tmp_path, replies=replies(**silent), distributions=votes()), record=True)
    agreement = chosen(result(tmp_path, engine=engine))
    assert "Ban them." not in [it.text for it in agreement.statements]
    assert all("left" in it.scores for it in agreement.statements)


def test_a_voice_without_any_probability_is_named(tmp_path: Path) -> None:
    nothing = [{"pattern": "(?s)You speak for left.*Do you agree", "mass": {"A": 0.0, "B": 0.0}}, *votes()]
    held = result(tmp_path, engine=ScriptedEngine(script(tmp_path, replies=replies(), distributions=nothing)))
    assert all(it.scores["left"] == 0.5 for it in chosen(held).statements)
    assert any("left gave neither answer" in it for it in held.warnings)
    half = [
        {"pattern": "(?s)You speak for left.*Do you agree.*A. No", "mass": {"A": 0.0, "B": 0.0}},
        *votes(),
    ]
    held = result(tmp_path, engine=ScriptedEngine(script(tmp_path, replies=replies(), distributions=half)))
    assert {it.text: it.scores["left"] for it in chosen(held).statements} == pytest.approx(AGREES["left"])
    faint = [{"pattern": "(?s)You speak for left.*Do you agree", "mass": {"A": 0.02, "B": 0.01}}, *votes()]
    held = result(tmp_path, engine=ScriptedEngine(script(tmp_path, replies=replies(), distributions=faint)))
    assert any("lies outside of the two answers" in it and "left" in it for it in held.warnings)


def test_the_chosen_statement_is_revised_once_and_judged_with_the_others(tmp_path: Path) -> None:
    better = "Each school decides with the parents."
    agrees = {voice: {**row, better: 0.8} for voice, row in AGREES.items()}
    more = {
        "Write the statement anew": better,
        "Say in one sentence what would have to change": "Ask the parents.",
    }
    engine = ScriptedEngine(script(tmp_path, replies=replies(**more), distributions=votes(agrees)))
    held = result(tmp_path, Deliberation(rule="maxmin", revises=True), engine=engine)
    agreement = chosen(held)
    assert held.answer == better and agreement.revision == agreement.chosen.id
    assert agreement.critiques == dict.fromkeys(AGREES, "Ask the parents.")
    assert len(agreement.statements) == 5 and from_record(to_record(held)).agreement == agreement


def test_a_revision_that_is_worse_is_not_chosen(tmp_path: Path) -> None:
    agrees = {voice: {**row, "Ban all.": 0.2} for voice, row in AGREES.items()}
    more = {
        "Write the statement anew": "Ban all.",
        "Say in one sentence what would have to change": "Be bold.",
    }
    engine = ScriptedEngine(script(tmp_path, replies=replies(**more), distributions=votes(agrees)))
    held = result(tmp_path, Deliberation(rule="maxmin", revises=True), engine=engine)
    assert held.answer == OF_ALL and chosen(held).statements[-1].text in ("Ban all.", "Ban them.")


def test_after_rounds_the_last_comments_count(tmp_path: Path) -> None:
    more = {"Say what you think of the question now": "I have heard you all."}
    engine = ScriptedEngine(script(tmp_path, replies=replies(**more), distributions=votes()), record=True)
    held = result(tmp_path, Deliberation(1, "maxmin", hears="comments"), engine=engine)
    assert len(held.rounds) == 2 and held.answer == OF_ALL
    judged = [it for call in engine.calls for it in call.requests if isinstance(it, OptionRequest)]
    assert {it.messages[2].content for it in judged if it.options == ("A", "B")} == {"I have heard you all."}
    read = [it.messages[0].content for it in judged if it.options != ("A", "B")]
    assert read and all("Comment: I have heard you all." in text for text in read)


def test_positions_come_with_the_statement_where_they_are_asked_for(tmp_path: Path) -> None:
    held = result(tmp_path, positions=True)
    assert held.answer == OF_ALL and held.agreement is not None and held.window is not None


def test_voices_without_probabilities_are_refused_before_anything_runs(tmp_path: Path) -> None:
    engine = ScriptedEngine(capabilities=NO_PROBABILITIES, record=True)
    with pytest.raises(Unsupported, match="gives no probabilities, and by these the voices judge"):
        events(tmp_path, engine=engine)
    assert engine.calls == []
    # the LLM may be one without: it only writes
    local = ScriptedEngine(script(tmp_path, replies=replies(), distributions=votes()))
    black_box = ScriptedEngine(script(tmp_path, replies=replies()), capabilities=NO_PROBABILITIES)
    assert result(tmp_path, engine=black_box, communities=local).answer == OF_ALL


def test_a_server_that_turns_out_to_give_none_leaves_the_comments(tmp_path: Path) -> None:
    held = result(tmp_path, engine=NoLogprobs(script(tmp_path, replies=replies())))
    assert not held.complete and held.agreement is None and len(held.comments) == 3
    assert any("The server gives no logprobs." in it for it in held.warnings)


def test_one_voice_and_other_modes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="A consensus needs at least two voices"):
        events(tmp_path, pool=pool(("left", 1.0)))
    with pytest.raises(InvalidInput, match="moe has none such"):
        task = Ask(QUESTION, "moe", THREE, deliberation=Deliberation(rule="mean"))
        list(run(task, llm=ScriptedEngine(), communities=ScriptedEngine()))


def test_a_failing_jury_leaves_the_comments(tmp_path: Path) -> None:
    for part in ("Do you agree", "Write one statement", "every one of these voices"):
        engine = FailingEngine(
            EngineFailure("The model broke."),
            lambda text, part=part: part in text,  # type: ignore[misc]
            events=0,
            script=script(tmp_path, replies=replies(), distributions=votes()),
        )
        held = result(tmp_path, engine=engine)
        assert not held.complete and [it.text for it in held.comments] == list(COMMENTS.values())
        assert held.answer == "" and "The model broke." in held.warnings


@pytest.mark.parametrize("calls", [2, 6, 10, 12, 16])
def test_stopping_keeps_the_comments(tmp_path: Path, calls: int) -> None:
    held = result(tmp_path, should_stop=after(calls))
    assert held.agreement is None or held.complete
    assert all(it.text in COMMENTS[it.community] for it in held.comments)


def test_nobody_proposes_anything(tmp_path: Path) -> None:
    blank = {"Write one statement": " \n"}
    held = result(tmp_path, engine=ScriptedEngine(script(tmp_path, replies=replies(**blank))))
    assert (
        held.answer == "" and "Nobody proposed a statement, so there is none to agree with." in held.warnings
    )
