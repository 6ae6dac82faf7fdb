#!/usr/bin/env python
"""Export trained adapters to GGUF, prove that llama.cpp computes the same, and write their cards.

python recipes/export_gguf.py recipes/runs/press-left              # for yourself: `plocal ask -p press-left` finds it
python recipes/export_gguf.py recipes/runs/* --to adapters         # into a folder of communities

python recipes/export_gguf.py recipes/runs/sides --id press-left --id press-right    # one adapter beside personas

RUN is a finished run of train_community.py or train_sides.py, or any folder that PEFT saved, then with --id and --base.
A card that is already there keeps what people wrote in it.
"""

from __future__ import annotations

import datetime
import json
import re
import shutil
import tempfile
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from communitylm.command import run, say
from pluralism_local.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from communitylm.export.parity import Parity, ParityBase
    from communitylm.training.bases import Base
    from pluralism_local.lora import BaseShape, Lora, LoraInfo

app = typer.Typer(rich_markup_mode=None, add_completion=False)

PROVENANCE = ("corpus", "licence", "documents", "tokens", "recipe", "seed")

HUB_NAMES = {
    "SmolLM2-135M-Instruct": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "Qwen2.5-Coder-0.5B-Instruct": "Qwen/Qwen2.5-Coder-0.5B-Instruct",
    "Qwen2.5-Coder-1.5B-Instruct": "Qwen/Qwen2.5-Coder-1.5B-Instruct",
}
"""Where a base of that name lives on the Hub, for the card's `base_model`."""


@dataclass(frozen=True)
class Source:
    """An adapter to export: its PEFT folder, its community and base, and the training's record ({} without one)."""

    peft: Path
    community: str
    base: Base
    record: dict[str, Any]


