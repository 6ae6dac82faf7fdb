"""A stranger's plocal.toml: what is ignored is said in one line, and `plocal config trust` allows it once."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest

from tests.support.command_line import Run
from tests.support.listener import Listener


@pytest.fixture
def listener() -> object:
    with Listener() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def folder_says(text: str) -> None:
    Path("plocal.toml").write_text(text)


def test_a_folder_redirects_no_question_and_no_key(
    run: Run, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLOCAL_REMOTE_KEY", "sk-mine")
    folder_says(f'model = "{listener.model}"\n')

    ran = run("ask", "-n", "--mode", "vanilla", "A private question")

    assert (ran.code, listener.heard) == (0, [])
    assert ran.err == ("Note: model of ./plocal.toml ignored; see and allow it with: plocal config trust\n")
    assert run("ask", "-n", "--json", "-m", "scripted:", "Hi").json()["schema"] == "plocal.result/1"

    assert run("config", "trust").code == 0
    ran = run("ask", "-n", "--mode", "vanilla", "A question")
    assert "PLOCAL_REMOTE_KEY is not sent" in ran.err
    assert ran.code == 5
    assert listener.heard
    assert all("Authorization" not in headers for headers in listener.heard)

    listener.heard.clear()
    run("ask", "-n", "--mode", "vanilla", "-m", listener.model, "A question")
    assert [headers["Authorization"] for headers in listener.heard] == ["Bearer sk-mine"]


@pytest.mark.parametrize(
    "command",
    [
        ["config", "show"],
        ["models", "ls"],
        ["models", "default"],
        ["communities", "ls"],
        ["pools", "ls"],
        ["logs", "status"],
        ["ask", "-n", "Hi"],
        ["ask", "-n", "--dry-run", "Hi"],
    ],
)
def test_what_is_ignored_is_said_once_on_standard_error(run: Run, command: list[str]) -> None:
    plain = run(*command)
    folder_says('model = "hf:a/b"\ncommunity_paths = ["cards"]\n[aliases]\na = "hf:c/d"\n')
    ran = run(*command)
    assert (ran.code, ran.out) == (0, plain.out) or command[-1] == "Hi"
    assert ran.err.count("Note:") == 1
    assert "model and community_paths and aliases of ./plocal.toml ignored" in ran.err


def test_doctor_warns_of_what_is_ignored(run: Run) -> None:
    folder_says('model = "hf:a/b"\n')
    found = [one for one in run("doctor", "--json").json() if one["subject"] == "config"]
    assert [one["status"] for one in found] == ["ok", "warn"]
    assert "plocal config trust" in found[1]["hint"]


def test_what_a_folder_may_say_is_in_force_without_a_word(run: Run) -> None:
    folder_says('mode = "steerable"\nseed = 5\noffline = true\nlogging = false\npool = "coast"\n')
    ran = run("config", "show", "--json")
    values = {name: one["value"] for name, one in ran.json().items()}
    assert (values["mode"], values["seed"], values["offline"], values["logging"], values["pool"]) == (
        "steerable",
        5,
        True,
        False,
        "coast",
    )
    assert ran.err == ""


def test_a_folder_does_not_take_back_what_the_user_said(run: Run, village: Path) -> None:
    (village / "config.toml").write_text("model = 'scripted:'\noffline = true\nlogging = false\n")
    folder_says("offline = false\nlogging = true\n")
    ran = run("config", "show", "--json")
    assert (ran.json()["offline"]["value"], ran.json()["logging"]["value"]) == (True, False)
    assert "offline and logging of ./plocal.toml ignored" in ran.err
    run("config", "trust")
    ran = run("config", "show", "--json")
    assert (ran.json()["offline"]["value"], ran.json()["logging"]["value"]) == (False, True)


def test_trust_shows_what_it_allows_and_asks_again_after_a_change(run: Run, tmp_path: Path) -> None:
    folder_says('model = "remote:http://ann:hush@127.0.0.1:9/v1#m"\nseed = 4\n')
    seen = run("config", "trust", "--dry-run", "--json").json()
    assert seen == {
        "file": str(tmp_path / "plocal.toml"),
        "allows": {"model": {"now": "scripted:", "trusted": "remote:http://127.0.0.1:9/v1#m"}},
        "trusted": False,
    }
    assert "ignored" in run("config", "show").err

    trusted = run("config", "trust")
    assert "remote:http://127.0.0.1:9/v1#m" in trusted.out
    assert "hush" not in trusted.out + trusted.err
    assert run("config", "show").err == ""
    assert "trusted already" in run("config", "trust").out
    assert run("config", "trust", "--list", "--json").json() == [
        {"path": str(tmp_path / "plocal.toml"), "state": "trusted"}
    ]

    folder_says('model = "hf:a/b"\n')
    assert "model of ./plocal.toml ignored (it changed since you trusted it)" in run("config", "show").err
    assert run("config", "trust", "--list", "--json").json()[0]["state"] == "changed"
    assert run("config", "trust", "--revoke").code == 0
    assert run("config", "trust", "--revoke").code == 3
    assert run("config", "trust", "--list", "--json").json() == []
    assert run("config", "trust", str(tmp_path / "plocal.toml")).code == 0
    Path("plocal.toml").unlink()
    assert run("config", "trust", "--list", "--json").json()[0]["state"] == "gone"
    assert run("config", "trust").code == 3
    assert run("config", "trust", "--revoke", str(tmp_path)).code == 0


def test_a_file_with_a_fault_is_not_trusted(run: Run) -> None:
    folder_says('modle = "x"\n')
    ran = run("config", "trust")
    assert (ran.code, "unknown setting 'modle'" in ran.err) == (2, True)
    assert run("config", "trust", "--list", "--json").json() == []


def test_every_command_loads_its_settings_where_what_was_ignored_is_said() -> None:
    allowed = {"options.py", "doctor.py", "trust.py"}
    root = Path(__file__).parents[2] / "pluralism_local" / "cli"
    assert {file.name for file in root.rglob("*.py") if "config.load(" in file.read_text()} == allowed
