"""One community: its card, and the adapter the card names.

    <id>/README.md ──split──> front matter ──validate──> Card ──┐
    <id>/<adapter>.gguf ──adapter_file.check────────────────────┴──> Community(card, folder)

A card is a Hub model card: YAML front matter with the Hub's keys as the Hub spells them and ours under
`plocal:`, then text for people. It has a persona (a system prompt), an adapter (a LoRA), or both. Loading
checks everything that can be known without the base model; `check_base` checks the base. What is wrong with a
card is `InvalidInput`, a missing file `NotFound`, an adapter that is not the one described `Refused`.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pluralism_local.communities.adapter_file import check_adapter, inside
from pluralism_local.communities.plain_text import Line, Text, plain
from pluralism_local.communities.strict_yaml import Strict, parse, read_text, validate
from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.types import LLM_VOICE, Activation, AdapterRef, Message

CARD_FILE = "README.md"
ID_PATTERN = r"^[a-z0-9-]{2,64}$"
QUESTION = "{question}"


def _persona(text: str) -> str:
    """Refuse every brace that is not the literal `{question}`: a persona is text, not a template."""
    rest = text.replace(QUESTION, "")
    at = min((rest.find(brace) for brace in "{}" if brace in rest), default=None)
    if at is not None:
        raise ValueError(
            f"only the literal {QUESTION} is replaced in a persona, found {rest[at : at + 40]!r}; "
            "write it without braces"
        )
    return text


def _of_nobody_else(id: str) -> str:
    """Refuse the main model's name: a conversation keeps what each voice said by its name."""
    if id == LLM_VOICE:
        raise ValueError(
            f"{LLM_VOICE!r} is the name of the main model in every conversation; give the community another id"
        )
    return id


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
    """

    file: Annotated[Text, Field(max_length=120)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    rank: Annotated[int, Field(ge=1, le=4096)]
    alpha: Annotated[float, Field(gt=0)]
    activation: Activation
    scale: Scale = 1.0


class BaseSpec(Strict):
    """The base model that the adapter belongs to; `fingerprint` as of `gguf_file.fingerprint`."""

    model: Line
    fingerprint: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


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


class Limits(Strict):
    """What the community must not be used for, and where it is known to fail."""

    not_for: Texts = ()
    known_failures: Texts = ()


class Evaluation(Strict):
    """A measured figure with the bare base model's figure beside it; `hash` names the run."""

    task: Text
    metric: Text
    value: float
    base: float
    hash: Text | None = None


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


