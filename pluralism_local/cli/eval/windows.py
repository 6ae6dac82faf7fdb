"""`plocal eval windows`: a deliberation of people as questions with viewpoints, for the task overton-window.

CSV ──evaluation.deliberations──> rows ──> FILE, as JSON lines
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pluralism_local.cli import options
from pluralism_local.cli.output import key_values
from pluralism_local.errors import InvalidInput
from pluralism_local.output_file import write_output

EPILOG = """
\b
FILE is the *_aggregate.csv of a collective dialogue, as Remesh exports it: what participants wrote on each question,
and how many agreed. Of the statements of 4 to 30 words, --most are taken, evenly by agreement. Look at them, and take
out what is no viewpoint: they are people's own words.

\b
Examples:
  plocal eval windows campus_protests_aggregate.csv -o windows.jsonl
  plocal eval run --task overton-window --data windows.jsonl --method ours --method vanilla
"""


def windows(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The CSV of a deliberation.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where the questions go, as JSON lines.")
    ],
    most: Annotated[
        int, typer.Option("--most", min=1, metavar="N", help="Viewpoints of a question at most.")
    ] = 12,
    support: Annotated[
        float,
        typer.Option(
            "--support",
            min=0.0,
            max=1.0,
            metavar="SHARE",
            help="From which share of people on a viewpoint is reasonable.",
        ),
    ] = 0.2,
    as_json: options.Json = False,
) -> None:
    """Questions with viewpoints from a deliberation, weighed by how many people agree."""
    out = options.output(context, as_json=as_json)
    from pluralism_local.evaluation.deliberations import read_deliberation, window_rows

    if output.resolve() == file.resolve():
        raise InvalidInput(f"{output} is the deliberation itself.", "Give another path for the questions.")
    rows = window_rows(read_deliberation(file), most=most, support=support)
    if not rows:
        raise InvalidInput(f"No statement in {file} has the support of {support:g}.", "Lower --support.")
    write_output(output, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    viewpoints = [viewpoint for row in rows for viewpoint in row["viewpoints"]]
    record = {
        "file": str(output),
        "questions": len(rows),
        "viewpoints": len(viewpoints),
        "reasonable": sum(viewpoint["reasonable"] for viewpoint in viewpoints),
    }
    out.show(record, key_values(list(record.items())))
