"""`plocal communities judge` from the command line, on a scripted model."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from pluralism_local.cli.output import Output
from pluralism_local.cli.voices import running
from tests.support.command_line import Run

QUESTIONS = (
    '{"question": "Is tipping fair?", "topic": "work", "left": "no", "right": "yes", "source": "made up"}\n'
    '{"question": "Should tea be taxed?", "topic": "tax", "left": "yes", "right": "no", "source": "made up"}\n'
    "Is rain good?\n"
)
JUDGE = ("communities", "judge")


@pytest.fixture
def questions(tmp_path: Path) -> str:
    (tmp_path / "questions.jsonl").write_text(QUESTIONS)
    return "questions.jsonl"


def script(folder: Path, **mass: float) -> str:
    """A judge that reads what the reply says and not where the option stands."""
    entries = [
        {"pattern": f"{word} it[\\s\\S]*support\\?\\nA\\. {first}", "mass": {"A": p, "B": 1 - p}}
        for word, yes in mass.items()
        for first, p in (("Yes", yes), ("No", 1 - yes))
    ]
    file = folder / "script.json"
    file.write_text(json.dumps({"distributions": entries}))
    return f"scripted:{file}"


def test_the_answers_have_a_row_of_their_own(run: Run, questions: str, village: Path) -> None:
    ran = run(*JUDGE, "village", "--questions", questions, "--answers", "--max-tokens", "30", "--no-controls")
    assert ran.code == 0, ran.err
    (row,) = (line for line in ran.out.splitlines() if line.startswith("(answer)"))
    assert row.split()[1] == "3"
    plan = run(*JUDGE, "village", "--questions", questions, "--answers", "--dry-run")
    assert "3 to write" in plan.out


def test_a_pool_is_judged_kept_and_not_asked_again(run: Run, questions: str, village: Path) -> None:
    ran = run(*JUDGE, "village", "--questions", questions, "--pair", "farmers:fishers", "--json")

    assert ran.code == 0, ran.err
    found = ran.json()
    assert (found["schema"], found["complete"], found["questions"], found["comments"]) == (
        "plocal.voices/1",
        True,
        3,
        9,
    )
    assert [one["id"] for one in found["voices"]] == ["farmers", "fishers", "millers"]
    assert [(one["register"], one["questions"]) for one in found["pairs"]] == [("farmers/fishers", 2)]
    assert found["base"]["comments"] == 9
    folder = Path(found["folder"])
    kept = {file.name: file.read_bytes() for file in folder.glob("*.jsonl")}
    again = run(*JUDGE, "village", "--questions", questions, "--pair", "farmers:fishers", "--json")
    assert again.json() == found
    assert {file.name: file.read_bytes() for file in folder.glob("*.jsonl")} == kept
    assert json.loads((folder / "voices.json").read_text()) == found


def test_a_person_reads_voices_as_rows_with_a_strip(run: Run, questions: str) -> None:
    ran = run(*JUDGE, "village", "--questions", questions, "--pair", "farmers:fishers")

    assert ran.code == 0
    head = next(line for line in ran.out.splitlines() if line.startswith("voice"))
    assert head.split()[:4] == ["voice", "n", "on", "topic"]
    row = next(line for line in ran.out.splitlines() if line.startswith("farmers "))
    assert row.count("|") == 2
    assert "(bare model)" in ran.out and "stance spread" in ran.out and "shuffled" in ran.out


def test_comments_made_elsewhere_are_judged_in_the_known_direction(
    run: Run, questions: str, tmp_path: Path
) -> None:
    rows = [
        ("Is tipping fair?", "us-left", "End it."),
        ("Is tipping fair?", "us-right", "Keep it, since 1900 of us do."),
        ("Should tea be taxed?", "us-left", "Keep it."),
        ("Should tea be taxed?", "us-right", "End it."),
    ]
    file = tmp_path / "mine.jsonl"
    file.write_text(
        "".join(
            json.dumps(dict(zip(("question", "community", "text"), row, strict=True))) + "\n" for row in rows
        )
    )

    ran = run(
        *JUDGE,
        "--comments",
        "mine.jsonl",
        "--questions",
        questions,
        "--judge",
        script(tmp_path, End=0.1, Keep=0.8),
        "--json",
    )

    assert ran.code == 0, ran.err
    found = ran.json()
    (pair,) = found["pairs"]
    assert (pair["left"], pair["right"], pair["questions"]) == ("us-left", "us-right", 2)
    assert pair["agrees"]["value"] == 1
    assert pair["gap"]["value"] == pytest.approx(0.7)
    assert found["invents"]["value"] == 0.25
    assert found["ends"]["value"] is None
    assert (found["model"], found["pool"], found["base"], found["cards"]) == (None, None, None, None)
    assert "hardly reads" not in ran.err


def test_a_judge_who_looks_at_the_place_of_an_option_more_than_at_the_comments_is_warned_about(
    run: Run, questions: str, tmp_path: Path
) -> None:
    file = tmp_path / "script.json"
    file.write_text(json.dumps({"distributions": [{"match": "support?", "mass": {"A": 0.9, "B": 0.1}}]}))

    ran = run(*JUDGE, "village", "--questions", questions, "--judge", f"scripted:{file}", "--no-controls")

    assert ran.code == 0
    assert "two orders differ by 0.80 on average, the voices by 0.00" in ran.err


def test_a_larger_limit_only_adds(run: Run, questions: str) -> None:
    run(*JUDGE, "village", "--questions", questions, "--limit", "1", "--no-controls")
    more = run(*JUDGE, "village", "--questions", questions, "--limit", "2", "--no-controls")

    assert more.code == 0
    assert more.err.count("comments: 6 of 6") == 1
    assert "questions  2, 2 with a known direction" in more.out


def test_a_dry_run_counts_and_keeps_nothing(run: Run, questions: str, village: Path) -> None:
    ran = run(*JUDGE, "village", "--questions", questions, "--scorer", "adapter", "--dry-run", "--json")

    assert ran.code == 0, ran.err
    found = ran.json()
    assert (found["comments"], found["judged"], found["entailment_pairs"]) == (18, 18, 18)
    assert not (village / "data" / "voices").exists()


def test_different_positions_are_counted_by_the_shipped_scorer(
    run: Run, tmp_path: Path, starter_path: Path
) -> None:
    texts = [
        "Phones should be banned in schools.",
        "Phones should be banned in schools!",
        "It rained on Sunday.",
    ]
    (tmp_path / "mine.jsonl").write_text(
        "".join(
            json.dumps({"question": "Ban phones?", "community": f"c{i}", "text": text}) + "\n"
            for i, text in enumerate(texts)
        )
    )

    ran = run(*JUDGE, "--comments", "mine.jsonl", "--judge", "scripted:", "--scorer", "adapter", "--json")

    assert ran.code == 0, ran.err
    assert ran.json()["positions"]["value"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nowhere",), 3, "no pool 'nowhere'"),
        (("village", "--questions", "missing.txt"), 3, "no file missing.txt"),
        (("village", "--pair", "farmers"), 2, "no pair of voices"),
        (("village", "--pair", "farmers:bakers"), 2, "No voice is called bakers"),
        (("village", "-p", "farmers"), 2, "Both a pool and single"),
        (("--comments", "c.jsonl", "--opinions", "o.json"), 2, "--comments has only what was said"),
        (("--comments", "c.jsonl", "--answers"), 2, "--comments has only what was said"),
        (("village", "--limit", "0"), 2, "greater than or equal to 1"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(
    run: Run, arguments: tuple[str, ...], code: int, message: str
) -> None:
    ran = run(*JUDGE, *arguments)

    assert ran.code == code
    assert message in ran.err


def test_a_judge_without_probabilities_is_refused_and_the_comments_stay(
    run: Run, questions: str, tmp_path: Path
) -> None:
    arguments = (*JUDGE, "village", "--questions", questions, "--no-controls", "--output", "kept")
    failed = run(*arguments, "--judge", "./nothing.gguf")

    assert failed.code == 3
    assert len((tmp_path / "kept" / "comments.jsonl").read_text().splitlines()) == 9
    assert run(*arguments).code == 0


def test_a_card_shows_what_a_judging_found(run: Run, questions: str, village: Path) -> None:
    found = run(*JUDGE, "village", "--questions", questions, "--pair", "farmers:fishers", "--json").json()
    entry = found["cards"]["farmers"]
    card = village / "data" / "communities" / "farmers" / "README.md"
    row = json.dumps(entry).replace(f'"{entry["date"]}"', entry["date"])  # YAML's date is no text
    card.write_text(card.read_text().replace("  persona:", f"  judged: [{row}]\n  persona:"))

    shown = run("communities", "show", "farmers")

    assert shown.code == 0, shown.err
    assert "judged" in shown.out and "3 questions, persona on scripted:, by scripted:" in shown.out
    assert "right side of fishers" in shown.out
    assert run("communities", "show", "farmers", "--json").json()["judged"][0]["words"] == entry["words"]


def test_opinions_and_own_texts_are_reported_apart(run: Run, questions: str, tmp_path: Path) -> None:
    survey = [
        {
            "question": "Question: How much?\nOptions: A. A lot",
            "options": ["A lot", "Some", "None"],
            "attribute": side,
            "gold_distribution": gold,
        }
        for side, gold in (("POLPARTY_Democrat", [0.7, 0.2, 0.1]), ("POLPARTY_Republican", [0.1, 0.2, 0.7]))
    ]
    (tmp_path / "survey.json").write_text(json.dumps(survey))

    ran = run(
        *JUDGE,
        "village",
        "--questions",
        questions,
        "--pair",
        "farmers:fishers",
        "--opinions",
        "survey.json",
        "--json",
    )

    assert ran.code == 0, ran.err
    found = ran.json()
    assert found["questions"] == 3
    figure = found["opinions"]["party"]["farmers/fishers"]
    assert figure["questions"] == 1 and -1 <= figure["r"]["value"] <= 1
    assert found["held_out"] is None


@pytest.mark.parametrize("comments", [3, 6, 9])
def test_ctrl_c_keeps_whole_questions_and_the_same_command_ends_as_if_it_had_not_come(
    run: Run, questions: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comments: int
) -> None:
    arguments = (*JUDGE, "village", "--questions", questions, "--json", "--output")
    whole = run(*arguments, "whole").json()
    real = running.counting

    def pressing(out: Output, what: str) -> Callable[[int, int], None]:
        told = real(out, what)

        def report(done: int, total: int) -> None:
            told(done, total)
            if what == "comments" and done == comments:
                signal.raise_signal(signal.SIGINT)

        return report

    monkeypatch.setattr(running, "counting", pressing)
    stopped = run(*arguments, "cut")
    assert stopped.code == 6
    assert stopped.json()["complete"] is False
    assert "the same command goes on" in stopped.err
    assert len((tmp_path / "cut" / "comments.jsonl").read_text().splitlines()) == comments

    monkeypatch.setattr(running, "counting", real)
    again = run(*arguments, "cut")
    assert again.code == 0
    assert {**again.json(), "folder": None} == {**whole, "folder": None}
