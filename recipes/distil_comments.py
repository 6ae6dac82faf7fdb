#!/usr/bin/env python
"""Comments of a community on your questions, written by a larger open model: for training a smaller one to answer.

python recipes/distil_comments.py press-left --questions my-questions.txt --writer qwen.gguf --side left

The questions are of yes or no, one a line, or JSON lines with "question", and "left" and "right" where it is known
what these sides answer (else the rules of --rules say it, if they can); questions/views.jsonl holds ours. None may be
like one that judges voices, or like a text of --keep-apart (give the data of the evaluations that you will run). The
result, recipes/corpora/ID-comments.jsonl, is a corpus; corpus.mix in a configuration mixes it with the community's own
texts, and the card then says that it is distilled from the model, not from people. What is written is kept as it
comes: the same command goes on.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from communitylm.command import WriterThreads, WriteSeconds, run, say, set_threads
from pluralism_local.display.figures import many
from pluralism_local.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from communitylm.distilling.comments import Commission, Length, Side
    from communitylm.training.bases import Base
    from pluralism_local.types import Request

HERE = Path(__file__).parent
_NAMED = 5  # questions that a refusal lists

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=__doc__)
def distil(
    community: Annotated[str, typer.Argument(help="A community with a persona.")],
    questions: Annotated[Path, typer.Option(help="One question a line, or JSON lines.")],
    writer: Annotated[
        str,
        typer.Option(help="The larger model: 'starter', a .gguf file, a checkpoint's folder or a Hub id."),
    ],
    side: Annotated[str | None, typer.Option(help="left, center or right: the stance to ask for.")] = None,
    reader: Annotated[
        str | None,
        typer.Option(
            help="A model, 'starter' or a .gguf file, that reads whether a comment says what it was asked to."
        ),
    ] = None,
    principles: Annotated[
        Path | None, typer.Option(help="What the community holds, in its own words: a text file.")
    ] = None,
    rules: Annotated[Path, typer.Option(help="Which way the sides lean.")] = HERE / "directions.toml",
    keep_apart: Annotated[
        list[Path] | None, typer.Option(help="Evaluation data, JSON or lines of text; repeatable.")
    ] = None,
    adapters: Annotated[Path, typer.Option(help="Folder of communities.")] = HERE.parent / "adapters",
    output: Annotated[
        Path | None, typer.Option(help="The corpus.", show_default="recipes/corpora/ID-comments.jsonl")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="A random part of the questions.")] = None,
    shortest: Annotated[int, typer.Option(min=5, max=300, help="Words to ask for at least.")] = 60,
    longest: Annotated[int, typer.Option(min=10, max=400, help="Words to ask for at most.")] = 100,
    seconds: WriteSeconds = None,
    threads: WriterThreads = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check and count; write nothing.")] = False,
) -> None:
    from communitylm.distilling.comments import SIDES, Length, comment_requests
    from communitylm.training.bases import find_base
    from pluralism_local.communities import load_community

    persona = load_community(adapters / community).persona
    if persona is None:
        raise InvalidInput(f"'{community}' has no persona to write by.", "Add one to its card.")
    leaning = next((name for name in SIDES if name == side), None)
    if side is not None and leaning is None:
        raise InvalidInput(f"--side is left, center or right, not '{side}'.")
    if shortest > longest:
        raise InvalidInput(f"--shortest {shortest} is more than --longest {longest}.")
    length = Length(shortest, longest)
    commissions = _commissions(questions, leaning, rules, keep_apart or [], seed)[:limit]
    directed = sum(commission.stance != "open" for commission in commissions)
    print(
        f"{community}: {many(len(commissions), 'question')}, {directed:,} with a stance to ask for; at most "
        f"{length.tokens * len(commissions):,} tokens to write"
    )

    base = find_base(writer, Path.cwd())
    requests = comment_requests(
        base.fingerprint or base.reference, commissions, persona, _text(principles), seed, length
    )
    if not dry_run:
        set_threads(threads)
        target = output or HERE / "corpora" / f"{community}-comments.jsonl"
        _write(requests, base, reader, target, length, seconds, threads)


def _text(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return " ".join(path.read_text(encoding="utf-8-sig").split())
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read: {error}.", "Give plain text in UTF-8.") from error


def _commissions(
    file: Path, side: Side | None, rules: Path, keep_apart: list[Path], seed: int
) -> list[Commission]:
    """The questions in a random order, each with the stance to ask for.

    Raises:
        InvalidInput: some are like what evaluations ask.
    """
    from communitylm.distilling.comments import Commission, stance_of
    from communitylm.distilling.directions import direction, read_rules
    from communitylm.distilling.disjoint import evaluation_texts, overlaps
    from pluralism_local.evaluation.voices import read_questions

    contested = read_questions(file)
    alike = overlaps([question.text for question in contested], evaluation_texts(keep_apart))
    if alike:
        examples = "\n".join(f"  {mine}  ~  {theirs[:100]}" for mine, theirs in alike[:_NAMED])
        are = "question is" if len(alike) == 1 else "questions are"
        raise InvalidInput(
            f"{len(alike):,} {are} like what evaluations ask, in {file}:\n{examples}",
            "Take them out: what was trained on them could not be judged.",
        )
    random.Random(seed).shuffle(contested)
    leanings = read_rules(rules)
    return [
        Commission(question.text, stance_of(side, question.direction or direction(question.text, leanings)))
        for question in contested
    ]


def _write(
    requests: dict[str, tuple[Commission, Request]],
    writer: Base,
    reader: str | None,
    target: Path,
    length: Length,
    seconds: float | None,
    threads: int | None,
) -> None:
    from communitylm.corpus.passages import Passage, source_of_model, write_passages
    from communitylm.distilling.comments import FAULTS, comment_fault, counted, stance_fault
    from communitylm.distilling.generating import open_writer, stances, write_texts
    from communitylm.distilling.torch_writer import BATCH, TorchWriter

    journal = target.with_suffix(".written.jsonl")
    with TorchWriter(writer, say) as write:
        written = write_texts(write, requests, journal, seconds=seconds, say=say, batch=BATCH)
    faults = [comment_fault(commission.question, text, length) for commission, text in written]
    if reader is not None:
        whole = [place for place, fault in enumerate(faults) if fault is None]
        pairs = [(commission.question, text.text) for commission, text in (written[place] for place in whole)]
        with open_writer(reader, Path.cwd(), threads) as (engine, _, _):
            verdicts = stances(engine, pairs, target.with_suffix(".read.jsonl"), say)
        for place, verdict in zip(whole, verdicts, strict=True):
            faults[place] = stance_fault(written[place][0].stance, verdict)
    counts = Counter(dict.fromkeys(FAULTS, 0))
    counts.update(fault for fault in faults if fault is not None)
    passages = [
        Passage(text.text, source=source_of_model(writer.name), document=it.question, question=it.question)
        for (it, text), fault in zip(written, faults, strict=True)
        if fault is None
    ]
    print(f"{many(len(passages), 'comment')} of {len(written):,} written; left out: {counted(counts)}")
    if not passages:
        raise InvalidInput("No comment passed.", f"Look into {journal}; a larger model writes better ones.")
    write_passages(target, passages)
    say(f"Wrote {target}. Name it as corpus.mix in the community's configuration.")


if __name__ == "__main__":
    run(app)
