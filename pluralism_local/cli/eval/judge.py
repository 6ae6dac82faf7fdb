"""`plocal eval judge`: which of two methods' responses reflects more values, asked of one or several judges.

    RUN's answers of A and of each B ──pairs──> a judge after the other ──> verdicts ──> RUN/judge.json ──> Output

Answers of judges are kept in the run's folder as they come, so that the same command goes on after an interruption.
Ctrl-C once finishes the chunk and stops (exit 6); what is there is shown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pluralism_local import wiring
from pluralism_local.cli import options
from pluralism_local.cli.eval.folders import RunName, find_run, settings_of
from pluralism_local.cli.eval.others import allow
from pluralism_local.cli.eval.remarks import Telling, once
from pluralism_local.cli.eval.text import cell
from pluralism_local.cli.eval.work import reporter
from pluralism_local.cli.exits import ExitCode
from pluralism_local.cli.interrupt import Interrupt, catching
from pluralism_local.cli.output import Output, key_values, table
from pluralism_local.remote_url import without_credentials

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.evaluation.judging import Judged
    from pluralism_local.evaluation.pairing import Case
    from pluralism_local.evaluation.runner import Progress
    from pluralism_local.types import ModelInfo

JUDGE_FILE = "judge.json"
SHOWN_FAILURES = 5

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


@dataclass(frozen=True)
class Heard:
    """A judge that was asked, and what it said by opponent; `words`: it was read, not weighed."""

    name: str
    info: ModelInfo
    words: bool
    judged: Mapping[str, Sequence[Judged]]


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
    from pluralism_local.evaluation.journal import locked
    from pluralism_local.evaluation.judging import SCHEMA
    from pluralism_local.evaluation.pairing import make_case
    from pluralism_local.evaluation.runner import check_answers, read_results
    from pluralism_local.files import write_atomic

    begun = find_run(run)
    folder = begun.path
    task, samples = begun.read_samples()
    given = {"ctx_size": ctx_size, "gpu_layers": gpu_layers, "threads": threads, "offline": offline}
    settings = settings_of(out, begun.spec, given)
    if not judges:
        _, settings = allow(begun.spec, folder, settings, ("model",), how="name the judge with --judge")
    results, _ = read_results(folder)
    check_answers(folder, task, samples, results)
    case = make_case(task, samples, results, a, b or [], limit, settings.seed)
    names = list(dict.fromkeys(judges or [settings.model]))
    with ExitStack() as stack:
        interrupt = stack.enter_context(catching(out))
        stack.enter_context(locked(folder))
        heard, left = _hear(out, settings, case, names, folder, interrupt, words=words, retry=retry_failed)
        found = {"schema": SCHEMA, "run": begun.record["id"], "task": task.name}
        found |= result(case, heard, left, settings.seed)
        write_atomic(folder / JUDGE_FILE, json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    _report(out, case, found, folder, stopped=interrupt.requested)


def _report(out: Output, case: Case, found: Mapping[str, Any], folder: Path, *, stopped: bool) -> None:
    """Show the result, and say what is not in it."""
    if not found["complete"]:
        out.exit = ExitCode.PARTIAL
    if stopped and found["missing"]:
        out.note("Stopped; the same command goes on from there.")
    if case.n < case.wanted:
        out.warn(
            f"{case.wanted - case.n} of {case.wanted} samples lack an answer of a method and are left out."
        )
    for failure in found["failures"][:1]:
        out.warn(f"Some pairs failed; the first: {failure['message']}")
    for sentence in _unread(found):
        out.warn(sentence)
    if any(row["win"]["value"] is None for one in found["judges"] for row in one["opponents"].values()):
        out.exit = ExitCode.PARTIAL
    out.show(found, result_text(found, folder))


def _unread(found: Mapping[str, Any]) -> Iterator[str]:
    """What must be known of answers that name neither response nor a tie."""
    for one in found["judges"]:
        for opponent, row in one["opponents"].items():
            answers = f"{one['judge']} against {opponent}: {row['unparsed']} of {2 * row['n']} answers cannot be read"
            if row["n"] and row["win"]["value"] is None:
                yield f"{answers}, so there is no result. Take another judge, or look at {one['judge']}'s words."
            elif row["unparsed"]:
                yield f"{answers} and stand for a tie."


def _hear(
    out: Output,
    settings: Settings,
    case: Case,
    names: Sequence[str],
    folder: Path,
    interrupt: Interrupt,
    *,
    words: bool,
    retry: bool,
) -> tuple[list[Heard], list[str]]:
    """Ask one judge after the other, only one model being open at a time; and the names that a stop left over."""
    from pluralism_local.evaluation.beside import kept_beside
    from pluralism_local.evaluation.journal import Journal
    from pluralism_local.evaluation.judging import Judge, judge_file, judge_pairs
    from pluralism_local.evaluation.stored import StoredChoice

    heard: dict[str, Heard] = {}
    for number, name in enumerate(names, start=1):
        interrupt.graceful = False
        shown = without_credentials(name)
        with wiring.open_engine(name, settings, out.status) as engine:
            out.clear_status()
            judge = Judge(Telling(engine, once(out.warn)), words=words, variant=settings.template)
            if judge.identity in heard:
                out.warn(
                    f"'{heard[judge.identity].name}' and '{shown}' are the same model, which is asked once."
                )
                continue
            interrupt.graceful = True
            with Journal(judge_file(folder, judge)) as journal:
                judged = judge_pairs(
                    judge,
                    journal,
                    case.pairs,
                    beside=kept_beside(journal.path, StoredChoice),
                    retry=retry,
                    should_stop=interrupt,
                    progress=_named(reporter(out, time.monotonic), f"{shown}, {case.a} against"),
                )
            heard[judge.identity] = Heard(shown, judge.info, judge.by_words, judged)
        if interrupt.requested:
            return list(heard.values()), list(names[number:])
    return list(heard.values()), []


def _named(report: Callable[[Progress], None], what: str) -> Callable[[Progress], None]:
    return lambda now: report(replace(now, method=f"{what} {now.method}"))


def result(case: Case, heard: Sequence[Heard], left: Sequence[str], seed: int) -> dict[str, Any]:
    """As in judge.json, without what is the run's; `left` are judges that were not begun."""
    from pluralism_local.evaluation.asking import Failure
    from pluralism_local.evaluation.judging import HUMANS_KAPPA, agreement, standing
    from pluralism_local.prompts import JUDGE_PAIR

    judges = []
    for one in heard:
        standings = {name: standing(row, one.judged[name], seed=seed) for name, row in case.pairs.items()}
        judges.append(
            {
                "judge": one.name,
                "model": {"id": one.info.id, "backend": one.info.backend, "sha256": one.info.sha256},
                "answers": "words" if one.words else "probabilities",
                "opponents": {name: found.record() for name, found in standings.items()},
            }
        )
    failures = [
        {"judge": one.name, "opponent": name, "sample": pair.id, "code": said.code, "message": said.message}
        for one in heard
        for name, row in case.pairs.items()
        for pair, said in zip(row, one.judged[name], strict=True)
        if isinstance(said, Failure)
    ]
    missing = len(left) * case.n * len(case.pairs)
    missing += sum(said is None for one in heard for row in one.judged.values() for said in row)
    kappa = agreement(case.pairs, [one.judged for one in heard], seed=seed)
    return {
        "a": case.a,
        "opponents": list(case.pairs),
        "n": case.n,
        "wanted": case.wanted,
        "missing": missing,
        "failed": len(failures),
        "complete": not missing and not failures and case.n == case.wanted,
        "prompt": JUDGE_PAIR.id,
        "judges": judges,
        "failures": failures[:SHOWN_FAILURES],
        "fleiss_kappa": None
        if kappa is None
        else {**kappa.record(), "n": kappa.n, "judges": len(heard), "published_humans": HUMANS_KAPPA},
    }


