"""`plocal serve` and `plocal mcp` as commands: what they need, what they refuse, how they end."""

from __future__ import annotations

import json
import re
import signal
import sys
import urllib.request
from subprocess import PIPE

import pytest

from pluralism_local import wiring
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.settings import Settings
from tests.support.command_line import Run, plocal

pytest.importorskip("uvicorn")
pytest.importorskip("mcp")


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal(end: signal.Signals) -> None:
    body = {"model": "overton", "messages": [{"role": "user", "content": "Is tipping fair?"}]}
    with plocal("serve", "-m", "scripted:", "--port", "0", stderr=PIPE, stdout=PIPE) as process:
        assert process.stderr is not None and process.stdout is not None
        line = next(line.decode() for line in process.stderr if b"Serving at" in line)
        address = re.search(r"http://\S+/v1", line)
        assert address is not None
        request = urllib.request.Request(
            f"{address[0]}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            assert json.load(response)["choices"][0]["message"]["content"]
        process.send_signal(end)
        rest = process.stderr.read().decode()
        assert (process.wait(30), process.stdout.read()) == (0, b"")
    assert "The server has ended." in rest and "Traceback" not in rest


def test_others_need_a_token_and_offline_lets_nobody_in(run: Run) -> None:
    ran = run("serve", "--host", "0.0.0.0")
    assert (ran.code, "needs a token" in ran.err) == (2, True)
    ran = run("serve", "--host", "0.0.0.0", "--token", "a" * 20)
    assert (ran.code, "guessed" in ran.err) == (2, True)
    ran = run("serve", "--host", "0.0.0.0", "--token", "kT3vXq9Lw2_mZr8B", "--offline")
    assert (ran.code, "offline" in ran.err) == (2, True)


@pytest.mark.parametrize(
    "origin",
    ["localhost:3000", "http://localhost:3000/", "http://a.example/page", "HTTP://A.example", "*", ""],
)
def test_what_no_page_has_as_its_origin_is_refused(origin: str, run: Run) -> None:
    ran = run("serve", "--pool", "town", "--port", "0", "--origin", "http://a.example", "--origin", origin)
    assert (ran.code, "is not the origin of a page" in ran.err) == (2, True)


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://a.example", "app://obsidian.md"])
def test_an_origin_as_browsers_write_it_is_taken(origin: str, run: Run) -> None:
    ran = run("serve", "--pool", "town", "--port", "0", "--origin", origin)
    assert (ran.code, "There is no pool 'town'." in ran.err) == (3, True)


@pytest.mark.parametrize(("given", "kept"), [(("--kept-mb", "32"), 32 * 2**20), ((), None)])
def test_the_memory_for_conversations_is_as_given(
    given: tuple[str, ...], kept: int | None, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int | None] = []

    def open_engine(
        name: str, settings: Settings, status: object, *, kept_bytes: int | None
    ) -> ScriptedEngine:
        asked.append(kept_bytes)
        return ScriptedEngine()

    monkeypatch.setattr(wiring, "open_engine", open_engine)
    assert run("serve", "--pool", "town", "--port", "0", *given).code == 3
    assert asked == [kept]
    assert run("serve", "--kept-mb", "0").code == 2


def test_a_pool_that_is_not_here_is_said_before_anybody_asks(run: Run) -> None:
    ran = run("serve", "--pool", "town", "--port", "0")
    assert (ran.code, "There is no pool 'town'." in ran.err) == (3, True)


@pytest.mark.parametrize(("command", "package"), [("serve", "uvicorn"), ("mcp", "mcp.server")])
def test_without_the_extra_it_says_what_to_install(
    command: str, package: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("pluralism_local.serve")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    ran = run(command)
    assert ran.code == 3
    assert package.partition(".")[0] in ran.err and "pip install 'pluralism-local[serve]'" in ran.err
