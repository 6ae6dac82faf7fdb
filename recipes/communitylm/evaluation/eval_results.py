"""What is kept of an evaluation in the repository: its figures with their intervals, and what they are of.

    RUN/run.json, results.json, judge.json
      └──condensed──> {task, methods{name: {metric: {value, low, high}}}, n, model, adapters{community: sha256}, …}
                        ├──written──> eval-<task>[-<model>][-<orders>].json: starter and published order unnamed
                        └──page─────> README.md, a table per task, model and rule of orders

With a run's scores stand what it cost and how far its leading method is from each other one, paired. A judge may
compare the responses of an overton-nli run, whether their coverage was scored or not: a result of its own. Failure
modes: a folder without a run or without results (`NotFound`), a run with samples that failed or are missing, or a
judging that was stopped (`Refused`, with the command that completes it). A run of drawn samples that was stopped may be
kept as far as every method has come: draws go by a hash, so that these are the samples that a smaller limit draws.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.evaluation.tasks import TASKS
from pluralism_local.files import write_atomic
from pluralism_local.model_names import STARTER, without_folders

JUDGED = next(name for name, task in TASKS.items() if task.judged)
"""The task that a judge's verdicts are results of."""

VERDICTS = ("win", "tie", "lose")

OPENING = """# Results

Made by `python recipes/collect_results.py RUN...` from runs of `plocal eval`; LOG.md says with which commands, and on
which machine. Every figure stands with its 95 % interval, bootstrapped over questions or situations. Each table names
its model. The starter, SmolLM2-135M, can hardly use what it is told: its tables show that the method runs as
published, not what it is worth. `ours` is the communities through their adapters, `persona` the same communities
through personas. A difference is paired over samples, and bold where its interval leaves out 0. `uniform` and
`shuffled` are controls: equal shares or random labels, and the answers of `ours` (or `persona`) given to other
options or samples. A method that does no better than they do shows no sign of understanding. What larger models say
about the method: [real-models.md](real-models.md).
"""


def condensed(folder: Path, *, partial: bool = False) -> list[dict[str, Any]]:
    """The figures of the run in `folder`; two results where a judge was asked.

    Args:
        partial: take what there is of a run of drawn samples that was stopped.

    Raises:
        NotFound, Refused, InvalidInput: see the module.
    """
    run = _read(folder / "run.json", "Give a folder that plocal eval run made.")
    identity = run["identity"]
    about = {
        "schema": "plocal.recipe.eval/1",
        "task": identity["task"],
        "n": identity["samples"]["n"],
        "model": {**identity["llm"], "id": _model_name(identity["llm"]["id"])},
        "orders": identity.get("orders", {}).get("rule", "asked"),
        "pool": identity["pool"]["id"],
        "adapters": {member["community"]: member["adapter_sha256"] for member in identity["pool"]["members"]},
        "run": run["id"],
        "comment": identity["comment"],
        "answer": identity["answer"],
    }
    scored, judged = (folder / "results.json").exists(), (folder / "judge.json").exists()
    results = []
    if identity["task"] != JUDGED and (scored or not judged):
        results.append({**about, **_scored(folder, partial=partial and _is_drawn(run))})
    if judged or identity["task"] == JUDGED:
        results.append({**about, **_judged(folder)})
    return results


def written(result: Mapping[str, Any], to: Path) -> Path:
    """Write a condensed result; its path."""
    path = to / f"eval-{'-'.join([result['task'], *_apart(result)])}.json"
    to.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(result, ensure_ascii=False, indent=1) + "\n")
    return path


def read_results(folder: Path) -> list[dict[str, Any]]:
    """The condensed results in `folder`, in the order of the tasks, of each the starter's published order first."""
    results = [json.loads(path.read_bytes()) for path in sorted(folder.glob("eval-*.json"))]
    places = list(TASKS)
    return sorted(results, key=lambda result: (places.index(result["task"]), *_apart(result)))


def _model_name(id: str) -> str:
    """A model as others know it: of a file its name, without the folder on this machine."""
    return without_folders(id).removesuffix(".gguf")


def _is_drawn(run: Mapping[str, Any]) -> bool:
    return run["about"]["wanted"]["draw"] is not None


def _apart(result: Mapping[str, Any]) -> list[str]:
    """What tells a result from the other ones of its task, as far as it is not the usual."""
    model, orders = _model_name(result["model"]["id"]), result.get("orders", "asked")
    return [
        *([] if model == STARTER else [re.sub(r"[^\w.]+", "-", model)]),
        *([] if orders == "asked" else [orders]),
    ]


def page(results: Sequence[Mapping[str, Any]]) -> str:
    """All tables as Markdown."""
    return "\n".join([OPENING, *(_section(result) for result in results)])


