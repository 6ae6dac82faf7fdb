"""Lists of options in a text, as surveys print them and people type them.

    text ──find──> Listing(lists, passed_over)       lists: in the text's order, none answered, none inside another

Three kinds of list, from the clearest on:
    a line for each entry    A. Yes   A) Yes   (A) Yes   A.Yes   a) yes   **A.** Yes   - A. Yes   Ａ．はい   А) Да
    the same, if it is the text's end: what else numbers, bullets and speakers open is no option
                             1. Yes   1) Yes   (1) Yes   - Yes   • Yes   A: Yes
    several on a line        "Options: A. Yes B. No" or, after a question or on a line of its own, "A. Yes B. No"
Everything else that looks like one is running text: initials ("J. A. Smith and B. Jones"), enumerations within a
sentence, instructions. What was passed over, and why, is kept for the hint.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from string import ascii_uppercase

from pluralism_local.modes.option_list import ALPHABETS, GOES_ON, PLAIN, TWO_SENTENCES, OptionList
from pluralism_local.modes.within_lines import within_lines

_BULLET = "bullet"

_LINE = re.compile(
    r"[ \t]*(?P<bullet>(?:[-*+•–—◦▪‣·○◯□☐]|\[[ xX]?\])[ \t]+)?"
    r"(?:(?P<bold>\*\*|__)?"
    r"(?P<open>[(\[])?(?P<label>[^\W\d_]|\d{1,2})(?P<inner>\*\*|__)?(?P<close>[.):\]]|[ \t]*[-–—])(?P<outer>\*\*|__)?"
    r"(?P<gap>[ \t]*))?(?P<text>.*)"
)
_UNREAD = re.compile(
    r"[\W_]{0,4}(?:(?:option|answer)[ \t]+)?(?:[^\W\d_]|[ivx]{1,4}|\d{1,3})(?:[\W_]{1,4})(?=\w)", re.I
)
_UNREAD_WITHIN = re.compile(r"(?:^|\s)\(?([A1])[.):]\S*(?:\s.*?)?\s\(?([B2])[.):]\S")
_LONGEST_HINT = 500
"""Characters of a text's end that are looked at for a hint only."""

_ANSWERED = re.compile(
    r"^[ \t]*[*_]*(?:(?:my|your|the|correct|right)[ \t]+)?(?:answer|response|reply|antwort|réponse|respuesta|risposta|"
    r"resposta|ответ)[*_]*[ \t]*:[*_]*[ \t]*(?P<said>\S.*)$",
    re.I | re.M,
)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a text lists.

    Attributes:
        lists: in its order.
        passed_over: of what looks like a list and is not taken for one, why, in a sentence; empty if there is none.
    """

    lists: tuple[OptionList, ...]
    passed_over: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A line that opens like an entry; `kind` is the same for entries of one list."""

    label: str
    kind: tuple[object, ...]
    text: str
    start: int
    end: int
    plain: bool


def find(text: str) -> Listing:
    """The lists of `text`, which is without the "Answer:" that closes a question."""
    plain = text.translate(PLAIN)
    by_line, irregular = _by_line(text, plain)
    firm = [option_list for option_list in by_line if option_list.firm]
    within, passed_over = within_lines(text, plain, firm)
    passed_over = irregular or passed_over
    lists = sorted([*firm, *within], key=lambda option_list: option_list.start)
    for candidate in by_line:
        if candidate.firm or any(
            candidate.start <= other.start and other.end <= candidate.end for other in lists
        ):
            continue
        if plain[candidate.end :].strip():
            passed_over = passed_over or (
                f"The list '{candidate.beginning}' is taken for options only where it comes last, or before 'Answer:'."
            )
        else:
            lists.append(candidate)
    places = [option_list.start for option_list in lists[1:]] + [len(text)] * bool(lists)
    answered = [
        option_list
        for option_list, end in zip(lists, places, strict=True)
        if _is_answered(option_list, plain[option_list.end : end])
    ]
    if answered and len(answered) == len(lists):
        passed_over = f"The list '{answered[-1].beginning}' is answered already, so it is not the question's."
    return Listing(
        tuple(option_list for option_list in lists if option_list not in answered),
        passed_over or _unread(plain),
    )


def _unread(plain: str) -> str:
    """What looks like a list in a form that is not read."""
    lines = [line.strip() for line in plain.split("\n") if line.strip()]
    for line, following in pairwise(lines):
        first, second = _UNREAD.match(line), _UNREAD.match(following)
        if first is not None and second is not None:
            return f"Lines that begin like '{first[0].rstrip()}' and '{second[0].rstrip()}' are not read as options."
    within = _UNREAD_WITHIN.search(plain[-_LONGEST_HINT:])
    return f"'{within[1]}… {within[2]}…' within a line is not read as options." if within else ""


def _is_answered(option_list: OptionList, following: str) -> bool:
    """Whether a line "Answer: B" gives one of its labels or options, as in a question that steers."""
    for match in _ANSWERED.finditer(following):
        answer = match["said"].strip("*_\"' \t\r").casefold()
        options = [option.translate(PLAIN).casefold() for option in option_list.options]
        if any(answer.rstrip(".") == option.rstrip(".") for option in options):
            return True
        for label, option in zip(option_list.labels, options, strict=False):
            rest = re.fullmatch(rf"\(?{re.escape(label.casefold())}[.):]*\s*(.*)", answer)
            if rest is not None and (not rest[1] or rest[1].rstrip(".") == option.rstrip(".")):
                return True
    return False


