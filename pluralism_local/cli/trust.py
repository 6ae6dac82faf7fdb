"""`plocal config trust`: what a file of others may say from now on, seen first and remembered by its content.

plocal.toml ──what it asks for──> shown ──allow──> data/trusted.json          --list, --revoke, --dry-run
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pluralism_local.cli import options
from pluralism_local.cli.output import Output, table
from pluralism_local.cli.setting_text import plain, spell
from pluralism_local.errors import NotFound

if TYPE_CHECKING:
    from pluralism_local.trust import Trust

RUN_FILE = "run.json"

EPILOG = """
\b
A folder's plocal.toml may always choose the mode, a pool by its id, sampling and the like, and make offline and
logging stricter. A model, aliases, remote, community_paths, a pool's file, offline = false and logging = true are taken
from it only once it is trusted, and asked about again when it changes. So are the model, a pool's file and the
scorer of a run (plocal eval) that was not begun here. The files and folders that it names are not watched.

\b
A key (PLOCAL_REMOTE_KEY) is never sent to a server that only such a file names: name the server yourself, with -m,
PLOCAL_MODEL or plocal config set, and it is.

\b
Examples:
  plocal config trust --dry-run      what ./plocal.toml asks for
  plocal config trust                allow it
  plocal config trust --list
  plocal config trust --revoke
"""


def trust(
    context: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            show_default=False,
            help="A plocal.toml or a run, or its folder. Default: the one here.",
        ),
    ] = Path(),
    listing: Annotated[
        bool, typer.Option("--list", help="Show what is trusted, and change nothing.")
    ] = False,
    revoke: Annotated[bool, typer.Option("--revoke", help="Trust it no longer.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what it asks for, and trust nothing.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Let a folder's plocal.toml, or a run begun elsewhere, name models, servers and cards.

    The file is trusted with its present content and no other.
    """
    from pluralism_local import config
    from pluralism_local.trust import Trust

    out = options.output(context, as_json=as_json)
    store = Trust(config.paths().data_dir)
    if listing:
        _list(out, store)
        return
    folder = path.expanduser()
    folder = folder.parent if folder.name in (config.LOCAL_FILE, RUN_FILE) and not folder.is_dir() else folder
    file = folder.absolute() / config.LOCAL_FILE
    if path.name == RUN_FILE or (not file.exists() and _is_run(path)):
        _run(out, store, path if path.name != RUN_FILE else folder, dry_run=dry_run, revoke=revoke)
        return
    if revoke:
        store.revoke(file)
        out.note(f"{file} is not trusted any more.")
        return
    _trust_file(out, store, file, dry_run=dry_run)


def _trust_file(out: Output, store: Trust, file: Path, *, dry_run: bool) -> None:
    """Show what the file asks for beside what holds without it; trust the very content that was shown."""
    from pluralism_local import config

    if not file.is_file():
        raise NotFound(f"There is no file {file}.", "Give a plocal.toml, or the folder it lies in.")
    loaded = config.load(cwd=file.parent)
    held = loaded.withheld
    if held is None:
        out.show(
            {"file": str(file), "allows": {}, "trusted": not dry_run},
            f"{file} is trusted already, or says nothing that needs it.",
        )
        return
    before = loaded.settings.model_dump()
    pairs = {name: (plain(before[name]), plain(value)) for name, value in held.guarded.items()}
    rows = [[name, *map(spell, pair)] for name, pair in pairs.items()]
    out.show(
        {
            "file": str(file),
            "allows": {name: {"now": now, "trusted": then} for name, (now, then) in pairs.items()},
            "trusted": not dry_run,
        },
        table(rows, ["setting", "now", "with this file"]),
    )
    if dry_run:
        out.note("Nothing is changed; without --dry-run this is allowed.")
        return
    store.allow(file, held.content)
    out.note(f"{file} is trusted until it changes; undo with: plocal config trust --revoke {file.parent}")


def _is_run(path: Path) -> bool:
    from pluralism_local.cli.eval.folders import find_run

    try:
        return bool(find_run(path))
    except NotFound:
        return False


def _run(out: Output, store: Trust, path: Path, *, dry_run: bool, revoke: bool) -> None:
    """The same for a run's folder, which is trusted for what it names, wherever it lies."""
    from pluralism_local.cli.eval.folders import find_run
    from pluralism_local.cli.eval.others import named

    run = find_run(path)
    folder, names = run.path, named(run.spec)
    if revoke:
        store.revoke_run(names, folder)
        out.note(f"{folder} is not trusted any more.")
        return
    needed = bool(names) and store.run_state(names) == "unknown"
    out.show(
        {"run": str(folder), "allows": names if needed else {}, "trusted": not (needed and dry_run)},
        table([[kind, name] for kind, name in names.items()], ["of the run", "name"])
        if needed
        else f"{folder} was begun or allowed here already, or names nothing that needs it.",
    )
    if needed and not dry_run:
        store.allow_run(names, folder)
        out.note(f"{folder} may open what it names; undo with: plocal config trust --revoke {folder}")


def _list(out: Output, store: Trust) -> None:
    entries = [{"path": str(path), "state": state} for path, state in store.files().items()]
    entries += [{"path": str(path), "state": "trusted"} for path in store.runs()]
    if not entries:
        out.note("Nothing is trusted.")
    out.show(entries, table([[entry["state"], entry["path"]] for entry in entries], ["state", "file"]))
