"""From names to things: engines from model names, a pool from `--pool` or `-p`, the user's library.

    a server's name ──> the engine that model_names.SERVERS has for it: RemoteEngine, ScriptedEngine
    any other name  ──> models.resolve ──> file ──> LlamaEngine

Where the LLM is a black box that takes no adapters, `communities_model` names a local one for its communities;
`conversation.engines` opens both.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from pluralism_local.errors import InvalidInput, NotFound, did_you_mean
from pluralism_local.files import DIGESTS
from pluralism_local.mode_specs import MODES, ModeName
from pluralism_local.model_names import STARTER, Served, follow, named_remote
from pluralism_local.remote_url import parse_spec, without_credentials

if TYPE_CHECKING:
    from pluralism_local.communities import Library, Pool
    from pluralism_local.config import Settings
    from pluralism_local.engine.base import LanguageModel
    from pluralism_local.engine.llama import LlamaEngine
    from pluralism_local.modes.leanings.habits import Habits
    from pluralism_local.settings import Remote


def find_mode(text: str) -> ModeName:
    """The mode that `text` names or begins.

    Raises: InvalidInput for an unknown or ambiguous name.
    """
    beginning = text.strip().lower()
    modes = [mode for mode in MODES if mode.startswith(beginning)] if beginning else []
    if len(modes) == 1:
        return modes[0]
    if modes:
        raise InvalidInput(f"The mode '{text}' could be {' or '.join(modes)}.", "Write more of it.")
    raise InvalidInput(f"There is no mode '{text}'.", did_you_mean(beginning, MODES))


def library(settings: Settings) -> Library:
    """All cards and pools that this user has."""
    from pluralism_local import communities, config

    where = config.paths()
    return communities.Library(
        communities.default_paths(where.data_dir, settings.community_paths), where.cache_dir / DIGESTS
    )


def find_pool(shelf: Library, pool: str, specs: list[str]) -> Pool:
    """The named pool, or one made of ``ID[:SCALE]`` specs with equal weights.

    Raises: InvalidInput, NotFound, Refused as the cards demand.
    """
    if not specs:
        return shelf.pool(pool)
    from pluralism_local.communities import ad_hoc_pool

    chosen = []
    for spec in specs:
        name, scale = _parse_spec(spec)
        chosen.append((shelf.community(name), scale))
    return ad_hoc_pool(chosen)


def _parse_spec(spec: str) -> tuple[str, float | None]:
    name, colon, scale = spec.partition(":")
    if not colon:
        return name, None
    try:
        return name, float(scale)
    except ValueError:
        raise InvalidInput(
            f"'{spec}' does not end in a scale.", "Write ID:SCALE with a number, e.g. press-left:0.8."
        ) from None


def engine_name(name: str, settings: Settings) -> str:
    """The name that tells engines apart: an alias of a server spelled out, any other name as it is."""
    return follow(name, settings.aliases).text


def server_of(name: str, settings: Settings) -> Served | None:
    """The server that a name leads to, by an alias or not; None for a model in a file."""
    place = follow(name, settings.aliases).place
    return place if isinstance(place, Served) else None


def communities_model(settings: Settings, default_local: str) -> str:
    """What the communities run on where nobody said: the LLM, or `default_local` if the LLM takes no adapters."""
    served = server_of(settings.model, settings)
    if served is None or served.server.adapters:
        return settings.model
    named = named_remote(served.rest) if served.server.is_url else None
    remote = settings.remote.get(named[0]) if named is not None else None
    return default_local if remote is None or remote.adapters == "none" else settings.model


def find_remote(name: str, settings: Settings) -> Remote:
    """The remote of this name.

    Raises: NotFound: the config file has none.
    """
    if name in settings.remote:
        return settings.remote[name]
    hint = did_you_mean(name, settings.remote) or "Write it into the config file (plocal config path)."
    raise NotFound(f"There is no remote '{name[:80]}'.", f"{hint} A URL begins with http:// or https://.")


def open_engine(
    name: str, settings: Settings, status: Callable[[str], None], *, kept_bytes: int | None = None
) -> LanguageModel:
    """The engine that a model name stands for; the caller closes it.

    `kept_bytes` of memory are for what follow-ups go on from; None for a share of this machine's (`kept_share`).

    One at a URL is given the key that was set for its server, or that of PLOCAL_REMOTE_KEY, if the user named the
    server: see `Settings.keyless`.

    Raises: as the engines and `models.resolve` do; InvalidInput for a remote model that --offline forbids; NotFound for
    a remote that the config file does not have.
    """
    served = server_of(name, settings)
    if served is None:
        return open_local(name, settings, status, kept_bytes=kept_bytes)
    return _open_served(name, served, settings)


def _open_served(name: str, served: Served, settings: Settings) -> LanguageModel:
    module, _, engine = served.server.engine.partition(":")
    make: Callable[..., LanguageModel] = getattr(import_module(module), engine).from_spec
    if not served.server.is_url:
        return make(served.rest)
    from pluralism_local import config
    from pluralism_local.api_keys import ApiKeys, key_for
    from pluralism_local.engine.remote_protocol import RemoteOptions

    spec, remote, (label, model) = served.rest, None, named_remote(served.rest) or ("", None)
    options = RemoteOptions(samples=settings.samples)
    if label:
        remote = find_remote(label, settings)
        model = model or remote.model
        spec = f"{remote.base_url}#{model}" if model else remote.base_url
        options = RemoteOptions(
            remote.timeout, remote.logprobs, settings.samples, remote.parallel, remote.adapters
        )
    where = parse_spec(spec)
    if settings.offline and not where.loopback:
        raise InvalidInput(
            f"The model '{without_credentials(name)}' is on another machine, and this is offline.",
            "Leave --offline out, or take a local model.",
        )
    key = key_for(
        where,
        remote,
        ApiKeys(config.paths().data_dir),
        name=label,
        general=where.address not in settings.keyless,
    )
    return make(spec, api_key=key, options=options)


def open_local(
    name: str,
    settings: Settings,
    status: Callable[[str], None],
    *,
    remeasure: bool = False,
    kept_bytes: int | None = None,
) -> LlamaEngine:
    """The engine of a model in a file; the caller closes it. `remeasure`: plan anew how it runs, see `planner`.

    `kept_bytes` as for `open_engine`.

    Raises: as the engine and `models.resolve` do.
    """
    from pluralism_local import config
    from pluralism_local.models import store

    file = store.resolve(name, settings)
    where = config.paths()
    status(f"reading {file.path.name} …")
    sha256, fingerprint = store.identity(file, where.cache_dir)
    status(f"loading {file.path.name} …")
    from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
    from pluralism_local.engine.model_safety import TRIALS
    from pluralism_local.engine.planner import PLANS
    from pluralism_local.engine.prefix_files import PREFIXES
    from pluralism_local.engine.shelf import WEIGHTS

    options = LlamaOptions(
        ctx_size=settings.ctx_size,
        gpu_layers=settings.gpu_layers,
        threads=settings.threads,
        template=settings.template,
        prefix_dir=where.cache_dir / PREFIXES if settings.prefixes == "disk" else None,
        trial_dir=where.cache_dir / TRIALS,
        weights_dir=where.cache_dir / WEIGHTS if settings.weights == "auto" else None,
        plan_dir=where.cache_dir / PLANS if settings.plan == "auto" else None,
        remeasure=remeasure,
        cache_bytes=kept_share() if kept_bytes is None else kept_bytes,
        log_file=_log_file(where.cache_dir),
    )
    return LlamaEngine(
        file.path, name=file.name, sha256=sha256, fingerprint=fingerprint, options=options, note=status
    )


def habits(settings: Settings) -> Habits:
    """What personas say to any question, as it was measured before on this machine."""
    from pluralism_local import config
    from pluralism_local.modes.leanings.habits import HABITS, Habits

    return Habits(config.paths().cache_dir / HABITS, settings.template)


def kept_share() -> int:
    """Memory for what follow-ups go on from: a sixteenth of the machine's, between 64 and 512 MiB.

    The starter takes 23 kB a token, so that an overton conversation with six communities fills 64 MiB in three turns.
    """
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not told here
        memory = 0
    return min(512 * 2**20, max(64 * 2**20, memory // 16))


def _log_file(folder: Path) -> Path | None:
    """Where llama.cpp's log goes; None on a read-only home, which must not stop anybody from asking."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder / "llama.log" if os.access(folder, os.W_OK) else None


def fitting(pool: Pool, engine: LanguageModel, *, force: bool) -> tuple[Pool, list[str]]:
    """The pool as it can speak through the model it will run on, and warnings; see `communities.fit_to_base`.

    Raises: Refused for a community that has only an adapter for another base, unless `force`.
    """
    from pluralism_local.communities import fit_to_base

    if not engine.capabilities.adapters or engine.info.fingerprint is None:
        return pool, []
    return fit_to_base(pool, engine.info.fingerprint, force=force)


def local_default(overrides: Mapping[str, object]) -> str:
    """The default model, whatever `overrides` ask for, if it is in this machine's hands; else the starter model."""
    from pluralism_local import config

    settings = config.load({**overrides, "model": None}).settings
    return communities_model(settings, STARTER)
