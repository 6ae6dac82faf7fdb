"""Methods over samples: what is asked, what is kept, and that stopping anywhere changes nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.communities import Pool
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import EVERYTHING, ScriptedEngine
from pluralism_local.errors import EngineFailure, InvalidInput, RemoteFailure, RequestRefused, Unsupported
from pluralism_local.evaluation import metrics
from pluralism_local.evaluation.batch_calls import PATIENCE, RequestFailure
from pluralism_local.evaluation.coverage import Coverage
from pluralism_local.evaluation.journal import Journal, read_journal
from pluralism_local.evaluation.methods import find_methods, methods_for
from pluralism_local.evaluation.metrics.window import WindowFigures
from pluralism_local.evaluation.runner import RunProgress, RunSetup, comments_file, read_results, run
from pluralism_local.evaluation.sample_file import read_samples
from pluralism_local.evaluation.samples import Prediction, Sample
from pluralism_local.evaluation.summary import summarise
from pluralism_local.evaluation.tasks import TASKS
from pluralism_local.types import EngineEvent, OptionDistribution, OptionRequest, Request, Sampling
from tests.support import rows
from tests.support.mode_asks import NO_ADAPTERS, NO_PROBABILITIES, THREE, NoLogprobs, community, pool, script
from tests.support.rows import write
from tests.support.samples import MAKERS, read


def setup(
    task: str,
    folder: Path,
    count: int = 20,
    *,
    engine: ScriptedEngine | None = None,
    members: Pool = THREE,
    tokens: int = 12,
) -> RunSetup:
    llm = engine or ScriptedEngine()
    return RunSetup(
        TASKS[task],
        read(task, folder, count),
        members,
        llm,
        llm,
        Sampling(1.0, 0.9, tokens),
        Sampling(max_tokens=tokens),
    )


def files(folder: Path) -> dict[str, bytes]:
    assert not list(folder.parent.glob("*.jsonl"))
    return {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}


@pytest.mark.parametrize("task", MAKERS)
def test_every_method_answers_every_task(task: str, tmp_path: Path) -> None:
    given = setup(task, tmp_path)
    seen: list[RunProgress] = []
    methods = methods_for(given.task)
    assert run(given, tmp_path / "run", methods, progress=seen.append)
    results, records = read_results(tmp_path / "run")
    assert set(results) == set(methods) and len(records) == 20 * len(methods)
    for method, found in results.items():
        assert found.keys() == {sample.id for sample in given.samples}
        for sample in given.samples:
            one = found[sample.id]
            assert isinstance(one, Prediction)
            if given.task.answers == "text":
                assert one.output and one.distribution is None
            else:
                assert one.distribution is not None
                assert sum(one.distribution) == pytest.approx(1, abs=1e-9)
                assert (one.output in ("A", "B", "C")) == (given.task.answers == "label")
            chooses = method == "moe" or (given.task.mode == "steerable" and method in ("ours", "persona"))
            assert (one.selection in ("left", "center", "right")) == chooses
    assert (seen[0].done, seen[-1].done, seen[-1].total, seen[-1].failed) == (
        0,
        len(records),
        len(records),
        0,
    )
    calls: list[int] = []

    def cover(answered: Sequence[tuple[Sample, str]]) -> list[Coverage]:
        calls.append(len(answered))
        places = [float(i // len(given.samples)) for i in range(len(answered))]
        windows = [WindowFigures(place, *[0.0] * 5) if given.task.windows else None for place in places]
        return [Coverage(place, 0.0, 1, window) for place, window in zip(places, windows, strict=True)]

    summary = summarise(given.task, given.samples, results, methods, records, cover=cover)
    assert summary.complete and set(summary.methods) == set(methods)
    if given.task.answers == "text":  # all methods in one call, each gets its own part
        scored = [name for name in methods if name in summary.methods]
        assert calls == [len(scored) * len(given.samples)]
        figure = "overton_score" if given.task.windows else "coverage"
        shares = [summary.methods[name].metrics[figure].value for name in scored]
        assert shares == [float(place) for place in range(len(scored))]
    else:
        assert not calls


def test_a_difference_between_methods_draws_as_its_run_does(tmp_path: Path) -> None:
    given = setup("distributional-globalopinionqa", tmp_path, 20)
    assert run(given, tmp_path / "run", ["ours", "vanilla"])
    results, records = read_results(tmp_path / "run")
    intervals = []
    for seed in (0, 7):
        summary = summarise(given.task, given.samples, results, ["ours", "vanilla"], records, seed=seed)
        found = summary.difference("ours", "vanilla")["js_distance"]
        ours, vanilla = (summary.methods[name].values["js_distance"] for name in ("ours", "vanilla"))
        clusters = [sample.cluster for sample in summary.samples]
        assert found == metrics.difference(ours, vanilla, clusters, seed=seed)
        intervals.append((found.low, found.high))
    assert intervals[0] != intervals[1]


def test_ours_is_the_weighted_mean_over_the_comments(tmp_path: Path) -> None:
    """d = Σ w_i d_i by hand, from what the engine says to each comment."""
    engine = ScriptedEngine(record=True)
    given = setup("distributional-globalopinionqa", tmp_path, 3, engine=engine)
    run(given, tmp_path / "run", ["ours"])
    weighed = [call for call in engine.calls if call.kind == "distribution"]
    results, records = read_results(tmp_path / "run")
    said = [
        json.loads(line) for line in comments_file(tmp_path / "run", engine.info).read_text().splitlines()
    ]
    for sample in given.samples:
        comments = {one["community"]: one["text"] for one in said if one["sample"] == sample.id}
        requests = [
            OptionRequest(request.messages, ("A", "B", "C"))
            for request in weighed[0].requests
            if isinstance(request, OptionRequest) and sample.question in request.messages[-1].content
        ]
        assert [r.messages[-1].content for r in requests] == [
            given.task.answer(sample, comments[id]).text for id in ("left", "center", "right")
        ]
        each = ScriptedEngine().distribution(requests)
        expected = [0.5 * a + 0.25 * b + 0.25 * c for a, b, c in zip(*(one.p for one in each), strict=True)]
        one = results["ours"][sample.id]
        assert isinstance(one, Prediction) and one.distribution == pytest.approx(expected, abs=1e-12)
    assert {role for record in records for role in record["usage"]} == {"communities", "llm"}


def test_comments_are_generated_once_for_all_methods_and_runs(tmp_path: Path) -> None:
    engine = ScriptedEngine(record=True)
    given = setup("steerable-opinionqa", tmp_path, 20, engine=engine)
    run(given, tmp_path / "a", ["ours", "moe"])
    asked = Counter(request for call in engine.calls if call.kind == "generate" for request in call.requests)
    assert len(asked) == 60 and set(asked.values()) == {1}
    engine.calls.clear()
    two = pool(("right", 0.5), ("left", 0.5))
    run(
        setup("steerable-opinionqa", tmp_path, 20, engine=engine, members=two),
        tmp_path / "b",
        ["ours", "moe"],
    )
    assert [call for call in engine.calls if call.kind == "generate"] == []
    engine.calls.clear()
    run(setup("steerable-opinionqa", tmp_path, 20, engine=engine, tokens=11), tmp_path / "c", ["ours"])
    assert sum(len(call.requests) for call in engine.calls if call.kind == "generate") == 60
    engine.calls.clear()
    engine._info = replace(engine.info, weights="Q8_0")  # other weights say other things
    run(given, tmp_path / "d", ["ours"])
    assert sum(len(call.requests) for call in engine.calls if call.kind == "generate") == 60


def test_what_runs_beside_it_kept_becomes_a_runs_own(tmp_path: Path) -> None:
    engine = ScriptedEngine(record=True)
    given = setup("steerable-opinionqa", tmp_path, 6, engine=engine)
    run(given, tmp_path / "x" / "a", ["ours"])
    first = comments_file(tmp_path / "x" / "a", engine.info)
    run(given, tmp_path / "x" / "b", ["ours"])
    own = comments_file(tmp_path / "x" / "b", engine.info)
    assert {one["key"]: one for one in read_journal(own)} == {one["key"]: one for one in read_journal(first)}
    # moved away, it has everything; earlier versions kept comments beside their runs
    (tmp_path / "y").mkdir()
    first.rename(tmp_path / "y" / first.name)
    engine.calls.clear()
    run(given, tmp_path / "y" / "c", ["ours"])
    assert [call for call in engine.calls if call.kind == "generate"] == []
    # one that is damaged is no reason to stop
    (tmp_path / "y" / first.name).write_text("{}\nno record\n{}\n")
    comments_file(tmp_path / "y" / "c", engine.info).unlink()
    run(given, tmp_path / "y" / "d", ["ours"])
    assert sum(len(call.requests) for call in engine.calls if call.kind == "generate") == 18


def test_a_failed_comment_of_another_run_is_asked_for(tmp_path: Path) -> None:
    engine = ScriptedEngine(record=True)
    given = setup("steerable-opinionqa", tmp_path, 2, engine=engine)
    run(given, tmp_path / "x" / "a", ["ours"])
    first = comments_file(tmp_path / "x" / "a", engine.info)
    records = [json.loads(line) for line in first.read_text().splitlines()]
    for one in records:
        del one["text"]
        one["error"] = {"code": "engine_failure", "message": "Broken."}
    first.write_text("".join(f"{json.dumps(one)}\n" for one in records))
    engine.calls.clear()
    run(given, tmp_path / "x" / "b", ["ours"])
    assert sum(len(call.requests) for call in engine.calls if call.kind == "generate") == 6


def test_a_kill_at_any_moment_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in the middle of any write, the same command ends with the same bytes."""
    writes: list[tuple[str, int, int]] = []
    append = Journal.append

    def noted(journal: Journal, records: Sequence[Mapping[str, Any]]) -> None:
        before = journal.path.stat().st_size
        append(journal, records)
        writes.append((journal.path.name, before, journal.path.stat().st_size))

    monkeypatch.setattr(Journal, "append", noted)
    trained = pool(community("left", folder=tmp_path), community("right", folder=tmp_path))
    given = setup("steerable-vk", tmp_path, 40, members=trained)
    whole = tmp_path / "x" / "run"
    run(given, whole, methods_for(given.task))
    expected = files(whole)
    assert set(expected) == {"samples.jsonl", "comments-scripted-.jsonl"}
    moments = list(writes)
    assert len(moments) == 3 * (5 + 2)  # three chunks: five methods, comments through adapters and personas
    sizes = dict.fromkeys(expected, 0)
    for step, (name, before, after) in enumerate(moments):
        killed = tmp_path / f"k{step}" / "run"
        killed.mkdir(parents=True)
        for file, content in expected.items():
            length = before + (after - before) * (step % 4) // 4 if file == name else sizes[file]
            (killed / file).write_bytes(content[:length])
        assert run(given, killed, methods_for(given.task))
        assert files(killed) == expected, step
        sizes[name] = after


