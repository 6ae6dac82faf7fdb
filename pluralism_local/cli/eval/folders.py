"""A run's folder by the name that the user gave, and the settings to go on with it.

RUN ──find_run──> RunFolder ──settings_of(given options)──> Settings
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pluralism_local.cli import options
from pluralism_local.cli.output import Output

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.evaluation.run_folder import RunFolder, RunSpec

RunName = Annotated[
    Path, typer.Argument(metavar="RUN", help="The run's folder, or its name in the data folder.")
]


def runs_folder() -> Path:
    """Where runs lie that were given no folder."""
    from pluralism_local import config

    return config.paths().data_dir / "eval"


def find_run(name: Path) -> RunFolder:
    """A run by its folder, or by its name in the data folder.

    Raises:
        NotFound: there is none. InvalidInput: its run.json is damaged.
    """
    from pluralism_local.evaluation import run_folder

    return run_folder.find_run(name, runs_folder())


def settings_of(out: Output, spec: RunSpec, overrides: Mapping[str, object] | None = None) -> Settings:
    """The settings that the run was begun with, but for what `others.allow` decides about; `overrides` win."""
    from pluralism_local.evaluation.run_folder import SETTINGS

    own = {name: spec.settings.get(name) for name in SETTINGS if name not in ("model", "pool")}
    typed = {name: value for name, value in (overrides or {}).items() if value is not None}
    return options.load(out, {**own, **typed}).settings
