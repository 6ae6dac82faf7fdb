"""The bench: what it reports, and that both sides of a comparison do the same work."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.bench import naive, voices
from pluralism_local.bench.report import AskTimes, Guesses, Report, Workload
from pluralism_local.cli.bench import _text
from pluralism_local.cli.main import main
from pluralism_local.communities import Card, Community, Member, Pool
from pluralism_local.engine.llama import LlamaEngine
from pluralism_local.errors import InvalidInput
from pluralism_local.types import Message


def times(seconds: float, rate: float) -> AskTimes:
    return AskTimes(comments_tok_s=rate, seconds=seconds, comments_seconds=1.0, answer_seconds=1.0)


def report(naive_times: AskTimes | None) -> Report:
    return Report(
        "m", "p", 6, "seeded", 2, Workload(), 1.0, 2.0, 3.0, times(4.0, 100.0), naive_times, None, 10.0
    )


def test_ratios_are_how_many_times_faster_ours_is() -> None:
    assert report(None).record()["ratio"] is None
    assert report(times(10.0, 40.0)).record()["ratio"] == {"comments": 2.5, "ask": 2.5}


@pytest.mark.parametrize("option", ["--comment-tokens", "--answer-tokens", "--repeats"])
def test_a_workload_of_nothing_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", option, "0"]) == 2
    assert "at least 1" in capsys.readouterr().err


def test_the_naive_loop_runs_on_past_the_end_of_an_answer(starter_path: Path) -> None:
    with LlamaEngine(starter_path, name="starter") as engine:
        prompt = engine.prompt_tokens([Message("user", "Say: hi")])
    work = naive.NaiveRequest(prompt, None, 40, 0.0)
    run = naive.run(starter_path, [work], work, naive.Loop(256, 1))
    assert run.comments > 0
    assert run.total == run.comments + run.answer


def test_a_loop_over_personas_keeps_its_model_open_and_one_over_adapters_cannot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[Path | None] = []

    class Llama:
        def close(self) -> None:
            opened.append(None)

    def note(model: Path, adapter: Path | None, loop: naive.Loop) -> Llama:
        opened.append(adapter or Path("none"))
        return Llama()

    monkeypatch.setattr(naive, "_open", note)
    monkeypatch.setattr(naive, "_text", lambda *_: "")
    answer = naive.NaiveRequest((1,), None, 1, 0.0)
    naive.run(Path("m"), [naive.NaiveRequest((i,), None, 1, 1.0) for i in range(3)], answer, naive.Loop(256))
    assert opened == [Path("none"), None]
    opened.clear()
    naive.run(
        Path("m"), [naive.NaiveRequest((i,), Path(str(i)), 1, 1.0) for i in range(2)], answer, naive.Loop(256)
    )
    assert opened == [Path("0"), None, Path("1"), None, Path("none"), None]


def test_personas_speak_without_adapters_and_everybody_needs_one(tmp_path: Path) -> None:
    about = {"file": "a.gguf", "sha256": "0" * 64, "rank": 8, "alpha": 16.0, "activation": "always"}
    base = {"model": "another", "fingerprint": f"sha256:{'1' * 64}"}
    card = {"schema": 1, "id": "one", "name": "One", "description": "One.", "adapter": about, "base": base}
    speaking, mute = ({**card, "persona": "You are one."}, card)
    members = [Member(Community(Card.model_validate(one), tmp_path), 1.0) for one in (speaking, mute)]
    pool = Pool("p", "P", (members[0],))
    [member] = voices.speaking_by_persona(pool).members
    assert member.adapter is None and member.community.persona == "You are one."
    with pytest.raises(InvalidInput, match="one has no persona"):
        voices.speaking_by_persona(replace(pool, members=(members[1],)))


def test_the_second_ask_and_the_memory_are_reported() -> None:
    both = replace(report(times(10.0, 40.0)), second=times(2.0, 200.0), model_mb=8.0)
    record = both.record()
    assert record["second_ratio"] == {"comments": 5.0, "ask": 5.0}
    assert (record["second_tuned_ratio"], record["server_ratio"]) == (None, None)
    assert record["memory_over_model"] == 1.25
    text = _text(both)
    assert (
        "the next ask" in text
        and "plocal is 2.5 times as fast (comments 2.5), the next ask 5.0 (5.0)" in text
    )
    assert "10 MB during the ask, 1.25 times the model's file" in text


def test_guesses_that_came_true_are_told() -> None:
    assert "none: nothing promised to come true" in _text(report(times(10.0, 40.0)))
    guessing = replace(report(times(10.0, 40.0)), guesses=Guesses(12, 9))
    assert guessing.record()["guesses"] == {"drafted": 12, "accepted": 9}
    assert "9 of 12 guessed tokens came true" in _text(guessing)


@pytest.mark.slow
def test_bench_reports_every_figure(starter_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ["--compare", "both", "--repeats", "1", "--comment-tokens", "6", "--answer-tokens", "4"]
    assert main(["bench", *options, "--threads", "1", "--json"]) == 0
    out, err = capfd.readouterr()
    record = json.loads(out)
    assert record["schema"] == "plocal.bench/1"
    assert (record["communities"], record["adapters"], record["comment_tokens"]) == (6, "own", 6)
    assert record["together"] == "stacked"
    for rate in ("prefill_tok_s", "decode_tok_s", "batch_tok_s", "peak_rss_mb"):
        assert record[rate] > 0
    for side in ("ask", "naive", "tuned_naive"):
        assert record[side]["comments_tok_s"] > 0
        assert record[side]["seconds"] >= record[side]["comments_seconds"]
    ours, theirs = record["ask"], record["naive"]
    assert record["ratio"]["ask"] == pytest.approx(theirs["seconds"] / ours["seconds"], abs=0.01)
    assert 0 <= record["guesses"]["accepted"] <= record["guesses"]["drafted"]
    assert "warming up" in err


def test_adapters_of_another_base_are_replaced_by_seeded_ones(tmp_path: Path) -> None:
    base = {"model": "another", "fingerprint": f"sha256:{'1' * 64}"}
    about = {"file": "a.gguf", "sha256": "0" * 64, "rank": 8, "alpha": 16.0, "activation": "always"}
    card = {"schema": 1, "id": "one", "name": "One", "description": "One.", "adapter": about, "base": base}
    member = Member(Community(Card.model_validate(card), tmp_path), 1.0)
    assert voices.has_own(member, base["fingerprint"])
    assert not voices.has_own(member, f"sha256:{'2' * 64}")


@pytest.mark.parametrize("model", ["scripted:", "remote:http://127.0.0.1:9/v1"])
def test_only_local_models_can_be_measured(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "-m", model]) == 2
    assert "no local model" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_an_overton_ask_of_six_adapters_stays_under_450_mb(starter_path: Path) -> None:
    """In a process of its own, with the token counts of the default bench: the ask's peak, the stack included."""
    command = [sys.executable, "-c", "from pluralism_local.cli.main import entry; entry()"]
    done = subprocess.run([*command, "bench", "--repeats", "1", "--json"], capture_output=True, check=True)
    assert 100 < json.loads(done.stdout)["peak_rss_mb"] < 450
