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
from pluralism_local.evaluation.tasks.rows import distribution, options, text
from pluralism_local.modes.wordings import Wording, word
from pluralism_local.prompts import (
    COMMENT_EXPLAINED_GROUP,
    MOE_ANSWER,
    MOE_SELECT,
    PROMPTING_GROUP,
    QUESTION,
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


def category_of(attribute: str) -> str:
    """``"RELIG"`` of ``"RELIG_Atheist"``."""
    return attribute.partition("_")[0]


class SteerableOpinionQA(Task):
    """The attribute is a group of US adults; the answer is a distribution."""

    name = "steerable-opinionqa"
    answers = "distribution"
    mode = "steerable"
    about = "OpinionQA: survey answers of a group of US adults, by 8 categories"
    prompts = (
        QUESTION,
        COMMENT_EXPLAINED_GROUP,
        PROMPTING_GROUP,
        MOE_SELECT,
        MOE_ANSWER,
        STEERABLE_SELECT,
        STEERABLE_ANSWER_GROUP,
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
        found = options(row, where)
        gold = distribution(row, "gold_distribution", len(found), where)
        return Sample(
            id=content_id(self.name, question, found, attribute, gold, row.get("id")),
            row=where.row,
            cluster=question,
            question=question,
            options=found,
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


def _who(sample: Sample) -> dict[str, str]:
    category, _, group = (sample.attribute or "").partition("_")
    return {"category": CATEGORIES[category], "attribute": group}
