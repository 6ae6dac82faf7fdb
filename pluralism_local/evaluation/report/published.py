"""The paper's published figures, to stand beside a run's own: other models, other communities, full test sets.

task, metric (, part) ──published──> Published(model, source, {method: figure}), …

All are from Feng et al., "Modular Pluralism", EMNLP 2024, whose tables print percentages or thousandths; here shares
and distances. Figures 2, 4, 5 and 6 are drawings without numbers, so that MoralChoice and coverage are taken from
Tables 7, 8 and 10. Table 4 prints, under LLaMA2-13B, the figures that Table 7 has for LLaMA2-7B (0.1502, 0.4830,
0.2746, 0.2192, 0.2992); only its ChatGPT columns are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

PAPER = "Feng et al., Modular Pluralism, EMNLP 2024"
CAUTION = (
    "Hollow marks without intervals: published figures of other models with other communities on the full test sets, "
    "and so no baseline for this run."
)

LLAMA, CHAT = "LLaMA2-13B aligned", "ChatGPT aligned"
_ORDER = ("vanilla", "prompting", "moe", "ours")


@dataclass(frozen=True, slots=True)
class Published:
    """A model's figures: by method, or by pool for `POOLS`."""

    model: str
    source: str
    figures: Mapping[str, float]


def _row(model: str, source: str, *values: float | None, scale: float = 1.0) -> Published:
    """Figures in the order vanilla, prompting, moe, ours; None where the paper has none."""
    kept = {
        name: round(value * scale, 6) for name, value in zip(_ORDER, values, strict=True) if value is not None
    }
    return Published(model, source, kept)


def _percent(source: str, llama: tuple[float, ...], chat: tuple[float, ...]) -> tuple[Published, ...]:
    return _row(LLAMA, source, *llama, scale=0.01), _row(CHAT, source, *chat, scale=0.01)


def _distance(llama: tuple[float, ...], chat: tuple[float, ...]) -> tuple[Published, ...]:
    return _row(LLAMA, "Table 3", *llama), _row(CHAT, "Table 3", *chat)


_METRICS: Mapping[tuple[str, str], tuple[Published, ...]] = {
    ("steerable-vk", "accuracy"): _percent("Table 1", (21.0, 27.9, 35.0, 52.2), (60.0, 65.9, 45.5, 73.0)),
    ("steerable-vk", "balanced_accuracy"): _percent(
        "Table 1", (33.0, 34.7, 40.5, 56.0), (53.9, 55.5, 45.4, 68.7)
    ),
    ("steerable-vk", "macro_f1"): _percent("Table 1", (19.0, 25.2, 33.3, 50.5), (53.6, 55.9, 43.3, 68.1)),
    ("steerable-vk", "binary_accuracy"): _percent(
        "Table 1", (34.3, 39.9, 54.7, 71.2), (84.0, 85.1, 69.0, 85.5)
    ),
    # "avg." is not the mean of the eight categories, so that it stands beside the accuracy over samples
    ("steerable-opinionqa", "most_likely_accuracy"): _percent(
        "Table 2, avg.", (44.8, 45.6, 40.3, 50.8), (53.1, 48.9, 46.0, 56.4)
    ),
    ("distributional-globalopinionqa", "js_distance"): _distance(
        (0.322, 0.337, 0.352, 0.286), (0.435, 0.390, 0.418, 0.316)
    ),
    ("distributional-moralchoice", "js_distance"): (
        _row("LLaMA2-13B aligned", "Table 7", 0.3453, None, None, 0.2378),
        _row("LLaMA3-8B aligned", "Table 10", 0.2011, 0.1758, 0.2169, 0.1695),
    ),
    ("distributional-moralchoice", "js_distance_low"): (
        _row("LLaMA2-7B aligned", "Table 10", 0.5860, 0.5437, 0.4232, 0.2092),
        _row("LLaMA3-8B aligned", "Table 10", 0.0115, 0.0609, 0.0151, 0.0242),
    ),
    ("distributional-moralchoice", "js_distance_high"): (
        _row("LLaMA2-7B aligned", "Table 10", 0.2892, 0.2995, 0.2685, 0.2293),
        _row("LLaMA3-8B aligned", "Table 10", 0.3928, 0.2918, 0.4389, 0.3294),
    ),
    ("overton-nli", "coverage"): (
        _row("LLaMA2-13B aligned", "Table 7", 0.1709, None, None, 0.2939),
        _row("LLaMA3-8B aligned", "Table 8", 0.2129, 0.3106, 0.2592, 0.3882),
    ),
    ("steerable-opinionqa", "entropy"): (
        _row("ChatGPT unaligned", "Table 6", 1.0713, 1.1193, 1.0461, 1.0615),
        _row(CHAT, "Table 6", 0.3992, 0.4743, 0.3474, 0.7126),
    ),
}

