"""How every recipe script ends: errors as a line and their exit code, as `plocal` has them."""

from __future__ import annotations

import os
import sys

import typer

from pluralism_local.cli.exits import ExitCode, describe


def run(app: typer.Typer) -> None:
    """Run a script's app; ``Error: …`` with its hint on stderr and the documented exit code, 130 for Ctrl-C.

    With PLOCAL_DEBUG=1 whatever went wrong keeps its traceback.
    """
    try:
        code = app(standalone_mode=False) or 0
        if code == ExitCode.INTERRUPTED:  # typer turns Ctrl-C into this
            say("Stopped.")
        sys.exit(code)
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("PLOCAL_DEBUG") and not isinstance(error, KeyboardInterrupt):
            raise
        failure = describe(error)
        say(f"Error: {failure.message}" if failure.code != "cancelled" else failure.message)
        if failure.hint:
            say(f"  {failure.hint}")
        sys.exit(failure.exit)


def say(text: str) -> None:
    """Progress and warnings: a line on stderr."""
    print(text, file=sys.stderr, flush=True)
