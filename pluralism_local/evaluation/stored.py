"""What lies in a run's folder, read strictly: whoever wrote it, what comes back has the form that the code expects.

    path ──read_object(model)──> JSON object            run.json, results.json, judge.json
    journal's records ──check_records(model)──> None    samples, comments, judges' answers, entailment

Anything else is `InvalidInput` that names the file, the line and the key. Keys that a model does not have are left
alone, so that a later version's files are read; so are a results.json's figures, which are shown only if they are any.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.methods import check_method
from pluralism_local.files import open_regular

MOST_DEPTH = 32
"""Of objects and lists inside each other; what is written here has less than ten."""

_SUM_TOLERANCE = 1e-3
_MOST_DIGITS = 300


def _whole(text: str) -> str:
    if "\0" in text:
        raise ValueError("has a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("has half of a character (a lone surrogate)") from error
    return text


Text = Annotated[str, AfterValidator(_whole)]
Method = Annotated[str, AfterValidator(check_method)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Positive = Annotated[int, Field(ge=1, lt=2**53)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Temperature = Annotated[float, Field(ge=0, le=100)]
TopP = Annotated[float, Field(gt=0, le=1)]
Number = Annotated[float, Field(ge=-1e15, le=1e15)]


class _Stored(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Sampling(_Stored):
    temperature: Temperature
    top_p: TopP
    max_tokens: Positive
    seed: Seed


class _Model(_Stored):
    id: Text
    backend: Text
    sha256: Text | None
    weights: Text | None = None


class _Member(_Stored):
    community: Text
    weight: Number
    adapter_sha256: Text | None
    scale: Number | None
    persona_sha256: Text


class _Pool(_Stored):
    id: Text
    members: list[_Member]


class _Samples(_Stored):
    n: Count
    sha256: Text


class _Identity(_Stored):
    task: Text
    task_version: Count
    samples: _Samples
    pool: _Pool
    llm: _Model
    communities_model: _Model
    prompts: dict[Text, Text]
    comment: _Sampling
    answer: _Sampling
    template: Text
    version: Text


class _Settings(_Stored):
    model: Text
    pool: Text
    temperature: Temperature | None = None
    top_p: TopP | None = None
    max_tokens: Positive | None = None
    comment_temperature: Temperature | None = None
    comment_top_p: TopP | None = None
    comment_max_tokens: Positive | None = None
    seed: Seed | None = None
    ctx_size: Positive | None = None
    template: Literal["auto", "none"] | None = None
    weights: Literal["auto", "file"] | None = None


class _Wanted(_Stored):
    model_config = ConfigDict(extra="forbid")

    task: Text
    data: Text
    methods: list[Method]
    limit: Positive | None
    draw: Count | None
    scorer: Text
    communities: list[Text]
    communities_model: Text | None
    settings: _Settings
    output: Text | None = None
    force: bool = False


class _About(_Stored):
    wanted: _Wanted
    begun: Text = ""


class StoredRun(_Stored):
    """run.json."""

    id: Text
    identity: _Identity
    about: _About

    @model_validator(mode="after")
    def _one_task(self) -> StoredRun:
        if not self.identity.task.startswith(self.about.wanted.task):  # a unique beginning was enough
            raise ValueError(
                f"about.wanted.task is '{self.about.wanted.task}', identity.task '{self.identity.task}'"
            )
        return self


class _Row(_Stored):
    model_config = ConfigDict(extra="allow")

    counts: dict[Text, Any] = {}


class _Basis(_Stored):
    n: Count
    distributions: dict[Text, Count]
    stand_ins: Count
    partly: Count
    unparsed: Count
    empty: Count
    unchosen: Count
    unclear: Count = 0
    outside: Share | None
    void: bool


class StoredResults(_Stored):
    """results.json."""

    run: Text
    task: Text
    model: _Model
    communities_model: _Model
    pool: _Pool
    n: Count
    wanted: Count
    failed: dict[Text, Count]
    missing: dict[Text, Count]
    methods: dict[Text, _Row]
    parts: dict[Text, dict[Text, dict[Text, dict[Text, Any]]]] = {}
    cost: dict[Text, dict[Text, dict[Text, Any]]] = {}
    basis: dict[Text, _Basis] = {}
    remarks: list[Text] = []


class StoredJudgement(_Stored):
    """judge.json, of which all but its frame is shown only as far as it can be read."""

    a: Text = "ours"
    judges: list[Any] | None = None


class _Error(_Stored):
    code: Text
    message: Text


class _Usage(_Stored):
    model_config = ConfigDict(extra="forbid")

    prompt: Count = 0
    reused: Count = 0
    completion: Count = 0


class StoredAnswer(_Stored):
    """A line of samples.jsonl."""

    id: Text
    method: Text
    error: _Error | None = None
    pred_distribution: Annotated[list[Share], Field(min_length=1)] | None = None
    unassigned_mass: Share | None = None
    distribution_method: Text | None = None
    stand_in: Share = 0.0
    output: Text | None = None
    selection: Text | None = None
    selection_method: Text | None = None
    usage: dict[Text, _Usage] = {}

    @model_validator(mode="after")
    def _says_something(self) -> StoredAnswer:
        if self.error is None and self.pred_distribution is None and self.output is None:
            raise ValueError("has neither an answer nor an error")
        if self.pred_distribution is not None and abs(sum(self.pred_distribution) - 1) > _SUM_TOLERANCE:
            raise ValueError(f"pred_distribution sums to {sum(self.pred_distribution):.6g} and not to 1")
        return self


class StoredComment(_Stored):
    """A line of a comments' journal."""

    key: Text
    error: _Error | None = None
    text: Text | None = None
    finish: Text = "stop"
    usage: _Usage = _Usage()

    @model_validator(mode="after")
    def _says_something(self) -> StoredComment:
        if self.error is None and self.text is None:
            raise ValueError("has neither a text nor an error")
        return self


