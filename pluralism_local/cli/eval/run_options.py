"""The options that only `plocal eval run` and `plocal eval resume` have; see `cli.options` for the others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pluralism_local.mode_specs import Orders

DataFile = Annotated[
    str,
    typer.Option(
        "--data",
        metavar="FILE",
        help="The task's rows: a file of JSON or JSON lines, maybe .gz, or hf:user/repo:FILE of the Hub's cache.",
    ),
]
Methods = Annotated[list[str] | None, typer.Option("--method", metavar="NAME", help="Repeatable; see below.")]
SampleLimit = Annotated[
    int | None, typer.Option("--limit", min=1, metavar="N", help="Samples. Default: all.")
]
SampleSeed = Annotated[
    int | None,
    typer.Option("--sample", min=0, metavar="SEED", help="Draw them at random instead of the first N."),
]
RunOutput = Annotated[
    Path | None,
    typer.Option("--output", metavar="FOLDER", help="The run's folder. Default: one in the data folder."),
]
RunScorer = Annotated[
    str | None,
    typer.Option(
        "--scorer",
        metavar="NAME",
        envvar="PLOCAL_SCORER",
        show_default=False,
        help="Of texts: what judges entailment, as in plocal eval score; 'none' keeps the responses only. "
        "Default: adapter; none for overton-judge.",
    ),
]
OptionOrders = Annotated[
    Orders | None,
    typer.Option(
        "--orders",
        metavar="RULE",
        show_default=False,
        help="Weigh the options at other places, too, and average, as in plocal ask. Default: asked, as published.",
    ),
]
ResponseTokens = Annotated[
    int | None,
    typer.Option("--max-tokens", metavar="N", help="New tokens of a response. Default: 200, as released."),
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Ask again where a method failed, and where a comment did.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Count, probe and estimate; keep nothing.")]

FurtherMethods = Annotated[
    list[str] | None,
    typer.Option("--method", metavar="NAME", help="Also this one; the run's own stay. Repeatable."),
]
BegunModel = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="NAME",
        show_default=False,
        help="The run's own; needed for a run begun elsewhere.",
    ),
]
BegunCommunitiesModel = Annotated[
    str | None, typer.Option("--communities-model", metavar="NAME", show_default=False, help="The same.")
]
