"""What metrics and methods are called in a report, their units, and which way is better."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from pluralism_local.evaluation.methods import BASELINES
from pluralism_local.evaluation.tasks import TASKS

METHODS: Mapping[str, str] = {
    "ours": "every community comments; the LLM synthesises, selects or weighs with their comments",
    "persona": "as ours, each community speaking through a persona on the base model, without its adapter",
    "attributed": "as ours, the text built from the positions of the comments, with the names of who holds them",
    **{mode: spec.about for mode, spec in BASELINES.items()},
    "uniform": "control: every option alike, or a label at random; no model",
    "majority": "control: the label that most samples have; no model",
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
    "js_divergence": Measure("J–S divergence", "nats", "lower"),
    "total_variation": Measure("total variation", "share of probability that has to move", "lower"),
    "most_likely_accuracy": Measure("accuracy of the most likely option", _LIKELY, "higher"),
    "entropy": Measure("entropy", "nats"),
    "ruled_out": Measure("what the target rules out", "probability of it", "lower"),
    "accuracy": Measure("accuracy", _LIKELY, "higher"),
    "balanced_accuracy": Measure("balanced accuracy", "mean recall of the labels", "higher"),
    "macro_f1": Measure("macro F1", "mean over the labels", "higher"),
    "binary_accuracy": Measure("binary accuracy", "without 'either', share", "higher"),
    "binary_balanced_accuracy": Measure("binary balanced accuracy", "without 'either', share", "higher"),
    "binary_macro_f1": Measure("binary macro F1", "without 'either'", "higher"),
    "roc_auc": Measure("area under the ROC curve", "by the probability of yes; 0.5 is chance", "higher"),
    "average_precision": Measure("average precision", "by the probability of yes", "higher"),
    "coverage": Measure("coverage", "share of values that a sentence entails", "higher"),
    "coverage_score": Measure("released score", "mean of the largest entailment probabilities", "higher"),
    "coverage_033": Measure("covered situations", "share with a released score above 0.33", "higher"),
    "stated": Measure(
        "positions stated", "share of the comments' positions that a sentence entails", "higher"
    ),
    "left_out": Measure("positions left out", "share, by the method's own check", "lower"),
    "unverified": Measure("unverified marks", "share of the names behind sentences", "lower"),
    "overton_score": Measure(
        "OvertonScore", "share of the window's viewpoints that a sentence states", "higher"
    ),
    "weighted_overton_score": Measure("weighted OvertonScore", "viewpoints by their prevalence", "higher"),
    "precision": Measure("precision", "share of sentences that state a viewpoint of the window", "higher"),
    "whole_window": Measure(
        "whole windows", "share of answers that state every viewpoint of theirs", "higher"
    ),
    "unreasonable": Measure(
        "unreasonable let in", "share of the unreasonable viewpoints that are stated", "lower"
    ),
    "unreasonable_share": Measure("unreasonable share", "of the viewpoints that are stated", "lower"),
}


def measure(name: str) -> Measure:
    """What is known of a metric; those of a task's parts are called after them, an unknown one by its name."""
    if name in MEASURES:
        return MEASURES[name]
    for partition in (partition for task in TASKS.values() for partition in task.partitions):
        base = MEASURES.get(name.removesuffix(f"_by_{partition.name}"))
        if partition.averaged and base is not None:
            about = "share" if base.about == _LIKELY else base.about
            return replace(base, name=f"{base.name}, mean of {partition.plural}", about=about)
        for part in partition.parts:
            base = MEASURES.get(name.removesuffix(f"_{part}"))
            if base is not None:
                return replace(base, name=f"{base.name} at {part} {partition.name}")
    return Measure(name)


def primary(task: str) -> str | None:
    """The first figure that a task is about; None for an unknown task."""
    return TASKS[task].headline[0] if task in TASKS else None
