"""Children that really die, hang, eat memory, or are stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pluralism_local.engine.child_process import Ended, run
from pluralism_local.errors import Cancelled

START = """
import os, signal, sys, time
from pluralism_local.engine.child_process import prepare, record
prepare(2**30)
"""


def child(code: str, seconds: float = 60.0) -> Ended:
    return run([sys.executable, "-c", START + code], seconds=seconds)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGILL", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL"])
def test_a_signal_is_told_by_name_and_what_was_written_before_arrives(name: str) -> None:
    ended = child(f"record(stage=1)\nrecord(stage=2)\nos.kill(os.getpid(), signal.{name})")
    assert ended.fault == f"ended by {name}" and not ended.failure
    assert ended.last("stage") == 2 and ended.last("error") is None


def test_an_assertion_of_llama_cpp_is_told() -> None:
    ended = child("print('/a/b/x.cpp:1: GGML_ASSERT(n > 0) failed', file=sys.stderr)\nos.abort()")
    assert (ended.fault, ended.complaint) == ("ended by SIGABRT", "x.cpp:1: GGML_ASSERT(n > 0) failed")


def test_one_that_hangs_is_ended_after_its_time() -> None:
    for seconds in (3, 30, 120):  # a busy machine may not even start it within the first
        ended = child("record(stage=1)\ntime.sleep(600)", seconds=seconds)
        assert ended.fault == f"not done in {seconds} s"
        if ended.records:
            break
    assert ended.last("stage") == 1


def test_one_that_computes_for_ever_is_ended_after_its_time() -> None:
    assert child("while True: pass", seconds=2).fault == "not done in 2 s"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells what a child has had")
def test_one_that_gets_on_slowly_has_the_time_it_needs() -> None:
    """As on a machine that is busy with other things: here it sleeps for what it would wait."""
    slowly = """
for _ in range(40):
    end = time.process_time() + 0.02
    while time.process_time() < end: pass
    time.sleep(0.08)
record(stage=1)
"""
    ended = child(slowly, seconds=2)
    assert ended == Ended(({"stage": 1},))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit on memory is Linux's")
def test_one_that_eats_memory_stops_itself() -> None:
    ended = child("record(stage=1)\nb''.join(bytes(2**26) for _ in range(200))")
    assert ended.failure == "MemoryError" and ended.last("stage") == 1 and not ended.fault


def test_a_failure_of_its_own_is_no_fault() -> None:
    assert child("raise SystemExit('no room left')") == Ended((), failure="no room left")
    assert child("sys.exit(3)").failure == "exit code 3"
    assert "No such file" in run(["/nonexistent/python"], seconds=1).failure


def test_other_lines_are_no_records() -> None:
    ended = child("print('[1]')\nprint('{')\nprint('hello')\nrecord(stage=1)")
    assert ended == Ended(({"stage": 1},))


def test_stopping_ends_the_child() -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(Cancelled):
        run([sys.executable, "-c", "import time; time.sleep(600)"], seconds=600, should_stop=stop.is_set)


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="only Linux tells a child of its parent's end"
)
def test_one_whose_parent_is_killed_ends(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    waits = f"pipe = open({str(pipe)!r}, 'wb', buffering=0)\npipe.write(b'here')\ntime.sleep(600)"
    parent = f"""
import sys
from pluralism_local.engine.child_process import run
run([sys.executable, "-c", {START + waits!r}], seconds=600)
"""
    process = subprocess.Popen([sys.executable, "-c", parent])
    with pipe.open("rb", buffering=0) as reader:
        assert reader.read(4) == b"here"
        process.kill()
        process.wait()
        assert reader.read(1) == b""  # once nobody has the other end
