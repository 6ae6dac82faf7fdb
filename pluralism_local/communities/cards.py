"""One community: its card, and the adapter the card names.

    <id>/README.md ──split──> front matter ──validate──> Card ──┐
    <id>/<adapter>.gguf ──adapter_file.check_adapter────────────┴──> Community(card, folder, adapter files)

A card is a Hub model card: YAML front matter with the Hub's keys as the Hub spells them and ours under
`plocal:`, then text for people. It has a persona (a system prompt), an adapter (a LoRA), or both. Its first
adapter and base stand under `adapter` and `base`, those for further bases under `adapters`; the fingerprint of
the model that runs chooses among them (`Community.for_base`). Loading checks everything that can be known
without the base model; `check_base` checks the base. What is wrong with a card is `InvalidInput`, a missing
file `NotFound`, an adapter that is not the one described `Refused`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pluralism_local.communities.adapter_file import AdapterFile, check_adapter, inside
from pluralism_local.communities.card_parts import (
    AdapterSource,
    AdapterSpec,
    BaseSpec,
    CardEvaluation,
    CardLimits,
    FurtherAdapter,
    Id,
    JudgedVoice,
    OneOrMore,
    Prior,
    Provenance,
    Texts,
)
from pluralism_local.communities.plain_text import Line, Text, plain
from pluralism_local.communities.strict_yaml import Strict, parse, read_text, validate
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.results import LLM_VOICE
from pluralism_local.types import AdapterRef, Message

CARD_FILE = "README.md"
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


class CardBlock(Strict):
    """The `plocal:` block of a card."""

    schema_version: Literal[1] = Field(alias="schema")
    id: Annotated[Id, AfterValidator(_of_nobody_else)]
    name: Line
    description: Annotated[str, Field(max_length=400), AfterValidator(plain)]
    persona: Annotated[Text, Field(max_length=8000), AfterValidator(_persona)] | None = None
    adapter: AdapterSpec | None = None
    base: BaseSpec | None = None
    adapters: Annotated[tuple[FurtherAdapter, ...], Field(strict=False)] = ()
    prior: Prior | None = None
    provenance: Provenance | None = None
    source: AdapterSource | None = None
    limits: CardLimits | None = None
    evaluation: Annotated[tuple[CardEvaluation, ...], Field(strict=False)] = ()
    judged: Annotated[tuple[JudgedVoice, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.persona is None and self.adapter is None:
            raise ValueError("a card needs a persona, an adapter, or both")
        if self.adapter is not None and self.base is None:
            raise ValueError("a card with an adapter needs 'base' with the fingerprint of its model")
        if self.adapters and self.adapter is None:
            raise ValueError(
                "the first adapter of a card stands under 'adapter' and 'base', others under 'adapters'"
            )
        pairs = self.every_adapter
        if self.persona is None and any(spec.beside_persona for spec, _ in pairs):
            raise ValueError("an adapter with 'beside_persona' needs the persona that it was trained behind")
        if len({base.fingerprint or base.model for _, base in pairs}) < len(pairs):
            raise ValueError("two adapters of the card are for the same base; a base has one adapter")
        if len({spec.file for spec, _ in pairs}) < len(pairs):
            raise ValueError("two adapters of the card have the same file; each base has its own")
        return self

    @property
    def every_adapter(self) -> tuple[tuple[AdapterSpec, BaseSpec], ...]:
        """Each adapter with its base, the card's first one first; empty without any."""
        first = () if self.adapter is None or self.base is None else ((self.adapter, self.base),)
        return (*first, *((spec, spec.base) for spec in self.adapters))


class HubMetadata(Strict):
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


class Card(CardBlock):
    """A whole card: the `plocal:` block and, under `hub`, the Hub's keys."""

    hub: HubMetadata = HubMetadata()

    @property
    def made_of(self) -> str:
        """``persona``, ``adapter of rank 4``, ``adapters of rank 4, 8``, or the persona with one of these."""
        ranks = [str(spec.rank) for spec, _ in self.every_adapter]
        parts = ["persona"] if self.persona else []
        if ranks:
            parts.append(f"{'adapter' if len(ranks) == 1 else 'adapters'} of rank {', '.join(ranks)}")
        return " + ".join(parts)


class _CardFile(HubMetadata):
    plocal: CardBlock


