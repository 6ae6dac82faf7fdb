"""Grammars from JSON schemas: what is written under one is JSON of that schema; what cannot be promised is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.engine.grammar import Grammars
from pluralism_local.engine.grammar import GrammarState as Walker
from pluralism_local.engine.handles import Model
from pluralism_local.engine.json_grammar import json_grammar
from pluralism_local.engine.library import install_log
from pluralism_local.errors import InvalidInput
from tests.support.tiny.model import write_tiny

POSITIONS: dict[str, Any] = {
    "title": "Positions",
    "type": "object",
    "properties": {
        "positions": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"$ref": "#/$defs/position"}},
        "note": {"type": ["string", "null"]},
        "strength": {"type": "integer", "minimum": -1, "maximum": 3},
    },
    "required": ["positions"],
    "additionalProperties": False,
    "$defs": {
        "position": {
            "type": "object",
            "properties": {
                "claim": {"type": "string", "minLength": 1, "maxLength": 40},
                "for": {"type": "boolean"},
                "kind": {"enum": ['a "b"', "ü", 3, None]},
                "under": {"type": "array", "items": {"$ref": "#/$defs/position"}},
            },
            "required": ["claim", "for"],
        }
    },
}
TAKEN = (
    {"positions": [{"claim": "x", "for": True}]},
    {"positions": [{"claim": 'q"\\é\n', "for": False, "kind": 'a "b"'}], "note": None, "strength": -1},
    {"positions": [{"claim": "x", "for": True, "under": []}] * 3, "strength": 3},
    {
        "positions": [{"claim": "x", "for": True, "kind": None, "under": [{"claim": "y", "for": False}]}],
        "note": "",
    },
)
REFUSED = (
    "{}",
    '{"positions": []}',
    '{"positions": [{"claim": "", "for": true}]}',
    '{"positions": [{"for": true, "claim": "x"}]}',
    '{"positions": [{"claim": "x", "for": 1}]}',
    '{"positions": [{"claim": "x", "for": true}], "strength": 4}',
    '{"positions": [{"claim": "x", "for": true}], "other": 1}',
    '{"positions": [{"claim": "x\n", "for": true}]}',
    '{"positions": [{"claim": "x", "for": true},]}',
    '{"positions": [{"claim": "' + "x" * 41 + '", "for": true}]}',
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    install_log()
    with Model(write_tiny(tmp_path_factory.mktemp("json") / "tiny.gguf")) as opened:
        yield opened


def takes(model: Model, gbnf: str, text: str) -> bool:
    """Whether a whole text follows a grammar, token by token, and may end there."""
    grammars = Grammars(model)
    try:
        walker: Walker = grammars.begin(gbnf)
        for token in model.tokenize(text, add_special=False, parse_special=False):
            if not walker.allows(token):
                return False
            walker.accept(token)
        return walker.allows(model.end_tokens()[0])
    finally:
        grammars.close()


@pytest.mark.parametrize("value", TAKEN)
@pytest.mark.parametrize("indent", [None, 2])
def test_what_the_schema_describes_is_taken(model: Model, value: object, indent: int | None) -> None:
    assert takes(model, json_grammar(POSITIONS).gbnf, json.dumps(value, ensure_ascii=False, indent=indent))


@pytest.mark.parametrize("text", REFUSED)
def test_what_it_does_not_describe_is_not(model: Model, text: str) -> None:
    assert not takes(model, json_grammar(POSITIONS).gbnf, text)


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "integer"}, ["0", "-7", "123"], ["01", "1.5", "", "--1"]),
        ({"type": "number"}, ["0", "-7.25", "1e5", "2.5E-3"], [".5", "1.", "1e", "NaN"]),
        ({"type": "boolean"}, ["true", "false"], ["True", "1"]),
        ({"type": "null"}, ["null"], ["", "nul"]),
        ({"const": {"a": [1, "x"]}}, ['{"a": [1, "x"]}'], ["{}"]),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, ["null", "5"], ["true"]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 0}, ["[]", "[ ]"], ["[1]"]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 1}, ["[]", "[1]"], ["[1, 2]"]),
        (
            {"type": "array", "items": {"type": "integer"}, "minItems": 2},
            ["[1, 2]", "[1,2,3]"],
            ["[]", "[1]"],
        ),
        ({"type": "object"}, ["{}", "{ }"], ['{"a": 1}']),
        ({"type": "string"}, ['""', '"\\u00e9"', '"\\n"'], ['"\\ud800"', '"\t"', "x"]),
    ],
)
def test_values(model: Model, schema: dict[str, Any], good: list[str], bad: list[str]) -> None:
    gbnf = json_grammar(schema).gbnf
    assert [text for text in good if not takes(model, gbnf, text)] == []
    assert [text for text in bad if takes(model, gbnf, text)] == []
    for text in good:
        json.loads(text)


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({}, "the schema has the type null"),
        ({"type": "text"}, '"text"'),
        ({"type": "string", "pattern": "a+"}, "'pattern'"),
        ({"type": "object", "additionalProperties": True}, "without a name"),
        ({"type": "object", "properties": {}, "required": ["a"]}, "requires 'a'"),
        ({"type": "object", "properties": {"a": 3}}, "the schema/a is no schema"),
        ({"type": "array"}, "what its items are"),
        ({"type": "array", "items": {"type": "null"}, "minItems": 3, "maxItems": 2}, "3 to 2"),
        ({"type": "string", "maxLength": -1}, "bounds"),
        ({"type": "string", "maxLength": 5000}, "repetitions"),
        ({"type": "integer", "minimum": 0}, "minimum and a maximum"),
        ({"enum": []}, "lists nothing"),
        ({"$ref": "https://example.org/schema"}, "not among its $defs"),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}, "begin with itself"),
    ],
)
def test_what_cannot_be_promised_is_refused(schema: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        json_grammar(schema)
    assert place in str(caught.value)


def test_the_schema_goes_along(tmp_path: Path) -> None:
    assert json_grammar(POSITIONS).schema == POSITIONS