def _section(result: Mapping[str, Any]) -> str:
    task, methods = result["task"], result["methods"]
    columns = VERDICTS if task == JUDGED else TASKS[task].columns
    present = [name for name in columns if any(name in row for row in methods.values())]
    comment, orders = result["comment"], result.get("orders", "asked")
    facts = " · ".join(
        [
            f"{result['n']} samples{_of_wanted(result)}",
            f"model {result['model']['id']}",
            f"pool {result['pool']}{_without_adapters(result['adapters'])}",
            f"comments of at most {comment['max_tokens']} tokens",
            f"seed {comment['seed']}",
            f"run {result['run']}",
            *([] if orders == "asked" else [f"orders of options: {orders}"]),
        ]
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
        [
            " · ".join([f"## {task}", *_apart(result)]),
            "",
            facts,
            "",
            *(line for note in extra for line in (note, "")),
            *table,
            "",
            *_differences(result, present),
            *_order_effect(result),
            *_cost(result),
        ]
    )


def _without_adapters(adapters: Mapping[str, str | None]) -> str:
    return ", personas without adapters" if adapters and not any(adapters.values()) else ""


def _of_wanted(result: Mapping[str, Any]) -> str:
    wanted = result.get("wanted", result["n"])
    return "" if wanted == result["n"] else f", the first of {wanted} that were drawn"


def _differences(result: Mapping[str, Any], columns: Sequence[str]) -> list[str]:
    """The leading method minus each other one, by those of `columns` that are paired; nothing where none is."""
    differences = result.get("differences") or {"of": None, "minus": {}}
    minus = differences["minus"]
    paired = [name for name in columns if any(name in row for row in minus.values())]
    if not paired:
        return []
    return [
        "| " + " | ".join([f"{differences['of']} minus", *paired]) + " |",
        "|" + "---|" * (len(paired) + 1),
        *(
            "| " + " | ".join([name, *(_difference(row.get(metric)) for metric in paired)]) + " |"
            for name, row in minus.items()
        ),
        "",
    ]


def _difference(figure: Mapping[str, float | None] | None) -> str:
    text = _cell(figure)
    if figure is None or figure["low"] is None or figure["high"] is None:
        return text
    return f"**{text}**" if figure["low"] > 0 or figure["high"] < 0 else text


def _order_effect(result: Mapping[str, Any]) -> list[str]:
    """How far an answer's orders are from their mean."""
    effects = [f"{method} {effect:.3f}" for method, effect in result.get("order_effect", {}).items()]
    return [f"Order effect (mean total variation): {', '.join(effects)}.", ""] if effects else []


def _cost(result: Mapping[str, Any]) -> list[str]:
    """What an answer costs, in tokens: read (without those kept from before), and written."""
    rows = []
    for method, roles in result.get("cost", {}).items():
        read = sum(kinds["prompt"] - kinds["reused"] for kinds in roles.values())
        written = sum(kinds["completion"] for kinds in roles.values())
        rows.append(f"{method} {read:,.0f} + {written:,.0f}")
    return [f"Tokens an answer, read + written: {', '.join(rows)}.", ""] if rows else []


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


def _scored(folder: Path, *, partial: bool) -> dict[str, Any]:
    """The scores of a run of which nothing failed, and nothing is missing unless it may be `partial`."""
    results = _read(folder / "results.json", f"plocal eval resume {folder}")
    problems = [f"{count} of {name} failed" for name, count in results["failed"].items() if count]
    if not partial:
        problems += [f"{count} of {name} are missing" for name, count in results["missing"].items() if count]
    if problems:
        raise Refused(
            f"{folder} is not complete: {', '.join(problems)}.", f"plocal eval resume {folder} --retry-failed"
        )
    minus = results["differences"]["minus"] if "differences" in results else {}
    return {
        "n": results["n"],
        "wanted": results.get("wanted", results["n"]),
        "methods": _figures(results["methods"]),
        **({"differences": {"of": results["differences"]["of"], "minus": _figures(minus)}} if minus else {}),
        **({"cost": results["cost"]} if "cost" in results else {}),
        **({"order_effect": effects} if (effects := _order_effects(results)) else {}),
    }


def _order_effects(results: Mapping[str, Any]) -> dict[str, float]:
    """Method -> mean total variation of the orders from their average, where options were asked in several."""
    bases = results.get("basis", {})
    return {
        name: basis["order_effect"] for name, basis in bases.items() if basis.get("order_effect") is not None
    }


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
        f"Shares of pairs that {judging['a']} wins, ties and loses, by the judge {_model_name(judge['judge'])} in both "
        f"orders. In {min(flipped):.0%} to {max(flipped):.0%} of them the judge named the same place both times: a tie."
    )
    shares = {
        name: {outcome: row[outcome] for outcome in ("win", "tie", "lose")}
        for name, row in judge["opponents"].items()
    }
    return {
        "task": JUDGED,
        "n": judging["n"],
        "judge": {**judge["model"], "id": _model_name(judge["model"]["id"])},
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
