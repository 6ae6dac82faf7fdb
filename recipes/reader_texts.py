#!/usr/bin/env python
"""Texts that teach a small model the LLM's part of an ask: to sum up comments, to choose one, to name an option.

python recipes/reader_texts.py --left left-comments.jsonl --right right-comments.jsonl --writer qwen.gguf

Comments are those of distil_comments.py, on the same questions. The larger model writes the syntheses and reads which
answer a comment supports; the result, recipes/corpora/reader.jsonl, is a corpus of whole messages and their answers for
train_community.py, with training.longest of 1,500 or so. What is written is kept: the same command goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from communitylm.command import WriterThreads, WriteSeconds, run, say
from pluralism_local.display.figures import many
from pluralism_local.errors import InvalidInput

if TYPE_CHECKING:
    from communitylm.distilling.reader_texts import Comments

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=__doc__)
def read(
    writer: Annotated[str, typer.Option(help="The larger model: 'starter' or a .gguf file.")],
    left: Annotated[list[Path] | None, typer.Option(help="Comments of the left; repeatable.")] = None,
    center: Annotated[list[Path] | None, typer.Option(help="Of those between; repeatable.")] = None,
    right: Annotated[list[Path] | None, typer.Option(help="Of the right; repeatable.")] = None,
    output: Annotated[Path, typer.Option(help="The corpus.")] = Path(__file__).parent
    / "corpora"
    / "reader.jsonl",
    seconds: WriteSeconds = None,
    threads: WriterThreads = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws comments, options and places.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count; write nothing.")] = False,
) -> None:
    from communitylm.corpus.passages import read_passages
    from communitylm.distilling.comments import SIDES
    from communitylm.distilling.reader_texts import TOKENS, by_question

    corpora = {
        side: [passage for path in files or [] for passage in read_passages(path)]
        for side, files in zip(SIDES, (left, center, right), strict=True)
    }
    comments = by_question(corpora)
    if not comments:
        raise InvalidInput(
            "No question has comments of two sides.",
            "Give two of --left, --center and --right, on the same questions.",
        )
    count = sum(map(len, comments.values()))
    print(
        f"{many(len(comments), 'question')} with {count:,} comments; at most {TOKENS * len(comments):,} tokens to write"
    )
    if not dry_run:
        _write(comments, writer, output, seconds, threads, seed)


def _write(
    comments: Comments, writer: str, target: Path, seconds: float | None, threads: int | None, seed: int
) -> None:
    from communitylm.corpus.passages import write_passages
    from communitylm.distilling.generating import engine_writing, open_writer, stances, write_texts
    from communitylm.distilling.reader_texts import choices, letters, syntheses, synthesis_requests

    with open_writer(writer, Path.cwd(), threads) as (engine, model, identity):
        requests = synthesis_requests(identity, comments, seed)
        journal = target.with_suffix(".written.jsonl")
        written = write_texts(engine_writing(engine, say), requests, journal, seconds=seconds, say=say)
        every = [passage for own in comments.values() for _, passage in own]
        pairs = [(passage.question or "", passage.text) for passage in every]
        verdicts = stances(engine, pairs, target.with_suffix(".read.jsonl"), say)
    summed = syntheses(written, model)
    chosen, lettered = choices(comments, seed), letters(every, verdicts, seed)
    print(
        f"{many(len(summed), 'synthesis', 'syntheses')} of {len(written):,} written, {many(len(chosen), 'choice')}, "
        f"{many(len(lettered), 'letter')} of {len(every):,} comments"
    )
    write_passages(target, [*summed, *chosen, *lettered])
    say(f"Wrote {target}. Name it as corpus.file in a configuration, with training.longest = 1500.")


if __name__ == "__main__":
    run(app)
