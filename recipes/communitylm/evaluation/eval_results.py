"""What is kept of an evaluation in the repository: its figures with their intervals, and what they are of.

    RUN/run.json, results.json, judge.json
      └──condensed──> {task, methods{name: {metric: {value, low, high}}}, n, model, adapters{community: sha256}, …}
                        ├──written──> eval-<task>.json
                        └──page─────> README.md, a table per task

A judge may compare the responses of an overton-nli run, whether their coverage was scored or not: a result of its own.
Failure modes: a folder without a run or without results (`NotFound`), a run with samples that failed or are missing, or
a judging that was stopped (`Refused`, with the command that completes it).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.evaluation.tasks import TASKS
from pluralism_local.files import write_atomic

JUDGED = next(name for name, task in TASKS.items() if task.judged)
"""The task that a judge's verdicts are results of."""

VERDICTS = ("win", "tie", "lose")

OPENING = """# Results

Made by `python recipes/collect_results.py RUN...` from runs of `plocal eval`; LOG.md says with which commands, and on
which machine. Every figure stands with its 95 % interval, bootstrapped over questions or situations. The base is the
starter, SmolLM2-135M: a model that can hardly use what it is told, so that these tables show that the method runs as
published, not what it is worth. `uniform` and `shuffled` are controls: equal shares or random labels, and the answers
of `ours` given to other options or samples. A method that does no better than they do shows no sign of understanding.
"""


def condensed(folder: Path) -> list[dict[str, Any]]:
    """The figures of the run in `folder`; two results where a judge was asked.

    Raises:
        NotFound, Refused, InvalidInput: see the module.
    """
    run = _read(folder / "run.json", "Give a folder that plocal eval run made.")
    identity = run["identity"]
    about = {
        "schema": "plocal.recipe.eval/1",
        "task": identity["task"],
        "n": identity["samples"]["n"],
        "model": identity["llm"],
        "pool": identity["pool"]["id"],
        "adapters": {member["community"]: member["adapter_sha256"] for member in identity["pool"]["members"]},
        "run": run["id"],
        "comment": identity["comment"],
        "answer": identity["answer"],
    }
    scored, judged = (folder / "results.json").exists(), (folder / "judge.json").exists()
    results = []
    if identity["task"] != JUDGED and (scored or not judged):
        results.append({**about, **_scored(folder)})
    if judged or identity["task"] == JUDGED:
        results.append({**about, **_judged(folder)})
    return results


def written(result: Mapping[str, Any], to: Path) -> Path:
    """Write a condensed result; its path."""
    path = to / f"eval-{result['task']}.json"
    write_atomic(path, json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    return path


def read_results(folder: Path) -> list[dict[str, Any]]:
    """The condensed results in `folder`, in the order of the tasks."""
    paths = {task: folder / f"eval-{task}.json" for task in TASKS}
    return [json.loads(path.read_bytes()) for path in paths.values() if path.exists()]


def page(results: Sequence[Mapping[str, Any]]) -> str:
    """All tables as Markdown."""
    return "\n".join([OPENING, *(_section(result) for result in results)])


def _section(result: Mapping[str, Any]) -> str:
    task, methods = result["task"], result["methods"]
    columns = VERDICTS if task == JUDGED else TASKS[task].columns
    present = [name for name in columns if any(name in row for row in methods.values())]
    facts = (
        f"{result['n']} samples · model {result['model']['id']} · pool {result['pool']} · comments of at most "
        f"{result['comment']['max_tokens']} tokens · seed {result['comment']['seed']} · run {result['run']}"
    )
    extra = [result["note"]] if "note" in result else []
    head = "against" if task == JUDGED else "method"
    rows = [[name, *(_cell(row.get(metric)) for metric in present)] for name, row in methods.items()]
    table = [
        "| " + " | ".join([head, *present]) + " |",
        "|" + "---|" * (len(present) + 1),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    return "\n".join(
        [f"## {task}", "", *([facts, ""]), *(line for note in extra for line in (note, "")), *table, ""]
    )


def _cell(figure: Mapping[str, float | None] | None) -> str:
    if figure is None or figure["value"] is None:
        return "–"
    low, high = figure["low"], figure["high"]
    interval = "" if low is None or high is None else f" ({low:.3f} to {high:.3f})"
    return f"{figure['value']:.3f}{interval}"


def _figures(methods: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            metric: {"value": figure["value"], "low": figure["low"], "high": figure["high"]}
            for metric, figure in row.items()
            if metric != "counts"
        }
        for name, row in methods.items()
    }


def _scored(folder: Path) -> dict[str, Any]:
    """The scores of a run of which nothing failed and nothing is missing."""
    results = _read(folder / "results.json", f"plocal eval resume {folder}")
    problems = [f"{count} of {name} failed" for name, count in results["failed"].items() if count]
    problems += [f"{count} of {name} are missing" for name, count in results["missing"].items() if count]
    if problems:
        raise Refused(
            f"{folder} is not complete: {', '.join(problems)}.", f"plocal eval resume {folder} --retry-failed"
        )
    return {"n": results["n"], "methods": _figures(results["methods"])}


def _judged(folder: Path) -> dict[str, Any]:
    """The first judge's verdicts by opponent, and what is to be known about the judge."""
    command = f"plocal eval judge {folder} ours vanilla prompting moe shuffled"
    judging = _read(folder / "judge.json", command)
    if not judging["complete"]:
        raise Refused(f"The judging of {folder} is not complete.", command)
    judge = judging["judges"][0]
    bias = {name: row["position_bias"] for name, row in judge["opponents"].items()}
    flipped = [places["flipped"] for places in bias.values()]
    note = (
        f"Shares of pairs that {judging['a']} wins, ties and loses, by the judge {judge['judge']} in both orders. "
        f"In {min(flipped):.0%} to {max(flipped):.0%} of them the judge named the same place both times: a tie."
    )
    shares = {
        name: {outcome: row[outcome] for outcome in ("win", "tie", "lose")}
        for name, row in judge["opponents"].items()
    }
    return {
        "task": JUDGED,
        "n": judging["n"],
        "judge": judge["model"],
        "position_bias": bias,
        "note": note,
        "methods": _figures(shares),
    }


def _read(path: Path, command: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise NotFound(f"There is no {path}.", command) from None
    except ValueError as error:
        raise InvalidInput(f"{path} is no JSON: {error}.", "Restore it, or make it anew.") from error
