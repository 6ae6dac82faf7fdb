"""Coverage of values in responses, and how far responses are made of the communities' comments (Figure 5)."""

from __future__ import annotations

from collections.abc import Sequence

from pluralism_local.evaluation.report.analyses import MessageFaithfulness
from pluralism_local.evaluation.report.blocks import Block, Figure, Heading, Paragraph, Table
from pluralism_local.evaluation.report.plots import Series, dot_plot
from pluralism_local.evaluation.report.published import FAITHFULNESS
from pluralism_local.evaluation.report.sections.common import by_method
from pluralism_local.evaluation.report.views import INTERVAL, RunView, of_estimate, shown

_OTHER = {
    "coverage_score": "Released score by method",
    "coverage_033": "Situations above 0.33 by method",
}


def blocks(runs: Sequence[RunView]) -> list[Block]:
    """Per run with responses: the released code's scores, and message faithfulness where it was computed."""
    found: list[Block] = []
    for run in runs:
        made: list[Block] = []
        if run.methods and run.facts is not None and run.facts.answers == "text":
            made += [figure for metric, title in _OTHER.items() if (figure := by_method(run, metric, title))]
            if made:
                made.insert(0, Paragraph(_two_ways(run)))
        if run.faithfulness is not None:
            made.append(_faithful(run, run.faithfulness))
        if made:
            found += [Heading(run.title), Paragraph(run.line, "aside"), *made]
    return found


def _two_ways(run: RunView) -> str:
    counts = {name: row.get("counts", {}).get("empty", 0) for name, row in run.methods.items()}
    empty = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    return (
        "Coverage under Scores follows the paper's appendix: a sentence of the response entails the value's "
        "explanation, as the likeliest of three classes. Here is what the released code computes instead: with the "
        "explanation as premise, the largest entailment probability of any sentence. "
        + (f"Empty responses cover nothing: {empty}." if empty else "No response was empty.")
    )


def _faithful(run: RunView, found: MessageFaithfulness) -> Figure:
    rows = [
        ("comments reflected, all communities", found.reflected),
        *((f"comments reflected: {id}", one) for id, one in found.communities.items()),
        ("sentences new", found.new),
    ]
    points = tuple(of_estimate(one) for _, one in rows)
    names = [name for name, _ in rows]
    silent = f" {found.silent} comments without text are left out." if found.silent else ""
    cut = f" {found.truncated} pairs were cut to the scorer's length." if found.truncated else ""
    return Figure(
        f"Message faithfulness of {found.method}",
        "A comment is reflected if it entails at least one sentence of the response; a sentence is new if no comment "
        "entails it. Shares, as means over responses; by community, the share of its comments. Entailment is the "
        f"likeliest of three classes by {found.scorer}. n = {found.reflected.n} responses.{silent}{cut} {INTERVAL} "
        f"{FAITHFULNESS} {run.line}",
        dot_plot(names, [Series("share", 0, points)], "share", breaks={1, len(rows) - 1}, low=0.0),
        Table(
            f"Message faithfulness, with 95 % interval; scorer {found.scorer_identity[:12]}",
            ("share of", "value", "n"),
            tuple((name, shown(point), str(one.n)) for (name, one), point in zip(rows, points, strict=True)),
        ),
    )
