#!/usr/bin/env python
"""Train one adapter for all personas of a base, with which each begins with its own side's answer.

python recipes/train_sides.py recipes/configs/qwen2.5-coder-1.5b/sides.toml
python recipes/train_sides.py recipes/configs/qwen2.5-coder-1.5b/sides.toml --set training.passes=1 --dry-run

The run's folder (recipes/runs/ID) keeps checkpoints while it runs: the same command resumes after an interruption.
Then python recipes/export_gguf.py recipes/runs/ID --id COMMUNITY … puts it beside the personas of these communities.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from communitylm import command
from communitylm.sides.settings import read_sides_settings

HERE = Path(__file__).parent

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=__doc__)
def train(
    config: Annotated[
        Path, typer.Argument(help="A configuration, e.g. recipes/configs/qwen2.5-coder-1.5b/sides.toml.")
    ],
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
    settings = read_sides_settings(config, overrides or [])
    command.set_threads(threads)
    from communitylm.sides.planning import plan as make_plan
    from communitylm.sides.training import train as carry_out

    plan = make_plan(settings)
    folder = output or HERE / "runs" / settings.values.id
    prompts = {example.prompt for example in plan.examples}
    lines = {
        "resolved": f"{plan.device}, {plan.precision}; base {plan.base.gguf or plan.base.reference}",
        "plan": f"{plan.steps:,} steps, {plan.questions:,} questions, {len(plan.pairs)} pairs of personas; "
        f"{len(prompts):,} prompts to read first; {len(plan.held_out):,} held-out pairs of answers",
        "folder": str(folder),
    }
    command.say_plan(settings, lines)
    if dry_run:
        return
    record = carry_out(plan, folder, say=command.say, restart=restart, seconds=seconds)
    command.say(
        f"Done in {record['minutes']} minutes. Next:\n"
        f"  python recipes/export_gguf.py {folder} --id {settings.values.sides.left[0]}"
    )
    if as_json:
        command.print_json(record)


if __name__ == "__main__":
    command.run(app)
