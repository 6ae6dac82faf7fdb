"""The options that only `plocal communities judge` has; see `cli.options` for the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def _option(name: str, metavar: str, help: str, variable: str | None = None) -> Any:
    return typer.Option(name, metavar=metavar, envvar=variable, show_default=False, help=help)


PoolOrFile = Annotated[
    str | None,
    typer.Argument(metavar="[POOL]", show_default=False, help="A pool, or a file of one. Default: yours."),
]
JudgeModel = Annotated[
    str | None,
    _option(
        "--judge",
        "NAME",
        "The model that reads the comments; same names as --model. Default: the model itself.",
        "PLOCAL_JUDGE",
    ),
]
Questions = Annotated[
    Path | None,
    _option(
        "--questions",
        "FILE",
        "Questions of yes or no, one a line, or JSON lines with question, topic, left, right, source. "
        "Default: 60 that ship.",
    ),
]
QuestionLimit = Annotated[
    int | None,
    typer.Option("--limit", min=1, metavar="N", help="Questions, balanced over topics. Default: all."),
]
CommentsFile = Annotated[
    Path | None,
    _option(
        "--comments",
        "FILE",
        "Judge these comments instead: JSON lines with question, community, text.",
    ),
]
Pairs = Annotated[
    list[str] | None,
    _option(
        "--pair",
        "LEFT:RIGHT",
        "Two opposite voices. Repeatable. Default: every X-left with X-right.",
    ),
]
Controls = Annotated[
    bool,
    typer.Option(
        "--controls/--no-controls",
        show_default=False,
        help="Also ask the bare model, once for every voice: what spread is there without any community? Default: on.",
    ),
]
JudgedAnswers = Annotated[
    bool,
    typer.Option(
        "--answers/--no-answers",
        show_default=False,
        help="Also judge what the LLM makes of the comments: the answer of an overton ask. Default: comments alone.",
    ),
]
PositionScorer = Annotated[
    str,
    _option(
        "--scorer",
        "NAME",
        "Also count different positions per ask, by entailment: 'adapter', or as in plocal eval. Default: none.",
        "PLOCAL_SCORER",
    ),
]
Opinions = Annotated[
    Path | None,
    _option(
        "--opinions",
        "FILE",
        "Survey rows with party or ideology (OpinionQA as released): do left and right differ as people do?",
    ),
]
HeldOutFolder = Annotated[
    Path | None,
    _option(
        "--held-out",
        "FOLDER",
        "ID.jsonl or ID.jsonl.gz with text the voice was not trained on: its perplexity, beside the base's.",
    ),
]
JudgingFolder = Annotated[Path | None, _option("--output", "FOLDER", "Default: one in the data folder.")]
ProbeOnly = Annotated[bool, typer.Option("--dry-run", help="Count, probe and estimate; keep nothing.")]
