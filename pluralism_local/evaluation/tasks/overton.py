"""Overton: which values of a situation does a response cover? (Modular Pluralism §4)

    {situation, vrd[], explanation[], input} ──> Sample without options

Two tasks share rows and wordings: `overton-nli` is scored by entailment with the explanations, `overton-judge` by a
judge who compares the responses of two methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pluralism_local.evaluation.samples import Sample, Viewpoint, Where, content_id
from pluralism_local.evaluation.tasks.base import Task
from pluralism_local.evaluation.tasks.facts import LLAMA, Papers, by_pool, paper_row
from pluralism_local.evaluation.tasks.rows import text, texts
from pluralism_local.modes.wordings import Wording, word
from pluralism_local.prompts import OVERTON_SYNTHESIS, PROMPTING, QUESTION, numbered


class TextTask(Task):
    """Answered by a text that covers what the communities say."""

    answers = "text"
    mode = "overton"

    def _sample(
        self, id: str, row: Mapping[str, Any], where: Where, *, question: str, cluster: str
    ) -> Sample:
        """A row that asks for a text: nothing to choose from."""
        return Sample(
            id=id,
            row=where.row,
            cluster=cluster,
            question=question,
            options=(),
            gold=(),
            attribute=None,
            data=row,
        )

    def comment(self, sample: Sample) -> Wording:
        return word(QUESTION, question=sample.question)

    def prompting(self, sample: Sample) -> Wording:
        return word(PROMPTING, question=sample.question)


class _ValueKaleidoscope(TextTask):
    headline = ("coverage",)
    also = ("coverage_033", "stated", "left_out", "unverified")
    clusters = "situations"

    def sample(self, row: Mapping[str, Any], where: Where) -> Sample:
        situation, question = text(row, "situation", where), text(row, "input", where)
        values, explanations = texts(row, "vrd", where), texts(row, "explanation", where)
        if len(values) != len(explanations):
            raise where.fault("explanation", f"has {len(explanations)} texts for {len(values)} values")
        # overton-judge compares what overton-nli produced: one id for both
        id = content_id("overton", situation, values, explanations, question, row.get("id"))
        return self._sample(id, row, where, question=question, cluster=situation)

    def viewpoints(self, sample: Sample) -> tuple[Viewpoint, ...]:
        return tuple(Viewpoint(explanation) for explanation in sample.data["explanation"])

    def synthesis(self, sample: Sample, comments: Sequence[str]) -> Wording:
        return word(
            OVERTON_SYNTHESIS, question=sample.data["situation"], passages=numbered("Passage", comments)
        )


class OvertonNli(_ValueKaleidoscope):
    """Scored by natural language inference."""

    name = "overton-nli"
    about = "Value Kaleidoscope: share of a situation's values that a response covers, by NLI"
    papers = Papers(
        metrics={
            "coverage": (
                paper_row(LLAMA, "Table 7", 0.1709, None, None, 0.2939),
                paper_row("LLaMA3-8B aligned", "Table 8", 0.2129, 0.3106, 0.2592, 0.3882),
            )
        },
        pools={"coverage": by_pool(0.2898, 0.2581, 0.3778)},
    )


class OvertonJudge(_ValueKaleidoscope):
    """Scored by a judge."""

    name = "overton-judge"
    about = "Value Kaleidoscope: which of two responses reflects more values, by a judge"
    judged = True
