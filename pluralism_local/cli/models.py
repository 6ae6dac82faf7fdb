"""`plocal models`: what is on this machine, what a file says about itself, and which one is the default."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pluralism_local.cli import hub_models, options
from pluralism_local.cli.exits import ExitCode
from pluralism_local.cli.optimize import EPILOG as OPTIMIZE_EPILOG
from pluralism_local.cli.optimize import optimize
from pluralism_local.cli.output import Output, key_values, table
from pluralism_local.display.figures import size
from pluralism_local.errors import PlocalError
from pluralism_local.model_names import Served, ServerType, follow
from pluralism_local.remote_url import without_credentials

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.models.store import ModelDetails, ModelFile

app = typer.Typer(
    help="Models: list, fetch, inspect, verify, optimize, delete, choose the default.", rich_markup_mode=None
)
app.command()(hub_models.pull)
app.command()(hub_models.rm)
app.command(epilog=OPTIMIZE_EPILOG)(optimize)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="starter, a path to a .gguf, an alias, or hf:user/repo[:QUANT]; NAME@fast is its copy.",
    ),
]


@app.command()
def ls(
    context: typer.Context,
    recommended: Annotated[
        bool,
        typer.Option(
            "--recommended",
            help="Instead: models worth fetching, those first that fit this machine. Default: off.",
        ),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """The starter model, the config's aliases, every GGUF model in the Hub cache, and copies that optimize made.

    A file that cannot be read is listed with what is wrong with it.
    """
    from pluralism_local.models import store

    out = options.output(context, as_json=as_json)
    if recommended:
        hub_models.show_recommended(out)
        return
    settings = options.load(out).settings
    records = [_summary(file, settings) for file in store.installed(settings)]
    rows = [
        [
            item["name"],
            item["source"],
            size(item["file_bytes"]),
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
    """What a model's file says about itself, read from its header; the model is not loaded.

    The memory is an estimate for the tokens of --ctx-size, by default the model's own up to 8,192. Of a name that is
    no file's (remote:…, kaleido:…) it says what that is, what it needs, and how to come by it.
    """
    from dataclasses import asdict

    from pluralism_local.hub.cache import commit_of
    from pluralism_local.models import store

    out = options.output(context, as_json=as_json)
    settings = options.load(out, {"ctx_size": ctx_size}).settings
    place = follow(name, settings.aliases).place
    if isinstance(place, Served):
        record = _about_server(name, place.server)
        out.show(record, key_values([(key, value) for key, value in record.items() if key != "installed"]))
        return
    file = store.resolve(name, settings)
    details = store.details(file, settings.ctx_size)
    record = {
        "id": file.name,
        "source": file.source,
        "path": str(file.path),
        "revision": commit_of(file.path),
        **asdict(details),
    }
    out.show(record, _about(file, details))


def _about_server(name: str, server: ServerType) -> dict[str, Any]:
    """What such a model is; `installed`: whether the modules are here that it runs on."""
    is_installed = all(importlib.util.find_spec(module) is not None for module in server.modules)
    told = f" ({'installed' if is_installed else 'not installed'})" if server.modules else ""
    return {
        "id": without_credentials(name),
        "source": server.prefix,
        "what": server.what,
        "needs": f"{server.needs}{told}",
        "get": server.get,
        "installed": is_installed,
    }


@app.command()
def verify(context: typer.Context, name: Name, as_json: options.Json = False) -> None:
    """Check a model's file and print its SHA-256.

    Checked are the header, whether what it describes can be run, and that the file holds every tensor that the
    header lists; then the whole file is read, and its checksum compared with the one that the Hub's cache or the
    package it came in has on record (exit 4 if they differ). For any other file there is nothing to compare
    with, and that is said.

    Copies of the model in the cache are read, too; a damaged one is thrown away (exit 4).

    Last, a process of its own loads the model and decodes a few tokens, plainly and with the kernels that are
    fastest here; how it runs is remembered (exit 4 if llama.cpp does not survive it).
    """
    from pluralism_local import config
    from pluralism_local.engine.model_safety import TRIALS, ModelSafety, Setup
    from pluralism_local.models import check as model_check
    from pluralism_local.models import store

    out = options.output(context, as_json=as_json)
    file = store.resolve(name, options.load(out).settings)
    parts = model_check.verify(
        file.path, lambda share: out.status(f"reading {file.path.name}: {share:.0%}"), lambda: False
    )
    out.clear_status()
    checked = [
        {
            "path": str(part.path),
            "file_bytes": part.file_bytes,
            "tensors": part.tensors,
            "sha256": part.sha256,
            "compared_with": part.compared_with,
        }
        for part in parts
    ]
    pairs = [
        pair
        for part in checked
        for pair in (
            ("file", part["path"]),
            ("header", f"sound; {_all_tensors(part['tensors'])} within its {part['file_bytes']:,} bytes"),
            ("sha256", part["sha256"]),
            (
                "",
                f"as {part['compared_with']} has it" if part["compared_with"] else "nothing to compare with",
            ),
        )
    ]
    cached = _cached(out, file)
    pairs += [(entry["kind"], f"{entry['state']}: {entry['path']}") for entry in cached]
    safety = ModelSafety(config.paths().cache_dir / TRIALS, note=out.status)
    runs = safety.verdict(file.path, parts[0].sha256, Setup())
    out.clear_status()
    pairs.append(("llama.cpp", runs.sentence()))
    record = {"id": file.name, "files": checked, "cached": cached, "runs": runs.sentence()}
    out.show(record, key_values(pairs))
    damaged = any(entry["state"] == "damaged" for entry in cached)
    if damaged:
        out.warn("What is damaged in the cache was thrown away, and is made again when it is needed.")
    if damaged or runs.setup is None:
        out.exit = ExitCode.REFUSED


@app.command()
def default(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Make this the default in the user's config.")
    ] = None,
) -> None:
    """Print the default model, or set it."""
    from pluralism_local.cli.config import save
    from pluralism_local.models import store
    from pluralism_local.wiring import server_of

    out = options.output(context)
    settings = options.load(out).settings
    if name is None:
        out.line(without_credentials(settings.model))
        return
    if server_of(name, settings) is None:
        store.resolve(name, settings)
    save(context, "model", name)


def _cached(out: Output, file: ModelFile) -> list[dict[str, Any]]:
    """What the cache holds of the model, read whole."""
    from pluralism_local import cache, config

    model = file.path.resolve()
    made_of_it = [
        item
        for item in cache.items(config.paths().cache_dir)
        if item.model and Path(item.model).resolve() == model
    ]
    checked = cache.verify(made_of_it, lambda item: out.status(f"reading {item.path.name} …"), lambda: False)
    kinds = {"copies": "copy", "prefixes": "prefix"}
    entries = [
        {"kind": kinds[verdict.item.kind], "path": str(verdict.item.path), "state": verdict.state}
        for verdict in checked
    ]
    out.clear_status()
    return entries


def _all_tensors(count: object) -> str:
    """``all 272 tensors lie``, ``its one tensor lies``."""
    return "its one tensor lies" if count == 1 else f"all {count} tensors lie"


def _summary(file: ModelFile, settings: Settings) -> dict[str, Any]:
    from pluralism_local.models import store

    record: dict[str, Any] = {"name": file.name, "source": file.source, "path": str(file.path)}
    try:
        if file.source == "plocal":
            store.resolve(file.name, settings)  # whether its source is still what it was made of
        details = store.details(file)
    except PlocalError as error:
        return {**record, "file_bytes": None, "quantization": None, "problem": error.message}
    return {**record, "file_bytes": details.file_bytes, "quantization": details.quantization, "problem": None}


def _about(file: ModelFile, details: ModelDetails) -> str:
    from pluralism_local.hub.cache import commit_of

    shape = [
        (details.layers, "layers"),
        (details.embedding, "wide"),
        (details.heads, "heads"),
        (details.kv_heads, "KV heads"),
        (details.vocabulary, "tokens in the vocabulary"),
    ]
    context = f"{details.context_length:,} tokens" if details.context_length else None
    memory = (
        f"about {size(details.estimated_memory_bytes)} with {details.estimated_context:,} tokens of context"
    )
    return key_values(
        [
            ("model", file.name),
            ("name", details.name),
            ("source", file.source),
            ("path", file.path),
            ("revision", commit_of(file.path)),
            ("architecture", details.architecture),
            ("parameters", f"{details.parameters:,}"),
            ("quantization", details.quantization),
            ("context", context),
            ("shape", ", ".join(f"{count:,} {what}" for count, what in shape if count)),
            ("size", size(details.file_bytes)),
            ("memory", memory),
            ("template", details.chat_template_sha256 or "none: a base model, prompted in plain text"),
            ("licence", details.license or "not declared"),
            ("fingerprint", details.fingerprint),
        ]
    )