class StoredChoice(_Stored):
    """A line of a judge's journal."""

    key: Text
    error: _Error | None = None
    choice: Literal["1", "2", "tie"] | None = None


class StoredEntailment(_Stored):
    """A line of an entailment scorer's journal."""

    key: Text
    p: Annotated[list[Share], Field(min_length=3, max_length=3)]

    @model_validator(mode="after")
    def _is_some(self) -> StoredEntailment:
        if not sum(self.p) > 0:
            raise ValueError("p sums to 0")
        return self


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
            found = json.loads(file.read(), parse_int=_integer)
    except (OSError, ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        raise InvalidInput(
            f"{path} cannot be read: {why}.", "Restore it, or begin anew elsewhere."
        ) from error
    if not isinstance(found, dict) or found.get("schema") != schema:
        raise InvalidInput(f"{path} is no run of this version.", "Begin anew in another folder.")
    check(model, found, str(path))
    return found


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


def check(model: type[BaseModel], found: Mapping[str, Any], where: str) -> None:
    """See that an object has the model's form.

    Args:
        where: file and line, for the message.

    Raises:
        InvalidInput: it has not; the message has the key.
    """
    if _depth(found) > MOST_DEPTH:
        raise InvalidInput(f"{where}: is nested more than {MOST_DEPTH} deep.", _HINT)
    try:
        model.model_validate(found)
    except ValidationError as error:
        raise InvalidInput(f"{where}: {_problem(error)}.", _HINT) from error


_HINT = "Restore the file, or begin anew in another folder."


def _depth(value: object) -> int:
    """How deep objects and lists lie inside each other, counted as far as it matters."""
    level, depth = [value], 0
    while level and depth <= MOST_DEPTH:
        inside = [one for one in level if isinstance(one, dict | list)]
        level = [child for one in inside for child in (one.values() if isinstance(one, dict) else one)]
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
    said = first["msg"][0].lower() + first["msg"][1:]
    return f"{subject} {said.removeprefix('input ')}"
