"""Coverage of values in responses, and how far responses are made of the communities' comments (Figure 5)."""

from __future__ import annotations

from collections.abc import Sequence

from pluralism_local.evaluation.report.analyses import MessageFaithfulness
from pluralism_local.evaluation.report.blocks import Block, Figure, Heading, Paragraph, Table
from pluralism_local.evaluation.report.plots import Series, dot_plot
from pluralism_local.evaluation.report.published import FAITHFULNESS
from pluralism_local.evaluation.report.sections.common import by_method
from pluralism_local.evaluation.report.views import INTERVAL, RunView, of_estimate, with_interval

_WINDOW = {
    "whole_window": "Answers that state their whole window, by method",
    "unreasonable": "Unreasonable viewpoints let in, by method",
    "unreasonable_share": "Unreasonable among the viewpoints that are stated, by method",
}
_OTHER = {
    "coverage_score": "Released score by method",
    "coverage_033": "Situations above 0.33 by method",
}


def blocks(runs: Sequence[RunView]) -> list[Block]:
    """Per run with responses: released scores or figures of windows, and faithfulness where it was computed."""
    content: list[Block] = []
    for run in runs:
        of_run: list[Block] = []
        if run.methods and run.facts is not None and run.facts.answers == "text":
            titles = _WINDOW if run.facts.windows else _OTHER
            of_run += [
                figure for metric, title in titles.items() if (figure := by_method(run, metric, title))
            ]
            if of_run:
                of_run.insert(0, Paragraph(_of_windows(run) if run.facts.windows else _two_ways(run)))
        if run.faithfulness is not None:
            of_run.append(_faithful(run, run.faithfulness))
        if of_run:
            content += [Heading(run.title), Paragraph(run.line, "aside"), *of_run]
    return content


def _of_windows(run: RunView) -> str:
    return (
        "The viewpoints are those of the file that was read, and which of them are reasonable is as it says there. A "
        "sentence states a viewpoint where entailment is the likeliest of three classes. Unreasonable ones are counted "
        f"over the questions that have some. {_empty(run)}"
    )


def _empty(run: RunView) -> str:
    counts = {name: row.get("counts", {}).get("empty", 0) for name, row in run.methods.items()}
    empty = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
    return f"Empty responses cover nothing: {empty}." if empty else "No response was empty."


def _two_ways(run: RunView) -> str:
    return (
        "Coverage under Scores follows the paper's appendix: a sentence of the response entails the value's "
        "explanation, as the likeliest of three classes. Here is what the released code computes instead: with the "
        f"explanation as premise, the largest entailment probability of any sentence. {_empty(run)}"
    )


def _faithful(run: RunView, faithfulness: MessageFaithfulness) -> Figure:
    rows = [
        ("comments reflected, all communities", faithfulness.reflected),
        *((f"comments reflected: {id}", estimate) for id, estimate in faithfulness.communities.items()),
        ("sentences new", faithfulness.new),
    ]
    points = tuple(of_estimate(estimate) for _, estimate in rows)
    names = [name for name, _ in rows]
    silent = f" {faithfulness.silent} comments without text are left out." if faithfulness.silent else ""
    cut = (
        f" {faithfulness.truncated} pairs were cut to the scorer's length." if faithfulness.truncated else ""
    )
    return Figure(
        f"Message faithfulness of {faithfulness.method}",
        "A comment is reflected if it entails at least one sentence of the response; a sentence is new if no comment "
        "entails it. Shares, as means over responses; by community, the share of its comments. Entailment is the "
        f"likeliest of three classes by {faithfulness.scorer}. n = {faithfulness.reflected.n} responses.{silent}"
        f"{cut} {INTERVAL} {FAITHFULNESS} {run.line}",
        dot_plot(names, [Series("share", 0, points)], "share", breaks={1, len(rows) - 1}, low=0.0),
        Table(
            f"Message faithfulness, with 95 % interval; scorer {faithfulness.scorer_identity[:12]}",
            ("share of", "value", "n"),
            tuple(
                (name, with_interval(point), str(estimate.n))
                for (name, estimate), point in zip(rows, points, strict=True)
            ),
        ),
    )
