"""Comments that runs find wherever they lie, and a database that may be missing, damaged or locked."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.evaluation import service, shared_comments
from pluralism_local.evaluation.journal import read_journal
from pluralism_local.evaluation.run_folder import SETTINGS, RunSpec
from pluralism_local.evaluation.runner import RunSetup, comments_file
from pluralism_local.evaluation.shared_comments import COMMENTS_FILE, SharedComments
from pluralism_local.types import ModelInfo, Sampling
from tests.support.mode_asks import THREE
from tests.support.rows import global_opinion, write

SAMPLES = 5


class FromFile(ScriptedEngine):
    """A scripted engine that passes for a model in a file, and counts the texts that it is asked for."""

    sha256: str | None = "ab" * 32
    texts = 0

    @property
    def info(self) -> ModelInfo:
        return replace(super().info, sha256=self.sha256)

    def generate(self, requests: Any, **options: Any) -> Any:
        self.texts += len(requests)
        return super().generate(requests, **options)


def evaluate(
    folder: Path, path: Path, *, seed: int = 0, sha256: str | None = "ab" * 32
) -> tuple[int, list[str]]:
    """Texts that were asked for in a run at `path`, and what was warned of; `folder` is the data folder."""
    data = write(folder.parent / "rows.json", [global_opinion(number) for number in range(SAMPLES)])
    settings = dict.fromkeys(SETTINGS) | {"model": "x.gguf", "pool": THREE.id}
    task = "distributional-globalopinionqa"
    spec = RunSpec(task, str(data), ("ours",), None, None, "none", (), None, settings, str(path))
    engine = FromFile()
    engine.sha256 = sha256
    setup = RunSetup(
        *spec.read_samples(),
        THREE,
        engine,
        engine,
        Sampling(1.0, 0.9, 12, seed=seed),
        Sampling(max_tokens=12),
    )
    evaluation = service.prepare(setup, spec, folder)
    warnings: list[str] = []
    with service.begin(evaluation):
        assert service.carry_out(evaluation, hooks=service.Hooks(warn=warnings.append))
    assert len(read_journal(comments_file(path, engine.info))) == SAMPLES * len(THREE.members)
    return engine.texts, warnings


ALL = SAMPLES * len(THREE.members)


def test_a_run_elsewhere_asks_for_no_comment_twice(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert evaluate(data, tmp_path / "a" / "run") == (ALL, [])
    assert evaluate(data, tmp_path / "b" / "run") == (0, [])
    texts = [
        sorted(one["text"] for one in read_journal(next((tmp_path / name / "run").glob("c*"))))
        for name in "ab"
    ]
    assert texts[0] == texts[1]
    assert evaluate(data, tmp_path / "c" / "run", seed=1) == (ALL, [])  # other comments
    assert evaluate(data, tmp_path / "d" / "run", sha256="cd" * 32) == (ALL, [])  # of another model
    assert evaluate(tmp_path / "other data", tmp_path / "e" / "run") == (ALL, [])


def test_comments_of_a_model_without_a_file_are_not_shared(tmp_path: Path) -> None:
    for name in "ab":
        assert evaluate(tmp_path / "data", tmp_path / name / "run", sha256=None) == (ALL, [])
    assert not (tmp_path / "data" / COMMENTS_FILE).exists()


def test_a_damaged_database_is_said_once_and_nothing_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "data" / COMMENTS_FILE
    file.parent.mkdir()
    file.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    before = file.read_bytes()
    texts, warnings = evaluate(tmp_path / "data", tmp_path / "a" / "run")
    assert texts == ALL and len(warnings) == 1 and str(file) in warnings[0]
    assert file.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    texts, warnings = evaluate(tmp_path / "data", tmp_path / "a" / "run")
    assert texts == ALL and len(warnings) == 1


def test_a_database_that_stays_locked_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_comments, "_PATIENCE", 0.0)
    file = tmp_path / COMMENTS_FILE
    SharedComments(file).add([{"key": "a", "text": "A."}])
    warnings: list[str] = []
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        store = SharedComments(file, warnings.append)
        assert store.find(["a"]) == {}
        store.add([{"key": "b", "text": "B."}])
    assert len(warnings) == 1 and "locked" in warnings[0]
    assert SharedComments(file).find(["a", "b"]) == {"a": {"key": "a", "text": "A."}}


def test_records_of_another_form_and_failures_are_not_found(tmp_path: Path) -> None:
    file = tmp_path / COMMENTS_FILE
    store = SharedComments(file)
    store.add([{"key": "half", "text": "Half of a character: \ud800."}, {"key": "fine", "text": ""}])
    failure = {"code": "engine", "message": "failed"}
    store.add([{"key": "failed", "error": failure}])
    rows = {
        "no JSON": "{",
        "no object": "[]",
        "no text": '{"key": "no text"}',
        "error": '{"key": "error", "error": {"code": "x", "message": "y"}}',
        "other key": '{"key": "fine", "text": "x"}',
        "deep": '{"key": "deep", "text": "x", "more": ' + "[" * 2000 + "]" * 2000 + "}",
    }
    with closing(sqlite3.connect(file)) as base, base:
        base.executemany("INSERT INTO comments VALUES (?, ?)", rows.items())
    assert SharedComments(file).find(["half", "fine", "failed", *rows]) == {
        "fine": {"key": "fine", "text": ""}
    }


def test_what_is_there_stays_and_many_may_write_and_ask_at_once(tmp_path: Path) -> None:
    file = tmp_path / COMMENTS_FILE
    keys = [f"{number}" for number in range(1500)]  # more than one question of the database holds

    def write_some(worker: int) -> None:
        for start in range(0, len(keys), 100):
            SharedComments(file).add(
                [{"key": key, "text": f"by {worker}"} for key in keys[start : start + 100]]
            )

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(write_some, range(4)))
    records = SharedComments(file).find(keys)
    assert list(map(str, sorted(map(int, records)))) == keys
    SharedComments(file).add([{"key": key, "text": "later"} for key in keys])
    assert SharedComments(file).find(keys) == records
