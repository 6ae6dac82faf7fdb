"""What stands under a table of scores: each task's own metrics, and which way is better."""

from __future__ import annotations

import pytest

from pluralism_local.cli.eval.tables import reading

WINDOW = ("overton_score", "precision", "unreasonable")
MORAL = ("js_distance", "js_distance_low", "entropy", "ruled_out_low")


@pytest.mark.parametrize(
    ("task", "columns", "says"),
    [
        ("overton-nli", ("coverage",), "over situations; higher is better: coverage."),
        (
            "overton-window",
            WINDOW,
            "over questions; higher is better: overton_score, precision; lower is better: unreasonable.",
        ),
        (
            "distributional-moralchoice",
            MORAL,
            "over questions; lower is better: js_distance, js_distance_low, ruled_out_low.",
        ),
        ("of-a-later-version", ("depth",), "over questions or situations."),
    ],
)
def test_a_table_says_which_way_its_own_metrics_are_better(
    task: str, columns: tuple[str, ...], says: str
) -> None:
    figures = {"ours": {"counts": {"n": 2}, **{name: {"value": 0.5} for name in columns}}}
    assert reading(task, figures) == f"95 % intervals {says}"


def test_every_metric_is_read_where_every_metric_is_shown() -> None:
    figures = {"ours": {"js_distance": {"value": 0.1}, "macro_f1": {"value": 0.9}}}
    assert "macro_f1" not in reading("distributional-globalopinionqa", figures)
    assert "higher is better: macro_f1" in reading("distributional-globalopinionqa", figures, everything=True)
