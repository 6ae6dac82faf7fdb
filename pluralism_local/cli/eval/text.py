"""Tables of scores for people: plain, aligned, a value with its interval in one cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pluralism_local.cli.output import table

FIRST = {
    "overton-nli": ("coverage", "coverage_033"),
    "steerable-vk": ("accuracy", "balanced_accuracy", "macro_f1", "binary_accuracy"),
    "steerable-opinionqa": ("most_likely_accuracy", "most_likely_accuracy_by_category", "js_distance"),
    "distributional-moralchoice": ("js_distance", "js_distance_low", "js_distance_high"),
    "distributional-globalopinionqa": ("js_distance", "js_distance_by_country", "most_likely_accuracy"),
}
"""The figures that a task is about, in the order of their columns; others are shown with --all."""


def methods_table(task: str, methods: Mapping[str, Mapping[str, Any]], *, everything: bool = False) -> str:
    """A row per method, a column per figure; figures as in results.json."""
    names = list(dict.fromkeys(name for row in methods.values() for name in row if name != "counts"))
    shown = names if everything else [name for name in FIRST.get(task, ()) if name in names] or names
    rows = [[method, *(cell(row.get(name)) for name in shown)] for method, row in methods.items()]
    return table(rows, ["method", *shown])


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
        low, high = figure.get("low"), figure.get("high")
        clear = "" if low is None or high is None else "yes" if low > 0 or high < 0 else "no"
        rows.append([name, cell(figure), clear])
    return table(rows, ["metric", "difference", "beyond chance"])
