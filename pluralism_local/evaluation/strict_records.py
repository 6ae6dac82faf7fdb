"""Objects and journals' records, read strictly: what comes back has the form of a pydantic model.

    path ──read_object(model)──> JSON object            run.json, results.json, judge.json
    journal's records ──check_records(model)──> None    samples, comments, judges' answers, entailment

Anything else is `InvalidInput` that names the file, the line and the key.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from pluralism_local.errors import InvalidInput
from pluralism_local.files import open_regular

MOST_DEPTH = 32
"""Of objects and lists inside each other; what is written here has less than ten."""

_MOST_DIGITS = 300


def read_object(path: Path, schema: str, model: type[BaseModel]) -> dict[str, Any]:
    """The JSON object in a file, of this schema and of the model's form.

    Raises:
        FileNotFoundError: there is none.
        InvalidInput: it cannot be read, is no such object, or has another form.
    """
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        with open_regular(path) as file:
            content = json.loads(file.read(), parse_int=_integer)
    except (OSError, ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise InvalidInput(
            f"{path} cannot be read: {why}.", "Restore it, or begin anew elsewhere."
        ) from error
    if not isinstance(content, dict) or content.get("schema") != schema:
        raise InvalidInput(f"{path} is no run of this version.", "Begin anew in another folder.")
    check(model, content, str(path))
    return content


def _integer(digits: str) -> int | float:
    """A whole number of a file; one that no float holds is infinite, as 1e999 is, and not formatted digit by digit."""
    return int(digits) if len(digits) < _MOST_DIGITS else float(digits)


def check_records(model: type[BaseModel], records: Iterable[Mapping[str, Any]], path: Path) -> None:
    """See that every record of a journal has the model's form.

    Raises:
        InvalidInput: one has not; the message has its line.
    """
    for number, record in enumerate(records, start=1):
        check(model, record, f"{path}, line {number}")


def check(model: type[BaseModel], content: Mapping[str, Any], where: str) -> None:
    """See that an object has the model's form.

    Args:
        where: file and line, for the message.

    Raises:
        InvalidInput: it has not; the message has the key.
    """
    if _depth(content) > MOST_DEPTH:
        raise InvalidInput(f"{where}: is nested more than {MOST_DEPTH} deep.", _HINT)
    try:
        model.model_validate(content)
    except ValidationError as error:
        raise InvalidInput(f"{where}: {_problem(error)}.", _HINT) from error


_HINT = "Restore the file, or begin anew in another folder."


def _depth(value: object) -> int:
    """How deep objects and lists lie inside each other, counted as far as it matters."""
    level, depth = [value], 0
    while level and depth <= MOST_DEPTH:
        inside = [part for part in level if isinstance(part, dict | list)]
        level = [child for part in inside for child in (part.values() if isinstance(part, dict) else part)]
        depth += bool(inside)
        if not inside:
            break
    return depth


def _problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    subject = f"'{key}'" if key else "the record"
    match first["type"]:
        case "missing":
            return f"{subject} is missing"
        case "extra_forbidden":
            return f"{subject} is not known"
        case "value_error":
            return f"{key + ': ' if key else ''}{first['ctx']['error']}"
    problem = first["msg"][0].lower() + first["msg"][1:]
    return f"{subject} {problem.removeprefix('input ')}"
