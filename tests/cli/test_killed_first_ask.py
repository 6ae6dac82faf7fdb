"""A first ask killed at any moment while it writes the cache: the next command leaves nothing half-written there."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.command_line import Run, plocal

KILLS = 40
LONGEST = 3.5  # seconds; a first ask takes about that long before its answer
LINE = ("ask", "-n", "-m", "starter", "-p", "press-left", "-p", "press-right")
SHORT = ("--comment-max-tokens", "2", "--max-tokens", "2", "Why?")
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def hidden(home: Path) -> list[Path]:
    return [path for path in home.rglob(".*") if path.is_file() and not path.name.endswith(".lock")]


def wait_for_writing(ask: subprocess.Popen[bytes], folder: Path) -> None:
    """Until something is being written in `folder`, or it is all over."""
    while ask.poll() is None and not [path for path in hidden(folder) if path.stat().st_size]:
        time.sleep(0.005)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_half_written_stays(run: Run, village: Path, starter_path: Path) -> None:
    rng = random.Random(14)
    cache = village / "cache"
    caught_writing, by_signal = 0, dict.fromkeys(SIGNALS, 0)
    for number in range(KILLS):
        shutil.rmtree(cache / "weights", ignore_errors=True)
        (cache / "files.json").unlink(missing_ok=True)
        kind = rng.choice(SIGNALS)
        with plocal(*LINE, *SHORT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as ask:
            if number % 2:
                wait_for_writing(ask, cache / "weights")
                time.sleep(rng.uniform(0, 0.3))
            else:
                time.sleep(rng.uniform(0.2, LONGEST))
            ask.send_signal(kind)
            ask.wait(30)
        caught_writing += bool(hidden(village))
        by_signal[kind] += bool(hidden(village))
        if number % 10 == 9:
            assert run(*LINE, *SHORT).code in (0, 6)
        else:
            assert run("cache", "ls").code == 0
        assert hidden(village) == [], f"kill {number} by {kind.name}"
    assert run("cache", "verify").code == 0
    assert by_signal[signal.SIGINT] == 0, "Ctrl-C takes its own files away"
    assert caught_writing >= 3, "the kills must hit what they are meant for"
    print(f"{KILLS} kills, {caught_writing} while a file was written: {by_signal}")  # noqa: T201
