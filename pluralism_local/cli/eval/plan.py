"""`plocal eval run --dry-run`: what a run would ask, and how long it may take: `evaluation.estimate`, shown.

Where texts are scored by entailment, `evaluation.entailment_cost` adds that.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from pluralism_local.cli.output import Output, key_values
from pluralism_local.display.figures import many

if TYPE_CHECKING:
    from pluralism_local.evaluation.nli import NliScorer
    from pluralism_local.evaluation.service import PreparedRun


def show_plan(
    out: Output, evaluation: PreparedRun, open_scorer: Callable[[], AbstractContextManager[NliScorer]] | None
) -> None:
    """Print the plan; nothing is kept. `open_scorer`: what opens the scorer of entailment, if answers are scored so."""
    from pluralism_local.evaluation.entailment_cost import with_entailment
    from pluralism_local.evaluation.estimate import estimate

    setup, methods = evaluation.setup, evaluation.model_methods
    record, scorer_name = estimate(setup, methods), ""
    if open_scorer is not None:
        with open_scorer() as scorer:
            out.clear_status()
            record = with_entailment(record, setup, evaluation.spec.methods, scorer)
            scorer_name = scorer.name
    pool = f"{setup.pool.id}, {many(len(setup.pool.members), 'community', 'communities')}"
    text = key_values(
        [
            ("task", setup.task.name),
            ("samples", f"{len(setup.samples):,}"),
            ("methods", ", ".join(methods)),
            ("pool", pool if setup.task.heard else None),
            ("model", setup.llm.info.id),
            (
                "comments",
                f"{record['comments']:,} of at most {setup.comment.max_tokens} tokens"
                if setup.task.heard
                else None,
            ),
            (
                "weighing",
                f"{record['weighings']:,} requests"
                + (f", orders of options: {setup.orders}" if setup.task.heard else "")
                if record["weighings"]
                else None,
            ),
            ("prompts", f"about {record['prompt_tokens']:,} tokens to read"),
            (
                "writing",
                f"at most {record['completion_tokens']:,} tokens" if record["completion_tokens"] else None,
            ),
            (
                "scoring",
                f"at most about {record['entailment_pairs']:,} pairs, entailment by {scorer_name}"
                if scorer_name
                else None,
            ),
            (
                "time",
                f"at most about {time_in_words(record['minutes'])}, by a probe on this machine, as busy as it is now",
            ),
            ("folder", evaluation.path),
        ]
    )
    out.show(record | {"folder": str(evaluation.path)}, text)


def time_in_words(minutes: float) -> str:
    """Whole minutes, at least one; from two hours on whole hours."""
    return f"{round(minutes / 60)} hours" if minutes >= 120 else many(max(1, round(minutes)), "minute")
