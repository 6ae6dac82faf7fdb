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
from pluralism_local.display.figures import many, one_line
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
        summaries = history.list(limit=limit)
        count = history.counts().conversations
    rows = [[summary.id, _local(summary), str(summary.turns), _short(summary.title)] for summary in summaries]
    out.show([_record(summary) for summary in summaries], table(rows, ["id", "updated", "turns", "title"]))
    if len(summaries) < count:
        out.note(f"{len(summaries)} of {count}; --limit shows more.")


@app.command()
def show(context: typer.Context, id: Id = _LAST, as_json: options.Json = False) -> None:
    """A whole conversation, as Markdown; the latest if none is named."""
    from pluralism_local.history import interchange, markdown

    out = options.output(context, as_json=as_json)
    with _history() as history:
        conversation = _find(history, id)
    out.show(interchange.to_record(conversation), markdown.dump([conversation]).rstrip("\n"))


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
    words = " ".join(text)
    if not words.strip():
        raise InvalidInput("There is nothing to search for.", "Give a word, e.g. plocal logs search phones")
    with _history() as history:
        summaries = history.list(words, limit=limit)
    rows = [[summary.id, _local(summary), _short(summary.title), summary.snippet] for summary in summaries]
    out.show([_record(summary) for summary in summaries], table(rows, ["id", "updated", "title", "found"]))


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
    from pluralism_local.conversation.export import FORMATS

    out = options.output(context)
    if everything == bool(ids):
        raise InvalidInput("Which conversations?", "Give their ids, or 'last', or --all and no id.")
    with _history() as history:
        conversations = history.all() if everything else _find_all(history, ids or [])
    text = FORMATS[f".{shape}"](conversations)
    file = out.deliver(text, output)
    if file is not None:
        out.note(f"Wrote {many(len(conversations), 'conversation')} to {file}.")


@app.command("import")
def import_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `export --format json` wrote.")],
    as_json: options.Json = False,
) -> None:
    """Take conversations in. What is here already is not doubled; one that went on elsewhere goes on here."""
    from pluralism_local.history import interchange

    out = options.output(context, as_json=as_json)
    conversations = interchange.read(file.expanduser())
    with _history() as history:
        added = history.add(conversations)
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
        conversation = _find(history, id)
        history.rename(conversation.id, title)
        renamed = history.get(conversation.id)
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
        conversations = _find_all(history, ids)
        if not yes:
            _confirm(out, conversations)
        for conversation in conversations:
            history.delete(conversation.id)
    out.note(f"Deleted {many(len(conversations), 'conversation')}.")


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
    counts = Counts(0, 0, 0)
    if file.exists():
        with _history() as history:
            counts = history.counts()
    record: dict[str, Any] = {
        "logging": loaded.settings.logging,
        "origin": loaded.origin["logging"],
        "path": str(file),
        "conversations": counts.conversations,
        "turns": counts.turns,
        "file_bytes": counts.file_bytes,
    }
    state = "on" if loaded.settings.logging else "off"
    pairs = [
        ("logging", f"{state} ({loaded.origin['logging']})"),
        ("file", file),
        ("kept", f"{many(counts.conversations, 'conversation')}, {many(counts.turns, 'turn')}"),
        ("size", f"{counts.file_bytes:,} bytes"),
    ]
    out.show(record, key_values(pairs))


def _history() -> History:
    from pluralism_local.history import History, default_path

    return History(default_path())


def _find(history: History, id: str) -> Conversation:
    """The conversation that `id` names; see `History.get`."""
    if id != _LAST:
        return history.get(id)
    conversation = history.latest()
    if conversation is None:
        raise NotFound("The history is empty.", "`plocal ask` writes it, unless logging is off.")
    return conversation


def _find_all(history: History, ids: Sequence[str]) -> tuple[Conversation, ...]:
    """The conversations that `ids` name, each once."""
    conversations = [_find(history, id) for id in ids]
    return tuple({conversation.id: conversation for conversation in conversations}.values())


def _confirm(out: Output, conversations: Sequence[Conversation]) -> None:
    """Ask before deleting; without anybody to ask, refuse."""
    if not (out.interactive and sys.stdin is not None and sys.stdin.isatty()):
        raise InvalidInput("Deleting must be confirmed, and this is no terminal.", "Add --yes.")
    for conversation in conversations:
        out.note(
            f"{conversation.id}  {_short(conversation.title)}  ({many(len(conversation.turns), 'turn')})"
        )
    typer.confirm("Delete for good?", abort=True, err=True)


def _record(summary: ConversationSummary) -> dict[str, Any]:
    return {
        "id": summary.id,
        "title": summary.title,
        "created": summary.created.isoformat(timespec="milliseconds"),
        "updated": summary.updated.isoformat(timespec="milliseconds"),
        "turns": summary.turns,
        "snippet": summary.snippet,
    }


def _local(summary: ConversationSummary) -> str:
    return summary.updated.astimezone().strftime("%Y-%m-%d %H:%M")


def _short(title: str) -> str:
    return one_line(title, _TITLE_WIDTH)
