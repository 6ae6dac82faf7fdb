"""Entropy of answers by method: how far models spread, beside how far people do (the paper's Table 6)."""

from __future__ import annotations

from collections.abc import Sequence

from pluralism_local.evaluation.report.analyses import gold_entropy
from pluralism_local.evaluation.report.blocks import Block, Heading, Paragraph
from pluralism_local.evaluation.report.sections.common import by_method
from pluralism_local.evaluation.report.views import RunView, of_estimate, with_scores


def blocks(runs: Sequence[RunView]) -> list[Block]:
    """A figure per run whose answers are distributions."""
    content: list[Block] = []
    for run in with_scores(runs):
        if not any(run.points("entropy", run.methods)):
            continue
        gold = None if run.summary is None else of_estimate(gold_entropy(run.summary.samples))
        name = "people" if run.facts is None else run.facts.gold
        figure = by_method(run, "entropy", "Entropy of answers by method", [(name, gold)] if gold else [])
        if figure is not None:
            content += [Heading(run.title), figure]
    if not content:
        return []
    return [
        Paragraph(
            "The mean entropy of the answers' distributions, in nats: 0 is certainty, the logarithm of the number of "
            "options an even split. More is not better; what counts is how near it is to the people's or the target's, "
            "and an answer can be as spread out as theirs and still be another."
        ),
        *content,
    ]
