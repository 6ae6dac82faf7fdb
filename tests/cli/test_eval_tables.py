"""Tables of scores fit a terminal; under one stands which way is better, and how far the leading method is apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.cli.eval.plan import time_in_words
from pluralism_local.cli.eval.running import results_text
from pluralism_local.cli.eval.tables import WIDTH, folded, leading_table, reading

WINDOW = ("overton_score", "precision", "unreasonable")
MORAL = ("js_distance", "js_distance_low", "entropy", "ruled_out_low")


@pytest.mark.parametrize(
    ("task", "columns", "says"),
    [
        ("overton-nli", ("coverage",), "over situations.\nHigher is better: coverage."),
        (
            "overton-window",
            WINDOW,
            "over questions.\nHigher is better: overton_score, precision.\nLower is better: unreasonable.",
        ),
        (
            "distributional-moralchoice",
            MORAL,
            "over questions.\nLower is better: js_distance, js_distance_low, ruled_out_low.",
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
    assert "Higher is better: macro_f1" in reading("distributional-globalopinionqa", figures, everything=True)


@given(
    st.lists(st.lists(st.integers(1, 50), min_size=3, max_size=8), min_size=1, max_size=4),
    st.integers(1, 2),
)
def test_a_wide_table_goes_on_below_itself_and_loses_nothing(sizes: list[list[int]], names: int) -> None:
    count = min(map(len, sizes))
    rows = [[f"{at:x}" * size for at, size in enumerate(row[:count])] for row in sizes]
    parts = [
        part.splitlines() for part in folded(rows, [f"m{at}" for at in range(count)], names).split("\n\n")
    ]
    assert [name for part in parts for name in part[0].split()[names:]] == [
        f"m{at}" for at in range(names, count)
    ]
    for number, row in enumerate(rows, 1):
        assert all(part[number].split()[:names] == row[:names] for part in parts)
        assert [cell for part in parts for cell in part[number].split()[names:]] == row[names:]
    assert all(len(line) <= WIDTH for part in parts if len(part[0].split()) > names + 1 for line in part)


def test_a_table_that_fits_is_one() -> None:
    wide = [["ours", *["0.242 [0.081, 0.402]"] * 3]]
    assert folded(wide, ["method", "js_distance", "by_country", "accuracy"]).count("method") == 1
    assert folded([[*wide[0], "0.1"]], ["method", "a", "b", "c", "outside"]).count("method") == 2


def test_the_leading_method_stands_apart_where_its_interval_leaves_out_nothing() -> None:
    clear, within = {"value": -0.1, "low": -0.2, "high": -0.01}, {"value": 0.1, "low": -0.1, "high": 0.2}
    minus = {
        "vanilla": {"js_distance": clear, "most_likely_accuracy": within, "entropy": clear},
        "void": {},
    }
    text = leading_table("distributional-globalopinionqa", {"of": "persona", "minus": minus})
    head, row = text.splitlines()
    assert head.split() == ["persona", "minus", "js_distance", "most_likely_accuracy"]
    assert row.split(maxsplit=1)[1].split("  ") == ["-0.100 [-0.200, -0.010] *", "0.100 [-0.100, 0.200]"]
    assert leading_table("distributional-globalopinionqa", {"of": None, "minus": {}}) == ""
    assert leading_table("of-a-later-version", {"of": "ours", "minus": minus}) == ""


@pytest.mark.parametrize(
    ("adapters", "says"),
    [
        ({"a": "0f", "b": "1f"}, None),
        ({"a": None, "b": None, "c": None}, "personas  of all 3, no adapter"),
        ({"a": "0f", "b": None, "c": None}, "personas  no adapter: b, c"),
    ],
)
def test_ours_is_not_shown_as_adapters_where_voices_have_none(
    adapters: dict[str, str | None], says: str | None
) -> None:
    record = {
        "task": "steerable-vk",
        "model": {"id": "large"},
        "pool": {
            "id": "mine",
            "members": [{"community": name, "adapter_sha256": sha256} for name, sha256 in adapters.items()],
        },
        **dict.fromkeys(("n", "wanted"), 2),
        **{key: {} for key in ("failed", "missing", "methods")},
        "differences": {"of": None, "minus": {}},
    }
    lines = results_text(record, Path("run")).splitlines()
    assert [line for line in lines if line.startswith("personas")] == ([] if says is None else [says])


@pytest.mark.parametrize(
    ("minutes", "says"), [(0.1, "1 minute"), (1.6, "2 minutes"), (119.4, "119 minutes"), (1728.0, "29 hours")]
)
def test_a_plan_of_hours_says_hours(minutes: float, says: str) -> None:
    assert time_in_words(minutes) == says
