"""A community's training configuration: TOML in, checked values out, each with where it came from.

    recipes/configs/<id>.toml ──read_settings(path, overrides)──> Settings(values, origins)

A value comes from the command line (``--set training.rate=5e-4``), the file, or the default written here. Unknown
keys are refused with the nearest known one.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pluralism_local.communities.card_parts import ID_PATTERN
from pluralism_local.errors import InvalidInput, NotFound, did_you_mean

HELD_OUT = 0.1
"""Share of a corpus that neither says which passages are held out nor has a configuration that does."""

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BaseModelPart(_Part):
    """What is adapted.

    Attributes:
        model: ``"starter"``, a ``.gguf`` file, a checkpoint's folder, or a Hub id (downloaded by transformers).
    """

    model: str = "starter"


class CorpusPart(_Part):
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


class AdapterPart(_Part):
    """The LoRA.

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
    targets: tuple[str, ...] = PROJECTIONS


class TrainingPart(_Part):
    """How it is trained.

    Attributes:
        tokens: tokens with a loss to train on in all, passes over the corpus repeated as needed; 0: `passes` decides.
        passes: over the corpus, where `tokens` is 0.
        batch, accumulate: examples per forward pass, and forward passes per step.
        rate, warmup, schedule, weight_decay, clip: of AdamW; `warmup` is a share of the steps.
        together: the configuration of another community, which names this one in turn: the two are trained in one
            run that makes both (see `pair`), each on `tokens` of its text, with half of each batch; they differ in
            nothing but id, names and corpus. Relative to the configuration's folder.
        apart: with `together`, the rate of what sets the two apart, as a share of `rate`.
        longest: tokens of an example at most; longer passages are cut at the end of a token.
        block: tokens of a block, in the causal form.
        seed: of everything random.
        device, precision: ``"auto"`` takes CUDA, else Apple's GPU, else the CPU; bf16 where the hardware has it.
        checkpoint: steps between checkpoints.
        evaluate: tokens of held-out text to evaluate before and after.
    """

    tokens: Annotated[int, Field(ge=0)] = 200_000
    passes: Annotated[int, Field(ge=1)] = 1
    batch: Annotated[int, Field(ge=1)] = 8
    accumulate: Annotated[int, Field(ge=1)] = 1
    rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip: Annotated[float, Field(gt=0)] = 1.0
    together: str | None = None
    apart: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    longest: Annotated[int, Field(ge=16)] = 256
    block: Annotated[int, Field(ge=16)] = 128
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    device: Literal["auto", "cuda", "mps", "cpu"] = "auto"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    checkpoint: Annotated[int, Field(ge=1)] = 50
    evaluate: Annotated[int, Field(ge=1)] = 4_000


class ContrastPart(_Part):
    """Pairs to train on instead of the corpus, which then is what the run is evaluated on; see `contrast`.

    Attributes:
        pairs: JSONL of make_pairs.py, relative to the configuration's folder.
        beta: how far the adapter may leave its start, per nat.
        anchor: weight of the chosen text's own loss, per token.
    """

    pairs: str
    beta: Annotated[float, Field(gt=0, le=10)] = 0.1
    anchor: Annotated[float, Field(ge=0, le=10)] = 0.3


class Values(_Part):
    """A whole configuration. `opposites`: communities whose adapters should do worse on this one's text."""

    id: Annotated[str, Field(pattern=ID_PATTERN)]
    name: str | None = None
    description: str | None = None
    opposites: tuple[str, ...] = ()
    base: BaseModelPart = BaseModelPart()
    corpus: CorpusPart
    adapter: AdapterPart = AdapterPart()
    training: TrainingPart = TrainingPart()
    contrast: ContrastPart | None = None

    @model_validator(mode="after")
    def _contrast_is_of_one_community(self) -> Values:
        if self.contrast is not None:
            if self.training.together:
                raise ValueError("contrast trains one community; leave training.together away")
            if self.adapter.form != "activated":
                raise ValueError('contrast needs adapter.form = "activated", which answers questions')
            if self.training.batch % 2:
                raise ValueError("contrast needs an even training.batch, for both texts of each pair")
        return self

    @model_validator(mode="after")
    def _both_have_half_a_batch(self) -> Values:
        if self.training.together and self.training.batch % 2:
            raise ValueError("training.together needs an even training.batch, half of it for each side")
        return self


