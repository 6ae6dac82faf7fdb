"""The paper's published figures, to stand beside a run's own: other models, other communities, full test sets.

task, metric (, part) ──published──> PublishedFigures(model, source, {method: figure}), …

All are from Feng et al., "Modular Pluralism", EMNLP 2024, whose tables print percentages or thousandths; here shares
and distances. They stand with their tasks. Figures 2, 4, 5 and 6 are drawings without numbers, so that MoralChoice and
coverage are taken from Tables 7, 8 and 10. Table 4 prints, under LLaMA2-13B, the figures that Table 7 has for LLaMA2-7B
(0.1502, 0.4830, 0.2746, 0.2192, 0.2992); only its ChatGPT columns are used.
"""

from __future__ import annotations

from pluralism_local.evaluation.tasks import TASKS
from pluralism_local.evaluation.tasks.facts import Papers, PublishedFigures

PAPER = "Feng et al., Modular Pluralism, EMNLP 2024"
FAITHFULNESS = (
    "The paper's averages over its LLMs: 51.2 % of comments reflected (57.7 % of communities on social media, 44.7 % "
    "on news), 33.8 % of sentences new (§5, Figure 5)."
)


def published(task: str, metric: str, part: str | None = None) -> tuple[PublishedFigures, ...]:
    """Two models' figures by method; empty where the paper has none.

    Args:
        part: a country or a category, as in a sample's attribute; None for the task as a whole.
    """
    papers = _papers(task)
    return papers.metrics.get(metric, ()) if part is None else papers.parts.get(metric, {}).get(part, ())


def published_pools(task: str, metric: str) -> PublishedFigures | None:
    """A model's figures by pool ("perspectives", "cultures", "mixed"); None where the paper has none."""
    return _papers(task).pools.get(metric)


def caution(task: str) -> str:
    """How far the task's published figures can be compared with a run's."""
    return _papers(task).caution


def _papers(task: str) -> Papers:
    return TASKS[task].papers if task in TASKS else Papers()
