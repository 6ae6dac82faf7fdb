"""Files on their way: nothing stays of a writer that was killed, and nobody takes away what is being written."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pluralism_local import unfinished
from pluralism_local.files import write_atomic
from pluralism_local.unfinished import beside, discard_all, sweep

HOLD = """
import sys, time
from pathlib import Path
from pluralism_local.unfinished import beside
with beside(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")  # opened anew, as other programs do
    print("writing", flush=True)
    time.sleep(60)
"""


def test_it_is_moved_or_gone(tmp_path: Path) -> None:
    with beside(tmp_path / "a") as temporary:
        temporary.write_text("x")
        temporary.replace(tmp_path / "a")
    with pytest.raises(ValueError), beside(tmp_path / "b"):
        raise ValueError
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    (tmp_path / "plain").touch()
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_what_a_killed_writer_left_is_swept_and_what_a_living_one_writes_is_not(
    tmp_path: Path, kind: signal.Signals
) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path / "a.gguf")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None and writer.stdout.readline()
        try:
            assert sweep(tmp_path) == 0 and len(list(tmp_path.iterdir())) == 1
        finally:
            writer.send_signal(kind)
            writer.wait()
    assert sweep(tmp_path, "b.gguf") == 0
    assert sweep(tmp_path, "a.gguf") == 1 and not list(tmp_path.iterdir())


def test_only_files_of_this_form_are_swept(tmp_path: Path) -> None:
    names = [".hidden", ".a.gguf.part", ".a.gguf.0123.part", f".a.{'0' * 32}", f"a.{'0' * 32}.part"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / f".a.{'0' * 32}.part").mkdir()
    assert sweep(tmp_path) == 0 and sweep(tmp_path / "gone") == 0
    assert len(list(tmp_path.iterdir())) == len(names) + 1


def test_without_locks_age_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object, **__: object) -> bool:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(unfinished, "try_lock", no_locks)
    with beside(tmp_path / "a") as temporary:
        assert sweep(tmp_path) == 0
        long_ago = time.time() - 2 * unfinished.ABANDONED_SECONDS
        os.utime(temporary, (long_ago, long_ago))
        assert sweep(tmp_path) == 1


def test_a_process_that_leaves_without_unwinding_takes_its_own_away(tmp_path: Path) -> None:
    with beside(tmp_path / "a"), beside(tmp_path / "b"):
        assert len(list(tmp_path.iterdir())) == 2
        discard_all()
        assert not list(tmp_path.iterdir())


def test_the_next_write_of_a_file_sweeps_what_was_left_of_it(tmp_path: Path) -> None:
    long = "n" * 200
    for name in ("a.toml", long):
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, str(tmp_path / name)], stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None and writer.stdout.readline()
            writer.kill()
        write_atomic(tmp_path / name, "new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.toml", long]
