#!/usr/bin/env python
"""Put finished runs of `plocal eval` into recipes/results: a JSON file per task, model and orders, and all on one page.

python recipes/collect_results.py RUN... [--to recipes/results]

RUN is a run's folder. Where its responses were judged, too, the verdicts are a result of their own: a row per opponent,
the shares that `ours` wins, ties and loses. A run that is not complete is refused; nothing is written then. With
--partial a run of drawn samples (--sample) is taken as far as all its methods have come; the page says of how many.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from communitylm.command import run, say

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=__doc__)
def collect(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    partial: Annotated[
        bool, typer.Option("--partial", help="Take stopped runs of drawn samples, too.")
    ] = False,
    to: Annotated[Path, typer.Option(help="Where to.")] = Path(__file__).parent / "results",
) -> None:
    from communitylm.evaluation.eval_results import condensed, page, read_results, written

    results = [result for folder in runs for result in condensed(folder, partial=partial)]
    for result in results:
        say(f"{written(result, to)}")
    (to / "README.md").write_text(page(read_results(to)), encoding="utf-8")
    say(f"{to / 'README.md'}")


if __name__ == "__main__":
    run(app)