_PARTS: Mapping[tuple[str, str], Mapping[str, tuple[Published, ...]]] = {
    ("steerable-opinionqa", "most_likely_accuracy"): {
        part: _percent("Table 2", llama, chat)
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
    },
    ("distributional-globalopinionqa", "js_distance"): {
        part: _distance(llama, chat)
        for part, llama, chat in (
            ("United States", (0.294, 0.261, 0.330, 0.228), (0.408, 0.389, 0.400, 0.288)),
            ("France", (0.305, 0.286, 0.351, 0.247), (0.415, 0.371, 0.403, 0.297)),
            ("Germany", (0.306, 0.314, 0.311, 0.262), (0.408, 0.371, 0.397, 0.292)),
            ("Japan", (0.311, 0.300, 0.327, 0.282), (0.433, 0.403, 0.417, 0.322)),
            ("India", (0.328, 0.377, 0.348, 0.310), (0.433, 0.367, 0.407, 0.290)),
            ("Argentina", (0.299, 0.326, 0.373, 0.290), (0.437, 0.400, 0.415, 0.310)),
            ("Nigeria", (0.324, 0.345, 0.362, 0.311), (0.423, 0.365, 0.408, 0.321)),
        )
    },
}

_POOLS: Mapping[tuple[str, str], Published] = {
    (task, metric): Published(
        CHAT, "Table 4", dict(zip(("perspectives", "cultures", "mixed"), row, strict=True))
    )
    for task, metric, row in (
        ("overton-nli", "coverage", (0.2898, 0.2581, 0.3778)),
        ("steerable-vk", "accuracy", (0.7300, 0.6046, 0.7825)),
        ("distributional-moralchoice", "js_distance", (0.1528, 0.1399, 0.1360)),
        ("distributional-globalopinionqa", "js_distance", (0.3162, 0.3221, 0.3003)),
    )
}

_NATIONAL = " (Current national sample)"
"""How the surveys mark some countries' samples, as opposed to those of cities."""

FAITHFULNESS = (
    "The paper's averages over its LLMs: 51.2 % of comments reflected (57.7 % of communities on social media, 44.7 % "
    "on news), 33.8 % of sentences new (§5, Figure 5)."
)
PATCHING = (
    "The paper's Figure 6: an Asian or African community added to the default pool lowers the J–S distance of Asian "
    "and African countries by 5.2 % and 6.7 % on average."
)


def published(task: str, metric: str, part: str | None = None) -> tuple[Published, ...]:
    """Two models' figures by method; empty where the paper has none.

    Args:
        part: a country or a category, as in a sample's attribute; None for the task as a whole.
    """
    if part is None:
        return _METRICS.get((task, metric), ())
    return _PARTS.get((task, metric), {}).get(part.removesuffix(_NATIONAL), ())


def published_pools(task: str, metric: str) -> Published | None:
    """A model's figures by pool ("perspectives", "cultures", "mixed"); None where the paper has none."""
    return _POOLS.get((task, metric))
