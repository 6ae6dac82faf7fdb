#!/usr/bin/env python
"""Train a community's adapter from its configuration.

python recipes/train_community.py recipes/configs/press-left.toml
python recipes/train_community.py recipes/configs/press-left.toml --set training.tokens=50_000 --dry-run

The run's folder (recipes/runs/ID) keeps checkpoints while it runs: the same command resumes after an interruption.
Then python recipes/export_gguf.py recipes/runs/ID makes the adapter usable.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from communitylm.command import run, say
from communitylm.community.settings import read_settings
from pluralism_local.display.figures import many

HERE = Path(__file__).parent

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=__doc__)
def train(
    config: Annotated[Path, typer.Argument(help="A configuration, e.g. recipes/configs/press-left.toml.")],
    output: Annotated[
        Path | None, typer.Option(help="The run's folder.", show_default="recipes/runs/ID")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Repeatable.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: torch's choice.")] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Throw away what the folder holds.")] = False,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Train so long at most, then stop with exit code 130.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything, show the plan, stop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The record on standard output.")] = False,
) -> None:
    settings = read_settings(config, overrides or [])
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # before torch is imported
    from communitylm.community.planning import plan as make_plan
    from communitylm.community.training import train as carry_out

    plan = make_plan(settings)
    folder = output or HERE / "runs" / settings.id
    width = max(len(key) for key, _, _ in settings.rows())
    for key, value, origin in settings.rows():
        say(f"{key:<{width}}  {value}  ({origin})")
    say(
        f"{'resolved':<{width}}  {plan.device}, {plan.precision}; base {plan.base.gguf or plan.base.reference}"
    )
    say(
        f"{'plan':<{width}}  {many(plan.steps, 'step')}, {many(plan.tokens, 'token')} with a loss, "
        f"{f'{plan.partner.tokens:,} of {plan.partner.settings.id}, ' if plan.partner else ''}"
        f"{many(plan.passages, 'passage')} of {many(plan.documents, 'document')}; "
        f"{sum(example.losses for example in plan.held_out):,} held-out tokens"
    )
    say(f"{'folder':<{width}}  {folder}")
    if dry_run:
        return
    record = carry_out(plan, folder, say=say, restart=restart, seconds=seconds)
    say(f"Done in {record['minutes']} minutes. Next:\n  python recipes/export_gguf.py {folder}")
    if as_json:
        json.dump(record, sys.stdout, ensure_ascii=False, indent=1)
        print()


if __name__ == "__main__":
    run(app)
