"""`plocal models`: what is on this machine, what a file says about itself, and which one is the default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pluralism_local.cli import options
from pluralism_local.cli.output import key_values, table
from pluralism_local.errors import PlocalError

if TYPE_CHECKING:
    from pluralism_local.models import ModelDetails, ModelFile

app = typer.Typer(help="Models: list, inspect, verify, choose the default.", rich_markup_mode=None)

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="starter, a path to a .gguf, an alias, or hf:user/repo[:QUANT].")
]


@app.command()
def ls(context: typer.Context, as_json: options.Json = False) -> None:
    """The starter model, the config's aliases, and every GGUF model in the Hub cache.

    A file that cannot be read is listed with what is wrong with it.
    """
    from pluralism_local import config, models

    out = options.output(context, as_json=as_json)
    records = [_summary(file) for file in models.installed(config.load().settings)]
    rows = [
        [
            item["name"],
            item["source"],
            _size(item["file_bytes"]),
            item["quantization"] or "-",
            item["problem"] or "",
        ]
        for item in records
    ]
    head = ["name", "source", "size", "quantization", "problem"]
    if not any(item["problem"] for item in records):
        rows, head = [row[:-1] for row in rows], head[:-1]
    if not records:
        out.note('No model is here. Get the starter with: pip install "pluralism-local[starter]"')
    out.show(records, table(rows, head))


@app.command()
def show(
    context: typer.Context, name: Name, ctx_size: options.CtxSize = None, as_json: options.Json = False
) -> None:
    """What a model's file says about itself, read from its header; the model is not loaded."""
    from pluralism_local import config, models

    out = options.output(context, as_json=as_json)
    file = models.resolve(name, config.load({"ctx_size": ctx_size}).settings)
    found = models.details(file, ctx_size)
    out.show(_record(file, found, ctx_size), _card(file, found, ctx_size))


@app.command()
def verify(context: typer.Context, name: Name, as_json: options.Json = False) -> None:
    """Check a model's file and print its SHA-256.

    Checked are the header and that the file holds every tensor that the header lists; then the whole file is
    read for its checksum. A file in the Hub cache must have the checksum that the Hub names it by.
    """
    from pluralism_local import config, models
    from pluralism_local.gguf_file import read_header, sha256_of

    out = options.output(context, as_json=as_json)
    file = models.resolve(name, config.load().settings)
    header = read_header(file.path)
    out.status(f"reading {file.path.name} …")
    digest = sha256_of(file.path)
    record = {
        "name": file.name,
        "path": str(file.path),
        "sha256": digest,
        "file_bytes": header.file_bytes,
        "tensors": len(header.tensors),
    }
    pairs = [
        ("name", file.name),
        ("path", file.path),
        (
            "header",
            f"GGUF version {header.version}, {len(header.metadata)} keys, {len(header.tensors)} tensors",
        ),
        ("size", f"{header.file_bytes:,} bytes, all tensors inside"),
        ("sha256", digest),
    ]
    out.show(record, key_values(pairs))


@app.command()
def default(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Make this the default in the user's config.")
    ] = None,
) -> None:
    """Print the default model, or set it."""
    from pluralism_local import config, models
    from pluralism_local.cli.config import save
    from pluralism_local.cli.wiring import expand

    settings = config.load().settings
    if name is None:
        options.output(context).line(settings.model)
        return
    if not expand(name, settings).startswith(("remote:", "scripted:")):
        models.resolve(name, settings)
    save(context, "model", name)


def _summary(file: ModelFile) -> dict[str, Any]:
    from pluralism_local import models

    record: dict[str, Any] = {"name": file.name, "source": file.source, "path": str(file.path)}
    try:
        found = models.details(file)
    except PlocalError as error:
        return {**record, "file_bytes": None, "quantization": None, "problem": error.message}
    return {**record, "file_bytes": found.file_bytes, "quantization": found.quantization, "problem": None}


def _record(file: ModelFile, found: ModelDetails, ctx_size: int | None) -> dict[str, Any]:
    from dataclasses import asdict

    del ctx_size
    return {"name": file.name, "source": file.source, "path": str(file.path), "details": asdict(found)}


def _card(file: ModelFile, found: ModelDetails, ctx_size: int | None) -> str:
    del ctx_size
    return key_values([("name", file.name), ("source", file.source), ("path", file.path), ("arch", found)])


def _size(count: int | None) -> str:
    if count is None:
        return "-"
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
