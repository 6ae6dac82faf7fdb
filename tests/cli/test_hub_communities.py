"""`communities pull` and `push` as a user meets them: a LoRA, the paper's eleven, and what is sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.gguf_header import fingerprint
from pluralism_local.models.details import read_model_header
from pluralism_local.sharing import paper
from tests.sharing.conftest import base_model, fake_hub, put_lora
from tests.support.command_line import Run, add_card
from tests.support.fake_hub import TOKEN, FakeHub, Repo
from tests.support.gguf_files import write_model
from tests.support.peft_folders import BASE, HEADS, HIDDEN, INNER, KEY_HEADS, peft_folder

__all__ = ["base_model", "fake_hub", "put_lora"]


def test_a_lora_is_here_after_a_pull_and_its_card_is_shown(run: Run, put_lora: Callable[..., Repo]) -> None:
    put_lora("user/my_Voice")
    ran = run("communities", "pull", "hf:user/my_Voice", "--id", "village-voice")
    assert ran.code == 0
    assert "village-voice" in ran.out and "known by its name and shapes" in ran.out
    assert "they say what is not known" in ran.err
    assert "village-voice" in run("communities", "ls").out
    shown = run("communities", "show", "village-voice").out
    assert "hf:user/my_Voice, revision c0ffee" in shown and "by its name and shapes" in shown
    again = run("communities", "pull", "hf:user/my_Voice", "--id", "village-voice")
    assert again.code == 2 and "--replace" in again.err
    assert run("communities", "pull", "hf:user/my_Voice", "--id", "village-voice", "--replace").code == 0


def test_a_folder_and_json(run: Run, tmp_path: Path, base_model: Path) -> None:
    folder = peft_folder(tmp_path / "trained", base="someone/Tiny-Base-1M", only="q_proj")
    record = run("communities", "pull", str(folder), "--base", str(base_model), "--json").json()
    (community,) = record["communities"]
    assert (community["id"], community["base"], community["written"]) == ("trained", "Tiny-Base-1M", True)
    assert community["fingerprint"].startswith("sha256:") and record["pools"] == []


def test_a_model_that_is_pulled_gives_its_fingerprint_to_the_cards_that_wait_for_it(
    run: Run, put_lora: Callable[..., Repo], fake_hub: FakeHub, base_model: Path
) -> None:
    put_lora("user/voice")
    assert "known by its name and shapes" in run("communities", "pull", "hf:user/voice").out
    fake_hub.repos["other/Tiny-Base-1M-GGUF"] = Repo({"tiny-base-1m.gguf": base_model.read_bytes()})
    ran = run("models", "pull", "hf:other/Tiny-Base-1M-GGUF")
    assert ran.code == 0
    assert "voice: its base is here, hf:other/Tiny-Base-1M-GGUF; the card has its fingerprint." in ran.err
    mark = fingerprint(read_model_header(base_model))
    shown = run("communities", "show", "voice", "--json").json()
    assert shown["base"]["fingerprint"] == mark
    assert "its base is here" not in run("models", "pull", "hf:other/Tiny-Base-1M-GGUF").err


def test_what_has_no_form_is_exit_2(run: Run, put_lora: Callable[..., Repo]) -> None:
    put_lora("user/voice", use_dora=True)
    ran = run("communities", "pull", "hf:user/voice")
    assert ran.code == 2 and "DoRA" in ran.err


@pytest.fixture
def eleven(
    put_lora: Callable[..., Repo], fake_hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The paper's repositories and their base, of a few kilobytes each."""
    data: dict[str, Any] = paper._data()
    monkeypatch.setitem(data["base"], "config", {"model_type": "mistral", **BASE})
    for published in paper.communities():
        put_lora(published.repository, base="mistralai/Mistral-7B-Instruct-v0.1")
    small = write_model(
        tmp_path / "mistral.gguf",
        embedding=HIDDEN,
        heads=HEADS,
        kv_heads=KEY_HEADS,
        extra={"llama.feed_forward_length": INNER},
    )
    fake_hub.repos["TheBloke/Mistral-7B-Instruct-v0.1-GGUF"] = Repo(
        {
            "mistral-7b-instruct-v0.1.Q4_K_M.gguf": small.read_bytes(),
            "mistral-7b-instruct-v0.1.Q8_0.gguf": b"x",
        }
    )


@pytest.mark.usefixtures("eleven")
def test_the_paper_is_here_after_one_command(run: Run, fake_hub: FakeHub) -> None:
    plan = run("communities", "pull", "paper", "--dry-run", "--json").json()
    assert len(plan["communities"]) == 11 and plan["missing_bytes"] > 0
    ran = run("communities", "pull", "paper")
    assert ran.code == 0, ran.err
    assert "11 communities to fetch" in ran.err
    assert ran.out.count("checked by its fingerprint") == 11
    assert "pool paper-perspectives" in ran.out
    assert (
        "--pool paper-perspectives --communities-model hf:TheBloke/Mistral-7B-Instruct-v0.1-GGUF:Q4_K_M"
        in ran.err
    )
    assert run("pools", "validate", "paper-perspectives", "paper-cultures", "paper-mixed").code == 0
    before = len([request for request in fake_hub.seen if "/resolve/" in request.where])
    again = run("communities", "pull", "paper")
    assert again.code == 0 and "0 communities to fetch" in again.err and "11 are here" in again.err
    assert len([request for request in fake_hub.seen if "/resolve/" in request.where]) == before


@pytest.mark.usefixtures("eleven")
def test_the_paper_without_its_base_and_with_options_that_do_not_go(run: Run) -> None:
    ran = run("communities", "pull", "paper", "--no-base")
    assert ran.code == 0 and "base: not fetched" in ran.err
    assert run("communities", "pull", "paper", "--id", "x").code == 2
    assert run("communities", "pull", "hf:user/voice", "--dry-run").code == 2


@pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload:DeprecationWarning")  # of the Hub's client
def test_a_push_shows_first_and_sends_with_yes(
    run: Run, fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    ran = run("communities", "push", "press-left", "hf:me/press-left")
    assert ran.code == 0 and "README.md" in ran.out and "press-left.gguf" in ran.out
    assert "Nothing was sent" in ran.err and fake_hub.seen == []
    record = run(
        "communities", "push", "press-left", "hf:me/press-left", "--yes", "--private", "--json"
    ).json()
    assert record["commit"].startswith(fake_hub.url)
    assert set(fake_hub.pushed) == {
        "README.md",
        "press-left.gguf",
        "press-left.qwen2-5-coder-1-5b-instruct.gguf",
    }


def test_a_card_that_says_too_little_is_exit_4(run: Run, village: Path, fake_hub: FakeHub) -> None:
    add_card(
        village, "silent", "---\nplocal: {schema: 1, id: silent, name: S, description: D, persona: P}\n---\n"
    )
    ran = run("communities", "push", "silent", "hf:me/silent", "--yes")
    assert ran.code == 4 and "license" in ran.err and "limits.not_for" in ran.err
    assert fake_hub.seen == []
