"""A community's card for reading: what it is, what it is not for, where it comes from, how well it does."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from pluralism_local.communities import Card, Community, Problem, made_for
from pluralism_local.display.figures import one_line

CardSection = tuple[str, list[str]]
"""A heading and its lines; a heading without lines is left out."""


def misfit(community: Community, fingerprint: str | None) -> str:
    """Why its adapter is not used with the model of this fingerprint; empty if it is, or nobody knows."""
    card = community.card
    if fingerprint is None or made_for(community, fingerprint):
        return ""
    pairs = card.every_adapter
    models = " and ".join(base.model for _, base in pairs)
    are = f"Its {'adapter is' if len(pairs) == 1 else 'adapters are'} for {models}"
    if card.persona is not None:
        return f"{are}, so it speaks through its persona alone."
    return f"{are}, so it cannot speak with this model."


def about(community: Community, reason: str = "") -> Content:
    """The card; `reason` (of `misfit`) stands first."""
    card = community.card
    head = [Content.assemble((one_line(card.name), "bold")), Content(f"{card.id} · {card.made_of}")]
    if reason:
        head.append(Content.assemble((f"! {one_line(reason)}", "bold")))
    head += [Content(""), Content(one_line(card.description))]
    parts = [Content("\n").join(head)]
    for heading, lines in _blocks(card):
        if lines:
            text = "\n".join(one_line(line) for line in lines)
            parts.append(Content.assemble((heading, "bold"), f"\n{text}"))
    return Content("\n\n").join(parts)


def broken(problem: Problem) -> Content:
    """A card that cannot be used: where it is and what is wrong."""
    return Content.assemble(
        (one_line(str(problem.path)), "bold"),
        f"\n\n{one_line(problem.error.message)}",
        f"\n\n{one_line(problem.error.hint)}" if problem.error.hint else "",
    )


def _blocks(card: Card) -> Iterator[CardSection]:
    limits = card.limits
    yield "Not for", [f"- {text}" for text in limits.not_for] if limits else []
    yield "Licence", [_licence(card)]
    yield "Trained on", list(_provenance(card))
    yield "Share of the population", list(_prior(card))
    yield (
        "Figures",
        [f"{item.task}: {item.metric} {item.value:g} (base model {item.base:g})" for item in card.evaluation],
    )
    yield "Known to fail", [f"- {text}" for text in limits.known_failures] if limits else []
    yield "Adapter", list(_adapter(card))
    yield "Persona", [card.persona] if card.persona else []


def _licence(card: Card) -> str:
    return " · ".join(filter(None, [card.hub.license, card.hub.license_name, card.hub.license_link])) or (
        "not declared"
    )


def _provenance(card: Card) -> Iterator[str]:
    source = card.provenance
    if source is None:
        return
    yield source.corpus
    yield f"Licence of the corpus: {source.licence}"
    counts = [
        f"{count:,} {what}"
        for count, what in ((source.documents, "documents"), (source.tokens, "tokens"))
        if count is not None
    ]
    if counts:
        yield ", ".join(counts)
    origin = [
        f"{what} {value}"
        for what, value in (("recipe", source.recipe), ("seed", source.seed), ("on", source.date))
        if value is not None
    ]
    if origin:
        yield ", ".join(origin)


def _prior(card: Card) -> Iterator[str]:
    prior = card.prior
    if prior is not None:
        yield f"{100 * prior.weight:g} % of {prior.of}"
        yield f"{prior.source}{f', {prior.year}' if prior.year else ''}"


def _adapter(card: Card) -> Iterator[str]:
    for spec, base in card.every_adapter:
        yield spec.summary
        yield f"sha256 {spec.sha256}"
        yield f"for {base.model}"
