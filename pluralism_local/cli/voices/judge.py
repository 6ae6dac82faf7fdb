"""The command `plocal communities judge` and its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pluralism_local.cli import options
from pluralism_local.cli.eval.scorers import NO_SCORER

EPILOG = """
\b
Figures, each with a 95 % interval over questions:
  on topic     comments that make their question likelier than three others: the judge's probability is at least 1/2
  yes          mean P(yes): the judge's probability that the comment answers yes
  repeats      comments in which any eight words come twice
  invents      comments with a number that is neither in the question nor in the persona
  ends         comments that ended before the limit of tokens
  agrees       questions on which left and right differ in the direction of the parties' public positions;
               'shuffled' is the same with the voices' names permuted
  spread       variance over the voices of P(yes)

\b
Examples:
  plocal communities judge perspectives -m starter --limit 12 --dry-run
  plocal communities judge perspectives -m big --limit 12
  plocal communities judge perspectives -m starter --judge big --scorer adapter
  plocal communities judge --comments mine.jsonl --judge big --pair mine-left:mine-right

The judge reads every comment in both orders of the options. Everything finished is kept: the same command goes on
after an interruption, and a larger --limit only adds. A small judge judges little: look at 'order effect'.
"""

Controls = Annotated[
    bool,
    typer.Option(
        "--controls/--no-controls",
        show_default=False,
        help="Also ask the bare model, once for every voice: what spread is there without any community? Default: on.",
    ),
]


def judge(
    context: typer.Context,
    pool: Annotated[
        str | None,
        typer.Argument(
            metavar="[POOL]", show_default=False, help="A pool, or a file of one. Default: yours."
        ),
    ] = None,
    model: options.Model = None,
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge",
            metavar="NAME",
            envvar="PLOCAL_JUDGE",
            show_default=False,
            help="The model that reads the comments; same names as --model. Default: the model itself.",
        ),
    ] = None,
    community: options.CommunityNames = None,
    questions: Annotated[
        Path | None,
        typer.Option(
            "--questions",
            metavar="FILE",
            show_default=False,
            help="Questions of yes or no, one a line, or JSON lines with question, topic, left, right, source. "
            "Default: 60 that ship.",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, metavar="N", help="Questions, balanced over topics. Default: all."),
    ] = None,
    comments: Annotated[
        Path | None,
        typer.Option(
            "--comments",
            metavar="FILE",
            show_default=False,
            help="Judge these comments instead: JSON lines with question, community, text.",
        ),
    ] = None,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            "--pair",
            metavar="LEFT:RIGHT",
            show_default=False,
            help="Two opposite voices. Repeatable. Default: every X-left with X-right.",
        ),
    ] = None,
    controls: Controls = True,
    scorer: Annotated[
        str,
        typer.Option(
            "--scorer",
            metavar="NAME",
            envvar="PLOCAL_SCORER",
            show_default=False,
            help="Also count different positions per ask, by entailment: 'adapter', or as in plocal eval. "
            "Default: none.",
        ),
    ] = NO_SCORER,
    opinions: Annotated[
        Path | None,
        typer.Option(
            "--opinions",
            metavar="FILE",
            show_default=False,
            help="Survey rows with party or ideology (OpinionQA as released): do left and right differ as people do?",
        ),
    ] = None,
    held_out: Annotated[
        Path | None,
        typer.Option(
            "--held-out",
            metavar="FOLDER",
            show_default=False,
            help="ID.jsonl or ID.jsonl.gz with text the voice was not trained on: its perplexity, beside the base's.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="FOLDER", show_default=False, help="Default: one in the data folder."
        ),
    ] = None,
    seed: options.Seed = None,
    comment_max_tokens: options.CommentMaxTokens = None,
    ctx_size: options.CtxSize = None,
    gpu_layers: options.GpuLayers = None,
    threads: options.Threads = None,
    template: options.Template = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count, probe and estimate; keep nothing.")
    ] = False,
    offline: options.Offline = None,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Judge a pool's voices on contested questions: on topic, stance, repetition, invented figures."""
    out = options.output(context, as_json=as_json)
    from pluralism_local.cli.voices.work import JudgeOptions, carry_out
    from pluralism_local.errors import InvalidInput

    options.pool_or_communities(pool, community)
    if comments is not None and (opinions is not None or held_out is not None):
        raise InvalidInput(
            "--opinions and --held-out ask the voices themselves, and --comments has only what they said.",
            "Leave out --comments, or the other.",
        )
    overrides: dict[str, object] = {
        "model": model,
        "pool": pool,
        "seed": seed,
        "comment_max_tokens": comment_max_tokens,
        "ctx_size": ctx_size,
        "gpu_layers": gpu_layers,
        "threads": threads,
        "template": template,
        "offline": offline,
    }
    settings = options.load(out, overrides).settings
    judge_options = JudgeOptions(
        judge=judge or settings.model,
        communities=tuple(community or ()),
        questions=questions,
        limit=limit,
        comments=comments,
        pairs=tuple(pair or ()),
        controls=controls,
        scorer=scorer,
        opinions=opinions,
        held_out=held_out,
        output=None if output is None else output.expanduser().resolve(),
        force=force,
    )
    carry_out(out, settings, judge_options, dry_run=dry_run)
