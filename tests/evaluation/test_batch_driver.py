"""Many samples in step: how many calls there are, who waits for whom, and what becomes of what an ask would do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.evaluation.batch_calls import RequestFailure
from pluralism_local.evaluation.identity import identify
from pluralism_local.evaluation.journal import read_journal
from pluralism_local.evaluation.methods import METHODS, NOBODY, methods_for, mode_of, voices_for
from pluralism_local.evaluation.report.run_comments import comments_of
from pluralism_local.evaluation.runner import SAMPLES_FILE, RunSetup, comments_file, read_results, run
from pluralism_local.evaluation.sample_file import read_samples
from pluralism_local.evaluation.samples import Prediction
from pluralism_local.evaluation.tasks import TASKS
from pluralism_local.mode_specs import SPECS
from pluralism_local.types import OptionRequest, Sampling
from tests.support import rows
from tests.support.bounded import Bounded
from tests.support.mode_asks import NO_PROBABILITIES, THREE, script
from tests.support.rows import write
from tests.support.samples import read

COUNT = 6
UNSURE = {"match": "thing 2", "mass": {"A": 0.5, "B": 0.25}}  # no number has any probability there


def run_with(
    task: str, method: str, folder: Path, *, context: int = 4096, engine: Any = ScriptedEngine, **says: Any
) -> tuple[RunSetup, ScriptedEngine, ScriptedEngine]:
    """A run of `COUNT` samples by one method; the setup, the LLM and the communities' model."""
    file = script(folder, **says)
    llm = engine(file, context=context, record=True)
    communities = ScriptedEngine(file, record=True)
    setup = RunSetup(
        TASKS[task],
        read(task, folder, COUNT),
        THREE,
        llm,
        communities,
        Sampling(1.0, 0.9, 40),
        Sampling(max_tokens=12),
    )
    assert run(setup, folder / "x" / "run", [method])
    return setup, llm, communities


def calls(engine: ScriptedEngine) -> list[tuple[str, int]]:
    return [(call.kind, len(call.requests)) for call in engine.calls]


def test_who_is_asked_in_words_is_waited_for(tmp_path: Path) -> None:
    """moe chooses first: the comments of those whose choice took words come in one call with the others'."""
    _, llm, communities = run_with("steerable-vk", "moe", tmp_path, distributions=[UNSURE])
    assert calls(llm) == [("distribution", COUNT), ("generate", 1), ("distribution", COUNT)]
    assert calls(communities) == [("generate", COUNT)]


def test_who_needs_no_choice_waits_for_those_who_do(tmp_path: Path) -> None:
    silent = [{"pattern": "(?s)speak for.*thing 2", "text": " "}]
    unsure = [{"match": "best reflect the value of Duty 3?", "mass": {}}]
    _, llm, communities = run_with("steerable-vk", "ours", tmp_path, replies=silent, distributions=unsure)
    assert calls(communities) == [("generate", 3 * COUNT)]
    assert calls(llm) == [("distribution", COUNT - 1), ("generate", 1), ("distribution", COUNT)]


@pytest.mark.parametrize("task", ["steerable-opinionqa", "distributional-globalopinionqa"])
def test_the_attribute_stays_where_nobody_comments(task: str, tmp_path: Path) -> None:
    setup, llm, _ = run_with(task, "ours", tmp_path, replies=[{"match": "You speak for", "text": ""}])
    (answers,) = llm.calls
    texts = [one.messages[-1].content for one in answers.requests]
    assert texts == [setup.task.prompting(sample).text for sample in setup.samples]
    assert {record["selection_method"] for record in _records(tmp_path) if "selection" in record} == set()


