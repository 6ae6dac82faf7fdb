"""`plocal eval`: the paper's six tasks, Overton windows and values, run, scored and compared.

One file per step of the work.

tasks, score, nli   files in, figures out
windows             a deliberation in, questions with viewpoints out
run, resume         a run in a folder
judge               its responses, compared by models
ls, show, compare, export   what runs found
report              the same as a page to read
"""

from __future__ import annotations

import typer

from pluralism_local.cli.eval import judge, report, results, run, score, windows

app = typer.Typer(
    help="Evaluation: run the paper's six tasks, Overton windows and values, score answers, compare methods.",
    rich_markup_mode=None,
)
app.command()(score.tasks)
app.command(epilog=run.EPILOG)(run.run)
app.command()(run.resume)
app.command(epilog=score.EPILOG)(score.score)
app.command()(score.nli)
app.command(epilog=windows.EPILOG)(windows.windows)
app.command(epilog=judge.EPILOG)(judge.judge)
app.command()(results.ls)
app.command()(results.show)
app.command()(results.compare)
app.command()(results.export)
app.command(epilog=report.EPILOG)(report.report)
