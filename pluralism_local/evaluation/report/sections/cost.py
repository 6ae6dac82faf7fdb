"""Cost: tokens per answer by method and role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pluralism_local.display.figures import finite
from pluralism_local.evaluation.report.blocks import Block, Figure, Heading, Table
from pluralism_local.evaluation.report.plots import Point, Series, stacked_bars
from pluralism_local.evaluation.report.views import RunView, with_scores

_ROLES = {"communities": "communities", "llm": "LLM"}
_PARTS = (("read", 0), ("reused", 2), ("written", 1))


def blocks(runs: Sequence[RunView]) -> list[Block]:
    """A figure per run."""
    content: list[Block] = []
    for run in with_scores(runs):
        figure = _figure(run)
        if figure is not None:
            content += [Heading(run.title), figure]
    return content


def _figure(run: RunView) -> Figure | None:
    cost = {} if run.record is None else run.record.get("cost", {})
    rows = {
        f"{method}: {_ROLES.get(role, role)}": _tokens(kinds)
        for method, roles in cost.items()
        for role, kinds in sorted(roles.items())
    }
    rows = {name: row for name, row in rows.items() if any(row.values())}
    if not rows:
        return None
    return Figure(
        "Tokens per answer",
        "Mean tokens per sample: read (decoded from prompts), reused (of prompts, kept from before and free), and "
        f"written. Comments are counted with every method that uses them, though they are written once. {run.count}; "
        f"counts, so without intervals. {run.line}",
        stacked_bars(
            list(rows),
            [Series(name, key, tuple(Point(row[name]) for row in rows.values())) for name, key in _PARTS],
            "tokens per sample",
        ),
        Table(
            "Mean tokens per sample",
            ("method: who", *(name for name, _ in _PARTS), "all"),
            tuple(
                (name, *(f"{row[part]:.1f}" for part, _ in _PARTS), f"{sum(row.values()):.1f}")
                for name, row in rows.items()
            ),
        ),
    )


def _tokens(kinds: Mapping[str, object]) -> dict[str, float]:
    """Read, reused and written; a prompt's tokens include those reused."""
    prompt, reused, written = (finite(kinds.get(name)) or 0.0 for name in ("prompt", "reused", "completion"))
    return {"read": max(0.0, prompt - reused), "reused": reused, "written": written}