def test_comments_that_may_not_fit_are_shortened_and_found_again(tmp_path: Path) -> None:
    chatty = [{"match": "You speak for", "text": "word " * 60}]
    setup, _, communities = run_with("overton-nli", "ours", tmp_path, context=170, replies=chatty)
    tokens = {one.sampling.max_tokens for call in communities.calls for one in call.requests}  # type: ignore[union-attr]
    assert len(tokens) == 1 and 32 <= min(tokens) < 40
    folder = tmp_path / "x" / "run"
    assert not any(isinstance(one, RequestFailure) for one in read_results(folder)[0]["ours"].values())
    kept = read_journal(comments_file(folder, communities.info))
    assert {one["max_tokens"] for one in kept} == tokens
    identity = identify(
        setup.task,
        setup.samples,
        THREE,
        llm=setup.llm.info,
        communities=communities.info,
        comment=setup.comment,
        answer=setup.answer,
    )
    heard = comments_of(folder, identity.fields, setup.task, setup.samples, THREE)
    assert heard.keys() == {sample.id for sample in setup.samples}


def test_what_cannot_fit_fails_before_anything_is_generated(tmp_path: Path) -> None:
    _, llm, communities = run_with("overton-nli", "ours", tmp_path, context=60)
    assert calls(llm) == calls(communities) == []
    assert {record["error"]["code"] for record in _records(tmp_path)} == {"context_overflow"}


def test_bounds_are_kept(tmp_path: Path) -> None:
    run_with("distributional-moralchoice", "ours", tmp_path, engine=Bounded)
    for one in read_results(tmp_path / "x" / "run")[0]["ours"].values():
        assert isinstance(one, Prediction) and one.distribution is not None and one.bounds is not None
        for p, (low, high) in zip(one.distribution, one.bounds, strict=True):
            assert 0 <= low <= p <= high <= 1


def test_equal_comments_are_weighed_once(tmp_path: Path) -> None:
    same = [{"match": "You speak for", "text": "The same of all."}]
    _, llm, _ = run_with("distributional-globalopinionqa", "ours", tmp_path, replies=same)
    assert calls(llm) == [("distribution", COUNT)]
    assert all(isinstance(one, OptionRequest) for one in llm.calls[0].requests)


def test_what_is_at_stake_is_told_in_words_where_there_are_no_probabilities(tmp_path: Path) -> None:
    def told(task: str, reply: str) -> list[tuple[str | None, object]]:
        made = rows.stake if task == "values-relevance" else rows.value
        samples = read_samples(TASKS[task], write(tmp_path / f"{task}.json", [made(i) for i in range(3)]))
        file = script(
            tmp_path, replies=[{"match": "thing 1", "text": "Hard to say."}, {"match": "", "text": reply}]
        )
        llm = ScriptedEngine(file, capabilities=NO_PROBABILITIES, record=True)
        sampling = Sampling(max_tokens=12)
        folder = tmp_path / task / reply
        folder.mkdir(parents=True)
        assert run(RunSetup(TASKS[task], samples, NOBODY, llm, llm, sampling, sampling), folder, ["vanilla"])
        assert [kind for kind, _ in calls(llm)] == ["generate"]  # all samples in one call
        return [
            (one.get("output"), one.get("pred_distribution")) for one in read_journal(folder / SAMPLES_FILE)
        ]

    assert told("values-relevance", "No.") == [("B", None), ("", None), ("B", None)]
    assert told("values-relevance", "Yes, it is.") == [("A", None), ("", None), ("A", None)]
    # yes to support and to opposition alike is neither of both; what names no word is no answer
    assert told("values-valence", "Yes") == [("C", None), ("", None), ("C", None)]


def test_methods_are_modes() -> None:
    for task in TASKS.values():
        assert [mode_of(name, task) for name in METHODS[:3]] == [task.mode] * 3
        assert all(mode_of(name, task) == name for name in METHODS[3:])
        assert ("attributed" in methods_for(task)) == (task.mode == "overton") == (task.answers == "text")
    assert [len(voices_for(name, THREE, adapters=True)) for name in METHODS] == [
        3
        * (
            name in ("ours", "persona", "attributed")
            or SPECS[mode_of(name, TASKS["overton-nli"])].communities
        )
        for name in METHODS
    ]


def _records(folder: Path) -> list[dict[str, Any]]:
    return read_journal(folder / "x" / "run" / SAMPLES_FILE)
