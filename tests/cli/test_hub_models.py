"""`models pull`, `rm`, `ls --recommended` as a user meets them, also killed in the middle."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.cli.transfers import progress_line
from pluralism_local.display.figures import transfer_size
from pluralism_local.hub.cache import repository_folder
from pluralism_local.hub.download import INCOMPLETE, Transfer
from pluralism_local.sharing import recommended
from pluralism_local.sharing.recommended import Capacity, Recommended
from tests.hub.conftest import fake_hub
from tests.support.command_line import Run, plocal
from tests.support.fake_hub import COMMIT, FakeHub, Repo
from tests.support.gguf_files import write_model

__all__ = ["fake_hub"]

NAME = "hf:user/model-GGUF"


@pytest.fixture
def gguf(tmp_path: Path) -> bytes:
    return write_model(tmp_path / "m.gguf", embedding=512, layers=4).read_bytes()


@pytest.fixture
def put(fake_hub: FakeHub, gguf: bytes) -> Callable[..., Repo]:
    """put("M-Q4_K_M.gguf", …): a repository with these files."""

    def add(*names: str) -> Repo:
        fake_hub.repos["user/model-GGUF"] = Repo(dict.fromkeys(names, gguf))
        return fake_hub.repos["user/model-GGUF"]

    return add


def test_a_pull_says_what_it_takes_where_it_is_and_offers_the_default(
    run: Run, put: Callable[..., Repo]
) -> None:
    put("M-Q4_K_M.gguf")
    ran = run("models", "pull", NAME)
    assert ran.code == 0
    assert ran.out.splitlines()[0] == NAME
    assert f"revision {COMMIT}" in ran.out
    assert "licence apache-2.0" in ran.err and "Fetching" in ran.err and "Fetched" in ran.err
    assert f"plocal models default {NAME}" in ran.err
    assert run("models", "default").out.strip() == "scripted:"  # offered, not done
    assert NAME in run("models", "ls").out
    shown = run("models", "show", NAME, "--json").json()
    assert (shown["revision"], shown["source"]) == (COMMIT, "hub")
    again = run("models", "pull", NAME)
    assert again.code == 0 and "all of it is here" in again.err and "Fetching" not in again.err


def test_json_and_dry_run(run: Run, put: Callable[..., Repo], gguf: bytes, fake_hub: FakeHub) -> None:
    put("M-Q4_K_M.gguf", "M-Q8_0.gguf")
    plan = run("models", "pull", NAME, "--dry-run", "--json").json()
    assert (plan["name"], plan["bytes"], plan["missing_bytes"]) == (f"{NAME}:Q4_K_M", len(gguf), len(gguf))
    assert [file["name"] for file in plan["files"]] == ["M-Q4_K_M.gguf"]
    assert not [request for request in fake_hub.seen if "/resolve/" in request.where]
    record = run("models", "pull", f"{NAME}:Q8_0@v1", "--json").json()
    assert (record["name"], record["revision"]) == (f"{NAME}:Q8_0@v1", COMMIT)
    assert Path(record["path"]).read_bytes() == gguf


@pytest.mark.parametrize(
    ("state", "code", "message"),
    [
        ("gated", 4, "is gated"),
        ("private", 3, "does not exist, or it is private"),
        ("gone", 3, "does not exist"),
    ],
)
def test_who_may_not_have_it_is_told_why(
    run: Run, put: Callable[..., Repo], fake_hub: FakeHub, state: str, code: int, message: str
) -> None:
    put("M-Q4_K_M.gguf").state = state
    if state == "gone":
        fake_hub.repos.clear()
    ran = run("models", "pull", NAME, "--json")
    assert ran.code == code
    assert message in ran.json()["error"]["message"] and ran.json()["error"]["hint"]


def test_another_content_is_exit_4(run: Run, put: Callable[..., Repo]) -> None:
    put("M-Q4_K_M.gguf").listed_sha256["M-Q4_K_M.gguf"] = "ab" * 32
    ran = run("models", "pull", NAME)
    assert ran.code == 4 and "is not what user/model-GGUF lists" in ran.err


@pytest.mark.parametrize("how", ["--offline", "PLOCAL_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_is_exit_3_and_asks_nobody(
    run: Run, put: Callable[..., Repo], fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    put("M-Q4_K_M.gguf")
    if how.isupper():
        monkeypatch.setenv(how, "1")
    ran = run("models", "pull", NAME, *(() if how.isupper() else (how,)))
    assert ran.code == 3 and fake_hub.seen == []


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_a_pull_that_was_killed_is_gone_on_with(
    run: Run, put: Callable[..., Repo], fake_hub: FakeHub, gguf: bytes, tmp_path: Path, sign: signal.Signals
) -> None:
    """In a process of its own, stopped after a random number of bytes."""
    put("M-Q4_K_M.gguf")
    fake_hub.slow_bytes = random.Random(sign).randrange(700_000, len(gguf))
    env = {
        "HF_ENDPOINT": fake_hub.url,
        "HF_HUB_CACHE": str(tmp_path / "hub-cache"),
        "HF_TOKEN_PATH": str(tmp_path / "no-token"),
    }
    child = plocal("models", "pull", NAME, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    blobs = repository_folder("user/model-GGUF") / "blobs"
    until = time.monotonic() + 60
    while time.monotonic() < until and not any(
        path.stat().st_size > 0 for path in blobs.glob(f"*{INCOMPLETE}")
    ):
        time.sleep(0.05)
    os.kill(child.pid, sign)
    child.communicate(timeout=30)
    assert child.returncode == (-signal.SIGKILL if sign is signal.SIGKILL else 130)
    (left,) = blobs.glob(f"*{INCOMPLETE}")
    had = left.stat().st_size
    assert 0 < had <= fake_hub.slow_bytes and gguf.startswith(left.read_bytes())
    fake_hub.slow_bytes = None
    fake_hub.gate.set()
    ran = run("models", "pull", NAME, "--json")
    assert ran.code == 0
    assert Path(ran.json()["path"]).read_bytes() == gguf
    assert f"bytes={had}-" in {request.range for request in fake_hub.seen}
    assert not list(blobs.glob(f"*{INCOMPLETE}"))


def test_rm_asks_and_frees(run: Run, put: Callable[..., Repo]) -> None:
    put("M-Q4_K_M.gguf")
    assert run("models", "pull", NAME).code == 0
    asked = run("models", "rm", NAME)
    assert asked.code == 2 and "--yes" in asked.err
    plan = run("models", "rm", NAME, "--dry-run", "--json").json()
    assert len(plan["files"]) == 2 and all(Path(file).exists() for file in plan["files"])
    ran = run("models", "rm", NAME, "--yes")
    assert ran.code == 0 and "Deleted" in ran.out
    assert NAME not in run("models", "ls").out
    assert run("models", "rm", NAME, "--yes").code == 3


def machine(monkeypatch: pytest.MonkeyPatch, memory: int, free: int = 10**12) -> None:
    monkeypatch.setattr(recommended, "this_machine", lambda: Capacity(memory, free))


def test_the_recommended_stand_in_the_order_of_what_fits(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 6 * 10**9)
    ran = run("models", "ls", "--recommended")
    lines = ran.out.splitlines()
    assert lines[0].split()[:2] == ["name", "download"]
    assert "Qwen3-4B" in lines[1] and "yes" in lines[1] and "no: memory" in lines[-1]
    assert "plocal models pull recommended" in ran.err
    records = run("models", "ls", "--recommended", "--json").json()
    assert [record["fits"] for record in records] == [True, True, False, False]


def test_pull_recommended_takes_the_best_after_saying_which(
    run: Run, put: Callable[..., Repo], monkeypatch: pytest.MonkeyPatch
) -> None:
    put("M-Q4_K_M.gguf")
    only = Recommended(NAME, "A model", "1 B", 10**6, 2 * 10**6, "mit", 8192, "everything", "personas", True)
    monkeypatch.setattr(recommended, "models", lambda: (only,))
    machine(monkeypatch, 10**9)
    ran = run("models", "pull", "recommended")
    assert ran.code == 0
    assert ran.err.index("A model: everything (mit).") < ran.err.index("Fetching")
    machine(monkeypatch, 10**6)
    ran = run("models", "pull", "recommended")
    assert ran.code == 3 and "No model of the list fits" in ran.err


def test_recommended_goes_on_with_what_an_interrupted_pull_left(
    run: Run, put: Callable[..., Repo], gguf: bytes, fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the disk has no room for all of it any more, nor once all of it is here."""
    put("M-Q4_K_M.gguf")
    size = len(gguf)
    large = Recommended(NAME, "Large", "1 B", size, 2 * size, "mit", 8192, "all", "personas", True)
    small = replace(large, name="hf:user/small-GGUF", title="Small", bytes=1000, memory_bytes=2000)
    monkeypatch.setattr(recommended, "models", lambda: (large, small))
    monkeypatch.setattr(recommended, "machine_memory", lambda: 10**9)
    monkeypatch.setattr(recommended, "free_bytes", lambda: size - 1)
    assert recommended.best(recommended.this_machine()) == small
    fake_hub.cut_after = [700_000, *[0] * 20]
    assert run("models", "pull", NAME).code == 5
    fake_hub.cut_after = []
    assert recommended.best(recommended.this_machine()) == large
    for _ in range(2):
        ran = run("models", "pull", "recommended")
        assert ran.code == 0 and ran.err.startswith("Large")
    assert "all of it is here" in ran.err


