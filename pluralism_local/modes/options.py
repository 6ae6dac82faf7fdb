"""Options of a question: read out of its text, lettered, written into it.

    "Ban phones?\\nA. Yes B. No" ──read──> ("Yes", "No") ──letters──> ("A", "B")
    question, options ──pose──> the question as the model sees it, its options listed, "Answer:" last

What counts as a list is in `lists`. Of several lists that nobody has answered yet the last one is the question's, if it
ends the text; where that is not clear, or nothing can be read, the answer is InvalidInput, never a guess. Options that
are given beside the prompt always win.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from pluralism_local.errors import InvalidInput
from pluralism_local.modes.lists import Listing, find
from pluralism_local.modes.option_list import OptionList
from pluralism_local.prompts import OPTIONS_ANSWER, OPTIONS_LISTED, QUESTION, Prompt

MOST = len(ascii_uppercase)

_ANSWER = "Answer:"
_HINT = "List them in the prompt as 'A. … B. …' or give each with --option."


@dataclass(frozen=True, slots=True)
class Posed:
    """A question with its options, ready for a model.

    Attributes:
        text: ends in "Answer:"; lists every option behind its letter.
        options: the answers' texts, 2 to 26.
        prompt: the prompt that made `text` out of the question.
        remarks: sentences about what the question lists and is not weighed.
    """

    text: str
    options: tuple[str, ...]
    prompt: Prompt
    remarks: tuple[str, ...] = ()


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


def lists_options(text: str) -> bool:
    """Whether there is any list in `text` whose options could be weighed."""
    return bool(_find(text).lists)


def read(text: str) -> tuple[str, ...]:
    """The options of the list that `text` asks about; empty if it has none.

    White space inside an option is kept, around it dropped.

    Raises:
        InvalidInput: it has several, and none of them ends it.
    """
    own, _ = _own_list(text, _find(text))
    return () if own is None else own.options


def asked_by_letter(text: str) -> tuple[str, ...]:
    """The options of a list behind capital letters that `text` ends in, or "Answer:" after it; empty without one."""
    try:
        own, _ = _own_list(text, _find(text))
    except InvalidInput:
        return ()
    if own is None or not own.plain or _without_answer(text)[own.end :].strip():
        return ()
    return own.options if len(set(own.options)) == len(own.options) <= MOST else ()


def pose(question: str, options: Sequence[str]) -> Posed:
    """The question as the model sees it.

    With no `options` they are read from the question; a list in another form than "A. …" is lettered. `options` that
    are given are appended, unless the question lists just them already; what else it lists is not weighed, and
    `remarks` say so.

    Raises:
        InvalidInput: fewer than 2 or more than 26; an empty or repeated one; the question has several lists.
    """
    given = tuple(option.strip() for option in options)
    listing = _find(question)
    if not given:
        own, remarks = _own_list(question, listing)
        if own is None:
            raise InvalidInput(
                "At least 2 options are needed, got 0.", " ".join(filter(None, [listing.passed_over, _HINT]))
            )
        letters(len(own.options))
        return _closed(_lettered(question, own), own.options, remarks)
    letters(len(given))
    if not all(given):
        raise InvalidInput("An option must not be empty.")
    if len(set(given)) < len(given):
        raise InvalidInput("Two options are the same.", "Give each option once.")
    last = listing.lists[-1] if listing.lists else None
    if last is not None and _same(last.options, given):
        return _closed(_lettered(question, last), given)
    if last is not None and last.plain and _same(last.options[: len(given)], given):
        return _closed(question, given, [_left_out(last.options[len(given) :])])
    bare = _without_answer(question)
    if bare.endswith(listed(given)):
        return _closed(question, given)
    others = list(
        dict.fromkeys(
            option for option_list in listing.lists for option in option_list.options if option not in given
        )
    )
    text = OPTIONS_LISTED.render(question=bare, options=listed(given))
    return Posed(text, given, OPTIONS_LISTED, (_left_out(others),) if others else ())


def _find(question: str) -> Listing:
    return find(_without_answer(question))


def _own_list(question: str, listing: Listing) -> tuple[OptionList | None, list[str]]:
    """The list that the question asks about, and what must be said of the others."""
    if not listing.lists:
        return None, []
    last = listing.lists[-1]
    others = {
        option_list.options: None for option_list in listing.lists if option_list.options != last.options
    }
    if not others:
        return last, []
    following = _without_answer(question)[last.end :].strip()
    closed = question.rstrip().endswith(_ANSWER) and "?" not in following
    if last.firm and (not following or closed):
        return last, [_left_out([option for options in others for option in options])]
    both = " and ".join(f"({', '.join(options)})" for options in (*others, last.options))
    raise InvalidInput(
        f"The prompt lists different options: {both}.",
        "Give those that are asked about with --option, or let their list end the prompt.",
    )


def _left_out(options: Sequence[str]) -> str:
    names = ", ".join(options)
    return f"The prompt also lists options that are not weighed: {names}."


def _lettered(question: str, option_list: OptionList) -> str:
    """The question with its list in the form "A. …", unless it has such letters already."""
    if option_list.plain:
        return question
    before, behind = question[: option_list.start], question[option_list.end :]
    if before.rpartition("\n")[2].strip():
        before = before.rstrip(" ") + "\n"
    return f"{before}{listed(option_list.options)}{behind}"


def _same(options: Sequence[str], given: Sequence[str]) -> bool:
    """White space does not matter."""
    return [option.split() for option in options] == [option.split() for option in given]


def _without_answer(question: str) -> str:
    return question.rstrip().removesuffix(_ANSWER).rstrip()


def _closed(question: str, options: tuple[str, ...], remarks: Sequence[str] = ()) -> Posed:
    if question.rstrip().endswith(_ANSWER):
        return Posed(question, options, QUESTION, tuple(remarks))
    return Posed(OPTIONS_ANSWER.render(question=question), options, OPTIONS_ANSWER, tuple(remarks))
