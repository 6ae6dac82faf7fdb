"""`plocal bench eval`: both sides ask the same, and the record says what was timed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.bench import naive
from pluralism_local.bench.evaluation import COUNTRIES, TASK, TOPICS, EvalReport, made_up
from pluralism_local.cli.main import main
from pluralism_local.engine.handles import Model
from tests.support import rows
from tests.support.rows import write


def test_made_up_questions_are_samples_of_the_task() -> None:
    found = made_up(80)
    assert len({sample.id for sample in found}) == 80 == len(TOPICS) * len(COUNTRIES)
    assert "You are from the country of Kenya" in TASK.comment(found[0]).text


def test_the_ratio_is_theirs_over_ours() -> None:
    report = EvalReport("m", "p", 8, 6, 64, 2, 4.0, 10.0, None, 100.0)
    assert report.ratio == 2.5 and report.record()["ratio"] == 2.5
    assert EvalReport("m", "p", 8, 6, 64, 2, 4.0, None, None, None).record()["ratio"] is None


@pytest.mark.slow
def test_both_sides_ask_the_same(
    starter_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[Path | None, list[str], int]] = []

    def note(
        model: Path, adapter: Path | None, prompts: list[tuple[int, ...]], tokens: int, *_: Any, **__: Any
    ) -> None:
        assert model == starter_path
        with Model(model) as opened:
            asked.append((adapter, [b"".join(map(opened.piece, p)).decode() for p in prompts], tokens))

    monkeypatch.setattr(naive, "each", note)
    data = write(tmp_path / "rows.json", [rows.global_opinion(i, "Kenya") for i in range(5)])
    options = [
        "--limit",
        "2",
        "--comment-tokens",
        "6",
        "--data",
        str(data),
        "--compare",
        "naive",
        "--threads",
        "1",
    ]
    assert main(["bench", "eval", *options, "--json"]) == 0
    record = json.loads(capfd.readouterr().out)
    assert (record["samples"], record["communities"], record["comment_tokens"]) == (2, 6, 6)
    assert record["seconds"] > 0 and record["peak_rss_mb"] > 0 and record["ratio"] >= 0
    *comments, answers = asked
    assert len(comments) == 6 and len({adapter for adapter, _, _ in comments}) == 6
    for adapter, prompts, tokens in comments:
        assert adapter is not None and adapter.is_file() and (len(prompts), tokens) == (2, 6)
        assert all("You are from the country of Kenya" in prompt for prompt in prompts)
    adapter, prompts, tokens = answers
    assert adapter is None and (len(prompts), tokens) == (12, 1)
    assert all("with the help of a passage.\n\nPassage: " in prompt for prompt in prompts)


def test_the_naive_loop_opens_a_model_once(starter_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path | None] = []
    real = naive._open

    def count(model: Path, adapter: Path | None, loop: naive.Loop) -> Any:
        opened.append(adapter)
        return real(model, adapter, loop)

    monkeypatch.setattr(naive, "_open", count)
    naive.each(starter_path, None, [(1, 520, 9531, 198)] * 2, 3, 0.0, naive.Loop(256, 1))
    assert opened == [None]


def test_a_remote_model_cannot_be_timed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "eval", "-m", "scripted:"]) == 2
    assert "is no local model" in capsys.readouterr().err
