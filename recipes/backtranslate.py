#!/usr/bin/env python
"""Give the passages of a corpus the questions that they answer, named by a larger open model.

python recipes/backtranslate.py recipes/corpora/press-left.jsonl --writer qwen.gguf

Of the training passages those stay to which the model names a question of yes or no, and in which a second reading (as
plocal communities judge reads) finds the same answer; held-out passages stay as they are. The result,
CORPUS.asked.jsonl, is a corpus: training then asks each passage's question as plocal ask would. What the model wrote
and read is kept beside it: the same command goes on where it was stopped.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from communitylm.command import WriterThreads, WriteSeconds, run, say
from pluralism_local.display.figures import many
from pluralism_local.errors import InvalidInput

if TYPE_CHECKING:
    from communitylm.corpus.passages import Passage

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=__doc__)
def backtranslate(
    corpus: Annotated[Path, typer.Argument(help="Of prepare.py, best with --sides.")],
    writer: Annotated[str, typer.Option(help="The larger model: 'starter' or a .gguf file.")],
    output: Annotated[
        Path | None, typer.Option(help="The corpus.", show_default="CORPUS.asked.jsonl")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many training passages.")] = None,
    seconds: WriteSeconds = None,
    threads: WriterThreads = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count; write nothing.")] = False,
) -> None:
    from communitylm.corpus.passages import read_passages
    from communitylm.distilling.backtranslation import TOKENS

    passages = read_passages(corpus)
    training = [passage for passage in passages if not passage.held_out][:limit]
    held_out = [passage for passage in passages if passage.held_out]
    if not training:
        raise InvalidInput(f"{corpus} holds out all its passages.", "Prepare the corpus again.")
    words = sum(len(passage.text.split()) for passage in training)
    print(
        f"{many(len(training), 'passage')}, and {len(held_out):,} held out; about {round(1.35 * words):,} tokens to "
        f"read and at most {TOKENS * len(training):,} to write"
    )
    if not dry_run:
        name = corpus.name.removesuffix(".gz").removesuffix(".jsonl")
        target = output or corpus.with_name(f"{name}.asked.jsonl")
        _write(training, held_out, writer, target, seconds, threads)


def _write(
    training: list[Passage],
    held_out: list[Passage],
    writer: str,
    target: Path,
    seconds: float | None,
    threads: int | None,
) -> None:
    from communitylm.corpus.passages import write_passages
    from communitylm.distilling.backtranslation import agrees, named, question_requests
    from communitylm.distilling.generating import engine_writing, open_writer, stances, write_texts

    with open_writer(writer, Path.cwd(), threads) as (engine, _, identity):
        requests = question_requests(identity, training)
        journal = target.with_suffix(".written.jsonl")
        written = write_texts(engine_writing(engine, say), requests, journal, seconds=seconds, say=say)
        questions = [(passage, *answer) for passage, text in written if (answer := named(text))]
        pairs = [(question, passage.text) for passage, question, _ in questions]
        verdicts = stances(engine, pairs, target.with_suffix(".read.jsonl"), say)
    answering = [
        replace(passage, question=question)
        for (passage, question, yes), verdict in zip(questions, verdicts, strict=True)
        if agrees(yes, verdict)
    ]
    print(
        f"{many(len(answering), 'passage')} of {len(written):,}: {len(written) - len(questions):,} take no side on "
        f"a question, {len(questions) - len(answering):,} are read otherwise the second time"
    )
    if not answering:
        raise InvalidInput("No passage got a question.", f"Look into {journal}.")
    write_passages(target, [*answering, *held_out])
    say(f"Wrote {target}. Name it as corpus.file in a configuration.")


if __name__ == "__main__":
    run(app)
