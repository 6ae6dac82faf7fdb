"""`plocal ask`: one question, one answer.

    options + stdin ──> Ask ──> engines ──> run_ask ──> events ──> LiveView, and the history
                                   └─ --dry-run: rehearsal ──> the plan

Cheap checks come first: the mode, the prompt, the cards; then the model is opened.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from pluralism_local import wiring
from pluralism_local.cli import deliberation_options, hub_models, options
from pluralism_local.cli.ask_log import logged
from pluralism_local.cli.exits import ExitCode
from pluralism_local.cli.interrupt import Interrupt, catching
from pluralism_local.cli.output import Format, Output
from pluralism_local.cli.stdin import read_prompt
from pluralism_local.conversation.ask_builder import (
    AskChoices,
    build_ask,
    build_deliberation,
    choose_pool,
    going_on,
    to_continue,
)
from pluralism_local.conversation.ask_checks import check_draws, check_mode
from pluralism_local.conversation.draw_cost import DrawCost
from pluralism_local.conversation.engines import Handles, open_handles
from pluralism_local.errors import Cancelled
from pluralism_local.mode_specs import SPECS, PromptChoice
from pluralism_local.results import Result

if TYPE_CHECKING:
    from pluralism_local.agreement import Deliberation
    from pluralism_local.cli.live_view import LiveView
    from pluralism_local.config import Settings
    from pluralism_local.conversation.history_log import ConversationLog
    from pluralism_local.history import Conversation
    from pluralism_local.modes import Ask

EPILOG = """
\b
Examples:
  plocal ask "Should phones be banned in schools?"
  plocal ask --mode steerable --attribute "rural voters" "Is hunting wrong?"
  plocal ask --mode dist --option Yes --option No "Ban phones in schools?"
  plocal ask -p press-left -p press-right --show-comments "Raise the minimum wage?"
  cat article.txt | plocal ask "What would people say about this?"
  plocal ask --json "Is tipping fair?" | jq -r .answer
  plocal ask --dry-run "Is tipping fair?"
  plocal ask --trace "Is tipping fair?"
  plocal ask --draws 8 --comment-max-tokens 60 "Is tipping fair?"
  plocal ask --rounds 1 --consensus --rule nash "Is tipping fair?"
  plocal ask -c "And for waiters?"

\b
stdin comes first, then the PROMPT, with a blank line between. With a PROMPT, a pipe that stays
silent for a second is left alone (with a warning); --stdin waits for it.

\b
Exit codes:
  0    done; also when the reader of a pipe went away
  1    unexpected, or the output could not be written (PLOCAL_DEBUG=1 for a traceback)
  2    wrong usage, config, card, or a prompt longer than the context
  3    something needed is not here: a model, a card; or not downloaded while offline
  4    refused: an adapter of another base model, a checksum that differs
  5    a remote model failed, and there is nothing to keep
  6    partial: stopped (Ctrl-C) or half of it failed; what exists is printed
  130  stopped before there was anything to print
