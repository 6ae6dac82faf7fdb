"""What a task says of itself beyond its wordings: how its samples divide, and what the paper publishes on it.

Partition(name, part_of)  ──> scores by part, their means, figures of a report
Papers(metrics, parts, pools)  ──> published figures beside a run's own
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pluralism_local.evaluation.samples import Sample

LLAMA, CHAT = "LLaMA2-13B aligned", "ChatGPT aligned"
_ORDER = ("vanilla", "prompting", "moe", "ours")

ANOTHER_SETTING = (
    "Hollow marks without intervals: published figures of other models with other communities on the full test sets, "
    "and so no baseline for this run."
)


def _as_it_is(part: str) -> str:
    return part


@dataclass(frozen=True)
class Partition:
    """One way in which samples divide into parts that are scored on their own.

    Attributes:
        name, plural: of a part, e.g. "country", "countries".
        part_of: the part that a sample is in.
        averaged: whether the means of the parts' means are metrics, `METRIC_by_NAME`: every part counts alike.
        figure: the metric by which a report draws the parts below each other, and that figure's title.
        beside: by metric whose parts are drawn beside each other, what the target is; they are metrics, too,
            `METRIC_PART`.
        parts: in the order of those figures.
        in_words: a part's name for people.
        patched: where what a patched pool changes is shown by part, what the paper says of it.
    """

    name: str
    plural: str
    part_of: Callable[[Sample], str]
    averaged: bool = False
    figure: tuple[str, str] | None = None
    beside: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    parts: tuple[str, ...] = ()
    in_words: Callable[[str], str] = _as_it_is
    patched: str = ""


@dataclass(frozen=True, slots=True)
class PublishedFigures:
    """A model's figures: by method, or by pool."""

    model: str
    source: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Papers:
    """Published figures on a task.

    Attributes:
        metrics: by metric.
        parts: by metric and part.
        pools: by metric; figures by pool.
        caution: how far they can be compared with a run.
    """

    metrics: Mapping[str, tuple[PublishedFigures, ...]] = field(default_factory=lambda: MappingProxyType({}))
    parts: Mapping[str, Mapping[str, tuple[PublishedFigures, ...]]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    pools: Mapping[str, PublishedFigures] = field(default_factory=lambda: MappingProxyType({}))
    caution: str = ANOTHER_SETTING


def paper_row(model: str, source: str, *values: float | None, scale: float = 1.0) -> PublishedFigures:
    """Figures in the order vanilla, prompting, moe, ours; None where the paper has none."""
    figures = {
        name: round(value * scale, 6) for name, value in zip(_ORDER, values, strict=True) if value is not None
    }
    return PublishedFigures(model, source, figures)


def both(
    source: str, llama: tuple[float, ...], chat: tuple[float, ...], *, scale: float = 1.0
) -> tuple[PublishedFigures, ...]:
    """The two models of the paper's main tables."""
    return paper_row(LLAMA, source, *llama, scale=scale), paper_row(CHAT, source, *chat, scale=scale)


def by_pool(*values: float) -> PublishedFigures:
    """Table 4's figures of the pools perspectives, cultures and mixed."""
    return PublishedFigures(
        CHAT, "Table 4", dict(zip(("perspectives", "cultures", "mixed"), values, strict=True))
    )
