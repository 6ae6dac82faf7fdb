"""The run over a model's candidates: figures, choice, what is kept, and what a stop or a failure leaves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
from gguf.scripts.gguf_new_metadata import copy_with_new_metadata

from pluralism_local.bench.copies import CopyWork, Subject
from pluralism_local.bench.optimizing import Optimizer
from pluralism_local.bench.speeds import Speeds
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.engine.quantizer import quantize
from pluralism_local.errors import Cancelled, EngineFailure, InvalidInput
from pluralism_local.gguf_header import fingerprint
from pluralism_local.models import optimized
from pluralism_local.models.details import parts
from pluralism_local.models.gguf_file import read_header, sha256_of
from pluralism_local.models.store import ModelFile, identity
from pluralism_local.types import AdapterRef
from tests.support.llama_requests import ask, texts
from tests.support.tiny.model import write_tiny, write_tiny_adapter

Begin = Callable[..., Optimizer]


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return write_tiny(folder / "tiny.gguf")


@pytest.fixture
def begin(tiny: Path, tmp_path: Path) -> Begin:
    """Begin a run over the tiny model."""

    def begin(work: CopyWork, **more: object) -> Optimizer:
        subject = Subject("tiny", tiny, sha256_of(tiny), fingerprint(read_header(tiny)))
        options = LlamaOptions(threads=1)
        return Optimizer(subject, work, tmp_path / "cache", options, **more)  # type: ignore[arg-type]

    return begin


def test_a_tiny_model_from_source_to_copy(begin: Begin, tiny: Path, tmp_path: Path) -> None:
    told: list[tuple[str, float | None]] = []
    work = CopyWork(kinds=("Q4_0", "Q8_0"), chosen="Q8_0", repeats=1)
    run = begin(work, tell=lambda what, share: told.append((what, share)))
    run.check_space(tiny.parent)
    report = run.run()
    assert report.complete and not report.failed and not report.requantized and report.source.kind == "F32"
    assert report.source.divergence.kl_nats == 0 and report.source.runs_as == "F32"
    q4, q8 = report.candidates
    assert (q4.kind, q8.kind) == ("Q4_0", "Q8_0") and q4.file_bytes < q8.file_bytes < report.source.file_bytes
    assert 0 < q8.divergence.kl_nats < q4.divergence.kl_nats < 5
    steps = [what for what, share in told if share is None]
    assert steps[0] == "source: opening" and "Q4_0 (1 of 2): writing" in steps
    assert all(0 <= share <= 1 for _, share in told if share is not None)

    data = tmp_path / "data"
    kept = run.keep(report, optimized.target(tiny, "Q8_0", data, is_managed=False), data)
    run.discard()
    assert kept.path == tiny.with_name("tiny.plocal-Q8_0.gguf")
    assert kept.sha256 == sha256_of(kept.path) and optimized.read(kept.path) == kept
    assert fingerprint(read_header(kept.path)) == fingerprint(read_header(tiny))
    assert kept.figures["copy"] == q8.record() and kept.source.sha256 == sha256_of(tiny)
    assert not list((tmp_path / "cache" / "candidates").iterdir())
    record = report.record()
    assert record["schema"] == "plocal.optimize/1" and record["candidates"][0]["kl_nats"] > 0


def test_the_copy_of_a_model_in_parts_is_one_file(tiny: Path, tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tiny.with_name("big.gguf"), "llama", split_max_tensors=10)
    copy_with_new_metadata(gguf.GGUFReader(tiny), writer, {}, [])
    first = tiny.with_name("big-00001-of-00002.gguf")
    file = ModelFile("big", first, "path")
    data, cache = tmp_path / "data", tmp_path / "cache"
    work = CopyWork(kinds=("Q8_0",), chosen="Q8_0", repeats=1)
    run = Optimizer(Subject("big", first, *identity(file, cache)), work, cache, LlamaOptions(threads=1))
    report = run.run()
    assert report.source.file_bytes == sum(path.stat().st_size for path in parts(first))
    kept = run.keep(report, optimized.target(first, "Q8_0", data, is_managed=False), data)
    assert kept.path.name == "big-00001-of-00002.plocal-Q8_0.gguf" and parts(kept.path) == (kept.path,)
    assert fingerprint(read_header(kept.path)) == fingerprint(read_header(tiny))
    folders = optimized.places(first, data, is_managed=False)
    assert optimized.find("big", parts(first), "fast", folders, lambda: "") == kept


def test_adapters_of_the_source_fit_the_copy(begin: Begin, tiny: Path, tmp_path: Path) -> None:
    run = begin(CopyWork(kinds=("Q8_0",), chosen="Q8_0", repeats=1))
    data = tmp_path / "data"
    kept = run.keep(run.run(), optimized.target(tiny, "Q8_0", data, is_managed=False), data)
    adapter = write_tiny_adapter(tmp_path / "adapter.gguf", tiny)
    requests = [ask("Why?", ref, tokens=8) for ref in (None, AdapterRef(adapter, sha256_of(adapter), 1.0))]
    with LlamaEngine(kept.path, name="copy", options=LlamaOptions(threads=1, ignore_end=True)) as engine:
        plain, adapted = texts(engine, requests)
    with LlamaEngine(tiny, name="tiny", options=LlamaOptions(threads=1, ignore_end=True)) as engine:
        assert texts(engine, requests[1:]) == [adapted]
    assert plain != adapted


def test_stopped_it_reports_what_is_measured_and_writes_no_candidate_twice(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = CopyWork(kinds=("Q4_0", "Q8_0"), repeats=1)
    stop = False

    def tell(what: str, _share: float | None) -> None:
        nonlocal stop
        stop = stop or what.startswith("Q8_0 (2 of 2): measuring")

    run = begin(work, tell=tell, should_stop=lambda: stop)
    report = run.run()
    assert not report.complete and [one.kind for one in report.candidates] == ["Q4_0"]
    assert report.chosen is None and len(run.already_written) == 2
    stop = False

    def write_again(*_: object, **__: object) -> None:
        raise AssertionError("written again")

    monkeypatch.setattr("pluralism_local.bench.optimizing.quantize", write_again)
    again = begin(work)
    assert len(again.already_written) == 2
    assert [one.kind for one in again.run().candidates] == ["Q4_0", "Q8_0"]


def test_stopped_before_anything_is_measured_there_is_no_report(begin: Begin, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        begin(CopyWork(kinds=("Q4_0",), repeats=1), should_stop=lambda: True).run()
    assert not list((tmp_path / "cache" / "candidates").iterdir())


def test_a_candidate_that_fails_is_reported_and_the_others_go_on(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(source: Path, out: Path, kind: str, **more: object) -> None:
        if kind == "Q4_0":
            raise EngineFailure("llama.cpp cannot write it.")
        quantize(source, out, kind, **more)  # type: ignore[arg-type]

    monkeypatch.setattr("pluralism_local.bench.optimizing.quantize", write)
    report = begin(CopyWork(kinds=("Q4_0", "Q8_0"), chosen="Q4_0", repeats=1)).run()
    assert report.failed == {"Q4_0": "llama.cpp cannot write it."} and report.chosen is None
    assert [one.kind for one in report.candidates] == ["Q8_0"]


def test_without_room_it_says_how_much_is_needed_and_free(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10_000}))
    run = begin(CopyWork(kinds=("Q4_0", "Q8_0")))
    with pytest.raises(InvalidInput, match=r"Trying Q4_0, Q8_0 takes 0\.0 GB in .*0\.0 GB are free"):
        run.check_space(None)


def test_a_source_that_runs_otherwise_at_the_end_is_told_of(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = iter([Speeds(10.0, 10.0, 10.0), Speeds(40.0, 40.0, 40.0), Speeds(40.0, 40.0, 40.0)])
    monkeypatch.setattr("pluralism_local.bench.optimizing.speeds", lambda *_, **__: next(rates))
    report = begin(CopyWork(kinds=("Q8_0",), repeats=1)).run()
    assert report.drift == pytest.approx(4) and report.is_noisy and report.record()["drift"] == 4
    assert report.source.speeds == Speeds(20.0, 20.0, 20.0) and report.candidates[0].speeds.batch_tok_s == 40
