"""`plocal models pull`, `rm` and `ls --recommended`: models that come from the Hub and go again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pluralism_local.cli import options
from pluralism_local.cli.output import Output, table
from pluralism_local.cli.transfers import DryRun, TransferLine, bind_cards, confirm
from pluralism_local.display.figures import transfer_size

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.sharing.models import Choice
    from pluralism_local.sharing.recommended import Capacity, Recommended

ADVISED = "advised"
"""Of the cache folder: there once the user was told of better models than the starter."""

Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask. Default: off.")]


def pull(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="hf:user/repo[:QUANT][@REVISION], or 'recommended'."),
    ],
    dry_run: DryRun = False,
    offline: options.Offline = None,
    as_json: options.Json = False,
) -> None:
    """Fetch a model from the Hub into its cache, and say under which name it is here.

    Without QUANT it is the only GGUF file, or Q4_K_M. What was interrupted is gone on with, also after a kill; room on
    the disk is looked at first; size and SHA-256 must be the Hub's. 'recommended' takes the largest model of 'models
    ls --recommended' that fits this machine's memory and disk. Cards of communities whose base this is get its
    fingerprint.

    Exit 3: not there, or offline; 4: gated, no room, or another content than the Hub lists; 5: not reached.
    """
    from pluralism_local.sharing import models, recommended

    out = options.output(context, as_json=as_json)
    settings = options.load(out, {"offline": offline}).settings
    if name == recommended.NAME:
        advised = recommended.best(recommended.this_machine())
        name = advised.name
        out.note(f"{advised.title}: {advised.good_for} ({advised.licence}).")
    choice = models.choose(name, offline=settings.offline)
    _tell(out, choice)
    if dry_run:
        out.show(_plan(choice), f"{choice.name}  {transfer_size(choice.bytes)}")
        return
    with TransferLine(out, choice.name, choice.missing) as progress:
        pulled = models.fetch(choice, settings, progress)
    record = {
        "name": pulled.name,
        "path": str(pulled.path),
        "revision": pulled.commit,
        "bytes": pulled.bytes,
        "sha256": list(pulled.sha256),
        "licence": choice.repository.licence,
    }
    out.show(record, f"{pulled.name}\n  {pulled.path}\n  revision {pulled.commit}")
    bind_cards(out, settings)
    out.note(f"Ask it:              plocal ask -m {pulled.name} …")
    out.note(f"Make it the default: plocal models default {pulled.name}")


def rm(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="hf:user/repo[:QUANT][@REVISION], as 'models ls' has it.")
    ],
    yes: Yes = False,
    dry_run: DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Delete a model from the Hub's cache, or what an interrupted pull has left of it. Other programs lose it, too.

    Files of your own are not deleted, and copies that 'optimize' made stay: 'cache clear' deletes those.
    """
    from pluralism_local.sharing import models

    out = options.output(context, as_json=as_json)
    settings = options.load(out).settings
    files = models.files_of(name, settings)
    bytes = models.bytes_of(files)
    record = {"name": name, "files": [str(path) for path in files], "bytes": bytes}
    if dry_run:
        out.show(record, "\n".join(map(str, files)))
        return
    confirm(out, f"Delete {name} ({transfer_size(bytes)}) from the Hub's cache?", yes=yes)
    models.remove(files)
    out.show(record, f"Deleted {name}: {transfer_size(bytes)}.")
    if settings.model == name:
        out.warn(f"{name} is still the default model; `plocal models default NAME` chooses another.")


def show_recommended(out: Output) -> None:
    """The list of `models ls --recommended`, those first that fit this machine."""
    from dataclasses import asdict

    from pluralism_local.sharing import recommended

    machine = recommended.this_machine()
    listed = recommended.ordered(machine)
    rows = [
        [
            model.name,
            transfer_size(model.bytes),
            transfer_size(model.memory_bytes),
            _fits(machine, model),
            model.licence,
            model.good_for,
        ]
        for model in listed
    ]
    head = ["name", "download", "memory", "fits here", "licence", "good for"]
    out.show([asdict(model) | {"fits": machine.runs(model)} for model in listed], table(rows, head))
    out.note(f"Take the best that fits: plocal models pull {recommended.NAME}")


def advise(out: Output, settings: Settings) -> None:
    """Before the starter answers for the first time, on a terminal: one line that says which model to get, and how."""
    from pluralism_local import config
    from pluralism_local.model_names import STARTER
    from pluralism_local.sharing import recommended

    if settings.model != STARTER or settings.offline or out.format != "text" or not out.interactive:
        return
    line = recommended.advice_once(config.paths().cache_dir / ADVISED)
    if line is not None:
        out.note(line)


def _fits(machine: Capacity, model: Recommended) -> str:
    if not machine.runs(model):
        return "no: memory"
    return "yes" if machine.has_room(model) else "no: disk"


def _tell(out: Output, choice: Choice) -> None:
    """What would be fetched, before it is."""
    licence = choice.repository.licence or "none stated"
    parts = f" in {len(choice.files)} files" if len(choice.files) > 1 else ""
    begun = choice.bytes - choice.missing
    state = (
        "all of it is here"
        if not choice.missing
        else f"{transfer_size(choice.missing)} to fetch"
        if begun
        else "to fetch"
    )
    out.note(
        f"{choice.files[0].name}, {transfer_size(choice.bytes)}{parts}, {state}; licence {licence}; "
        f"revision {choice.repository.commit[:12]}"
    )


def _plan(choice: Choice) -> dict[str, Any]:
    return {
        "name": choice.name,
        "repository": choice.repository.id,
        "revision": choice.repository.commit,
        "licence": choice.repository.licence,
        "files": [{"name": file.name, "bytes": file.bytes, "sha256": file.sha256} for file in choice.files],
        "bytes": choice.bytes,
        "missing_bytes": choice.missing,
    }
