"""A training's configuration: TOML in, checked values out, each with where it came from.

    file.toml ──read_values(path, overrides, kind)──> (values, origins) ──Settings──> paths, rows for a record

A value comes from the command line (``--set training.rate=5e-4``), the file, or the default written in its class.
Unknown keys are refused with the nearest known one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pluralism_local.errors import InvalidInput, NotFound, did_you_mean

CONFIGS = "configs"
"""The folder of configurations; one for another base than the starter is in a folder of that base."""

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class Part(BaseModel):
    """A table of a configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BasePart(Part):
    """What is adapted.

    Attributes:
        model: ``"starter"``, a ``.gguf`` file, a checkpoint's folder, or a Hub id (downloaded by transformers).
    """

    model: str = "starter"


class LoraPart(Part):
    """The LoRA's shape.

    Attributes:
        targets: names of the linear layers that it changes.
    """

    rank: Annotated[int, Field(ge=1, le=256)]
    alpha: Annotated[float, Field(gt=0)]
    targets: tuple[str, ...] = PROJECTIONS


class SteppingPart(Part):
    """How weights are stepped, whatever is learned.

    Attributes:
        batch: examples per forward pass.
        rate, warmup, schedule, weight_decay, clip: of AdamW; `warmup` is a share of the steps.
        seed: of everything random.
        device, precision: ``"auto"`` takes CUDA, else Apple's GPU, else the CPU; bf16 where the hardware has it.
        checkpoint: steps between checkpoints.
    """

    batch: Annotated[int, Field(ge=1)]
    rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip: Annotated[float, Field(gt=0)] = 1.0
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    checkpoint: Annotated[int, Field(ge=1)] = 50


class TrainingValues(Part):
    """What every training's configuration has."""

    base: BasePart = BasePart()
    adapter: LoraPart
    training: SteppingPart


Values = TypeVar("Values", bound=TrainingValues, covariant=True)


class Settings(Generic[Values]):
    """Checked values, and where each came from.

    Attributes:
        path: the configuration file.
        values: of the class that it was read as.
    """

    def __init__(self, path: Path, values: Values, origins: Mapping[str, str]) -> None:
        self.path, self.values, self._origins = path, values, origins

    @property
    def recipe(self) -> str:
        """Where the configuration stands among the recipes, for the card."""
        _, inside, place = self.path.resolve().as_posix().rpartition(f"/{CONFIGS}/")
        return f"recipes/{CONFIGS}/{place if inside else self.path.name}"

    def beside(self, file: str) -> Path:
        """A path as the configuration means it: relative to its folder."""
        return self.path.parent / Path(file).expanduser()

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """(key, value, origin) of every value; the origin is ``"default"``, the file's name or ``"--set"``."""
        for key, value in flat(self.values.model_dump()):
            yield key, str(value), self._origins.get(key, "default")


Kind = TypeVar("Kind", bound=TrainingValues)


def read_values(
    path: Path, overrides: Sequence[str], kind: type[Kind], *, examples: str
) -> tuple[Kind, dict[str, str]]:
    """Read and check a configuration; its values, and the origin of each that is no default.

    Args:
        overrides: ``"training.rate=5e-4"``; the value is TOML, or a plain text.
        examples: where shipped configurations are, for hints.

    Raises:
        NotFound: no such file. InvalidInput: not TOML, an unknown key, or a value out of range.
    """
    see = f"See {examples}."
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        near = did_you_mean(path.stem, [file.stem for file in path.parent.glob("*.toml")])
        raise NotFound(f"There is no configuration {path}.", near or see) from None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} is not a TOML file: {error}.", see) from error
    origins = {key: path.name for key, _ in flat(data)}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise InvalidInput(f"--set {override} has no value.", "Write --set training.rate=5e-4.")
        _put(data, key.strip(), _toml_value(text.strip()))
        origins[key.strip()] = "--set"
    try:
        return kind.model_validate(data), origins
    except ValidationError as error:
        raise _explained(path, error, kind, see) from error


def flat(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf of nested tables."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key, making the tables above it."""
    *parents, last = key.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
    data[last] = value


def _toml_value(text: str) -> Any:
    """A value as TOML writes it, else the text itself."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _keys(part: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every dotted key that a configuration may have."""
    for name, field in part.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        table = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Part)), None)
        if table is None:
            yield f"{prefix}{name}"
        else:
            yield from _keys(table, f"{prefix}{name}.")


def _explained(path: Path, error: ValidationError, kind: type[TrainingValues], see: str) -> InvalidInput:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return InvalidInput(f"{path}: there is no setting '{where}'.", did_you_mean(where, _keys(kind)))
    if first["type"] == "missing":
        return InvalidInput(f"{path}: '{where}' is missing.", see)
    if first["type"] == "value_error":
        return InvalidInput(f"{path}: {first['msg'].removeprefix('Value error, ')}.", "Correct it there.")
    return InvalidInput(
        f"{path}: {where}: {first['msg'].lower()}, got {first['input']!r}.", "Correct it there."
    )
