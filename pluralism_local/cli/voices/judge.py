"""The command `plocal communities judge`."""

from __future__ import annotations

import typer

from pluralism_local import wiring
from pluralism_local.cli import options
from pluralism_local.cli.voices import options as own
from pluralism_local.evaluation.scorer_names import NO_SCORER

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
  plocal communities judge perspectives -m big --take-sides --limit 12
  plocal communities judge perspectives -m starter --judge big --answers --no-controls
  plocal communities judge --comments mine.jsonl --judge big --pair mine-left:mine-right

The judge reads every comment in both orders of the options. Everything finished is kept: the same command goes on
after an interruption, and a larger --limit only adds. A small judge judges little: look at 'order effect'.
"""


def judge(
    context: typer.Context,
    pool: own.PoolOrFile = None,
    model: options.Model = None,
    judge: own.JudgeModel = None,
    community: options.CommunityNames = None,
    questions: own.Questions = None,
    limit: own.QuestionLimit = None,
    comments: own.CommentsFile = None,
    pair: own.Pairs = None,
    controls: own.Controls = True,
    answers: own.JudgedAnswers = False,
    scorer: own.PositionScorer = NO_SCORER,
    opinions: own.Opinions = None,
    held_out: own.HeldOutFolder = None,
    output: own.JudgingFolder = None,
    take_sides: options.TakeSides = None,
    seed: options.Seed = None,
    max_tokens: options.MaxTokens = None,
    comment_max_tokens: options.CommentMaxTokens = None,
    ctx_size: options.CtxSize = None,
    gpu_layers: options.GpuLayers = None,
    threads: options.Threads = None,
    template: options.Template = None,
    dry_run: own.ProbeOnly = False,
    offline: options.Offline = None,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Judge a pool's voices on contested questions: on topic, stance, repetition, invented figures."""
    out = options.output(context, as_json=as_json)
    from pluralism_local.cli.voices.running import run
    from pluralism_local.errors import InvalidInput
    from pluralism_local.evaluation.voices.service import VoicesSpec

    options.pool_or_communities(pool, community)
    if comments is not None and (opinions is not None or held_out is not None or answers):
        raise InvalidInput(
            "--opinions, --held-out and --answers ask the models themselves, and --comments has only what was said.",
            "Leave out --comments, or the other.",
        )
    settings = options.load(out, options.settings_given(locals())).settings
    spec = VoicesSpec(
        pool=wiring.find_pool(wiring.library(settings), settings.pool, list(community or ())),
        model=settings.model,
        judge=judge or settings.model,
        sampling=settings.comment_sampling(),
        template=settings.template,
        questions=questions,
        limit=limit,
        comments=comments,
        pairs=tuple(pair or ()),
        take_sides=settings.take_sides,
        controls=controls,
        answer=settings.answer_sampling() if answers else None,
        scorer=None if scorer == NO_SCORER else scorer,
        opinions=opinions,
        held_out=held_out,
        folder=None if output is None else output.expanduser().resolve(),
    )
    run(out, settings, spec, force=force, dry_run=dry_run)
