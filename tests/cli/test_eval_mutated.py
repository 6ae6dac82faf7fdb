"""Run folders that were changed: no command crashes, and what it refuses is named by file and key.

A seeded mutation of run.json, results.json, samples.jsonl or a journal, then a command. Some hundred in every run of
the tests; a thousand with another seed where slow tests run, or as many as wanted:

    PLOCAL_MUTATIONS=5000 PLOCAL_MUTATION_SEED=7 pytest tests/cli/test_eval_mutated.py -m slow -s
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support import rows
from tests.support.command_line import Run
from tests.support.rows import write
from tests.support.samples import MAKERS

COUNT = int(os.environ.get("PLOCAL_MUTATIONS", "1000"))  # read now: tests run without variables of this name
SEED = int(os.environ.get("PLOCAL_MUTATION_SEED", "2026"))

TASKS = ("distributional-globalopinionqa", "steerable-vk", "distributional-moralchoice")
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("ls",),
    ("show", "RUN"),
    ("show", "RUN", "--all", "--json"),
    ("report", "RUN", "-o", "report.html"),
    ("compare", "RUN", "ours", "vanilla"),
    ("export", "RUN", "ours", "-"),
    ("export", "RUN", "ours", "answers.json"),
    ("score", "--task", "TASK", "answers.json"),
    ("resume", "RUN"),
    ("resume", "RUN", "--retry-failed"),
)
JUDGED = "overton-nli"
OF_WORDS: tuple[tuple[str, ...], ...] = (
    ("judge", "RUN", "ours", "vanilla", "--judge", "scripted:"),
    ("report", "RUN", "-o", "report.html"),
    ("export", "RUN", "ours", "-"),
    ("resume", "RUN"),
)
ABOUT_ANSWERS = (
    "None of these runs",
    "No sample was answered",
    "The run has no answers of",
    "The run has no method",
)
"""What is said where the files are sound and hold other answers than before."""

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 2, 7.5, 1e308, -1e308, 10**30, 10**400, "", "x", "../..", "\0", "\ud800", "\u202e", "ours",
    "nan", [], {}, [1], ["x"], {"x": 1}, {"value": "x"}, [[]], float("nan"), float("inf"),
)  # fmt: skip


@pytest.fixture
def homes(run: Run, tmp_path: Path, own_home: Path) -> dict[str, Path]:
    """A run of each task in the data folder, and its answers exported."""
    found = {}
    for task in TASKS:
        data = write(tmp_path / f"{task}.json", [MAKERS[task](i) for i in range(4)])
        line = ("--task", task, "--data", str(data), "--comment-max-tokens", "4")
        ran = run("eval", "run", *line, "--method", "ours", "--method", "vanilla", "--method", "uniform")
        assert ran.code == 0, ran.err
        (found[task],) = (own_home / "data" / "eval").glob(f"{task}-*")
        assert (
            run("eval", "export", str(found[task]), "ours", str(tmp_path / f"{task}-answers.json")).code == 0
        )
    data = write(tmp_path / f"{JUDGED}.json", [rows.overton(i) for i in range(4)])
    words = ("--task", JUDGED, "--data", str(data), "--comment-max-tokens", "4", "--scorer", "none")
    assert run("eval", "run", *words, "--method", "ours", "--method", "vanilla").code == 0
    (found[JUDGED],) = (own_home / "data" / "eval").glob(f"{JUDGED}-*")
    judge = ("judge", str(found[JUDGED]), "--judge", "scripted:")
    assert run("eval", *judge).code == 0
    return found


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where there is anything inside `value`."""
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield (*path, key)
        yield from places(child, (*path, key))


def changed(value: Any, rng: random.Random) -> Any:
    """A copy of a JSON value with one thing in it odd, gone, doubled, renamed, or deep."""
    value = json.loads(json.dumps(value))
    path = rng.choice(list(places(value)))
    at = value
    for key in path[:-1]:
        at = at[key]
    match rng.randrange(8):
        case 0:
            del at[path[-1]]
        case 1 if isinstance(at, list):
            at.insert(path[-1], at[path[-1]])
        case 2 if isinstance(at, dict):
            at[rng.choice(["x", "", "value", "method", "n"])] = at.pop(path[-1])
        case 3:
            at[path[-1]] = deep(rng.choice([40, 400, 900]))
        case _:
            at[path[-1]] = rng.choice(ODD)
    return value


def deep(levels: int) -> Any:
    """Lists inside each other."""
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


def changed_text(content: bytes, rng: random.Random) -> bytes:
    """Some bytes lost, doubled, or others; or arrays too deep for any reader."""
    place = rng.randrange(max(1, len(content)))
    match rng.randrange(6):
        case 0:
            return content[:place]
        case 1:
            return content[:place] + bytes(rng.randrange(256) for _ in range(3)) + content[place + 3 :]
        case 2:
            return b"[" * 100_000
        case 3:
            return b"\xef\xbb\xbf" + content
        case 4:
            return content.replace(b'"pred_distribution": [', b'"pred_distribution": ' + b"[" * 3000, 1)
        case _:
            return content[:place] + content[max(0, place - 20) :]


