"""Lists with several entries on a line, told from running text.

    "… fair? A. Yes B. No" ──within_lines──> OptionList        "J. A. Smith and B. Jones …" ──> why not

Behind "Options:" every chain of letters is a list. Else it must follow a question, another sentence or a line's
beginning, and its entries must not read like parts of a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pluralism_local.modes.option_list import ALPHABETS, GOES_ON, PLAIN, TWO_SENTENCES, OptionList

_WITHIN = re.compile(
    r"(?:^|(?<=\s))(?:\((?P<round>[^\W_]|\d\d)\)|(?P<plain>[^\W_]|\d\d)(?P<end>[.):]))[ \t]+(?=\S)", re.M
)
_LABELLED = re.compile(
    r"\b(?:options?|choices?|answers?|alternatives?|responses?|answer options|response options|"
    r"options? are|choose one|select one|pick one|one of|optionen|antworten|antwortmöglichkeiten|auswahl|"
    r"opciones|respuestas|réponses|choix|opzioni|risposte|opções|respostas|варианты|ответы)[ \t]*:[ \t]*$",
    re.I,
)
_AFTER_SENTENCE = re.compile(r"[.!?:…][\"'”’»)\]*_]*\s*$")
_ABBREVIATION = re.compile(
    r"(?:\b[^\W\d_]|\b(?:Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|vs|al|Fig|No|Vol|pp|cf|e\.g|i\.e))\.\s*$"
)
_FIRST = {alphabet[0] for alphabet in ALPHABETS}

_STARTS = 64
"""Lists within a line are looked for behind this many of the last first letters, so that no text takes long."""

_SHORT_WORDS, _OWN_LINE_WORDS = 2, 8
"""Of an option within a line that ends in a full stop alone, and of one that follows no question."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """``"B. "`` somewhere in a text."""

    label: str
    style: str
    start: int
    end: int
    opens_line: bool


def within_lines(text: str, plain: str, firm: Sequence[OptionList]) -> tuple[list[OptionList], str]:
    """Lists with several entries on a line, outside of `firm` ones; and why others are none."""
    marks = [
        _Mark(
            match["round"] or match["plain"],
            "()" if match["round"] else match["end"],
            match.start(),
            match.end(),
            not plain[plain.rfind("\n", 0, match.start()) + 1 : match.start()].strip(),
        )
        for match in _WITHIN.finditer(plain)
        if not any(option_list.start <= match.start() < option_list.end for option_list in firm)
    ]
    starts = [place for place, mark in enumerate(marks) if mark.label in _FIRST][-_STARTS:]
    lists: list[OptionList] = []
    passed_over = ""
    for place in starts:
        if lists and marks[place].start < lists[-1].end:
            continue
        candidate = _chain(text, plain, marks, place)
        if candidate is None:
            continue
        if _is_list(plain, marks[place], candidate):
            lists.append(candidate)
        else:
            passed_over = (
                f"'{candidate.labels[0]} … {candidate.labels[1]} …' within running text is not taken for options: "
                "begin a line with each, or write 'Options:' before them."
            )
    return lists, passed_over


def _chain(text: str, plain: str, marks: Sequence[_Mark], first: int) -> OptionList | None:
    """Entries from mark `first` on, each the text up to the next letter, none over a line's end."""
    chains = [
        _chain_of(plain, marks, first, alphabet)
        for alphabet in ALPHABETS
        if alphabet[0] == marks[first].label
    ]
    chain = max(chains, key=len)
    end = plain.find("\n", chain[-1].end)
    end = len(plain) if end < 0 else end
    if any(mark.start < end and _is_later(mark, chain[-1]) for mark in marks[first + 1 :]):
        return None  # a letter is left out, and its option would be part of another
    stops = [*(mark.start for mark in chain[1:]), end]
    options = [text[mark.end : stop].strip() for mark, stop in zip(chain, stops, strict=True)]
    if len(options) < 2 or not options[-1] or all(mark.opens_line for mark in chain):
        return None
    if all(option.endswith((",", ";")) for option in options[:-1]):
        options = [option.rstrip(",; ") for option in options[:-1]] + options[-1:]
    return OptionList(
        tuple(options),
        chain[0].start,
        chain[-1].end + len(text[chain[-1].end : end].rstrip()),
        plain=chain[0].label == "A"
        and all(text[mark.start : mark.end] == plain[mark.start : mark.end] for mark in chain),
        firm=True,
        labels=tuple(mark.label for mark in chain),
    )


def _is_later(mark: _Mark, last: _Mark) -> bool:
    """Whether a mark behind the last of a chain goes on with a gap: "D." behind "B.", "9)" behind "2)"."""
    if (
        mark.start <= last.start
        or mark.style != last.style
        or mark.label.isdigit() is not last.label.isdigit()
    ):
        return False
    return int(mark.label) > int(last.label) if mark.label.isdigit() else mark.label > last.label


def _chain_of(plain: str, marks: Sequence[_Mark], first: int, alphabet: Sequence[str]) -> list[_Mark]:
    chain = [marks[first]]
    for mark in marks[first + 1 :]:
        if len(chain) == len(alphabet):
            break
        if mark.label != alphabet[len(chain)] or mark.style != chain[-1].style:
            continue
        option = plain[chain[-1].end : mark.start].strip()
        if "\n" in option:
            break
        if option:
            chain.append(mark)
    return chain


def _is_list(plain: str, first: _Mark, option_list: OptionList) -> bool:
    """Whether entries on a line are options and no running text."""
    before = plain[: first.start]
    options = [option.translate(PLAIN) for option in option_list.options]
    if TWO_SENTENCES.search(options[-1]):
        return False
    if _LABELLED.search(before[before.rfind("\n") + 1 :]):
        return True
    question = before.rstrip().rstrip("\"'”’»)]*_").endswith(("?", ":"))
    sentence = first.opens_line or (
        _AFTER_SENTENCE.search(before[-40:]) and not _ABBREVIATION.search(before[-40:])
    )
    if any(option.endswith("?") or GOES_ON.search(option) for option in options):
        return False
    stops = [option.endswith((".", "!")) for option in options]
    even = stops[-1] == all(stops)
    words = max(len(option.split()) for option in options)
    if question:
        at_end = first.label.isupper() or not plain[option_list.end :].strip()
        return at_end and (even or first.style != "." or words <= _SHORT_WORDS)
    return bool(sentence) and first.label.isupper() and even and words <= _OWN_LINE_WORDS
