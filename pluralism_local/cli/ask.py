"""`plocal ask`: one question, one answer.

    options + stdin ──> Plan ──> engines ──> mode ──> events ──> Show, and the history's Log
                                   └─ --dry-run: rehearsal ──> the plan

Cheap checks come first: the mode, the prompt, the cards; then the model is opened.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from pluralism_local import wiring
from pluralism_local.cli import options
from pluralism_local.cli.exits import ExitCode
from pluralism_local.cli.interrupt import Interrupt, catching
from pluralism_local.cli.keeping import Log, keeping, to_continue
from pluralism_local.cli.output import Format, Output
from pluralism_local.cli.stdin import read_prompt
from pluralism_local.errors import Cancelled
from pluralism_local.mode_specs import SPECS

if TYPE_CHECKING:
    from pluralism_local.cli.show import Show
    from pluralism_local.communities import Pool
    from pluralism_local.config import Settings
    from pluralism_local.history import Conversation
    from pluralism_local.modes import Ask
    from pluralism_local.results import ModeEvent, Result

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
class Wanted:
    """What the command line says beyond the settings, or the conversation that it goes on with.

    `weights` are those of `specs`; empty for equal ones.
    """

    specs: tuple[str, ...]
    weights: tuple[float, ...]
    attribute: str | None
    answers: tuple[str, ...]
    system: str | None
    communities_model: str | None
    stream: bool
    whole: bool
    thoughts: bool
    usage: bool
    dry_run: bool
    force: bool
    going_on: Conversation | None = None


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
    as_json: options.AskJson = False,
    format: options.AskFormat = "text",
    stream: options.Stream = True,
    stdin: options.ReadStdin = None,
    show_comments: options.ShowComments = False,
    thoughts: options.ShowThoughts = False,
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
    from pluralism_local.history import before

    out = options.output(context)
    out.format = "json" if as_json else format
    options.pool_or_communities(pool, community)
    going_on = to_continue(conversation) if go_on or conversation is not None else None
    earlier = before(going_on)
    as_before = pool is None and not community
    overrides: dict[str, object] = {
        "mode": wiring.find_mode(mode) if mode is not None else earlier.mode,
        "model": model,
        "pool": earlier.pool if as_before else pool,
        "seed": seed,
        "temperature": temperature,
        "top_p": top_p,
        "max_tokens": max_tokens,
        "comment_max_tokens": comment_max_tokens,
        "ctx_size": ctx_size,
        "gpu_layers": gpu_layers,
        "threads": threads,
        "template": template,
        "offline": offline,
        "logging": False if no_log else None,
    }
    settings = options.load(out, overrides).settings
    wanted = Wanted(
        specs=earlier.communities if as_before else tuple(community or ()),
        weights=earlier.weights if as_before else (),
        attribute=earlier.attribute if attribute is None and SPECS[settings.mode].attribute else attribute,
        answers=tuple(option or os.environ.get("PLOCAL_OPTION", "").splitlines()),
        system=earlier.system if system is None else system,
        communities_model=communities_model,
        stream=stream,
        whole=show_comments,
        thoughts=thoughts,
        usage=usage,
        dry_run=dry_run,
        force=force,
        going_on=going_on,
    )
    question = read_prompt(prompt, sys.stdin, wait=stdin, warn=out.warn)
    default_local = wiring.local_default(overrides)
    _answer(out, settings, wanted, question, default_local)


def _answer(out: Output, settings: Settings, wanted: Wanted, question: str, default_local: str) -> None:
    """Open the engines and carry out the ask, or rehearse it."""
    needed = SPECS[settings.mode].communities
    pool = _pool(settings, wanted) if needed else None
    task = build_ask(settings, wanted, question, pool)
    with (
        catching(out) as interrupt,
        wiring.open_handles(
            settings,
            communities=wanted.communities_model,
            default_local=default_local,
            needed=needed,
            status=out.status,
        ) as handles,
    ):
        out.clear_status()
        warnings: list[str] = []
        if pool is not None:
            pool, warnings = wiring.fitting(pool, handles.communities, force=wanted.force)
            task = replace(task, pool=pool)
        if wanted.dry_run:
            from pluralism_local.cli.plan import show_plan

            show_plan(out, task, handles, warnings)
        else:
            conversation = wanted.going_on.id if wanted.going_on else None
            with keeping(out, task, settings, conversation) as log:
                interrupt.graceful = True
                _run(out, task, handles, wanted, warnings, interrupt, log)


def _pool(settings: Settings, wanted: Wanted) -> Pool:
    from pluralism_local.history import weighed

    found = wiring.find_pool(wiring.library(settings), settings.pool, list(wanted.specs))
    return weighed(found, wanted.weights)


def build_ask(settings: Settings, wanted: Wanted, question: str, pool: Pool | None) -> Ask:
    """The `Ask` that settings and options make.

    Raises: InvalidInput for values out of range.
    """
    from pluralism_local.modes import Ask
    from pluralism_local.types import Sampling

    return Ask(
        prompt=question,
        mode=settings.mode,
        pool=pool,
        system=wanted.system,
        attribute=wanted.attribute,
        options=wanted.answers,
        turns=wanted.going_on.to_go_on() if wanted.going_on else (),
        answer=Sampling(settings.temperature, settings.top_p, settings.max_tokens, settings.seed),
        comment=Sampling(
            settings.comment_temperature, settings.comment_top_p, settings.comment_max_tokens, settings.seed
        ),
    )


def _run(
    out: Output,
    task: Ask,
    handles: wiring.Handles,
    wanted: Wanted,
    warnings: list[str],
    interrupt: Interrupt,
    log: Log,
) -> None:
    """Show events until the result; Ctrl-C keeps what there is."""
    from pluralism_local import modes

    show = _show(out, task, wanted)
    events = modes.run(task, llm=handles.llm, communities=handles.communities, should_stop=interrupt)
    result = _follow(events, show, log)
    if interrupt.requested and not _something(result):
        raise Cancelled
    result = replace(result, warnings=(*warnings, *result.warnings))
    log.finish(result)
    show.finish(result, log.conversation)
    for warning in result.warnings:
        out.warn(warning)
    if wanted.usage:
        from pluralism_local.cli.render import usage

        out.note(usage(result))
    if not result.complete:
        out.exit = ExitCode.PARTIAL


def _follow(events: Iterator[ModeEvent], show: Show, log: Log) -> Result:
    """Show and keep each event, and return the last, the result. Whatever happens, the mode ends before its engines."""
    from pluralism_local.results import Result

    with ExitStack() as stack:
        stack.callback(getattr(events, "close", lambda: None))
        for event in events:
            if isinstance(event, Result):
                return event
            log.event(event)
            show.event(event)
    raise TypeError("a mode ends with a Result")


def _something(result: Result) -> bool:
    """Whether there is anything to keep of a stopped ask."""
    said = any(comment.text.strip() for comment in result.comments)
    return said or bool(result.answer.strip()) or result.distribution is not None


def _show(out: Output, task: Ask, wanted: Wanted) -> Show:
    from pluralism_local.cli import show
    from pluralism_local.cli.markdown import MarkdownLayout
    from pluralism_local.cli.render import TextLayout

    kind: Format = out.format
    communities = len(task.pool.members) if task.pool is not None else 0
    if kind == "json":
        return show.JsonShow(out, communities=communities)
    if kind == "jsonl":
        return show.JsonlShow(out)
    layout: show.Layout = TextLayout(out, task.pool, whole=wanted.whole)
    if kind == "md":
        layout = MarkdownLayout(task.pool, whole=wanted.whole)
    return show.PeopleShow(
        out,
        layout,
        prompt=task.prompt,
        stream=wanted.stream,
        communities=communities,
        thoughts=wanted.thoughts,
    )
