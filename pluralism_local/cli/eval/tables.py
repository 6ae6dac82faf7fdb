"""Tables of scores for people: plain, aligned, a value with its interval in one cell, within `WIDTH` columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pluralism_local.cli.output import table

WIDTH = 80
"""Columns that a table may take; a wider one goes on below itself."""

_ALSO = {"outside": "outside", "order_effect": "order effect"}
"""What of a method's basis stands behind its figures, where any method has it."""

NO_SCORE = "no score"
"""Stands in the first column of a method none of whose answers is one."""


def methods_table(
    task: str,
    methods: Mapping[str, Mapping[str, Any]],
    bases: Mapping[str, Mapping[str, Any]],
    *,
    everything: bool = False,
) -> str:
    """A row per method, a column per figure; figures and `bases` as in results.json."""
    columns = _columns(task, methods, everything=everything)
    also = {
        key: title
        for key, title in _ALSO.items()
        if any(basis.get(key) is not None for basis in bases.values())
    }
    rows = []
    for method, row in methods.items():
        basis = bases.get(method, {})
        cells = [cell(row.get(name)) for name in columns]
        if basis.get("void") and cells:
            cells[0] = NO_SCORE
        rows.append([method, *cells, *(_share(basis.get(key)) for key in also)])
    return folded(rows, ["method", *columns, *also.values()])


def folded(rows: Sequence[Sequence[str]], head: Sequence[str], names: int = 1) -> str:
    """`rows` as tables of at most `WIDTH` columns, one below the other; every one begins with the first `names` cells.

    A column that is too wide beside these stands alone with them, as wide as it is.
    """
    lined = [head, *rows]
    widths = [max(len(row[at]) for row in lined) for at in range(len(head))]
    first, parts = sum(widths[:names]), [list[int]()]
    for at in range(names, len(head)):
        taken = first + sum(widths[each] for each in (*parts[-1], at)) + 2 * (names + len(parts[-1]))
        if parts[-1] and taken > WIDTH:
            parts.append([])
        parts[-1].append(at)
    chosen = [[*range(names), *part] for part in parts]
    return "\n\n".join(
        table([[row[at] for at in part] for row in rows], [head[at] for at in part]) for part in chosen
    )


def leading_table(task: str, differences: Mapping[str, Any]) -> str:
    """What the leading method is apart from each other one, by the figures its task is about; "" if nothing is paired.

    Args:
        differences: as in results.json.
    """
    from pluralism_local.evaluation.tasks import TASKS

    rows_by_method = differences["minus"]
    names = [
        name
        for name in (TASKS[task].headline if task in TASKS else ())
        if any(row.get(name, {}).get("value") is not None for row in rows_by_method.values())
    ]
    if not names:
        return ""
    rows = [
        [method, *(_marked(row.get(name)) for name in names)]
        for method, row in rows_by_method.items()
        if any(name in row for name in names)
    ]
    return folded(rows, [f"{differences['of']} minus", *names])


def _marked(figure: Mapping[str, float | None] | None) -> str:
    """The difference; a star behind an interval that leaves out 0."""
    return cell(figure) + (" *" if figure is not None and is_clear(figure) else "")


def is_clear(figure: Mapping[str, float | None]) -> bool:
    """Whether a difference's interval leaves out 0."""
    low, high = figure.get("low"), figure.get("high")
    return low is not None and high is not None and (low > 0 or high < 0)


def reading(task: str, methods: Mapping[str, Mapping[str, Any]], *, everything: bool = False) -> str:
    """How the figures of `methods_table` are read: what their intervals are over, and which way is better."""
    from pluralism_local.evaluation.report.measures import measure
    from pluralism_local.evaluation.tasks import TASKS

    clusters = TASKS[task].clusters if task in TASKS else "questions or situations"
    columns = _columns(task, methods, everything=everything)
    ways = {way: [name for name in columns if measure(name).better == way] for way in ("higher", "lower")}
    better = [f"{way.capitalize()} is better: {', '.join(names)}." for way, names in ways.items() if names]
    return "\n".join([f"95 % intervals over {clusters}.", *better])


def _columns(task: str, methods: Mapping[str, Mapping[str, Any]], *, everything: bool) -> list[str]:
    from pluralism_local.evaluation.tasks import TASKS

    first = TASKS[task].columns if task in TASKS else ()
    names = list(dict.fromkeys(name for row in methods.values() for name in row if name != "counts"))
    return names if everything else [name for name in first if name in names] or names


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def cell(figure: Mapping[str, float | None] | None) -> str:
    """``"0.300 [0.281, 0.318]"``; a dash where there is no figure."""
    if figure is None or figure.get("value") is None:
        return "-"
    value = f"{figure['value']:.3f}"
    low, high = figure.get("low"), figure.get("high")
    return value if low is None or high is None else f"{value} [{low:.3f}, {high:.3f}]"


def differences_table(differences: Mapping[str, Mapping[str, float | None]]) -> str:
    """A row per metric: the difference, its interval, and whether the interval leaves out 0."""
    rows: list[Sequence[str]] = []
    for name, figure in differences.items():
        clear = "" if figure.get("low") is None else "yes" if is_clear(figure) else "no"
        rows.append([name, cell(figure), clear])
    return table(rows, ["metric", "difference", "beyond chance"])
