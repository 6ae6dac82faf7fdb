"""What the LLM is bound to where it writes about positions: GBNF, in the script of the question.

    question ──characters_of──> the characters of a sentence ──> claim_grammar | position_grammar | sentence_grammar

A small model that is free to do so quotes, numbers, goes on without end, or drifts into another script in the middle of
a word; these grammars leave it the sentence and nothing else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from pluralism_local.content_words import is_english
from pluralism_local.positions.claims import ENDS, LONGEST_CLAIM
from pluralism_local.types import Grammar

_LETTERS = "A-Za-z0-9\\u00C0-\\u024F"
_MARKS = " ,;:%$€&/'\\u2019\\u2013\\-"
_UNFIT = '"\\\\\\x00-\\x1F\\x7F{}<>*#`(\\[\\]'


@dataclass(frozen=True, slots=True)
class _Characters:
    """Classes of GBNF: what a sentence begins with, what stands inside it, and what ends it."""

    first: str
    inside: str
    ends: str


def characters_of(question: str, marks: str = _MARKS) -> _Characters:
    """Latin letters, digits and `marks` for a question in these letters alone; else any character that is no markup."""
    letters = [letter for letter in question if letter.isalpha()]
    if letters and all(unicodedata.name(letter, "").startswith("LATIN") for letter in letters):
        return _Characters(f"[{_LETTERS}]", f"[{_LETTERS}{marks}]", '"."')
    return _Characters(f"[^ \\-.。{_UNFIT}]", f"[^.。{_UNFIT}]", '("." | "。")')


LEAD = "The comment claims that "
"""What a claim is bound to begin with, so that it is told as one: else a small model argues with the comment."""


def claim_grammar(question: str, comments: Iterable[str]) -> Grammar:
    """`LEAD` and the rest of one sentence, of 8 to `LONGEST_CLAIM` characters without quotes, brackets and full stops.

    Comments in another language than English are told in that language, and without `LEAD`.
    """
    allowed = characters_of(question)
    lead = f'"{LEAD}" char' if is_english(" ".join(comments)) else allowed.first
    return Grammar(
        f"root ::= {lead} char{{8,{LONGEST_CLAIM}}} {allowed.ends}\nchar ::= {allowed.inside}\n",
        None,
    )


def sentence_grammar(question: str) -> Grammar:
    """One sentence of 20 to 260 characters on one line, without quotes, brackets and markup."""
    allowed = characters_of(question)
    return Grammar(
        f"root ::= {allowed.first} char{{18,258}} {allowed.ends}\nchar ::= {allowed.inside}\n",
        None,
    )


def position_grammar(question: str, comments: Iterable[str], position: str) -> Grammar:
    """A position's own words, then the end or a reason of at most 120 characters, without quotes, brackets and markup.

    A small model that is free to say what voices hold says now and then what others hold.
    """
    allowed = characters_of(question)
    words = position.rstrip("".join(ENDS))
    first = f"[{words[:1].upper()}{words[:1].lower()}]" if words[:1].isascii() and words[:1].isalpha() else ""
    literal = (words[1:] if first else words).replace("\\", "\\\\").replace('"', '\\"')
    joint = '" because "' if is_english(" ".join(comments)) else '", "'
    return Grammar(
        f'root ::= {first} "{literal}" ({joint} char{{8,120}})? {allowed.ends}\nchar ::= {allowed.inside}\n',
        None,
    )
