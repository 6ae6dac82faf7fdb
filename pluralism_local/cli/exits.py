"""How a command line's own errors are told: of Typer, and of standard output.

exception ──> describe ──> Failure(exit, code, message, hint) ──> stderr, or {"error": …} on stdout

The table of all others is in `pluralism_local.exits`.
"""

from __future__ import annotations

import re
from typing import Any, TypeGuard

import typer
from typer.exceptions import TyperException

from pluralism_local import exits
from pluralism_local.exits import ExitCode, Failure

__all__ = ["ExitCode", "Failure", "ReaderGone", "UnwritableOutput", "describe"]

_LONG_OPTION = re.compile(r"--[a-z][a-z-]*")


class ReaderGone(Exception):
    """Whoever read standard output has closed it; not an OSError, so that no library answers it first."""


class UnwritableOutput(Exception):
    """Standard output took no more bytes (full disk, closed descriptor). `cause` says why, without a full stop."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


def describe(error: BaseException) -> Failure:
    """As `exits.describe`, of a command line's own errors, too."""
    if isinstance(error, TyperException):
        return _usage(error).clean()
    if isinstance(error, typer.Abort):
        return exits.describe(KeyboardInterrupt())
    if isinstance(error, UnwritableOutput):
        message = f"Standard output cannot be written: {error.cause}."
        hint = "All that belongs there is on standard error."
        return Failure(ExitCode.UNEXPECTED, "unwritable", message, hint).clean()
    return exits.describe(error)


def _usage(error: TyperException) -> Failure:
    """Typer's own complaint about the command line, with the nearest option as the hint."""
    near = getattr(error, "possibilities", None)
    message = error.message if near else error.format_message()
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "plocal"
    option = getattr(error, "option_name", None)
    if near:
        hint = f"Did you mean '{near[0]}'?"
    elif hasattr(error, "possibilities") and _may_be_text(option, context):
        hint = f"Put -- before a text that begins with a dash: {path} -- '{option.strip()} …'"
    else:
        hint = f"Run '{path} --help' for what it takes."
    message = message.replace("Value error, ", "", 1)  # pydantic's own words, by which Typer checks choices
    return Failure(ExitCode.USAGE, "usage", _one_line(message), hint)


def _may_be_text(option: Any, context: Any) -> TypeGuard[str]:
    """Whether what was taken for an option may be a text for this command, rather than a long option's name."""
    parameters = getattr(getattr(context, "command", None), "params", ())
    takes_text = any(parameter.param_type_name == "argument" for parameter in parameters)
    return takes_text and isinstance(option, str) and not _LONG_OPTION.fullmatch(option)


def _one_line(text: str) -> str:
    sentence = " ".join(text.split())
    return sentence if sentence.endswith((".", "?", "!")) else f"{sentence}."
