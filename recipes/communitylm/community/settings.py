"""A community's training configuration.

recipes/configs/<id>.toml ──read_settings(path, overrides)──> CommunitySettings(values, origins)
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from communitylm.training.configuration import (
    LoraPart,
    Part,
    Settings,
    SteppingPart,
    TrainingValues,
    flat,
    read_values,
)
from pluralism_local.communities.card_parts import ID_PATTERN
from pluralism_local.errors import InvalidInput

HELD_OUT = 0.1
"""Share of a corpus that neither says which passages are held out nor has a configuration that does."""


class CorpusPart(Part):
    """The community's passages.

    Attributes:
        file: JSONL, relative to the configuration's folder.
        about, licence: what it is and its terms, for the card.
        held_out: share of passages kept for evaluation, in (0, 0.5]; whole speakers, else whole documents. A corpus
            of prepare.py says itself which those are; elsewhere a tenth where nothing is given.
        keep: share of the other passages to train on, those with the highest view first, in (0, 1].
        evenly: train on passages of all speakers in turn (`split.evenly`), as many as `training.tokens` asks for, so
            that who wrote the most is not heard the most; else on a random part of them.
        mix: JSONL of further passages to train on, e.g. what distil_comments.py wrote; relative to the configuration's
            folder. None of them is held out.
        mix_share: of all passages that are trained on, in (0, 1); those of `mix` are repeated or left out to fit.
    """

    file: str
    about: str = "texts of the community"
    licence: str = "unknown"
    held_out: Annotated[float, Field(gt=0, le=0.5)] | None = None
    keep: Annotated[float, Field(gt=0, le=1)] = 1.0
    evenly: bool = False
    mix: str | None = None
    mix_share: Annotated[float, Field(gt=0, lt=1)] = 0.5


class CommunityLoraPart(LoraPart):
    """A community's LoRA.

    Attributes:
        form: see `examples`.
        start: a finished run, or a PEFT folder, to go on from; relative to the configuration's folder. What two
            communities trained together share is the folder ``shared`` of their runs.
    """

    form: Literal["activated", "causal"] = "activated"
    rank: Annotated[int, Field(ge=1, le=256)] = 4
    alpha: Annotated[float, Field(gt=0)] = 8.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    rslora: bool = False
    start: str | None = None


class CommunityTrainingPart(SteppingPart):
    """How it is trained.

    Attributes:
        tokens: tokens with a loss to train on in all, passes over the corpus repeated as needed; 0: `passes` decides.
        passes: over the corpus, where `tokens` is 0.
        accumulate: forward passes per step.
        together: the configuration of another community, which names this one in turn: the two are trained in one
            run that makes both (see the module `together`), each on `tokens` of its text, with half of each batch; they
            differ in nothing but id, names and corpus. Relative to the configuration's folder.
        apart: with `together`, the rate of what sets the two apart, as a share of `rate`.
        longest: tokens of an example at most; longer passages are cut at the end of a token.
        block: tokens of a block, in the causal form.
        evaluate: tokens of held-out text to evaluate before and after.
    """

    tokens: Annotated[int, Field(ge=0)] = 200_000
    passes: Annotated[int, Field(ge=1)] = 1
    batch: Annotated[int, Field(ge=1)] = 8
    accumulate: Annotated[int, Field(ge=1)] = 1
    together: str | None = None
    apart: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    longest: Annotated[int, Field(ge=16)] = 256
    block: Annotated[int, Field(ge=16)] = 128
    evaluate: Annotated[int, Field(ge=1)] = 4_000


class ContrastPart(Part):
    """Pairs to train on instead of the corpus, which then is what the run is evaluated on; see `contrast`.

    Attributes:
        pairs: JSONL of make_pairs.py, relative to the configuration's folder.
        beta: how far the adapter may leave its start, per nat.
        anchor: weight of the chosen text's own loss, per token.
    """

    pairs: str
    beta: Annotated[float, Field(gt=0, le=10)] = 0.1
    anchor: Annotated[float, Field(ge=0, le=10)] = 0.3


class CommunityValues(TrainingValues):
    """A whole configuration. `opposites`: communities whose adapters should do worse on this one's text."""

    id: Annotated[str, Field(pattern=ID_PATTERN)]
    name: str | None = None
    description: str | None = None
    opposites: tuple[str, ...] = ()
    corpus: CorpusPart
    adapter: CommunityLoraPart = CommunityLoraPart()
    training: CommunityTrainingPart = CommunityTrainingPart()
    contrast: ContrastPart | None = None

    @model_validator(mode="after")
    def _contrast_is_of_one_community(self) -> CommunityValues:
        if self.contrast is not None:
            if self.training.together:
                raise ValueError("contrast trains one community; leave training.together away")
            if self.adapter.form != "activated":
                raise ValueError('contrast needs adapter.form = "activated", which answers questions')
            if self.training.batch % 2:
                raise ValueError("contrast needs an even training.batch, for both texts of each pair")
        return self

    @model_validator(mode="after")
    def _both_have_half_a_batch(self) -> CommunityValues:
        if self.training.together and self.training.batch % 2:
            raise ValueError("training.together needs an even training.batch, half of it for each side")
        return self


