"""`plocal doctor`: what it finds, and that only what is needed fails it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pluralism_local.engine import kernel_safety
from pluralism_local.engine.child_process import Ended
from pluralism_local.engine.model_safety import ModelSafety, Setup
from tests.support.command_line import Run


def by_subject(run: Run) -> dict[str, dict[str, str]]:
    return {finding["subject"]: finding for finding in run("doctor", "--json").json()}


def test_all_is_well(run: Run, starter_path: Path) -> None:
    ran = run("doctor", "--json")
    assert ran.code == 0 and ran.err == ""
    found = {finding["subject"]: finding for finding in ran.json()}
    assert {"Python", "cores", "memory", "packages", "llama.cpp", "config", "model"} <= set(found)
    assert {"communities", "data", "cache", "Hub cache"} <= set(found)
    assert "llama-cpp-python 0." in found["packages"]["detail"]
    assert "cpu" in found["llama.cpp"]["detail"]
    assert found["kernels"]["detail"] == kernel_safety.verdict().sentence()
    lines = run("doctor").out.splitlines()
    assert lines[0].startswith("ok    plocal")
    assert all(line.startswith(("ok  ", "warn", "fail", "    ")) for line in lines)


def test_how_models_were_tried_is_told(run: Run, own_home: Path) -> None:
    trials = own_home / "cache" / "trials"
    shutil.rmtree(trials, ignore_errors=True)
    assert "tried" not in by_subject(run)
    fine = Ended(({"error": 0.0},))
    dead = Ended((), fault="ended by SIGSEGV")
    path = own_home / "big.gguf"
    path.write_bytes(b"GGUF")
    ModelSafety(trials, attempt=lambda *_: fine).setup(path, "one", Setup())
    assert by_subject(run)["tried"] == {
        "status": "ok",
        "subject": "tried",
        "detail": "all models and adapters so far run as they are",
        "hint": "",
    }
    picky = ModelSafety(trials, attempt=lambda trial, *_: dead if trial["runs"][-1]["repack"] else fine)
    picky.setup(path, "two", Setup())
    told = by_subject(run)["tried"]
    assert told["status"] == "warn"
    assert told["detail"] == "big.gguf: runs without repacked weights (ended by SIGSEGV)"


def test_a_missing_model_or_pool_fails(run: Run, village: Path) -> None:
    (village / "config.toml").write_text('model = "./gone.gguf"\npool = "gone"\n')
    ran = run("doctor")
    assert ran.code == 3
    assert "fail  model " in ran.out and "fail  communities " in ran.out


def test_a_broken_config_is_told_with_the_rest(run: Run, village: Path) -> None:
    (village / "config.toml").write_text("model = \n")
    ran = run("doctor")
    assert ran.code == 3 and "ok    packages" in ran.out and "fail  config" in ran.out


def test_variables_in_force(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLOCAL_SHOW_COMMENTS", "0")
    monkeypatch.setenv("PLOCAL_REMOTE_KEY", "hunter2")
    monkeypatch.setenv("PLOCAL_MODLE", "starter")
    ran = run("doctor")
    assert ran.code == 0
    assert "PLOCAL_SHOW_COMMENTS=0" in ran.out
    assert "PLOCAL_REMOTE_KEY=(set)" in ran.out and "hunter2" not in ran.out
    assert "warn  variable" in ran.out and "PLOCAL_MODLE is read by nothing" in ran.out
    assert "Did you mean 'PLOCAL_MODEL'?" in ran.out or "Did you mean 'PLOCAL_MODE'?" in ran.out


def test_a_missing_package_fails(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    monkeypatch.setattr(
        metadata, "requires", lambda name: ["no-such-package>=1", "pytest>=8", "x; extra == 'dev'"]
    )
    ran = run("doctor")
    assert ran.code == 3
    assert "no-such-package is missing" in ran.out
    assert "pip install 'no-such-package>=1'" in ran.out
    assert "x is missing" not in ran.out


def test_a_small_machine_is_warned_about(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from pluralism_local.sharing import recommended

    monkeypatch.setattr(recommended, "machine_memory", lambda: 10**9)
    assert by_subject(run)["memory"]["status"] == "warn"


def test_the_variables_that_servers_are_reached_by(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("http_proxy", raising=False)
    monkeypatch.delenv("all_proxy", raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://ann:hunter2@proxy.example:3128")
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:1")
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    ran = run("doctor")
    assert ran.code == 0
    assert "HTTP_PROXY: remote models go through proxy.example" in ran.out
    assert "The variable ALL_PROXY names a proxy of the kind 'gopher'" in ran.out
    assert "The variable SSL_CERT_FILE names '/nonexistent', which cannot be read" in ran.out
    assert "hunter2" not in ran.out
