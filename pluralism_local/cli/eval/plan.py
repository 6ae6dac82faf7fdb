"""`plocal eval run --dry-run`: what a run would ask, and how long it may take: `evaluation.estimate`, shown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pluralism_local.cli.output import Output, key_values
from pluralism_local.display.figures import many

if TYPE_CHECKING:
    from pluralism_local.evaluation.runner import RunSetup


def show_plan(out: Output, setup: RunSetup, methods: Sequence[str], folder: Path) -> None:
    """Print the plan; nothing is kept."""
    from pluralism_local.evaluation.estimate import estimate

    record = estimate(setup, methods)
    text = key_values(
        [
            ("task", setup.task.name),
            ("samples", f"{len(setup.samples):,}"),
            ("methods", ", ".join(methods)),
            ("pool", f"{setup.pool.id}, {many(len(setup.pool.members), 'community', 'communities')}"),
            ("model", setup.llm.info.id),
            ("comments", f"{record['comments']:,} of at most {setup.comment.max_tokens} tokens"),
            (
                "weighing",
                f"{record['weighings']:,} requests, orders of options: {setup.orders}"
                if record["weighings"]
                else None,
            ),
            ("prompts", f"about {record['prompt_tokens']:,} tokens to read"),
            ("writing", f"at most {record['completion_tokens']:,} tokens"),
            (
                "time",
                f"at most about {many(max(1, round(record['minutes'])), 'minute')}, by a probe on this machine",
            ),
            ("folder", folder),
        ]
    )
    out.show(record | {"folder": str(folder)}, text)
