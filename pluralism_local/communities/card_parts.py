"""The parts of a card: adapter, base, share, origin, limits and figures, each refused by name where it is not valid."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from pluralism_local.communities.plain_text import Line, Text
from pluralism_local.communities.strict_yaml import Strict
from pluralism_local.types import Activation

ID_PATTERN = r"^[a-z0-9-]{2,64}$"


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Texts = Annotated[tuple[Text, ...], Field(strict=False)]
OneOrMore = Annotated[tuple[Text, ...], Field(strict=False), BeforeValidator(_as_tuple)]
Id = Annotated[str, Field(pattern=ID_PATTERN)]
Scale = Annotated[float, Field(ge=-100, le=100)]


class AdapterSpec(Strict):
    """The LoRA of a community.

    Attributes:
        file: path inside the card's folder.
        sha256: hex digest of that file.
        rank: rows of A, as in the file.
        alpha: as in the file; the update is B·A·alpha/rank·scale.
        activation: see `types.AdapterRef`.
        scale: the strength recommended by the card.
        beside_persona: whether it was trained behind the card's persona; the community then speaks through both, and
            through the adapter alone otherwise.
    """

    file: Annotated[Text, Field(max_length=120)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    rank: Annotated[int, Field(ge=1, le=4096)]
    alpha: Annotated[float, Field(gt=0)]
    activation: Activation
    scale: Scale = 1.0
    beside_persona: bool = False

    @property
    def summary(self) -> str:
        """``night-shift.gguf, scale 1, assistant``, and whether it stands beside the persona."""
        beside = ", beside the persona" if self.beside_persona else ""
        return f"{self.file}, scale {self.scale:g}, {self.activation}{beside}"


class BaseSpec(Strict):
    """The base model that the adapter belongs to.

    Attributes:
        model: its name.
        fingerprint: as of `gguf_header.fingerprint`; None until a GGUF of the base was here: then the base is known by
            its name, and by the shapes of the layers that the adapter changes.
    """

    model: Line
    fingerprint: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None


class Prior(Strict):
    """The community's share, in (0, 1], of a named population, with the source of the figure."""

    weight: Annotated[float, Field(gt=0, le=1)]
    of: Text
    source: Text
    year: Annotated[int, Field(ge=1900, le=2100)] | None = None


class Provenance(Strict):
    """What the adapter was trained on and how."""

    corpus: Text
    licence: Text
    documents: Annotated[int, Field(ge=0)] | None = None
    tokens: Annotated[int, Field(ge=0)] | None = None
    recipe: Text | None = None
    seed: Annotated[int, Field(ge=0)] | None = None
    date: datetime.date | None = None


class AdapterSource(Strict):
    """Where an adapter came from that was trained elsewhere.

    Attributes:
        place: ``hf:user/repo``, or the folder.
        revision: the commit of a repository.
        config_sha256, weights_sha256: of PEFT's own files, which were converted.
    """

    place: Line
    revision: Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")] | None = None
    config_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    weights_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class CardLimits(Strict):
    """What the community must not be used for, and where it is known to fail."""

    not_for: Texts = ()
    known_failures: Texts = ()


class CardEvaluation(Strict):
    """A measured figure with the bare base model's figure beside it; `hash` names the run."""

    task: Text
    metric: Text
    value: float
    base: float
    hash: Text | None = None


class FurtherAdapter(AdapterSpec):
    """An adapter of the same community for a further base, with its own account; keys as `AdapterSpec` and these."""

    base: BaseSpec
    provenance: Provenance | None = None
    evaluation: Annotated[tuple[CardEvaluation, ...], Field(strict=False)] = ()


Share = Annotated[float, Field(ge=0, le=1)]


class JudgedVoice(Strict):
    """What `plocal communities judge` found of this community's comments through one model.

    Attributes:
        model: that it spoke through; `form` says through what of the card.
        judge: the model that read the comments.
        questions: how many were asked.
        on_topic, repeats, invents, ends: shares of the comments, as `plocal communities judge --help` says.
        words: mean length of a comment.
        opposite: the community on the other side of its register; None without one.
        agrees: share of the questions with a known direction on which the two differ in it; .5 is chance.
    """

    model: Line
    form: Literal["adapter", "persona"]
    judge: Line
    questions: Annotated[int, Field(ge=1)]
    on_topic: Share
    repeats: Share
    invents: Share
    ends: Share | None = None
    words: Annotated[float, Field(ge=0)]
    opposite: Id | None = None
    agrees: Share | None = None
    date: datetime.date | None = None