class Settings:
    """Checked values, and where each came from.

    Attributes:
        path: the configuration file.
        values: see `Values`.
    """

    def __init__(
        self, path: Path, values: Values, given: dict[str, str], overrides: Sequence[str] = ()
    ) -> None:
        self.path, self.values, self._given, self._overrides = path, values, given, overrides

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

    def partner(self) -> Settings | None:
        """The configuration of `training.together`, with this one's overrides of how both are trained; None without.

        Raises:
            NotFound, InvalidInput: as `read_settings`; it does not name this one, or is trained otherwise.
        """
        named = self.values.training.together
        if named is None:
            return None
        common = [text for text in self._overrides if text.startswith(("base.", "adapter.", "training."))]
        other = read_settings(self.beside(named), [one for one in common if "together" not in one])
        back = other.values.training.together
        if back is None or other.beside(back).resolve() != self.path.resolve():
            raise InvalidInput(
                f"{self.path.name} is trained together with {other.path.name}, which does not name it in turn.",
                f'Set training.together = "{self.path.name}" in {other.path}.',
            )
        mine, theirs = (dict(flat(one.values.model_dump())) for one in (self, other))
        for key in mine:
            alike = key.startswith(("base.", "adapter.", "training.")) and key != "training.together"
            if alike and mine[key] != theirs[key]:
                raise InvalidInput(
                    f"{key} is {mine[key]} in {self.path.name} and {theirs[key]} in {other.path.name}.",
                    "Communities that are trained together are trained alike; make them equal.",
                )
        return other

    def beside(self, file: str) -> Path:
        """A path as the configuration means it."""
        return self.path.parent / Path(file).expanduser()

    def rows(self) -> Iterator[tuple[str, str, str]]:
        """(key, value, origin) of every value; the origin is ``"default"``, the file's name or ``"--set"``."""
        for key, value in flat(self.values.model_dump()):
            yield key, str(value), self._given.get(key, "default")


def read_settings(path: Path, overrides: Sequence[str] = ()) -> Settings:
    """Read and check a configuration.

    Args:
        overrides: ``"training.rate=5e-4"``; the value is TOML, or a plain text.

    Raises:
        NotFound: no such file. InvalidInput: not TOML, an unknown key, or a value out of range.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        near = did_you_mean(path.stem, [file.stem for file in path.parent.glob("*.toml")])
        raise NotFound(
            f"There is no configuration {path}.", near or "recipes/configs/ holds the shipped ones."
        ) from None
    except (OSError, ValueError) as error:
        raise InvalidInput(
            f"{path} is not a TOML file: {error}.", "See recipes/configs/ for examples."
        ) from error
    given = {key: path.name for key, _ in flat(data)}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise InvalidInput(f"--set {override} has no value.", "Write --set training.tokens=100000.")
        put(data, key.strip(), toml_value(text.strip()))
        given[key.strip()] = "--set"
    try:
        return Settings(path, Values.model_validate(data), given, overrides)
    except ValidationError as error:
        raise _explain(path, error) from error


def starting_config(community: str, corpus: Path, folder: Path) -> str:
    """A configuration to look through, for a community that has none; the corpus is named relative to `folder`."""
    shown = Path(os.path.relpath(corpus, folder)).as_posix()
    return f'''# How the adapter of "{community}" is trained; recipes/README.md explains every key.
id = "{community}"
name = "{community.replace("-", " ").capitalize()}"
description = "Say in one sentence who speaks here."

[base]
model = "starter"                # or a .gguf file, a checkpoint's folder, a Hub id

[corpus]
file = "{shown}"
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


def flat(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted key, value) of every leaf of nested tables."""
    for key, value in data.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def put(data: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key, making the tables above it."""
    *parents, last = key.split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
    data[last] = value


def toml_value(text: str) -> Any:
    """A value as TOML writes it, else the text itself."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(path: Path, error: ValidationError) -> InvalidInput:
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        known = [
            key for key, _ in flat(Values.model_construct(id="x", corpus=CorpusPart(file="")).model_dump())
        ]
        return InvalidInput(f"{path}: there is no setting '{where}'.", did_you_mean(where, known))
    if first["type"] == "missing":
        return InvalidInput(f"{path}: '{where}' is missing.", "See recipes/configs/ for examples.")
    if first["type"] == "value_error":
        return InvalidInput(f"{path}: {first['msg'].removeprefix('Value error, ')}.", "Correct it there.")
    return InvalidInput(
        f"{path}: {where}: {first['msg'].lower()}, got {first['input']!r}.", "Correct it there."
    )
