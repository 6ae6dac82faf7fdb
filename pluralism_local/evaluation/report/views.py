"""A run as the sections of a report read it, and figures as they are shown.

    run.json, results.json's record, RunSummary, answers ──> RunView
    {"value", "low", "high"} ──point──> Point | None ──with_interval──> "0.300 [0.281, 0.318]"

Records may come from files: what is no finite number is no figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pluralism_local.display.figures import finite, many
from pluralism_local.evaluation.methods import CONTROLS
from pluralism_local.evaluation.metrics import Estimate
from pluralism_local.evaluation.report.analyses import MessageFaithfulness
from pluralism_local.evaluation.report.plots import Point
from pluralism_local.evaluation.runner import Results
from pluralism_local.evaluation.summary import RunSummary
from pluralism_local.evaluation.tasks import TASKS, Task
from pluralism_local.model_names import without_folders

ABSENT = "–"
INTERVAL = "Intervals are 95 %, from a bootstrap over questions or situations."


@dataclass(frozen=True)
class RunView:
    """A run.

    Attributes:
        name: of its folder.
        run: run.json.
        record: as in results.json; None where nothing is scored.
        summary: what the record was made of; None where it was read from results.json.
        results: answers by method and sample id, as far as they could be read.
        judge: judge.json; None without one.
        faithfulness: of the messages; None where it was not asked for.
        notes: what the reader must know, a sentence each.
    """

    name: str
    run: Mapping[str, Any]
    record: Mapping[str, Any] | None = None
    summary: RunSummary | None = None
    results: Results = field(default_factory=dict)
    judge: Mapping[str, Any] | None = None
    faithfulness: MessageFaithfulness | None = None
    notes: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The run's id."""
        return str(self.run["id"])

    @property
    def identity(self) -> Mapping[str, Any]:
        """What the run's numbers depend on."""
        identity: Mapping[str, Any] = self.run["identity"]
        return identity

    @property
    def task(self) -> str:
        """The task's name."""
        return str(self.identity["task"])

    @property
    def facts(self) -> Task | None:
        """What the task says of itself; None for a task of another version."""
        return TASKS.get(self.task)

    @property
    def model(self) -> str:
        """The LLM's name."""
        return without_folders(str(self.identity["llm"]["id"]))

    @property
    def pool(self) -> str:
        """The pool's id."""
        return str(self.identity["pool"]["id"])

    @property
    def methods(self) -> Mapping[str, Mapping[str, Any]]:
        """Method or control -> metric -> figure; empty where nothing is scored."""
        return {} if self.record is None else self.record["methods"]

    @property
    def remarks(self) -> tuple[str, ...]:
        """What must be known of its answers, a sentence each: stand-ins, unreadable and empty ones."""
        return () if self.record is None else tuple(self.record.get("remarks", ()))

    @property
    def bases(self) -> Mapping[str, Mapping[str, Any]]:
        """Method -> what its figures rest on; empty for scores kept by an earlier version."""
        return {} if self.record is None else self.record.get("basis", {})

    @property
    def real(self) -> list[str]:
        """Methods that are no controls."""
        return [name for name in self.methods if name not in CONTROLS]

    @property
    def focus(self) -> str | None:
        """The method in question: ours, else the first; None without any."""
        return "ours" if "ours" in self.methods else next(iter(self.real), None)

    @property
    def title(self) -> str:
        """For a heading."""
        return f"{self.task}: {self.model}, pool {self.pool}"

    @property
    def line(self) -> str:
        """What every figure of it rests on, in a line."""
        n = "" if self.record is None else f" {self.record['n']} of {self.record['wanted']} samples."
        members = len(self.identity["pool"]["members"])
        other = without_folders(str(self.identity["communities_model"]["id"]))
        on = "" if other == self.model else f" on {other}"
        size = f"{members} communit{'y' if members == 1 else 'ies'}{on}"
        return f"Run {self.id}. Model {self.model}, pool {self.pool} ({size}).{n}"

    @property
    def count(self) -> str:
        """``"n = 200 samples of 180 questions"``."""
        if self.record is None:
            return ""
        text = f"n = {many(self.record['n'], 'sample')}"
        if self.summary is None:
            return text
        return f"{text} of {len({sample.cluster for sample in self.summary.samples})} {self.groups}"

    @property
    def groups(self) -> str:
        """What its samples are samples of: intervals resample these."""
        return "questions" if self.facts is None else self.facts.clusters

    def points(self, metric: str, methods: Iterable[str]) -> tuple[Point | None, ...]:
        """A metric by method, None where there is no figure."""
        return tuple(point(self.methods.get(method, {}).get(metric)) for method in methods)

    def parts(self, partition: str, method: str) -> Mapping[str, Mapping[str, Any]]:
        """Part -> metric -> figure with its n; empty where the task has no such partition."""
        if self.record is None:
            return {}
        figures: Mapping[str, Any] = self.record.get("parts", {}).get(method, {}).get(partition, {})
        return figures


def point(figure: object) -> Point | None:
    """A figure of a record; None without a value."""
    if not isinstance(figure, Mapping) or (value := finite(figure.get("value"))) is None:
        return None
    return Point(value, finite(figure.get("low")), finite(figure.get("high")))


def of_estimate(estimate: Estimate) -> Point | None:
    """An estimate as a point; None for NaN."""
    return point(estimate.record())


def with_interval(figure: Point | None, digits: int = 3) -> str:
    """``"0.300 [0.281, 0.318]"``; a dash without a figure."""
    if figure is None:
        return ABSENT
    value = f"{figure.value:.{digits}f}"
    if figure.low is None or figure.high is None:
        return value
    return f"{value} [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"


def with_scores(runs: Sequence[RunView]) -> list[RunView]:
    """Those that are scored."""
    return [run for run in runs if run.methods]