class Block(Strict):
    """The `plocal:` block of a card."""

    schema_version: Literal[1] = Field(alias="schema")
    id: Annotated[Id, AfterValidator(_of_nobody_else)]
    name: Line
    description: Annotated[str, Field(max_length=400), AfterValidator(plain)]
    persona: Annotated[Text, Field(max_length=8000), AfterValidator(_persona)] | None = None
    adapter: AdapterSpec | None = None
    base: BaseSpec | None = None
    prior: Prior | None = None
    provenance: Provenance | None = None
    limits: Limits | None = None
    evaluation: Annotated[tuple[Evaluation, ...], Field(strict=False)] = ()
    judged: Annotated[tuple[JudgedVoice, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.persona is None and self.adapter is None:
            raise ValueError("a card needs a persona, an adapter, or both")
        if self.adapter is not None and self.base is None:
            raise ValueError("a card with an adapter needs 'base' with the fingerprint of its model")
        return self


class Hub(Strict):
    """The Hub's own keys of a model card, as the Hub spells them."""

    license: Text | None = None
    license_name: Text | None = None
    license_link: Text | None = None
    language: OneOrMore = ()
    library_name: Text | None = None
    pipeline_tag: Text | None = None
    tags: Texts = ()
    base_model: OneOrMore = ()
    base_model_relation: Literal["adapter", "finetune", "merge", "quantized"] | None = None
    datasets: OneOrMore = ()
    metrics: Texts = ()
    model_name: Text | None = None
    new_version: Text | None = None
    thumbnail: Text | None = None
    inference: Any = None
    widget: Any = None
    model_index: Any = Field(default=None, alias="model-index")


class Card(Block):
    """A whole card: the `plocal:` block and, under `hub`, the Hub's keys."""

    hub: Hub = Hub()


class _CardFile(Hub):
    plocal: Block


@dataclass(frozen=True)
class Community:
    """A community that can be asked: its card, and the folder that holds it (None: made in memory)."""

    card: Card
    folder: Path | None = None

    @property
    def id(self) -> str:
        return self.card.id

    @property
    def name(self) -> str:
        return self.card.name

    @property
    def description(self) -> str:
        return self.card.description

    @property
    def persona(self) -> str | None:
        """The card's persona as written; `system` puts the question in."""
        return self.card.persona

    @property
    def expert(self) -> str:
        """One line that tells an LLM who this is, for choosing an expert (baseline moe)."""
        return " ".join(self.card.description.split())

    def system(self, question: str) -> str | None:
        """The system message: the persona with `{question}` replaced; None without a persona.

        Nothing else is replaced, and nothing inside `question` is.
        """
        return None if self.card.persona is None else self.card.persona.replace(QUESTION, question)

    def message(self, question: str) -> Message | None:
        """The same as a message; None without a persona or with an empty one."""
        text = self.system(question)
        if not text:
            return None
        recurring = len((self.card.persona or "").partition(QUESTION)[0])
        return Message("system", text, recurring)

    def adapter_ref(self, scale: float | None = None) -> AdapterRef | None:
        """The adapter at `scale`, None meaning the card's own; None for a community without an adapter.

        Raises:
            InvalidInput: a scale for a community that has no adapter, or not a number of -100 to 100.
        """
        spec = self.card.adapter
        if spec is None or self.folder is None:
            if scale is not None:
                raise InvalidInput(
                    f"The community '{self.id}' has no adapter, so the scale {scale:g} means nothing.",
                    f"Give it without a scale: {self.id}.",
                )
            return None
        return AdapterRef(
            path=inside(self.folder, spec.file),
            sha256=spec.sha256,
            scale=spec.scale if scale is None else scale,
            activation=spec.activation,
        )


def made_for(community: Community, fingerprint: str) -> bool:
    """Whether nothing of `community` belongs to another model than the one with this fingerprint."""
    base = community.card.base
    return community.card.adapter is None or base is None or base.fingerprint == fingerprint


def load_community(path: Path, cache: Path | None = None) -> Community:
    """Read and check one card; `path` is its folder or its README.md.

    The digest of its adapter is remembered in the JSON file `cache`, if there is one, while the adapter's size and
    time stay.

    Raises:
        NotFound: no card there, or its adapter's file is missing.
        InvalidInput: the card, or the adapter as a GGUF file, is not valid.
        Refused: the adapter's hash differs from the card's, or the adapter does nothing.
    """
    file = path if path.name == CARD_FILE else path / CARD_FILE
    folder = file.parent
    if folder.is_dir() and not file.exists():
        raise NotFound(f"{folder} has no {CARD_FILE}, so it is no community.", "Give a card's folder.")
    card = _read_card(file)
    if card.id != folder.resolve().name:
        raise InvalidInput(
            f"{file}: the id is '{card.id}' but the folder is '{folder.resolve().name}'.",
            "Give the folder the card's id as its name.",
        )
    if card.adapter is not None:
        check_adapter(
            inside(folder, card.adapter.file),
            sha256=card.adapter.sha256,
            rank=card.adapter.rank,
            alpha=card.adapter.alpha,
            activation=card.adapter.activation,
            cache=cache,
        )
    return Community(card, folder)


def check_base(community: Community, fingerprint: str, *, force: bool = False) -> list[str]:
    """Whether `community`'s adapter belongs to the model with this fingerprint; returns warnings, if any.

    Raises:
        Refused: it belongs to another model. With `force` that is a warning instead.
    """
    base = community.card.base
    if base is None or made_for(community, fingerprint):
        return []
    problem = (
        f"The adapter of '{community.id}' was made for {base.model} "
        f"({base.fingerprint[:19]}…), not for this model ({fingerprint[:19]}…)"
    )
    if force:
        return [f"{problem}; it is used because that was forced."]
    raise Refused(f"{problem}.", f"Use it with {base.model}, or choose another pool.")


def _read_card(file: Path) -> Card:
    text = read_text(file)
    lines = text.splitlines()
    ends = [number for number, line in enumerate(lines) if line.rstrip() == "---"]
    if len(ends) < 2 or ends[0] != 0:
        raise InvalidInput(
            f"{file} has no front matter.", "A card begins with a line '---', YAML, and another line '---'."
        )
    data = parse("\n".join(lines[1 : ends[1]]), file, first_line=2)
    if not isinstance(data, dict) or "plocal" not in data:
        raise InvalidInput(
            f"{file} has no 'plocal' block, so it is no community card.", _example(lines[1 : ends[1]])
        )
    whole = validate(_CardFile, data, file)
    hub = Hub(**{name: value for name, value in whole if name != "plocal"})
    return Card(**dict(whole.plocal), hub=hub)


def _example(lines: Sequence[str]) -> str:
    indented = any(line.strip().startswith("plocal:") for line in lines)
    return "Begin 'plocal:' at the start of its line." if indented else "See adapters/README.md for the form."
