"""`plocal config`: what is in force and where it came from, where the file lies, and changing one value."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pluralism_local.cli import options
from pluralism_local.cli.output import table
from pluralism_local.cli.setting_text import plain, spell
from pluralism_local.cli.trust import EPILOG as TRUST_EPILOG
from pluralism_local.cli.trust import trust

app = typer.Typer(
    help="Settings: show them and their origin, set one, find the file, trust a folder's.",
    rich_markup_mode=None,
)
app.command(epilog=TRUST_EPILOG)(trust)


@app.command()
def show(context: typer.Context, as_json: options.Json = False) -> None:
    """Every setting with its value and where that came from.

    A flag wins over PLOCAL_<OPTION>, that over ./plocal.toml, that over the user's config file. What ./plocal.toml
    says about models, servers and cards counts once it is trusted: plocal config trust
    """

    out = options.output(context, as_json=as_json)
    loaded = options.load(out)
    values = {key: plain(value) for key, value in loaded.settings.model_dump(mode="json").items()}
    record = {key: {"value": value, "origin": loaded.origin[key]} for key, value in values.items()}
    rows = [[key, spell(value), loaded.origin[key]] for key, value in values.items()]
    out.show(record, table(rows, ["setting", "value", "from"]))


@app.command()
def path(context: typer.Context) -> None:
    """The path of the user's config file, whether it exists or not."""
    from pluralism_local import config

    options.output(context).line(str(config.paths().config_file))


@app.command("set")
def set_(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="A setting, as 'config show' lists it.")],
    value: Annotated[str, typer.Argument(metavar="VALUE", help="Its new value.")],
) -> None:
    """Set one value in the user's config file; its comments stay.

    Aliases are settings too: plocal config set aliases.big hf:user/repo:Q4_K_M
    """
    save(context, key, value)


def save(context: typer.Context, key: str, value: str) -> None:
    """Write one setting, say where, and warn if something else overrides it."""
    from pluralism_local import config

    out = options.output(context)
    file: Path = config.set_value(key, value)
    out.note(f"{key} is set in {file}.")
    origin = options.load(out).origin.get(key, "")
    if origin and str(file) not in origin:
        out.warn(f"{origin} overrides it at the moment.")
