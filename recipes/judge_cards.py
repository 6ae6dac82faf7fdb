#!/usr/bin/env python
"""Write what `plocal communities judge` found into the communities' cards.

python recipes/judge_cards.py voices.json [--adapters adapters]

A judging that was stopped is refused, and so is one of comments made elsewhere; nothing is written then. A community
without a card there is left out, and said.
"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Annotated

import typer

from communitylm.command import run, say

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command(help=__doc__)
def write(
    result: Annotated[Path, typer.Argument(metavar="VOICES.JSON", help="In the judging's folder.")],
    adapters: Annotated[Path, typer.Option(help="Folder of communities.")] = Path(__file__).parents[1]
    / "adapters",
) -> None:
    from communitylm.export.card_file import CARD, Facts, update_card
    from pluralism_local.errors import InvalidInput, NotFound

    try:
        record = json.loads(result.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {result}.") from error
    except ValueError as error:
        raise InvalidInput(f"{result} is not JSON: {error}.") from error
    if not isinstance(record, dict) or not record.get("complete") or not record.get("cards"):
        raise InvalidInput(
            f"{result} is no complete judging of a pool.", "Run plocal communities judge POOL to its end."
        )
    for community, entry in record["cards"].items():
        if not (adapters / community / CARD).is_file():
            say(f"{community} has no card in {adapters}.")
            continue
        # YAML has dates where JSON has texts
        dated = {**entry, "date": datetime.date.fromisoformat(entry["date"])}
        update_card(adapters / community, Facts(judged=[dated]))
        say(f"{adapters / community / CARD}")


if __name__ == "__main__":
    run(app)
