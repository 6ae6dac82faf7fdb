"""`plocal cache`: what is listed, what goes, and what is found damaged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pluralism_local.engine.prefix_files import PREFIXES, PrefixFiles
from pluralism_local.engine.shelf import Shelf
from tests.support.command_line import Run
from tests.test_unfinished import HOLD

COPY, PACK, LOST = "0" * 32, "1" * 32, "2" * 32


def put(out: Path, content: bytes) -> None:
    out.write_bytes(content)


@pytest.fixture
def cache(village: Path, starter_path: Path) -> Path:
    """A cache with a copy, an older version's pack and a prefix of the starter, another's copy, a log and checksums."""
    folder = village / "cache"
    adapters = [f"/cards/{name}/adapter.gguf" for name in ("fishers", "millers")]
    made_of = {COPY: {"model": str(starter_path)}, LOST: {"model": "/gone/other.gguf"}}
    for key, facts in made_of.items():
        Shelf(folder / "weights").add(key, facts, lambda out: put(out, b"c" * 5000), 2)
    Shelf(folder / "packs").add(
        PACK,
        {"model": str(starter_path), "adapters": adapters},
        lambda out: put(out, b"p" * 7000),
        2,
    )
    kept = PrefixFiles(folder / PREFIXES, "", starter_path)
    kept.keep(range(83), b"k" * 6000)
    kept.close()
    (folder / "llama.log").write_text("loaded\n" * 100)
    (folder / "files.json").write_text("{}")
    (folder / "kernels").mkdir(exist_ok=True)
    (folder / "kernels" / "x.json").write_text("{}")
    return folder


def test_everything_is_listed_with_what_it_belongs_to(run: Run, cache: Path, starter_path: Path) -> None:
    listed = run("cache", "ls", "--json").json()
    assert [one["kind"] for one in listed if one["kind"] != "remembered"] == [
        "copies", "copies", "copies", "prefixes", "logs",
    ]  # fmt: skip
    pack = next(one for one in listed if one["adapters"])
    assert pack["model"] == str(starter_path) and len(pack["adapters"]) == 2 and pack["file_bytes"] == 7000
    assert {"files.json", "x.json"} <= {
        Path(one["path"]).name for one in listed if one["kind"] == "remembered"
    }
    ran = run("cache", "ls")
    (line,) = [line for line in ran.out.splitlines() if "fishers" in line]
    assert line.startswith("copies") and "7 kB" in line
    assert f"{starter_path.name}, fishers, millers, read by versions before 0.2 only" in line
    assert str(cache) in ran.err


def test_an_empty_cache_is_no_error(run: Run, village: Path) -> None:
    assert [one for one in run("cache", "ls", "--json").json() if one["kind"] != "remembered"] == []
    assert run("cache", "verify").code == 0
    assert run("cache", "clear").code == 0 and run("cache", "clear").out == "0 files, 0 kB: removed.\n"


def test_clear_takes_one_kind_or_all_and_only_says_so_with_dry_run(run: Run, cache: Path) -> None:
    files = sorted(cache.rglob("*"))
    dry = run("cache", "clear", "--dry-run", "--json").json()
    assert dry["dry_run"] and len(dry["removed"]) >= 6 and sorted(cache.rglob("*")) == files
    ran = run("cache", "clear", "copies")
    assert ran.out.endswith("3 files, 17 kB: removed.\n") and not list((cache / "packs").iterdir())
    assert not list((cache / "weights").iterdir()) and list((cache / PREFIXES).iterdir())
    assert run("cache", "clear", "everything").code == 2
    run("cache", "clear")
    assert [path for path in cache.rglob("*") if path.is_file()] == []


def test_clear_leaves_history_and_config_alone(run: Run, cache: Path, village: Path) -> None:
    run("ask", "--mode", "vanilla", "Why?")
    (village / "data" / "notes.json").write_text("{}")
    run("cache", "clear")
    assert (village / "config.toml").exists() and (village / "data" / "notes.json").exists()
    assert len(run("logs", "ls", "--json").json()) == 1


@pytest.mark.parametrize("command", [("cache", "verify"), ("models", "verify", "starter")])
def test_a_damaged_copy_is_found_thrown_away_and_told(
    run: Run, cache: Path, command: tuple[str, ...]
) -> None:
    assert run(*command).code == 0
    path = cache / "weights" / f"{COPY}.gguf"
    before = path.stat()
    path.write_bytes(b"c" * 4000 + b"\0" * 1000)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    ran = run(*command, "--json")
    assert ran.code == 4 and "thrown away" in ran.err
    checked = ran.json() if command[0] == "cache" else ran.json()["cached"]
    assert {Path(one["path"]).stem: one["state"] for one in checked}[COPY] == "damaged"
    assert not path.exists() and not path.with_suffix(".json").exists()
    assert run(*command).code == 0
    assert (cache / "packs" / f"{PACK}.gguf").exists()


@pytest.mark.parametrize("what", ["itself", "the copy"])
def test_a_prefix_goes_that_is_damaged_or_may_have_been_read_by_a_damaged_copy(
    run: Run, cache: Path, what: str
) -> None:
    (prefix,) = (cache / PREFIXES).iterdir()
    path = prefix if what == "itself" else cache / "weights" / f"{COPY}.gguf"
    path.write_bytes(path.read_bytes()[:-1])
    ran = run("cache", "verify", "--json")
    states = {Path(one["path"]): one["state"] for one in ran.json()}
    assert ran.code == 4 and states[prefix] == states[path] == "damaged"
    assert not prefix.exists() and (cache / "packs" / f"{PACK}.gguf").exists()


def test_prefixes_are_listed_and_cleared(run: Run, cache: Path, starter_path: Path) -> None:
    (line,) = [line for line in run("cache", "ls").out.splitlines() if line.startswith("prefixes")]
    assert f"{starter_path.name}, 83 tokens" in line and "7 kB" in line
    assert run("cache", "clear", "prefixes").out.endswith("1 file, 7 kB: removed.\n")
    assert not list((cache / PREFIXES).iterdir()) and len(list((cache / "weights").iterdir())) == 4


def test_models_verify_reads_only_what_is_made_of_that_model(run: Run, cache: Path) -> None:
    (prefix,) = (cache / PREFIXES).iterdir()
    cached = run("models", "verify", "starter", "--json").json()["cached"]
    assert [(one["kind"], Path(one["path"]).stem, one["state"]) for one in cached] == [
        ("copy", COPY, "whole"),
        ("copy", PACK, "whole"),
        ("prefix", prefix.stem, "whole"),
    ]


@pytest.mark.parametrize("place", ["packs/a.gguf", "weights/a.gguf", "prefixes/a.cells", "files.json"])
@pytest.mark.parametrize("command", ["ls", "clear", "verify"])
def test_every_command_removes_what_a_killed_one_left(
    run: Run, cache: Path, place: str, command: str
) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(cache / place)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None and writer.stdout.readline()
        run("cache", command)
        assert [path for path in cache.rglob(".*") if path.is_file()]
        writer.kill()
    run("cache", command)
    assert not [path for path in cache.rglob(".*") if path.is_file()]
