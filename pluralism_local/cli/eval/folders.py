"""A run's folder, read again: what it was begun with, and its samples.

RUN ──find_run──> (folder, run.json) ──wanted_of, settings_of, samples_of──> Wanted, Settings, (Task, samples)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pluralism_local.cli import options
from pluralism_local.cli.eval.work import SETTINGS, Wanted, chosen
from pluralism_local.cli.output import Output
from pluralism_local.errors import NotFound

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.evaluation.samples import Sample
    from pluralism_local.evaluation.tasks import Task

RunName = Annotated[
    Path, typer.Argument(metavar="RUN", help="The run's folder, or its name in the data folder.")
]


def find_run(name: Path) -> tuple[Path, dict[str, Any]]:
    """A run by its folder, or by its name in the data folder; with its run.json.

    Raises: NotFound. InvalidInput for a damaged run.json.
    """
    from pluralism_local import config
    from pluralism_local.evaluation.identity import read_run

    for folder in (name.expanduser(), config.paths().data_dir / "eval" / name):
        record = read_run(folder)
        if record is not None:
            return folder.resolve(), record
    raise NotFound(f"There is no run '{name}'.", "plocal eval ls lists them; or give its folder.")


def wanted_of(record: dict[str, Any]) -> Wanted:
    """What the run was begun with."""
    found = dict(record["about"]["wanted"])
    return Wanted(**{**found, "communities": tuple(found["communities"])})


def settings_of(out: Output, wanted: Wanted, given: Mapping[str, object] | None = None) -> Settings:
    """The settings that the run was begun with, but for what `others.allow` decides about; `given` options win."""
    told = {name: value for name, value in (given or {}).items() if value is not None}
    plain = {name: wanted.settings.get(name) for name in SETTINGS if name not in ("model", "pool")}
    return options.load(out, {**plain, **told}).settings


def samples_of(record: dict[str, Any]) -> tuple[Task, list[Sample]]:
    """The run's task and samples, read again.

    Raises: Refused if the file holds others by now.
    """
    from pluralism_local.errors import Refused
    from pluralism_local.evaluation import reading
    from pluralism_local.evaluation.identity import digest
    from pluralism_local.evaluation.tasks import find_task

    wanted = wanted_of(record)
    task = find_task(wanted.task)
    samples = chosen(reading.read_samples(task, Path(wanted.data)), wanted.limit, wanted.draw)
    if digest([sample.id for sample in samples]) != record["identity"]["samples"]["sha256"]:
        raise Refused(
            f"{wanted.data} holds other samples than when the run began.", "Restore the file of that time."
        )
    return task, samples
