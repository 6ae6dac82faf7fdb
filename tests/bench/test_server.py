"""A llama-server in the comparison: a stand-in that speaks its protocol, and those that do not."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.bench import server
from pluralism_local.bench.naive import NaiveRequest
from pluralism_local.bench.server import Serving
from pluralism_local.cli.main import main
from pluralism_local.errors import EngineFailure, NotFound

STAND_IN = '''#!{python}
"""Answers as llama-server does, after it was not ready for a moment; notes what it was started and asked with."""
import json, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

began, lock = time.monotonic(), threading.Lock()
port = int(sys.argv[sys.argv.index("--port") + 1])


def note(entry):
    with lock, open({log!r}, "a") as file:
        file.write(json.dumps(entry) + "\\n")


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def reply(self, code, body):
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        ready = time.monotonic() - began > 0.2
        self.reply(200 if ready else 503, {{"status": "ok" if ready else "loading"}})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        note({{"path": self.path, "body": body}})
        {answer}


note({{"arguments": sys.argv[1:]}})
ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
'''

GOOD = 'self.reply(200, {"content": "x", "tokens_predicted": body["n_predict"]})'


def stand_in(folder: Path, answer: str = GOOD) -> Path:
    path = folder / "llama-server"
    path.write_text(STAND_IN.format(python=sys.executable, log=str(folder / "log"), answer=answer))
    path.chmod(0o755)
    return path


def notes(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]


def work(prompt: int, adapter: Path | None, tokens: int = 5) -> NaiveRequest:
    return NaiveRequest((1, 2, prompt), adapter, tokens, 1.0)


def test_every_comment_has_a_slot_and_its_adapter_alone(tmp_path: Path) -> None:
    binary, model = stand_in(tmp_path), tmp_path / "m.gguf"
    left, right = tmp_path / "left, too.gguf", tmp_path / "right.gguf"
    comments = [work(10, left), work(11, right), work(12, left)]
    run = server.run(binary, model, comments, work(20, None, 7), Serving(512, 2, -1))
    assert run.load is not None and run.load > 0.2, "until it is ready"
    assert run.total == run.load + run.comments + run.answer
    first, *asked = notes(tmp_path)
    arguments = first["arguments"]
    for name, value in {
        "--model": str(model),
        "--parallel": "3",
        "--ctx-size": "1536",
        "--threads": "2",
        "--n-gpu-layers": "999",
    }.items():
        assert arguments[arguments.index(name) + 1] == value
    assert [arguments[i + 1] for i, one in enumerate(arguments) if one == "--lora"] == [str(left), str(right)]
    assert "--lora-init-without-apply" in arguments
    bodies = {body["prompt"][-1]: body for body in (one["body"] for one in asked)}
    assert sorted(bodies) == [10, 11, 12, 20] and asked[-1]["body"]["prompt"][-1] == 20
    scales = {prompt: [one["scale"] for one in body["lora"]] for prompt, body in bodies.items()}
    assert scales == {10: [1.0, 0.0], 11: [0.0, 1.0], 12: [1.0, 0.0], 20: [0.0, 0.0]}
    assert bodies[20]["n_predict"] == 7 and bodies[10]["ignore_eos"] is True


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('self.reply(200, {"content": "x", "tokens_predicted": 1})', "wrote 1 tokens where 5"),
        ('self.reply(200, {"choices": []})', "did not answer as a llama-server does"),
        ('self.reply(400, {"error": "no such field"})', r"refused a request \(400\).*no such field"),
        ('self.wfile.write(b"nothing")', "did not answer as a llama-server does"),
    ],
)
def test_a_server_that_does_something_else_is_no_comparison(tmp_path: Path, answer: str, said: str) -> None:
    with pytest.raises(EngineFailure, match=said):
        server.run(stand_in(tmp_path, answer), tmp_path / "m.gguf", [], work(1, None), Serving(256, 1))


def test_a_server_that_ends_says_why(tmp_path: Path) -> None:
    binary = tmp_path / "llama-server"
    binary.write_text("#!/bin/sh\necho 'error: unknown argument' >&2\nexit 3\n")
    binary.chmod(0o755)
    with pytest.raises(EngineFailure, match="exit code 3: error: unknown argument"):
        server.run(binary, tmp_path / "m.gguf", [], work(1, None), Serving(256, 1))


def test_without_a_server_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotFound, match="no llama-server on PATH"):
        server.find(None)
    assert main(["bench", "--compare", "server"]) == 3
    assert "There is no llama-server on PATH." in capsys.readouterr().err
    assert main(["bench", "--compare", "server", "--server", str(tmp_path / "none")]) != 0
    assert "is no program that can be started" in capsys.readouterr().err
    assert main(["bench", "--server", "x"]) == 2
    assert "--compare server" in capsys.readouterr().err
    assert server.find(stand_in(tmp_path)) == tmp_path / "llama-server" == server.find(None)


@pytest.mark.slow
def test_bench_compares_with_a_server_on_personas(
    tmp_path: Path, starter_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ["--repeats", "1", "--comment-tokens", "4", "--answer-tokens", "3", "--threads", "1", "--json"]
    binary = stand_in(tmp_path)
    assert (
        main(["bench", "--voices", "personas", "--compare", "server", "--server", str(binary), *options]) == 0
    )
    record = json.loads(capfd.readouterr().out)
    assert (record["voices"], record["adapters"]) == ("personas", "none")
    assert record["server"]["load_seconds"] > 0 and record["server_ratio"]["ask"] >= 0
    assert record["second_server_ratio"] is not None and record["ratio"] is None
    asked = [one["body"] for one in notes(tmp_path) if "body" in one]
    assert len(asked) == 7 and all(one["lora"] == [] for one in asked)
    assert len({tuple(one["prompt"]) for one in asked}) == 7, "each persona has a prompt of its own"
