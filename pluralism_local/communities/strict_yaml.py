"""YAML from strangers into frozen models: bounded, without surprises, with the place of every mistake.

    path ──read_text──> text (size bounded, UTF-8) ──parse──> plain data ──validate──> a pydantic model

`parse` has the meaning of `yaml.safe_load` and refuses what a card or pool never needs and an attack does:
anchors and aliases (a few lines of them expand to gigabytes), deep nesting, a key given twice. Everything
wrong with the content is `InvalidInput`; a file that is not there is `NotFound`.
"""

from __future__ import annotations

import types
from collections.abc import Hashable
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from pluralism_local.errors import InvalidInput, did_you_mean
from pluralism_local.files import open_regular

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16

ModelT = TypeVar("ModelT", bound=BaseModel)


class Strict(BaseModel):
    """Base of every model read from YAML: frozen, no unknown keys, no silent conversions, finite numbers."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True
    )


def read_text(path: Path) -> str:
    """The file's text without a byte order mark, at most `MAX_BYTES` of it.

    Raises:
        NotFound: there is no such file.
        InvalidInput: not a regular file, unreadable, too large, or not UTF-8.
    """
    with open_regular(path) as file:
        data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            size = path.stat().st_size
            raise InvalidInput(
                f"{path} is too large: {size:,} bytes, where at most {MAX_BYTES:,} are read.",
                "Keep texts and logs in files of their own and name them in the card.",
            )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{path} is not UTF-8 text (byte {error.start:,}).", "Save it as UTF-8."
        ) from error


def parse(text: str, path: Path, first_line: int = 1) -> Any:
    """Plain data (dict, list, str, int, float, bool, date, None) of one YAML document; None if it is empty.

    `path` and `first_line`, the file's line at which `text` begins, are for messages.

    Raises:
        InvalidInput: not YAML, several documents, an anchor or alias, a custom tag, nested more than
            `MAX_DEPTH` deep, a key given twice, or a number or date that cannot be one.
    """
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + first_line}" if mark is not None else ""
        raise InvalidInput(
            f"{path}{place}: {error.problem or error.context or 'this is not YAML'}.", _hint(error)
        ) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(f"{path}: this is not YAML that can be used: {reason}.") from error


def validate(model: type[ModelT], data: object, path: Path) -> ModelT:
    """`data` as a `model`.

    Raises:
        InvalidInput: naming the file and the key; an unknown key with the nearest known one.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _first_problem(model, error, path) from error


class _Loader(yaml.SafeLoader):
    """`yaml.SafeLoader` without anchors, aliases, merge keys, deep nesting and repeated keys."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise yaml.composer.ComposerError(
                None, None, "anchors (&) and aliases (*) are not allowed", event.start_mark
            )
        if self.depth >= MAX_DEPTH:
            raise yaml.composer.ComposerError(
                None, None, f"more than {MAX_DEPTH} levels of nesting", event.start_mark
            )
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen or key.tag == "tag:yaml.org,2002:merge":
                problem = f"the key {name!r} is given twice" if name in seen else "'<<' is not allowed"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep=deep)


def _hint(error: yaml.MarkedYAMLError) -> str:
    if isinstance(error, yaml.composer.ComposerError | yaml.constructor.ConstructorError):
        return ""
    return "A text with a colon, a brace or a leading quote needs quotes around it, or a '|' block."


def _first_problem(model: type[BaseModel], error: ValidationError, path: Path) -> InvalidInput:
    problems = error.errors(include_url=False)
    # a misspelt key also makes the right one missing: name the misspelling
    problem = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    where = ".".join(str(part) for part in problem["loc"])
    match problem["type"]:
        case "extra_forbidden":
            keys = _known_keys(model, problem["loc"][:-1])
            return InvalidInput(
                f"{path}: unknown key {where!r}.", did_you_mean(str(problem["loc"][-1]), keys)
            )
        case "missing":
            return InvalidInput(f"{path}: {where!r} is missing.")
        case "value_error":
            return InvalidInput(f"{path}: {where + ': ' if where else ''}{problem['ctx']['error']}.")
    subject = repr(where) if where else "the document"
    mapping = problem["type"] in ("model_type", "dict_type")
    demand = "should be a mapping" if mapping else problem["msg"].removeprefix("Input ")
    value = problem["input"]
    hint = ""
    if problem["type"] == "string_type" and not isinstance(value, list | None):
        hint = "A text with a colon needs quotes." if isinstance(value, dict) else "Put it in quotes."
    return InvalidInput(f"{path}: {subject} {demand}, got {_short(value)}.", hint)


def _short(value: object) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _known_keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys of the model that stands at `loc` inside `model`; empty if it cannot be told."""
    for part in loc:
        if isinstance(part, int):
            continue
        fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        inner = _model_in(fields.get(part))
        if inner is None:
            return []
        model = inner
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: object) -> type[BaseModel] | None:
    """The first model class in `annotation`, be it optional or the element of a tuple."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, types.UnionType, tuple):
        return next(filter(None, map(_model_in, get_args(annotation))), None)
    return None
