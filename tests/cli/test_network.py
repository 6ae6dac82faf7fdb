"""No command looks up or connects to anything beyond this machine, offline or not; the walk covers every command."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from uvicorn import Server

from pluralism_local.cli import chat
from pluralism_local.cli.commands import SENTENCES, load
from pluralism_local.history import History, default_path
from pluralism_local.tui.app import ChatApp
from pluralism_local.tui.prompt import PromptBox
from tests.support import rows
from tests.support.chat_driver import until
from tests.support.command_line import Run
from tests.support.peft_folders import BASE, peft_folder
from tests.support.rows import write

FAR = "remote:http://192.0.2.1:9/v1#m"
SCRIPTED = ("-m", "scripted:")
SCORE = ("eval", "score", "--task", "overton-nli", "responses.json")
RUN = ("eval", "run", "--task", "distributional-globalopinionqa", "--data", "rows.json")
SHORT = ("--comment-tokens", "2", "--answer-tokens", "2", "--repeats", "1", "-m", "starter", "--threads", "1")

WALK: dict[str, list[tuple[str, ...]]] = {
    "ask": [
        ("ask", *SCRIPTED, "Is tipping fair?"),
        ("ask", "-m", FAR, "--mode", "vanilla", "Is tipping fair?"),
        ("ask", *SCRIPTED, "--communities-model", FAR, "Is tipping fair?"),
        ("ask", "-m", "hf:nobody/nothing", "Is tipping fair?"),
        ("ask", "-m", "nobody/nothing", "Is tipping fair?"),
    ],
    "values": [
        ("values", *SCRIPTED, "Biking to work"),
        ("values", "-m", FAR, "Biking to work"),
        ("values", "-m", "hf:nobody/nothing", "Biking to work"),
    ],
    "chat": [("chat", *SCRIPTED)],
    "chat --web": [("chat", *SCRIPTED, "--web")],
    "serve": [("serve", *SCRIPTED, "--port", "0")],
    "mcp": [("mcp", *SCRIPTED)],
    "keys set": [("keys", "set", "http://192.0.2.1:9/v1")],
    "keys ls": [("keys", "ls")],
    "keys rm": [("keys", "rm", "http://192.0.2.1:9/v1")],
    "doctor": [("doctor",)],
    "communities ls": [("communities", "ls")],
    "communities show": [("communities", "show", "farmers")],
    "communities validate": [("communities", "validate", "farmers")],
    "communities pull": [
        ("communities", "pull", "lora", "--base", "lora-base"),
        ("communities", "pull", "cards"),
    ],
    "communities push": [("communities", "push", "press-left", "hf:nobody/nothing")],
    "communities judge": [
        ("communities", "judge", "village", *SCRIPTED, "--limit", "1", "--output", "judged"),
        ("communities", "judge", "village", *SCRIPTED, "--judge", "hf:nobody/nothing"),
        ("communities", "judge", "village", "-m", FAR),
    ],
    "pools ls": [("pools", "ls")],
    "pools show": [("pools", "show", "village")],
    "pools validate": [("pools", "validate", "village")],
    "models ls": [("models", "ls"), ("models", "ls", "--recommended")],
    "models pull": [("models", "pull", "starter"), ("models", "pull", "nobody/nothing")],
    "models rm": [("models", "rm", "starter"), ("models", "rm", "hf:nobody/nothing", "--yes")],
    "models show": [
        ("models", "show", "starter"),
        ("models", "show", "hf:nobody/nothing"),
        ("models", "show", FAR),
    ],
    "models verify": [("models", "verify", "starter"), ("models", "verify", "hf:nobody/nothing")],
    "models optimize": [
        ("models", "optimize", "starter", "--try", "Q8_0", "--repeats", "1", "--threads", "1", "--dry-run"),
        ("models", "optimize", "hf:nobody/nothing"),
        ("models", "optimize", FAR),
    ],
    "models default": [
        ("models", "default"),
        ("models", "default", "hf:nobody/nothing"),
        ("models", "default", FAR),
    ],
    "eval tasks": [("eval", "tasks")],
    "eval run": [
        (*RUN, *SCRIPTED, "--output", "other"),
        (*RUN, "-m", FAR, "--output", "far"),
        (*RUN, *SCRIPTED, "--data", "hf:nobody/nothing:rows.json"),
    ],
    "eval resume": [("eval", "resume", "run"), ("eval", "resume", "texts", "--method", "vanilla")],
    "eval score": [(*SCORE, "--scorer", "models/mine"), (*SCORE, "--scorer", "hf:nobody/nothing"), SCORE],
    "eval nli": [
        ("eval", "nli", "pairs.jsonl", "--scorer", "nobody/nothing"),
        ("eval", "nli", "pairs.jsonl"),
    ],
    "eval judge": [
        ("eval", "judge", "texts", "ours", "vanilla"),
        ("eval", "judge", "texts", "ours", "vanilla", "--judge", FAR),
        ("eval", "judge", "texts", "ours", "vanilla", "--judge", "hf:nobody/nothing"),
    ],
    "eval ls": [("eval", "ls")],
    "eval show": [("eval", "show", "run"), ("eval", "show", "texts")],
    "eval compare": [("eval", "compare", "run", "ours", "uniform")],
    "eval export": [("eval", "export", "run", "ours", "out.json")],
    "eval windows": [("eval", "windows", "phones_aggregate.csv", "-o", "windows.jsonl")],
    "eval report": [("eval", "report", "run", "texts", "-o", "report.html")],
    "logs ls": [("logs", "ls")],
    "logs show": [("logs", "show", "last")],
    "logs search": [("logs", "search", "tipping")],
    "logs export": [("logs", "export", "last", "-o", "out.html", "--format", "html")],
    "logs import": [("logs", "import", "exported.json")],
    "logs rename": [("logs", "rename", "last", "Waiters")],
    "logs delete": [("logs", "delete", "last", "--yes")],
    "logs path": [("logs", "path")],
    "logs on": [("logs", "on")],
    "logs off": [("logs", "off")],
    "logs status": [("logs", "status")],
    "cache ls": [("cache", "ls")],
    "cache verify": [("cache", "verify")],
    "cache clear": [("cache", "clear", "--dry-run"), ("cache", "clear")],
    "config trust": [("config", "trust", "--dry-run"), ("config", "trust"), ("config", "trust", "--list")],
    "config show": [("config", "show")],
    "config path": [("config", "path")],
    "config set": [("config", "set", "aliases.far", FAR)],
    "bench": [("bench", *SHORT)],
    "bench eval": [
        ("bench", "eval", "--limit", "1", "--comment-tokens", "2", "-m", "starter", "--threads", "1")
    ],
}
"""Command lines by command. A new command stands here, too, with whatever of it could reach for the network."""

HEAVY = {
    *("bench", "bench eval", "eval nli", "eval score", "eval show", "eval report"),
    *("models optimize", "models verify"),
}
"""Those that open the starter model, or read all of it."""


def commands() -> Iterator[str]:
    """Every command there is, by its words; a group that does something by itself counts."""

    def below(command: Any, words: str) -> Iterator[str]:
        inner = getattr(command, "commands", None)
        if inner is None or command.invoke_without_command:
            yield words
        for name, one in (inner or {}).items():
            yield from below(one, f"{words} {name}")

    for name in SENTENCES:
        yield from below(load(name), name)


def test_the_walk_covers_every_command() -> None:
    assert set(WALK) == {*commands(), "chat --web"}


@pytest.fixture
def ready(run: Run, network: list[str]) -> None:
    """Files, a conversation and two runs that the commands are about."""
    write(Path("rows.json"), [rows.global_opinion(number, "Spain") for number in range(3)])
    write(Path("situations.json"), [rows.overton(number) for number in range(2)])
    write(Path("responses.json"), [{**rows.overton(0), "output": "Some say yes. Others say no."}])
    pair = {"premise": "It rains.", "hypothesis": "It is wet.", "label": "entailment"}
    Path("pairs.jsonl").write_text(json.dumps(pair) + "\n")
    Path("phones_aggregate.csv").write_text(
        '"Question ID","Question Type","Question","Responses","All(38)"\n'
        '"2","Ask Opinion","Ban phones?","Phones should be banned in class.","62%"\n'
    )
    Path("plocal.toml").write_text('community_paths = ["cards"]\n')
    Path("cards").mkdir()
    peft_folder(Path("lora"), only="q_proj")
    Path("lora-base").mkdir()
    Path("lora-base/config.json").write_text(json.dumps({"model_type": "llama", **BASE}))
    assert run("ask", *SCRIPTED, "Is tipping fair?").code == 0
    assert run("logs", "export", "last", "--format", "json", "-o", "exported.json").code == 0
    methods = ("--method", "ours", "--method", "uniform")
    assert run(*RUN, *SCRIPTED, *methods, "--output", "run").code in (0, 6)
    texts = ("eval", "run", "--task", "overton-nli", "--data", "situations.json", "--scorer", "none")
    assert run(*texts, *SCRIPTED, "--method", "ours", "--method", "vanilla", "--output", "texts").code == 0
    assert network == []


@pytest.mark.parametrize(
    ("offline", "heavy"),
    [
        ("", False),
        ("--offline", False),
        pytest.param("PLOCAL_OFFLINE", False, marks=pytest.mark.slow),
        pytest.param("HF_HUB_OFFLINE", False, marks=pytest.mark.slow),
        pytest.param("config", False, marks=pytest.mark.slow),
        pytest.param("PLOCAL_OFFLINE", True, marks=pytest.mark.slow),
    ],
)
@pytest.mark.usefixtures("ready")
def test_nothing_beyond_this_machine_is_reached_for(
    offline: str, heavy: bool, run: Run, network: list[str], monkeypatch: pytest.MonkeyPatch, village: Path
) -> None:
    if offline.isupper():
        monkeypatch.setenv(offline, "1")
    if offline == "config":
        with (village / "config.toml").open("a") as file:
            file.write("offline = true\n")
    forbidden = offline in ("--offline", "PLOCAL_OFFLINE", "config")
    for line in (line for command, lines in WALK.items() if (command in HEAVY) is heavy for line in lines):
        asks = FAR in line and line[0] not in ("models", "config")
        if asks and not forbidden:
            continue  # the one thing that may
        takes = line[0] in ("ask", "chat", "serve", "mcp", "values") or line[:2] in TAKING
        code = _carry_out(
            run, (*line, "--offline") if offline == "--offline" and takes else line, monkeypatch
        )
        assert network == [], line
        assert code in ((2,) if asks else range(7)), line
        assert line[0] not in ("serve", "mcp", "keys") or code == 0, line


TAKING = {("eval", name) for name in ("run", "resume", "judge", "score", "nli")} | {("communities", "judge")}
"""Commands of two words with an --offline of their own; the others reach for nothing whatever is said."""


def _carry_out(run: Run, line: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> int:
    if line[0] in ("mcp", "keys"):
        monkeypatch.setattr(
            sys, "stdin", io.TextIOWrapper(io.BytesIO(b"" if line[0] == "mcp" else b"sk-1234567\n"))
        )
    if line[0] not in ("chat", "serve"):
        return run(*line).code
    if line[0] == "serve":
        end_once_it_serves(monkeypatch)
        return run(*line).code
    if "--web" in line:
        threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
        monkeypatch.setattr(sys, "argv", ["plocal", *line])
        return run(*line).code % 124  # 130: stopped
    monkeypatch.setattr(chat, "require_terminal", lambda: None)
    _headless(monkeypatch)
    return run(*line).code


def end_once_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every server that is started from here on ends as soon as it serves."""
    startup = Server.startup

    async def starts(server: Server, sockets: list[socket.socket] | None = None) -> None:
        await startup(server, sockets)
        asyncio.get_running_loop().call_later(0.1, setattr, server, "should_exit", True)

    monkeypatch.setattr(Server, "startup", starts)


