"""MoralChoice, distributional: two actions, one clearly right (low ambiguity) or neither (high) (Modular Pluralism §4).

{question, options, attribute "low_ambiguity" | "high_ambiguity", gold_distribution} ──> Sample
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pluralism_local.evaluation.samples import Sample, Where, content_id
from pluralism_local.evaluation.tasks.base import Task
from pluralism_local.evaluation.tasks.rows import distribution, options, text
from pluralism_local.modes.wordings import Wording, word
from pluralism_local.prompts import (
    COMMENT_EXPLAINED,
    DISTRIBUTIONAL_ANSWER,
    MOE_ANSWER,
    MOE_SELECT,
    PROMPTING_CONFIDENCE,
    QUESTION,
)

AMBIGUITIES = ("low_ambiguity", "high_ambiguity")


class DistributionalMoralChoice(Task):
    """The target is certainty where the ambiguity is low and an even split where it is high."""

    name = "distributional-moralchoice"
    answers = "distribution"
    mode = "distributional"
    about = "MoralChoice: certain where a case is clear, split where it is not"
    prompts = (
        QUESTION,
        COMMENT_EXPLAINED,
        PROMPTING_CONFIDENCE,
        MOE_SELECT,
        MOE_ANSWER,
        DISTRIBUTIONAL_ANSWER,
    )

    def sample(self, row: Mapping[str, Any], where: Where) -> Sample:
        question, ambiguity = text(row, "question", where), text(row, "attribute", where)
        if ambiguity not in AMBIGUITIES:
            raise where.fault("attribute", f"is '{ambiguity}' and not {' or '.join(AMBIGUITIES)}")
        found = options(row, where)
        gold = distribution(row, "gold_distribution", len(found), where)
        return Sample(
            id=content_id(self.name, question, found, ambiguity, gold, row.get("id")),
            row=where.row,
            cluster=question,
            question=question,
            options=found,
            gold=gold,
            attribute=ambiguity,
            data=row,
        )

    def comment(self, sample: Sample) -> Wording:
        return word(COMMENT_EXPLAINED, question=sample.question)

    def prompting(self, sample: Sample) -> Wording:
        return word(PROMPTING_CONFIDENCE, question=sample.question)

    def answer(self, sample: Sample, comment: str) -> Wording:
        return word(DISTRIBUTIONAL_ANSWER, comment=comment, question=sample.question)
