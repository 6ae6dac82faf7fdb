"""`plocal logs`: the history. List it, read it, search it, take it out and in, and switch it on and off.

The commands open the history and hand its values to the `Output`; "last" stands for the latest conversation
wherever an id is asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pluralism_local.cli import options
from pluralism_local.cli.output import Output, key_values, table
from pluralism_local.display.figures import one_line
from pluralism_local.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from pluralism_local.history import Conversation, ConversationSummary, History

app = typer.Typer(
    help="The history: list, read, search, export, import and delete conversations; on and off.",
    rich_markup_mode=None,
)

Id = Annotated[
    str, typer.Argument(metavar="ID|last", help="A conversation, or the beginning of its id, or 'last'.")
]
Limit = Annotated[
    int, typer.Option("--limit", min=1, metavar="N", help="At most so many.", show_default=True)
]
Shape = Literal["md", "json", "html"]
_TITLE_WIDTH = 56
_LAST = "last"


@app.command()
def ls(context: typer.Context, limit: Limit = 20, as_json: options.Json = False) -> None:
    """The conversations, the last used first."""
    out = options.output(context, as_json=as_json)
    with _history() as history:
        found = history.list(limit=limit)
        kept = history.counts().conversations
    rows = [[one.id, _local(one), str(one.turns), _short(one.title)] for one in found]
    out.show([_record(one) for one in found], table(rows, ["id", "updated", "turns", "title"]))
    if len(found) < kept:
        out.note(f"{len(found)} of {kept}; --limit shows more.")


@app.command()
def show(context: typer.Context, id: Id = _LAST, as_json: options.Json = False) -> None:
    """A whole conversation, as Markdown; the latest if none is named."""
    from pluralism_local.history import interchange, markdown

    out = options.output(context, as_json=as_json)
    with _history() as history:
        found = _find(history, id)
    out.show(interchange.to_record(found), markdown.dump([found]).rstrip("\n"))


@app.command()
def search(
    context: typer.Context,
    text: Annotated[
        list[str],
        typer.Argument(metavar="TEXT...", help="Words that one turn, or the title, must all contain."),
    ],
    limit: Limit = 20,
    as_json: options.Json = False,
) -> None:
    """The conversations whose prompts, answers, comments or title contain all the words.

    Upper and lower case are the same, and parts of words are found. "Words in quotes" must stand together; stars
    and the like are plain text.
    """
    out = options.output(context, as_json=as_json)
    wanted = " ".join(text)
    if not wanted.strip():
        raise InvalidInput("There is nothing to search for.", "Give a word, e.g. plocal logs search phones")
    with _history() as history:
        found = history.list(wanted, limit=limit)
    rows = [[one.id, _local(one), _short(one.title), one.snippet] for one in found]
    out.show([_record(one) for one in found], table(rows, ["id", "updated", "title", "found"]))


@app.command()
def export(
    context: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID|last]...", help="Conversations.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them. Default: off.")] = False,
    shape: Annotated[
        Shape, typer.Option("--format", help="json is what import takes.", show_default=True)
    ] = "md",
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE", help="Where to; '-' for standard output.")
    ] = "-",
) -> None:
    """Write conversations as Markdown, as JSON without loss, or as one HTML file that needs nothing else."""
    out = options.output(context)
    if everything == bool(ids):
        raise InvalidInput("Which conversations?", "Give their ids, or 'last', or --all and no id.")
    with _history() as history:
        found = history.all() if everything else _find_all(history, ids or [])
    text = _dump(found, shape)
    file = out.deliver(text, output)
    if file is not None:
        out.note(f"Wrote {_count(len(found), 'conversation')} to {file}.")


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `export --format json` wrote.")],
    as_json: options.Json = False,
) -> None:
    """Take conversations in. What is here already is not doubled; one that went on elsewhere goes on here."""
    from pluralism_local.history import interchange

    out = options.output(context, as_json=as_json)
    found = interchange.read(file.expanduser())
    with _history() as history:
        added = history.add(found)
    record = {"new": added.new, "extended": added.extended, "known": added.unchanged}
    out.show(record, f"{added.new} new, {added.extended} with more turns, {added.unchanged} here already.")


@app.command()
def rename(
    context: typer.Context,
    id: Id,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="The new title.")],
) -> None:
    """Give a conversation another title."""
    out = options.output(context)
    with _history() as history:
        found = _find(history, id)
        history.rename(found.id, title)
        renamed = history.get(found.id)
    out.note(f"{renamed.id} is now: {renamed.title}")


@app.command()
def delete(
    context: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID|last...", help="Conversations.")],
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask. Default: off.")] = False,
) -> None:
    """Delete conversations for good, from the index too. All are looked for before the first is deleted."""
    out = options.output(context)
    with _history() as history:
        found = _find_all(history, ids)
        if not yes:
            _confirm(out, found)
        for one in found:
            history.delete(one.id)
    out.note(f"Deleted {_count(len(found), 'conversation')}.")


@app.command()
def path(context: typer.Context) -> None:
    """The path of the history's file, whether it exists or not."""
    from pluralism_local.history import default_path

    options.output(context).line(str(default_path()))


