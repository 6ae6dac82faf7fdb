"""`plocal doctor`: whether this machine and this installation can answer, and what to do if not.

Each finding is ok, warn (it works, but) or fail (something needed is broken; exit 3). Nothing heavy is
imported: versions come from package metadata, llama.cpp's backends from the names of its libraries.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from pluralism_local import __version__
from pluralism_local.cli import options
from pluralism_local.cli.exits import ExitCode
from pluralism_local.display.figures import clean
from pluralism_local.errors import PlocalError, did_you_mean
from pluralism_local.remote_url import without_credentials

if TYPE_CHECKING:
    from pluralism_local.config import Settings

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")
_MADE_BY_HAND = frozenset({"PLOCAL_HOME", "PLOCAL_DEBUG", "PLOCAL_OPTION", "PLOCAL_REMOTE_KEY"})
_SMALL_MEMORY = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `hint` says what to do and is empty when all is well."""

    status: Literal["ok", "warn", "fail"]
    subject: str
    detail: str
    hint: str = ""


def doctor(context: typer.Context, as_json: options.Json = False) -> None:
    """Check what an answer needs: packages, model, communities, config, memory, folders.

    Exit 0 unless something needed is broken (then 3); a warning costs nothing.
    """
    out = options.output(context, as_json=as_json)
    variables = {variable for variable in _variables(context) if variable} | _MADE_BY_HAND
    findings = [*_machine(), *_packages(), *_installation(), *_environment(variables), *_ways_out()]
    width = max(len(finding.subject) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.status:<4}  {finding.subject.ljust(width)}  {finding.detail}")
        lines += [f"{'':{width + 8}}{finding.hint}"] if finding.hint else []
    out.show([asdict(finding) for finding in findings], "\n".join(map(clean, lines)))
    if any(finding.status == "fail" for finding in findings):
        out.exit = ExitCode.MISSING


