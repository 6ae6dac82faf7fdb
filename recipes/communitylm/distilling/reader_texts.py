"""What the LLM's role is asked, as texts to train on: synthesis of comments, the choice of one, an option's letter.

    comments on a question, several sides ──synthesis_requests──> {key: (Passages, Request)}  (`generating` writes them)
                                          ──syntheses──> the written ones that pass, as answers to `OVERTON_SYNTHESIS`
                                          ──choices───> numbers, as answers to `STEERABLE_SELECT`
    comments and what is read in them     ──letters───> letters, as answers to `DISTRIBUTIONAL_ANSWER`

All prompts are those of `plocal ask`, so a small model is trained on the very messages that it will get; a text's
`question` is the whole message. A side is told by the attributes that name it; comments, options and their places are
drawn from a seed. Syntheses are a model's, and their source says so; numbers and letters follow from the comments.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence

from communitylm.corpus.passages import Passage, source_of_model
from communitylm.distilling.comments import SIDES, Side
from communitylm.distilling.generating import Written, text_key
from pluralism_local.evaluation.voices import CommentVerdict
from pluralism_local.modes.options import listed
from pluralism_local.prompts import (
    DISTRIBUTIONAL_ANSWER,
    OPTIONS_LISTED,
    OVERTON_SYNTHESIS,
    STEERABLE_SELECT,
    numbered,
)
from pluralism_local.repetition import repeats
from pluralism_local.types import Message, Request, Sampling

Comments = Mapping[str, Sequence[tuple[Side, Passage]]]
"""Question -> its comments, each with its side."""

TOKENS = 190
MOST = 6
"""Comments of a synthesis at most, as many as the pool `perspectives` has."""

ATTRIBUTES: Mapping[Side, tuple[str, ...]] = {
    "left": ("progressive voters", "liberals", "the political left", "left-wing voters"),
    "center": ("moderate voters", "moderates", "the political middle", "people between the parties"),
    "right": ("conservative voters", "conservatives", "the political right", "right-wing voters"),
}
_OPTIONS = (
    ("Yes", "No"),
    ("Definitely yes", "Probably yes", "Probably no", "Definitely no"),
    ("Yes, it should", "No, it should not"),
)
_CLEAR = 0.7
_TASK = (
    "You sum up how people differ on a question. You get the question and passages by different people. Write one "
    "paragraph of 70 to 110 words: say what those in favour hold and why, what those against hold and why, and what "
    "others see in between. Use only what the passages say. No list, no heading, no mention of passages, nothing twice."
)
_FORM = re.compile(r"(?i)passages? \d|\*\*|\n")


def by_question(corpora: Mapping[Side, Sequence[Passage]]) -> dict[str, list[tuple[Side, Passage]]]:
    """The comments of all sides on each question that two sides at least have answered, by question."""
    comments: dict[str, list[tuple[Side, Passage]]] = {}
    for side in SIDES:
        for passage in corpora.get(side, ()):
            if passage.question and not passage.held_out:
                comments.setdefault(passage.question, []).append((side, passage))
    return {question: own for question, own in sorted(comments.items()) if len({side for side, _ in own}) > 1}


def synthesis_requests(
    model: str, comments: Comments, seed: int
) -> dict[str, tuple[tuple[str, list[str]], Request]]:
    """A request per question by its key, with the question and its comments, at most `MOST`, in a random order."""
    draw = random.Random(seed)
    requests = {}
    for question, own in comments.items():
        texts = [passage.text for _, passage in draw.sample(list(own), min(MOST, len(own)))]
        user = f"Question: {question}\n\n{numbered('Passage', texts)}"
        sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=TOKENS, seed=seed)
        request = Request((Message("system", _TASK), Message("user", user)), sampling)
        requests[text_key(model, request)] = ((question, texts), request)
    return requests


def syntheses(written: Iterable[tuple[tuple[str, list[str]], Written]], model: str) -> list[Passage]:
    """Of the written syntheses those that ended, have 45 to 150 words in one paragraph and repeat no six words."""
    passages = []
    for (question, texts), synthesis in written:
        text = synthesis.text
        fits = synthesis.ended and 45 <= len(text.split()) <= 150 and not repeats(text, 6)
        if fits and not _FORM.search(text):
            user = OVERTON_SYNTHESIS.render(question=question, passages=numbered("Passage", texts))
            passages.append(_passage(user, text, question, source_of_model(model)))
    return passages


def choices(comments: Comments, seed: int) -> list[Passage]:
    """Per question one choice by the attribute of a side, among one comment of it and one to four of others."""
    draw = random.Random(seed)
    passages = []
    for question, own in comments.items():
        side = draw.choice(sorted({side for side, _ in own}))
        right = draw.choice([passage for other, passage in own if other == side])
        others = [passage for other, passage in own if other != side]
        chosen = [right, *draw.sample(others, min(draw.randint(1, 4), len(others)))]
        draw.shuffle(chosen)
        user = STEERABLE_SELECT.render(
            attribute=draw.choice(ATTRIBUTES[side]),
            comments=numbered("Comment", [passage.text for passage in chosen]),
            count=str(len(chosen)),
        )
        passages.append(_passage(user, str(chosen.index(right) + 1), question, right.source))
    return passages


def letters(
    comments: Sequence[Passage], verdicts: Sequence[CommentVerdict | None], seed: int
) -> list[Passage]:
    """Per comment whose answer is clear the letter of an option that it supports; half of the lists are turned round.

    Args:
        verdicts: as many, in the same order; below `_CLEAR` for both answers a comment is left out.
    """
    draw = random.Random(seed)
    passages = []
    for passage, verdict in zip(comments, verdicts, strict=True):
        if verdict is None or not passage.question or max(verdict.yes, 1 - verdict.yes) < _CLEAR:
            continue
        options = list(draw.choice(_OPTIONS))
        half = len(options) // 2
        answer = draw.choice(options[:half] if verdict.yes > 0.5 else options[half:])
        if draw.random() < 0.5:
            options.reverse()  # a scale stays a scale
        with_options = OPTIONS_LISTED.render(question=passage.question, options=listed(options))
        user = DISTRIBUTIONAL_ANSWER.render(comment=passage.text, question=with_options)
        passages.append(_passage(user, "ABCD"[options.index(answer)], passage.question, passage.source))
    return passages


def _passage(user: str, text: str, question: str, source: str | None) -> Passage:
    return Passage(text, source=source, document=question, question=user)
