"""User name and password of a server's URL: sent, and never shown, kept or exported; and files are the user's alone."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.cli.main import main
from pluralism_local.config import Settings
from pluralism_local.history import History, default_path
from pluralism_local.tui.screens.model_list import about, named_models
from tests.cli.test_network import FAR, HEAVY, RUN, WALK, end_once_it_serves
from tests.support import rows
from tests.support.command_line import Run
from tests.support.listener import Listener
from tests.support.rows import write

SECRETS = ("alice", "hush", "YWxpY2U6aHVzaA")  # the last as Basic has it


@pytest.fixture
def model(listener: Listener) -> str:
    """A server that refuses, with credentials in its URL."""
    return listener.model.replace("//", "//alice:hush@")


@pytest.fixture
def listener() -> Iterator[Listener]:
    from threading import Thread

    with Listener() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def told(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def test_no_command_shows_or_keeps_credentials_and_files_are_private(
    run: Run,
    model: str,
    listener: Listener,
    village: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    network: list[str],
) -> None:
    del network  # what is beyond this machine fails at once, and is not waited for
    end_once_it_serves(monkeypatch)
    (village / "config.toml").write_text(
        f'pool = "village"\nmodel = "{model}"\ncommunity_paths = []\n[aliases]\nbig = "{model}"\n'
    )
    monkeypatch.setenv("PLOCAL_COMMUNITIES_MODEL", "scripted:")
    write(Path("rows.json"), [rows.global_opinion(number, "Spain") for number in range(2)])
    Path("plocal.toml").write_text(f'[aliases]\nfar = "{model}"\n')
    before = {path for top in (village, tmp_path) for path in top.rglob("*")}

    lines = [
        line
        for command, lines in WALK.items()
        if command not in HEAVY and "chat" not in command
        for line in lines
    ]
    lines = [tuple(word for word in line if word not in ("-m", "scripted:", FAR)) for line in lines]
    lines = [
        ("ask", "-m", "big", "--mode", "vanilla", "Is tipping fair?"),
        ("ask", "-m", model.replace("127.0.0.1", "192.0.2.1"), "--offline", "Is tipping fair?"),
        (*RUN, "--method", "vanilla", "--output", "run"),
        ("models", "show", model),
        ("models", "show", "big"),
        ("models", "default", model),
        ("models", "default", "big"),
        ("bench", "-m", model),
        ("config", "set", "model", model.replace("hush@", "hush@:")),
        ("config", "set", "aliases.big", model),
        ("logs", "export", "last", "--format", "json"),
        *lines,
    ]
    for line in lines:
        ran = run(*line)
        assert not told(ran.out + ran.err), line
        ran = run(*line, "--json")
        assert not told(ran.out + ran.err), line
    assert any(headers.get("Authorization", "").startswith("Basic ") for headers in listener.heard)

    new = [path for top in (village, tmp_path) for path in top.rglob("*") if path not in before]
    assert {"run.json", "logs.db", "trusted.json"} <= {path.name for path in new}
    for path in new:
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
        if path.is_file() and path.name != "config.toml":
            assert not told(path.read_bytes().decode("utf-8", "replace")), path


def test_what_earlier_versions_kept_is_cleaned_where_it_is_shown(run: Run, model: str) -> None:
    assert run("ask", "-m", "scripted:", "Is tipping fair?").code == 0
    with sqlite3.connect(default_path()) as database:
        asked_with = json.dumps({"model": model, "seed": 3})
        database.execute(
            "UPDATE turn SET asked_with = ?, status = 'failed', message = ?",
            (asked_with, f"The model '{model}' is on another machine."),
        )
    with History(default_path()) as history:
        (turn,) = history.get(run("logs", "ls", "--json").json()[0]["id"]).turns
    assert turn.asked_with["seed"] == 3
    for line in (
        ["show", "last", "--json"],
        ["show", "last"],
        *(["export", "last", "--format", kind] for kind in FORMATS),
    ):
        ran = run("logs", *line)
        assert ran.code == 0
        assert not told(ran.out + ran.err), line


FORMATS = ("json", "md", "html")


def test_the_chats_list_of_models_shows_none(model: str) -> None:
    settings = Settings(model=model, aliases={"big": model})
    entries = [entry for entry in named_models(settings, model) if entry.source == "remote"]
    assert {entry.name for entry in entries} == {model, "big"}
    for entry in entries:
        assert not told(entry.title + about(entry, settings).plain)
        assert "127.0.0.1" in about(entry, settings).plain


def test_a_traceback_shows_none(run: Run, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLOCAL_DEBUG", "1")

    def fails(*_: object, **__: object) -> None:
        raise ValueError(f"no luck with {model}")

    monkeypatch.setattr("pluralism_local.wiring.open_engine", fails)
    ran = run("ask", "-n", "-m", model, "--mode", "vanilla", "Hi")
    assert "ValueError: no luck with remote:http://127.0.0.1" in ran.err
    assert not told(ran.out + ran.err)


def test_files_that_are_there_keep_their_permissions(run: Run, village: Path) -> None:
    (village / "config.toml").chmod(0o644)
    assert run("config", "set", "seed", "4").code == 0
    assert stat.S_IMODE((village / "config.toml").stat().st_mode) == 0o644
    (village / "config.toml").unlink()
    assert run("config", "set", "seed", "4").code == 0
    assert stat.S_IMODE((village / "config.toml").stat().st_mode) == 0o600


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o177, 0])
def test_a_program_that_calls_main_keeps_its_mask(mask: int) -> None:
    before = os.umask(mask)
    try:
        assert main(["config", "path"]) == 0
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
