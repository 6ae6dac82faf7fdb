"""Natural language inference: whether one text follows from another, offline or by a classifier of one's choice.

pairs ──AdapterNli | ClassifierNli──> [n, 3]        find_shipped ──> the adapter that comes with the package
file ──read_pairs──> labelled pairs ──check.check──> accuracy
"""

from __future__ import annotations

from pluralism_local.evaluation.nli.adapter import AdapterNli
from pluralism_local.evaluation.nli.base import LABELS, EntailmentScores, Label, NliPair, NliScorer
from pluralism_local.evaluation.nli.classifier import ClassifierNli
from pluralism_local.evaluation.nli.data import LabelledPair, NliData, read_pairs
from pluralism_local.evaluation.nli.shipped import ShippedNli, find_shipped

__all__ = [
    "LABELS",
    "AdapterNli",
    "ClassifierNli",
    "EntailmentScores",
    "Label",
    "LabelledPair",
    "NliData",
    "NliPair",
    "NliScorer",
    "ShippedNli",
    "find_shipped",
    "read_pairs",
]