"""


@dataclass(frozen=True, slots=True)
class AskOptions:
    """What the command line says beyond the settings, or the conversation that it goes on with.

    Attributes:
        answers: those to weigh.
        positions, prompts, draws, deliberation: as in `Ask`.
        whole, thoughts, trace, usage: what is shown beside the answer.
        conversation: the one to go on with; None for a new one.
    """

    choices: AskChoices
    answers: tuple[str, ...]
    communities_model: str | None
    stream: bool
    whole: bool
    thoughts: bool
    trace: bool
    usage: bool
    positions: bool
    prompts: PromptChoice
    draws: int
    deliberation: Deliberation
    dry_run: bool
    force: bool
    conversation: Conversation | None


def ask(
    context: typer.Context,
    prompt: Annotated[
        str | None, typer.Argument(metavar="PROMPT", help="The question.", show_default=False)
    ] = None,
    model: options.Model = None,
    communities_model: options.CommunitiesModel = None,
    mode: options.Mode = None,
    pool: options.PoolName = None,
    community: options.CommunityNames = None,
    attribute: options.Attribute = None,
    option: options.AnswerOptions = None,
    orders: options.OptionOrders = None,
    take_sides: options.TakeSides = None,
    system: options.System = None,
    seed: options.Seed = None,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    max_tokens: options.MaxTokens = None,
    comment_max_tokens: options.CommentMaxTokens = None,
    ctx_size: options.CtxSize = None,
    gpu_layers: options.GpuLayers = None,
    threads: options.Threads = None,
    template: options.Template = None,
    samples: options.Samples = None,
    as_json: options.AskJson = False,
    format: options.AskFormat = "text",
    stream: options.Stream = True,
    stdin: options.ReadStdin = None,
    show_comments: options.ShowComments = False,
    thoughts: options.ShowThoughts = False,
    trace: options.Trace = False,
    positions: options.Positions = False,
    prompts: options.Prompts = "auto",
    draws: options.Draws = 0,
    rounds: deliberation_options.Rounds = 0,
    consensus: deliberation_options.Consensus = False,
    rule: deliberation_options.ConsensusRule = None,
    alpha: deliberation_options.Alpha = None,
    revise: deliberation_options.Revise = False,
    usage: options.ShowUsage = False,
    dry_run: options.DryRun = False,
    offline: options.Offline = None,
    force: options.Force = False,
    no_log: options.NoLog = False,
    go_on: options.Continue = False,
    conversation: options.ConversationId = None,
) -> None:
    """Ask one question and get one answer from a pool of communities and a language model.

    In the mode overton every community comments and the LLM writes one answer that covers them; in
    steerable it picks the comment that best reflects --attribute; in distributional it weighs the answers
    given with --option.

    Every ask is kept in the history (plocal logs), unless --no-log is given or `plocal logs off` was said.
    """
    out = options.output(context)
    out.format = "json" if as_json else format
    options.pool_or_communities(pool, community)
    overrides = {**options.settings_given(locals()), "logging": False if no_log else None}
    going_on_with = to_continue(conversation) if go_on or conversation is not None else None
    loaded = options.load(out, overrides)
    settings, choices = going_on(
        loaded.settings,
        loaded.origin,
        AskChoices(specs=tuple(community or ()), attribute=attribute, system=system),
        going_on_with,
    )
    if attribute is None and not SPECS[settings.mode].attribute:
        choices = replace(choices, attribute=None)  # the conversation's is of another mode
    check_mode(settings.mode, trace=trace, positions=positions, own_prompts=prompts == "own")
    chosen = AskOptions(
        choices=choices,
        answers=tuple(option or os.environ.get("PLOCAL_OPTION", "").splitlines()),
        communities_model=communities_model,
        stream=stream,
        whole=show_comments,
        thoughts=thoughts,
        trace=trace,
        usage=usage,
        positions=positions,
        prompts=prompts,
        draws=draws,
        deliberation=build_deliberation(rounds, consensus=consensus, rule=rule, alpha=alpha, revise=revise),
        dry_run=dry_run,
        force=force,
        conversation=going_on_with,
    )
    question = read_prompt(prompt, sys.stdin, wait=stdin, warn=out.warn)
    default_local = wiring.local_default(overrides)
    _answer(out, settings, chosen, question, default_local)


def _answer(out: Output, settings: Settings, chosen: AskOptions, question: str, default_local: str) -> None:
    """Open the engines and carry out the ask, or rehearse it."""
    from pluralism_local.conversation.asking import fit_ask

    spec, choices, conversation = SPECS[settings.mode], chosen.choices, chosen.conversation
    pool = choose_pool(settings, choices.specs, choices.weights) if spec.communities else None
    if chosen.draws:
        check_draws(chosen.draws, settings.mode, 0 if pool is None else len(pool.members))
    task = build_ask(
        settings,
        question,
        pool=pool,
        attribute=choices.attribute,
        options=chosen.answers,
        system=choices.system,
        turns=conversation.to_go_on() if conversation else (),
        positions=chosen.positions,
        prompts=chosen.prompts,
        draws=chosen.draws,
        deliberation=chosen.deliberation,
    )
    with (
        catching(out) as interrupt,
        open_handles(
            settings,
            communities=chosen.communities_model,
            default_local=default_local,
            needed=spec.communities,
            status=out.status,
        ) as handles,
    ):
        out.clear_status()
        task, warnings = fit_ask(task, handles, force=chosen.force)
        if chosen.dry_run:
            _rehearse(out, task, handles, warnings)
        else:
            if task.draws:
                out.note(f"--draws {task.draws}: {DrawCost.of(task).sentence}")
            with logged(out, task, settings, conversation.id if conversation else None) as log:
                interrupt.graceful = True
                hub_models.advise(out, settings)
                _run(out, settings, task, handles, chosen, warnings, interrupt, log)


def _rehearse(out: Output, task: Ask, handles: Handles, warnings: list[str]) -> None:
    """Show what would be asked."""
    from pluralism_local.cli.dry_run import show_plan

    if task.wants_window:
        deliberation = replace(task.deliberation, hears="comments")
        task = replace(task, positions=False, prompts="auto", deliberation=deliberation)
        warnings.append(
            "What positions are asked about follows from the comments: the plan leaves it out, and in rounds "
            "shows the voices each other's comments instead."
        )
    show_plan(out, task, handles, warnings)


def _run(
    out: Output,
    settings: Settings,
    task: Ask,
    handles: Handles,
    chosen: AskOptions,
    warnings: list[str],
    interrupt: Interrupt,
    log: ConversationLog,
) -> None:
    """Show events until the result; Ctrl-C keeps what there is."""
    from pluralism_local.conversation.asking import run_ask

    view = _view_of(out, task, chosen)
    events_of_ask = run_ask(
        task,
        handles,
        warnings=warnings,
        log=log,
        should_stop=interrupt,
        settings=settings,
        status=out.status,
    )
    with closing(events_of_ask) as events:
        for event in events:
            if not isinstance(event, Result):
                view.event(event)
                continue
            if interrupt.requested and not _is_worth_keeping(event):
                raise Cancelled
            log.finish(event)
            view.finish(event, log.conversation)
            _tell(out, event, usage_too=chosen.usage)


def _tell(out: Output, result: Result, *, usage_too: bool) -> None:
    """What goes to stderr at the end, and the exit code."""
    for warning in result.warnings:
        out.warn(warning)
    if usage_too:
        from pluralism_local.cli.result_text import usage

        out.note(usage(result))
    if not result.complete:
        out.exit = ExitCode.PARTIAL


def _is_worth_keeping(result: Result) -> bool:
    """Whether there is anything of a stopped ask."""
    has_comments = any(comment.text.strip() for comment in result.comments)
    return has_comments or bool(result.answer.strip()) or result.distribution is not None


def _view_of(out: Output, task: Ask, chosen: AskOptions) -> LiveView:
    from pluralism_local.cli import live_view
    from pluralism_local.cli.result_markdown import MarkdownLayout
    from pluralism_local.cli.result_text import TextLayout

    kind: Format = out.format
    communities = len(task.pool.members) if task.pool is not None else 0
    if kind == "json":
        return live_view.JsonView(out, communities=communities, trace=chosen.trace)
    if kind == "jsonl":
        return live_view.JsonLinesView(out, trace=chosen.trace)
    layout: live_view.Layout = TextLayout(out, task.pool, whole=chosen.whole, trace=chosen.trace)
    if kind == "md":
        layout = MarkdownLayout(task.pool, whole=chosen.whole, trace=chosen.trace)
    return live_view.ReadingView(
        out,
        layout,
        prompt=task.prompt,
        stream=chosen.stream,
        communities=communities,
        thoughts=chosen.thoughts,
    )
