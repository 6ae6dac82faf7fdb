"""The parts of a report, one module each; a part without anything to show is left out.

RunViews ──opening──> what the report is of          ──all_sections──> Section…
"""

from __future__ import annotations

from collections.abc import Sequence

from pluralism_local.evaluation.report.blocks import Block, Paragraph, Section, Table
from pluralism_local.evaluation.report.measures import METHODS
from pluralism_local.evaluation.report.sections import (
    basis,
    cost,
    coverage,
    distributions,
    entropy,
    judges,
    pools,
    scores,
)
from pluralism_local.evaluation.report.views import RunView

_PARTS = (
    ("Scores", "scores", scores.blocks),
    ("Distributions", "distributions", distributions.blocks),
    ("Entropy of answers", "entropy", entropy.blocks),
    ("Coverage and faithfulness", "coverage", coverage.blocks),
    ("Judges", "judges", judges.blocks),
    ("Pools", "pools", pools.blocks),
    ("Cost", "cost", cost.blocks),
    ("What it rests on", "basis", basis.blocks),
)


def all_sections(runs: Sequence[RunView]) -> list[Section]:
    """Those that have something to show, in order."""
    contents = ((title, anchor, tuple(blocks(runs))) for title, anchor, blocks in _PARTS)
    return [Section(title, anchor, content) for title, anchor, content in contents if content]


def opening(runs: Sequence[RunView]) -> list[Block]:
    """What the figures are, which runs they come from, and what could not be shown."""
    content: list[Block] = [
        Paragraph(
            "Every figure here is an estimate of a model: what a language model answered with comments of "
            "communities, themselves models trained on texts. None is a survey of the people named. Where people were "
            "asked, their answers are called so."
        ),
        Table(
            "Runs in this report",
            ("run", "task", "model", "pool", "samples scored"),
            tuple((run.id, run.task, run.model, run.pool, _scored(run)) for run in runs),
        ),
    ]
    content += [Paragraph(f"{run.name}: {note}", "aside") for run in runs for note in run.notes]
    names = [name for name in METHODS if any(name in run.methods for run in runs)]
    if names:
        content.append(
            Table(
                "Methods and controls",
                ("method", "what it does"),
                tuple((name, METHODS[name]) for name in names),
            )
        )
    return content


def _scored(run: RunView) -> str:
    return "none" if run.record is None else f"{run.record['n']} of {run.record['wanted']}"
