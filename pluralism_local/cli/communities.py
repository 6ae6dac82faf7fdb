"""`plocal communities`: which there are, what their cards say, whether a card is sound, what their voices are worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pluralism_local.cli import hub_communities, options
from pluralism_local.cli.exits import ExitCode, Failure, describe
from pluralism_local.cli.hub_communities import load_named
from pluralism_local.cli.output import Output, key_values, table
from pluralism_local.cli.voices.judge import EPILOG as JUDGE_EPILOG
from pluralism_local.cli.voices.judge import judge
from pluralism_local.display.figures import clean, many
from pluralism_local.errors import PlocalError

if TYPE_CHECKING:
    from pluralism_local.communities import Community, Library
    from pluralism_local.communities.card_parts import JudgedVoice


@dataclass(frozen=True, slots=True)
class CardCheck:
    """A card or pool that was checked: what it is made of, or what is wrong with it."""

    name: str
    about: str
    failure: Failure | None = None

    def record(self) -> dict[str, Any]:
        """As in the JSON of `validate`."""
        entry: dict[str, Any] = {"name": self.name, "ok": self.failure is None, "about": self.about or None}
        return entry | (self.failure.record() if self.failure is not None else {"error": None})


app = typer.Typer(
    help="Communities: list, fetch, read, check and share their cards, judge their voices.",
    rich_markup_mode=None,
)
app.command()(hub_communities.pull)
app.command()(hub_communities.push)
app.command(epilog=JUDGE_EPILOG)(judge)


@app.command()
def ls(context: typer.Context, as_json: options.Json = False) -> None:
    """Every community with what it is made of. A broken card is named on stderr; 'validate' says more."""
    from pluralism_local.wiring import library

    out = options.output(context, as_json=as_json)
    shelf = library(options.load(out).settings)
    communities = shelf.communities()
    rows = [[community.id, community.name, community.card.made_of] for community in communities]
    out.show([_record(community) for community in communities], table(rows, ["id", "name", "made of"]))
    for problem in shelf.problems():
        out.warn(problem.error.message)
    for override in shelf.overridden():
        out.warn(str(override))


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID|PATH", help="A community, or the folder of a card.")],
    as_json: options.Json = False,
) -> None:
    """A community's card: persona, adapter, where its weight comes from, what it must not be used for."""
    from pluralism_local.wiring import library

    out = options.output(context, as_json=as_json)
    community = load_named(library(options.load(out).settings), name)
    out.show(_record(community), _card_text(community))


@app.command()
def validate(
    context: typer.Context,
    names: Annotated[
        list[str], typer.Argument(metavar="ID|PATH...", help="Communities, or folders of cards (adapters/*).")
    ],
    as_json: options.Json = False,
) -> None:
    """Check cards: their keys and values, their text, the adapter's file, its checksum and its tensors.

    One line per card; a folder stands for the cards and pools in it. The exit code is that of the first card
    that failed: 2 an invalid card, 3 something is missing, 4 an adapter that is not what the card describes.
    """
    from pluralism_local.wiring import library

    out = options.output(context, as_json=as_json)
    shelf = library(options.load(out).settings)
    results = [check(shelf, target) for name in names for target in targets(name)]
    report(out, results)


def targets(name: str) -> list[str]:
    """What a name on the command line stands for: itself, or what lies in a folder that is no card.

    So that ``adapters`` and ``adapters/*`` mean every card and pool in there; the folder's own README.md, a
    text about the collection, is left out.
    """
    from pluralism_local.communities.cards import CARD_FILE

    path = Path(name).expanduser()
    if path.is_file() and path.name == CARD_FILE and any(path.parent.glob(f"*/{CARD_FILE}")):
        return []
    if not path.is_dir() or ((path / CARD_FILE).exists() and not any(path.glob(f"*/{CARD_FILE}"))):
        return [name]
    inside = [card.parent for card in sorted(path.glob(f"*/{CARD_FILE}"))]
    inside += sorted([*path.glob("*.yaml"), *path.glob("pools/*.yaml")])
    return list(map(str, inside)) or [name]


