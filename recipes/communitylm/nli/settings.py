"""The configuration of an NLI training.

recipes/nli.toml ──read_nli_settings(path, overrides)──> NliSettings(values, origins)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from communitylm.training.configuration import (
    LoraPart,
    Part,
    Settings,
    SteppingPart,
    TrainingValues,
    read_values,
)
from pluralism_local.errors import InvalidInput, did_you_mean


class PairsPart(Part):
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


class NliLoraPart(LoraPart):
    """The LoRA: plain, so it acts on the whole prompt."""

    rank: Annotated[int, Field(ge=1, le=256)] = 8
    alpha: Annotated[float, Field(gt=0)] = 16.0


class NliTrainingPart(SteppingPart):
    """How it is trained.

    Attributes:
        passes: over the pairs.
        pairs: to train on in all, passes repeated as needed; 0: `passes` decides.
        batch: pairs per step.
        longest: tokens of a prompt at most; longer pairs are left out, and counted.
        evaluate: held-out pairs to evaluate before and after.
    """

    passes: Annotated[int, Field(ge=1)] = 2
    pairs: Annotated[int, Field(ge=0)] = 0
    batch: Annotated[int, Field(ge=1)] = 16
    longest: Annotated[int, Field(ge=64)] = 192
    evaluate: Annotated[int, Field(ge=1)] = 1_000


class NliValues(TrainingValues):
    """A whole configuration."""

    pairs: PairsPart
    adapter: NliLoraPart = NliLoraPart()
    training: NliTrainingPart = NliTrainingPart()


class NliSettings(Settings[NliValues]):
    """An NLI training's configuration."""

    def files(self, names: Sequence[str]) -> list[Path]:
        """Files of pairs, in `pairs.folder`."""
        return [self.beside(self.values.pairs.folder) / name for name in names]


def read_nli_settings(path: Path, overrides: Sequence[str] = ()) -> NliSettings:
    """Read and check the configuration of an NLI training.

    Args:
        overrides: ``"training.rate=5e-4"``; the value is TOML, or a plain text.

    Raises:
        NotFound, InvalidInput: as `read_values`; `pairs.repeat` names a file that is not trained on.
    """
    values, origins = read_values(path, overrides, NliValues, examples="recipes/nli.toml")
    for name in values.pairs.repeat:
        if name not in values.pairs.files:
            raise InvalidInput(
                f"{path}: pairs.repeat names {name}, which is not among pairs.files.",
                did_you_mean(name, values.pairs.files),
            )
    return NliSettings(path, values, origins)