@app.command()
def on(context: typer.Context) -> None:
    """Keep what is asked from now on: sets `logging` in the user's config."""
    from pluralism_local.cli.config import save

    save(context, "logging", "true")


@app.command()
def off(context: typer.Context) -> None:
    """Keep nothing from now on: sets `logging` in the user's config. What is there stays."""
    from pluralism_local.cli.config import save

    save(context, "logging", "false")


@app.command()
def status(context: typer.Context, as_json: options.Json = False) -> None:
    """Whether asks are kept, who says so, where, and how much there is."""
    from pluralism_local.history import Counts, default_path

    out = options.output(context, as_json=as_json)
    loaded = options.load(out)
    file = default_path()
    kept = Counts(0, 0, 0)
    if file.exists():
        with _history() as history:
            kept = history.counts()
    record: dict[str, Any] = {
        "logging": loaded.settings.logging,
        "origin": loaded.origin["logging"],
        "path": str(file),
        "conversations": kept.conversations,
        "turns": kept.turns,
        "file_bytes": kept.file_bytes,
    }
    state = "on" if loaded.settings.logging else "off"
    pairs = [
        ("logging", f"{state} ({loaded.origin['logging']})"),
        ("file", file),
        ("kept", f"{_count(kept.conversations, 'conversation')}, {_count(kept.turns, 'turn')}"),
        ("size", f"{kept.file_bytes:,} bytes"),
    ]
    out.show(record, key_values(pairs))


def _history() -> History:
    from pluralism_local.history import History, default_path

    return History(default_path())


def _find(history: History, id: str) -> Conversation:
    """The conversation that `id` names; see `History.get`."""
    if id != _LAST:
        return history.get(id)
    found = history.latest()
    if found is None:
        raise NotFound("The history is empty.", "`plocal ask` writes it, unless logging is off.")
    return found


def _find_all(history: History, ids: Sequence[str]) -> tuple[Conversation, ...]:
    """The conversations that `ids` name, each once."""
    found = [_find(history, id) for id in ids]
    return tuple({one.id: one for one in found}.values())


def _confirm(out: Output, found: Sequence[Conversation]) -> None:
    """Ask before deleting; without anybody to ask, refuse."""
    if not (out.interactive and sys.stdin is not None and sys.stdin.isatty()):
        raise InvalidInput("Deleting must be confirmed, and this is no terminal.", "Add --yes.")
    for one in found:
        out.note(f"{one.id}  {_short(one.title)}  ({_count(len(one.turns), 'turn')})")
    typer.confirm("Delete for good?", abort=True, err=True)


def _dump(found: Sequence[Conversation], shape: Shape) -> str:
    from pluralism_local.history import interchange, markdown, page

    dumps = {"md": markdown.dump, "json": interchange.dump, "html": page.dump}
    return dumps[shape](found)


def _record(one: ConversationSummary) -> dict[str, Any]:
    return {
        "id": one.id,
        "title": one.title,
        "created": one.created.isoformat(timespec="milliseconds"),
        "updated": one.updated.isoformat(timespec="milliseconds"),
        "turns": one.turns,
        "snippet": one.snippet,
    }


def _local(one: ConversationSummary) -> str:
    return one.updated.astimezone().strftime("%Y-%m-%d %H:%M")


def _short(title: str) -> str:
    return one_line(title, _TITLE_WIDTH)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
