"""The app: commands put together, errors turned into messages and exit codes.

    entry ──> main(argv) ──> typer ──> command ──> exit code
                 └── the only place that catches everything

`main` can be called from tests and from other programs: it returns the code and leaves the process alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, TextIO

import typer

from pluralism_local import __version__
from pluralism_local.cli.commands import Commands
from pluralism_local.cli.exits import ExitCode, ReaderGone, UnwritableOutput, describe
from pluralism_local.cli.output import Format, Output
from pluralism_local.errors import InvalidInput

_WIDTH = 90  # of help texts, whatever the terminal, so that they are the same everywhere

_OTHERS = 0o077
"""Permissions that nothing made here has: questions, answers, settings are the user's alone. A file there keeps its."""

_SECTIONS = """
\b
Every option can be set by a variable PLOCAL_<OPTION>, and most of them in the config file
(plocal config path). PLOCAL_HOME moves everything that plocal writes into one folder.
"""


def build() -> typer.Typer:
    """The whole command line; see `commands` for what it is put together from."""
    app = typer.Typer(
        name="plocal",
        cls=Commands,
        help="Pluralistic answers from language models, on your own machine.",
        epilog=_SECTIONS,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"terminal_width": _WIDTH, "help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(_root)
    return app


def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        context.obj.line(f"plocal {__version__}")
        raise typer.Exit(ExitCode.DONE)
    if context.invoked_subcommand is None:
        context.obj.note(context.get_help())
        raise typer.Exit(ExitCode.USAGE)


def main(argv: Sequence[str] | None = None) -> int:
    """Carry out a command line and return its exit code; never raises, SystemExit included."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    out = Output(_stream(sys.stdout), _stream(sys.stderr))
    out.format = asked_format(arguments)
    before = os.umask(_OTHERS)
    os.umask(before | _OTHERS)
    try:
        code = _carry_out(arguments, out)
    finally:
        os.umask(before)
    out.clear_status()
    if not out.trouble:
        return code
    out.format = "text"
    told = _fail(out, UnwritableOutput(out.trouble))
    return code or told


def _carry_out(arguments: Sequence[str], out: Output) -> int:
    try:
        code = typer.main.get_command(build())(
            as_text(arguments), prog_name="plocal", standalone_mode=False, obj=out
        )
        if code == ExitCode.INTERRUPTED:  # typer's answer to a KeyboardInterrupt
            return _fail(out, KeyboardInterrupt())
        return int(code or out.exit)
    except ReaderGone:
        return ExitCode.DONE
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):  # from a help text, which typer writes itself
            return ExitCode.DONE
        return stop.code if isinstance(stop.code, int) else ExitCode.UNEXPECTED
    except BaseException as error:  # noqa: BLE001 - the edge: everything becomes a message and a code
        return _fail(out, error)


def _fail(out: Output, error: BaseException) -> int:
    failure = describe(error)
    if os.environ.get("PLOCAL_DEBUG"):
        import traceback

        from pluralism_local.remote_url import without_credentials

        out.note(without_credentials("".join(traceback.format_exception(error)).rstrip()))
    try:
        out.fail(failure)
    except ReaderGone:
        out.format = "text"
        out.fail(failure)
    return failure.exit


def asked_format(arguments: Sequence[str]) -> Format:
    """The format of errors, read before anything is parsed: a wrong option must be told in JSON too."""
    before = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    named = os.environ.get("PLOCAL_FORMAT", "")
    for position, argument in enumerate(before):
        if argument == "--format" and position + 1 < len(before):
            named = before[position + 1]
        elif argument.startswith("--format="):
            named = argument.partition("=")[2]
    if "--json" in before or os.environ.get("PLOCAL_JSON", "").lower() in (
        "1",
        "true",
        "t",
        "yes",
        "y",
        "on",
    ):
        return "json"
    return "jsonl" if named == "jsonl" else "json" if named == "json" else "text"


def as_text(arguments: Sequence[str]) -> list[str]:
    """Arguments as UTF-8, also under a locale that is not.

    Raises: InvalidInput for bytes that are no UTF-8.
    """
    try:
        return [argument.encode("utf-8", "surrogateescape").decode("utf-8") for argument in arguments]
    except UnicodeDecodeError as error:
        raise InvalidInput("An argument is not UTF-8 text.", "Give long texts through a pipe.") from error


def _stream(stream: TextIO | None) -> TextIO:
    """A stream that Python left out because its descriptor is closed becomes one that takes nothing."""
    if stream is not None:
        return stream
    with Path(os.devnull).open("w", encoding="utf-8") as closed:
        return closed


def entry() -> None:
    """The script `plocal`: `main`, then leave without a word about pipes that others have closed.

    Plug-ins of pydantic, which may lie in any installed package, are not looked for: that would read the metadata
    of all of them at every start, as typer avoids for what it checks itself.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    code = main()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
            continue
        with suppress(OSError, ValueError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    raise SystemExit(code)
