"""From passages to what a model is trained and evaluated on, through the prompts that inference uses.

    activated:  passage ──question_about──> user message ──Speller──> prompt | header + passage + end of turn
    causal:     passages ──joined by the end of text──> blocks of `block` tokens, the paper's continued pretraining

The answer's tokens carry the loss, the prompt's never. An activated adapter acts from the header on (aLoRA), so the
prompt's states are the base's own, in training as in llama.cpp.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from communitylm.community.settings import HELD_OUT, Settings, read_settings
from communitylm.corpus.cleaning import sentences
from communitylm.corpus.passages import Passage, read_passages
from communitylm.corpus.split import evenly, order, split
from pluralism_local.errors import InvalidInput
from pluralism_local.prompts import QUESTION, SUBJECT_ACTION, SUBJECT_COMMENT, SUBJECT_OPINION

WORDINGS = (SUBJECT_OPINION, SUBJECT_ACTION, SUBJECT_COMMENT)

Tokens = tuple[int, ...]


class Speller(Protocol):
    """Text to tokens, as the base model wants them."""

    @property
    def header(self) -> Tokens:
        """Opens the assistant's turn; the invocation of activated adapters."""

    @property
    def end(self) -> int:
        """Ends a turn, or a text where there are no turns."""

    def prompt(self, user: str) -> Tokens:
        """A conversation with one user message, up to and without `header`."""

    def text(self, text: str) -> Tokens:
        """Plain text that continues a prompt."""


@dataclass(frozen=True, slots=True)
class Example:
    """Tokens without and with the adapter: `prompt` is read by the base alone, `answer` starts with the header.

    Attributes:
        prompt: may be empty (causal form).
        answer: fed to the adapted model; at least 2 tokens.
        skip: leading tokens of `answer` that are given and carry no loss (the header), at least 1.
        side: 1, or -1 for a text of the second of two communities trained together (`pair`), or for the text of a
            pair that is not chosen (`contrast`).
        reference: its loss in nats at the start of the run, for `contrast`; 0 elsewhere.
    """

    prompt: Tokens
    answer: Tokens
    skip: int
    side: int = 1
    reference: float = 0.0

    @property
    def losses(self) -> int:
        """Tokens with a loss."""
        return len(self.answer) - self.skip


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
    found = []
    for passage in passages:
        question, text = question_about(passage)
        prompt = speller.prompt(question)
        answer = (*speller.header, *speller.text(text), speller.end)
        found.append(
            Example(
                prompt, answer[: max(len(speller.header) + 1, longest - len(prompt))], len(speller.header)
            )
        )
    return found


def causal(passages: Iterable[Passage], speller: Speller, block: int) -> list[Example]:
    """Blocks of `block` tokens of all passages in a row, each ended; the rest that fills no block is left out."""
    stream = [token for passage in passages for token in (*speller.text(passage.text), speller.end)]
    return [
        Example((), tuple(stream[start : start + block]), 1)
        for start in range(0, len(stream) - block + 1, block)
    ]


def schedule(
    examples: Sequence[Example], *, tokens: int, passes: int, batch: int, seed: int
) -> list[Example]:
    """The order of training: passes over all examples, each shuffled anew, until `tokens` losses (0: `passes` passes).

    Neighbours are of similar length, so that batches hold little padding; the order of batches is random.
    """
    rng = random.Random(seed)
    planned: list[Example] = []
    seen = passed = 0
    while (seen < tokens) if tokens else (passed < passes):
        shuffled = list(examples)
        rng.shuffle(shuffled)
        for start in range(0, len(shuffled), 16 * batch):
            window = sorted(shuffled[start : start + 16 * batch], key=lambda example: -len(example.answer))
            batches = [window[at : at + batch] for at in range(0, len(window), batch)]
            rng.shuffle(batches)
            for part in batches:
                if tokens and seen >= tokens:
                    return planned
                planned += part
                seen += sum(example.losses for example in part)
        passed += 1
    return planned


def corpus_parts(settings: Settings) -> tuple[list[Passage], list[Passage]]:
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
    wanted = max(1, round(len(passages) * share / (1 - share)))
    places = [(at + 0.5) / len(passages) for at in range(len(passages))]
    places += [(at + 0.5) / wanted for at in range(wanted)]
    everything = [*passages, *(further[at % len(further)] for at in range(wanted))]
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