class CommunitySettings(Settings[CommunityValues]):
    """A community's configuration."""

    def __init__(
        self, path: Path, values: CommunityValues, origins: Mapping[str, str], overrides: Sequence[str] = ()
    ) -> None:
        super().__init__(path, values, origins)
        self._overrides = overrides

    @property
    def id(self) -> str:
        """The community's id."""
        return self.values.id

    @property
    def corpus_file(self) -> Path:
        """The corpus, as found from the configuration's folder."""
        return self.beside(self.values.corpus.file)

    @property
    def further_files(self) -> list[Path]:
        """What is trained on beside or instead of the corpus: `corpus.mix`, `contrast.pairs`."""
        contrast = self.values.contrast
        named = (self.values.corpus.mix, contrast.pairs if contrast else None)
        return [self.beside(file) for file in named if file is not None]

    def partner(self) -> CommunitySettings | None:
        """The configuration of `training.together`, with this one's overrides of how both are trained; None without.

        Raises:
            NotFound, InvalidInput: as `read_settings`; it does not name this one, or is trained otherwise.
        """
        named = self.values.training.together
        if named is None:
            return None
        common = [text for text in self._overrides if text.startswith(("base.", "adapter.", "training."))]
        other = read_settings(self.beside(named), [text for text in common if "together" not in text])
        back = other.values.training.together
        if back is None or other.beside(back).resolve() != self.path.resolve():
            raise InvalidInput(
                f"{self.path.name} is trained together with {other.path.name}, which does not name it in turn.",
                f'Set training.together = "{self.path.name}" in {other.path}.',
            )
        mine, theirs = (dict(flat(side.values.model_dump())) for side in (self, other))
        for key in mine:
            alike = key.startswith(("base.", "adapter.", "training.")) and key != "training.together"
            if alike and mine[key] != theirs[key]:
                raise InvalidInput(
                    f"{key} is {mine[key]} in {self.path.name} and {theirs[key]} in {other.path.name}.",
                    "Communities that are trained together are trained alike; make them equal.",
                )
        return other


def read_settings(path: Path, overrides: Sequence[str] = ()) -> CommunitySettings:
    """Read and check a community's configuration.

    Args:
        overrides: ``"training.rate=5e-4"``; the value is TOML, or a plain text.

    Raises:
        NotFound, InvalidInput: as `read_values`.
    """
    values, origins = read_values(
        path, overrides, CommunityValues, examples="the examples in recipes/configs/"
    )
    return CommunitySettings(path, values, origins, overrides)


def starting_config(community: str, corpus: Path, folder: Path) -> str:
    """A configuration to look through, for a community that has none; the corpus is named relative to `folder`."""
    named = Path(os.path.relpath(corpus, folder)).as_posix()
    return f'''# How the adapter of "{community}" is trained; recipes/README.md explains every key.
id = "{community}"
name = "{community.replace("-", " ").capitalize()}"
description = "Say in one sentence who speaks here."

[base]
model = "starter"                # or a .gguf file, a checkpoint's folder, a Hub id

[corpus]
file = "{named}"
about = "Say what these texts are and where they come from."
licence = "unknown"              # the texts' terms, for the card

[adapter]
form = "activated"               # acts from the answer on, so all communities share the question; or "causal"
rank = 4
alpha = 8

[training]
tokens = 50_000                  # some minutes on two cores; more is better
rate = 1e-3
seed = 0
'''
