"""Asks of a remote model from the command line: exit codes, what is kept, what is told."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from pluralism_local.cli.main import main
from tests.support.command_line import Run
from tests.support.remote_server import Server, answer, body, chunk, sse, stream

FAIR = ("--mode", "vanilla", "Fair?")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.delenv("PLOCAL_REMOTE_KEY", raising=False)
    running = Server()
    yield running
    running.close()


def ask(run: Run, server: Server, *options: str) -> Any:
    return run("ask", "-n", "-m", f"remote:http://{server.address}#m", *options, *FAIR)


def test_what_came_before_a_failure_is_kept_in_json_too(run: Run, server: Server) -> None:
    server.acts = [stream(chunk("Yes"), chunk(", but")), stream(chunk("Yes"), chunk(", but"))]
    ran = ask(run, server, "--json")
    assert ran.code == 6
    record = ran.json()
    assert (record["answer"], record["complete"]) == ("Yes, but", False)
    assert any("broke off" in warning for warning in record["warnings"])
    ran = ask(run, server)
    assert (ran.code, ran.out) == (6, "Yes, but\n")
    assert "broke off" in ran.err


def test_a_withheld_answer_is_said_to_be_withheld(run: Run, server: Server) -> None:
    server.acts = [
        stream(chunk("Yes"), chunk(finish="content_filter")),
        stream(chunk(finish="content_filter")),
    ]
    assert ask(run, server, "--json").json()["answer"] == "Yes"
    ran = ask(run, server, "--json")
    assert ran.code == 5
    assert "content_filter" in ran.json()["error"]["message"]


def test_an_odd_end_is_an_end_with_a_warning(run: Run, server: Server) -> None:
    server.acts = [body(sse(chunk("Yes."), chunk(finish="eos")))]
    ran = ask(run, server)
    assert (ran.code, ran.out) == (0, "Yes.\n")
    assert "Warning: " in ran.err and "'eos'" in ran.err


def test_a_refused_field_is_left_out_and_told(run: Run, server: Server) -> None:
    complaint = {"error": {"message": "Unrecognized request argument supplied: seed"}}
    server.acts = [answer(400, complaint), stream(chunk("Yes."), chunk(finish="stop"))]
    ran = ask(run, server, "--json")
    assert (ran.code, ran.json()["answer"]) == (0, "Yes.")
    assert ran.json()["warnings"] == ["The server takes no seed; asked again, it may answer otherwise."]


def test_a_variable_that_cannot_be_used_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://127.0.0.1:1")
    monkeypatch.delenv("all_proxy", raising=False)
    ran = run("ask", "-n", "-m", "remote:http://192.0.2.1:9/v1#m", *FAIR)
    assert ran.code == 2
    assert "ALL_PROXY" in ran.err


def test_an_error_in_the_midst_of_an_answer_has_its_own_line(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(sys, "stderr", screen)
    server.acts = [body(sse(chunk("Yes."), json.dumps({"error": "gone"})))]
    assert main(["ask", "-n", "-m", f"remote:http://{server.address}#m", *FAIR]) == 6
    shown = screen.getvalue()
    assert "Yes.\nWarning: " in shown.replace("\r", "").replace(" \n", "\n")