def _machine() -> Iterator[Finding]:
    import platform

    from pluralism_local.sharing.recommended import machine_memory

    yield Finding("ok", "plocal", __version__)
    yield Finding("ok", "Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("ok", "cores", f"{usable} usable of {os.cpu_count()}")
    memory = machine_memory()
    if memory is None:
        yield Finding("warn", "memory", "unknown", "'models show' has what a model needs.")
    elif memory < _SMALL_MEMORY:
        yield Finding("warn", "memory", f"{memory / 1e9:.1f} GB", "Only small models fit, like the starter.")
    else:
        yield Finding("ok", "memory", f"{memory / 1e9:.1f} GB")


def _packages() -> Iterator[Finding]:
    """Every package that this one depends on, without the extras'."""
    from importlib import metadata

    try:
        requirements = metadata.requires("pluralism-local") or []
    except metadata.PackageNotFoundError:
        yield Finding("warn", "packages", "pluralism-local is not installed", "Install it: pip install -e .")
        return
    versions = []
    for requirement in requirements:
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
        if "extra ==" in requirement:
            continue
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            yield Finding(
                "fail", "packages", f"{name} is missing", f"Install it: pip install '{requirement}'"
            )
    yield Finding("ok", "packages", ", ".join(versions))
    if not _backends():
        yield Finding("ok", "llama.cpp", "backends: none found")
        return
    yield _build()
    yield _kernels()
    yield from _trials()


def _build() -> Finding:
    """What llama.cpp was built for, and whether that fits this processor; asked in a child process."""
    from pluralism_local.engine import library_build
    from pluralism_local.engine.processor import processor

    build = library_build.installed()
    rebuild = (
        "Build it on this machine: pip install --force-reinstall --no-cache-dir --no-binary llama-cpp-python"
    )
    rebuild += " llama-cpp-python"
    backends = f"backends: {', '.join(_backends())}"
    if build.problem:
        return Finding(
            "fail", "llama.cpp", f"{backends}; its library cannot be used: {build.problem}", rebuild
        )
    built = f"{backends}; built for {', '.join(build.instruction_sets) or 'any processor'}"
    lacking = library_build.lacking(build.features, processor())
    if lacking:
        return Finding(
            "warn", "llama.cpp", f"{built}; not for {', '.join(lacking)}, which this processor has", rebuild
        )
    return Finding("ok", "llama.cpp", built)


def _trials() -> Iterator[Finding]:
    """What is remembered of models and adapters that were tried in a child process."""
    from pluralism_local import config
    from pluralism_local.engine import model_safety

    verdicts = model_safety.all_remembered(config.paths().cache_dir / model_safety.TRIALS)
    troubled = 0
    for verdict in verdicts:
        faults = {fault for fault in verdict.adapters.values() if fault}
        told = [f"an adapter on it ends llama.cpp's process ({fault})" for fault in sorted(faults)]
        if not verdict.adapters and (verdict.left_out or verdict.fault):
            told.append(verdict.sentence())
        troubled += bool(told)
        yield from (Finding("warn", "tried", f"{verdict.name}: {problem}") for problem in told)
    if verdicts and not troubled:
        yield Finding("ok", "tried", "all models and adapters so far run as they are")


def _kernels() -> Finding:
    """Which of llama.cpp's kernels this machine must do without; tried in a child process if nobody has yet."""
    from pluralism_local.engine import kernel_safety

    return Finding("ok", "kernels", kernel_safety.verdict().sentence())


def _backends() -> list[str]:
    """What llama.cpp was built for, by the names of its libraries (libggml-cuda.so: cuda)."""
    from importlib.util import find_spec

    spec = find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        return []
    names = (file.name for file in Path(spec.origin).with_name("lib").glob("*ggml-*"))
    backends = {match[1] for name in names if (match := re.match(r"(?:lib)?ggml-([a-z0-9]+)", name))}
    return sorted(backends - {"base"})


def _installation() -> Iterator[Finding]:
    from pluralism_local import config

    where = config.paths()
    try:
        loaded = config.load()
    except PlocalError as error:
        yield Finding("fail", "config", error.message, error.hint)
        return
    state = "" if where.config_file.exists() else " (not there; built-in values)"
    yield Finding("ok", "config", f"{where.config_file}{state}")
    if loaded.withheld is not None:
        names = " and ".join(loaded.withheld.values)
        yield Finding(
            "warn",
            "config",
            f"{names} of {loaded.withheld.file} ignored: it is not trusted",
            "See and allow it with: plocal config trust",
        )
    yield from _model(loaded.settings)
    yield from _communities(loaded.settings)
    yield from (
        _writable(name, path) for name, path in (("data", where.data_dir), ("cache", where.cache_dir))
    )
    yield _hub_cache()


def _model(settings: Settings) -> Iterator[Finding]:
    from pluralism_local.models import store
    from pluralism_local.wiring import server_of

    if server_of(settings.model, settings) is not None:
        yield Finding("ok", "model", f"{without_credentials(settings.model)} (not asked now)")
        return
    try:
        file = store.resolve(settings.model, settings)
        details = store.details(file)
    except PlocalError as error:
        yield Finding("fail", "model", error.message, error.hint)
        return
    yield Finding(
        "ok", "model", f"{settings.model}: {details.name or file.path.name}, {details.quantization}"
    )
    if file.source == "starter":
        yield from _better_model()


def _better_model() -> Iterator[Finding]:
    """What to get instead of the starter."""
    from pluralism_local.sharing import recommended

    advice = recommended.advice(recommended.this_machine())
    if advice is not None:
        yield Finding("ok", "better model", advice)


def _communities(settings: Settings) -> Iterator[Finding]:
    from pluralism_local.wiring import library

    shelf = library(settings)
    for problem in shelf.problems():
        yield Finding("warn", "communities", problem.error.message, problem.error.hint)
    try:
        pool = shelf.pool(settings.pool)
    except PlocalError as error:
        yield Finding("fail", "communities", error.message, error.hint)
        return
    count = f"{len(shelf.communities())} in {len(shelf.pools())} pools"
    yield Finding("ok", "communities", f"{count}; default pool {pool.id} of {len(pool.members)}")


def _writable(name: str, folder: Path) -> Finding:
    """Whether `folder`, or the nearest folder above it that exists, takes a file; none is left behind."""
    from tempfile import TemporaryFile

    existing = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
    try:
        with TemporaryFile(dir=existing):
            return Finding("ok", name, str(folder))
    except OSError:
        return Finding(
            "warn", name, f"{folder} cannot be written", "Set PLOCAL_HOME to a folder that can be."
        )


def _hub_cache() -> Finding:
    """Where Hugging Face's client keeps downloads, by the rules it documents."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache_home}/huggingface"
    folder = Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()
    count = len(list(folder.glob("models--*/snapshots/*/*.gguf"))) if folder.is_dir() else 0
    return Finding("ok", "Hub cache", f"{folder}: {count} GGUF files")


def _environment(variables: set[str]) -> Iterator[Finding]:
    """The PLOCAL_ variables in force; one that nothing reads is probably a typo."""
    for name in sorted(os.environ):
        if not name.startswith("PLOCAL_"):
            continue
        value = "(set)" if _SECRET.search(name) else without_credentials(os.environ[name])
        if name in variables or name.removeprefix("PLOCAL_").lower() in _settings():
            yield Finding("ok", "variable", f"{name}={value}")
        else:
            settings = {f"PLOCAL_{field.upper()}" for field in _settings()}
            yield Finding(
                "warn", "variable", f"{name} is read by nothing", did_you_mean(name, variables | settings)
            )


def _ways_out() -> Iterator[Finding]:
    """The variables that a remote model is reached by: proxies and certificates."""
    from urllib.parse import urlsplit

    from pluralism_local.engine.remote_environment import certificate_faults, proxies, proxy_faults

    faults = [*proxy_faults(os.environ), *certificate_faults(os.environ)]
    for fault in faults:
        yield Finding("warn", "variable", fault.sentence.removesuffix("."), fault.hint)
    wrong = {fault.variable for fault in faults}
    for variable, value in proxies(os.environ).items():
        if variable not in wrong:
            host = urlsplit(value if "://" in value else f"http://{value}").hostname
            yield Finding("ok", "variable", f"{variable}: remote models go through {host}")


def _settings() -> frozenset[str]:
    from pluralism_local.config import Settings

    return frozenset(Settings.model_fields)


def _variables(context: typer.Context) -> Iterator[str]:
    """The environment variables of every option of every command; all of them are imported for it."""
    from pluralism_local.cli.commands import SENTENCES, load

    pending = [context.find_root().command, *map(load, SENTENCES)]
    while pending:
        command = pending.pop()
        pending += getattr(command, "commands", {}).values()
        for parameter in command.params:
            envvar = parameter.envvar
            yield from [envvar] if isinstance(envvar, str) else envvar or []
