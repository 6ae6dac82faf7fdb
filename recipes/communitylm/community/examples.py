"""From passages to what a community's adapter is trained and evaluated on, through the prompts that inference uses.

    activated:  passage ──question_about──> user message ──Speller──> prompt | header + passage + end of turn
    causal:     passages ──joined by the end of text──> blocks of `block` tokens, the paper's continued pretraining

An activated adapter acts from the header on (aLoRA), so the prompt's states are the base's own, in training as in
llama.cpp.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from communitylm.community.settings import HELD_OUT, CommunitySettings, read_settings
from communitylm.corpus.passages import Passage, read_passages
from communitylm.corpus.split import evenly, order, split
from communitylm.training.examples import Example, Speller
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.metrics import sentences
from pluralism_local.prompts import QUESTION, SUBJECT_ACTION, SUBJECT_COMMENT, SUBJECT_OPINION

WORDINGS = (SUBJECT_OPINION, SUBJECT_ACTION, SUBJECT_COMMENT)


def question_about(passage: Passage) -> tuple[str, str]:
    """(user message, answer) for a passage: its question as `plocal ask` puts it, else one of three wordings about its
    subject, chosen by the text's hash.

    Without either the first sentence is the message and the rest the answer; of a single sentence, itself.
    """
    if passage.question is not None:
        return QUESTION.render(question=passage.question), passage.text
    if passage.subject is not None:
        wording = WORDINGS[int(order(0, passage.text)[:8], 16) % len(WORDINGS)]
        return QUESTION.render(question=wording.render(subject=passage.subject)), passage.text
    first, *rest = sentences(passage.text)
    return QUESTION.render(question=first), " ".join(rest) or passage.text


def activated(passages: Iterable[Passage], speller: Speller, longest: int) -> list[Example]:
    """An example per passage; those longer than `longest` tokens in all are cut and then have no end token."""
    examples = []
    for passage in passages:
        question, text = question_about(passage)
        prompt = speller.prompt(question)
        answer = (*speller.header, *speller.text(text), speller.end)
        examples.append(
            Example(
                prompt, answer[: max(len(speller.header) + 1, longest - len(prompt))], len(speller.header)
            )
        )
    return examples


def causal(passages: Iterable[Passage], speller: Speller, block: int) -> list[Example]:
    """Blocks of `block` tokens of all passages in a row, each ended; the rest that fills no block is left out."""
    stream = [token for passage in passages for token in (*speller.text(passage.text), speller.end)]
    return [
        Example((), tuple(stream[start : start + block]), 1)
        for start in range(0, len(stream) - block + 1, block)
    ]


def corpus_parts(settings: CommunitySettings) -> tuple[list[Passage], list[Passage]]:
    """(training, held out) passages of a configuration: the best-ranked share of the one, the other evenly by speaker.

    With `corpus.evenly` the training passages are in that order, too.

    Which passages are held out the corpus says; only one that says nothing is split here.

    Raises:
        NotFound, InvalidInput: as `read_passages` and `split`; `keep` below 1 for a corpus that is not ranked; a share
            to hold out for a corpus that has been split, or none of its passages left to train on.
    """
    corpus, seed = settings.values.corpus, settings.values.training.seed
    passages = read_passages(settings.corpus_file)
    held_out = [passage for passage in passages if passage.held_out]
    if held_out and corpus.held_out is not None:
        raise InvalidInput(
            f"{settings.corpus_file} says itself which passages are held out, so corpus.held_out cannot choose others.",
            "Leave corpus.held_out away, or prepare the corpus with another --held-out.",
        )
    if held_out:
        training = [passage for passage in passages if not passage.held_out]
    else:
        training, held_out = split(passages, corpus.held_out or HELD_OUT, seed)
    if not training:
        raise InvalidInput(f"{settings.corpus_file} holds out all its passages.", "Prepare the corpus again.")
    if corpus.keep < 1:
        if any(passage.view is None for passage in training):
            raise InvalidInput(
                f"{settings.corpus_file} is not ranked, so corpus.keep = {corpus.keep:g} cannot choose passages.",
                "Prepare it with --against other communities, or set keep = 1.",
            )
        training.sort(key=lambda passage: (-(passage.view or 0.0), passage.text))
        training = training[: max(1, round(corpus.keep * len(training)))]
    if corpus.evenly:
        training = evenly(training, seed)
    if corpus.mix is not None:
        training = mixed(training, read_passages(settings.beside(corpus.mix)), corpus.mix_share)
    return training, evenly(held_out, seed)


def mixed(passages: Sequence[Passage], further: Sequence[Passage], share: float) -> list[Passage]:
    """`passages` in their order with so many of `further` spread among them that these make up `share` of all.

    They come in their order, again from the first where there are too few. Neither may be empty.
    """
    count = max(1, round(len(passages) * share / (1 - share)))
    places = [(at + 0.5) / len(passages) for at in range(len(passages))]
    places += [(at + 0.5) / count for at in range(count)]
    everything = [*passages, *(further[at % len(further)] for at in range(count))]
    return [everything[at] for at in sorted(range(len(everything)), key=lambda at: places[at])]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A passage nobody trained on: the user message, the passage that answers it, and whose it is."""

    question: str
    passage: str
    group: str


def held_out(config: Path) -> list[HeldOut]:
    """Every held-out passage of a configuration, speakers evenly (`split.evenly`)."""
    return [
        HeldOut(*question_about(passage), passage.group) for passage in corpus_parts(read_settings(config))[1]
    ]
