"""Trainings: twenty steps from the starter's GGUF, a kill and its resumption, and what is refused before it starts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from communitylm.community.planning import plan
from communitylm.community.settings import read_settings
from communitylm.community.training import train
from communitylm.corpus.passages import write_passages
from communitylm.training.lora import trainable_weights
from pluralism_local.errors import EngineFailure, InvalidInput, NotFound, Refused
from tests.support.checkpoint import write_checkpoint
from tests.support.corpus import letters, write_config, write_jsonl

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "recipes" / "train_community.py"
SLOW_AND_LONG = (
    "[base]\nmodel = './base'\n[training]\ntokens = 12000\nbatch = 2\ncheckpoint = 5\nprecision = 'fp32'\n"
)


def small(folder: Path, extra: str = SLOW_AND_LONG) -> Path:
    """A corpus, a tiny checkpoint as its base, and the configuration for both."""
    passages = letters("riders")
    write_checkpoint(folder / "base", [passage.text for passage in passages])
    write_passages(folder / "trams.jsonl", passages)
    return write_config(folder, "trams", extra)


def start(config: Path, output: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), str(config), "--output", str(output), "--threads", "1", *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )


@pytest.mark.slow
def test_a_killed_run_resumes_to_what_an_uninterrupted_one_gives(tmp_path: Path) -> None:
    config = small(tmp_path)
    whole = start(config, tmp_path / "whole")
    killed = start(config, tmp_path / "killed")
    until = time.monotonic() + 200
    while not list((tmp_path / "killed").glob("checkpoint-1?/trainer_state.json")):
        assert killed.poll() is None, killed.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "killed" / "training.json").exists()
    resumed = start(config, tmp_path / "killed", "--json")
    out, told = resumed.communicate(timeout=200)
    assert resumed.returncode == 0, told
    assert "Resuming after step" in told
    assert whole.wait(timeout=200) == 0
    whole.communicate()
    left, right = (
        load_file(tmp_path / run / "adapter" / "adapter_model.safetensors") for run in ("whole", "killed")
    )
    assert left.keys() == right.keys() and len(left) == 28
    for name in left:
        np.testing.assert_allclose(left[name], right[name], rtol=1e-4, atol=1e-6)
    records = [json.loads((tmp_path / run / "training.json").read_text()) for run in ("whole", "killed")]
    assert records[0]["held_out"] == records[1]["held_out"] == json.loads(out)["held_out"]
    assert records[0]["held_out"]["perplexity"] < records[0]["held_out"]["base_perplexity"]
    assert not list((tmp_path / "killed").glob("checkpoint-*"))


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    running = start(small(tmp_path), tmp_path / "run")
    until = time.monotonic() + 200
    while not list((tmp_path / "run").glob("checkpoint-*/trainer_state.json")):
        assert running.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    _, told = running.communicate(timeout=200)
    assert running.returncode == 130, told
    assert told.rstrip().endswith("Stopped.") and "Traceback" not in told
    assert list((tmp_path / "run").glob("checkpoint-*"))


def test_run_folders_are_guarded(tmp_path: Path) -> None:
    config = small(
        tmp_path, "[base]\nmodel = './base'\n[training]\ntokens = 100\nbatch = 2\nprecision = 'fp32'\n"
    )
    planned = plan(read_settings(config))
    record = train(planned, tmp_path / "run", say=lambda _: None)
    assert (record["tokens"], record["steps"]) == (planned.tokens, planned.steps)
    with pytest.raises(Refused, match="holds a finished run"):
        train(planned, tmp_path / "run", say=lambda _: None)
    (tmp_path / "run" / "training.json").unlink()
    other = plan(read_settings(config, ["training.seed=1"]))
    with pytest.raises(Refused, match="another configuration"):
        train(other, tmp_path / "run", say=lambda _: None)
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "letter.txt").write_text("mine")
    with pytest.raises(Refused, match="no run of this recipe"):
        train(other, tmp_path / "else", say=lambda _: None)
    assert (tmp_path / "else" / "letter.txt").read_text() == "mine"
    assert train(other, tmp_path / "run", say=lambda _: None, restart=True)["seed"] == 1


def test_too_little_space_is_said_before_anything_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(read_settings(small(tmp_path)))
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 2_000_000})())
    with pytest.raises(EngineFailure, match="2 MB are free"):
        train(planned, tmp_path / "run", say=pytest.fail)


def test_what_cannot_work_is_said_by_the_plan(tmp_path: Path, starter_path: Path) -> None:
    config = small(tmp_path)
    with pytest.raises(NotFound, match="There is no corpus"):
        plan(read_settings(config, ["corpus.file='gone.jsonl'"]))
    write_jsonl(tmp_path / "few.jsonl", letters("riders", speakers=2, each=1))
    causal = ["adapter.form=causal", "corpus.file='few.jsonl'", "training.block=512"]
    with pytest.raises(InvalidInput, match="no block of 512 tokens"):
        plan(read_settings(config, causal))
    write_checkpoint(tmp_path / "plain", ["one two three"], template=None)
    with pytest.raises(InvalidInput, match="has no chat template"):
        plan(read_settings(config, ["base.model='./plain'"]))
    with pytest.raises(InvalidInput, match="has no device 'mps'"):
        plan(read_settings(config, ["training.device=mps"]))
    with pytest.raises(InvalidInput, match="no layers named query"):
        planned = plan(read_settings(config, ["adapter.targets=['query']"]))
        train(planned, tmp_path / "run", say=lambda _: None)
    planned = plan(read_settings(config, ["base.model=starter"]))
    assert trainable_weights(planned.base, planned.settings.values.adapter) == 1_221_120


def test_a_dry_run_shows_everything_and_writes_nothing(tmp_path: Path) -> None:
    running = start(small(tmp_path), tmp_path / "run", "--dry-run", "--set", "training.rate=5e-4")
    _, told = running.communicate(timeout=200)
    assert running.returncode == 0
    assert "training.rate          0.0005  (--set)" in told
    assert (
        "training.batch         2  (trams.toml)" in told and "training.clip          1.0  (default)" in told
    )
    assert "steps" in told and not (tmp_path / "run").exists()


def test_mistakes_end_with_their_exit_code(tmp_path: Path) -> None:
    for arguments, code, message in [
        ((tmp_path / "gone.toml",), 3, "Error: There is no configuration"),
        ((small(tmp_path), "--set", "training.rat=1"), 2, "Did you mean 'training.rate'"),
    ]:
        done: Any = subprocess.run(
            [sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True, check=False
        )
        assert done.returncode == code and message in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_twenty_steps_from_the_starter_export_and_are_heard(tmp_path: Path, starter_path: Path) -> None:
    write_passages(tmp_path / "trams.jsonl", letters("riders", speakers=12, each=8))
    config = write_config(
        tmp_path, "trams", "[training]\ntokens = 2760\nbatch = 2\nrate = 3e-3\nevaluate = 300\n"
    )
    planned = plan(read_settings(config))
    assert planned.steps == 20 and planned.header == (1, 520, 9531, 198)
    record = train(planned, tmp_path / "run", say=lambda _: None)
    assert record["held_out"]["perplexity"] < 0.7 * record["held_out"]["base_perplexity"]
    saved = json.loads((tmp_path / "run" / "adapter" / "adapter_config.json").read_text())
    assert saved["alora_invocation_tokens"] == [1, 520, 9531, 198]

    home = {**os.environ, "PLOCAL_HOME": str(tmp_path / "home"), "PLOCAL_THREADS": "1"}
    command = [sys.executable, str(ROOT / "recipes" / "export_gguf.py"), str(tmp_path / "run"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=home)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)[0]
    assert summary["parity"]["difference"] <= 2e-3 < summary["parity"]["effect"]
    assert summary["parity"]["prompts"] >= 5 and summary["parity"]["positions"] >= 3

    ask = [str(Path(sys.executable).parent / "plocal"), "ask", "-p", "trams", "--json", "--max-tokens", "8"]
    answered = subprocess.run(
        [*ask, "--comment-max-tokens", "40", "What do you think about night buses?"],
        capture_output=True,
        text=True,
        check=False,
        env=home,
    )
    assert answered.returncode == 0, answered.stderr
    comment = json.loads(answered.stdout)["comments"][0]
    assert comment["adapter_sha256"] == summary["sha256"]
    assert "council" in comment["text"] or "plan" in comment["text"]  # how every letter begins
