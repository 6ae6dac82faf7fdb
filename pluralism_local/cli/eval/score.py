"""`plocal eval tasks | score | nli`: files in, figures out; no run is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pluralism_local.cli import options
from pluralism_local.cli.eval.progress import entailment_pace
from pluralism_local.cli.eval.scorers import ScorerName, open_scorer
from pluralism_local.cli.eval.tables import NO_SCORE, cell
from pluralism_local.cli.exits import ExitCode
from pluralism_local.cli.interrupt import catching
from pluralism_local.cli.output import Output, key_values, table
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.scorer_names import ADAPTER
from pluralism_local.mode_specs import listed

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.evaluation.coverage import Coverage
    from pluralism_local.evaluation.sample_file import AnsweredFile
    from pluralism_local.evaluation.tasks import Task

EPILOG = """
\b
FILE is a JSON list (or JSON lines) in the released format: the rows of a task's input, each with 'pred_distribution'
(a probability per option) or 'output' (a letter, or the response). Ours are written by plocal eval
export; the files of the paper's own code are read as they are. Rows of overton-window have a 'question' and
'viewpoints' of your own (docs/evaluation.md).

\b
Examples:
  plocal eval score --task distributional-globalopinionqa answers.json --json
  plocal eval score --task overton-nli responses.json --scorer microsoft/deberta-v2-xlarge-mnli
  plocal eval score --task overton-window answered-questions.jsonl
"""

METHOD = "the file"
"""What the answers of a file are called, where a run's have a method's name."""

TaskName = Annotated[
    str,
    typer.Option(
        "--task", metavar="TASK", help="Which task; see plocal eval tasks. A unique beginning is enough."
    ),
]


def tasks(context: typer.Context, as_json: options.Json = False) -> None:
    """The paper's six tasks, Overton windows, and values."""
    out = options.output(context, as_json=as_json)
    from pluralism_local.evaluation.tasks import TASKS

    rows = [[task.name, task.answers, task.about] for task in TASKS.values()]
    record = [
        {"task": task.name, "version": task.version, "answers": task.answers, "about": task.about}
        for task in TASKS.values()
    ]
    out.show(record, table(rows, ["task", "answer", "about"]))


def score(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Answers, ours or another's.")],
    task: TaskName,
    scorer: ScorerName = ADAPTER,
    partial: Annotated[
        bool, typer.Option("--partial", help="Score the rows that have an answer; without it all must.")
    ] = False,
    seed: options.Seed = None,
    threads: options.Threads = None,
    offline: options.Offline = None,
    as_json: options.Json = False,
) -> None:
    """The metrics of a file of answers, by name, with 95 % intervals."""
    out = options.output(context, as_json=as_json)
    from pluralism_local.evaluation import sample_file
    from pluralism_local.evaluation.basis import remarks, void
    from pluralism_local.evaluation.scoring import score as scores_of
    from pluralism_local.evaluation.tasks import TASKS, find_task

    what = find_task(task)
    if what.judged:
        others = listed(
            name for name, task in TASKS.items() if task.answers == what.answers and not task.judged
        )
        raise InvalidInput(
            f"{what.name} compares two methods of a run.", f"Use plocal eval judge RUN, or --task {others}."
        )
    settings = options.load(out, {"seed": seed, "threads": threads, "offline": offline}).settings
    answers = sample_file.read_answers(what, file, partial=partial)
    for warning in sample_file.data_warnings(what, answers.samples):
        out.warn(warning)
    coverage, judged_by = (
        _coverage(out, what, answers, scorer, settings) if what.answers == "text" else (None, None)
    )
    scores = scores_of(what, answers.samples, answers.predictions, coverage=coverage, seed=settings.seed)
    bases = {} if scores.basis is None else {METHOD: scores.basis.record()}
    record = {
        "schema": "plocal.eval.score/1",
        "task": what.name,
        "file": str(file),
        **scores.flat(),
        "intervals": {
            name: [figure.low, figure.high]
            for name, figure in scores.metrics.items()
            if figure.low is not None
        },
        "scorer": judged_by,
        "parts": scores.record()["parts"],
        "basis": bases.get(METHOD),
        "remarks": remarks(what.name, bases),
        **({"missing": answers.missing} if partial else {}),
    }
    for remark in record["remarks"]:
        out.warn(remark)
    if void(bases):
        out.exit = ExitCode.PARTIAL
    lines = [
        (name, NO_SCORE if void(bases) else cell(figure.record())) for name, figure in scores.metrics.items()
    ]
    out.show(record, key_values([*lines, *scores.counts.items()]))
    if answers.missing:
        out.warn(f"Rows without an answer, not scored: {answers.missing}.")
        out.exit = ExitCode.PARTIAL


def _coverage(
    out: Output, task: Task, answers: AnsweredFile, scorer: str, settings: Settings
) -> tuple[list[Coverage], str]:
    """Of each answer, and what judged it."""
    from pluralism_local.evaluation.coverage import cover
    from pluralism_local.evaluation.nli_cache import RememberedNli

    answered = [
        (s, prediction.output or "")
        for s, prediction in zip(answers.samples, answers.predictions, strict=True)
    ]
    with catching(out) as interrupt, open_scorer(scorer, settings, out.status) as opened:
        interrupt.graceful = True
        out.status(f"entailment by {opened.name} …")
        counted = RememberedNli(opened, None, entailment_pace(out, opened.name))
        return cover(task, answered, counted, should_stop=interrupt), opened.name


def nli(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL of premise, hypothesis, label.")],
    scorer: ScorerName = ADAPTER,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help="The first N pairs. Default: all.")
    ] = None,
    threads: options.Threads = None,
    offline: options.Offline = None,
    as_json: options.Json = False,
) -> None:
    """The accuracy of an entailment scorer on labelled pairs."""
    out = options.output(context, as_json=as_json)
    from pluralism_local.evaluation.nli import read_pairs
    from pluralism_local.evaluation.nli.check import check

    settings = options.load(out, {"threads": threads, "offline": offline}).settings
    data = read_pairs(file)
    rows = data.rows[:limit]
    with catching(out) as interrupt, open_scorer(scorer, settings, out.status) as opened:
        interrupt.graceful = True
        out.status(f"{len(rows):,} pairs by {opened.name} …")
        checked = check(
            opened,
            rows,
            skipped=data.skipped,
            should_stop=interrupt,
            progress=entailment_pace(out, opened.name),
        )
        out.clear_status()
    recall = ", ".join(
        f"{label} {share:.3f}" for label, share in checked["recall"].items() if share is not None
    )
    text = key_values(
        [
            ("scorer", checked["scorer"]),
            ("pairs", f"{checked['n']:,}"),
            ("accuracy", None if checked["accuracy"] is None else f"{checked['accuracy']:.4f}"),
            ("recall", recall),
            ("skipped", checked["skipped"] or None),
            ("truncated", checked["truncated"] or None),
        ]
    )
    out.show(checked, text)
