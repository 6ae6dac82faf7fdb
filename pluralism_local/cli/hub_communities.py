"""`plocal communities pull` and `push`: communities that come from the Hub or a folder, and go to it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pluralism_local.cli import options
from pluralism_local.cli.output import Output
from pluralism_local.cli.transfers import DryRun, TransferLine, bind_cards
from pluralism_local.display.figures import transfer_size
from pluralism_local.errors import InvalidInput

if TYPE_CHECKING:
    from pluralism_local.communities import Community, Library
    from pluralism_local.config import Settings
    from pluralism_local.sharing.communities import PulledCommunity


def pull(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="FOLDER|hf:user/repo[@REVISION]|paper",
            help="A community's card with its adapter, a LoRA that PEFT saved, or the paper's eleven communities.",
        ),
    ],
    id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="The community's id. Default: the repository's name."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="NAME",
            help="The LoRA's base: a model here, a folder with its config.json, or hf:user/repo. Default: the one that "
            "the LoRA names.",
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace one of that id. Default: off.")] = False,
    no_base: Annotated[
        bool, typer.Option("--no-base", help="paper: without the base model (4.4 GB). Default: off.")
    ] = False,
    dry_run: DryRun = False,
    offline: options.Offline = None,
    as_json: options.Json = False,
) -> None:
    """Take in a community, from a folder or from the Hub.

    A LoRA that PEFT saved (Llama, Mistral, Qwen 2 and 3, Gemma) is written as GGUF, with a card that says where it
    comes from and what is not known. Its base is checked by name and shapes, and by its fingerprint once a GGUF of it
    is here. What has no form in GGUF (DoRA, trained embeddings or biases, ...) is refused by name. 'paper' brings the
    eleven communities of the Modular Pluralism paper, their pools and their base.
    """
    from pluralism_local import config
    from pluralism_local.sharing import communities, paper

    out = options.output(context, as_json=as_json)
    settings = options.load(out, {"offline": offline}).settings
    data_dir = config.paths().data_dir
    if source == paper.NAME:
        if id is not None or base is not None:
            raise InvalidInput(
                "The paper's communities have ids and a base of their own.", "Leave --id and --base out."
            )
        _pull_paper(out, data_dir, settings, with_base=not no_base, dry_run=dry_run)
        return
    if dry_run:
        raise InvalidInput("--dry-run goes with 'paper'.", "A single community is small: pull it.")
    request = communities.PullOptions(id=id, base=base, replace=replace)
    with TransferLine(out, source, 0) as progress:
        pulled = communities.pull(source, data_dir, settings, request, progress)
    bind_cards(out, settings)
    _show(out, [pulled], [])


def push(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID|PATH", help="A community, or the folder of a card.")],
    target: Annotated[str, typer.Argument(metavar="hf:user/repo", help="Where it is to be shared.")],
    yes: Annotated[
        bool, typer.Option("-y", "--yes", help="Send it. Without, it is only said what would be sent.")
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="If the repository is made anew: for you alone. Default: off.")
    ] = False,
    offline: options.Offline = None,
    as_json: options.Json = False,
) -> None:
    """Share a community on the Hub: its card and its adapters, never the base model.

    Without --yes nothing is sent: it says what would be. A card without a licence, provenance or limits is refused
    (exit 4), with what it lacks.
    """
    from pluralism_local.sharing import pushing
    from pluralism_local.wiring import library

    out = options.output(context, as_json=as_json)
    settings = options.load(out, {"offline": offline}).settings
    community = load_named(library(settings), name)
    plan = pushing.plan(community, target)
    record: dict[str, Any] = {
        "repository": plan.repository,
        "files": [{"name": file, "bytes": path.stat().st_size} for file, path in plan.files.items()],
        "bytes": plan.bytes,
        "private": private,
        "commit": None,
    }
    lines = [f"{file}  {transfer_size(path.stat().st_size)}" for file, path in plan.files.items()]
    if not yes:
        out.show(record, "\n".join([f"To hf:{plan.repository} would go:", *(f"  {line}" for line in lines)]))
        out.note("Nothing was sent; --yes sends it.")
        return
    record["commit"] = pushing.push(plan, community, private=private, offline=settings.offline)
    out.show(record, "\n".join([f"Sent to {record['commit']}:", *(f"  {line}" for line in lines)]))


def load_named(shelf: Library, name: str) -> Community:
    """A community by id, or by the path of its card or folder."""
    from pluralism_local.communities import load_community

    if "/" in name or Path(name).is_dir() or Path(name).suffix == ".md":
        return load_community(Path(name).expanduser())
    return shelf.community(name)


def _pull_paper(out: Output, data_dir: Path, settings: Settings, *, with_base: bool, dry_run: bool) -> None:
    from pluralism_local.hub.download import require_room
    from pluralism_local.sharing import models, paper

    plan = paper.plan(data_dir, settings)
    here = paper.base_here(settings)
    choice = (
        models.choose(paper.base_model(), offline=settings.offline) if with_base and here is None else None
    )
    missing = plan.missing + (choice.missing if choice is not None else 0)
    base = here or (
        f"{choice.name} ({transfer_size(choice.missing)})" if choice is not None else "not fetched"
    )
    out.note(
        f"{len(plan.pending)} communities to fetch ({transfer_size(plan.missing)}), {len(plan.here)} are here; "
        f"base: {base}; {transfer_size(missing)} in all."
    )
    if dry_run:
        record = {
            "communities": [published.id for published, _ in plan.pending],
            "here": list(plan.here),
            "base": choice.name if choice is not None else here,
            "missing_bytes": missing,
        }
        out.show(record, "\n".join(published.id for published, _ in plan.pending))
        return
    require_room("The paper's communities with their base", missing)
    pulled = []
    with TransferLine(out, "the paper's communities", plan.missing) as progress:
        for community in paper.take(plan, data_dir, settings, progress):
            pulled.append(community)
            out.note(f"{community.id}: here.")
    if choice is not None:
        with TransferLine(out, choice.name, choice.missing) as progress:
            here = models.fetch(choice, settings, progress).name
    bind_cards(out, settings)
    pools = paper.write_pools(data_dir)
    _show(out, pulled, pools)
    out.note(f'Ask them: plocal ask --pool {pools[0]} --communities-model {here or paper.base_model()} "…"')


def _show(out: Output, pulled: list[PulledCommunity], pools: list[str]) -> None:
    """The communities that are here now, as their cards have them."""
    from pluralism_local.communities.cards import CARD_FILE, read_card

    rows, records = [], []
    for community in pulled:
        base = read_card(community.folder / CARD_FILE).base
        state = "no adapter"
        if base is not None:
            state = f"for {base.model}, " + (
                "checked by its fingerprint" if base.fingerprint else "known by its name and shapes"
            )
        rows.append(f"{community.id}  {community.folder}  ({state})")
        records.append(
            asdict(community)
            | {"folder": str(community.folder), "fingerprint": base.fingerprint if base is not None else None}
        )
    out.show(
        {"communities": records, "pools": pools}, "\n".join([*rows, *(f"pool {pool}" for pool in pools)])
    )
    if any(community.written for community in pulled):
        out.note("Read the cards: they say what is not known. `plocal communities show ID`")
