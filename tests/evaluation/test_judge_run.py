"""Judges of a run without a front end: asked, stopped, gone on with; figures of what there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.engine.base import LanguageModel
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import InvalidInput, Refused, RemoteFailure
from pluralism_local.evaluation import service
from pluralism_local.evaluation.journal import locked
from pluralism_local.evaluation.judge_run import (
    JUDGE_FILE,
    JudgeComparison,
    JudgeHooks,
    is_partial,
    judge_run,
    remarks,
)
from pluralism_local.evaluation.judging import CHUNK
from pluralism_local.evaluation.run_folder import SETTINGS, RunFolder, RunSpec
from pluralism_local.evaluation.runner import RunProgress, RunSetup
from pluralism_local.types import Sampling
from tests.support.far_engine import Far
from tests.support.mode_asks import THREE
from tests.support.rows import overton, write

SAMPLES = CHUNK + 2
BOTH = JudgeComparison("prompting", ("vanilla",), ("scripted:",))


@pytest.fixture
def answered(tmp_path: Path) -> RunFolder:
    """A run of prompting and vanilla on an overton task."""
    data = write(tmp_path / "rows.json", [overton(number) for number in range(SAMPLES)])
    settings = dict.fromkeys(SETTINGS) | {"model": "scripted:", "pool": THREE.id}
    spec = RunSpec("overton-nli", str(data), ("prompting", "vanilla"), None, None, "none", (), None, settings)
    task, samples = spec.read_samples()
    engine = ScriptedEngine()
    setup = RunSetup(task, samples, THREE, engine, engine, Sampling(max_tokens=12), Sampling(max_tokens=12))
    prepared = service.prepare(setup, spec, tmp_path / "runs")
    with service.begin(prepared) as folder:
        assert service.carry_out(prepared)
    return folder


@contextmanager
def open_judge(name: str) -> Iterator[LanguageModel]:
    yield ScriptedEngine.from_spec(name.removeprefix("scripted:"))


def test_the_record_is_what_judge_json_has_and_nothing_is_asked_twice(answered: RunFolder) -> None:
    record = judge_run(answered, BOTH, open_judge)
    assert record == json.loads((answered.path / JUDGE_FILE).read_text())
    assert (record["n"], record["wanted"], record["complete"]) == (SAMPLES, SAMPLES, True)
    assert not is_partial(record) and list(remarks(record)) == []
    journals = {path.name: path.read_bytes() for path in answered.path.glob("judge-*.jsonl")}
    assert len(journals) == 1
    assert judge_run(answered, BOTH, open_judge) == record
    assert {path.name: path.read_bytes() for path in answered.path.glob("judge-*.jsonl")} == journals


@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("answers", [0, 3, 2 * CHUNK + 1])
def test_a_servers_judgements_before_a_fault_are_not_asked_for_again(
    answered: RunFolder, answers: int, words: bool
) -> None:
    engines = [Far(answers), Far()]

    @contextmanager
    def open_far(_: str) -> Iterator[LanguageModel]:
        yield engines[0]

    comparison = replace(BOTH, judges=("remote:http://127.0.0.1:9/v1#m",), words=words)
    with pytest.raises(RemoteFailure):
        judge_run(answered, comparison, open_far)
    del engines[0]
    record = judge_run(answered, comparison, open_far)
    assert record["complete"] and record["n"] == SAMPLES
    assert len(engines[0].calls) == 2 * SAMPLES - answers


def test_a_stop_leaves_judges_over_and_the_same_call_ends_as_if_there_had_been_none(
    answered: RunFolder,
) -> None:
    told: list[tuple[str, RunProgress]] = []
    hooks = JudgeHooks(
        progress=lambda name: lambda now: told.append((name, now)), should_stop=lambda: len(told) > 1
    )
    two = replace(BOTH, judges=("scripted:", "remote:http://user:secret@127.0.0.1:9#m"))
    stopped = judge_run(answered, two, open_judge, hooks=hooks)
    assert [name for name, _ in told] == ["scripted:", "scripted:"]
    assert told[-1][1].method == "scripted:, prompting against vanilla"
    assert stopped["missing"] == (SAMPLES - CHUNK) + SAMPLES and is_partial(stopped)
    assert [judge["judge"] for judge in stopped["judges"]] == ["scripted:"]
    assert judge_run(answered, BOTH, open_judge)["missing"] == 0


def test_equal_models_are_asked_once_and_that_is_said(answered: RunFolder) -> None:
    sentences: list[str] = []
    record = judge_run(
        answered,
        replace(BOTH, judges=("scripted:", "scripted:")),
        open_judge,
        hooks=JudgeHooks(warn=sentences.append),
    )
    assert sentences == ["'scripted:' and 'scripted:' are the same model, which is asked once."]
    assert len(record["judges"]) == 1 and record["fleiss_kappa"] is None


def test_a_stop_while_a_model_turns_out_to_be_an_earlier_one_opens_no_other(answered: RunFolder) -> None:
    sentences: list[str] = []
    opened: list[str] = []

    @contextmanager
    def noting(name: str) -> Iterator[LanguageModel]:
        opened.append(name)
        with open_judge(name) as engine:
            yield engine

    three = replace(BOTH, judges=("scripted:", "scripted:", "remote:http://127.0.0.1:9#m"))
    hooks = JudgeHooks(warn=sentences.append, should_stop=lambda: bool(sentences))
    record = judge_run(answered, three, noting, hooks=hooks)

    assert opened == ["scripted:", "scripted:"]
    assert record["missing"] == SAMPLES and not record["complete"]


def test_a_folder_that_is_written_and_a_method_that_is_not_there_are_refused(answered: RunFolder) -> None:
    with locked(answered.path), pytest.raises(Refused, match="Another process"):
        judge_run(answered, BOTH, open_judge)
    with pytest.raises(InvalidInput, match="has no answers of 'moe'"):
        judge_run(answered, replace(BOTH, opponents=("moe",)), open_judge)
    assert not (answered.path / JUDGE_FILE).exists()
