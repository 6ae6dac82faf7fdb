"""Value Kaleidoscope, steerable: does a value support or oppose a situation, or either? (Modular Pluralism §4)

{situation, vrd, label, input} ──> Sample with options Support, Oppose, Either
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pluralism_local.evaluation.parsing import read_label
from pluralism_local.evaluation.samples import Sample, Where, content_id
from pluralism_local.evaluation.tasks.base import Task
from pluralism_local.evaluation.tasks.facts import Papers, both, by_pool
from pluralism_local.evaluation.tasks.rows import text
from pluralism_local.modes.wordings import Wording, word
from pluralism_local.prompts import (
    COMMENT_EXPLAINED_INSTRUCTION,
    PROMPTING_VALUE,
    STEERABLE_ANSWER_NAMED,
    STEERABLE_SELECT_VALUE,
    numbered,
)

LABELS = ("A", "B", "C")
OPTIONS = ("Support", "Oppose", "Either")


class SteerableValueKaleidoscope(Task):
    """A value, right or duty is the attribute; the answer is a letter."""

    name = "steerable-vk"
    answers = "label"
    mode = "steerable"
    about = "Value Kaleidoscope: does a value support, oppose, or either, a situation"
    headline = ("accuracy", "balanced_accuracy", "macro_f1", "binary_accuracy")
    clusters = "situations"
    undecided = "C"
    papers = Papers(
        metrics={
            "accuracy": both("Table 1", (21.0, 27.9, 35.0, 52.2), (60.0, 65.9, 45.5, 73.0), scale=0.01),
            "balanced_accuracy": both(
                "Table 1", (33.0, 34.7, 40.5, 56.0), (53.9, 55.5, 45.4, 68.7), scale=0.01
            ),
            "macro_f1": both("Table 1", (19.0, 25.2, 33.3, 50.5), (53.6, 55.9, 43.3, 68.1), scale=0.01),
            "binary_accuracy": both(
                "Table 1", (34.3, 39.9, 54.7, 71.2), (84.0, 85.1, 69.0, 85.5), scale=0.01
            ),
        },
        pools={"accuracy": by_pool(0.7300, 0.6046, 0.7825)},
    )

    def sample(self, row: Mapping[str, Any], where: Where) -> Sample:
        situation, value = text(row, "situation", where), text(row, "vrd", where)
        question, label = text(row, "input", where), text(row, "label", where)
        if label not in LABELS:
            raise where.fault("label", f"is '{label}' and not one of {', '.join(LABELS)}")
        return Sample(
            id=content_id(self.name, situation, value, label, question, row.get("id")),
            row=where.row,
            cluster=situation,
            question=question,
            options=OPTIONS,
            gold=tuple(float(letter == label) for letter in LABELS),
            attribute=value,
            data=row,
        )

    def comment(self, sample: Sample) -> Wording:
        return word(COMMENT_EXPLAINED_INSTRUCTION, question=sample.question)

    def prompting(self, sample: Sample) -> Wording:
        return word(PROMPTING_VALUE, question=sample.question)

    def select(self, sample: Sample, comments: Sequence[str]) -> Wording:
        return word(
            STEERABLE_SELECT_VALUE,
            attribute=sample.attribute or "",
            comments=numbered("Comment", comments),
            count=str(len(comments)),
        )

    def answer(self, sample: Sample, comment: str) -> Wording:
        return word(STEERABLE_ANSWER_NAMED, comment=comment, question=sample.question)

    def read_label(self, text: str) -> str:
        return read_label(text)
