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
from collections.abc import Sequence
from dataclasses import replace

from pluralism_local.communities import Member
from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.errors import Unsupported
from pluralism_local.modes.aggregate import STAND_IN
from pluralism_local.modes.answering import FAILURES, weigh
from pluralism_local.modes.draft import Draft
from pluralism_local.modes.thinking import only_thought
from pluralism_local.modes.threads import generated
from pluralism_local.types import LLM_VOICE, Completion, Request, Sampling, Selection, TextDone

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


def named_numbers(said: str, count: int) -> list[int]:
    """The different whole numbers in 1..count that `said` may mean, the likeliest last; empty for none.

    Lines that are a number decide; else the numbers behind a word such as "comment" or "number"; else all. What counts
    or excludes is not meant: "out of 2", "2 comments", "from 1 to 3", "not 1". Nor is "3.5", while "3." is.
    """
    text = NOT_MEANT.sub(" ", said)
    alone = [line.strip(_AROUND) for line in text.splitlines()]
    for numbers in (
        [line for line in alone if line.isdigit()],
        _BEHIND_A_WORD.findall(text),
        _NUMBER.findall(text),
    ):
        meant = [int(one) for one in numbers if _is_whole(one, count)]
        if meant:
            return [*dict.fromkeys(one for one in meant if one != meant[-1]), meant[-1]]
    return []


def read_number(said: str, count: int) -> int | None:
    """The number in 1..count that `said` names; of several the last (see `named_numbers`)."""
    return next(reversed(named_numbers(said, count)), None)


def _is_whole(number: str, count: int) -> bool:
    return (
        number.isdigit() and number.isascii() and len(number) <= len(str(count)) and 1 <= int(number) <= count
    )


def choose(
    draft: Draft, members: Sequence[Member], text: str, *, should_stop: ShouldStop
) -> Selection | None:
    """Let the LLM choose one of `members` (at least one); fills `draft.selection`.

    Returns None when stopped, or failed after there were comments; the draft then says which.
    """
    selection = None
    if len(members) == 1:
        selection = Selection(members[0].community.id, "only")
        draft.warn(f"There was nothing to choose: {selection.community} was the only one.")
    else:
        if tells_apart(draft.llm, len(members)):
            selection = _by_probability(draft, members, text, should_stop)
        if selection is None and draft.complete:
            selection = _by_words(draft, members, text, should_stop)
    draft.selection = selection
    return selection


def tells_apart(llm: LanguageModel, count: int) -> bool:
    """Whether the probabilities an LLM says it gives tell the numbers 1..count apart."""
    known = llm.capabilities.distribution
    return known == "exact" or (known == "bounded" and count <= MOST_WEIGHED_BY_ONE_TOKEN)


def _by_probability(
    draft: Draft, members: Sequence[Member], text: str, should_stop: ShouldStop
) -> Selection | None:
    """None also when no number had any probability, and when the server gives none after all."""
    numbers = tuple(str(number) for number in range(1, len(members) + 1))
    try:
        found = weigh(draft, [text], numbers, stage="selection", should_stop=should_stop)
    except Unsupported:
        return None
    if found is None or found[0].method == STAND_IN:
        return None
    probabilities = {member.community.id: p for member, p in zip(members, found[0].p, strict=True)}
    return Selection(max(probabilities, key=probabilities.__getitem__), "probabilities", probabilities)


def _by_words(
    draft: Draft, members: Sequence[Member], text: str, should_stop: ShouldStop
) -> Selection | None:
    found = _said(draft, text, WORDS, should_stop)
    if found is not None and found.thought and not found.text.strip() and found.finish == "length":
        # a choice has few tokens; who thinks first gets as many as an answer
        found = _said(draft, text, replace(WORDS, max_tokens=draft.ask.answer.max_tokens), should_stop)
    if found is None or not draft.complete:
        return None
    said = found.text.strip()
    if found.thought and not said:
        draft.warn(only_thought(draft.ask.answer.max_tokens, cut=found.finish == "length"))
    numbers = named_numbers(said, len(members))
    if len(numbers) > 1:
        names = ", ".join(map(str, numbers))
        draft.warn(
            f"The model named several numbers ({names}) instead of one; the last, {numbers[-1]}, was taken."
        )
    if numbers:
        return Selection(members[numbers[-1] - 1].community.id, "parsed", said=said)
    heaviest = max(members, key=lambda member: member.weight).community.id
    draft.warn(
        f"The model named none of the numbers; {heaviest} was taken, the first by weight, then by order."
    )
    return Selection(heaviest, "fallback", said=said)


def _said(draft: Draft, text: str, sampling: Sampling, should_stop: ShouldStop) -> Completion | None:
    """The LLM's words; None when it failed after there were comments, which the draft then says."""
    completion = None

    def requests() -> list[Request]:
        return [Request(draft.to_llm(text), sampling)]

    with draft.timed("selection"):
        try:
            for event in generated(draft, draft.llm, [LLM_VOICE], requests, should_stop=should_stop):
                if isinstance(event, TextDone):
                    completion = event.completion
                    draft.spend("llm", completion.usage)
                    if completion.finish == "cancelled":
                        draft.stop()
        except FAILURES as error:
            if not draft.comments:
                raise
            draft.fail(error)
    return completion
