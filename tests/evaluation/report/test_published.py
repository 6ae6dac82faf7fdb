"""The paper's figures, checked where they can be checked: by hand, by their own tables' arithmetic, by names."""

from __future__ import annotations

import pytest

from pluralism_local.evaluation.report import measures, published
from pluralism_local.evaluation.tasks import TASKS
from pluralism_local.evaluation.tasks.global_opinion_qa import COUNTRIES
from pluralism_local.evaluation.tasks.opinion_qa import CATEGORIES

KNOWN = [(task, metric) for task, facts in TASKS.items() for metric in facts.papers.metrics]


def test_figures_are_those_of_the_tables() -> None:
    llama, chat = published.published("steerable-vk", "accuracy")
    assert (llama.model, chat.model) == ("LLaMA2-13B aligned", "ChatGPT aligned")
    assert llama.figures == {"vanilla": 0.21, "prompting": 0.279, "moe": 0.35, "ours": 0.522}
    assert chat.figures["ours"] == 0.73 and chat.source == "Table 1"
    japan = published.published("distributional-globalopinionqa", "js_distance", "Japan")
    assert [one.figures["ours"] for one in japan] == [0.282, 0.322]
    pools = published.published_pools("distributional-moralchoice", "js_distance")
    assert pools is not None and pools.figures == {"perspectives": 0.1528, "cultures": 0.1399, "mixed": 0.136}
    assert "prompting" not in published.published("overton-nli", "coverage")[0].figures
    assert published.published_pools("steerable-opinionqa", "js_distance") is None


def test_parts_belong_to_names_that_tasks_use() -> None:
    categories = [
        one for one in CATEGORIES if published.published("steerable-opinionqa", "most_likely_accuracy", one)
    ]
    assert categories == list(CATEGORIES)
    task = "distributional-globalopinionqa"
    countries = [one for one in COUNTRIES if published.published(task, "js_distance", one)]
    assert len(countries) == 7
    india = published.published(task, "js_distance", "India (Current national sample)")
    assert india == published.published(task, "js_distance", "India") != ()
    assert published.published(task, "js_distance", "India (Non-national sample)") == ()
    assert published.published(task, "js_distance", "Spain") == ()


@pytest.mark.parametrize(("task", "metric"), KNOWN)
def test_figures_are_shares_distances_or_nats(task: str, metric: str) -> None:
    for one in published.published(task, metric):
        assert set(one.figures) <= {"vanilla", "prompting", "moe", "ours"} and one.source.startswith("Table")
        assert all(0 < value < (1.2 if metric == "entropy" else 0.9) for value in one.figures.values())
        if metric == "js_distance":
            assert one.figures["ours"] == min(one.figures.values())


def test_the_averages_of_table_2_are_not_the_means_of_the_categories() -> None:
    # which is why they stand beside the accuracy over samples
    overall = published.published("steerable-opinionqa", "most_likely_accuracy")[0].figures["ours"]
    parts = [
        published.published("steerable-opinionqa", "most_likely_accuracy", one)[0].figures["ours"]
        for one in CATEGORIES
    ]
    assert sum(parts) / 8 == pytest.approx(0.49375) and overall == 0.508


def test_every_task_has_main_figures_that_are_known() -> None:
    assert all(task.headline for task in TASKS.values())
    assert all(measures.measure(name).label != name for task in TASKS.values() for name in task.columns)
    assert measures.measure("new_metric").label == "new_metric" and measures.primary("no task") is None
    assert measures.measure("entropy").sentence == "Entropy (nats)."
    assert measures.measure("accuracy").sentence == "Accuracy (share of samples); higher is better."
