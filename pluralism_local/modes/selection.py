"""Which community? The LLM picks a number: a comment's (steerable) or an expert's (moe).

    text ending in "… from 1 to k:" ──> probabilities of "1".."k"  ──> Selection("probabilities")
                                    └─> the LLM's words, read      ──> Selection("parsed")
                                        └─ no number among them    ──> Selection("fallback")

The fallback is the member of the highest weight, the first of equals; the released code draws at random,
which would not repeat. The LLM chooses within its conversation, since a follow-up such as "And in the country?" means
nothing without it; what it was shown and what it chose do not become part of its thread, the answer's exchange does.
From ten choices on "1" also begins "10": an engine with exact probabilities tells the two apart, one that sees only the
next token does not, and there the words are read instead; and so they are where a server turns out to give none.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from pluralism_local.errors import Unsupported
from pluralism_local.modes.aggregate import STAND_IN
from pluralism_local.modes.steps import Case, Step, Voice, Warn, Write
from pluralism_local.modes.thinking import only_thought
from pluralism_local.modes.weighing import weigh
from pluralism_local.modes.wordings import Q, Wording
from pluralism_local.results import Selected, Selection
from pluralism_local.types import Completion, Sampling

MOST_WEIGHED_BY_ONE_TOKEN = 9
_DIGITS = r"[0-9]+(?:[.,][0-9]+)*(?!\w)"
_NUMBER = re.compile(rf"(?<![\w.,/]){_DIGITS}")
_THINGS = (
    "comment|number|passage|expert|community|option|choice|answer|response|selection|kommentar|nummer|antwort"
)
_BEHIND_A_WORD = re.compile(
    rf"(?:\b(?:{_THINGS}|no\.|nr\.)|#)(?:[\s:#*_(\[\"']|\b(?:is|be|would|number|no\.|nr\.|clearly|probably)\b)*({_DIGITS})",
    re.I,
)
NOT_MEANT = re.compile(
    rf"\bfrom\s+1\s+to\s+[0-9]+|\b1\s*[-–—]\s*[0-9]+\b|"
    rf"\b(?:of|than|not|nor)\s+(?:the\s+|all\s+)?(?:(?:{_THINGS})\s+)?#?[0-9]+\b(?![.,][0-9])|"
    rf"(?<![\w.,])[0-9]+\s+(?:comments|numbers|passages|experts|communities|options|choices|answers|responses)\b",
    re.I,
)
"""Numbers that count things or are excluded: they name none."""

_AROUND = " \t\r.,:;!()[]{}<>*_#`'\"“”"

WORDS = Sampling(temperature=0.0, max_tokens=20)  # tokens: as in the released code


def named_numbers(reply: str, count: int) -> list[int]:
    """The different whole numbers in 1..count that `reply` may mean, the likeliest last; empty for none.

    Lines that are a number decide; else the numbers behind a word such as "comment" or "number"; else all. What counts
    or excludes is not meant: "out of 2", "2 comments", "from 1 to 3", "not 1". Nor is "3.5", while "3." is.
    """
    text = NOT_MEANT.sub(" ", reply)
    alone = [line.strip(_AROUND) for line in text.splitlines()]
    for numbers in (
        [line for line in alone if line.isdigit()],
        _BEHIND_A_WORD.findall(text),
        _NUMBER.findall(text),
    ):
        meant = [int(number) for number in numbers if _is_whole(number, count)]
        if meant:
            return [*dict.fromkeys(number for number in meant if number != meant[-1]), meant[-1]]
    return []


def _is_whole(number: str, count: int) -> bool:
    return (
        number.isdigit() and number.isascii() and len(number) <= len(str(count)) and 1 <= int(number) <= count
    )


def choose(case: Case[Q], voices: Sequence[Voice], wording: Wording) -> Generator[Step, Any, Selection]:
    """Let the LLM choose one of `voices`, of which there is at least one."""
    if len(voices) == 1:
        selection = Selection(voices[0].id, "only")
        yield Warn(f"There was nothing to choose: {selection.community} was the only one.")
    else:
        weighed = yield from _by_probability(case, voices, wording)
        selection = weighed or (yield from _by_words(case, voices, wording))
    yield Selected(selection)
    return selection


def _tells_apart(case: Case[Q], count: int) -> bool:
    """Whether the probabilities an LLM says it gives tell the numbers 1..count apart."""
    return case.probabilities == "exact" or (
        case.probabilities == "bounded" and count <= MOST_WEIGHED_BY_ONE_TOKEN
    )


def _by_probability(
    case: Case[Q], voices: Sequence[Voice], wording: Wording
) -> Generator[Step, Any, Selection | None]:
    """None if no number had any probability, or the LLM gives none that tell them apart."""
    if not _tells_apart(case, len(voices)):
        return None
    numbers = tuple(str(number) for number in range(1, len(voices) + 1))
    try:
        (distribution,) = yield from weigh("selection", [wording], numbers)
    except Unsupported:
        return None
    if distribution.method == STAND_IN:
        return None
    probabilities = {voice.id: p for voice, p in zip(voices, distribution.p, strict=True)}
    return Selection(max(probabilities, key=probabilities.__getitem__), "probabilities", probabilities)


def _by_words(case: Case[Q], voices: Sequence[Voice], wording: Wording) -> Generator[Step, Any, Selection]:
    completion: Completion = yield Write("selection", wording, WORDS)
    if completion.thought and not completion.text.strip() and completion.finish == "length":
        # a choice has few tokens; who thinks first gets as many as an answer
        longer = replace(WORDS, max_tokens=case.answer.max_tokens)
        completion = yield Write("selection", wording, longer)
    words = completion.text.strip()
    if completion.thought and not words:
        yield Warn(only_thought(case.answer.max_tokens, cut=completion.finish == "length"))
    numbers = named_numbers(words, len(voices))
    if len(numbers) > 1:
        names = ", ".join(map(str, numbers))
        yield Warn(
            f"The model named several numbers ({names}) instead of one; the last, {numbers[-1]}, was taken."
        )
    if numbers:
        chosen = voices[numbers[-1] - 1].id
        return Selection(chosen, "parsed", words=words, several=len(numbers) > 1)
    heaviest = max(voices, key=lambda voice: voice.member.weight).id
    yield Warn(
        f"The model named none of the numbers; {heaviest} was taken, the first by weight, then by order."
    )
    return Selection(heaviest, "fallback", words=words)