def result_text(found: Mapping[str, Any], folder: Path) -> str:
    """The table, with what it rests on."""
    from pluralism_local.evaluation.judging import HUMANS_KAPPA as HUMANS
    from pluralism_local.evaluation.tasks import find_task

    rows, counts = [], []
    for one in found["judges"]:
        for opponent, row in one["opponents"].items():
            bias = row["position_bias"]
            shares = [cell(row[name]) for name in ("win", "tie", "lose")]
            places = [cell({"value": bias[name]}) for name in ("flipped", "first")]
            rows.append([one["judge"], opponent, *shares, str(row["n"]), *places])
            for what in ("failed", "missing", "unparsed"):
                if row[what]:
                    counts.append(f"{one['judge']} {opponent} {row[what]} {what}")
    kappa = found["fleiss_kappa"]
    facts = key_values(
        [
            ("task", found["task"]),
            ("judged", found["a"]),
            ("pairs", f"{found['n']} of {found['wanted']} for each opponent"),
            ("counted", ", ".join(counts) or None),
            (
                "Fleiss' kappa",
                kappa and f"{cell(kappa)} on {kappa['n']} pairs (published, of humans: {HUMANS})",
            ),
            ("run", folder),
        ]
    )
    shown = table(rows, ["judge", "against", "win", "tie", "lose", "pairs", "flipped", "says 1"])
    clusters = find_task(found["task"]).clusters
    return f"{facts}\n\n{shown}\n\n95 % intervals over {clusters}; where the two orders disagree it is a tie."
