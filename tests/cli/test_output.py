"""`Output`: what stdout has begun and what stderr says do not run into each other on one screen."""

from __future__ import annotations

import io

import pytest

from pluralism_local.cli.exits import ExitCode, Failure
from pluralism_local.cli.output import Output


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


class Full(Screen):
    """A terminal that went away after its first text."""

    def write(self, text: str) -> int:
        if self.getvalue():
            raise OSError(5, "Input/output error")
        return super().write(text)


FAILURE = Failure(ExitCode.REMOTE, "remote_failure", "It broke.", "Ask again.")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (("Yes.",), "Yes.\nError: It broke.\n  Ask again.\n"),
        (("Yes", "", ".\n"), "Yes.\nError: It broke.\n  Ask again.\n"),
        (("Yes.", ""), "Yes.\nError: It broke.\n  Ask again.\n"),
        ((), "Error: It broke.\n  Ask again.\n"),
    ],
)
def test_an_error_begins_its_own_line_on_a_terminal(written: tuple[str, ...], shown: str) -> None:
    screen = Screen()
    out = Output(screen, screen)
    for text in written:
        out.write(text)
    out.fail(FAILURE)
    assert screen.getvalue() == shown


def test_nothing_is_added_to_what_a_program_reads() -> None:
    stdout, stderr = io.StringIO(), Screen()
    out = Output(stdout, stderr)
    out.write("Yes.")
    out.fail(FAILURE)
    assert stdout.getvalue() == "Yes."


def test_a_terminal_that_is_gone_does_not_hide_the_error() -> None:
    stdout, stderr = Full(), Screen()
    out = Output(stdout, stderr)
    out.write("Yes.")
    out.fail(FAILURE)
    assert "Error: It broke." in stderr.getvalue()
