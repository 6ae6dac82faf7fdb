"""The names for scripts: what they give is what the command line gives, computed as it is taken."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import pluralism_local as plural
from pluralism_local import answers, api
from pluralism_local.answers import ANSWERS_FILE
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import EngineFailure, InvalidInput
from pluralism_local.evaluation.journal import read_journal
from pluralism_local.evaluation.runner import CHUNK
from pluralism_local.mode_specs import MODES, SPECS
from pluralism_local.records import SCHEMA

HEAVY = (
    "llama_cpp",
    "numpy",
    "pydantic",
    "typer",
    "rich",
    "textual",
    "huggingface_hub",
    "pluralism_local.api",
)


@pytest.fixture
def session() -> Iterator[api.Session]:
    with plural.open("scripted:", pool="perspectives", comment_max_tokens=8, max_tokens=8) as opened:
        engine(opened)._record = True
        yield opened


def asked_of(session: api.Session) -> list[Any]:
    """The requests so far, which are then forgotten."""
    requests = [request for call in engine(session).calls for request in call.requests]
    engine(session).calls.clear()
    return requests


def engine(session: api.Session) -> ScriptedEngine:
    llm = session._handles.llm
    assert isinstance(llm, ScriptedEngine)
    return llm


def questions(count: int, start: int = 0) -> list[str]:
    return [f"Is thing {number} fair?" for number in range(start, start + count)]


def needs(mode: str) -> dict[str, Any]:
    spec = SPECS[mode]  # type: ignore[index]
    options = {"options": ("Yes", "No")} if spec.options == "needed" else {}
    return options | ({"attribute": "rural voters"} if spec.attribute else {})


def test_importing_it_loads_nothing() -> None:
    code = f"import sys, pluralism_local; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert {"open", "Answer", "PlocalError"} <= set(dir(plural))
    with pytest.raises(AttributeError, match="has no attribute 'opne'"):
        plural.opne  # type: ignore[attr-defined] # noqa: B018


@pytest.mark.parametrize("module", [pytest.param(api, marks=pytest.mark.slow), answers])
def test_examples_in_docstrings_are_true(module: ModuleType, starter_path: Path) -> None:
    examples = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert len(examples) == (4 if module is api else 0)
    for example in examples:
        runner = doctest.DocTestRunner()
        runner.run(example)
        assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize("mode", MODES)
def test_one_question_or_many_the_models_are_asked_the_same(session: api.Session, mode: str) -> None:
    asked: list[list[Any]] = []
    results = []
    for many in (False, True):
        if many:
            results += list(session.ask_many([questions(1)[0]], mode=mode, **needs(mode)))
        else:
            results.append(session.ask(questions(1)[0], mode=mode, **needs(mode)))
        asked.append([request.messages for request in asked_of(session)])
        assert asked[-1]
    one, other = results
    comments = [{comment.community: comment.weight for comment in result.comments} for result in results]
    assert comments[0] == comments[1]
    if SPECS[mode].comments != "each":  # type: ignore[index] # equal comments, by other draws, are weighed once
        assert len(asked[0]) == len(asked[1])
    assert (
        asked[0][: len(comments[0])] == asked[1][: len(comments[0])]
    )  # what the LLM sees has other draws in it
    first, second = one.to_dict(), other.to_dict()
    assert first["schema"] == SCHEMA and first.keys() == second.keys()
    for key in ("mode", "prompt", "pool", "model", "sampling", "prompts", "complete", "attribute"):
        assert first[key] == second[key], key
    assert (one.distribution is None) == (other.distribution is None) == (SPECS[mode].options != "needed")  # type: ignore[index]
    json.dumps(second, allow_nan=False)


def test_answers_are_computed_as_they_are_taken_and_remembered(session: api.Session) -> None:
    taken: list[str] = []

    def coming() -> Iterator[str]:
        for question in questions(3 * CHUNK):
            taken.append(question)
            yield question

    many = session.ask_many(coming(), mode="vanilla")
    assert not taken
    first = next(iter(many))
    assert first.question == questions(1)[0] and len(taken) == CHUNK
    assert [one.question for one in many] == questions(3 * CHUNK)
    assert len(asked_of(session)) == 3 * CHUNK
    assert next(iter(many)) is first and len(list(many)) == 3 * CHUNK and not asked_of(session)


def test_a_folder_goes_on_where_it_stopped(session: api.Session, tmp_path: Path) -> None:
    def ask(count: int, mode: str = "vanilla") -> list[answers.Answer]:
        return list(session.ask_many(questions(count), mode=mode, folder=tmp_path / "a"))

    texts = [one.to_dict() for one in ask(CHUNK)]
    assert len(asked_of(session)) == CHUNK
    assert [one.to_dict() for one in ask(CHUNK)] == texts and not asked_of(session)
    assert [one.to_dict() for one in ask(CHUNK + 2)][:CHUNK] == texts
    assert len(asked_of(session)) == 2
    ask(3, "prompting")  # other answers, in the same folder
    assert len(asked_of(session)) == 3
    assert len(read_journal(tmp_path / "a" / ANSWERS_FILE)) == CHUNK + 5


def test_equal_questions_are_asked_once(session: api.Session, tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        many = list(session.ask_many(["Is it?", "Is it?", "Was it?"], mode="vanilla", folder=folder))
        assert [one.question for one in many] == ["Is it?", "Is it?", "Was it?"]
        assert len(asked_of(session)) == 2


def test_what_fails_is_said_and_the_others_go_on(
    session: api.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate = ScriptedEngine.generate

    def failing(self: ScriptedEngine, requests: Any, **more: Any) -> Any:
        if any("thing 1 " in one.messages[-1].content for one in requests):
            raise EngineFailure("It broke.", "Mend it.")
        return generate(self, requests, **more)

    monkeypatch.setattr(ScriptedEngine, "generate", failing)
    many = session.ask_many(questions(3), mode="vanilla", folder=tmp_path)
    good, bad, also_good = many
    assert bad.error == "It broke. Mend it." and not bad.answer and not bad.complete
    assert good.error is None and good.answer and also_good.answer
    assert bad.to_dict() == {"error": {"code": "engine_failure", "message": "It broke. Mend it."}}
    monkeypatch.undo()
    assert [one.error for one in session.ask_many(questions(3), mode="vanilla", folder=tmp_path)] == [
        None
    ] * 3


def test_rows_have_a_column_for_each_option(session: api.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    many = session.ask_many(questions(2), mode="distributional", options=["Yes", "No"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    rows = many.to_frame()
    assert [list(row) for row in rows] == [["question", "answer", "selected", "error", "p(Yes)", "p(No)"]] * 2
    assert [row["p(Yes)"] + row["p(No)"] for row in rows] == pytest.approx([1, 1])
    pandas = ModuleType("pandas")
    pandas.DataFrame = lambda given: ("frame", given)  # type: ignore[attr-defined]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    assert many.to_frame() == ("frame", rows)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mode": "overtone"}, "no mode"),
        ({"mode": "steerable"}, "attribute"),
        ({"mode": "distributional"}, "options"),
        ({"questions": [" "], "mode": "vanilla"}, "empty"),
        ({"questions": "One?"}, "several questions"),
    ],
)
def test_mistakes_are_the_packages_own_errors(
    session: api.Session, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(plural.InvalidInput, match=message):
        list(session.ask_many(**({"questions": ["Is it fair?"]} | given)))


def test_settings_are_checked_and_a_closed_session_says_so() -> None:
    for bad in (
        {"seed": -1},
        {"sed": 1},
        {"communities": ["nobody"]},
        {"model": "no/such.gguf"},
        {"pool": "none"},
    ):
        with pytest.raises(plural.PlocalError):
            plural.open(**({"model": "scripted:"} | bad))
    with plural.open("scripted:", communities=["press-left", "press-right:0.5"]) as session:
        assert [member.community.id for member in session.pool.members] == ["press-left", "press-right"]
        many = session.ask_many(questions(CHUNK + 1), mode="vanilla")
        assert next(iter(many)).answer
    with pytest.raises(plural.InvalidInput, match=f"first {CHUNK} answers .* session was closed"):
        many.to_frame()
    for ask in (session.ask, session.ask_many):
        with pytest.raises(plural.InvalidInput, match="closed"):
            ask("Is it fair?")


def test_answers_after_a_failure_are_not_passed_over(
    session: api.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = session.ask_many([*questions(CHUNK), " "], mode="vanilla")
    with pytest.raises(plural.InvalidInput, match="empty"):
        list(many)
    with pytest.raises(
        plural.InvalidInput, match=f"first {CHUNK} answers were computed: The prompt is empty"
    ):
        many.to_frame()


def test_a_damaged_folder_is_named(session: api.Session, tmp_path: Path) -> None:
    (tmp_path / ANSWERS_FILE).write_text('{"key": "a", "batch": [0, 0, 1]}\n')
    with pytest.raises(plural.InvalidInput, match=rf"{ANSWERS_FILE}, line 1: 'result' is missing"):
        list(session.ask_many(questions(1), mode="vanilla", folder=tmp_path))


def test_communities_deliberate_from_a_script(session: api.Session) -> None:
    answer = session.ask("Is tipping fair?", rounds=1, consensus="nash")
    assert [len(held.comments) for held in answer.rounds] == [6, 6] and len(answer.rounds[1].changes) == 6
    assert answer.agreement is not None and answer.agreement.rule == "nash"
    assert answer.answer == answer.agreement.chosen.text
    assert answer.to_dict()["agreement"]["is_consensus"] == answer.agreement.is_consensus
    assert session.ask("Is tipping fair?").agreement is None
    with pytest.raises(InvalidInput, match="There is no rule 'nsh'") as refused:
        session.ask("Is tipping fair?", consensus="nsh")
    assert "nash" in refused.value.hint


def test_comments_are_drawn_and_counted_from_a_script(session: api.Session) -> None:
    answer = session.ask("Is tipping fair?", draws=3)
    drawn, voices = answer.draws, [member.community.id for member in session.pool.members]
    assert drawn is not None and drawn.n == 3 and list(drawn.comments) == voices
    assert [texts[0] for texts in drawn.comments.values()] == [comment.text for comment in answer.comments]
    counted = sum(sum(position.counts.values()) for position in drawn.positions)
    assert counted + sum(drawn.silent.values()) == 3 * len(voices)
    assert answer.to_dict()["draws"]["n"] == 3
    assert session.ask("Is tipping fair?").draws is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"draws": 1}, "at least 2 comments"),
        ({"draws": -3}, "at least 2 comments"),
        ({"draws": 21}, "21 comments of 6 communities are 126, and at most 120"),
        ({"draws": 3, "mode": "vanilla"}, "--draws is about the positions of comments"),
        ({"draws": 3, "rounds": 1}, "draws are of many"),
        ({"draws": 3, "consensus": "mean"}, "draws are of many"),
    ],
)
def test_draws_that_cannot_be_are_refused_before_anything_is_asked(
    session: api.Session, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput, match=message):
        session.ask("Is tipping fair?", **given)
    assert not asked_of(session)
