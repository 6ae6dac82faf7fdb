#!/usr/bin/env python
"""Export trained adapters to GGUF, prove that llama.cpp computes the same, and write their cards.

python recipes/export_gguf.py recipes/runs/press-left              # for yourself: `plocal ask -p press-left` finds it
python recipes/export_gguf.py recipes/runs/* --to adapters         # into a folder of communities

RUN is a finished run of train_community.py, or any folder that PEFT saved, then with --id and --base. A card that is
already there keeps what people wrote in it.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from communitylm.command import run, say
from pluralism_local.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from communitylm.parity import ParityBase

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@dataclass(frozen=True)
class Source:
    """An adapter to export: its PEFT folder, its community and base, and the training's record ({} without one)."""

    peft: Path
    community: str
    base: str
    record: dict[str, Any]


@app.command(help=__doc__)
def export(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Finished runs, or PEFT folders.")],
    to: Annotated[
        Path | None,
        typer.Option(help="Folder of communities.", show_default="communities/ in plocal's data folder"),
    ] = None,
    community: Annotated[
        str | None, typer.Option("--id", help="The community, for a bare PEFT folder.")
    ] = None,
    base: Annotated[str | None, typer.Option(help="The base as GGUF: 'starter' or a file.")] = None,
    no_parity: Annotated[bool, typer.Option("--no-parity", help="Do not check; the output says so.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Convert and check, write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    sources = [_source(folder, community, base) for folder in runs]
    if to is None:
        from pluralism_local.config import paths

        to = paths().data_dir / "communities"
    summaries = []
    with ExitStack() as stack:
        opened: dict[str, ParityBase] = {}
        spare = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for source in sources:
            if source.base not in opened:
                say(f"Loading {source.base} …")
                opened[source.base] = stack.enter_context(_open(source.base))
            summaries.append(
                _export(source, opened[source.base], to, spare, parity=not no_parity, keep=not dry_run)
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


def _source(folder: Path, community: str | None, base: str | None) -> Source:
    record_file = folder / "training.json"
    if record_file.is_file():
        record = json.loads(record_file.read_text(encoding="utf-8"))
        return Source(
            folder / "adapter",
            community or record["id"],
            base or record["base"]["path"] or record["base"]["reference"],
            record,
        )
    if (folder / "run.json").exists():
        raise NotFound(f"The run {folder} is not finished.", "Start its training again: it resumes.")
    if not (folder / "adapter_config.json").is_file():
        raise NotFound(f"{folder} is no finished run and no PEFT folder.", "Give recipes/runs/ID.")
    if community is None or base is None:
        raise InvalidInput(
            f"{folder} has no training.json.", "For a bare PEFT folder give --id and --base, too."
        )
    return Source(folder, community, base, {})


def _open(reference: str) -> ParityBase:
    from communitylm.bases import find_base
    from communitylm.parity import ParityBase

    return ParityBase(find_base(reference, Path.cwd()))


def _export(
    source: Source, opened: ParityBase, to: Path, spare: Path, *, parity: bool, keep: bool
) -> dict[str, Any]:
    from communitylm.lora_gguf import read_lora, write_lora_gguf
    from pluralism_local.gguf_file import sha256_of

    lora = read_lora(source.peft, opened.config)
    trial = spare / f"{source.community}.gguf"
    write_lora_gguf(lora, trial)
    found = opened.check(source.peft, trial) if parity else None
    say(f"{source.community}: " + (f"parity {found.difference:.5f}" if found else "parity not checked"))
    target = to / source.community / trial.name
    summary = {
        "id": source.community,
        "file": str(target),
        "bytes": trial.stat().st_size,
        "sha256": sha256_of(trial),
        "rank": lora.rank,
        "alpha": lora.alpha,
        "activation": "assistant" if lora.invocation else "always",
        "parity": found.record() if found else None,
        "parity_text": (
            f"parity: probabilities differ by at most {found.difference:.5f} (allowed {found.limit:g}) over "
            f"{found.prompts} prompts and {found.positions} positions; "
            f"the adapter moves them by up to {found.effect:.2f}"
            if found
            else "parity not checked"
        ),
    }
    if keep:
        write_lora_gguf(lora, target)
        _write_card(source, opened, target.parent, summary)
    return summary


def _write_card(source: Source, opened: ParityBase, folder: Path, summary: dict[str, Any]) -> None:
    from communitylm.card_file import CARD, Facts, starting_card, update_card
    from pluralism_local.communities import load_community
    from pluralism_local.files import write_atomic

    record = source.record
    if not (folder / CARD).exists():
        name = record.get("name") or source.community
        described = record.get("description") or f"The community {source.community}."
        write_atomic(folder / CARD, starting_card(source.community, name, described))
        say(f"Wrote a card to complete: {folder / CARD}")
    adapter = {
        "file": Path(summary["file"]).name,
        **{key: summary[key] for key in ("sha256", "rank", "alpha", "activation")},
        "scale": 1.0,
    }
    provenance: dict[str, Any] = {key: record[key] for key in PROVENANCE if key in record}
    if "date" in record:
        import datetime

        provenance["date"] = datetime.date.fromisoformat(record["date"])
    facts = Facts(
        adapter=adapter,
        base={"model": opened.base.name, "fingerprint": opened.base.fingerprint},
        provenance=provenance or None,
        base_model=HUB_NAMES.get(opened.base.name, opened.base.name),
    )
    update_card(folder, facts)
    load_community(folder)


PROVENANCE = ("corpus", "licence", "documents", "tokens", "recipe", "seed")

HUB_NAMES = {"SmolLM2-135M-Instruct": "HuggingFaceTB/SmolLM2-135M-Instruct"}
"""Where a base of that name lives on the Hub, for the card's `base_model`."""


if __name__ == "__main__":
    run(app)
