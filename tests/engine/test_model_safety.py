"""Models are tried before they are loaded: what is concluded, remembered, and real children on real files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pluralism_local.engine import model_safety, model_trial
from pluralism_local.engine.base import ShouldStop
from pluralism_local.engine.child_process import Ended
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.engine.model_safety import ModelSafety, Setup, try_in_child
from pluralism_local.errors import InvalidInput
from pluralism_local.types import AdapterRef

FAST = Setup(repack=True, flash=True)
FINE = Ended(({"stage": 0}, {"error": 0.0}, {"stage": 1}, {"error": 0.002}, {"stage": "done"}))
DEAD = Ended(({"stage": 0},), fault="ended by SIGSEGV")
WRONG = Ended(({"error": 0.0}, {"error": 1.4}))


class Machine:
    """Stands in for the child: `fails(run)` says how the last of a trial's runs ends; counts trials."""

    def __init__(self, ends: Callable[[Mapping[str, Any]], Ended]) -> None:
        self.ends, self.trials = ends, 0

    def __call__(self, trial: Mapping[str, Any], seconds: float, should_stop: ShouldStop) -> Ended:
        assert seconds > 30
        self.trials += 1
        return self.ends({**trial, **(trial["runs"][-1] if trial["runs"] else {})})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.gguf"
    path.write_bytes(b"GGUF")
    return path


@pytest.mark.parametrize(
    ("ends", "setup", "sentence"),
    [
        (lambda run: FINE, FAST, "runs as it is"),
        (
            lambda run: DEAD if run["repack"] else FINE,
            Setup(repack=False, flash=True),
            "runs without repacked weights (ended by SIGSEGV)",
        ),
        (
            lambda run: WRONG if run["flash"] else FINE,
            Setup(repack=False, flash=False),
            "runs without repacked weights, flash attention (wrong results, error 1.4)",
        ),
        (
            lambda run: DEAD if run["threads"] > 1 else FINE,
            Setup(repack=False, flash=False, one_thread=True),
            "runs without repacked weights, flash attention, all threads but one (ended by SIGSEGV)",
        ),
    ],
)
def test_no_more_is_left_out_than_must_be(
    model: Path, tmp_path: Path, ends: Callable[[Mapping[str, Any]], Ended], setup: Setup, sentence: str
) -> None:
    machine = Machine(ends)
    safety = ModelSafety(tmp_path / "trials", attempt=machine)
    assert safety.setup(model, "id", FAST) == setup
    verdict = safety.remembered("id", FAST)
    assert verdict is not None and verdict.sentence() == sentence
    trials = machine.trials
    assert ModelSafety(tmp_path / "trials", attempt=machine).setup(model, "id", FAST) == setup
    assert machine.trials == trials, "remembered"
    assert safety.setup(model, "another", FAST) == setup and machine.trials == 2 * trials


def test_a_model_that_always_ends_the_process_is_refused_every_time(model: Path, tmp_path: Path) -> None:
    machine = Machine(lambda run: Ended((), fault="ended by SIGABRT", complaint="GGML_ASSERT(x) failed"))
    safety = ModelSafety(tmp_path / "trials", attempt=machine)
    for _ in range(2):
        with pytest.raises(
            InvalidInput, match=r"m\.gguf: ended by SIGABRT, GGML_ASSERT\(x\) failed"
        ) as caught:
            safety.setup(model, "id", FAST)
        assert "models verify" in caught.value.hint
    assert machine.trials == 4, "as asked, and three safer ways, once"


@pytest.mark.parametrize(
    "ended",
    [
        Ended((), failure="MemoryError"),
        Ended(({"refused": "llama.cpp cannot load it"},)),
        Ended((), fault="not done in 60 s"),
        Ended((), fault="ended by SIGKILL"),
    ],
)
def test_what_says_nothing_lasting_is_not_remembered(model: Path, tmp_path: Path, ended: Ended) -> None:
    machine = Machine(lambda run: ended)
    safety = ModelSafety(tmp_path / "trials", attempt=machine)
    for _ in range(2):
        if ended.fault:
            with pytest.raises(InvalidInput):
                safety.setup(model, "id", FAST)
        else:
            assert safety.setup(model, "id", FAST) == FAST
    assert safety.remembered("id", FAST) is None


