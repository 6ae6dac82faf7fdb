"""OpinionQA, steerable: what would people of a group answer to a survey question? (Modular Pluralism §4)

    {question, options, attribute "CATEGORY_group", gold_distribution} ──> Sample

A question with a single option, of which the published file has some, is answered by it without asking a model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pluralism_local.errors import did_you_mean
from pluralism_local.evaluation.samples import Sample, Where, content_id
from pluralism_local.evaluation.tasks.base import Task
from pluralism_local.evaluation.tasks.facts import CHAT, Papers, Partition, both, paper_row
from pluralism_local.evaluation.tasks.rows import distribution, options, text
from pluralism_local.modes.wordings import Wording, word
from pluralism_local.prompts import (
    COMMENT_EXPLAINED_GROUP,
    PROMPTING_GROUP,
    STEERABLE_ANSWER_GROUP,
    STEERABLE_SELECT,
    numbered,
)

CATEGORIES: Mapping[str, str] = {
    "POLPARTY": "political party",
    "POLIDEOLOGY": "political ideology",
    "RELIG": "religion",
    "RACE": "race",
    "EDUCATION": "education",
    "INCOME": "income",
    "CREGION": "region in the United States",
    "SEX": "Sex",
}
"""The eight categories of attributes and how the released code words them."""


class SteerableOpinionQA(Task):
    """The attribute is a group of US adults; the answer is a distribution."""

    name = "steerable-opinionqa"
    answers = "distribution"
    mode = "steerable"
    about = "OpinionQA: survey answers of a group of US adults, by 8 categories"
    headline = ("most_likely_accuracy", "most_likely_accuracy_by_category", "js_distance")
    partitions = (
        Partition(
            "category",
            "categories",
            lambda sample: (sample.attribute or "").partition("_")[0],
            averaged=True,
            figure=("most_likely_accuracy", "Accuracy by category of people"),
            in_words=lambda category: CATEGORIES.get(category, category),
        ),
    )
    papers = Papers(
        metrics={
            # "avg." is not the mean of the eight categories, so that it stands beside the accuracy over samples
            "most_likely_accuracy": both(
                "Table 2, avg.", (44.8, 45.6, 40.3, 50.8), (53.1, 48.9, 46.0, 56.4), scale=0.01
            ),
            "entropy": (
                paper_row("ChatGPT unaligned", "Table 6", 1.0713, 1.1193, 1.0461, 1.0615),
                paper_row(CHAT, "Table 6", 0.3992, 0.4743, 0.3474, 0.7126),
            ),
        },
        parts={
            "most_likely_accuracy": {
                part: both("Table 2", llama, chat, scale=0.01)
                for part, llama, chat in (
                    ("POLPARTY", (45.1, 47.3, 38.5, 54.1), (45.7, 48.5, 45.7, 54.0)),
                    ("POLIDEOLOGY", (44.9, 45.7, 39.8, 47.1), (50.3, 49.9, 46.6, 54.6)),
                    ("RELIG", (42.1, 42.2, 39.1, 46.7), (54.6, 48.5, 45.0, 55.9)),
                    ("RACE", (46.6, 47.5, 39.5, 46.6), (55.0, 50.0, 46.2, 59.1)),
                    ("EDUCATION", (48.9, 48.6, 41.5, 52.9), (53.3, 48.0, 46.4, 55.0)),
                    ("INCOME", (42.9, 40.9, 42.9, 47.4), (53.5, 45.9, 45.0, 55.1)),
                    ("CREGION", (44.1, 49.4, 41.9, 50.4), (53.2, 51.8, 49.5, 58.2)),
                    ("SEX", (46.2, 47.2, 42.1, 49.8), (53.1, 47.9, 44.0, 58.6)),
                )
            }
        },
    )

    def sample(self, row: Mapping[str, Any], where: Where) -> Sample:
        question, attribute = text(row, "question", where), text(row, "attribute", where)
        category, _, group = attribute.partition("_")
        if category not in CATEGORIES or not group.strip():
            raise where.fault(
                "attribute",
                f"is '{attribute}' and not CATEGORY_group with a known category",
                did_you_mean(category, CATEGORIES),
            )
        answers = options(row, where)
        gold = distribution(row, "gold_distribution", len(answers), where)
        return Sample(
            id=content_id(self.name, question, answers, attribute, gold, row.get("id")),
            row=where.row,
            cluster=question,
            question=question,
            options=answers,
            gold=gold,
            attribute=attribute,
            data=row,
        )

    def comment(self, sample: Sample) -> Wording:
        return word(COMMENT_EXPLAINED_GROUP, question=sample.question, **_who(sample))

    def prompting(self, sample: Sample) -> Wording:
        return word(PROMPTING_GROUP, question=sample.question, **_who(sample))

    def alone(self, sample: Sample) -> Wording:
        return self.prompting(sample)  # the answer's wording without its passage

    def select(self, sample: Sample, comments: Sequence[str]) -> Wording:
        who = _who(sample)
        return word(
            STEERABLE_SELECT,
            attribute=f"the people of {who['attribute']} in terms of {who['category']}",
            comments=numbered("Comment", comments),
            count=str(len(comments)),
        )

    def answer(self, sample: Sample, comment: str) -> Wording:
        return word(STEERABLE_ANSWER_GROUP, comment=comment, question=sample.question, **_who(sample))

    def who(self, sample: Sample) -> str:
        return ": ".join(_who(sample).values())


def _who(sample: Sample) -> dict[str, str]:
    category, _, group = (sample.attribute or "").partition("_")
    return {"category": CATEGORIES[category], "attribute": group}
