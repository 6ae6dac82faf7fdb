"""The peak is this program's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pluralism_local.bench import memory
from pluralism_local.bench.memory import peak_rss_mb

SAY = "from pluralism_local.bench.memory import peak_rss_mb as peak; "


@pytest.mark.skipif(sys.platform == "win32", reason="Windows says no peak")
def test_a_large_process_does_not_lend_its_peak_to_what_it_starts() -> None:
    small = [sys.executable, "-c", SAY + "print(peak())"]
    large = f"import subprocess; held = bytearray(300_000_000); subprocess.run({small!r}, check=True)"
    done = subprocess.run([sys.executable, "-c", large], capture_output=True, check=True, text=True)
    assert 1 < float(done.stdout) < 200


@pytest.mark.skipif(sys.platform == "win32", reason="Windows says no peak")
def test_what_was_held_counts_after_it_is_gone() -> None:
    code = SAY + "before = peak(); held = bytearray(200_000_000); del held; print(before, peak())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    before, after = map(float, done.stdout.split())
    assert 195 < after - before < 250


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_hidden_or_without_the_mark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    status = tmp_path / "status"
    monkeypatch.setattr(memory, "_STATUS", status)
    assert peak_rss_mb() is None
    status.write_text("Name:\tpython\nVmHWM:\t    1000 kB\n", encoding="ascii")
    assert peak_rss_mb() == 1.024
    status.write_text("Name:\tpython\n", encoding="ascii")
    assert peak_rss_mb() is None
