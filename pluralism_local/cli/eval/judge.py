"""`plocal eval judge`: which of two methods' responses reflects more values, asked of one or several judges.

    RUN, A, B…, judges ──evaluation.judge_run──> RUN/judge.json ──> Output

Ctrl-C once finishes the chunk and stops (exit 6); what is there is shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pluralism_local import wiring
from pluralism_local.cli import options
from pluralism_local.cli.eval.engine_warnings import Telling, once
from pluralism_local.cli.eval.folders import RunName, find_run, settings_of
from pluralism_local.cli.eval.others import allow
from pluralism_local.cli.eval.running import reporter
from pluralism_local.cli.eval.tables import cell, folded
from pluralism_local.cli.exits import ExitCode
from pluralism_local.cli.interrupt import Interrupt, catching
from pluralism_local.cli.output import Output, key_values

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.engine.base import LanguageModel

EPILOG = """
\b
RUN is a run of overton-nli or overton-judge. A and B are methods of it; B may also be 'shuffled': A's own responses,
each from another situation, against which a judge who reads must let A win.

\b
Every pair is judged in both orders and is won only where both say so, else it is a tie. Figures are shares of A's
wins, ties and losses with 95 % intervals over situations. "flipped" is the share of pairs in which the judge chose
the same place both times; with two judges or more there is Fleiss' kappa (the paper's humans: 0.4678).

\b
Examples:
  plocal eval judge overton-nli-0123456789ab
  plocal eval judge RUN ours vanilla prompting shuffled --judge big.gguf --judge remote:http://localhost:8000#name
  plocal eval judge RUN moe vanilla --limit 100 --json

What judges said is kept in the run's folder and not asked for twice; RUN/judge.json is the latest result.
"""


def judge(
    context: typer.Context,
    run: RunName,
    a: Annotated[
        str, typer.Argument(metavar="A", show_default=False, help="The method judged. Default: ours.")
    ] = "ours",
    b: Annotated[
        list[str] | None,
        typer.Argument(metavar="B", help="A's opponents. Default: all other methods, no controls."),
    ] = None,
    judges: Annotated[
        list[str] | None,
        typer.Option(
            "--judge",
            metavar="NAME",
            help="A model, named as for --model; repeatable. Default: the run's LLM.",
        ),
    ] = None,
    words: Annotated[
        bool, typer.Option("--words", help="Read what judges say even where they give probabilities.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help="The first N pairs. Default: all.")
    ] = None,
    ctx_size: options.CtxSize = None,
    gpu_layers: options.GpuLayers = None,
    threads: options.Threads = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask again where a judge failed.")
    ] = False,
    offline: options.Offline = None,
    as_json: options.Json = False,
) -> None:
    """Win, tie and lose rates of a run's method A against others, by a judge."""
    out = options.output(context, as_json=as_json)
    from pluralism_local.evaluation.judge_run import JudgeComparison, JudgeHooks, judge_run

    folder = find_run(run)
    overrides = {"ctx_size": ctx_size, "gpu_layers": gpu_layers, "threads": threads, "offline": offline}
    settings = settings_of(out, folder.spec, overrides)
    if not judges:
        _, settings = allow(folder.spec, folder.path, settings, ("model",), how="name the judge with --judge")
    comparison = JudgeComparison(
        a,
        tuple(b or ()),
        tuple(dict.fromkeys(judges or [settings.model])),
        limit,
        settings.seed,
        words,
        settings.template,
    )
    with catching(out) as interrupt:
        record = judge_run(
            folder,
            comparison,
            _opening(out, settings, interrupt),
            retry=retry_failed,
            hooks=JudgeHooks(out.warn, lambda _: reporter(out, time.monotonic), interrupt),
        )
    _report(out, record, folder.path, stopped=interrupt.requested)


def _opening(out: Output, settings: Settings, interrupt: Interrupt) -> Callable[[str], Any]:
    """What opens a judge, whose own warnings are told once each; Ctrl-C asks for a graceful end while it is open."""

    @contextmanager
    def open_judge(name: str) -> Iterator[LanguageModel]:
        interrupt.graceful = False
        with wiring.open_engine(name, settings, out.status) as engine:
            out.clear_status()
            interrupt.graceful = True
            yield Telling(engine, once(out.warn))

    return open_judge


def _report(out: Output, record: Mapping[str, Any], folder: Path, *, stopped: bool) -> None:
    """Show the result, and say what is not in it."""
    from pluralism_local.evaluation.judge_run import is_partial, remarks

    if is_partial(record):
        out.exit = ExitCode.PARTIAL
    if stopped and record["missing"]:
        out.note("Stopped; the same command goes on from there.")
    for sentence in remarks(record):
        out.warn(sentence)
    out.show(record, result_text(record, folder))


def result_text(record: Mapping[str, Any], folder: Path) -> str:
    """The table, with what it rests on."""
    from pluralism_local.evaluation.standings import HUMANS_KAPPA as HUMANS
    from pluralism_local.evaluation.tasks import find_task

    rows, counts = [], []
    for entry in record["judges"]:
        for opponent, row in entry["opponents"].items():
            bias = row["position_bias"]
            shares = [cell(row[name]) for name in ("win", "tie", "lose")]
            places = [cell({"value": bias[name]}) for name in ("flipped", "first")]
            rows.append([entry["judge"], opponent, *shares, str(row["n"]), *places])
            counts += [
                f"{entry['judge']} {opponent} {row[what]} {what}"
                for what in ("failed", "missing", "unparsed")
                if row[what]
            ]
    names = [entry["judge"] for entry in record["judges"]]
    is_single = len(names) == 1  # then it is named once, and not in every row
    kappa = record["fleiss_kappa"]
    facts = key_values(
        [
            ("task", record["task"]),
            ("judged", record["a"]),
            ("judge", names[0] if is_single else None),
            ("pairs", f"{record['n']} of {record['wanted']} for each opponent"),
            ("counted", ", ".join(counts) or None),
            (
                "Fleiss' kappa",
                kappa and f"{cell(kappa)} on {kappa['n']} pairs (published, of humans: {HUMANS})",
            ),
            ("run", folder),
        ]
    )
    head = ["against", "win", "tie", "lose", "pairs", "flipped", "says 1"]
    standings = (
        folded([row[1:] for row in rows], head) if is_single else folded(rows, ["judge", *head], names=2)
    )
    clusters = find_task(record["task"]).clusters
    return f"{facts}\n\n{standings}\n\n95 % intervals over {clusters}; where the two orders disagree it is a tie."
