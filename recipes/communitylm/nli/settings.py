"""The configuration of an NLI training: TOML in, checked values out, each with where it came from.

    recipes/nli.toml ──read_nli_settings(path, overrides)──> NliSettings(values, origins)

As `settings` does for communities: a value comes from the command line (``--set training.rate=5e-4``), the file, or the
default written here; unknown keys are refused with the nearest known one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from communitylm.community.settings import PROJECTIONS, BaseModelPart, flat, put, toml_value
from pluralism_local.errors import InvalidInput, NotFound, did_you_mean

EXAMPLE = "recipes/nli.toml"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PairsPart(_Part):
    """The labelled pairs.

    Attributes:
        folder: where the files are, relative to the configuration's folder.
        files: to train on; formats as `pluralism_local.evaluation.nli.data`.
        apart: files that the adapter will be checked on: no pair whose premise occurs there is trained on.
        repeat: how often a pass goes over a file's pairs, for the few that are most like those of use; 1 if not named.
        held_out: share of the premises, with all their pairs, kept for evaluation; in (0, 0.5].
        balance: as many pairs of every label, the surplus left out at random.
        about, licence: what they are and their terms, for the adapter's facts.
    """

    folder: str = "."
    files: Annotated[tuple[str, ...], Field(min_length=1)]
    apart: tuple[str, ...] = ()
    repeat: dict[str, Annotated[int, Field(ge=1)]] = Field(default_factory=dict)
    held_out: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    balance: bool = True
    about: str = "pairs of a premise and a hypothesis"
    licence: str = "unknown"


class AdapterPart(_Part):
    """The LoRA: plain, so it acts on the whole prompt."""

    rank: Annotated[int, Field(ge=1, le=256)] = 8
    alpha: Annotated[float, Field(gt=0)] = 16.0
    targets: tuple[str, ...] = PROJECTIONS


class TrainingPart(_Part):
    """How it is trained.

    Attributes:
        passes: over the pairs.
        pairs: to train on in all, passes repeated as needed; 0: `passes` decides.
        batch: pairs per step.
        rate, warmup, schedule, weight_decay, clip: of AdamW; `warmup` is a share of the steps.
        longest: tokens of a prompt at most; longer pairs are left out, and counted.
        seed: of everything random.
        device, precision: ``"auto"`` takes CUDA, else Apple's GPU, else the CPU; bf16 where the hardware has it.
        checkpoint: steps between checkpoints.
        evaluate: held-out pairs to evaluate before and after.
    """

    passes: Annotated[int, Field(ge=1)] = 2
    pairs: Annotated[int, Field(ge=0)] = 0
    batch: Annotated[int, Field(ge=1)] = 16
    rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip: Annotated[float, Field(gt=0)] = 1.0
    longest: Annotated[int, Field(ge=64)] = 192
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    checkpoint: Annotated[int, Field(ge=1)] = 50
    evaluate: Annotated[int, Field(ge=1)] = 1_000


class NliValues(_Part):
    """A whole configuration."""

    base: BaseModelPart = BaseModelPart()
    pairs: PairsPart
    adapter: AdapterPart = AdapterPart()
    training: TrainingPart = TrainingPart()


class NliSettings:
    """Checked values, and where each came from.

    Attributes:
        path: the configuration file.
        values: see `NliValues`.
    """

    def __init__(self, path: Path, values: NliValues, given: dict[str, str]) -> None:
        self.path, self.values, self._given = path, values, given

    def files(self, names: Sequence[str]) -> list[Path]:
        """Files of pairs, as found from the configuration's folder."""
        folder = self.path.parent / Path(self.values.pairs.folder).expanduser()
        return [folder / name for name in names]

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """(key, value, origin) of every value; the origin is ``"default"``, the file's name or ``"--set"``."""
        for key, value in flat(self.values.model_dump()):
            yield key, str(value), self._given.get(key, "default")


def read_nli_settings(path: Path, overrides: Sequence[str] = ()) -> NliSettings:
    """Read and check a configuration.

    Args:
        overrides: ``"training.rate=5e-4"``; the value is TOML, or a plain text.

    Raises:
        NotFound: no such file. InvalidInput: not TOML, an unknown key, or a value out of range.
    """
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise NotFound(f"There is no configuration {path}.", f"{EXAMPLE} is the shipped one.") from None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path} is not a TOML file: {error}.", f"See {EXAMPLE}.") from error
    given = {key: path.name for key, _ in flat(data)}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise InvalidInput(f"--set {override} has no value.", "Write --set training.pairs=10000.")
        put(data, key.strip(), toml_value(text.strip()))
        given[key.strip()] = "--set"
    try:
        values = NliValues.model_validate(data)
    except ValidationError as error:
        raise _explained(path, error) from error
    for name in values.pairs.repeat:
        if name not in values.pairs.files:
            raise InvalidInput(
                f"{path}: pairs.repeat names {name}, which is not among pairs.files.",
                did_you_mean(name, values.pairs.files),
            )
    return NliSettings(path, values, given)


def _explained(path: Path, error: ValidationError) -> InvalidInput:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        known = [key for key, _ in flat(NliValues(pairs=PairsPart(files=("x",))).model_dump())]
        return InvalidInput(f"{path}: there is no setting '{where}'.", did_you_mean(where, known))
    if first["type"] == "missing":
        return InvalidInput(f"{path}: '{where}' is missing.", f"See {EXAMPLE}.")
    return InvalidInput(
        f"{path}: {where}: {first['msg'].lower()}, got {first['input']!r}.", "Correct it there."
    )