def test_stopping_finishes_the_batch(tmp_path: Path) -> None:
    given = setup("distributional-moralchoice", tmp_path, 40)
    asked: list[RunProgress] = []
    assert not run(
        given,
        tmp_path / "run",
        methods_for(given.task),
        progress=asked.append,
        should_stop=lambda: len(asked) > 3,
    )
    results, _ = read_results(tmp_path / "run")
    assert sum(map(len, results.values())) == asked[-1].done == 48
    assert run(given, tmp_path / "run", methods_for(given.task))
    run(given, tmp_path / "y" / "run", methods_for(given.task))
    assert files(tmp_path / "run")["samples.jsonl"] == files(tmp_path / "y" / "run")["samples.jsonl"]


class Fragile(ScriptedEngine):
    """Fails every call that holds a request about `what`, with `error`."""

    def __init__(self, what: str, error: Exception) -> None:
        super().__init__(record=True)
        self.what, self.error = what, error

    def _raise_if(self, requests: Sequence[Request | OptionRequest]) -> None:
        if any(self.what in request.messages[-1].content for request in requests):
            raise self.error

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        self._raise_if(requests)
        return super().generate(requests, should_stop=should_stop)

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        self._raise_if(requests)
        return super().distribution(requests, should_stop=should_stop)


def test_one_failure_takes_no_other_sample_with_it(tmp_path: Path) -> None:
    given = setup(
        "distributional-globalopinionqa",
        tmp_path,
        20,
        engine=Fragile("thing 7?", EngineFailure("Out of memory.")),
    )
    assert run(given, tmp_path / "run", ["ours", "vanilla"])
    results, records = read_results(tmp_path / "run")
    bad = given.samples[7].id
    for found in results.values():
        assert found[bad] == RequestFailure("engine_failure", "Out of memory.")
        assert sum(isinstance(one, RequestFailure) for one in found.values()) == 1
    summary = summarise(given.task, given.samples, results, ["ours", "vanilla"], records)
    assert (len(summary.samples), summary.requested, summary.complete) == (19, 20, False)
    assert summary.failed == {"ours": 1, "vanilla": 1} and summary.methods["ours"].counts["n"] == 19
    well = setup("distributional-globalopinionqa", tmp_path, 20)
    run(well, tmp_path / "run", ["ours", "vanilla"])
    assert read_results(tmp_path / "run")[0] == results  # failures are kept until a retry is wanted
    seen: list[RunProgress] = []
    run(well, tmp_path / "run", ["ours", "vanilla"], retry=True, progress=seen.append)
    assert [(now.done, now.failed) for now in seen] == [
        (38, 0),
        (39, 0),
        (40, 0),
    ]  # asked again: not failed yet
    mended, _ = read_results(tmp_path / "run")
    assert not any(isinstance(one, RequestFailure) for found in mended.values() for one in found.values())
    good = [sample.id for sample in given.samples if sample.id != bad]
    assert all(mended["ours"][id] == results["ours"][id] for id in good)