def _by_line(text: str, plain: str) -> tuple[list[OptionList], str]:
    """Lists with a line for each entry, where blank lines do not matter; and why others are none."""
    lists: list[OptionList] = []
    irregular = ""
    for run in _runs(text, plain):
        lists_in_run = list(_cut(run))
        if sum(len(option_list.options) for option_list in lists_in_run) == len(run):
            lists += lists_in_run
        elif len(run) > 1:
            label = "" if run[0].label == _BULLET else f"{run[0].label} "
            irregular = f"The lines from '{label}{run[0].text[:30]}' on do not count on from a first entry."
    return lists, irregular


def _runs(text: str, plain: str) -> Iterator[list[_Entry]]:
    """Entries of one kind that follow each other."""
    run: list[_Entry] = []
    start = 0
    for line in plain.split("\n"):
        entry = _entry(text, line, start)
        start += len(line) + 1
        if entry is not None and run and entry.kind == run[-1].kind:
            run.append(entry)
        elif entry is not None or line.strip():
            yield run
            run = [entry] if entry is not None else []
    yield run


def _entry(text: str, line: str, start: int) -> _Entry | None:
    match = _LINE.match(line)
    if match is None:
        return None
    own = text[start + match.start("text") : start + len(line)].strip()
    begin, end = start + len(line) - len(line.lstrip()), start + len(line.rstrip())
    bullet = (match["bullet"] or "").strip()
    if match["label"] is not None and _opens(match):
        closed = bool(match["inner"] or match["outer"])
        if match["bold"] and not closed:
            own = own.removesuffix(match["bold"]).rstrip()
        closed_so = match["close"] in {".", ")", ":"}
        ascii_form = f"{match['open'] or ''}{match['label']}{match['close']}{match['gap']}"
        plain = closed_so and bool(match["gap"]) and text[begin : start + match.start("text")] == ascii_form
        kind = (match["open"], match["close"].strip(), bool(match["bold"] or closed), bool(bullet))
        return _Entry(match["label"], kind, own, begin, end, plain) if own else None
    if not bullet:
        return None
    own = text[start + match.end("bullet") : start + len(line)].strip()
    return _Entry(_BULLET, (bullet,), own, begin, end, plain=False) if own else None


def _opens(match: re.Match[str]) -> bool:
    """Whether a marker is one: "(A." is none, nor are the initials "A.B." and the number "1.5"."""
    closing = {"(": ")", "[": "]"}.get(match["open"], match["close"])
    if match["close"] != closing or (closing == "]" and not match["open"]):
        return False
    following = match["text"]
    if closing.strip() in {"-", "–", "—"}:
        return bool(match["gap"] and following.strip())
    if match["gap"] or match["outer"] or match["inner"]:
        return bool(following.strip())
    return following[:1].isalpha() and following[1:2] not in {".", ")"}


def _cut(run: Sequence[_Entry]) -> Iterator[OptionList]:
    """The lists in entries that follow each other: from a first letter on, as far as the letters go on."""
    place = 0
    while place < len(run):
        count = _length(run, place)
        if count >= 2 and not _is_prose(run[place : place + count]):
            entries = run[place : place + count]
            bullets = entries[0].label == _BULLET
            yield OptionList(
                tuple(entry.text for entry in entries),
                entries[0].start,
                entries[-1].end,
                plain=all(entry.plain for entry in entries) and _is_counted(entries),
                firm=not (bullets or entries[0].label.isdigit() or ":" in entries[0].kind),
                labels=() if bullets else tuple(entry.label for entry in entries),
            )
        place += max(1, count)


def _length(run: Sequence[_Entry], place: int) -> int:
    """How many entries from `place` on are a list; 0 or 1 for none."""
    if run[place].label == _BULLET:
        return len(run) - place
    labels = [entry.label for entry in run[place : place + 100]]
    return max(_follows(labels, alphabet) for alphabet in ALPHABETS)


def _follows(labels: Sequence[str], alphabet: Sequence[str]) -> int:
    """How many count on from the alphabet's first; after two there may be gaps: "8. Don't know", "9. Refused"."""
    last = -1
    for count, label in enumerate(labels):
        index = alphabet.index(label) if label in alphabet else -1
        if index <= last or (count < 2 and index != count):
            return count
        last = index
    return len(labels)


def _is_counted(entries: Sequence[_Entry]) -> bool:
    """Whether the letters are those that are weighed."""
    return "".join(entry.label for entry in entries) == ascii_uppercase[: len(entries)]


def _is_prose(entries: Sequence[_Entry]) -> bool:
    """Lines of running text that begin with initials: "A. Smith and", "B. Jones disagree. Are they right?"."""
    initials = entries[0].kind[1:2] == (".",) and entries[0].label.isupper()
    goes_on = any(GOES_ON.search(entry.text) for entry in entries[:-1])
    return initials and goes_on and TWO_SENTENCES.search(entries[-1].text) is not None
