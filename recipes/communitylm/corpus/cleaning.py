"""Cleaning: from a document's raw text to passages of prose, and what was dropped for which reason.

    text ──mend──> one paragraph of prose, letterhead and contact lines gone
         ──cut───> stretches of whole sentences, `shortest` to `longest` words
         ──fault─> None (keep it) or one of `FAULTS`

Only what is the same in every text of a register is removed (salutations of the floor, datelines, press contacts):
phrases that carry no view and that a model would learn first. Sentences themselves are never rewritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import ftfy

from pluralism_local.evaluation.metrics import sentences

Fault = Literal["too short", "not prose", "another language", "letterhead", "near-duplicate"]
FAULTS: tuple[Fault, ...] = ("too short", "not prose", "another language", "letterhead", "near-duplicate")

_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), new)
    for pattern, new in (
        (r"\s+", " "),
        (r"Ã¢|â(?![a-zà-ÿ])", "– "),  # what ftfy cannot mend: the rest of a dash or quote was lost
        (r"\b([A-Z])\. (?=[A-Z]\.)", r"\1."),  # "U. S." -> "U.S."
        (r"([a-z]{2,})- ([a-z]{2,})\b(?<!- and)(?<!- or)(?<!- to)", r"\1\2"),  # words broken at a line's end
        (r"(?i)press releases filter by:[^.]{0,200}", " "),
        (r"(?i)\bfor (?:immediate|media) release\b[^.]{0,40}?:?", " "),
        (r"(?i)\b(?:media |press )?contacts?: .{0,200}?\d{3}[-/. )]+\d{3}-\d{4}[^.]{0,80}\.?", " "),
        (r"(?:[A-Z][\w.'-]+ ){1,4}\(?\d{3}\)?[-/. ]+\d{3}-\d{4}[.;]?", " "),
        (r"\(?\b\d{3}\)?[-/. ]+\d{3}-\d{4}\b", " "),
        (r"https?://\S+|www\.\S+|\S+@\S+\.\w+", " "),
        (r"^.{0,160}?\b[A-Z][A-Za-z.]+(?: [A-Z][A-Za-z.]+){0,2},? (?:D\.? ?C\.?|[A-Z]{2})\.? ?[–—-]+ ?", ""),
        (r"^(?:WASHINGTON|Washington)(?:,? D\.? ?C\.?)? ?[–—(-]+ ?", ""),
        (r"#(?:\s?#)+|\*{2,}|_{3,}|={3,}", " "),
        (r"(?i)(?:mr\. \w+, )?I (?:rise today|rise|yield back|reserve|yield)\b[^.;]{0,120}?"
         r"(?:balance of my time|the floor|such time as \w+ may consume)\.?", " "),
        (r"(?i)I thank the (?:gentle(?:man|woman|lady)|chairman|ranking member)[^.]{0,80}\.", " "),
        (r"(?i)I suggest the absence of a quorum\.?", " "),
        (r"\[(?:iv|[vx]|\d|i{1,3})+\]", ""),
        (r"\s+", " "),
    )
)  # fmt: skip

_SALUTATION = re.compile(r"(?:M[rs]s?\.|Madam) (?:Speaker|President|Chairman|Chair|Chairwoman|Clerk), ?(\w?)")
_LETTERHEAD = re.compile(
    r"(?i)absence of a quorum|additional cosponsors|unanimous consent that|ordered to be printed"
    r"|the following statement"
    r"|press release|press conference call|news conference (?:at|on)|photo op|office hours|webcast|click here"
    r"|be it enacted|\bSEC\. \d|yeas and nays|roll ?call vote|text of the (?:letter|bill)|subsection \("
)
_SENTENCE_END = re.compile(r"[.!?][\"'”’)]*$")


def mend(text: str) -> str:
    """One paragraph: broken encodings and line ends mended, contact lines, datelines and salutations removed."""
    text = ftfy.fix_text(text).replace("\u00ad", "")
    for pattern, new in _RULES:
        text = pattern.sub(new, text)
    text = _SALUTATION.sub(lambda match: match[1].upper(), text)
    return text.strip(" –—-;,")


def cut(text: str, shortest: int, longest: int) -> Iterator[str]:
    """Stretches of whole sentences with `shortest` to `longest` words.

    A rest of fewer words is joined to the stretch before it if that fits and else yielded as it is, for `fault` to
    name; a single sentence longer than `longest` words stays whole, likewise.
    """
    stretches: list[list[str]] = []
    count = 0
    for sentence in sentences(text):
        words = len(sentence.split())
        if not stretches or count + words > longest:
            stretches.append([])
            count = 0
        stretches[-1].append(sentence)
        count += words
    if len(stretches) > 1 and count < shortest:
        joined = [*stretches[-2], *stretches[-1]]
        if sum(len(sentence.split()) for sentence in joined) <= longest:
            stretches[-2:] = [joined]
    for stretch in stretches:
        yield " ".join(stretch)


def fault(text: str, shortest: int, longest: int, language: str | None) -> Fault | None:
    """Why a stretch is no passage of prose; None if it is one.

    Args:
        language: ISO 639-1 code that the text must be in; None takes every language.
    """
    words = text.split()
    if len(words) < shortest:
        return "too short"
    plain = sum(word.strip("\"'“”‘’(),.;:!?–—-").isalpha() for word in words)
    shouted = sum(word.isupper() and len(word) > 3 for word in words)
    if (
        len(words) > 2 * longest
        or plain < 0.75 * len(words)
        or shouted > 0.15 * len(words)
        or not _SENTENCE_END.search(text)
        or text[0].islower()
    ):
        return "not prose"
    if _LETTERHEAD.search(text):
        return "letterhead"
    if language is not None and _language(text) != language:
        return "another language"
    return None


def _language(text: str) -> str:
    import py3langid

    return str(py3langid.classify(text)[0])
