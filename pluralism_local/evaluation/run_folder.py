"""A run's folder: what it was begun with, its samples read again, its figures.

    RunSpec ──identity.claim──> RUN/run.json ──find_run──> RunFolder ──read_samples──> Task, samples
                                                              └──write_results──> RUN/results.json

A run.json names models, servers and files that its reader may not trust; whether they are opened is for the front end
to decide. What is damaged is `InvalidInput`, and other samples than those of the run are `Refused`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.evaluation.identity import read_run
from pluralism_local.evaluation.runner import Results, has_answers, read_results
from pluralism_local.evaluation.sample_file import read_samples
from pluralism_local.evaluation.samples import Sample
from pluralism_local.evaluation.summary import RunSummary
from pluralism_local.evaluation.tasks import Task, find_task
from pluralism_local.files import digest, write_atomic
from pluralism_local.remote_url import without_credentials

RESULTS_FILE = "results.json"

SETTINGS = (
    "model",
    "pool",
    "temperature",
    "top_p",
    "max_tokens",
    "comment_temperature",
    "comment_top_p",
    "comment_max_tokens",
    "seed",
    "ctx_size",
    "template",
    "weights",
    "orders",
)
"""Of `config.Settings`, those that a run's figures depend on."""


@dataclass(frozen=True)
class RunSpec:
    """What to run, in values that JSON has, so that a run remembers it.

    Attributes:
        data: the file, absolute.
        limit, draw: how many samples; the first ones, or drawn at random by this seed.
        settings: of `config.Settings`, those of `SETTINGS`.
        output: the run's folder; None for one of its own in the data folder.
        force: whether adapters of other bases may speak.
    """

    task: str
    data: str
    methods: tuple[str, ...]
    limit: int | None
    draw: int | None
    scorer: str
    communities: tuple[str, ...]
    communities_model: str | None
    settings: dict[str, Any]
    output: str | None = None
    force: bool = False

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        """What a run.json, checked when it was read, says that the run was begun with."""
        begun = record["about"]["wanted"]
        return cls(
            **{
                **begun,
                "communities": tuple(begun["communities"]),
                "methods": tuple(begun["methods"]),
                # earlier versions asked as the file has the options
                "settings": {**begun["settings"], "orders": begun["settings"].get("orders") or "asked"},
            }
        )

    def record(self) -> dict[str, Any]:
        """As a run.json has it: without credentials."""
        fields = asdict(self)
        fields["settings"] = {**self.settings, "model": without_credentials(self.settings["model"])}
        if self.communities_model is not None:
            fields["communities_model"] = without_credentials(self.communities_model)
        return fields

    def read_samples(self) -> tuple[Task, list[Sample]]:
        """The task and its chosen samples, read from the file of data.

        Raises:
            NotFound, InvalidInput: no such task or file, a bad row, or `draw` without a `limit`.
        """
        task = find_task(self.task)
        return task, draw_samples(read_samples(task, Path(self.data)), self.limit, self.draw)


@dataclass(frozen=True)
class RunFolder:
    """A run that was begun: its folder, and its run.json."""

    path: Path
    record: dict[str, Any]

    @property
    def spec(self) -> RunSpec:
        """What the run was begun with."""
        return RunSpec.from_record(self.record)

    def results(self) -> Results:
        """What became of every sample by now, by method.

        Raises:
            Refused, InvalidInput: the journal is damaged.
        """
        return read_results(self.path)[0]

    @property
    def has_answers(self) -> bool:
        """Whether any sample was answered by now; raises as `results`."""
        return has_answers(self.results())

    def read_samples(self) -> tuple[Task, list[Sample]]:
        """The run's task and samples, read again.

        Raises:
            Refused: the file holds others by now. Else as `RunSpec.read_samples`.
        """
        spec = self.spec
        task, samples = spec.read_samples()
        if digest([sample.id for sample in samples]) != self.record["identity"]["samples"]["sha256"]:
            raise Refused(
                f"{spec.data} holds other samples than when the run began.", "Restore the file of that time."
            )
        return task, samples

    def results_of(self, summary: RunSummary) -> dict[str, Any]:
        """The run's figures as results.json has them."""
        return summary.record(self.record["identity"], self.record["id"])

    def write_results(self, summary: RunSummary) -> dict[str, Any]:
        """Replace RUN/results.json as a whole, and return what it has.

        Raises:
            OSError: the folder cannot be written.
        """
        results = self.results_of(summary)
        write_atomic(self.path / RESULTS_FILE, json.dumps(results, ensure_ascii=False, indent=1) + "\n")
        return results


def find_run(name: Path, root: Path) -> RunFolder:
    """A run by its folder, or by its name in `root`.

    Raises:
        NotFound: there is none. InvalidInput: its run.json is damaged.
    """
    for folder in (name.expanduser(), root / name):
        record = read_run(folder)
        if record is not None:
            return RunFolder(folder.resolve(), record)
    raise NotFound(f"There is no run '{name}'.", "plocal eval ls lists them; or give its folder.")


def draw_samples(samples: Sequence[Sample], limit: int | None, draw: int | None) -> list[Sample]:
    """The first `limit`, or as many drawn by a seed: by a hash of seed and id, so that a larger limit adds only.

    Raises:
        InvalidInput: drawing without a limit.
    """
    if draw is None:
        return list(samples[:limit])
    if limit is None:
        raise InvalidInput("--sample draws as many as --limit says.", "Give --limit N, too.")
    ordered = sorted(samples, key=lambda sample: hashlib.sha256(f"{draw}:{sample.id}".encode()).hexdigest())
    return ordered[:limit]
