"""`plocal chat`: the terminal application, or the same in a browser with --web.

options ──> Start ──> tui.app.run_chat            --web ──> tui.web.serve ──a process per visitor──> plocal chat
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pluralism_local import wiring
from pluralism_local.cli import options
from pluralism_local.cli.output import Output
from pluralism_local.conversation.ask_checks import check_draws
from pluralism_local.errors import InvalidInput
from pluralism_local.mode_specs import DEFAULT

if TYPE_CHECKING:
    from pluralism_local.history import Conversation
    from pluralism_local.tui.state import Start

EPILOG = """
\b
Examples:
  plocal chat
  plocal chat --mode steerable --attribute "rural voters"
  plocal chat -c                                    goes on with the last conversation
  plocal chat --web                                 the same in a browser, on this machine only

\b
Enter sends, Esc stops, Ctrl+T switches the mode, F1 lists all keys, Ctrl+Q quits.
"""

_OF_THE_SERVER = ("--host", "--port", "--token", "--visitors")
"""Options that a visitor's process does not have."""

_UNDRAWABLE = ("", "dumb", "unknown")
"""Terminals that only write lines, as in an editor or a log."""

Web = Annotated[
    bool, typer.Option("--web", help="Serve the chat to a browser. Default: off.", show_default=False)
]
Host = Annotated[
    str,
    typer.Option(
        "--host", metavar="ADDRESS", show_default=False,
        help="With --web: listen here. Anything but this machine needs a token. Default: 127.0.0.1.",
    ),
]  # fmt: skip
Port = Annotated[
    int,
    typer.Option(
        "--port", min=0, max=65535, metavar="N", show_default=False, help="With --web. Default: a free one."
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token", metavar="TEXT", envvar="PLOCAL_TOKEN", show_default=False,
        help="With --web: the secret part of the address, 16 characters or more. Every user of this machine sees it "
        "in the list of processes; PLOCAL_TOKEN in the environment nobody else sees. Default: made up each time.",
    ),
]  # fmt: skip
Visitors = Annotated[
    int,
    typer.Option(
        "--visitors", min=1, max=64, metavar="N", show_default=False,
        help="With --web: chats open at once at most; each takes a model's memory. Default: 4.",
    ),
]  # fmt: skip
Draws = Annotated[
    int,
    options.option(
        "--draws",
        default="0: none",
        metavar="N",
        help="After every overton answer draw N comments of each community (120 in all at most), and show which share "
        "of them takes which position, with 95 % intervals. F12 does that for one answer.",
    ),
]


def chat(
    context: typer.Context,
    model: options.Model = None,
    communities_model: options.CommunitiesModel = None,
    mode: options.Mode = None,
    pool: options.PoolName = None,
    community: options.CommunityNames = None,
    attribute: options.Attribute = None,
    orders: options.OptionOrders = None,
    take_sides: options.TakeSides = None,
    system: options.System = None,
    seed: options.Seed = None,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    max_tokens: options.MaxTokens = None,
    comment_max_tokens: options.CommentMaxTokens = None,
    ctx_size: options.CtxSize = None,
    gpu_layers: options.GpuLayers = None,
    threads: options.Threads = None,
    template: options.Template = None,
    samples: options.Samples = None,
    draws: Draws = 0,
    offline: options.Offline = None,
    force: options.Force = False,
    no_log: options.NoLog = False,
    go_on: options.Continue = False,
    conversation: options.ConversationId = None,
    web: Web = False,
    host: Host = "127.0.0.1",
    port: Port = 0,
    token: Token = None,
    visitors: Visitors = 4,
) -> None:
    """Chat in the terminal, or in a browser with --web: all modes, many turns, everything by keyboard.

    The model is loaded in the background; a prompt sent before that waits for it.
    """
    out = options.output(context)
    options.pool_or_communities(pool, community)
    overrides = options.settings_given(locals())
    loaded = options.load(out, overrides)
    if draws:
        check_draws(draws, DEFAULT, len(community or [""]))  # the pool is read later
    if web:
        from pluralism_local.tui.web import NAME, serve
        from pluralism_local.web_access import check_offline

        if loaded.settings.offline:
            check_offline(host, NAME)
        serve(
            _same_options(sys.argv[1:]), host=host, port=port, token=token, visitors=visitors, tell=out.note
        )
        return
    require_terminal()
    from pluralism_local.conversation.ask_builder import AskChoices
    from pluralism_local.tui.state import Start

    code = _run(
        Start(
            settings=loaded.settings,
            origin=loaded.origin,
            choices=AskChoices(specs=tuple(community or ()), attribute=attribute, system=system),
            communities_model=communities_model,
            default_local=wiring.local_default(overrides),
            force=force,
            draws=draws,
            log=not no_log and loaded.settings.logging,
            conversation=_conversation(out, conversation, latest=go_on),
            remarks=options.remarks(loaded),
        )
    )
    if code:
        raise typer.Exit(code)


def require_terminal() -> None:
    """Raise InvalidInput unless there is a terminal that can be drawn on, or a browser's driver in its place."""
    if os.environ.get("TEXTUAL_DRIVER"):  # set by textual-serve for the processes it starts
        return
    if not all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise InvalidInput(
            "The chat needs a terminal for its input, its output and its errors.",  # it draws on stderr
            "Use `plocal ask` with pipes and files.",
        )
    name = os.environ.get("TERM", "")
    if name.lower() in _UNDRAWABLE:
        raise InvalidInput(
            f"The chat cannot be drawn on this terminal: TERM is {name or 'not set'}.",
            "Use `plocal ask` here, or set TERM to what the terminal is, such as xterm-256color.",
        )


def _conversation(out: Output, id: str | None, *, latest: bool) -> Conversation | None:
    """The conversation to go on with; without any yet, a warning and a new one."""
    if id is None and not latest:
        return None
    from pluralism_local.conversation.ask_builder import latest_or

    conversation = latest_or(id)
    if conversation is None:
        out.warn("There is no conversation to go on with; this is a new one.")
    return conversation


def _run(start: Start) -> int:
    from pluralism_local import config
    from pluralism_local.tui.app import run_chat

    return run_chat(start, fault_file=config.paths().cache_dir / "chat-faults.log")


def _same_options(arguments: list[str]) -> list[str]:
    """The command line for a visitor's process: this one without the options of --web."""
    same, skip = list[str](), False
    for argument in arguments:
        if skip:
            skip = False
        elif argument in _OF_THE_SERVER:
            skip = True
        elif argument != "--web" and not argument.startswith(tuple(f"{name}=" for name in _OF_THE_SERVER)):
            same.append(argument)
    return same
