"""Lists of values, rights and duties as models write them.

    situation ──values_grammar──> what the LLM is bound to      the LLM's reply ──read_stakes──> Stake…

Nothing fails: of a reply that was cut off what is whole is taken, JSON or lines, and what names no value is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from pluralism_local.display.figures import one_line
from pluralism_local.positions.claims import is_refusal
from pluralism_local.positions.grammars import characters_of
from pluralism_local.positions.merging import are_same_words
from pluralism_local.types import Grammar
from pluralism_local.values.stakes import Kind, Stake

LONGEST = 60
"""Characters of a name: a longer one is a sentence."""

MOST_WORDS = 9

MOST_OF_KIND: dict[Kind, int] = {"value": 7, "right": 4, "duty": 4}
"""What one list holds at most."""

LISTS: dict[Kind, str] = {"value": "values", "right": "rights", "duty": "duties"}
"""The keys of the list."""

_NAMING = " '\u2019/\\-"
_KIND = re.compile(r"(?P<value>values?)|(?P<right>rights?)|(?P<duty>dut(?:y|ies))", re.IGNORECASE)
_JSON = re.compile(r'[\[{]\s*["\[{]')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_LABELLED = re.compile(
    r"\s*[\"'*_]*(?P<kind>values?|rights?|dut(?:y|ies))[\"'*_]*\s*[:–—-]\s*(?P<text>.*)", re.I | re.S
)
_MARKER = re.compile(r"^\s*(?:[-*•◦▪‣●]|\(?\d{1,3}[.):]|#+)\s+")
_SURROUNDING = " \t\n\"'“”‘’*_`.,;:[]()"
_PLACEHOLDER = re.compile(
    r"(?:value|right|duty|item|name|text|string|example|none|n/a|etc)s?\W*\d*", re.IGNORECASE
)


def values_grammar(situation: str) -> Grammar:
    """``{"values": ["…", …], "rights": ["…"], "duties": ["…"]}``, each list with one name at least.

    Names of 3 to `LONGEST` characters of the situation's script, without quotes, brackets, commas and full stops.
    """
    allowed = characters_of(situation, _NAMING)
    lists = ", ".join(rf'\"{LISTS[kind]}\": [" {kind} "]' for kind in MOST_OF_KIND)
    rules = "\n".join(f'{kind} ::= name (", " name){{0,{most - 1}}}' for kind, most in MOST_OF_KIND.items())
    gbnf = f"""root ::= "{{{lists}}}"
{rules}
name ::= "\\"" {allowed.first} {allowed.inside}{{2,{LONGEST - 1}}} "\\""
"""
    properties = {
        LISTS[kind]: {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": most}
        for kind, most in MOST_OF_KIND.items()
    }
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return Grammar(gbnf, schema)


def read_stakes(reply: str, situation: str) -> list[Stake]:
    """What the reply lists, each once, in its order; without what only repeats the situation.

    Args:
        reply: JSON as `values_grammar` has it, or its beginning; or lines such as ``"Value: Health"``, or under
            headings.
    """
    listed = _in_json(reply) if _JSON.search(reply) else _in_lines(reply)
    tidied = (tidy(kind, text) for kind, text in listed)
    return distinct(stake for stake in tidied if stake and not are_same_words(stake.text, situation))


def distinct(stakes: Iterable[Stake]) -> list[Stake]:
    """Those of different kind or words, the first of equals."""
    by_id: dict[str, Stake] = {}
    for stake in stakes:
        by_id.setdefault(stake.id, stake)
    return list(by_id.values())


def tidy(kind: Kind, text: str) -> Stake | None:
    """A name on one line without markers, marks and "Value:" in front; None for what can be none.

    A name that begins with "Right to" or "Duty to" is of that kind, wherever it stood.
    """
    name = one_line(_MARKER.sub("", text))
    if labelled := _LABELLED.fullmatch(name):
        kind, name = _kind_of(labelled["kind"]) or kind, labelled["text"]
    name = re.sub(r"\s*\((?:value|right|duty)\)$", "", name, flags=re.I).strip(_SURROUNDING)
    if not 2 <= len(name) < LONGEST or len(name.split()) > MOST_WORDS:
        return None
    if not any(letter.isalpha() for letter in name) or _PLACEHOLDER.fullmatch(name):
        return None
    if is_refusal(name):
        return None
    if begins := re.match(r"(right|duty) (?:to|of)\b", name, re.IGNORECASE):
        kind = _kind_of(begins[1]) or kind
    return Stake(kind, name[:1].upper() + name[1:])


def _in_json(reply: str) -> Iterator[tuple[Kind, str]]:
    """The strings of its lists, each under the key that came last; of objects what is no kind and no key."""
    kind: Kind = "value"
    for match in _STRING.finditer(reply):
        try:
            text = json.loads(match[0])
        except ValueError:  # an escape that is none
            continue
        named = _kind_of(text)
        if named is not None:
            kind = named
        elif reply[match.end() :].lstrip()[:1] != ":":
            yield kind, text


def _in_lines(reply: str) -> Iterator[tuple[Kind, str]]:
    """Its lines with a marker or a label, and those below a heading; others are no part of a list."""
    kind: Kind = "value"
    headed = False
    for line in reply.splitlines():
        bare = _MARKER.sub("", line).strip(_SURROUNDING)
        named = _kind_of(bare)
        if named is not None:
            kind, headed = named, True
            continue
        labelled = _LABELLED.fullmatch(_MARKER.sub("", line))
        if labelled is not None and "," in labelled["text"]:
            kind = _kind_of(labelled["kind"]) or kind
            yield from ((kind, part) for part in labelled["text"].split(","))
        elif bare and (headed or labelled or _MARKER.match(line)):
            yield kind, line


def _kind_of(text: str) -> Kind | None:
    """The kind that a word names, in either number; None for any other text."""
    match = _KIND.fullmatch(text.strip())
    if match is None:
        return None
    return "value" if match["value"] else "right" if match["right"] else "duty"
