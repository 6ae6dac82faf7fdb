"""Comments of a community by a larger model: asked for by its persona and principles, and what passes for one.

    questions, persona, principles, side ──comment_requests──> {key: (Commission, Request)}  (`generating` writes them)
    question, Written                    ──comment_fault──> None (keep it) or one of `FAULTS`
    stance asked for, CommentVerdict            ──stance_fault──> None, or that it is off topic or takes another side

Such texts are distilled from the model and come from no person: whatever is trained on them says so in its card. Where
the rules (`directions`) know which way the left and the right lean on a question, the side's own stance is asked for
and checked; else the model takes the one that fits the principles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from communitylm.distilling.directions import Direction
from communitylm.distilling.generating import Written, text_key
from pluralism_local.evaluation.voices import CommentVerdict
from pluralism_local.repetition import repeats, words
from pluralism_local.types import Message, Request, Sampling

Side = Literal["left", "center", "right"]
SIDES: tuple[Side, ...] = ("left", "center", "right")
Stance = Literal["yes", "no", "between", "open"]

TOKENS_A_WORD = 1.7
"""What a comment may take of the writer's context."""
FAULTS = (
    "cut off", "length", "repeats", "form", "figures", "another subject", "unread", "off topic", "another stance",
)  # fmt: skip

_ASKED: dict[Stance, str] = {
    "yes": "Our answer to the question is yes.",
    "no": "Our answer to the question is no.",
    "between": "Our answer lies in between: something of it, within limits.",
    "open": "Take the side that fits our principles.",
}
OPENINGS: dict[Stance, str] = {"yes": "Yes, we", "no": "No, we", "between": "In part. We", "open": "We"}
"""What a comment begins with: a writer that has said where it stands goes on from there."""
_RULES = (
    "Write our comment on the question in {shortest} to {longest} words, as one paragraph. Say in the first sentence "
    "what we hold, then give reasons that matter to us. Speak as 'we', and only about the subject of the question. No "
    "list, no heading, no figures, no names of people or laws, no greeting."
)
_TASK = re.compile(
    r"(?i)as an ai|language model|our answer|the question|our side|in \d+ to|words\b.*paragraph"
    r"|^\W*(?:dear|hello|comment:)|\*\*|assistant"
)
_COMMON_TEXT = """
should would could have been being that this with from they them their there what when which more most than into about
people make made does only also other some such very every allowed allow government country able better good
"""
_COMMON = frozenset(_COMMON_TEXT.split())


@dataclass(frozen=True, slots=True)
class Length:
    """Words that a comment is asked to have, from and to; what passes may have a third fewer or more."""

    shortest: int = 60
    longest: int = 100

    @property
    def tokens(self) -> int:
        """That a comment may take."""
        return round(TOKENS_A_WORD * self.longest)

    def passes(self, text: str) -> bool:
        """Whether a text is about as long as was asked."""
        return 2 * self.shortest <= 3 * len(text.split()) <= 4 * self.longest


@dataclass(frozen=True, slots=True)
class Commission:
    """What a comment is written to: a question, and the stance that is asked for."""

    question: str
    stance: Stance


DEFAULT_LENGTH = Length()


def stance_of(side: Side | None, direction: Direction) -> Stance:
    """What a side answers where both sides' directions are known; ``"open"`` where not, or without a side."""
    if side is None or direction == 0:
        return "open"
    if side == "center":
        return "between"
    return "yes" if (direction == 1) == (side == "left") else "no"


def comment_requests(
    model: str,
    commissions: Sequence[Commission],
    persona: str,
    principles: str,
    seed: int,
    length: Length = DEFAULT_LENGTH,
) -> dict[str, tuple[Commission, Request]]:
    """A request per question by its key; a persona's ``{question}`` is replaced."""
    rules = _RULES.format(shortest=length.shortest, longest=length.longest)
    requests = {}
    for commission in commissions:
        who = " ".join(filter(None, [persona.replace("{question}", commission.question), principles]))
        request = Request(
            (
                Message("system", f"{who}\n\n{rules}"),
                Message("user", f"{commission.question}\n\n{_ASKED[commission.stance]}"),
                Message("assistant", OPENINGS[commission.stance]),
            ),
            Sampling(temperature=0.9, top_p=0.95, max_tokens=length.tokens, seed=seed),
        )
        requests[text_key(model, request)] = (commission, request)
    return requests


def comment_fault(question: str, written: Written, length: Length = DEFAULT_LENGTH) -> str | None:
    """Why a text is no comment, by its words alone."""
    text = written.text
    subject = _stems(question)
    faults = {
        "cut off": not written.ended or not text.endswith((".", "!", "?", '"', "”")),
        "length": not length.passes(text),
        "repeats": repeats(text, 6),
        "form": "\n" in text or _TASK.search(text) is not None,
        "figures": sum(character.isdigit() for character in text) > 4,
        "another subject": bool(subject) and not subject & _stems(text),
    }
    return next((fault for fault, is_so in faults.items() if is_so), None)


def stance_fault(stance: Stance, verdict: CommentVerdict | None) -> str | None:
    """Why a comment does not answer its question as it was asked to, by what a model reads in it."""
    if verdict is None:
        return "unread"
    if verdict.on_topic <= 0.5:
        return "off topic"
    if stance in ("yes", "no") and (verdict.yes > 0.5) != (stance == "yes"):
        return "another stance"
    return None


def counted(faults: Mapping[str, int]) -> str:
    """``3 length, 1 off topic``; "nothing" without any."""
    return ", ".join(f"{count:,} {fault}" for fault, count in faults.items() if count) or "nothing"


def _stems(text: str) -> set[str]:
    return {word[:5] for word in words(text) if len(word) > 3 and word.isalpha() and word not in _COMMON}
