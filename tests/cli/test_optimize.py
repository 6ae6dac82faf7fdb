"""`plocal models optimize` on a tiny model: the table, what is kept, and names that lead to it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pluralism_local.errors import Cancelled
from pluralism_local.gguf_header import fingerprint
from pluralism_local.models.gguf_file import read_header
from tests.support.command_line import Run, plocal
from tests.support.tiny.model import write_tiny

QUICK = ("--repeats", "1", "--threads", "1")


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return write_tiny(folder / "tiny.gguf")


def test_a_copy_is_kept_beside_its_source_and_used_by_its_names(run: Run, tiny: Path, village: Path) -> None:
    ran = run("models", "optimize", str(tiny), "--try", "q4_0", "--try", "Q8_0", "--keep", "q8_0", *QUICK)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[2].split() == [
        *("ask", "times", "as", "fast", "prompts", "one", "eight"),
        *("size", "memory", "divergence", "perplexity"),
    ]
    assert lines[3].startswith("source F32") and " 1.00 " in lines[3] and " 0.0000 " in lines[3]
    assert lines[4].startswith("Q4_0") and lines[5].startswith("Q8_0")
    copy = tiny.with_name("tiny.plocal-Q8_0.gguf")
    assert f"Kept Q8_0: {copy}" in ran.err and f"-m {tiny}@fast" in ran.err and "measuring" in ran.err
    assert sorted(path.name for path in tiny.parent.iterdir()) == [
        "tiny.gguf",
        "tiny.plocal-Q8_0.gguf",
        "tiny.plocal-Q8_0.json",
    ]
    assert run("cache", "ls", "--json").json() and not list((village / "cache" / "candidates").iterdir())

    shown = run("models", "show", f"{tiny}@fast", "--json").json()
    assert (shown["path"], shown["source"], shown["quantization"]) == (str(copy), "plocal", "Q8_0")
    assert shown["fingerprint"] == fingerprint(read_header(tiny))
    verified = run("models", "verify", f"{tiny}@Q8_0")
    assert verified.code == 0 and "as the note beside it has it" in verified.out
    (entry,) = [one for one in run("models", "ls", "--json").json() if one["source"] == "plocal"]
    assert entry["name"] == f"{tiny}@Q8_0" and entry["problem"] is None
    asked = run("ask", "--mode", "vanilla", "-m", f"{tiny}@fast", "--max-tokens", "3", "--json", "Why?")
    assert asked.code == 0 and asked.json()["model"]["sha256"] == verified.out.split("sha256")[1].split()[0]
    assert run("models", "default", f"{tiny}@fast").code == 0
    assert run("models", "show", f"{tiny}@Q4_0").code == 3
    refused = run("models", "optimize", f"{tiny}@fast")
    assert refused.code == 2 and "was made by optimize itself" in refused.err
    assert run("models", "optimize", str(copy)).code == 2


def test_a_source_that_changed_makes_its_copy_stale(run: Run, tiny: Path) -> None:
    assert run("models", "optimize", str(tiny), "--try", "Q8_0", "--keep", "Q8_0", *QUICK).code == 0
    write_tiny(tiny, seed=1)
    ran = run("ask", "-m", f"{tiny}@fast", "Why?")
    assert ran.code == 4 and f"plocal models optimize {tiny}" in ran.err
    (entry,) = [one for one in run("models", "ls", "--json").json() if one["source"] == "plocal"]
    assert "before it changed" in entry["problem"]
    assert run("models", "optimize", str(tiny), "--try", "Q8_0", "--keep", "Q8_0", *QUICK).code == 0
    assert run("models", "show", f"{tiny}@fast").code == 0


def test_a_copy_that_was_altered_is_refused_by_verify(run: Run, tiny: Path) -> None:
    assert run("models", "optimize", str(tiny), "--try", "Q8_0", "--keep", "Q8_0", *QUICK).code == 0
    copy = tiny.with_name("tiny.plocal-Q8_0.gguf")
    data = bytearray(copy.read_bytes())
    data[-1] ^= 255
    copy.write_bytes(data)
    ran = run("models", "verify", f"{tiny}@fast")
    assert ran.code == 4 and "not what the note beside it has on record" in ran.err


def test_the_starters_copy_lies_in_the_data_folder(
    run: Run, tiny: Path, village: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pluralism_local.models.store._starter_path", lambda: tiny)
    ran = run("models", "optimize", "starter", "--try", "Q8_0", "--keep", "Q8_0", "--json", *QUICK)
    kept = Path(ran.json()["kept"]["path"])
    assert kept.parent == village / "data" / "optimized" and len(list(tiny.parent.iterdir())) == 1
    assert "starter@Q8_0" in [one["name"] for one in run("models", "ls", "--json").json()]
    assert run("models", "show", "starter@fast", "--json").json()["path"] == str(kept)


def test_a_dry_run_keeps_nothing_and_json_is_one_object(run: Run, tiny: Path, village: Path) -> None:
    ran = run("models", "optimize", str(tiny), "--try", "Q8_0", "--dry-run", "--json", *QUICK)
    record = ran.json()
    assert ran.code == 0 and record["kept"] is None and record["complete"] is True
    assert record["schema"] == "plocal.optimize/1" and record["source"]["kl_nats"] == 0
    assert [one["kind"] for one in record["candidates"]] == ["Q8_0"]
    assert [path.name for path in tiny.parent.iterdir()] == ["tiny.gguf"]
    assert not list((village / "cache" / "candidates").iterdir())


def test_where_nothing_can_be_kept_the_figures_are_shown_and_the_candidates_stay(
    run: Run, tiny: Path, village: Path
) -> None:
    tiny.with_name("tiny.plocal-Q8_0.gguf").mkdir()
    arguments = ("models", "optimize", str(tiny), "--try", "Q8_0", "--keep", "Q8_0", *QUICK)
    ran = run(*arguments)
    assert ran.code == 2 and "is a folder" in ran.err and "\nQ8_0 " in ran.out
    assert len(list((village / "cache" / "candidates").glob("*.gguf"))) == 1
    tiny.with_name("tiny.plocal-Q8_0.gguf").rmdir()
    ran = run(*arguments)
    assert ran.code == 0 and "written by a run that was stopped" in ran.err
    assert not list((village / "cache" / "candidates").iterdir())


def test_stopped_while_the_copy_goes_to_another_disk(
    run: Run, tiny: Path, village: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise Cancelled

    monkeypatch.setattr("pluralism_local.models.optimized.keep", stopped)
    ran = run("models", "optimize", str(tiny), "--try", "Q8_0", "--keep", "Q8_0", "--json", *QUICK)
    assert ran.code == 6 and ran.json()["kept"] is None and "nothing is kept" in ran.err
    assert len(list((village / "cache" / "candidates").glob("*.gguf"))) == 1


def test_what_cannot_be_tried_says_so(run: Run, tiny: Path, tmp_path: Path) -> None:
    for arguments, code, words in (
        ([str(tiny), "--try", "Q3"], 2, "no quantization"),
        ([str(tiny), "--repeats", "0"], 2, "--repeats"),
        ([str(tiny), "--most-kl", "nan"], 2, "--most-kl"),
        ([str(tiny), "--try", "Q8_0", "--keep", "Q4_0"], 2, "--try Q4_0"),
        ([str(tmp_path / "none.gguf")], 3, "no file"),
        (["remote:http://127.0.0.1#m"], 2, "not a model file"),
        (["scripted:"], 2, "not a model file"),
    ):
        ran = run("models", "optimize", *arguments)
        assert ran.code == code and words in ran.err, arguments


@pytest.mark.slow
def test_ctrl_c_while_a_candidate_is_written_leaves_no_half_written_file(
    starter_path: Path, tmp_path: Path, village: Path
) -> None:
    model = tmp_path / "m.gguf"
    model.symlink_to(starter_path)
    process = plocal("models", "optimize", str(model), *QUICK, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    candidates = village / "cache" / "candidates"
    deadline = time.monotonic() + 200
    while not any(candidates.glob(".*.part")):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 130, (out, err)
    assert not any(candidates.glob(".*.part"))
    assert sorted(path.name for path in tmp_path.iterdir() if "m." in path.name) == ["m.gguf"]


@pytest.mark.slow
def test_ctrl_c_after_a_candidate_prints_what_is_measured(tiny: Path, village: Path) -> None:
    process = plocal(
        *("models", "optimize", str(tiny), "--json", "--try", "Q8_0", "--try", "Q4_0"),
        *("--repeats", "60", "--threads", "1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if b"Q8_0 (2 of 2): measuring" in line:
            process.send_signal(signal.SIGINT)
            break
    out, err = process.communicate(timeout=100)
    record = json.loads(out)
    assert process.returncode == 6 and record["complete"] is False and record["kept"] is None
    assert [one["kind"] for one in record["candidates"]] == ["Q4_0"]
    assert b"stays in the cache" in err and len(list((village / "cache/candidates").glob("*.gguf"))) == 2
