"""The commands of the first level: known by name and first sentence, imported when they are called.

    Commands (typer's group) ──list, help, suggestions──> the sentences here
                             ──one is called──> load(name) ──> module cli.<name>: its `app`, or its function <name>

Importing and building all of them takes longer than one of them needs for its first output.
"""

from __future__ import annotations

from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from typer._click import Command, Context

SENTENCES = MappingProxyType(
    {
        "ask": "Ask one question and get one answer from a pool of communities and a language model.",
        "chat": "Chat in the terminal, or in a browser with --web: all modes, many turns, everything by keyboard.",
        "values": "Find the values, rights and duties at stake in a situation, and what each of them speaks for.",
        "serve": "Serve the modes to other programs, in the protocol of OpenAI's chat completions.",
        "mcp": "Offer the modes to agents as tools of the Model Context Protocol, on standard input and output.",
        "doctor": "Check what an answer needs: packages, model, communities, config, memory, folders.",
        "communities": "Communities: list, fetch, read, check and share their cards, judge their voices.",
        "pools": "Pools: list, read and check sets of communities.",
        "models": "Models: list, fetch, inspect, verify, optimize, delete, choose the default.",
        "eval": "Evaluation: run the paper's six tasks, Overton windows and values, score answers, compare methods.",
        "logs": "The history: list, read, search, export, import and delete conversations; on and off.",
        "cache": "What can be made again: list, clear and verify copies, prefixes, logs and checksums.",
        "keys": "API keys of servers: set one, list for which there are, forget one.",
        "config": "Settings: show them and their origin, set one, find the file, trust a folder's.",
        "bench": "Measure this machine: prompts, generation, batches, and a whole overton ask.",
    }
)
"""First sentence of every command's help, in the order of `plocal --help`."""


class Commands(TyperGroup):
    """A group that lists stand-ins and calls the commands themselves."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, sentence in SENTENCES.items():
            self.add_command(TyperCommand(name, help=sentence))

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        """The command that the first argument names, imported; typer's own errors for any other word."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else load(name), rest


def load(name: str) -> Command:
    """Import one of `SENTENCES` and build it."""
    module = import_module(f"pluralism_local.cli.{name}")
    host = typer.Typer(rich_markup_mode=None)
    if isinstance(group := getattr(module, "app", None), typer.Typer):
        host.add_typer(group, name=name)
    else:
        host.command(name, epilog=getattr(module, "EPILOG", None))(getattr(module, name))
    return typer.main.get_group(host).commands[name]
