"""`plocal keys`: API keys of servers, each for the one server that it was set for."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pluralism_local.cli import options
from pluralism_local.cli.output import Output, table
from pluralism_local.errors import InvalidInput

if TYPE_CHECKING:
    from pluralism_local.api_keys import ApiKeys

app = typer.Typer(
    help="API keys of servers: set one, list for which there are, forget one.", rich_markup_mode=None
)

Server = Annotated[
    str,
    typer.Argument(metavar="NAME|URL", help="A remote of your config file, or the URL of a server."),
]


@app.command("set")
def set_(context: typer.Context, server: Server) -> None:
    """Keep the key of a server: it is asked for, or read from a pipe, and never shown.

    It goes into the system's keyring, where the package `keyring` is installed and has one; else into a file that only
    you can read. It is sent to that server alone, whatever else its name may come to stand for.
    """
    out = options.output(context)
    origin = _origin(out, server)
    key = getpass.getpass(f"Key for {origin}: ") if sys.stdin.isatty() else sys.stdin.readline()
    keys = _keys()
    if keys.put(origin, key):
        out.note(f"The key for {origin} is in the keyring.")
    else:
        out.note(f"The key for {origin} is in {keys.file}.")
        out.warn(
            "That file is not encrypted; only you can read it. With the package keyring, a keyring is used."
        )


@app.command()
def ls(context: typer.Context, as_json: options.Json = False) -> None:
    """For which servers there are keys, and where they lie; no key is shown."""
    out = options.output(context, as_json=as_json)
    places = _keys().places()
    rows = [[origin, place] for origin, place in places.items()]
    out.show(places, table(rows, ["server", "kept in"]) if rows else "There are no keys.")


@app.command()
def rm(context: typer.Context, server: Server) -> None:
    """Forget the key of a server."""
    out = options.output(context)
    origin = _origin(out, server)
    _keys().remove(origin)
    out.note(f"The key for {origin} is forgotten.")


def _keys() -> ApiKeys:
    from pluralism_local import config
    from pluralism_local.api_keys import ApiKeys

    return ApiKeys(config.paths().data_dir)


def _origin(out: Output, server: str) -> str:
    """The server that a name or a URL stands for."""
    from pluralism_local import wiring
    from pluralism_local.api_keys import origin_of
    from pluralism_local.remote_url import parse_spec

    if "://" in server:
        where = parse_spec(server)
        if where.credentials:
            raise InvalidInput(
                "The URL carries credentials of its own.", "Give it without user name and password."
            )
        return origin_of(where)
    settings = options.load(out).settings
    return origin_of(parse_spec(wiring.find_remote(server.removeprefix("remote:"), settings).base_url))
