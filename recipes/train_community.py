#!/usr/bin/env python
"""Train a community's adapter from its configuration.

python recipes/train_community.py recipes/configs/press-left.toml
python recipes/train_community.py recipes/configs/press-left.toml --set training.tokens=50_000 --dry-run

The run's folder (recipes/runs/ID) keeps checkpoints while it runs: the same command resumes after an interruption.
Then python recipes/export_gguf.py recipes/runs/ID makes the adapter usable.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from communitylm import command
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
    overrides: command.Overrides = None,
    threads: command.TorchThreads = None,
    restart: command.Restart = False,
    seconds: command.TrainSeconds = None,
    dry_run: command.DryRunOfPlan = False,
    as_json: command.RecordAsJson = False,
) -> None:
    settings = read_settings(config, overrides or [])
    command.set_threads(threads)
    from communitylm.community.planning import plan as make_plan
    from communitylm.community.training import train as carry_out

    plan = make_plan(settings)
    folder = output or HERE / "runs" / settings.id
    beside = f"{plan.partner.tokens:,} of {plan.partner.settings.id}, " if plan.partner else ""
    lines = {
        "resolved": f"{plan.device}, {plan.precision}; base {plan.base.gguf or plan.base.reference}",
        "plan": f"{many(plan.steps, 'step')}, {many(plan.tokens, 'token')} with a loss, {beside}"
        f"{many(plan.passages, 'passage')} of {many(plan.documents, 'document')}; "
        f"{sum(example.losses for example in plan.held_out):,} held-out tokens",
        "folder": str(folder),
    }
    command.say_plan(settings, lines)
    if dry_run:
        return
    record = carry_out(plan, folder, say=command.say, restart=restart, seconds=seconds)
    command.say(f"Done in {record['minutes']} minutes. Next:\n  python recipes/export_gguf.py {folder}")
    if as_json:
        command.print_json(record)


if __name__ == "__main__":
    command.run(app)
