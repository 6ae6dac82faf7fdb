"""What `ask --dry-run` prints: the mode, the models, who is asked, and every prompt with its length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pluralism_local.cli.output import Output, key_values, table
from pluralism_local.conversation.draw_cost import DrawCost
from pluralism_local.conversation.rehearsal import RehearsedStep, rehearse
from pluralism_local.display.figures import clean, many
from pluralism_local.mode_specs import SPECS
from pluralism_local.types import ModelInfo, Sampling

if TYPE_CHECKING:
    from pluralism_local.communities import Member
    from pluralism_local.conversation.engines import Handles
    from pluralism_local.modes import Ask


def show_plan(out: Output, task: Ask, handles: Handles, warnings: list[str]) -> None:
    """Rehearse `task` and print the plan; nothing is decoded."""
    draws = DrawCost.of(task) if task.draws else None
    task = replace(task, draws=0)  # what is asked about drawn comments follows from them
    steps, result = rehearse(task, handles.llm, handles.communities, handles.habits)
    warnings = [*warnings, *result.warnings]
    plan = _record(task, handles, steps, list(result.prompts), warnings) | {
        "draws": None if draws is None else asdict(draws)
    }
    out.show(plan, "\n\n".join(_text(out, task, handles, steps, list(result.prompts), draws)))
    if out.format not in ("json", "jsonl"):
        for warning in warnings:
            out.warn(warning)


def _record(
    task: Ask, handles: Handles, steps: list[RehearsedStep], prompts: list[str], warnings: list[str]
) -> dict[str, Any]:
    members = task.pool.members if task.pool is not None else ()
    return {
        "schema": "plocal.plan/1",
        "mode": task.mode,
        "prompt": task.prompt,
        "model": asdict(handles.llm.info),
        "communities_model": asdict(handles.communities.info) if members else None,
        "pool": task.pool.id if task.pool is not None else None,
        "communities": [
            {"id": member.community.id, "weight": member.weight, "adapter_sha256": sha256, "scale": scale}
            for member in members
            for sha256, scale in [_adapter(member)]
        ],
        "attribute": task.attribute,
        "options": list(task.options),
        "orders": task.orders,
        "sampling": {"answer": asdict(task.answer), "comment": asdict(task.comment)},
        "prompts": prompts,
        "steps": [step.record() for step in steps],
        "warnings": warnings,
    }


def _adapter(member: Member) -> tuple[str | None, float | None]:
    reference = member.adapter
    return (None, None) if reference is None else (reference.sha256, reference.scale)


def _text(
    out: Output,
    task: Ask,
    handles: Handles,
    steps: list[RehearsedStep],
    prompts: list[str],
    draws: DrawCost | None,
) -> list[str]:
    members = task.pool.members if task.pool is not None else ()
    facts = key_values(
        [
            ("mode", task.mode),
            ("model", _model(handles.llm.info)),
            ("communities on", _model(handles.communities.info) if members else None),
            ("pool", task.pool.id if task.pool is not None else None),
            ("attribute", task.attribute),
            ("options", " | ".join(task.options) or None),
            ("weighed", _weighed(task, steps)),
            ("answer", _sampling(task.answer)),
            ("comments", _sampling(task.comment) if members else None),
            ("draws", None if draws is None else draws.sentence),
            ("prompts", ", ".join(prompts) or None),
        ]
    )
    blocks = [facts]
    if members:
        rows = []
        for member in members:
            sha256, scale = _adapter(member)
            adapter = f"{sha256[:12]} at {scale:g}" if sha256 is not None and scale is not None else "none"
            rows.append([member.community.id, f"{member.weight:.3f}", adapter])
        blocks.append(table(rows, ["community", "weight", "adapter"]))
    blocks.append(_counts(steps))
    return [*blocks, *_steps(out, steps)]


def _counts(steps: list[RehearsedStep]) -> str:
    """What is decoded at most, by who writes or is weighed."""
    kinds: dict[tuple[str, str], list[RehearsedStep]] = {}
    for step in steps:
        kinds.setdefault((step.role, "weigh" if step.max_tokens is None else "write"), []).append(step)
    rows = [
        [
            role,
            kind,
            f"{len(alike):,}",
            "unknown"
            if any(step.tokens is None for step in alike)
            else f"{sum((step.tokens or 0) + step.upto for step in alike):,}",
            f"{sum(step.max_tokens or 0 for step in alike):,}",
        ]
        for (role, kind), alike in kinds.items()
    ]
    return table(rows, ["role", "does", "requests", "prompt tokens at most", "new tokens at most"])


def _steps(out: Output, steps: list[RehearsedStep]) -> Iterator[str]:
    """Every request; of many votes in a row the first two, which differ in the order of the answers."""
    numbered = enumerate(steps, 1)
    for are_votes, group in groupby(numbered, lambda pair: _is_vote(pair[1])):
        requests = list(group)
        printed = requests[:2] if are_votes else requests
        yield from (_step(out, number, step) for number, step in printed)
        if left := len(requests) - len(printed):
            yield f"… and {left:,} more like the last two, for other voices, orders and texts"


def _is_vote(step: RehearsedStep) -> bool:
    """Whether a voice judges a statement; the LLM weighs options."""
    return step.role == "communities" and bool(step.options)


def _weighed(task: Ask, steps: list[RehearsedStep]) -> str | None:
    """How many requests for probabilities of the ask's options there are, and in which orders; None for none."""
    if not task.options and SPECS[task.mode].options != "needed":
        return None  # what the LLM tells of comments and claims it tells in no order
    requests = sum(bool(step.options) and not _is_vote(step) for step in steps)
    return f"{many(requests, 'request')}, orders of options: {task.orders}" if requests else None


def _step(out: Output, number: int, step: RehearsedStep) -> str:
    length = "length unknown" if step.tokens is None else f"{step.tokens} tokens"
    more = f" + at most {step.upto} of comments" if step.upto else ""
    then = (
        f"{step.max_tokens} new at most"
        if step.max_tokens is not None
        else f"weigh {', '.join(step.options)}"
    )
    head = out.bold(f"[{number}] {step.role}: {length}{more}, {then}")
    lines = [head]
    for message in step.messages:
        lines.append(f"  {message.role}:")
        lines += [f"    {line}".rstrip() for line in clean(message.content).splitlines()]
    return "\n".join(lines)


def _model(info: ModelInfo) -> str:
    context = f", context {info.context}" if info.context is not None else ""
    return f"{info.id} ({info.backend}{context})"


def _sampling(sampling: Sampling) -> str:
    return (
        f"temperature {sampling.temperature:g}, top-p {sampling.top_p:g}, "
        f"at most {sampling.max_tokens} tokens, seed {sampling.seed}"
    )
