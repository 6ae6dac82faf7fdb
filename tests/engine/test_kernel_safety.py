"""Kernels that end the process: children that really die, what is concluded, and what is remembered."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from pluralism_local import config
from pluralism_local.engine import kernel_safety, processor
from pluralism_local.engine.kernel_safety import KernelVerdict, Outcome, try_in_child, verdict
from pluralism_local.engine.processor import Processor

pytestmark = pytest.mark.usefixtures("untried")

WITH_AMX = Processor("A server's", frozenset({"avx2", "avx512f", "amx_tile", "amx_int8"}))
WITHOUT = Processor("A laptop's", frozenset({"avx2"}))
BUFFERS = 'print(\'{"buffers": ["AMX", "CPU_REPACK"]}\', flush=True)'


@pytest.fixture
def untried(own_home: Path) -> None:
    """A cache in which nothing is remembered."""
    shutil.rmtree(own_home / "cache", ignore_errors=True)


def child(code: str, seconds: float = 60.0) -> Outcome:
    return try_in_child(
        (), [sys.executable, "-c", f"import json, os, signal, time\n{BUFFERS}\n{code}"], seconds
    )


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGILL", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL"])
def test_a_child_that_dies_is_told_by_its_signal(name: str) -> None:
    outcome = child(f"os.kill(os.getpid(), signal.{name})")
    assert outcome == Outcome(("AMX", "CPU_REPACK"), f"ended by {name}")


def test_a_child_that_hangs_is_ended() -> None:
    assert child("time.sleep(600)", seconds=1.0) == Outcome(("AMX", "CPU_REPACK"), "not done in 1 s")


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ("print(json.dumps({'error': 0.0004}))", ""),
        ("print(json.dumps({'error': 0.4}))", "wrong results, error 0.4"),
        ("print(json.dumps({'error': float('nan')}))", "wrong results, error nan"),
        ("print(json.dumps({'error': None}))", "wrong results"),
        ("print('what?')", "wrong results"),
        ("pass", "wrong results"),
    ],
)
def test_a_child_that_answers_wrongly_is_found_out(output: str, problem: str) -> None:
    assert child(output).problem == problem


def test_a_child_that_fails_by_itself_says_nothing_about_kernels() -> None:
    assert child("raise SystemExit('no room left')") == Outcome(None, "not tried: no room left")
    assert try_in_child((), ["/nonexistent/python"]).buffers is None


class Attempts:
    """Outcomes by what is left out; counts how often each was asked for."""

    def __init__(self, everything: Outcome, without_amx: Outcome) -> None:
        self.outcomes = {(): everything, ("AMX",): without_amx}
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, dropped: Sequence[str]) -> Outcome:
        self.asked.append(tuple(dropped))
        return self.outcomes[tuple(dropped)]


FINE = Outcome(("AMX", "CPU_REPACK"), "")
DEAD = Outcome(("AMX", "CPU_REPACK"), "ended by SIGSEGV")
STILL_DEAD = Outcome(("CPU_REPACK",), "ended by SIGILL")


@pytest.mark.parametrize(
    ("everything", "without_amx", "dropped"),
    [
        (FINE, FINE, ()),
        (DEAD, Outcome(("CPU_REPACK",), ""), ("AMX",)),
        (DEAD, STILL_DEAD, ("AMX", "CPU_REPACK")),
    ],
)
def test_no_more_is_left_out_than_must_be(
    everything: Outcome, without_amx: Outcome, dropped: tuple[str, ...]
) -> None:
    attempts = Attempts(everything, without_amx)
    assert verdict(attempts, WITH_AMX) == KernelVerdict(dropped, everything.problem)
    attempted = len(attempts.asked)
    assert verdict(attempts, WITH_AMX) == KernelVerdict(dropped, everything.problem)
    assert len(attempts.asked) == attempted, "remembered"
    assert ("SIGSEGV" in verdict(attempts, WITH_AMX).sentence()) == bool(dropped)


def test_a_trial_that_could_not_be_made_is_made_again_next_time() -> None:
    attempts = Attempts(Outcome(None, "not tried: no room left"), Outcome(None, "not tried"))
    assert verdict(attempts, WITH_AMX).dropped == ("AMX", "CPU_REPACK")
    verdict(attempts, WITH_AMX)
    assert len(attempts.asked) == 4


def test_a_processor_without_amx_costs_no_child() -> None:
    attempts = Attempts(DEAD, DEAD)
    assert verdict(attempts, WITHOUT) == KernelVerdict()
    assert attempts.asked == []
    assert not (config.paths().cache_dir / "kernels").exists()


def test_another_processor_library_or_kernel_is_tried_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = Attempts(FINE, FINE)
    verdict(attempts, WITH_AMX)
    verdict(attempts, Processor("Another server's", WITH_AMX.flags))
    verdict(attempts, Processor(WITH_AMX.model, WITH_AMX.flags | {"avx10"}))
    monkeypatch.setattr(kernel_safety, "library_sha256", lambda: "another build")
    verdict(attempts, WITH_AMX)
    assert len(attempts.asked) == 8


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"dropped": [1], "reason": ""}', '{"dropped": "AMX"}', "\xff"]
)
def test_a_damaged_memory_is_made_anew(text: str) -> None:
    attempts = Attempts(DEAD, Outcome(("CPU_REPACK",), ""))
    verdict(attempts, WITH_AMX)
    [file] = (config.paths().cache_dir / "kernels").iterdir()
    file.write_text(text, "latin-1")
    assert verdict(attempts, WITH_AMX).dropped == ("AMX",)
    assert json.loads(file.read_text())["dropped"] == ["AMX"]


def test_a_read_only_cache_is_no_error(own_home: Path) -> None:
    (own_home / "cache").write_text("in the way")
    assert verdict(Attempts(FINE, FINE), WITH_AMX) == KernelVerdict()


def test_the_real_trial_on_this_machine_without_amx() -> None:
    outcome = try_in_child(("AMX",))
    assert outcome.problem == "" and outcome.buffers is not None and "AMX" not in outcome.buffers


def test_after_the_real_trial_every_type_decodes_here(tmp_path: Path) -> None:
    """In a process of its own, which a wrong verdict would end."""
    code = (
        "import sys, numpy; from pathlib import Path\n"
        "from pluralism_local.bench.naive import open_llama\n"
        "from pluralism_local.engine import ggml, kernel_safety, kernel_trial\n"
        "dropped = kernel_safety.settle().dropped\n"
        "assert not set(dropped) & set(ggml.names())\n"
        "path = kernel_trial.write_model(Path(sys.argv[1]))\n"
        "plain, repacked = (kernel_trial.logits(path, repack=repack) for repack in (False, True))\n"
        "assert ((plain - repacked) ** 2).sum() <= kernel_safety.TOLERANCE * (plain ** 2).sum()\n"
        "llama = open_llama(path, n_ctx=128, n_threads=2)\n"
        "llama.eval(list(range(64)))\n"
        "print('alive')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "tiny.gguf")], capture_output=True, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, [b"alive"]), done.stderr[-2000:]


def test_the_processor_is_read_from_the_first_core(tmp_path: Path) -> None:
    first = "processor\t: 0\nmodel name\t: A\nflags\t\t: fpu amx_tile\n"
    text = f"{first}\nprocessor\t: 1\nmodel name\t: B\nflags\t\t: sse\n"
    path = tmp_path / "cpuinfo"
    path.write_text(text)
    assert processor.processor(path) == Processor("A", frozenset({"fpu", "amx_tile"}))
    assert processor.processor(path).has_amx and not WITHOUT.has_amx
    nothing = processor.processor(tmp_path / "none")
    assert nothing.flags == frozenset() and nothing.model


def test_the_library_has_a_digest() -> None:
    assert processor.library_files() and len(processor.library_sha256()) == 64