def test_without_a_folder_nothing_is_tried(model: Path) -> None:
    machine = Machine(lambda run: DEAD)
    safety = ModelSafety(None, attempt=machine)
    assert safety.setup(model, "id", FAST) == FAST and machine.trials == 0
    safety.check_adapters(model, "id", [AdapterRef(model, "1" * 64)])


def adapters(tmp_path: Path, *names: str) -> list[AdapterRef]:
    return [AdapterRef(tmp_path / f"{name}.gguf", name * 64) for name in names]


def test_adapters_are_tried_together_and_the_one_at_fault_is_named(model: Path, tmp_path: Path) -> None:
    def ends(run: Mapping[str, Any]) -> Ended:
        bad = next((path for path in run["adapters"] if path.endswith("b.gguf")), None)
        return Ended(({"stage": "adapter", "adapter": bad},), fault="ended by SIGABRT") if bad else FINE

    machine = Machine(ends)
    safety = ModelSafety(tmp_path / "trials", attempt=machine)
    with pytest.raises(InvalidInput, match=r"the adapter b\.gguf: ended by SIGABRT"):
        safety.check_adapters(model, "id", adapters(tmp_path, "a", "b", "c"))
    assert machine.trials == 2
    safety.check_adapters(model, "id", adapters(tmp_path, "a", "c"))
    assert machine.trials == 2, "remembered"
    safety.check_adapters(model, "id", adapters(tmp_path, "a", "d"))
    assert machine.trials == 3


@pytest.mark.parametrize("text", ["", "[]", '{"setup": {"repack": 1, "x": 2}}', '{"setup": null}', "\xff"])
def test_a_damaged_memory_is_made_anew(model: Path, tmp_path: Path, text: str) -> None:
    safety = ModelSafety(tmp_path / "trials", attempt=Machine(lambda run: FINE))
    safety.setup(model, "id", FAST)
    [file] = (tmp_path / "trials").iterdir()
    file.write_text(text, "latin-1")
    assert safety.remembered("id", FAST) is None
    assert safety.setup(model, "id", FAST) == FAST
    assert safety.remembered("id", FAST) is not None


def test_the_error_is_of_what_changes_probabilities() -> None:
    rows = np.random.default_rng(0).standard_normal((5, 100))
    assert model_trial.error(rows, rows + 3.0) == pytest.approx(0, abs=1e-20)
    assert model_trial.error(rows, rows * 1.1) == pytest.approx(0.01)
    assert model_trial.error(rows, np.random.default_rng(1).standard_normal((5, 100))) > 1
    assert model_trial.error(rows, rows * np.nan) == float("inf")
    assert model_trial.error(rows * np.nan, rows) == 0


def test_the_starter_runs_as_it_is_and_is_tried_once(starter_path: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    options = LlamaOptions(threads=1, trial_dir=tmp_path / "trials")
    for _ in range(2):
        with LlamaEngine(starter_path, name="starter", options=options, note=notes.append) as engine:
            assert engine.threads == 1
    assert notes == ["trying the model once, in a process of its own …"]
    [file] = (tmp_path / "trials").iterdir()
    verdict = model_safety.read(file)
    assert verdict is not None and verdict.sentence() == "runs as it is"


def test_a_real_adapter_and_a_real_refusal(
    starter_path: Path, make_ref: Callable[..., AdapterRef], tmp_path: Path
) -> None:
    safety = ModelSafety(tmp_path / "trials")
    safety.check_adapters(starter_path, "id", [make_ref(1), make_ref(2)])
    assert len(list((tmp_path / "trials").iterdir())) == 1
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(starter_path.read_bytes()[:200_000])
    trial = {"path": str(broken), "runs": [{"repack": False, "flash": False, "gpu_layers": 0}]}
    ended = try_in_child({**trial, "adapters": [], "threads": 1, "memory": None}, 60)
    assert "cannot load the model" in ended.last("refused") and not ended.fault
