"""What metrics and methods are called in a report, their units, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pluralism_local.mode_specs import SPECS

CONTROLS = ("uniform", "shuffled")

METHODS: Mapping[str, str] = {
    "ours": "every community comments; the LLM synthesises, selects or weighs with their comments",
    "persona": "as ours, each community speaking through a persona on the base model, without its adapter",
    **{spec.name: spec.about for spec in SPECS.values() if spec.baseline},
    "uniform": "control: every option alike, or a label at random; no model",
    "shuffled": "control: a method's own answers on other options, or of another sample; no meaning left",
}


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric for people.

    Attributes:
        name: for a title, such as ``"J–S distance"``.
        about: its unit or what exactly it is, in parentheses after the name; may be empty.
        better: which way is better; "" where neither is.
    """

    name: str
    about: str = ""
    better: Literal["higher", "lower", ""] = ""

    @property
    def label(self) -> str:
        """For axes and tables: ``"entropy (nats)"``."""
        return f"{self.name} ({self.about})" if self.about else self.name

    @property
    def sentence(self) -> str:
        """What is shown: ``"Entropy (nats)."``, and which way is better."""
        remark = f"; {self.better} is better" if self.better else ""
        return f"{capital(self.label)}{remark}."


def capital(text: str) -> str:
    """`text` with its first letter large."""
    return text[:1].upper() + text[1:]


_ROOT = "square root of the divergence, natural logarithms"
_LIKELY = "share of samples"
MEASURES: Mapping[str, Measure] = {
    "js_distance": Measure("J–S distance", _ROOT, "lower"),
    "js_distance_low": Measure("J–S distance at low ambiguity", _ROOT, "lower"),
    "js_distance_high": Measure("J–S distance at high ambiguity", _ROOT, "lower"),
    "js_distance_by_country": Measure("J–S distance, mean of countries", _ROOT, "lower"),
    "js_distance_by_category": Measure("J–S distance, mean of categories", _ROOT, "lower"),
    "js_divergence": Measure("J–S divergence", "nats", "lower"),
    "total_variation": Measure("total variation", "share of probability that has to move", "lower"),
    "most_likely_accuracy": Measure("accuracy of the most likely option", _LIKELY, "higher"),
    "most_likely_accuracy_by_category": Measure(
        "accuracy of the most likely option, mean of categories", "share", "higher"
    ),
    "most_likely_accuracy_by_country": Measure(
        "accuracy of the most likely option, mean of countries", "share", "higher"
    ),
    "entropy": Measure("entropy", "nats"),
    "entropy_low": Measure("entropy at low ambiguity", "nats"),
    "entropy_high": Measure("entropy at high ambiguity", "nats"),
    "accuracy": Measure("accuracy", "three-way, share", "higher"),
    "balanced_accuracy": Measure("balanced accuracy", "three-way, share", "higher"),
    "macro_f1": Measure("macro F1", "three-way", "higher"),
    "binary_accuracy": Measure("binary accuracy", "without 'either', share", "higher"),
    "binary_balanced_accuracy": Measure("binary balanced accuracy", "without 'either', share", "higher"),
    "binary_macro_f1": Measure("binary macro F1", "without 'either'", "higher"),
    "coverage": Measure("coverage", "share of values that a sentence entails", "higher"),
    "coverage_score": Measure("released score", "mean of the largest entailment probabilities", "higher"),
    "coverage_033": Measure("covered situations", "share with a released score above 0.33", "higher"),
}

MAIN: Mapping[str, tuple[str, ...]] = {
    "overton-nli": ("coverage",),
    "overton-judge": ("coverage",),
    "steerable-vk": ("accuracy", "balanced_accuracy", "macro_f1", "binary_accuracy"),
    "steerable-opinionqa": ("most_likely_accuracy", "most_likely_accuracy_by_category", "js_distance"),
    "distributional-moralchoice": ("js_distance",),
    "distributional-globalopinionqa": ("js_distance", "js_distance_by_country", "most_likely_accuracy"),
}
"""The figures that a task is about; the first is a mean over samples, on which methods and pools are paired."""


def measure(name: str) -> Measure:
    """What is known of a metric; an unknown one is called by its name."""
    return MEASURES.get(name, Measure(name))


def primary(task: str) -> str | None:
    """The first of `MAIN`; None for an unknown task."""
    return MAIN[task][0] if task in MAIN else None