def check(shelf: Library, name: str) -> CardCheck:
    """Load a card, or a pool if `name` is a file of one."""
    try:
        if name.endswith((".yaml", ".yml")):
            return CardCheck(name, f"pool of {len(shelf.pool(name).members)}")
        return CardCheck(name, load_named(shelf, name).card.made_of)
    except PlocalError as error:
        return CardCheck(name, "", describe(error))


def report(out: Output, results: list[CardCheck]) -> None:
    """A line per checked thing, ``ok`` or ``FAIL`` with the reason; the first failure's exit code."""
    lines = []
    for result in results:
        if result.failure is None:
            lines.append(f"ok    {result.name}  ({result.about})")
        else:
            lines.append(f"FAIL  {result.name}: {result.failure.message}")
            lines += [f"      {result.failure.hint}"] if result.failure.hint else []
    out.show([result.record() for result in results], "\n".join(map(clean, lines)))
    out.exit = next((result.failure.exit for result in results if result.failure is not None), ExitCode.DONE)


def _judged(voice: JudgedVoice) -> str:
    """The figures of one judging in a line."""
    shares = {
        "on topic": voice.on_topic,
        "repeats": voice.repeats,
        "invents": voice.invents,
        "ends": voice.ends,
    }
    parts = [f"{name} {100 * share:.0f} %" for name, share in shares.items() if share is not None]
    if voice.agrees is not None and voice.opposite is not None:
        parts.append(f"right side of {voice.opposite} {100 * voice.agrees:.0f} %")
    return (
        f"{', '.join(parts)} ({many(voice.questions, 'question')}, {voice.form} on {voice.model}, "
        f"by {voice.judge})"
    )


def _record(community: Community) -> dict[str, Any]:
    folder = str(community.folder) if community.folder is not None else None
    return {"folder": folder, **community.card.model_dump(mode="json", by_alias=True)}


def _card_text(community: Community) -> str:
    card = community.card
    prior = card.prior
    year = f", {prior.year}" if prior is not None and prior.year else ""
    facts: list[tuple[str, Any]] = [
        ("id", card.id),
        ("name", card.name),
        ("made of", card.made_of),
        ("weight", f"{prior.weight:g} of {prior.of} ({prior.source}{year})" if prior else "no claim"),
        ("folder", community.folder),
    ]
    for spec, base in card.every_adapter:
        facts += [
            ("adapter", spec.summary),
            ("sha256", spec.sha256),
            ("base", f"{base.model} ({base.fingerprint or 'by its name and shapes'})"),
        ]
    if card.provenance is not None:
        facts.append(("trained on", f"{card.provenance.corpus} ({card.provenance.licence})"))
    if card.source is not None:
        at = f", revision {card.source.revision}" if card.source.revision else ""
        facts.append(("source", f"{card.source.place}{at}"))
    if card.limits is not None:
        facts.append(("not for", "; ".join(card.limits.not_for) or None))
        facts.append(("fails at", "; ".join(card.limits.known_failures) or None))
    facts += [(item.task, f"{item.metric} {item.value:g} (base {item.base:g})") for item in card.evaluation]
    for adapted in card.adapters:
        if adapted.provenance is not None:
            origin = f"{adapted.provenance.corpus} ({adapted.provenance.licence})"
            facts.append(("trained on", f"for {adapted.base.model}: {origin}"))
        facts += [
            (item.task, f"for {adapted.base.model}: {item.metric} {item.value:g} (base {item.base:g})")
            for item in adapted.evaluation
        ]
    facts += [("judged", _judged(item)) for item in card.judged]
    blocks = [key_values(facts), clean(card.description)]
    if card.persona:
        blocks.append("Persona:\n" + "\n".join(f"  {line}".rstrip() for line in card.persona.splitlines()))
    return "\n\n".join(blocks)
