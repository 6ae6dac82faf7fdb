"""A judging of voices without a front end: prepared, carried out, stopped, gone on with; its figures and its plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.engine.base import LanguageModel
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import InvalidInput, Refused
from pluralism_local.evaluation.nli import NliScorer
from pluralism_local.evaluation.voices import service
from pluralism_local.evaluation.voices.estimate import estimate
from pluralism_local.evaluation.voices.result import RESULT_FILE, SCHEMA, VoicesResult, keep, result_of
from pluralism_local.types import Sampling
from tests.support.mode_asks import THREE

QUESTIONS = "Is tipping fair?\nShould tea be taxed?\nIs rain good?\n"
opened: list[str] = []


@contextmanager
def open_model(name: str) -> Iterator[LanguageModel]:
    opened.append(name)
    yield ScriptedEngine.from_spec(name.removeprefix("scripted:"))


def no_scorer(name: str) -> AbstractContextManager[NliScorer]:
    raise AssertionError(name)


OPENERS = service.Openers(open_model, lambda pool, _: pool, no_scorer)


@pytest.fixture
def spec(tmp_path: Path) -> service.VoicesSpec:
    opened.clear()
    (tmp_path / "questions.txt").write_text(QUESTIONS)
    return service.VoicesSpec(
        THREE,
        model="scripted:",
        judge="scripted:",
        sampling=Sampling(1.0, 0.9, 20, 0),
        questions=tmp_path / "questions.txt",
        pairs=("left:right",),
    )


def judge(spec: service.VoicesSpec, root: Path, hooks: service.VoicesHooks | None = None) -> VoicesResult:
    judging = service.prepare(spec, root)
    with service.begin(judging) as folder:
        service.carry_out(judging, OPENERS, hooks)
        result = result_of(judging)
        keep(result, folder)
    return result


def test_what_is_kept_is_the_record_and_one_model_in_both_roles_is_opened_once(
    spec: service.VoicesSpec, tmp_path: Path
) -> None:
    result = judge(spec, tmp_path)
    assert opened == ["scripted:"]
    folder = Path(result.record["folder"])
    assert folder.parent == tmp_path and folder.name.startswith("test-")
    assert json.loads((folder / RESULT_FILE).read_text()) == result.record
    assert result.record["schema"] == SCHEMA and result.record["complete"]
    assert (result.record["questions"], result.record["comments"]) == (3, 9)
    assert result.control is not None and result.record["base"]["comments"] == 9
    assert judge(spec, tmp_path).record == result.record


def test_answers_are_judged_beside_the_comments(spec: service.VoicesSpec, tmp_path: Path) -> None:
    alone = judge(spec, tmp_path).record
    result = judge(replace(spec, answer=Sampling(max_tokens=30)), tmp_path)
    assert alone["answers"] is None and result.answers is not None
    answers = result.record["answers"]
    assert (answers["id"], answers["comments"], answers["judged"]) == ("(answer)", 3, 3)
    assert result.record["answer"]["max_tokens"] == 30
    assert [voice["id"] for voice in result.record["voices"]] == ["left", "center", "right"]
    assert {**result.record, "answers": None, "answer": None} == alone


def test_a_stop_before_anything_is_judged_keeps_comments_and_writes_no_figures(
    spec: service.VoicesSpec, tmp_path: Path
) -> None:
    whole = judge(spec, tmp_path / "whole")
    counts: list[int] = []
    hooks = service.VoicesHooks(
        progress=lambda _: lambda done, _total: counts.append(done), should_stop=lambda: 3 in counts
    )
    stopped = judge(spec, tmp_path / "cut", hooks)
    assert stopped.voices is None and stopped.record["complete"] is False
    folder = Path(stopped.record["folder"])
    assert not (folder / RESULT_FILE).exists()
    assert len((folder / "comments.jsonl").read_text().splitlines()) == 3
    again = judge(spec, tmp_path / "cut")
    assert {**again.record, "folder": None} == {**whole.record, "folder": None}


def test_a_plan_counts_what_would_be_asked_and_keeps_nothing(
    spec: service.VoicesSpec, tmp_path: Path
) -> None:
    judging = service.prepare(spec, tmp_path / "voices")
    plan = estimate(judging, OPENERS)
    assert (plan["questions"], plan["comments"], plan["judged"], plan["entailment_pairs"]) == (3, 18, 18, 0)
    judging = service.prepare(replace(spec, answer=Sampling(max_tokens=30)), tmp_path / "voices")
    with_answers = estimate(judging, OPENERS)
    assert (with_answers["comments"], with_answers["answers"], with_answers["judged"]) == (18, 3, 21)
    assert plan["minutes"] >= 0
    assert not (tmp_path / "voices").exists()


def test_one_writer_and_pairs_of_voices_that_are_there(spec: service.VoicesSpec, tmp_path: Path) -> None:
    judging = service.prepare(spec, tmp_path)
    with service.begin(judging), pytest.raises(Refused, match="Another process"), service.begin(judging):
        pass
    with pytest.raises(InvalidInput, match="No voice is called nobody"):
        service.prepare(replace(spec, pairs=("left:nobody",)), tmp_path)
