"""A stranger's run: nothing that only its run.json names is opened; one's own goes on without a word."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.files import digest
from pluralism_local.remote_url import without_credentials
from tests.support.command_line import Run
from tests.support.listener import Listener

ROWS = [
    {
        "id": number,
        "question": f"Is tipping fair, {number}? A. Yes B. No",
        "options": ["Yes", "No"],
        "attribute": "high_ambiguity",
        "gold_distribution": [0.5, 0.5],
    }
    for number in range(3)
]


@pytest.fixture
def listener() -> object:
    from threading import Thread

    with Listener() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def begun(run: Run, tmp_path: Path) -> Path:
    """A run that was begun here, on made-up text."""
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    ran = run(
        *("eval", "run", "--task", "distributional-moralchoice", "--data", "rows.json", "--output", "run"),
        *("-m", "scripted:", "--method", "vanilla"),
    )
    assert ran.code == 0, ran.err
    return tmp_path / "run"


def rewrite(folder: Path, **names: Any) -> None:
    """As a stranger would: other names in run.json."""
    record = json.loads((folder / "run.json").read_text())
    wanted = record["about"]["wanted"]
    for name, value in names.items():
        (wanted if name in wanted else wanted["settings"])[name] = value
    if names.get("model", "").startswith("remote:"):
        record["identity"]["llm"] = {
            "id": without_credentials(names["model"]),
            "backend": "remote",
            "sha256": None,
        }
        record["id"] = digest(record["identity"])[:12]
    (folder / "run.json").write_text(json.dumps(record))


def test_a_strangers_run_is_not_resumed_on_its_server(
    run: Run, begun: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLOCAL_REMOTE_KEY", "sk-mine")
    rewrite(begun, model=listener.model)

    ran = run("eval", "resume", "run", "--method", "prompting")
    assert (ran.code, listener.heard) == (4, [])
    assert listener.model in ran.err and "config trust" in ran.err and "-m" in ran.err
    assert run("eval", "judge", "run").code in (2, 4)
    assert not listener.heard

    assert run("eval", "resume", "run", "-m", "remote:http://127.0.0.1:9#m").code == 4
    run("eval", "resume", "run", "--method", "prompting", "-m", listener.model)
    assert {headers["Authorization"] for headers in listener.heard} == {"Bearer sk-mine"}


def test_a_trusted_run_gets_no_key(
    run: Run, begun: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLOCAL_REMOTE_KEY", "sk-mine")
    rewrite(begun, model=listener.model)
    seen = run("config", "trust", "run", "--dry-run", "--json").json()
    assert seen == {"run": str(begun), "allows": {"model": listener.model}, "trusted": False}
    assert run("eval", "resume", "run").code == 4
    assert run("config", "trust", "run").code == 0
    assert run("config", "trust", "--list", "--json").json() == [{"path": str(begun), "state": "trusted"}]

    run("eval", "resume", "run", "--method", "prompting")
    assert listener.heard
    assert all("Authorization" not in headers for headers in listener.heard)

    assert run("config", "trust", "--revoke", "run/run.json").code == 0
    assert run("eval", "resume", "run").code == 4


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ({"model": "hf:a/b"}, "model"),
        ({"model": "./evil.gguf"}, "model"),
        ({"model": "scripted:replies.json"}, "model"),
        ({"communities_model": "remote:http://127.0.0.1:9#m"}, "model of the communities"),
        ({"pool": "./pool.yaml"}, "pool's file"),
        ({"scorer": "some/classifier"}, "scorer"),
    ],
)
def test_whatever_it_names_is_refused(run: Run, begun: Path, names: dict[str, str], kind: str) -> None:
    rewrite(begun, **names)
    ran = run("eval", "resume", "run", "--json")
    assert ran.code == 4
    error = ran.json()["error"]
    assert error["message"].startswith(f"{begun} names the {kind} '")
    assert f"plocal config trust {begun}" in error["hint"]


def test_settings_that_are_none_of_a_run_do_not_count(run: Run, begun: Path, village: Path) -> None:
    (village / "config.toml").write_text("model = 'scripted:'\npool = 'village'\noffline = true\n")
    record = json.loads((begun / "run.json").read_text())
    record["about"]["wanted"]["settings"] |= {
        "offline": False,
        "aliases": {"starter2": "x"},
        "community_paths": ["/"],
    }
    (begun / "run.json").write_text(json.dumps(record))
    assert run("eval", "resume", "run", "--json").code == 0


def test_ones_own_run_goes_on_wherever_it_lies(
    run: Run, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLOCAL_REMOTE_KEY", "sk-mine")
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    model = listener.model.replace("//", "//ann:hush@")
    run(
        *("eval", "run", "--task", "distributional-moralchoice", "--data", "rows.json", "--output", "mine"),
        *("-m", model, "--communities-model", "scripted:", "--method", "vanilla"),
    )
    shutil.move("mine", "moved")
    for file in Path("moved").iterdir():
        assert "hush" not in file.read_text()
    listener.heard.clear()
    run("eval", "resume", "moved", "--retry-failed")
    assert {headers["Authorization"] for headers in listener.heard} == {"Bearer sk-mine"}

    # the credentials of its URL are not kept: whoever names the server again gives them again
    monkeypatch.delenv("PLOCAL_REMOTE_KEY")
    listener.heard.clear()
    run("eval", "resume", "moved", "--retry-failed", "-m", model)
    assert all(headers["Authorization"].startswith("Basic ") for headers in listener.heard)
    assert listener.heard


def test_an_earlier_versions_run_is_cleaned_of_passwords(run: Run, begun: Path) -> None:
    rewrite(begun, model="remote:http://ann:hush@127.0.0.1:9/v1#m")
    ran = run("eval", "resume", "run")
    assert ran.code == 4
    assert "hush" not in ran.err
    assert "hush" not in run("eval", "ls", "--json").out + run("eval", "show", "run", "--json").out
    run("eval", "report", "run", "-o", "report.html")
    assert "hush" not in Path("report.html").read_text()
