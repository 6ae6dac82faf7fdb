"""Remotes by name: a table of the config file, the keys that are set for them, and where neither shows."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local import api_keys
from tests.support.command_line import Run
from tests.support.remote_server import Server, answer, chunk, stream, whole

SECRET = "sk-0123456789abcdef"


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "real_keyring", lambda: None)


def name_remote(home: Path, server: Server, *lines: str, name: str = "office") -> None:
    with (home / "config.toml").open("a") as file:
        file.write("\n".join([f"[remote.{name}]", f'base_url = "http://{server.address}/v1"', *lines, ""]))


def hello(server: Server, count: int = 1) -> None:
    server.acts = [stream(chunk("Hello."), chunk(finish="stop"), "[DONE]")] * count


def test_a_remote_is_asked_by_its_name_and_a_model_behind_it(run: Run, server: Server, village: Path) -> None:
    name_remote(village, server, 'model = "m"')
    hello(server, 2)
    for name, model in (("remote:office", "m"), ("remote:office/@cf/other:7b", "@cf/other:7b")):
        ran = run("ask", "-m", name, "--mode", "vanilla", "--json", "Fair?")
        assert (ran.code, ran.json()["answer"]) == (0, "Hello.")
        assert server.requests[-1]["model"] == model
        assert ran.json()["model"]["id"] == f"remote:http://{server.address}/v1#{model}"


def test_a_key_is_set_listed_sent_to_its_server_and_shown_nowhere(
    run: Run, server: Server, village: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_remote(village, server, 'model = "m"')
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{SECRET}\n"))
    put = run("keys", "set", "office")
    assert (put.code, "not encrypted" in put.err) == (0, True)
    listed = run("keys", "ls", "--json")
    assert list(listed.json()) == [f"http://{server.address}"]
    hello(server)
    ran = run("ask", "-m", "remote:office", "--mode", "vanilla", "--json", "Fair?")
    assert server.requests[-1]["authorization"] == f"Bearer {SECRET}"
    server.acts = [answer(401, {"error": f"wrong: {SECRET}"})]
    refused = run("ask", "-m", "remote:office", "--mode", "vanilla", "Fair?")
    plan = run("ask", "-m", "remote:office", "--mode", "vanilla", "--dry-run", "Fair?")
    shown = run("config", "show", "--json")
    assert (refused.code, plan.code, shown.code) == (5, 0, 0)
    for each in (put, listed, ran, refused, plan, shown):
        assert SECRET not in each.out + each.err
    files = [path for path in village.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
    assert [path.name for path in files] == ["keys.json"]
    assert run("keys", "rm", f"http://{server.address}/v1").code == 0
    assert run("keys", "ls").out.strip() == "There are no keys."


def test_a_general_key_does_not_replace_a_servers_own(
    run: Run, server: Server, village: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_remote(village, server, 'model = "m"', 'api_key_env = "OFFICE_KEY"')
    monkeypatch.setenv("PLOCAL_REMOTE_KEY", "general-key")
    ran = run("ask", "-m", "remote:office", "--mode", "vanilla", "Fair?")
    assert (ran.code, "OFFICE_KEY" in ran.err, server.requests) == (2, True, [])
    monkeypatch.setenv("OFFICE_KEY", SECRET)
    hello(server)
    assert run("ask", "-m", "remote:office", "--mode", "vanilla", "Fair?").code == 0
    assert server.requests[-1]["authorization"] == f"Bearer {SECRET}"


def test_a_redirection_takes_no_key_along(
    run: Run, server: Server, village: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Server()
    try:
        name_remote(village, server, 'model = "m"', 'api_key_env = "OFFICE_KEY"')
        monkeypatch.setenv("OFFICE_KEY", SECRET)
        server.acts = [answer(307, "", location=f"http://{other.address}/v1/chat/completions")]
        ran = run("ask", "-m", "remote:office", "--mode", "vanilla", "Fair?")
        assert (ran.code, "redirects to" in ran.err, other.requests) == (2, True, [])
    finally:
        other.close()


@pytest.mark.parametrize(
    ("lines", "part"),
    [
        ([f'api_key = "{SECRET}"'], "plocal keys set"),
        (['base = "x"'], "base"),
        (["parallel = 0"], "parallel"),
        (['logprobs = "maybe"'], "logprobs"),
    ],
)
def test_a_table_that_cannot_be_is_told_without_showing_it(
    run: Run, server: Server, village: Path, lines: list[str], part: str
) -> None:
    name_remote(village, server, *lines)
    ran = run("ask", "-m", "remote:office", "Fair?")
    assert (ran.code, part in ran.err, SECRET in ran.err) == (2, True, False)


def test_a_name_that_is_no_remote_suggests_one(run: Run, server: Server, village: Path) -> None:
    name_remote(village, server)
    ran = run("ask", "-m", "remote:ofice", "Fair?")
    assert (ran.code, "Did you mean 'office'?" in ran.err) == (3, True)
    ran = run("config", "set", "remote.x", "y")
    assert (ran.code, "[remote.NAME]" in ran.err) == (2, True)


def test_a_remote_of_a_folders_file_waits_for_trust(run: Run, server: Server, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    Path("plocal.toml").write_text(
        f'[remote.theirs]\nbase_url = "http://{server.address}/v1"\nmodel = "m"\napi_key_cmd = "touch {touched}"\n'
    )
    ran = run("ask", "-m", "remote:theirs", "--mode", "vanilla", "Fair?")
    assert (ran.code, "config trust" in ran.err, touched.exists()) == (3, True, False)
    allowed = run("config", "trust")
    assert (allowed.code, f"(runs: touch {touched})" in allowed.out, touched.exists()) == (0, True, False)
    server.acts = [answer(401, {"error": "no"})]
    ran = run("ask", "-m", "remote:theirs", "--mode", "vanilla", "Fair?")
    assert (ran.code, touched.exists(), "prints nothing" in ran.err) == (2, True, True)


def test_answers_are_counted_where_there_are_no_probabilities(
    run: Run, server: Server, village: Path
) -> None:
    name_remote(village, server, 'model = "m"', 'logprobs = "no"', "parallel = 2")
    line = (
        "ask",
        "-m",
        "remote:office",
        "--mode",
        "vanilla",
        "--option",
        "Yes",
        "--option",
        "No",
        "--orders",
        "asked",
        "--json",
        "Fair?",
    )
    assert run(*line).code == 2
    server.acts = [answer(200, whole(text)) for text in ("A", "A", "B", "A")]
    ran = run(*line[:-1], "--samples", "4", "Fair?")
    weighed = ran.json()["distribution"]
    assert (weighed["p"], weighed["method"], weighed["n"]) == ([0.75, 0.25], "samples", 4)
    assert json.dumps(weighed["bounds"]) != "null"
