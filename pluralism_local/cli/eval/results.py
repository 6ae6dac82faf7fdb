"""`plocal eval ls | show | compare | export`: what runs found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pluralism_local.cli import options
from pluralism_local.cli.eval.folders import RunName, find_run, runs_folder, settings_of
from pluralism_local.cli.eval.others import allow
from pluralism_local.cli.eval.running import results_text, summarise_folder, tell_void
from pluralism_local.cli.eval.tables import differences_table, folded
from pluralism_local.cli.interrupt import catching
from pluralism_local.cli.output import Output
from pluralism_local.display.figures import many
from pluralism_local.errors import InvalidInput, PlocalError
from pluralism_local.model_names import without_folders

if TYPE_CHECKING:
    from pluralism_local.evaluation.run_folder import RunFolder
    from pluralism_local.evaluation.summary import RunSummary


def ls(context: typer.Context, as_json: options.Json = False) -> None:
    """The runs in the data folder."""
    out = options.output(context, as_json=as_json)
    from pluralism_local.evaluation.identity import read_run
    from pluralism_local.evaluation.runner import read_results

    records, rows = [], []
    for folder in sorted(path for path in runs_folder().glob("*") if path.is_dir()):
        try:
            record = read_run(folder)
            if record is None:
                continue
            results, _ = read_results(folder)
        except PlocalError as error:
            out.warn(error.message)
            continue
        spec, identity = record["about"]["wanted"], record["identity"]
        answered = {name: len(results.get(name, {})) for name in spec["methods"]}
        n = identity["samples"]["n"]
        rows.append(
            [
                folder.name,
                str(n),
                _how_far({name: count for name, count in answered.items() if name in results}),
                identity["pool"]["id"],
                without_folders(identity["llm"]["id"]),
            ]
        )
        records.append({"run": folder.name, "folder": str(folder), "n": n, "answered": answered} | identity)
    out.show(records, folded(rows, ["run", "samples", "answered", "pool", "model"]))


def _how_far(answered: Mapping[str, int]) -> str:
    """By method how many samples are answered, in words, and short where all have come as far."""
    if not answered:
        return "nothing yet"
    counts = set(answered.values())
    if len(counts) == 1 and len(answered) > 1:
        return f"{counts.pop()} by {len(answered)} methods"
    return ", ".join(f"{name} {count}" for name, count in answered.items())


def show(
    context: typer.Context,
    run: RunName,
    everything: Annotated[bool, typer.Option("--all", help="Every metric.")] = False,
    as_json: options.Json = False,
) -> None:
    """A run's scores, computed from its answers."""
    out = options.output(context, as_json=as_json)
    folder, summary = _summary(out, run)
    try:
        results = folder.write_results(summary)
    except PermissionError as error:  # somebody else's run
        out.warn(f"The scores are not kept: {folder.path} cannot be written ({error.strerror}).")
        results = folder.results_of(summary)
    tell_void(out, summary.void)
    out.show(results, results_text(results, folder.path, everything=everything))


def compare(
    context: typer.Context,
    run: RunName,
    a: Annotated[str, typer.Argument(metavar="A", help="A method of the run.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    as_json: options.Json = False,
) -> None:
    """A minus B on the same samples, with intervals."""
    out = options.output(context, as_json=as_json)
    from pluralism_local.evaluation.basis import remarks, void

    folder, summary = _summary(out, run)
    differences = {name: figure.record() for name, figure in summary.difference(a, b).items()}
    bases = {name: basis for name, basis in summary.bases.items() if name in (a, b)}
    sentences = remarks(summary.task, bases)
    tell_void(out, void(bases))
    head = (
        f"{a} minus {b} on {many(len(summary.samples), 'sample')} of {summary.task}; 95 % intervals, paired."
    )
    frame = {
        "schema": "plocal.eval.compare/1",
        "run": folder.record["id"],
        "a": a,
        "b": b,
        "n": len(summary.samples),
    }
    body = (
        differences_table(differences)
        if differences
        else f"No difference: {' and '.join(void(bases))} has no score."
    )
    out.show(
        frame | {"differences": differences, "basis": bases, "remarks": sentences},
        "\n".join([head, "", body, *([""] if sentences else []), *sentences]),
    )


def export(
    context: typer.Context,
    run: RunName,
    method: Annotated[str, typer.Argument(metavar="METHOD", help="Whose answers.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to; '-' for standard output.")],
) -> None:
    """The rows as they were read, with a method's answers, in the released code's format."""
    out = options.output(context)
    from pluralism_local.evaluation.runner import check_answers, read_results
    from pluralism_local.evaluation.sample_file import answer_fields
    from pluralism_local.evaluation.samples import Prediction

    folder = find_run(run)
    task, samples = folder.read_samples()
    results, _ = read_results(folder.path)
    check_answers(folder.path, task, samples, results)
    if method not in results:
        raise InvalidInput(f"The run has no answers of '{method}'.", f"It has: {', '.join(results)}.")
    rows = []
    for sample in samples:
        prediction = results[method].get(sample.id)
        if isinstance(prediction, Prediction):
            rows.append({**sample.data, **answer_fields(task, prediction)})
    if len(rows) < len(samples):
        out.warn(f"{len(samples) - len(rows)} of {len(samples)} samples have no answer and are left out.")
    text = json.dumps(rows, ensure_ascii=False, indent=4) + "\n"
    if out.deliver(text, str(file)) is not None:
        out.note(f"Wrote {many(len(rows), 'row')} to {file}.")


def _summary(out: Output, run: Path) -> tuple[RunFolder, RunSummary]:
    folder = find_run(run)
    task, samples = folder.read_samples()
    spec = folder.spec
    settings = settings_of(out, spec)
    if task.answers == "text":
        spec, settings = allow(spec, folder.path, settings, ("scorer",))
    with catching(out) as interrupt:
        interrupt.graceful = task.answers == "text"
        summary = summarise_folder(out, settings, task, samples, folder.path, spec, interrupt)
    return folder, summary