@pytest.mark.parametrize("method", ["ours", "vanilla"])  # refused as comments, and as the LLM's answer
def test_a_refused_sample_that_is_asked_for_alone_ends_no_run_that_has_answers(
    method: str, tmp_path: Path
) -> None:
    engine = Fragile("thing 7?", RequestRefused("Against our rules."))
    given = setup("distributional-globalopinionqa", tmp_path, 20, engine=engine)
    assert run(given, tmp_path / "run", [method])
    first = read_results(tmp_path / "run")[0]
    assert run(given, tmp_path / "run", [method], retry=True)
    assert read_results(tmp_path / "run")[0] == first
    assert sum(isinstance(one, RequestFailure) for one in first[method].values()) == 1
    with pytest.raises(RequestRefused):  # where nothing was answered, the server takes nothing
        run(replace(given, samples=given.samples[7:8]), tmp_path / "other" / "run", [method])


def test_a_server_that_is_down_ends_the_run_and_loses_nothing(tmp_path: Path) -> None:
    engine = Fragile("", RemoteFailure("The server does not answer."))
    given = setup("distributional-globalopinionqa", tmp_path, 40, engine=engine)
    engine.what = "thing 2"  # 2 and 20 to 29
    with pytest.raises(RemoteFailure):
        run(given, tmp_path / "run", ["vanilla"])
    results, _ = read_results(tmp_path / "run")
    assert len(results["vanilla"]) == 16  # the chunk before, in which only one failed in a row
    assert PATIENCE == 3


