"""Options of a question: read out of its text, lettered, written into it.

    "Ban phones?\\nA. Yes B. No" ──read──> ("Yes", "No") ──letters──> ("A", "B")
    question, options ──pose──> the question as the model sees it, its options listed, "Answer:" last

Read are ``A. …``, ``A) …``, ``A: …`` and ``(A) …``, one option a line or all on one line. What cannot be read
is answered with InvalidInput, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from pluralism_local.errors import InvalidInput
from pluralism_local.prompts import OPTIONS_ANSWER, OPTIONS_LISTED, QUESTION, Prompt

MOST = len(ascii_uppercase)

_MARKER = re.compile(
    r"(?:^|(?<=\s))(?:\((?P<round>[A-Z])\)|(?P<plain>[A-Z])(?P<end>[.):]))[ \t]+(?=\S)", re.M
)
_ANSWER = "Answer:"
_STARTS = 64  # lists are looked for behind this many last A's, so that no text takes long
_HINT = "List them in the prompt as 'A. … B. …' or give each with --option."


@dataclass(frozen=True, slots=True)
class _Mark:
    """``"B. "`` somewhere in a text."""

    letter: str
    style: str
    start: int
    end: int
    opens_line: bool


@dataclass(frozen=True, slots=True)
class Posed:
    """A question with its options, ready for a model.

    Attributes:
        text: ends in "Answer:"; lists every option behind its letter.
        options: the answers' texts, 2 to 26.
        prompt: the prompt that made `text` out of the question.
    """

    text: str
    options: tuple[str, ...]
    prompt: Prompt

    @property
    def letters(self) -> tuple[str, ...]:
        """What is weighed: "A", "B", … one per option."""
        return letters(len(self.options))


def letters(count: int) -> tuple[str, ...]:
    """The first `count` capital letters, 2 ≤ count ≤ 26.

    Raises:
        InvalidInput: too few or too many; the message has both numbers.
    """
    if count < 2:
        raise InvalidInput(f"At least 2 options are needed, got {count}.", _HINT)
    if count > MOST:
        raise InvalidInput(
            f"At most {MOST} options can be weighed, one per letter, got {count}.",
            "Leave some out, or ask in two questions.",
        )
    return tuple(ascii_uppercase[:count])


def listed(options: Sequence[str]) -> str:
    """``"A. Yes\\nB. No"``."""
    return "\n".join(
        f"{letter}. {option}" for letter, option in zip(letters(len(options)), options, strict=True)
    )


def read(text: str) -> tuple[str, ...]:
    """The options that `text` lists behind letters from A on; empty if it lists fewer than two.

    Options that open their lines win over options within a line; of several lists the longest, then the last.
    White space inside an option is kept, around it dropped.
    """
    body = text.rstrip().removesuffix(_ANSWER)
    marks = [
        _Mark(
            letter=found["round"] or found["plain"],
            style="()" if found["round"] else found["end"],
            start=found.start(),
            end=found.end(),
            opens_line=not body[body.rfind("\n", 0, found.start()) + 1 : found.start()].strip(),
        )
        for found in _MARKER.finditer(body)
    ]
    for candidates in ([mark for mark in marks if mark.opens_line], marks):
        starts = [first for first, mark in enumerate(candidates) if mark.letter == "A"][-_STARTS:]
        best = max((_chain(body, candidates, first) for first in reversed(starts)), key=len, default=())
        if len(best) >= 2:
            return best
    return ()


def pose(question: str, options: Sequence[str]) -> Posed:
    """The question as the model sees it.

    With no `options` they are read from the question. With `options`, the question may list the same ones
    already; if it lists none they are appended.

    Raises:
        InvalidInput: fewer than 2 or more than 26; an empty or repeated one; the question lists others.
    """
    wanted = tuple(option.strip() for option in options)
    found = read(question)
    if not wanted:
        letters(len(found))
        return _closed(question, found)
    letters(len(wanted))
    if not all(wanted):
        raise InvalidInput("An option must not be empty.")
    if len(set(wanted)) < len(wanted):
        raise InvalidInput("Two options are the same.", "Give each option once.")
    if _lists(question, wanted):
        return _closed(question, wanted)
    if found:
        raise InvalidInput(
            f"The prompt lists other options ({', '.join(found)}) than were given ({', '.join(wanted)}).",
            "Take the list out of the prompt, or leave out --option.",
        )
    lines = question.rstrip().splitlines()
    bare = "\n".join(lines[:-1]) if lines[-1:] == [_ANSWER] else question
    return Posed(OPTIONS_LISTED.render(question=bare, options=listed(wanted)), wanted, OPTIONS_LISTED)


def _closed(question: str, options: tuple[str, ...]) -> Posed:
    if question.rstrip().endswith(_ANSWER):
        return Posed(question, options, QUESTION)
    return Posed(OPTIONS_ANSWER.render(question=question), options, OPTIONS_ANSWER)


def _chain(body: str, marks: Sequence[_Mark], first: int) -> tuple[str, ...]:
    """Options from mark `first` (an A) on, each the text up to the next letter, none over a line's end."""
    current, options = marks[first], list[str]()
    for mark in marks[first + 1 :]:
        following = ascii_uppercase[len(options) + 1 :][:1]
        if mark.letter != following or mark.style != current.style:
            continue
        text = body[current.end : mark.start].strip()
        if "\n" in text:
            break
        if text:
            options.append(text)
            current = mark
    options.append(body[current.end :].partition("\n")[0].strip())
    return tuple(options)


def _lists(question: str, options: Sequence[str]) -> bool:
    """Whether the question has every option behind its letter, in order; white space does not matter."""
    position = 0
    for letter, option in zip(letters(len(options)), options, strict=True):
        words = r"\s+".join(re.escape(word) for word in option.split())
        found = re.compile(rf"(?:^|(?<=\s))(?:\({letter}\)|{letter}[.):])\s+{words}(?=\s|$)", re.M).search(
            question, position
        )
        if found is None:
            return False
        position = found.end()
    return True
