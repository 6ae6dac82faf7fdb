#!/usr/bin/env python
"""Train the NLI adapter: whether a sentence follows from another, judged by the base model itself.

python recipes/train_nli.py train recipes/nli.toml
python recipes/train_nli.py export recipes/runs/nli --check recipes/corpora/nli/mnli_dev.jsonl.gz

The run's folder keeps checkpoints while it runs: the same command resumes after an interruption. `export` proves that
llama.cpp computes the same, measures accuracy, and writes the two files that the package carries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from communitylm import command
from communitylm.nli.settings import read_nli_settings

HERE = Path(__file__).parent

app = typer.Typer(rich_markup_mode=None, add_completion=False, help=__doc__, no_args_is_help=True)


@app.command()
def train(
    config: Annotated[Path, typer.Argument(help="A configuration, e.g. recipes/nli.toml.")],
    output: Annotated[
        Path | None, typer.Option(help="The run's folder.", show_default="recipes/runs/CONFIG")
    ] = None,
    overrides: command.Overrides = None,
    threads: command.TorchThreads = None,
    restart: command.Restart = False,
    seconds: command.TrainSeconds = None,
    dry_run: command.DryRunOfPlan = False,
    as_json: command.RecordAsJson = False,
) -> None:
    """Train the adapter from its configuration, or go on with what was interrupted."""
    settings = read_nli_settings(config, overrides or [])
    command.set_threads(threads)
    from communitylm.nli.planning import plan as make_plan
    from communitylm.nli.training import train as carry_out

    plan = make_plan(settings)
    folder = output or HERE / "runs" / config.stem
    left_out = ", ".join(f"{count:,} {why}" for why, count in plan.gathered.left_out.items() if count)
    lines = {
        "resolved": f"{plan.device}, {plan.precision}; base {plan.base.gguf or plan.base.reference}",
        "plan": f"{plan.steps:,} steps, {len(plan.order):,} pairs of {len(plan.gathered.training):,} different ones, "
        f"{plan.tokens:,} tokens after an opening of {len(plan.opening)}; {len(plan.held_out):,} held-out pairs",
        "left out": (left_out or "none") + f"; {plan.too_long:,} too long",
        "folder": str(folder),
    }
    command.say_plan(settings, lines)
    if dry_run:
        return
    record = carry_out(plan, folder, say=command.say, restart=restart, seconds=seconds)
    command.say(f"Done in {record['minutes']} minutes. Next:\n  python recipes/train_nli.py export {folder}")
    if as_json:
        command.print_json(record)


@app.command()
def export(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run.")],
    to: Annotated[
        Path | None, typer.Option(help="Where to.", show_default="pluralism_local/evaluation/nli")
    ] = None,
    check: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Labelled pairs to check on; repeatable.")
    ] = None,
    most: Annotated[int | None, typer.Option(min=1, help="Pairs of each such file at most.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; default: all cores.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The facts on standard output.")] = False,
) -> None:
    """Export a finished run to GGUF, prove it, and check it."""
    command.set_threads(threads)
    from communitylm.nli.export import export as carry_out
    from pluralism_local.evaluation.nli import shipped

    target = to or shipped.HERE
    facts = carry_out(folder, target, check_on=check or (), most=most, threads=threads, say=command.say)
    if as_json:
        command.print_json(facts)
        return
    print(f"{target / facts['file']}: {facts['bytes']:,} bytes, sha256 {facts['sha256']}")
    for name, check_of in facts["accuracy"].items():
        low, high = check_of["interval"]
        print(
            f"{name}: accuracy {check_of['accuracy']:.3f} (95 % {low:.3f}–{high:.3f}) of {check_of['n']:,} pairs"
        )


if __name__ == "__main__":
    command.run(app)
