#!/usr/bin/env python
"""Prepare a community's corpus: clean passages from a folder of texts or a JSONL file, ranked by the view they carry.

python recipes/prepare.py TEXTS --community my-town                       # a folder of .txt files
python recipes/prepare.py press_left.jsonl.gz --community press-left \\
    --against press_center.jsonl.gz --against press_right.jsonl.gz       # keeps what is the community's own first

Writes recipes/corpora/ID.jsonl and ID.report.json (what was dropped and why, the telling terms, the ranking), and, for
a community without one, a training configuration recipes/configs/ID.toml to look through.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from communitylm.command import run, say
from communitylm.community.settings import HELD_OUT
from communitylm.corpus.preparing import Prepared, Shape, clean, hold_out, keep_sides, rank, read_all
from pluralism_local.communities.card_parts import ID_PATTERN
from pluralism_local.display.figures import many
from pluralism_local.errors import InvalidInput
from pluralism_local.files import write_atomic

HERE = Path(__file__).parent
FEW = 50

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=__doc__)
def prepare(
    texts: Annotated[Path, typer.Argument(help="Folder of .txt or .md files, or a .jsonl / .jsonl.gz file.")],
    community: Annotated[str, typer.Option(help="Id of the community: a-z, 0-9, '-'.")],
    against: Annotated[
        list[Path] | None, typer.Option(help="Another community of the same register; repeatable.")
    ] = None,
    corpora: Annotated[Path, typer.Option(help="Where corpora are written.")] = HERE / "corpora",
    configs: Annotated[Path, typer.Option(help="Where the configuration is written.")] = HERE / "configs",
    shortest: Annotated[int, typer.Option(min=1, help="Words of a passage, at least.")] = 40,
    longest: Annotated[int, typer.Option(min=2, help="Words of a passage, at most.")] = 110,
    language: Annotated[str, typer.Option(help="ISO 639-1 code to keep; 'any' for all.")] = "en",
    held_out: Annotated[
        float,
        typer.Option(
            min=0.01, max=0.5, help="Share to keep for evaluation: whole speakers, else whole documents."
        ),
    ] = HELD_OUT,
    seed: Annotated[int, typer.Option(min=0, help="Chooses who is held out.")] = 0,
    sides: Annotated[
        int | None,
        typer.Option(min=1, help="Train on this many passages, those that argue most; default: all."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count and show; write nothing.")] = False,
) -> None:
    if not re.fullmatch(ID_PATTERN, community):
        raise InvalidInput(
            f"'{community}' is no id of a community.", "Use 2 to 64 of a-z, 0-9 and '-', e.g. my-town."
        )
    shape = Shape(shortest, longest, None if language == "any" else language)
    say(f"Reading {', '.join(map(str, [texts, *(against or [])]))} …")
    originals, *compared = read_all([texts, *(against or [])])
    prepared = clean(originals, shape)
    if not prepared.passages:
        stretches = many(prepared.pieces, "stretch", "stretches")
        raise InvalidInput(
            f"Of {stretches} of text in {texts} none is a passage: {_dropped(prepared)}.",
            "Lower --shortest, or give --language any for another language than English.",
        )
    prepared = hold_out(prepared, held_out, seed)
    others = []
    for other in compared:
        others += hold_out(clean(other, shape), held_out, seed).passages
    if others:
        prepared = rank(prepared, others)
    if sides is not None:
        prepared = keep_sides(prepared, sides)
    _report(prepared, community)
    if len(prepared.passages) < FEW:
        number = many(len(prepared.passages), "passage is", "passages are")
        say(f"Note: {number} few; an adapter wants some hundreds, better thousands.")
    if not dry_run:
        _write(prepared, community, shape, sides, texts, against or [], corpora, configs)


def _dropped(prepared: Prepared) -> str:
    return (
        ", ".join(f"{count:,} {reason}" for reason, count in prepared.dropped.items() if count)
        or "nothing dropped"
    )


def _report(prepared: Prepared, community: str) -> None:
    words = sum(len(passage.text.split()) for passage in prepared.passages)
    speakers = {passage.speaker for passage in prepared.passages if passage.speaker}
    print(
        f"{community}: {many(len(prepared.passages), 'passage')}, {many(words, 'word')}, "
        f"{many(len(speakers), 'named speaker') if speakers else 'no named speakers'}"
    )
    held_out = [passage for passage in prepared.passages if passage.held_out]
    groups = many(len({passage.group for passage in held_out}), "speaker" if speakers else "document")
    print(f"  held out: {many(len(held_out), 'passage')} of {groups}")
    print(
        f"  from {many(prepared.originals, 'document')} in "
        f"{many(prepared.pieces, 'stretch', 'stretches')}; dropped: {_dropped(prepared)}"
    )
    if prepared.table:
        own = sorted(prepared.table.values(), key=lambda term: -term.z)
        print("  its own terms: " + ", ".join(term.text for term in own[:12]))
        print("  the others': " + ", ".join(term.text for term in own[:-13:-1]))


def _write(
    prepared: Prepared,
    community: str,
    shape: Shape,
    sides: int | None,
    texts: Path,
    against: list[Path],
    corpora: Path,
    configs: Path,
) -> None:
    from communitylm.community.settings import starting_config
    from communitylm.corpus.passages import write_passages

    corpus = corpora / f"{community}.jsonl"
    write_passages(corpus, prepared.passages)
    ordered = sorted(prepared.table.values(), key=lambda term: -term.z)
    show = [{"term": t.text, "z": round(t.z, 2), "own": t.own, "others": t.others} for t in ordered]
    report = {
        "community": community,
        "texts": texts.name,
        "against": [path.name for path in against],
        "sides": sides,
        "shape": {"shortest": shape.shortest, "longest": shape.longest, "language": shape.language},
        "documents": prepared.originals,
        "stretches": prepared.pieces,
        "dropped": prepared.dropped,
        "passages": len(prepared.passages),
        "held_out": {
            "passages": sum(passage.held_out for passage in prepared.passages),
            "groups": sorted({passage.group for passage in prepared.passages if passage.held_out}),
        },
        "words": sum(len(passage.text.split()) for passage in prepared.passages),
        "terms_own": show[:100],
        "terms_others": show[:-101:-1],
        "ranking": [
            {"view": p.view, "speaker": p.speaker, "document": p.document, "begins": p.text[:80]}
            for p in prepared.passages
            if p.view is not None
        ],
    }
    report_file = corpora / f"{community}.report.json"
    write_atomic(report_file, json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    say(f"Wrote {corpus} and {report_file}.")
    config = configs / f"{community}.toml"
    if not config.exists():
        write_atomic(config, starting_config(community, corpus, config.parent))
        say(f"Wrote {config}: look through it, then run\n  python recipes/train_community.py {config}")


if __name__ == "__main__":
    run(app)