def mutate(file: Path, rng: random.Random) -> None:
    """Change a file: JSON, or lines of it."""
    content = file.read_bytes()
    if rng.random() < 0.2:
        file.write_bytes(changed_text(content, rng))
        return
    dumped: Callable[[Any], str] = json.dumps
    if file.suffix == ".jsonl":
        lines = content.decode().splitlines()
        place = rng.randrange(len(lines))
        record = json.loads(lines[place])
        batch = record.pop("batch")  # a journal's own frame is changed with the bytes
        lines[place] = dumped({**changed(record, rng), "batch": batch})
        file.write_text("".join(f"{line}\n" for line in lines))
    else:
        file.write_text(dumped(changed(json.loads(content), rng)))


def try_mutations(
    run: Run, homes: dict[str, Path], folder: Path, count: int, seed: int
) -> tuple[Counter[int], list[str]]:
    """How often each exit code came, and what is wrong."""
    rng = random.Random(seed)
    codes: Counter[int] = Counter()
    wrong: list[str] = []
    kept = folder / "kept"
    shutil.copytree(next(iter(homes.values())).parent, kept)
    for number in range(count):
        task = rng.choice(list(homes))
        home = homes[task]
        command = rng.choice(OF_WORDS if task == JUDGED else COMMANDS)
        files = [*home.glob("*.json"), *home.glob("*.jsonl")]
        answers = folder / "answers.json"
        if task != JUDGED:
            shutil.copy(folder / f"{task}-answers.json", answers)
        file = answers if command[0] == "score" else rng.choice(sorted(files))
        mutate(file, rng)
        data = folder / f"{task}.json"
        aside = folder / "aside.json"
        hidden = command[0] == "report" and rng.random() < 0.5  # then results.json is what there is
        if hidden:
            data.rename(aside)
        words = [
            {"RUN": str(home), "TASK": task, "answers.json": str(answers)}.get(one, one) for one in command
        ]
        ran = run("eval", *words)
        codes[int(ran.code)] += 1
        said = f"{number}: eval {' '.join(command)} with {file.name}: {ran.code}\n{ran.err[-600:]}"
        if ran.code not in (0, 2, 3, 4, 6) or "This is a bug" in ran.err or "Traceback" in ran.err:
            wrong.append(said)
        elif ran.code == 2 and not any(one in ran.err + ran.out for one in (file.name, *ABOUT_ANSWERS)):
            wrong.append(f"not named: {said}")
        if hidden:
            aside.rename(data)
        shutil.rmtree(home.parent)
        shutil.copytree(kept, home.parent)
    return codes, wrong


@pytest.mark.parametrize("seed", [1])
def test_no_changed_folder_crashes_a_command(
    run: Run, homes: dict[str, Path], tmp_path: Path, seed: int
) -> None:
    _, wrong = try_mutations(run, homes, tmp_path, 120, seed)
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_nor_do_a_thousand_others(run: Run, homes: dict[str, Path], tmp_path: Path) -> None:
    codes, wrong = try_mutations(run, homes, tmp_path, COUNT, SEED)
    sys.stdout.write(
        f"{COUNT} folders changed with seed {SEED}: exit codes {dict(sorted(codes.items()))}, {len(wrong)} wrong\n"
    )
    assert not wrong, "\n".join(wrong)


def as_lines(records: Sequence[Any]) -> str:
    return "".join(f"{json.dumps(one)}\n" for one in records)


@pytest.mark.parametrize(
    ("file", "key", "value", "said"),
    [
        ("run.json", ("identity", "comment", "max_tokens"), None, "'identity.comment.max_tokens'"),
        ("run.json", ("about", "wanted", "limit"), "x", "'about.wanted.limit'"),
        ("run.json", ("about", "wanted", "methods"), None, "'about.wanted.methods'"),
        ("run.json", ("about", "wanted", "more"), 1, "'about.wanted.more' is not known"),
        (
            "run.json",
            ("identity", "pool", "members", 0, "weight"),
            10**400,
            "'identity.pool.members.0.weight'",
        ),
        ("run.json", ("id",), deep(900), "is nested more than 32 deep"),
        ("samples.jsonl", ("method",), 7, "line 1: 'method'"),
        ("samples.jsonl", ("pred_distribution",), [0.5, 0.5], "has 2 numbers for 3 options"),
        ("samples.jsonl", ("pred_distribution",), [0.5, 0.2, 0.1], "sums to 0.8 and not to 1"),
        ("samples.jsonl", ("usage",), {"llm": {"prompt": -1}}, "'usage.llm.prompt'"),
    ],
)
def test_a_fault_is_named_by_file_and_key(
    run: Run, tmp_path: Path, file: str, key: tuple[Any, ...], value: Any, said: str
) -> None:
    data = write(tmp_path / "rows.json", [rows.global_opinion(i) for i in range(3)])
    line = ("--task", TASKS[0], "--data", str(data), "--output", "RUN", "--method", "vanilla")
    assert run("eval", "run", *line).code == 0
    path = tmp_path / "RUN" / file
    records = [json.loads(line) for line in path.read_text().splitlines()] if file.endswith("l") else None
    found = records[0] if records else json.loads(path.read_text())
    at = found
    for part in key[:-1]:
        at = at[part]
    at[key[-1]] = value
    path.write_text(as_lines(records) if records else json.dumps(found))
    for command in (
        ("show", "RUN"),
        ("report", "RUN", "-o", "-"),
        ("resume", "RUN"),
        ("export", "RUN", "vanilla", "-"),
    ):
        ran = run("eval", *command)
        # a report shows what results.json has in place of answers that cannot be read
        assert ran.code == (0 if command[0] == "report" and file == "samples.jsonl" else 2), command
        assert file in ran.err and said in ran.err
