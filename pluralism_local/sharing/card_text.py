"""The card of an adapter that was trained elsewhere: what is known of it, and what is not, in so many words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from pluralism_local.lora import LoraInfo

UNKNOWN = "not known here"
NONE_STATED = "none stated"
"""What a written card says of a licence that nobody has stated."""

NOT_FOR = (
    "Statements in the name of a real person or organisation",
    "Telling what members of the community think; it is a model of some texts",
)
NOT_CHECKED = (
    "It was not evaluated here: what it is good for and where it fails is not known",
    "It may state things that are false",
)


@dataclass(frozen=True)
class CardFacts:
    """What a card says.

    Attributes:
        id, name, description: of the community.
        base: name of the base, as the adapter's configuration has it.
        fingerprint: of the base; None until a GGUF of it was here.
        file: of the adapter, in the card's folder.
        info: of that file.
        source: the keys of `card_parts.Source`.
        licence: as its makers state it; None for none stated.
        corpus: what it was trained on; None if nobody says.
        corpus_licence: of those texts; None if nobody says.
        not_for, known_failures: of the card's limits.
        text: Markdown paragraphs for people, behind those that are always there.
    """

    id: str
    name: str
    description: str
    base: str
    fingerprint: str | None
    file: str
    info: LoraInfo
    source: dict[str, Any]
    licence: str | None = None
    corpus: str | None = None
    corpus_licence: str | None = None
    not_for: tuple[str, ...] = NOT_FOR
    known_failures: tuple[str, ...] = NOT_CHECKED
    text: tuple[str, ...] = ()


def card_text(facts: CardFacts) -> str:
    """The whole README.md. The form of the `base` block is what `bases.bind` completes later."""
    head = yaml.safe_dump(_front(facts), sort_keys=False, allow_unicode=True, width=100)
    paragraphs = [f"# {facts.name}", facts.description, *facts.text, _origin(facts), _unknown(facts)]
    return f"---\n{head}---\n\n" + "\n\n".join(paragraphs) + "\n"


def _front(facts: CardFacts) -> dict[str, Any]:
    base = {"model": facts.base} | ({"fingerprint": facts.fingerprint} if facts.fingerprint else {})
    return ({"license": facts.licence} if facts.licence else {}) | {
        "library_name": "plocal",
        "tags": ["plocal-community", "lora", "gguf"],
        "base_model": facts.base,
        "base_model_relation": "adapter",
        "plocal": {
            "schema": 1,
            "id": facts.id,
            "name": facts.name,
            "description": facts.description,
            "adapter": {
                "file": facts.file,
                "sha256": facts.info.sha256,
                "rank": facts.info.rank,
                "alpha": facts.info.alpha,
                "activation": "assistant" if facts.info.invocation else "always",
                "scale": 1.0,
            },
            "base": base,
            "provenance": {
                "corpus": facts.corpus or UNKNOWN,
                "licence": facts.corpus_licence or NONE_STATED,
            },
            "source": {key: value for key, value in facts.source.items() if value is not None},
            "limits": {"not_for": list(facts.not_for), "known_failures": list(facts.known_failures)},
        },
    }


def _origin(facts: CardFacts) -> str:
    revision = facts.source.get("revision")
    at = f", revision {revision}" if revision else ""
    return (
        f"**Where it comes from.** A LoRA that PEFT saved, from {facts.source['place']}{at}, written as GGUF: rank "
        f"{facts.info.rank}, alpha {facts.info.alpha:g}, for {facts.base}. The values are the same, in F16. Licence of "
        f"the adapter: {facts.licence or NONE_STATED}."
    )


def _unknown(facts: CardFacts) -> str:
    parts = []
    if facts.corpus is None:
        parts.append("which texts it was trained on, and by whose leave")
    elif facts.corpus_licence is None:
        parts.append("under which terms its texts may be used")
    if facts.fingerprint is None:
        parts.append("whether a model here is its base: that is checked when a GGUF of it is here")
    parts += [
        "how well it does: nobody evaluated it here",
        "how many people it could speak for: no weight is claimed",
    ]
    return f"**What is not known.** {_sentence(parts)}"


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."
