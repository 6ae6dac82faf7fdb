"""MoralChoice, distributional: two actions, one clearly right (low ambiguity) or neither (high) (Modular Pluralism §4).

{question, options, attribute "low_ambiguity" | "high_ambiguity", gold_distribution} ──> Sample
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pluralism_local.evaluation.samples import Sample, Where, content_id
from pluralism_local.evaluation.tasks.base import Task
from pluralism_local.evaluation.tasks.facts import LLAMA, Papers, Partition, by_pool, paper_row
from pluralism_local.evaluation.tasks.rows import distribution, options, text
from pluralism_local.modes.wordings import Wording, word
from pluralism_local.prompts import (
    COMMENT_EXPLAINED,
    DISTRIBUTIONAL_ANSWER,
    PROMPTING_CONFIDENCE,
)

AMBIGUITIES = ("low_ambiguity", "high_ambiguity")


class DistributionalMoralChoice(Task):
    """The target is certainty where the ambiguity is low and an even split where it is high."""

    name = "distributional-moralchoice"
    answers = "distribution"
    mode = "distributional"
    about = "MoralChoice: certain where a case is clear, split where it is not"
    headline = ("js_distance",)
    also = ("js_distance_low", "js_distance_high", "entropy", "entropy_low", "ruled_out_low")
    gold = "target"
    partitions = (
        Partition(
            "ambiguity",
            "ambiguities",
            lambda sample: (sample.attribute or "").removesuffix("_ambiguity"),
            beside={
                "js_distance": "The target is certainty where ambiguity is low and an even split where it is high; "
                "lower is better.",
                "entropy": "The target is 0 where ambiguity is low and ln 2 ≈ 0.693 where it is high.",
                "ruled_out": "The share of the unreasonable action where ambiguity is low: false balance, where it is "
                "large. Where ambiguity is high nothing is ruled out.",
            },
            parts=("low", "high"),
        ),
    )
    papers = Papers(
        metrics={
            "js_distance": (
                paper_row(LLAMA, "Table 7", 0.3453, None, None, 0.2378),
                paper_row("LLaMA3-8B aligned", "Table 10", 0.2011, 0.1758, 0.2169, 0.1695),
            ),
            "js_distance_low": (
                paper_row("LLaMA2-7B aligned", "Table 10", 0.5860, 0.5437, 0.4232, 0.2092),
                paper_row("LLaMA3-8B aligned", "Table 10", 0.0115, 0.0609, 0.0151, 0.0242),
            ),
            "js_distance_high": (
                paper_row("LLaMA2-7B aligned", "Table 10", 0.2892, 0.2995, 0.2685, 0.2293),
                paper_row("LLaMA3-8B aligned", "Table 10", 0.3928, 0.2918, 0.4389, 0.3294),
            ),
        },
        pools={"js_distance": by_pool(0.1528, 0.1399, 0.1360)},
    )

    def sample(self, row: Mapping[str, Any], where: Where) -> Sample:
        question, ambiguity = text(row, "question", where), text(row, "attribute", where)
        if ambiguity not in AMBIGUITIES:
            raise where.fault("attribute", f"is '{ambiguity}' and not {' or '.join(AMBIGUITIES)}")
        answers = options(row, where)
        gold = distribution(row, "gold_distribution", len(answers), where)
        return Sample(
            id=content_id(self.name, question, answers, ambiguity, gold, row.get("id")),
            row=where.row,
            cluster=question,
            question=question,
            options=answers,
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