def test_a_silent_community_is_no_failure(tmp_path: Path) -> None:
    says = script(tmp_path, replies=[{"match": "You speak for center", "text": "  "}])
    for task in ("steerable-vk", "distributional-moralchoice", "overton-nli"):
        given = setup(task, tmp_path, 4, engine=ScriptedEngine(says))
        run(given, tmp_path / "run" / task, ["ours"])
        found = read_results(tmp_path / "run" / task)[0]["ours"]
        assert all(isinstance(one, Prediction) and one.selection != "center" for one in found.values())


def test_a_question_with_one_option_needs_no_model(tmp_path: Path) -> None:
    task = TASKS["steerable-opinionqa"]
    single = {**rows.opinion(0, gold=[1.0]), "options": ["Yes"]}
    given = setup("steerable-opinionqa", tmp_path, 1)
    engine = ScriptedEngine(record=True)
    given = RunSetup(
        task,
        read_samples(task, write(tmp_path / "one.json", [single])),
        THREE,
        engine,
        engine,
        given.comment,
        given.answer,
    )
    run(given, tmp_path / "run", methods_for(given.task))
    assert engine.calls == []
    for found in read_results(tmp_path / "run")[0].values():
        assert [one.distribution for one in found.values() if isinstance(one, Prediction)] == [(1.0,)]


