"""docs/commands.md, made from what `plocal … --help` prints, so that it cannot say anything else.

python -m tests.commands_page     writes it; `test_documents.py` holds that it is up to date

    build() ──walk──> names of all commands, groups before their members ──help text of each──> one page
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from pluralism_local.cli.commands import SENTENCES, load
from pluralism_local.cli.main import main

PAGE = Path(__file__).parents[1] / "docs" / "commands.md"

_INTRODUCTION = """\
# Commands

[All pages](../README.md#all-pages)

What `plocal COMMAND --help` prints, for every command. This page is generated: `just docs` writes it.
"""


def commands() -> list[tuple[str, ...]]:
    """Every command by its words, in the order of the help; the empty one is `plocal` itself."""
    return [(), *(words for name in SENTENCES for words in _walk((name,), load(name)))]


def _walk(words: tuple[str, ...], command: Any) -> Iterator[tuple[str, ...]]:
    yield words
    for name, member in getattr(command, "commands", {}).items():
        if not member.hidden:
            yield from _walk((*words, name), member)


def help_of(words: tuple[str, ...]) -> str:
    """The help of one command, ending in a line break. Raises: RuntimeError if there is none."""
    out = io.StringIO()
    with redirect_stdout(out):
        code = main([*words, "--help"])
    if code:
        raise RuntimeError(f"plocal {' '.join(words)} --help ended with {code}")
    return "".join(f"{line.rstrip()}\n" for line in out.getvalue().strip().splitlines())


def page() -> str:
    """The whole page as Markdown: the commands of the first level with links to theirs, then a section for each."""
    every = commands()
    lines = [_INTRODUCTION, "\n"]
    for name, sentence in SENTENCES.items():
        lines.append(f"- {_link((name,))}: {sentence}\n")
        members = [_link(words) for words in every if words[:1] == (name,) and len(words) > 1]
        lines += [f"  {', '.join(members)}\n"] if members else []
    for words in every:
        lines.append(f"\n## {' '.join(['plocal', *words])}\n\n```text\n{help_of(words)}```\n")
    return "".join(lines)


def _link(words: tuple[str, ...]) -> str:
    return f"[`{words[-1]}`](#{'-'.join(['plocal', *words])})"


if __name__ == "__main__":
    for variable in [name for name in os.environ if name.startswith("PLOCAL_")]:
        del os.environ[variable]  # none of them may show in the page
    PAGE.write_text(page(), encoding="utf-8")
