"""Every exit code, what the user is told, and the same in JSON."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from pluralism_local import errors, wiring
from pluralism_local.cli.exits import ExitCode, describe
from pluralism_local.cli.main import asked_format
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.types import ModelInfo
from tests.support.command_line import Run, add_card

QUESTION = "Should phones be banned?"

ADAPTED = """---
plocal:
  schema: 1
  id: adapted
  name: Adapted
  description: Has an adapter.
  adapter: {{file: a.gguf, sha256: {sha256}, rank: 8, alpha: 16, activation: always}}
  base: {{model: some-base, fingerprint: "sha256:{fingerprint}"}}
---
"""


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (["ask", "--mode", "overtn", QUESTION], 2, "Did you mean 'overton'?"),
        (["ask", "--mode", "p", "--tempurature", "1", QUESTION], 2, "Did you mean '--temperature'?"),
        (["ask", "--mode", "", QUESTION], 2, "There is no mode ''"),
        (["ask", "--threads", "100000", QUESTION], 2, "--threads must be a whole number from 1 to 512"),
        (["bench", "--threads", "513"], 2, "--threads must be a whole number from 1 to 512"),
        (
            ["ask", "--max-tokens", "0", QUESTION],
            2,
            "--max-tokens must be a whole number from 1 to 2147483647",
        ),
        (["ask", "--temperature", "hot", QUESTION], 2, "'--temperature'"),
        (["ask", "-ngl", "some", QUESTION], 2, "--gpu-layers must be 'auto', 'all' or a whole number"),
        (["ask", "--threads", "0", QUESTION], 2, "--threads must be"),
        (["ask", "--format", "xml", QUESTION], 2, "'--format'"),
        (["bench", "--voices", "persona"], 2, "'--voices': 'persona' is not one of 'adapters', 'personas'"),
        (["cache", "clear", "prefixs"], 2, "'[KIND]': 'prefixs' is not one of"),
        (["ask", "--mode", "dist", "--option", "Yes", QUESTION], 2, "At least 2 options"),
        (["ask", "--mode", "dist", QUESTION], 2, "At least 2 options are needed, got 0."),
        (["ask", "--mode", "dist", *(f"--option=o{n}" for n in range(27)), QUESTION], 2, "At most 26"),
        (["ask", "--mode", "steer", QUESTION], 2, "attribute"),
        (["ask", "--max-tokens", "5000", QUESTION], 2, "the context holds 4,096"),
        (["ask", "--pool", "vilage", QUESTION], 3, "Did you mean 'village'?"),
        (["ask", "-p", "farmer", QUESTION], 3, "Did you mean 'farmers'?"),
        (["ask", "-p", "farmers:0.5", QUESTION], 2, "has no adapter"),
        (["ask", "-p", "farmers:half", QUESTION], 2, "'farmers:half' does not end in a scale."),
        (["ask", "-p", "farmers", "-p", "farmers", QUESTION], 2, "named twice"),
        (["ask", "-p", "farmers", "--pool", "village", QUESTION], 2, "Leave out --pool or --community."),
        (["ask", "-m", "scripted:missing.json", QUESTION], 3, "missing.json is not there"),
        (["ask", "-m", "no-such-model", QUESTION], 3, "no-such-model"),
        (["ask", "-m", "./missing.gguf", QUESTION], 3, "missing.gguf"),
        (["ask", "-m", "remote:http://127.0.0.1:9/v1#m", "--mode", "vanilla", QUESTION], 5, "127.0.0.1:9"),
        (["ask", "-m", "remote:https://example.org#m", "--offline", QUESTION], 2, "on another machine"),
        (["ask", QUESTION, "and another"], 2, "unexpected extra argument"),
        (["ask", "\udcff"], 2, "An argument is not UTF-8 text."),
        (["sak", QUESTION], 2, "Did you mean 'ask'?"),
        (["models"], 2, "Missing command."),
        (["communities", "show", "farmrs"], 3, "Did you mean 'farmers'?"),
        (["config", "set", "sed", "1"], 2, "Did you mean 'seed'?"),
    ],
)
def test_each_mistake_has_its_code_and_says_what_to_do(
    run: Run, line: list[str], code: int, said: str
) -> None:
    ran = run(*line)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err.startswith("Error: ")
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_an_ambiguous_mode_names_the_candidates() -> None:
    assert [wiring.find_mode(text) for text in ("o", "Dist", "steer", "v", "p", "moe")] == [
        "overton", "distributional", "steerable", "vanilla", "prompting", "moe",
    ]  # fmt: skip


def test_an_error_is_an_object_when_json_is_asked_for(run: Run) -> None:
    for line in (["--json"], ["--format", "json"], ["--format=jsonl"]):
        ran = run("ask", *line, "--mode", "overtn", QUESTION)
        assert ran.code == 2 and ran.err == ""
        error = ran.json()["error"]
        assert set(error) == {"code", "message", "hint"}
        assert error["code"] == "invalid_input" and error["hint"] == "Did you mean 'overton'?"
    assert run("ask", "--json", "--jsn", QUESTION).json()["error"]["code"] == "usage"
    assert run("models", "ls", "--jsno", "--json").json()["error"]["hint"] == "Did you mean '--json'?"


def test_the_format_of_errors_is_known_before_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked_format(["ask", "--", "--json"]) == "text"
    assert asked_format(["ask", "--format", "md", "q"]) == "text"
    assert asked_format(["ask", "--format"]) == "text"
    assert asked_format(["ask", "--format=jsonl"]) == "jsonl"
    monkeypatch.setenv("PLOCAL_FORMAT", "json")
    assert asked_format(["ask"]) == "json"
    assert asked_format(["ask", "--format", "text"]) == "text"


def test_a_wrong_variable_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLOCAL_MAX_TOKENS", "many")
    ran = run("ask", QUESTION)
    assert ran.code == 2 and "PLOCAL_MAX_TOKENS" in ran.err


def test_a_config_with_a_typo_names_file_and_key(run: Run, village: Path) -> None:
    (village / "config.toml").write_text('modell = "starter"\n')
    ran = run("ask", QUESTION)
    assert ran.code == 2
    assert str(village / "config.toml") in ran.err and "Did you mean 'model'?" in ran.err


def test_a_changed_adapter_is_refused(run: Run, village: Path) -> None:
    folder = add_card(village, "adapted", ADAPTED.format(sha256="ab" * 32, fingerprint="1" * 64))
    (folder / "a.gguf").write_bytes(b"GGUF" + bytes(64))
    for line in (["ask", "-p", "adapted", QUESTION], ["communities", "validate", "adapted"]):
        assert run(*line).code == 4


def test_an_adapter_of_another_base_needs_force(
    run: Run, village: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pluralism_local.communities import Card, Community, Library

    class Known(ScriptedEngine):
        @property
        def info(self) -> ModelInfo:
            return ModelInfo("known", "scripted", fingerprint="sha256:" + "2" * 64, context=4096)

    card = Card.model_validate(
        {
            "schema": 1,
            "id": "adapted",
            "name": "Adapted",
            "description": "Has an adapter.",
            "adapter": {
                "file": "a.gguf",
                "sha256": "0" * 64,
                "rank": 8,
                "alpha": 16.0,
                "activation": "always",
            },
            "base": {"model": "some-base", "fingerprint": "sha256:" + "1" * 64},
        }
    )
    community = Community(card, village)
    (village / "a.gguf").write_bytes(b"GGUF")
    monkeypatch.setattr(Library, "community", lambda self, id: community)
    monkeypatch.setattr(wiring, "open_engine", lambda *_: Known())

    refused = run("ask", "-p", "adapted", QUESTION)
    assert refused.code == 4 and "some-base" in refused.err
    forced = run("ask", "-p", "adapted", "--force", "--json", QUESTION)
    assert forced.code == 0
    assert any("some-base" in warning for warning in forced.json()["warnings"])
    assert "Warning: " in forced.err


def test_a_bug_is_one_line_and_a_traceback_on_request(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr(wiring, "open_engine", broken)
    ran = run("ask", QUESTION)
    assert ran.code == 1
    assert "Something unexpected went wrong: KeyError: 'surprise'" in ran.err
    assert "PLOCAL_DEBUG=1" in ran.err and "Traceback" not in ran.err
    monkeypatch.setenv("PLOCAL_DEBUG", "1")
    assert "Traceback (most recent call last)" in run("ask", QUESTION).err


@pytest.mark.parametrize(
    ("error", "exit", "code"),
    [
        (errors.ContextOverflow("too long", needed=9, available=4), ExitCode.USAGE, "context_overflow"),
        (errors.Unsupported("no"), ExitCode.USAGE, "unsupported"),
        (errors.NotFound("no"), ExitCode.MISSING, "not_found"),
        (errors.Refused("no"), ExitCode.REFUSED, "refused"),
        (errors.RemoteFailure("no"), ExitCode.REMOTE, "remote_failure"),
        (errors.Cancelled(), ExitCode.INTERRUPTED, "cancelled"),
        (errors.EngineFailure("no"), ExitCode.UNEXPECTED, "engine_failure"),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "cancelled"),
        (MemoryError(), ExitCode.UNEXPECTED, "out_of_memory"),
        (OSError(errno.ENOSPC, "No space left", "/x"), ExitCode.UNEXPECTED, "disk_full"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), ExitCode.UNEXPECTED, "not_permitted"),
        (ValueError("odd"), ExitCode.UNEXPECTED, "unexpected"),
    ],
)
def test_the_table_of_errors(error: BaseException, exit: ExitCode, code: str) -> None:
    failure = describe(error)
    assert (failure.exit, failure.code) == (exit, code)
    assert failure.message.rstrip()


def test_an_llm_that_fails_after_the_comments_loses_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Frail(ScriptedEngine):
        def generate(self, requests: Any, **options: Any) -> Any:
            if "Passage" in requests[0].messages[-1].content:
                raise errors.EngineFailure("The machine ran out of memory.")
            return super().generate(requests, **options)

    monkeypatch.setattr(wiring, "open_engine", lambda *_: Frail())
    ran = run("ask", QUESTION)
    assert ran.code == 6
    assert ran.out.count("\n    ") == 3  # three whole comments
    assert "Warning: The machine ran out of memory." in ran.err


@pytest.mark.parametrize(
    "question",
    ["-5 degrees: is it cold?", "-x marks what?", "--is it cold?", "- a list", "-not sure", "--5", "-é"],
)
def test_a_question_that_begins_with_a_dash_is_told_of_the_two_dashes(run: Run, question: str) -> None:
    ran = run("ask", question)
    assert ran.code == 2 and "Put -- before a text that begins with a dash: plocal ask -- '-" in ran.err
    assert run("ask", "--mode", "vanilla", "--json", "--", question).json()["prompt"] == question


def test_only_a_command_that_takes_text_is_told_of_the_two_dashes(run: Run) -> None:
    for line in (("logs", "ls", "-5"), ("ask", "--threadz"), ("ask", "--qqqq"), ("-5",)):
        ran = run(*line)
        assert ran.code == 2 and "Put --" not in ran.err and "Error" in ran.err