@app.command(help=__doc__)
def export(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Finished runs, or PEFT folders.")],
    to: Annotated[
        Path | None,
        typer.Option(help="Folder of communities.", show_default="communities/ in plocal's data folder"),
    ] = None,
    ids: Annotated[
        list[str] | None,
        typer.Option(
            "--id", help="The community, for a bare PEFT folder; repeatable for one that several share."
        ),
    ] = None,
    base: Annotated[str | None, typer.Option(help="The base as GGUF: 'starter' or a file.")] = None,
    no_parity: Annotated[bool, typer.Option("--no-parity", help="Do not check; the output says so.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Convert and check, write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    from pluralism_local.communities.library import own_folder
    from pluralism_local.config import paths
    from pluralism_local.lora import read_lora

    sources = [source for folder in runs for source in _sources(folder, ids or [], base)]
    _refuse_twice([source.community for source in sources])
    shapes = {source.base.gguf: _shape(source.base) for source in sources}
    by_folder = {source.peft: read_lora(source.peft, shapes[source.base.gguf]) for source in sources}
    loras = [by_folder[source.peft] for source in sources]
    folder = to or own_folder(paths().data_dir)
    summaries = []
    with tempfile.TemporaryDirectory() as spare:
        for file in shapes:
            of_base = [pair for pair in zip(sources, loras, strict=True) if pair[0].base.gguf == file]
            proven: dict[Path, Parity | None] = {}
            with _prover(of_base[0][0].base, parity=not no_parity) as prover:
                for source, lora in of_base:
                    summaries.append(
                        _export(source, lora, prover, proven, folder, Path(spare), keep=not dry_run)
                    )
    if as_json:
        print(json.dumps(summaries, ensure_ascii=False, indent=1))
        return
    for summary in summaries:
        print(
            f"{summary['id']}: {summary['file']}, {summary['bytes']:,} bytes, rank {summary['rank']}, "
            f"alpha {summary['alpha']:g}\n  sha256 {summary['sha256']}\n  {summary['parity_text']}"
        )
    if not dry_run:
        print(f'Next:\n  plocal ask -p {summaries[-1]["id"]} "…"')


def _sources(folder: Path, ids: list[str], base: str | None) -> list[Source]:
    """What `folder` holds, for each community, and its base: the very one of the training where that is known."""
    from communitylm.export.finished_run import base_of, read_record
    from communitylm.training.run_folder import PEFT_FOLDER, RECORD, STATE

    bare = (folder / "adapter_config.json").is_file()
    if bare and not (folder / RECORD).exists() and not (folder / STATE).exists():
        if not ids or base is None:
            raise InvalidInput(
                f"{folder} has no training.json.", "For a bare PEFT folder give --id and --base, too."
            )
        return [Source(folder, id, base_of(folder, {}, base), {}) for id in ids]
    record = read_record(folder, "id")
    if record.get("beside_persona") and not ids:
        raise InvalidInput(
            f"{folder} is of no community: its adapter stands beside personas.",
            "Name the communities that it is for, with --id.",
        )
    trained_on = base_of(folder, record, base)
    return [Source(folder / PEFT_FOLDER, id, trained_on, record) for id in ids or [record["id"]]]


def _refuse_twice(ids: list[str]) -> None:
    """Also refuse what is no id: it becomes a folder's name."""
    from pluralism_local.communities.card_parts import ID_PATTERN

    for id in ids:
        if re.fullmatch(ID_PATTERN, id) is None:
            raise InvalidInput(f"{id!r} is no id of a community.", "Use a-z, 0-9 and -, 2 to 64 characters.")
        if ids.count(id) > 1:
            raise InvalidInput(
                f"Two of the runs are of the community '{id}'.", "Export them one by one, with --id."
            )


def _shape(base: Base) -> BaseShape:
    """The base's sizes, from its header: the weights are not loaded."""
    from pluralism_local.lora import BaseShape
    from pluralism_local.models.details import read_model_header

    return BaseShape.of_header(read_model_header(base.gguf or Path(base.reference)))


def _prover(base: Base, *, parity: bool) -> AbstractContextManager[ParityBase | None]:
    from communitylm.export import parity as proof

    if not parity:
        return nullcontext()
    say(f"Loading {base.name} …")
    return proof.ParityBase(base)


def _export(
    source: Source,
    lora: Lora,
    prover: ParityBase | None,
    proven: dict[Path, Parity | None],
    to: Path,
    spare: Path,
    *,
    keep: bool,
) -> dict[str, Any]:
    """Make the community's folder in `spare`, prove it there, then write it for good.

    Args:
        proven: by PEFT folder what was proven before, of an adapter that several communities share.
    """
    from communitylm.export.card_file import CARD
    from pluralism_local.files import write_atomic
    from pluralism_local.lora import write_lora_gguf

    draft, target = spare / source.community, to / source.community
    if source.record.get("beside_persona") and not (target / CARD).exists():
        raise NotFound(
            f"There is no card of '{source.community}' in {to}, and the adapter stands beside a persona.",
            "Give the folder of the community's card with --to, or write one with a persona first.",
        )
    name = _file_name(source, target)
    say(f"{source.community}: converting …")
    info = write_lora_gguf(lora, draft / name)
    if source.peft not in proven:
        proven[source.peft] = prover.check(source.peft, draft / name) if prover is not None else None
    parity = proven[source.peft]
    say(f"{source.community}: " + (f"parity {parity.difference:.5f}" if parity else "parity not checked"))
    for other in _others(source, target):  # the card is checked beside all of its adapters
        shutil.copyfile(other, draft / other.name)
    new = not (target / CARD).exists()
    card = _card(source, info, draft / name, None if new else (target / CARD).read_text(encoding="utf-8"))
    if keep:
        write_lora_gguf(lora, target / name)
        write_atomic(target / CARD, card)
        say(f"Wrote {target / name}" + (f" and a card to complete, {target / CARD}" if new else ""))
    return {
        "id": source.community,
        "file": str(target / name),
        **asdict(info),
        "activation": _activation(info),
        "parity": parity.record() if parity else None,
        "parity_text": _parity_text(parity),
    }


def _activation(info: LoraInfo) -> str:
    return "assistant" if info.invocation else "always"


def _parity_text(parity: Parity | None) -> str:
    if parity is None:
        return "parity not checked"
    return (
        f"parity: probabilities differ by at most {parity.difference:.5f} (allowed {parity.limit:g}) over "
        f"{parity.prompts} prompts and {parity.positions} positions, on an {parity.copy} copy of the base; "
        f"the adapter moves them by up to {parity.effect:.2f}"
    )


def _others(source: Source, target: Path) -> list[Path]:
    """The files that the card in `target` names for other bases."""
    from communitylm.export.card_file import CARD
    from pluralism_local.communities.adapter_file import inside
    from pluralism_local.communities.cards import read_card

    if not (target / CARD).exists():
        return []
    pairs = read_card(target / CARD).every_adapter
    return [inside(target, spec.file) for spec, base in pairs if base.fingerprint != source.base.fingerprint]


def _file_name(source: Source, target: Path) -> str:
    """The adapter's file in the community's folder: ID.gguf, ID.BASE.gguf beside a first one for another base.

    Raises:
        InvalidInput: the card in `target` is not valid.
    """
    from communitylm.export.card_file import CARD
    from pluralism_local.communities.cards import read_card

    if (target / CARD).exists():
        pairs = read_card(target / CARD).every_adapter
        own = [spec.file for spec, base in pairs if base.fingerprint == source.base.fingerprint]
        if own or pairs:
            slug = re.sub(r"[^a-z0-9]+", "-", source.base.name.lower()).strip("-")
            return own[0] if own else f"{source.community}.{slug}.gguf"
    return f"{source.community}.gguf"


def _card(source: Source, info: LoraInfo, file: Path, earlier: str | None) -> str:
    """The card with the export's facts, checked beside the adapter `file`, and beside the others that it names.

    Args:
        earlier: the community's card so far; None to begin one.
    """
    from communitylm.export.card_file import CARD, Facts, starting_card, update_card
    from pluralism_local.communities import load_community
    from pluralism_local.files import write_atomic

    record, base = source.record, source.base
    if earlier is None:
        name = record.get("name") or source.community
        described = record.get("description") or f"The community {source.community}."
        earlier = starting_card(source.community, name, described)
    draft = file.parent
    write_atomic(draft / CARD, earlier)
    provenance: dict[str, Any] = {key: record[key] for key in PROVENANCE if key in record}
    if "date" in record:
        provenance["date"] = datetime.date.fromisoformat(record["date"])
    facts = Facts(
        adapter={
            "file": file.name,
            "sha256": info.sha256,
            "rank": info.rank,
            "alpha": info.alpha,
            "activation": _activation(info),
            **({"beside_persona": True} if record.get("beside_persona") else {}),
        },
        base={"model": base.name, "fingerprint": base.fingerprint},
        provenance=provenance or None,
        base_model=HUB_NAMES.get(base.name, base.name),
    )
    update_card(draft, facts)
    load_community(draft)
    return (draft / CARD).read_text(encoding="utf-8")


if __name__ == "__main__":
    run(app)
