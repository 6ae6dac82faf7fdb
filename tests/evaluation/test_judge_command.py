"""`plocal eval judge` on runs made by `plocal eval run`, with scripted models."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from pluralism_local import wiring
from pluralism_local.cli.main import main
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.evaluation.judging import CHUNK
from pluralism_local.types import OptionDistribution, OptionRequest
from tests.support import rows
from tests.support.command_line import Ran

Go = Callable[..., Ran]

SAMPLES = CHUNK + 2
# prompting answers with many values, vanilla with one, whatever the situation
ANSWERS = [
    {"match": "Make sure your response", "text": "Many values speak here."},
    {"pattern": "comment on the following situation: selling thing 3", "text": "Thing 3 is bad."},
    {"match": "comment on the following situation", "text": "It is bad."},
]
READER = [
    {"pattern": "Response #1: Many", "mass": {"1": 0.75, "2": 0.25}},
    {"pattern": "Response #2: Many", "mass": {"1": 0.25, "2": 0.75}},
    {"match": "", "mass": {"tie": 0.5}},
]
FIRST = [{"match": "", "mass": {"1": 1.0}}]


@pytest.fixture
def go(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Go:
    """Run a command line in this process, in an empty folder."""
    (own_home / "config.toml").write_text('model = "scripted:"\n')
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        code = main(list(arguments))
        said = capsys.readouterr()
        return Ran(code, said.out, said.err)

    return run


def script(path: Path, **entries: Sequence[object]) -> str:
    path.write_text(json.dumps(entries))
    return f"scripted:{path}"


@pytest.fixture
def answered(go: Go, tmp_path: Path) -> Path:
    """A run of vanilla and prompting, whose model is a good judge."""
    rows.write(tmp_path / "rows.json", [rows.overton(number) for number in range(SAMPLES)])
    model = script(tmp_path / "model.json", replies=ANSWERS, distributions=READER)
    line = ["--task", "overton-nli", "--data", "rows.json", "--scorer", "none", "-m", model]
    ran = go("eval", "run", *line, "--method", "vanilla", "--method", "prompting", "--output", "runs/one")
    assert ran.code == 0, ran.err
    return tmp_path / "runs" / "one"


def opponents(found: dict[str, Any], judge: int = 0) -> dict[str, Any]:
    standings: dict[str, Any] = found["judges"][judge]["opponents"]
    return standings


def test_a_run_is_judged_by_its_own_model(go: Go, answered: Path) -> None:
    ran = go("eval", "judge", str(answered), "prompting", "--json")
    assert ran.code == 0, ran.err
    found = ran.json()
    assert found == json.loads((answered / "judge.json").read_text())
    assert (found["schema"], found["task"]) == ("plocal.eval.judge/1", "overton-nli")
    assert (found["a"], found["opponents"], found["n"], found["complete"]) == (
        "prompting",
        ["vanilla"],
        SAMPLES,
        True,
    )
    assert found["prompt"] == "judge.pair@1"
    assert found["fleiss_kappa"] is None
    assert found["judges"][0]["answers"] == "probabilities"
    row = opponents(found)["vanilla"]
    assert row["win"] == {"value": 1, "low": 1, "high": 1}
    assert (row["tie"]["value"], row["lose"]["value"], row["n"]) == (0, 0, SAMPLES)
    assert row["position_bias"] == {"flipped": 0, "inconsistent": 0, "first": 0.5, "second": 0.5}

    text = go("eval", "judge", str(answered), "prompting").out
    assert "vanilla  1.000 [1.000, 1.000]  0.000 [0.000, 0.000]  0.000 [0.000, 0.000]  10" in text
    assert all(len(line) <= 80 for line in text.splitlines()[6:])
    assert f"{SAMPLES} of {SAMPLES} for each opponent" in text
    lost = go("eval", "judge", str(answered), "vanilla", "prompting", "--json").json()
    assert opponents(lost)["prompting"]["lose"]["value"] == 1


def test_shuffled_is_the_own_response_to_another_situation(go: Go, answered: Path, tmp_path: Path) -> None:
    # vanilla's only response that knows its situation is the third's
    exact = [{"pattern": rf"Response #{place}: Thing 3", "mass": {place: 1.0}} for place in "12"]
    judge = script(tmp_path / "exact.json", distributions=[*exact, {"match": "", "mass": {"tie": 1.0}}])
    found = go("eval", "judge", str(answered), "vanilla", "shuffled", "--judge", judge, "--json").json()
    row = opponents(found)["shuffled"]
    assert [row[name]["value"] for name in ("win", "tie", "lose")] == pytest.approx(
        [1 / SAMPLES, (SAMPLES - 2) / SAMPLES, 1 / SAMPLES], abs=1e-12
    )
    assert found["opponents"] == ["shuffled"]


def test_several_judges_agree_or_not(go: Go, answered: Path, tmp_path: Path) -> None:
    place = script(tmp_path / "place.json", distributions=FIRST)
    good = script(tmp_path / "good.json", distributions=READER)
    line = ("eval", "judge", str(answered), "prompting", "vanilla", "shuffled")
    found = go(*line, "--judge", good, "--judge", place, "--json").json()
    assert [one["judge"] for one in found["judges"]] == [good, place]
    assert opponents(found, 1)["vanilla"]["position_bias"]["flipped"] == 1
    # good: wins against vanilla, ties with shuffled, all alike; place: ties only.
    # They agree on half of the pairs; of 4 answers 1 is a win: chance is 1/16 + 9/16
    kappa = found["fleiss_kappa"]
    assert kappa["value"] == pytest.approx((1 / 2 - 10 / 16) / (1 - 10 / 16), abs=1e-12)
    assert (kappa["n"], kappa["judges"], kappa["published_humans"]) == (2 * SAMPLES, 2, 0.4678)
    told = go(*line, "--judge", good, "--judge", place)
    warnings = [each for each in told.err.splitlines() if "goes by the place" in each]
    assert (
        len(warnings) == 1
        and f"{place} named the same place in both orders in 100% of the pairs" in warnings[0]
    )
    text = told.out
    assert f"-0.333 [-0.333, -0.333] on {2 * SAMPLES} pairs (published, of humans: 0.4678)" in text
    twice = go(*line, "--judge", good, "--judge", good, "--json")
    assert len(twice.json()["judges"]) == 1 and twice.code == 0


def test_limit_is_the_first_and_words_are_read(go: Go, answered: Path, tmp_path: Path) -> None:
    talker = script(tmp_path / "talker.json", replies=[{"match": "", "text": "Both have their merits."}])
    line = ("eval", "judge", str(answered), "prompting", "--judge", talker, "--limit", "3")
    found = go(*line, "--words", "--json").json()
    assert (found["n"], found["wanted"], found["complete"]) == (3, 3, True)
    row = opponents(found)["vanilla"]
    assert (row["tie"]["value"], row["unparsed"], row["n"]) == (None, 6, 3)
    assert found["judges"][0]["answers"] == "words"
    said = go(*line, "--words")
    assert (said.code, "vanilla 6 unparsed" in said.out) == (6, True)
    assert "against vanilla: 6 of 6 answers cannot be read, so there is no result" in said.err


def test_some_answers_that_cannot_be_read_are_counted(go: Go, answered: Path, tmp_path: Path) -> None:
    one = rows.overton(0)["situation"]
    talker = script(
        tmp_path / "talker.json", replies=[{"match": one, "text": "Both."}, {"match": "", "text": "1"}]
    )
    found = go("eval", "judge", str(answered), "prompting", "vanilla", "--judge", talker, "--words")
    assert found.code == 0
    assert f"2 of {2 * SAMPLES} answers cannot be read and stand for a tie." in found.err


class Counting(ScriptedEngine):
    """Its calls are counted over all engines; the second is interrupted by Ctrl-C."""

    asked = 0
    interrupted = False

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        Counting.asked += len(requests)
        if not Counting.interrupted:
            Counting.interrupted = True
            signal.raise_signal(signal.SIGINT)
        return super().distribution(requests, should_stop=should_stop)


def test_control_c_stops_after_the_chunk_and_the_command_goes_on(
    go: Go, answered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counting, "asked", 0)
    monkeypatch.setattr(Counting, "interrupted", False)
    line = ("eval", "judge", str(answered), "prompting", "vanilla", "shuffled", "--json")
    wanted = go(*line).json()
    for file in answered.glob("judge-*.jsonl"):
        file.unlink()
    monkeypatch.setattr(wiring, "open_engine", lambda *_: Counting(tmp_path / "model.json"))
    stopped = go(*line)
    assert stopped.code == 6
    assert "the same command goes on" in stopped.err
    found = stopped.json()
    assert (found["complete"], found["missing"]) == (False, 2 * SAMPLES - CHUNK)
    assert [row["n"] for row in opponents(found).values()] == [CHUNK, 0]
    assert opponents(found)["shuffled"]["win"]["value"] is None
    asked = Counting.asked
    again = go(*line)
    assert again.code == 0 and again.json() == wanted
    # equal responses are one question: shuffled has the same words for all
    assert Counting.asked == 4 * SAMPLES - SAMPLES
    assert asked == 2 * CHUNK
    assert go(*line).json() == wanted and Counting.asked == 3 * SAMPLES


def test_what_does_not_fit_is_counted(
    go: Go, answered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ScriptedEngine(tmp_path / "model.json", context=10)
    monkeypatch.setattr(wiring, "open_engine", lambda *_: small)
    ran = go("eval", "judge", str(answered), "prompting", "--json")
    found = ran.json()
    assert ran.code == 6 and "the context holds 10" in ran.err
    assert (found["failed"], opponents(found)["vanilla"]["failed"], len(found["failures"])) == (
        SAMPLES,
        SAMPLES,
        5,
    )
    assert found["failures"][0]["code"] == "context_overflow"


def test_samples_without_an_answer_are_left_out_and_said(go: Go, answered: Path) -> None:
    journal = answered / "samples.jsonl"
    records = [json.loads(line) for line in journal.read_text().splitlines()]
    for record in records[-2:]:
        del record["output"]
        record["error"] = {"code": "engine_failure", "message": "Decoding failed."}
    journal.write_text("".join(json.dumps(record) + "\n" for record in records))
    ran = go("eval", "judge", str(answered), "prompting", "--json")
    assert ran.code == 6
    assert f"2 of {SAMPLES} samples lack an answer" in ran.err
    assert (ran.json()["n"], ran.json()["wanted"], ran.json()["complete"]) == (SAMPLES - 2, SAMPLES, False)
    assert go("eval", "judge", str(answered), "prompting", "--limit", "4").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "The run has no answers of 'ours'. It has: vanilla, prompting"),
        (["vanilla", "moe"], "no answers of 'moe'"),
        (["vanilla", "uniform"], "no answers of 'uniform'"),
        (["vanilla", "vanilla"], "cannot be compared with itself"),
        (["vanilla", "shuffled", "--limit", "0"], "--limit"),
    ],
)
def test_what_cannot_be_compared(go: Go, answered: Path, arguments: list[str], message: str) -> None:
    ran = go("eval", "judge", str(answered), *arguments)
    assert ran.code == 2
    assert message in " ".join(ran.err.split())
    assert not (answered / "judge.json").exists()


def test_other_runs_and_none(go: Go, tmp_path: Path) -> None:
    assert go("eval", "judge", "nowhere").code == 3
    rows.write(tmp_path / "moral.json", [rows.moral(0), rows.moral(1)])
    line = ["--task", "distributional-moralchoice", "--data", "moral.json", "--method", "vanilla"]
    assert go("eval", "run", *line, "--output", "runs/moral").code == 0
    ran = go("eval", "judge", "runs/moral", "vanilla")
    assert ran.code == 2 and "no responses to compare" in ran.err


def test_a_folder_that_is_written_is_refused(go: Go, answered: Path) -> None:
    from pluralism_local.evaluation.journal import locked

    with locked(answered):
        ran = go("eval", "judge", str(answered), "prompting")
    assert ran.code == 4 and "is writing" in ran.err


def test_the_task_says_how_it_is_scored(go: Go, answered: Path, tmp_path: Path) -> None:
    ran = go("eval", "score", "--task", "overton-judge", str(tmp_path / "rows.json"))
    assert ran.code == 2 and "plocal eval judge" in ran.err
