"""Lists of options in a text, as surveys print them and people type them.

    text ──find──> Found(lists, passed_over)       lists: in the text's order, none answered, none inside another

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

from pluralism_local.modes.option_list import ALPHABETS, GOES_ON, PLAIN, TWO_SENTENCES, OptionList
from pluralism_local.modes.within_lines import within_lines

_BULLET = "bullet"

_LINE = re.compile(
    r"[ \t]*(?P<bullet>(?:[-*+•–—◦▪‣·○◯□☐]|\[[ xX]?\])[ \t]+)?"
    r"(?:(?P<bold>\*\*|__)?"
    r"(?P<open>\()?(?P<label>[^\W\d_]|\d{1,2})(?P<inner>\*\*|__)?(?P<close>[.):])(?P<outer>\*\*|__)?"
    r"(?P<gap>[ \t]*))?(?P<text>.*)"
)
_ANSWERED = re.compile(
    r"^[ \t]*[*_]*(?:(?:my|your|the|correct|right)[ \t]+)?(?:answer|response|reply|antwort|réponse|respuesta|risposta|"
    r"resposta|ответ)[*_]*[ \t]*:[*_]*[ \t]*(?P<said>\S.*)$",
    re.I | re.M,
)


@dataclass(frozen=True, slots=True)
class Found:
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


def find(text: str) -> Found:
    """The lists of `text`, which is without the "Answer:" that closes a question."""
    plain = text.translate(PLAIN)
    by_line = list(_by_line(text, plain))
    firm = [one for one in by_line if one.firm]
    within, passed_over = within_lines(text, plain, firm)
    lists = sorted([*firm, *within], key=lambda one: one.start)
    for one in by_line:
        if one.firm or any(one.start <= other.start and other.end <= one.end for other in lists):
            continue
        if plain[one.end :].strip():
            passed_over = passed_over or (
                f"The list '{one.beginning}' is taken for options only where it comes last, or before 'Answer:'."
            )
        else:
            lists.append(one)
    places = [one.start for one in lists[1:]] + [len(text)] * bool(lists)
    answered = [
        one for one, end in zip(lists, places, strict=True) if _is_answered(one, plain[one.end : end])
    ]
    if answered and len(answered) == len(lists):
        passed_over = f"The list '{answered[-1].beginning}' is answered already, so it is not the question's."
    return Found(tuple(one for one in lists if one not in answered), passed_over)


def _is_answered(one: OptionList, following: str) -> bool:
    """Whether a line "Answer: B" gives one of its labels or options, as in a question that steers."""
    for match in _ANSWERED.finditer(following):
        said = match["said"].strip("*_\"' \t\r").casefold()
        options = [option.translate(PLAIN).casefold() for option in one.options]
        if any(said.rstrip(".") == option.rstrip(".") for option in options):
            return True
        for label, option in zip(one.labels, options, strict=False):
            rest = re.fullmatch(rf"\(?{re.escape(label.casefold())}[.):]*\s*(.*)", said)
            if rest is not None and (not rest[1] or rest[1].rstrip(".") == option.rstrip(".")):
                return True
    return False


def _by_line(text: str, plain: str) -> Iterator[OptionList]:
    """Lists with a line for each entry; blank lines between entries do not matter."""
    run: list[_Entry] = []
    start = 0
    for line in plain.split("\n"):
        entry = _entry(text, line, start)
        start += len(line) + 1
        if entry is not None and run and entry.kind == run[-1].kind:
            run.append(entry)
        elif entry is not None or line.strip():
            yield from _cut(run)
            run = [entry] if entry is not None else []
    yield from _cut(run)


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
        ascii_form = f"{match['open'] or ''}{match['label']}{match['close']}{match['gap']}"
        plain = bool(match["gap"]) and text[begin : start + match.start("text")] == ascii_form
        kind = (match["open"], match["close"], bool(match["bold"] or closed), bool(bullet))
        return _Entry(match["label"], kind, own, begin, end, plain) if own else None
    if not bullet:
        return None
    own = text[start + match.end("bullet") : start + len(line)].strip()
    return _Entry(_BULLET, (bullet,), own, begin, end, plain=False) if own else None


def _opens(match: re.Match[str]) -> bool:
    """Whether a marker is one: "(A." is none, nor are the initials "A.B." and the number "1.5"."""
    if match["open"] and match["close"] != ")":
        return False
    following = match["text"]
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
                plain=entries[0].label == "A" and all(entry.plain for entry in entries),
                firm=not (bullets or entries[0].label.isdigit() or ":" in entries[0].kind),
                labels=() if bullets else tuple(entry.label for entry in entries),
            )
        place += max(1, count)


def _length(run: Sequence[_Entry], place: int) -> int:
    """How many entries from `place` on are a list; 0 or 1 for none."""
    if run[place].label == _BULLET:
        return len(run) - place
    return max(
        _follows([entry.label for entry in run[place : place + 100]], alphabet) for alphabet in ALPHABETS
    )


def _follows(labels: Sequence[str], alphabet: Sequence[str]) -> int:
    count = 0
    for label, expected in zip(labels, alphabet, strict=False):
        if label != expected:
            break
        count += 1
    return count


def _is_prose(entries: Sequence[_Entry]) -> bool:
    """Lines of running text that begin with initials: "A. Smith and", "B. Jones disagree. Are they right?"."""
    initials = entries[0].kind[1:2] == (".",) and entries[0].label.isupper()
    goes_on = any(GOES_ON.search(entry.text) for entry in entries[:-1])
    return initials and goes_on and TWO_SENTENCES.search(entries[-1].text) is not None