def test_what_recommended_fetches_is_told_by_the_hubs_own_size(
    run: Run, put: Callable[..., Repo], gguf: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    put("M-Q4_K_M.gguf")
    rounded = Recommended(NAME, "A model", "1 B", 10**6, 2 * 10**6, "mit", 8192, "all", "personas", True)
    monkeypatch.setattr(recommended, "models", lambda: (rounded,))
    machine(monkeypatch, 10**9)
    told = run("models", "pull", "recommended", "--dry-run", "--json")
    assert told.json()["bytes"] == told.json()["missing_bytes"] == len(gguf)
    assert f"M-Q4_K_M.gguf, {transfer_size(len(gguf))}, to fetch; licence apache-2.0" in told.err


def test_the_line_of_progress() -> None:
    began = Transfer("a/M-Q4_K_M.gguf", 10, 1_120_000_000)
    assert progress_line(began) == "M-Q4_K_M.gguf: 0% of 1.12 GB"
    later = Transfer("M.gguf", 459_200_000, 1_120_000_000, 2_065_000.0, 320.0)
    assert progress_line(later) == "M.gguf: 41% of 1.12 GB, 2.1 MB/s, 5:20 left"
    assert progress_line(Transfer("M.gguf", 5, 10, checking=True)) == "M.gguf: checking, 50%"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_it_is_said_before_the_answer(run: Run, monkeypatch: pytest.MonkeyPatch, village: Path) -> None:
    from pluralism_local.cli import ask, hub_models

    order: list[str] = []
    monkeypatch.setattr(hub_models, "advise", lambda *_: order.append("advice"))
    monkeypatch.setattr(ask, "_run", lambda *_: order.append("answer"))
    assert run("ask", "--dry-run", "Is rain good?").code == 0 and order == []
    assert run("ask", "Is rain good?").code == 0 and order == ["advice", "answer"]


def test_the_first_ask_of_the_starter_says_once_what_to_get(
    run: Run, monkeypatch: pytest.MonkeyPatch, village: Path
) -> None:
    from pluralism_local import config
    from pluralism_local.cli import hub_models
    from pluralism_local.cli.output import Output

    machine(monkeypatch, 6 * 10**9)
    told: list[str] = []
    out, piped = Output(io.StringIO(), Terminal()), Output(io.StringIO(), io.StringIO())
    for one in (out, piped):
        monkeypatch.setattr(one, "note", told.append)
    starter = config.Settings(model="starter")
    hub_models.advise(out, config.Settings(model="hf:user/model"))
    hub_models.advise(out, config.Settings(model="starter", offline=True))
    hub_models.advise(piped, starter)
    assert told == []
    hub_models.advise(out, starter)
    hub_models.advise(out, starter)
    assert len(told) == 1 and "plocal models pull recommended" in told[0]


def test_doctor_says_what_to_get(run: Run, monkeypatch: pytest.MonkeyPatch, village: Path) -> None:
    machine(monkeypatch, 6 * 10**9)
    (village / "config.toml").write_text('pool = "village"\nmodel = "starter"\n')
    findings = {finding["subject"]: finding for finding in run("doctor", "--json").json()}
    assert "plocal models pull recommended" in findings["better model"]["detail"]
    assert json.dumps(findings["better model"])
