"""`plocal cache`: what can be made again. List it, clear it, verify it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pluralism_local.cli import options
from pluralism_local.cli.exits import ExitCode
from pluralism_local.cli.output import table
from pluralism_local.display.figures import size

if TYPE_CHECKING:
    from pluralism_local.cache import Item

app = typer.Typer(
    help="What can be made again: list, clear and verify copies, prefixes, logs and checksums.",
    rich_markup_mode=None,
)

Kind = Literal["copies", "prefixes", "logs", "remembered", "all"]  # `cache.Kind`, and all of them


@app.command()
def ls(context: typer.Context, as_json: options.Json = False) -> None:
    """What is in the cache, with size, last use and what it belongs to."""
    from pluralism_local import cache, config

    out = options.output(context, as_json=as_json)
    listed = cache.items(config.paths().cache_dir)
    out.show([item.record() for item in listed], _table(listed))
    out.note(f"{size(_total(listed))} in {config.paths().cache_dir}.")


@app.command()
def clear(
    context: typer.Context,
    kind: Annotated[
        Kind, typer.Argument(metavar="[KIND]", help="copies, prefixes, logs, remembered or all.")
    ] = "all",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go. Default: off.")] = False,
    as_json: options.Json = False,
) -> None:
    """Remove all of it, or one kind.

    The next ask that needs it makes it anew. A plocal that is running keeps what it has open. History, runs,
    config and communities lie elsewhere.
    """
    from pluralism_local import cache, config

    out = options.output(context, as_json=as_json)
    listed = cache.items(config.paths().cache_dir, cache.KINDS if kind == "all" else [kind])
    if not dry_run:
        cache.remove(listed)
    record = {
        "dry_run": dry_run,
        "file_bytes": _total(listed),
        "removed": [item.record() for item in listed],
    }
    files = f"{len(listed)} file{'' if len(listed) == 1 else 's'}, {size(_total(listed))}"
    told = f"{files}: would be removed." if dry_run else f"{files}: removed."
    out.show(record, f"{_table(listed)}\n{told}" if listed else told)


@app.command()
def verify(context: typer.Context, as_json: options.Json = False) -> None:
    """Read every copy and prefix whole, and throw away the damaged ones.

    Each is compared with the SHA-256 of when it was written. Where one was damaged the exit is 4; it is made
    again when it is needed.
    """
    from pluralism_local import cache, config
    from pluralism_local.cli.interrupt import catching

    out = options.output(context, as_json=as_json)
    with catching(out) as interrupt:
        checked = list(
            cache.verify(
                cache.items(config.paths().cache_dir),
                lambda item: out.status(f"reading {item.path.name} …"),
                interrupt,
            )
        )
    out.clear_status()
    rows = [
        [verdict.item.kind, verdict.state, verdict.item.about, verdict.item.path.name] for verdict in checked
    ]
    out.show(
        [{**verdict.item.record(), "state": verdict.state} for verdict in checked],
        table(rows, ["kind", "state", "belongs to", "file"]),
    )
    damaged = sum(verdict.state == "damaged" for verdict in checked)
    if damaged:
        out.warn(
            f"{damaged} of {len(checked)} had been damaged and {'was' if damaged == 1 else 'were'} thrown away."
        )
        out.exit = ExitCode.REFUSED


def _table(listed: Sequence[Item]) -> str:
    rows = [
        [
            item.kind,
            size(item.file_bytes),
            f"{item.used.astimezone():%Y-%m-%d %H:%M}",
            item.about,
            item.path.name,
        ]
        for item in listed
    ]
    return table(rows, ["kind", "size", "used", "belongs to", "file"])


def _total(listed: Sequence[Item]) -> int:
    return sum(item.file_bytes for item in listed)
