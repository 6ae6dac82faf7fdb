#!/usr/bin/env python
"""Pair a community's texts with those of another side on the same question, for training by contrast.

python recipes/make_pairs.py left.jsonl --against right.jsonl --output recipes/corpora/left-pairs.jsonl

Corpora are those of prepare.py, backtranslate.py and distil_comments.py. Then contrast.pairs in a configuration names
the output, and python recipes/train_community.py CONFIG trains on it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from communitylm.command import run, say
from pluralism_local.display.figures import many
from pluralism_local.errors import InvalidInput

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=__doc__)
def make(
    own: Annotated[list[Path], typer.Argument(metavar="CORPUS...", help="The community's own texts.")],
    against: Annotated[list[Path], typer.Option(help="Texts of another side; repeatable.")],
    output: Annotated[Path, typer.Option(help="The pairs, JSONL.")],
    least: Annotated[
        float, typer.Option(min=0.01, max=1, help="Likeness of texts without a question in common; 1: none.")
    ] = 0.12,
    longest: Annotated[int, typer.Option(min=1, help="Words of a text at most.")] = 150,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count and show; write nothing.")] = False,
) -> None:
    from communitylm.community.contrast import write_pairs
    from communitylm.community.contrast_pairs import pair_up
    from communitylm.corpus.passages import read_passages

    mine = [passage for path in own for passage in read_passages(path)]
    theirs = [passage for path in against for passage in read_passages(path)]
    paired = pair_up(mine, theirs, least=least, longest=longest)
    words = sum(len(pair.chosen.split()) for pair in paired.pairs)
    print(
        f"{many(len(mine), 'text')} against {len(theirs):,}: {many(len(paired.pairs), 'pair')}, "
        f"{paired.same_question:,} of the same question; about {round(1.35 * words):,} tokens chosen"
    )
    if not paired.pairs:
        raise InvalidInput("No two texts speak to the same question.", "Lower --least, or give more texts.")
    if not dry_run:
        write_pairs(output, paired.pairs)
        say(f"Wrote {output}. Name it as contrast.pairs in a configuration.")


if __name__ == "__main__":
    run(app)
