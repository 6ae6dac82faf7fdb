"""Commands are imported when they are called, and their stand-ins say what they say themselves."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

from pluralism_local.cli.commands import SENTENCES, load
from pluralism_local.cli.main import build

MODULES = (
    "import sys; from pluralism_local.cli.main import main; code = main(sys.argv[1:]);"
    "print(*(name for name in sys.modules if name.startswith('pluralism_local.')), file=sys.stderr);"
    "sys.exit(code)"
)


def imported(*line: str) -> set[str]:
    """The project's modules that this command line imports."""
    done = subprocess.run([sys.executable, "-c", MODULES, *line], capture_output=True, check=True)
    return {name.removeprefix("pluralism_local.") for name in done.stderr.decode().split()}


def commands_among(modules: set[str]) -> set[str]:
    return {name for name in SENTENCES if f"cli.{name}" in modules}


@pytest.mark.parametrize("width", [40, 60, 200])
@pytest.mark.parametrize("name", SENTENCES)
def test_a_stand_in_says_what_the_command_says(name: str, width: int) -> None:
    stand_in = typer.main.get_group(build()).commands[name]
    assert stand_in.get_short_help_str(width) == load(name).get_short_help_str(width)


def test_help_imports_no_command() -> None:
    modules = imported("--help")
    assert "cli.commands" in modules
    assert commands_among(modules) == set()
    assert "types" not in modules and "config" not in modules


@pytest.mark.parametrize("name", ["ask", "chat", "pools", "bench"])
def test_a_command_imports_itself_only(name: str) -> None:
    assert commands_among(imported(name, "--help")) == {name}
