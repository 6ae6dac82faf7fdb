"""From a JSON schema to a grammar: replies that a JSON parser takes and that hold what the schema asks for.

    {"type": "object", "properties": …} ──json_grammar──> Grammar (GBNF, and the schema for servers that take that)

Taken are objects of named properties (in their order; those not required may be left out), arrays with bounds, strings
with lengths, whole numbers (also in small ranges), numbers, booleans, null, ``enum``, ``const``, ``anyOf`` and ``$ref``
into ``$defs``. Everything else is refused and not passed over, since a reply would then not be what was asked for.
llama-cpp-python's own translation lets raw line breaks stand in strings, which is no JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pluralism_local.engine.gbnf import ROOT, check
from pluralism_local.errors import InvalidInput
from pluralism_local.types import Grammar

MOST_NUMBERS = 200
"""Whole numbers in a range, each of which is written down."""

_WORDS = ("fairness", "freedom", "safety", "trust", "tradition", "care", "responsibility", "privacy")
_SAYS_NOTHING = {"title", "description", "default", "examples", "$schema", "$id", "$comment"}
_KEYS = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength"},
    "integer": {"minimum", "maximum"},
    "number": set(),
    "boolean": set(),
    "null": set(),
}
_LEXICAL = r"""
ws ::= | " " | "\n" [ \t]{0,20}
char ::= [^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" ([0-9a-cA-Ce-fE-F] hex hex hex | [dD] [0-7] hex hex))
hex ::= [0-9a-fA-F]
integer ::= "-"? ("0" | [1-9] [0-9]{0,15})
number ::= integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?
boolean ::= "true" | "false"
null ::= "null"
"""


def json_grammar(schema: Mapping[str, Any]) -> Grammar:
    """The grammar of what `schema` describes.

    Raises:
        InvalidInput: it uses what is not taken here; the message names the place.
    """
    rules = _Rules(schema)
    rules.add(ROOT, rules.value(schema, "the schema"))
    for name, place in tuple(rules.references()):
        rules.add(name, place)
    text = "\n".join(f"{name} ::= {body}" for name, body in rules.bodies.items()) + _LEXICAL
    check(text)
    return Grammar(text, schema)


def example(schema: Mapping[str, Any], chance: Callable[[str], float]) -> Any:
    """A value of `schema`, which `json_grammar` takes; `chance` gives a number in [0, 1) for each place in it."""
    definitions = schema.get("$defs", {})

    def value(part: Mapping[str, Any], place: str) -> Any:
        if "$ref" in part:
            return value(definitions[part["$ref"].removeprefix("#/$defs/")], place)
        if "const" in part:
            return part["const"]
        for key in ("enum", "anyOf"):
            if key in part:
                chosen = part[key][int(chance(place) * len(part[key]))]
                return chosen if key == "enum" else value(chosen, place)
        kind = part["type"] if isinstance(part["type"], str) else part["type"][0]
        if kind == "object":
            required = part.get("required", ())
            properties = part.get("properties", {}).items()
            return {name: value(inner, f"{place}/{name}") for name, inner in properties if name in required}
        if kind == "array":
            # an item where there may be none, but not without end where items hold items
            most = part.get("maxItems", 1) if place.count("[") < 3 else 0
            count = max(part.get("minItems", 0), min(1, most))
            return [value(part["items"], f"{place}[{number}]") for number in range(count)]
        if kind == "string":
            text = _WORDS[int(chance(place) * len(_WORDS))]
            return text[: part.get("maxLength", len(text))].ljust(part.get("minLength", 0), ".")
        if kind == "integer":
            least = part.get("minimum", 0)
            return least + int(chance(place) * (part.get("maximum", least + 9) - least + 1))
        return {"number": round(chance(place), 3), "boolean": chance(place) < 0.5, "null": None}[kind]

    return value(schema, "")


class _Rules:
    """Rules by name, and the definitions still to be written down."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._definitions = schema.get("$defs", {})
        self._names: dict[str, str] = {}
        self.bodies: dict[str, str] = {}

    def add(self, name: str, body: str) -> None:
        self.bodies[name] = body

    def references(self) -> Iterable[tuple[str, str]]:
        """Names and bodies of the definitions that are used, also by each other."""
        written: set[str] = set()
        while pending := [definition for definition in self._names if definition not in written]:
            for definition in pending:
                written.add(definition)
                place = f"$defs/{definition}"
                yield self._names[definition], self.value(self._definitions[definition], place)

    def value(self, schema: Any, place: str) -> str:
        """What stands for a value of `schema` in a rule."""
        if not isinstance(schema, Mapping):
            raise _refusal(place, "is no schema")
        if "$ref" in schema:
            return self._reference(schema["$ref"], place)
        if "const" in schema:
            return _literal(schema["const"])
        if "enum" in schema:
            return _any_of([_literal(value) for value in _listed(schema["enum"], place)])
        if "anyOf" in schema:
            choices = enumerate(_listed(schema["anyOf"], place))
            return _any_of([self.value(choice, f"{place}/anyOf/{i}") for i, choice in choices])
        kind = schema.get("type")
        if isinstance(kind, list):
            return _any_of([self._typed(name, schema, place, only_own=True) for name in kind])
        return self._typed(kind, schema, place)

    def _typed(self, kind: Any, schema: Mapping[str, Any], place: str, *, only_own: bool = False) -> str:
        if not isinstance(kind, str) or kind not in _KEYS:
            raise _refusal(place, f"has the type {json.dumps(kind)}, one of {', '.join(_KEYS)} is expected")
        taken = set().union(*_KEYS.values()) if only_own else _KEYS[kind]
        unknown = sorted(set(schema) - taken - _SAYS_NOTHING - {"type", "$defs"})
        if unknown:
            raise _refusal(place, f"uses '{unknown[0]}', which is not taken for {kind}")
        if kind == "object":
            return self._object(schema, place)
        if kind == "array":
            return self._array(schema, place)
        if kind == "string":
            least, most = _bounds(schema, "minLength", "maxLength", place)
            return rf'"\"" char{_times(least, most)} "\""'
        if kind == "integer" and schema.keys() & _KEYS["integer"]:
            return _range(schema, place)
        return kind

    def _reference(self, reference: Any, place: str) -> str:
        name = str(reference).removeprefix("#/$defs/")
        if not str(reference).startswith("#/$defs/") or name not in self._definitions:
            raise _refusal(place, f"refers to {json.dumps(reference)}, which is not among its $defs")
        return self._names.setdefault(name, f"def-{len(self._names)}")

    def _object(self, schema: Mapping[str, Any], place: str) -> str:
        """Rules from the last property to the first: with something written before it, and with nothing."""
        if schema.get("additionalProperties"):
            raise _refusal(place, "allows properties without a name")
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        unknown = [name for name in required if name not in properties]
        if unknown:
            raise _refusal(place, f"requires '{unknown[0]}', which is not among its properties")
        first = behind = ""
        number = len(self.bodies)
        self.add(f"object-{number}", "")
        for at, (name, value) in reversed(tuple(enumerate(properties.items()))):
            pair = f'{_literal(name)} ":" ws {self.value(value, f"{place}/{name}")} ws'
            here, later = f"{pair} {behind}", f'"," ws {pair} {behind}'
            if name not in required:
                here, later = _or(here, first), _or(later, behind)
            first, behind = f"object-{number}-{at}", f"object-{number}-{at}-more"
            self.add(first, here)
            self.add(behind, later)
        self.add(f"object-{number}", f'"{{" ws {first} "}}"')
        return f"object-{number}"

    def _array(self, schema: Mapping[str, Any], place: str) -> str:
        if "items" not in schema:
            raise _refusal(place, "does not say what its items are")
        least, most = _bounds(schema, "minItems", "maxItems", place)
        if most == 0:
            return '"[" ws "]"'
        item = f"item-{len(self.bodies)}"
        self.add(item, "")
        self.add(item, f"{self.value(schema['items'], f'{place}/items')} ws")
        more = f'("," ws {item}){_times(max(least - 1, 0), None if most is None else most - 1)}'
        if most == 1:
            more = ""
        return f'"[" ws {item} {more} "]"' if least else f'"[" ws ({item} {more})? "]"'


def _literal(value: Any) -> str:
    """A JSON value as it is written, between GBNF's quotation marks."""
    text = json.dumps(value, ensure_ascii=False)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\x7f", "\\x7F") + '"'


def _any_of(choices: Sequence[str]) -> str:
    return f"({' | '.join(choices)})"


def _or(this: str, that: str) -> str:
    """One or the other; behind an empty last choice the next line would be read as a choice."""
    return f"{this} | {that}" if that else f"({this})?"


def _listed(values: Any, place: str) -> Sequence[Any]:
    if not isinstance(values, list | tuple) or not values:
        raise _refusal(place, "lists nothing to choose from")
    return values


def _times(least: int, most: int | None) -> str:
    if most is None:
        return f"{{{least},}}" if least else "*"
    return f"{{{least},{most}}}"


def _bounds(schema: Mapping[str, Any], lower: str, upper: str, place: str) -> tuple[int, int | None]:
    least, most = schema.get(lower, 0), schema.get(upper)
    whole = all(isinstance(bound, int) and bound >= 0 for bound in (least, most) if bound is not None)
    if not whole or (most is not None and most < least):
        raise _refusal(place, f"has bounds that nothing meets: {least} to {most}")
    return least, most


def _range(schema: Mapping[str, Any], place: str) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if not (isinstance(least, int) and isinstance(most, int) and 0 <= most - least < MOST_NUMBERS):
        raise _refusal(place, f"needs a minimum and a maximum, with at most {MOST_NUMBERS} whole numbers")
    return _any_of([f'"{number}"' for number in range(least, most + 1)])


def _refusal(place: str, what: str) -> InvalidInput:
    return InvalidInput(f"The JSON schema cannot be made a grammar: {place} {what}.")