def _headless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chat in no terminal: a question, the screens of models, communities and settings, an earlier conversation."""
    unpatched: Callable[..., Any] = ChatApp.run

    async def plays(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, ChatApp)
        await until(pilot, lambda: not app.session.loading)
        app.query_one(PromptBox).put("Is tipping fair?")
        await pilot.press("enter")
        await until(pilot, lambda: app.session.exchanges and app.session.exchanges[-1].status != "running")
        for key in ("f2", "f3", "f4", "ctrl+o"):
            await pilot.press(key)
            await pilot.pause(0.2)
            await pilot.press("escape")
        app.exit()

    monkeypatch.setattr(ChatApp, "run", lambda app: unpatched(app, headless=True, auto_pilot=plays))


TRANSFERS = [
    ("models", "pull", "hf:nobody/nothing"),
    ("models", "pull", "recommended"),
    ("communities", "pull", "hf:nobody/nothing"),
    ("communities", "pull", "paper"),
    ("communities", "push", "press-left", "hf:nobody/nothing", "--yes"),
]
"""What may reach for the Hub, since the user asks for a transfer."""


@pytest.mark.parametrize("line", TRANSFERS, ids=" ".join)
@pytest.mark.parametrize("offline", ["--offline", "PLOCAL_OFFLINE", "HF_HUB_OFFLINE"])
def test_transfers_reach_for_the_hub_only_and_offline_for_nobody(
    offline: str, line: tuple[str, ...], run: Run, network: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if offline.isupper():
        monkeypatch.setenv(offline, "1")
    ran = run(*line, *(() if offline.isupper() else (offline,)))
    assert (ran.code, network) == (3, [])
    assert "OFFLINE" in ran.err or "offline" in ran.err


def test_a_transfer_is_seen_to_reach_for_the_hub(
    run: Run, network: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    assert run("models", "pull", "hf:nobody/nothing").code == 5
    assert network and all("huggingface.co" in attempt for attempt in network)


def test_the_watch_sees_what_reaches_out(run: Run, network: list[str]) -> None:
    assert run("ask", "-m", FAR, "--mode", "vanilla", "Is tipping fair?").code == 5
    assert any("192.0.2.1" in attempt for attempt in network)
    with History(default_path()) as history:
        assert history.latest() is not None


def test_offline_lets_nobody_in_from_elsewhere(run: Run) -> None:
    ran = run("chat", "--web", "--offline", "--host", "0.0.0.0", "--token", "a" * 20)
    assert (ran.code, "offline" in ran.err) == (2, True)
