"""`plocal values`: the values, rights and duties at stake in a situation.

SITUATION, options ──> engine ──> find_values ──> progress, Values ──> table, JSON, Markdown or HTML
                           └─ --dry-run: the prompts and their lengths
"""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from pluralism_local import wiring
from pluralism_local.cli import options
from pluralism_local.cli.exits import ExitCode
from pluralism_local.cli.interrupt import Interrupt, catching
from pluralism_local.cli.output import Output
from pluralism_local.cli.stdin import read_prompt
from pluralism_local.errors import Cancelled

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.engine.base import LanguageModel
    from pluralism_local.values.stakes import Values

EPILOG = """
\b
Examples:
  plocal values "Biking to work"
  plocal values -m qwen2.5-1.5b "Should phones be banned in schools?"
  plocal values --limit 5 --min-relevance 0.7 "Eating meat"
  plocal values --json "Eating meat" | jq -r '.values[].text'
  plocal values --format html -o values.html "Should voting be compulsory?"
  plocal ask --mode steerable --attribute "value: Health" "Biking to work"

\b
Exit codes:
  0    done; also where nothing is at stake
  1    unexpected, or the output could not be written
  2    wrong usage or config, an empty situation, or a base model, which cannot list
  3    the model is not here; or not downloaded while offline
  4    refused: a checksum that differs
  5    a remote model failed, and there is nothing to keep
  6    partial: stopped (Ctrl-C) or failed in the middle; what is finished is printed
  130  stopped before there was anything to print
"""

ValuesFormat = Literal["text", "md", "html", "json", "jsonl"]


def values(
    context: typer.Context,
    situation: Annotated[
        str | None,
        typer.Argument(metavar="SITUATION", help="A situation, an action or a question.", show_default=False),
    ] = None,
    model: options.Model = None,
    limit: Annotated[
        int, options.option("--limit", default="10", metavar="N", help="Look into N values at most, 1 to 40.")
    ] = 10,
    min_relevance: Annotated[
        float,
        options.option(
            "--min-relevance",
            default="0.5",
            metavar="P",
            help="Leave out what is at stake with a probability below P, 0 to 1.",
        ),
    ] = 0.5,
    seed: options.Seed = None,
    ctx_size: options.CtxSize = None,
    gpu_layers: options.GpuLayers = None,
    threads: options.Threads = None,
    template: options.Template = None,
    samples: options.Samples = None,
    as_json: options.AskJson = False,
    format: Annotated[
        ValuesFormat,
        options.option(
            "--format",
            default="text",
            help="What is written; jsonl also prints the progress, the object last.",
        ),
    ] = "text",
    file: Annotated[
        str,
        options.option(
            "-o", "--output", default="-, which is stdout", metavar="FILE", help="Write it there."
        ),
    ] = "-",
    stdin: options.ReadStdin = None,
    usage: options.ShowUsage = False,
    dry_run: options.DryRun = False,
    offline: options.Offline = None,
) -> None:
    """Find the values, rights and duties at stake in a situation, and what each of them speaks for.

    The LLM lists them; those that are relevant by its own probability are kept, and what says the same is
    merged. Each gets the probabilities that it supports the situation, opposes it, or can do either, and a
    reason. These are a model's estimates; nothing of it goes into the history.
    """
    out = options.output(context)
    kind: ValuesFormat = "json" if as_json else format
    out.format = "json" if kind == "json" else "jsonl" if kind == "jsonl" else "text"
    loaded = options.load(out, options.settings_given(locals()))
    text = read_prompt(
        situation, sys.stdin, wait=stdin, warn=out.warn, example='plocal values "Biking to work"'
    )
    with (
        catching(out) as interrupt,
        closing(cast(Any, wiring.open_engine(loaded.settings.model, loaded.settings, out.status))) as llm,
    ):
        out.clear_status()
        if dry_run:
            from pluralism_local.cli.values_plan import show_plan

            show_plan(out, llm, text, limit, min_relevance)
            return
        interrupt.graceful = True
        at_stake = _find(out, loaded.settings, llm, text, limit, min_relevance, interrupt)
        if interrupt.requested and not (at_stake.stakes or at_stake.irrelevant or at_stake.unweighed):
            raise Cancelled
        _show(out, at_stake, kind, file)
        _tell(out, at_stake, usage_too=usage)


def _find(
    out: Output,
    settings: Settings,
    llm: LanguageModel,
    situation: str,
    limit: int,
    min_relevance: float,
    interrupt: Interrupt,
) -> Values:
    from pluralism_local.entailment import entailment
    from pluralism_local.modes.values.running import find_values
    from pluralism_local.values.stakes import Values

    with ExitStack() as stack:
        scorer = stack.enter_context(entailment(settings, (llm,), out.status))
        events = find_values(
            situation,
            llm=llm,
            limit=limit,
            min_relevance=min_relevance,
            seed=settings.seed,
            should_stop=interrupt,
            entailment=scorer,
        )
        stack.enter_context(closing(cast(Any, events)))
        for event in events:
            if isinstance(event, Values):
                out.clear_status()
                return event
            if out.format == "jsonl":
                out.json({"event": "values_progress", **asdict(event)}, compact=True)
            out.status(event.line)
    raise TypeError("a search for values ends with Values")


def _show(out: Output, at_stake: Values, kind: ValuesFormat, file: str) -> None:
    from pluralism_local.values import tables

    match kind:
        case "json" | "jsonl":
            from json import dumps

            from pluralism_local.values.record import to_record

            indent = 2 if kind == "json" else None
            text = dumps(to_record(at_stake), ensure_ascii=not out.unicode, allow_nan=False, indent=indent)
            text += "\n"
        case "md":
            text = tables.markdown(at_stake)
        case "html":
            from pluralism_local.values.page import page

            text = page(at_stake)
        case "text":
            text = "".join(f"{line}\n" for line in _lines(out if file == "-" else None, at_stake))
    written = out.deliver(text, file)
    if written is not None:
        out.note(f"Written: {written}")


def _lines(out: Output | None, at_stake: Values) -> list[str]:
    """For a terminal; without colour where `out` is None, for a file."""
    from pluralism_local.values import tables

    lines = [
        "".join(
            piece.text if out is None else out.bold(piece.text) if piece.bold or piece.leaning else piece.text
            for piece in line
        ).rstrip()
        for line in tables.text(at_stake)
    ]
    notes = [line for sentence in tables.summary(at_stake) for line in tables.wrapped(sentence, 80)]
    if not at_stake.stakes:
        return [*(notes or ["Nothing is at stake."])]
    return [*lines, "", *notes, *tables.wrapped(tables.LEGEND, 80)]


def _tell(out: Output, at_stake: Values, *, usage_too: bool) -> None:
    """What goes to stderr at the end, and the exit code."""
    from pluralism_local.values import tables

    for warning in at_stake.warnings:
        out.warn(warning)
    if (command := tables.steering(at_stake)) and out.format == "text":
        out.note(f"To answer by one of them: {command}")
    if usage_too:
        tokens = at_stake.usage.get("llm")
        counted = f"{tokens.prompt:,} tokens read, {tokens.completion:,} written, " if tokens else ""
        out.note(f"llm: {counted}{at_stake.seconds:.1f} s")
    if not at_stake.complete:
        out.exit = ExitCode.PARTIAL
