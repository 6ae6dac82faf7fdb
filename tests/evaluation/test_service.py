"""An evaluation without a front end: begun, stopped, gone on with, read again and scored."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.evaluation import service
from pluralism_local.evaluation.batch_calls import RequestFailure
from pluralism_local.evaluation.methods import CONTROLS, METHODS
from pluralism_local.evaluation.run_folder import SETTINGS, RunSpec, draw_samples, find_run
from pluralism_local.evaluation.runner import SAMPLES_FILE, RunProgress, RunSetup, positions_in, read_results
from pluralism_local.evaluation.samples import Prediction
from pluralism_local.types import Sampling
from tests.support.mode_asks import THREE
from tests.support.rows import global_opinion, overton, write

TASK = "distributional-globalopinionqa"
SAMPLES = 20


def order(folder: Path, **changes: object) -> RunSpec:
    settings = dict.fromkeys(SETTINGS) | {"model": "scripted:", "pool": THREE.id, "orders": "asked"}
    if not (folder / "rows.json").exists():
        write(folder / "rows.json", [global_opinion(number) for number in range(SAMPLES)])
    data = str(folder / "rows.json")
    spec = RunSpec(TASK, data, ("ours", "vanilla", "uniform"), None, None, "none", (), None, settings)
    return replace(spec, **changes)  # type: ignore[arg-type]


def prepared(spec: RunSpec, root: Path, seed: int = 0) -> service.PreparedRun:
    engine = ScriptedEngine()
    task, samples = spec.read_samples()
    comment, answer = Sampling(1.0, 0.9, 12, seed=seed), Sampling(max_tokens=12)
    return service.prepare(RunSetup(task, samples, THREE, engine, engine, comment, answer), spec, root)


def stop_after(progress: int) -> service.Hooks:
    told: list[RunProgress] = []
    return service.Hooks(progress=told.append, should_stop=lambda: len(told) > progress)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}


def test_a_stopped_run_goes_on_to_the_same_files_and_figures(tmp_path: Path) -> None:
    spec = order(tmp_path)
    whole = prepared(spec, tmp_path / "whole")
    with service.begin(whole) as folder:
        assert service.carry_out(whole)
    stopped = prepared(spec, tmp_path / "stopped")
    with service.begin(stopped):
        assert not service.carry_out(stopped, hooks=stop_after(1))
    assert 0 < (stopped.path / SAMPLES_FILE).stat().st_size < (whole.path / SAMPLES_FILE).stat().st_size
    with service.begin(stopped):
        assert service.carry_out(stopped)
    assert files(stopped.path) == files(whole.path)
    task, samples = folder.read_samples()
    results = [
        service.summarise_run(path, task, samples, spec.methods, seed=0)
        for path in (whole.path, stopped.path)
    ]
    again = find_run(Path(whole.path.name), tmp_path / "whole")
    assert again.write_results(results[0]) == folder.results_of(results[1])
    stored = json.loads((whole.path / "results.json").read_text())
    assert stored["run"] == whole.identity.id and set(stored["methods"]) == set(spec.methods)


def test_all_that_a_run_writes_lies_in_its_folder_and_runs_beside_it_may_be_written_meanwhile(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    first, second = (prepared(order(tmp_path, output=str(home / name)), home) for name in ("a", "b"))
    with service.begin(first), service.begin(second):
        assert service.carry_out(first) and service.carry_out(second)
        with pytest.raises(Refused, match="Another process is writing"), service.begin(first):
            pass
    assert {path.name for path in home.iterdir()} == {"a", "b"}


def test_another_run_is_refused_a_folder_before_anything_is_asked(tmp_path: Path) -> None:
    spec = order(tmp_path, output=str(tmp_path / "run"))
    with service.begin(prepared(spec, tmp_path)):
        pass
    with (
        pytest.raises(Refused, match=r"comment\.seed differs"),
        service.begin(prepared(spec, tmp_path, seed=1)),
    ):
        pass


def test_controls_ask_nothing(tmp_path: Path) -> None:
    evaluation = prepared(order(tmp_path), tmp_path)
    assert evaluation.model_methods == ["ours", "vanilla"]


def test_a_method_that_cannot_answer_the_task_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="asks for probabilities"):
        prepared(order(tmp_path, methods=("ours", "attributed")), tmp_path)


def test_what_the_attributed_answer_rests_on_is_kept_and_scored(tmp_path: Path) -> None:
    """Also read from the folder again, as by `eval show`."""
    write(tmp_path / "overton.json", [overton(number) for number in range(3)])
    spec = order(
        tmp_path, task="overton-nli", data=str(tmp_path / "overton.json"), methods=("ours", "attributed")
    )
    evaluation = prepared(spec, tmp_path)
    with service.begin(evaluation):
        assert service.carry_out(evaluation)
    results, records = read_results(evaluation.path)
    for answer in results["attributed"].values():
        assert isinstance(answer, Prediction) and answer.positions is not None and answer.output is not None
        named = re.findall(r" \[([\w, ]+)\]$", answer.output, re.MULTILINE)
        assert len(named) == len(answer.positions.texts) > 0
        assert sum(len(names.split(", ")) for names in named) == answer.positions.marks
    assert all(
        isinstance(answer, Prediction) and answer.positions is None for answer in results["ours"].values()
    )
    journal = evaluation.path / SAMPLES_FILE
    made_by = records[-1]["positions"]["prompts"]
    journal.write_text(journal.read_text().replace(made_by, "0" * 12))
    with service.begin(evaluation), pytest.raises(Refused, match="made by other prompts"):
        service.carry_out(evaluation)
    assert positions_in(results) == {
        record["id"]: tuple(record["positions"]["texts"]) for record in records if "positions" in record
    }


def test_what_a_run_was_begun_with_is_read_back_without_credentials(tmp_path: Path) -> None:
    spec = order(tmp_path, communities_model="remote:http://user:secret@127.0.0.1:8000#m")
    evaluation = prepared(spec, tmp_path)
    with service.begin(evaluation) as folder:
        pass
    assert "secret" not in (evaluation.path / "run.json").read_text()
    assert replace(folder.spec, communities_model=spec.communities_model) == spec
    assert find_run(evaluation.path, tmp_path / "nowhere").spec == folder.spec
    with pytest.raises(NotFound, match="no run 'x'"):
        find_run(Path("x"), tmp_path)


def test_a_run_knows_its_samples(tmp_path: Path) -> None:
    evaluation = prepared(order(tmp_path, limit=5, draw=3), tmp_path)
    with service.begin(evaluation) as folder:
        assert folder.read_samples()[1] == list(evaluation.setup.samples)
    write(tmp_path / "rows.json", [global_opinion(number + SAMPLES) for number in range(SAMPLES)])
    with pytest.raises(Refused, match="other samples"):
        folder.read_samples()


def test_texts_are_not_scored_without_a_scorer(tmp_path: Path) -> None:
    write(tmp_path / "overton.json", [overton(number) for number in range(3)])
    spec = order(tmp_path, task="overton-nli", data=str(tmp_path / "overton.json"), methods=("vanilla",))
    evaluation = prepared(spec, tmp_path)
    with service.begin(evaluation):
        assert service.carry_out(evaluation)
    setup = evaluation.setup
    with pytest.raises(InvalidInput, match="without a scorer of entailment"):
        service.summarise_run(evaluation.path, setup.task, setup.samples, spec.methods, seed=0)


def test_a_larger_limit_only_adds(tmp_path: Path) -> None:
    _, samples = order(tmp_path).read_samples()
    for draw in (None, 0, 7):
        ids = [{one.id for one in draw_samples(samples, limit, draw)} for limit in range(1, SAMPLES + 1)]
        assert all(smaller < larger for smaller, larger in itertools.pairwise(ids))
        assert [len(some) for some in ids] == list(range(1, SAMPLES + 1))
    with pytest.raises(InvalidInput, match="--limit"):
        draw_samples(samples, None, 0)


NAMES = st.sampled_from(sorted(METHODS))
ANSWERS: st.SearchStrategy[dict[str, frozenset[str]]] = st.dictionaries(
    NAMES, st.frozensets(st.sampled_from("abcd"), min_size=1)
)


@given(st.lists(st.sampled_from([*sorted(METHODS), *CONTROLS]), unique=True), ANSWERS)
def test_a_report_compares_methods_that_have_come_equally_far(
    methods: list[str], answered: dict[str, frozenset[str]]
) -> None:
    results = {name: dict.fromkeys(ids, RequestFailure("code", "message")) for name, ids in answered.items()}
    compared, remarks = service.comparable(methods, results)  # type: ignore[arg-type]
    asked = [name for name in compared if name in METHODS]
    assert set(asked) <= set(answered) and {n for n in compared if n in CONTROLS} == set(methods) & set(
        CONTROLS
    )
    own = [name for name in methods if name in answered]
    common = frozenset.intersection(*(answered[name] for name in own)) if own else frozenset()
    assert all(name in methods or common <= answered[name] for name in asked)
    missing = {name for name in (*methods, *answered) if name in METHODS} - set(asked)
    assert {sentence.split()[0] for sentence in remarks} == missing
