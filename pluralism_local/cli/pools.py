"""`plocal pools`: which there are, who is in them with what weight, and whether a pool is sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pluralism_local.cli import options
from pluralism_local.cli.exits import describe
from pluralism_local.cli.output import key_values, table
from pluralism_local.display.figures import many
from pluralism_local.errors import PlocalError

if TYPE_CHECKING:
    from pluralism_local.communities import Pool

app = typer.Typer(help="Pools: list, read and check sets of communities.", rich_markup_mode=None)


@app.command()
def ls(context: typer.Context, as_json: options.Json = False) -> None:
    """Every pool with its communities."""
    from pluralism_local.wiring import library

    out = options.output(context, as_json=as_json)
    shelf = library(options.load(out).settings)
    pools = shelf.pools()
    rows = [[pool.id, pool.name, ", ".join(member.community.id for member in pool.members)] for pool in pools]
    out.show([_record(pool) for pool in pools], table(rows, ["id", "name", "communities"]))
    for problem in shelf.problems():
        out.warn(problem.error.message)


@app.command()
def show(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID|FILE", help="A pool, or a file of one.")],
    as_json: options.Json = False,
) -> None:
    """The members of a pool, their weights, and what these weights claim."""
    from pluralism_local.wiring import library

    out = options.output(context, as_json=as_json)
    pool = library(options.load(out).settings).pool(name)
    rows = []
    for member in pool.members:
        prior = member.community.card.prior
        claim = f"{prior.weight:g} of {prior.of} ({prior.source})" if prior is not None else "no claim"
        scale = "-" if member.scale is None else f"{member.scale:g}"
        rows.append([member.community.id, f"{member.weight:.4f}", scale, claim])
    facts = key_values(
        [("id", pool.id), ("name", pool.name), ("about", pool.description or None), ("file", pool.path)]
    )
    out.show(_record(pool), f"{facts}\n\n{table(rows, ['community', 'weight', 'scale', 'share'])}")


@app.command()
def validate(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="ID|FILE...", help="Pools, or files of pools.")],
    as_json: options.Json = False,
) -> None:
    """Check pools: their keys, that every card is there and sound, and that the weights sum to 1."""
    from pluralism_local.cli.communities import CardCheck, report
    from pluralism_local.wiring import library

    out = options.output(context, as_json=as_json)
    shelf = library(options.load(out).settings)
    results = []
    for name in names:
        try:
            results.append(
                CardCheck(
                    name,
                    f"{many(len(shelf.pool(name).members), 'community', 'communities')}, weights sum to 1",
                )
            )
        except PlocalError as error:
            results.append(CardCheck(name, "", describe(error)))
    report(out, results)


def _record(pool: Pool) -> dict[str, Any]:
    return {
        "id": pool.id,
        "name": pool.name,
        "description": pool.description,
        "path": str(pool.path) if pool.path is not None else None,
        "members": [
            {"community": member.community.id, "weight": member.weight, "scale": member.scale}
            for member in pool.members
        ],
    }