@dataclass(frozen=True)
class Community:
    """A community that can be asked: its card, and the folder that holds it (None: made in memory).

    `adapter_files` are the adapters that were checked when it was loaded, in the card's order.
    """

    card: Card
    folder: Path | None = None
    adapter_files: tuple[AdapterFile, ...] = field(default=(), compare=False, repr=False)

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

    @property
    def persona_suffices(self) -> bool:
        """Whether it speaks through its persona wherever it speaks, its adapters, if any, standing beside that."""
        return all(spec.beside_persona for spec, _ in self.card.every_adapter)

    def spoken_persona(self, question: str, *, adapter: bool) -> Message | None:
        """The system message of a community that speaks through its first adapter, or through its persona alone.

        Args:
            adapter: whether it speaks through the adapter. One that was trained on bare questions has no persona before
                it; one that was trained `beside_persona` has.
        """
        spec = self.card.adapter
        alone = adapter and not (spec is not None and spec.beside_persona)
        return None if alone else self.message(question)

    def for_base(self, fingerprint: str) -> Community:
        """This community with its adapter for the model of this fingerprint as its first one, all others behind it.

        Itself where the first one is for that model, or none is. One whose base is known by its name alone is taken
        where no other is for that model.
        """
        card = self.card
        own = card.base.fingerprint if card.base is not None else None
        by_fingerprint = {other.base.fingerprint: other for other in reversed(card.adapters)}
        chosen = by_fingerprint.get(fingerprint) or (
            None if own in (None, fingerprint) else by_fingerprint.get(None)
        )
        if own == fingerprint or chosen is None or card.adapter is None or card.base is None:
            return self
        first = FurtherAdapter(
            **dict(card.adapter), base=card.base, provenance=card.provenance, evaluation=card.evaluation
        )
        changed = {
            "adapter": AdapterSpec(**{name: getattr(chosen, name) for name in AdapterSpec.model_fields}),
            "adapters": (first, *(spec for spec in card.adapters if spec is not chosen)),
            **{name: getattr(chosen, name) for name in ("base", "provenance", "evaluation")},
        }
        return replace(self, card=card.model_copy(update=changed))

    def without_adapters(self) -> Community:
        """This community with nothing but its persona."""
        return replace(
            self, card=self.card.model_copy(update={"adapter": None, "base": None, "adapters": ()})
        )

    def adapter_ref(self, scale: float | None = None) -> AdapterRef | None:
        """The card's first adapter at `scale`, None meaning the card's own; None for a community without an adapter.

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
        path = inside(self.folder, spec.file)
        headers = {(file.path, file.sha256): file.header for file in self.adapter_files}
        return AdapterRef(
            path=path,
            sha256=spec.sha256,
            scale=spec.scale if scale is None else scale,
            activation=spec.activation,
            header=headers.get((path, spec.sha256)),
        )


def load_community(path: Path, cache: Path | None = None) -> Community:
    """Read and check one card; `path` is its folder or its README.md.

    The digest of each adapter is remembered in the JSON file `cache`, if there is one, while the file's size and
    time stay.

    Raises:
        NotFound: no card there, or the file of an adapter is missing.
        InvalidInput: the card, or an adapter as a GGUF file, is not valid.
        Refused: an adapter's hash differs from the card's, or it does nothing.
    """
    file = path if path.name == CARD_FILE else path / CARD_FILE
    folder = file.parent
    if folder.is_dir() and not file.exists():
        raise NotFound(f"{folder} has no {CARD_FILE}, so it is no community.", "Give a card's folder.")
    card = read_card(file)
    if card.id != folder.resolve().name:
        raise InvalidInput(
            f"{file}: the id is '{card.id}' but the folder is '{folder.resolve().name}'.",
            "Give the folder the card's id as its name.",
        )
    files = tuple(
        check_adapter(
            inside(folder, spec.file),
            sha256=spec.sha256,
            rank=spec.rank,
            alpha=spec.alpha,
            activation=spec.activation,
            cache=cache,
        )
        for spec, _ in card.every_adapter
    )
    return Community(card, folder, files)


def read_card(file: Path) -> Card:
    """The card in `file`, without a look at its adapters.

    Raises:
        NotFound: no such file. InvalidInput: it is no valid card.
    """
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
    hub = HubMetadata(**{name: value for name, value in whole if name != "plocal"})
    return Card(**dict(whole.plocal), hub=hub)


def _example(lines: Sequence[str]) -> str:
    indented = any(line.strip().startswith("plocal:") for line in lines)
    return "Begin 'plocal:' at the start of its line." if indented else "See adapters/README.md for the form."
