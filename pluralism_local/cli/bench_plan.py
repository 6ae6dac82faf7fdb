"""`plocal bench --plan`: how this machine runs a model, and the measurements that it was chosen by."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pluralism_local import wiring
from pluralism_local.cli.output import Output, key_values, table
from pluralism_local.display.figures import many

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.engine.planner import Choices, Planned, WayTimes


def show(out: Output, settings: Settings, *, remeasure: bool, note: Callable[[str], None]) -> None:
    """Open the model as an ask would, which measures it the first time, and show its plan.

    Raises: as `wiring.open_local` does.
    """
    with wiring.open_local(settings.model, settings, note, remeasure=remeasure) as engine:
        name, planned = engine.info.id, engine.planned
    out.show(_record(name, planned), _text(name, planned))


def _record(name: str, planned: Planned) -> dict[str, Any]:
    measured = planned.remembered.table
    return {
        "schema": "plocal.bench-plan/1",
        "model": name,
        "plan": planned.choices.plan_id,
        "measured": planned.remembered.choices is not None,
        "reason": planned.remembered.reason or None,
        "choices": planned.choices.record(),
        "rules": planned.rules.record(),
        "adapters": [comparison.record() for comparison in planned.adapters.remembered()],
        "table": None if measured is None else measured.record(),
    }


def _text(name: str, planned: Planned) -> str:
    remembered, choices = planned.remembered, planned.choices
    by = f"measured in {remembered.table.seconds:.1f} s" if remembered.table and remembered.choices else None
    lines = [
        f"{name}: plan {choices.plan_id}",
        "",
        key_values(
            [
                ("chosen by", by or f"fixed rules, since {remembered.reason}"),
                ("threads", str(choices.threads)),
                ("flash attention", "on" if choices.flash else "off"),
                ("texts of one kind", _batches(choices)),
                ("several adapters", "; ".join(_adapters(planned))),
                ("guesses", _guesses(choices)),
            ]
        ),
    ]
    if remembered.table is not None:
        lines += ["", *_figures(remembered.table)]
    return "\n".join(lines)


def _batches(choices: Choices) -> str:
    """``"1 to 5 in one context, 6 to 32 in 2 contexts of at most 16"``."""
    numbered = enumerate(choices.batches, 1)
    parts = []
    for batch, group in groupby(numbered, key=lambda pair: pair[1]):
        counts = [number for number, _ in group]
        whom = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else str(counts[0])
        where = "one context" if batch.lanes == 1 else f"{batch.lanes} contexts"
        parts.append(f"{whom} in {where} of at most {batch.rows}")
    return "; ".join(parts[:8]) + ("; …" if len(parts) > 8 else "")


def _adapters(planned: Planned) -> list[str]:
    """How several adapters run: what was measured of each number of them, or the rule."""
    compared = planned.adapters.remembered()
    if not compared:
        lanes = many(planned.choices.lanes_apart(6), "context")
        return [f"stacked in one batch where they can be, else apart, {lanes} side by side for six"]
    return [
        f"{each.adapters} (rank {each.rank}) {'stacked' if each.is_stacked_faster else 'apart'}: a token of each takes "
        f"{each.stacked_seconds * 1e3:.1f} ms stacked, {each.apart_seconds * 1e3:.1f} ms apart"
        for each in compared
    ]


def _guesses(choices: Choices) -> str:
    costs = [choices.cost_of_rows(rows) for rows in (2, 4, 8)]
    if None in costs:
        return "verified at the usual cost of a batch"
    told = ", ".join(f"{rows} rows {cost:.2f}" for rows, cost in zip((2, 4, 8), costs, strict=True))
    return f"a step of one row costs 1, of {told}"


def _figures(measured: WayTimes) -> list[str]:
    """Milliseconds of steps, a line a way."""
    counts = sorted({rows for steps in measured.steps.values() for rows in steps})
    header = ["ms a step of rows", *map(str, counts), "prompt tokens/s"]
    body = []
    for way, steps in measured.steps.items():
        prompt = measured.prefill.get(way)
        body.append(
            [
                str(way),
                *(f"{steps[rows] * 1e3:.1f}" if rows in steps else "" for rows in counts),
                "" if prompt is None else f"{1 / prompt:.0f}",
            ]
        )
    return [
        table(body, header),
        "",
        f"Medians of three rounds, which differed by {measured.spread - 1:.0%}; rows are each context's.",
    ]