def test_an_llm_without_probabilities(tmp_path: Path) -> None:
    engine = ScriptedEngine(capabilities=NO_PROBABILITIES)
    with pytest.raises(Unsupported, match="gives no probabilities"):
        run(setup("distributional-moralchoice", tmp_path, 2, engine=engine), tmp_path / "a", ["ours"])
    assert run(
        setup("steerable-vk", tmp_path, 4, engine=engine), tmp_path / "b", methods_for(TASKS["steerable-vk"])
    )
    for found in read_results(tmp_path / "b")[0].values():
        for one in found.values():
            assert isinstance(one, Prediction) and one.output and one.distribution is None


def test_a_server_that_gives_no_probabilities_after_all(tmp_path: Path) -> None:
    engine = NoLogprobs()
    assert run(
        setup("steerable-vk", tmp_path, 4, engine=engine), tmp_path / "a", methods_for(TASKS["steerable-vk"])
    )
    for found in read_results(tmp_path / "a")[0].values():
        for one in found.values():
            assert isinstance(one, Prediction) and one.output and one.distribution is None
    assert [call.kind for call in engine.calls].count("distribution") == 1
    with pytest.raises(Unsupported, match="no logprobs"):
        run(setup("distributional-moralchoice", tmp_path, 2, engine=NoLogprobs()), tmp_path / "b", ["ours"])


def test_one_token_cannot_tell_ten_numbers_apart(tmp_path: Path) -> None:
    ten = pool(*((f"community-{number}", 0.1) for number in range(1, 11)))
    bounded = ScriptedEngine(capabilities=replace(EVERYTHING, distribution="bounded"), record=True)
    run(setup("steerable-opinionqa", tmp_path, 2, engine=bounded, members=ten), tmp_path / "run", ["ours"])
    weighed = [r for call in bounded.calls if call.kind == "distribution" for r in call.requests]
    assert weighed and all(isinstance(r, OptionRequest) and "10" not in r.options for r in weighed)
    said = [
        r.messages[-1].content for call in bounded.calls if call.kind == "generate" for r in call.requests
    ]
    assert sum("from 1 to 10" in text for text in said) == 2


def test_personas_speak_where_adapters_cannot(tmp_path: Path) -> None:
    engine = ScriptedEngine(capabilities=NO_ADAPTERS, record=True)
    trained = pool(community("left", folder=tmp_path), community("right", None, folder=tmp_path))
    given = setup("steerable-vk", tmp_path, 2, engine=engine, members=trained)
    with pytest.raises(InvalidInput, match="'right' has no persona"):
        run(given, tmp_path / "a", ["ours"])
    run(given, tmp_path / "b", ["vanilla"])  # needs none
    able = ScriptedEngine(record=True)
    both = pool(community("left", folder=tmp_path), community("right", folder=tmp_path))
    run(setup("steerable-vk", tmp_path, 2, engine=able, members=both), tmp_path / "c", ["ours", "persona"])
    asked = [request for call in able.calls if call.kind == "generate" for request in call.requests]
    through = [(isinstance(r, Request) and r.adapter is not None, r.messages[0].role) for r in asked]
    assert Counter(through) == {(True, "user"): 4, (False, "system"): 4}


def test_an_answer_whose_error_is_null_is_an_answer(tmp_path: Path) -> None:
    record: dict[str, Any] = {"id": "a", "method": "ours", "error": None, "output": "A", "usage": {}}
    with Journal(tmp_path / "samples.jsonl") as journal:
        journal.append([record])

    assert read_results(tmp_path)[0] == {"ours": {"a": Prediction(output="A")}}


def test_methods_have_an_order_and_names() -> None:
    assert find_methods(["prompting", "uniform", "ours", "ours"]) == ["ours", "prompting", "uniform"]
    with pytest.raises(InvalidInput, match="no method 'our'") as caught:
        find_methods(["our"])
    assert "ours" in caught.value.hint
