"""What the LLM is bound to where it writes about positions: GBNF, in the script of the question.

    question ──characters_of──> the characters of a sentence ──> claims_grammar | sentence_grammar

A small model that is free to do so quotes, numbers, goes on without end, or drifts into another script in the middle of
a word; these grammars leave it the sentence and nothing else.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from pluralism_local.types import Grammar

LONGEST_CLAIM = 128
"""Characters: one statement, and no reasons for it."""

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


def whole_claims(claims: Sequence[str]) -> list[str]:
    """Those that ended by themselves and not at the grammar's limit, in the middle of a word; all if none did."""
    return [claim for claim in claims if len(claim) < LONGEST_CLAIM] or list(claims)


def claims_grammar(most: int, question: str) -> Grammar:
    """``{"positions": ["…", …]}`` with 1 to `most` sentences of 12 to `LONGEST_CLAIM` characters.

    Without quotes, brackets and full stops inside: each is one sentence. Written by hand and not from the schema, whose
    strings have no end that a small model would come to by itself.
    """
    allowed = characters_of(question)
    gbnf = f"""root ::= "{{\\"positions\\": [" claim more{{0,{max(most - 1, 1)}}} "]}}"
more ::= ", " claim
claim ::= "\\"" {allowed.first} char{{10,{LONGEST_CLAIM - 2}}} {allowed.ends} "\\""
char ::= {allowed.inside}
"""
    items = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": most}
    schema = {
        "type": "object",
        "properties": {"positions": items},
        "required": ["positions"],
        "additionalProperties": False,
    }
    return Grammar(gbnf, schema)


def sentence_grammar(question: str) -> Grammar:
    """One sentence of 20 to 260 characters on one line, without quotes, brackets and markup."""
    allowed = characters_of(question)
    return Grammar(
        f"root ::= {allowed.first} char{{18,258}} {allowed.ends}\nchar ::= {allowed.inside}\n",
        None,
    )
