"""What the recipes' scripts have in common: options, and how every one of them ends."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from communitylm.training.configuration import Settings, TrainingValues
from pluralism_local.exits import ExitCode, Failure, describe

Overrides = Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Repeatable.")]
TorchThreads = Annotated[int | None, typer.Option(min=1, help="CPU threads; default: torch's choice.")]
Restart = Annotated[bool, typer.Option("--restart", help="Throw away what the folder holds.")]
TrainSeconds = Annotated[
    float | None, typer.Option(min=1, help="Train so long at most, then stop with exit code 130.")
]
DryRunOfPlan = Annotated[bool, typer.Option("--dry-run", help="Check everything, show the plan, stop.")]
RecordAsJson = Annotated[bool, typer.Option("--json", help="The record on standard output.")]
WriterThreads = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="CPU threads of the larger model; default: the physical cores."),
]
WriteSeconds = Annotated[float | None, typer.Option(min=1, help="Begin nothing more after so many.")]


def run(app: typer.Typer) -> None:
    """Run a script's app; ``Error: …`` with its hint on stderr and the documented exit code, 130 for Ctrl-C.

    With PLOCAL_DEBUG=1 whatever went wrong keeps its traceback.
    """
    try:
        code = app(standalone_mode=False) or 0
        if code == ExitCode.INTERRUPTED:  # typer turns Ctrl-C into this
            say("Stopped.")
        sys.exit(code)
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("PLOCAL_DEBUG") and not isinstance(error, KeyboardInterrupt):
            raise
        failure = describe(error)
        if isinstance(error, TyperException):
            failure = Failure(ExitCode.USAGE, "usage", error.format_message(), "--help says what it takes.")
        say(f"Error: {failure.message}" if failure.code != "cancelled" else failure.message)
        if failure.hint:
            say(f"  {failure.hint}")
        sys.exit(failure.exit)


def say(text: str) -> None:
    """Progress and warnings: a line on stderr."""
    print(text, file=sys.stderr, flush=True)


def set_threads(threads: int | None) -> None:
    """Hold torch to so many threads; called before it is imported."""
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)


def say_plan(settings: Settings[TrainingValues], lines: Mapping[str, str]) -> None:
    """Every value of a configuration with its origin, then what follows from them, in columns."""
    width = max(len(key) for key, _, _ in settings.rows())
    for key, value, origin in settings.rows():
        say(f"{key:<{width}}  {value}  ({origin})")
    for key, line in lines.items():
        say(f"{key:<{width}}  {line}")


def print_json(record: Mapping[str, Any]) -> None:
    """A record on standard output."""
    print(json.dumps(record, ensure_ascii=False, indent=1))
