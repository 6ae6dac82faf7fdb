"""Runs that others began: what a run.json names is opened only if this user names it, too, or allowed it once.

    RunSpec ──named──> {"model": …, "scorer": …} ──allow──> RunSpec and Settings to go on with | Refused
                            └──remember──> data/trusted.json, for a run that is begun here

A model or a server, cards and adapters (a pool's file), and a scorer to be loaded count; the starter, made-up text,
pools by their id and the scorer that comes with the package do not. Named by the user is what an option or the
user's settings say; begun or allowed here (`plocal config trust RUN`) is what the data folder remembers, wherever the
run's folder lies. The key of remote models goes to a server that the user named or began the run with.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pluralism_local.errors import Refused
from pluralism_local.evaluation.scorer_names import ADAPTER, NO_SCORER
from pluralism_local.remote_url import without_credentials

if TYPE_CHECKING:
    from pluralism_local.config import Settings
    from pluralism_local.evaluation.run_folder import RunSpec

FLAGS = {"model": "-m", "communities_model": "--communities-model"}
_SPELLED = {"communities_model": "model of the communities", "pool": "pool's file"}
_HARMLESS_SCORERS = {ADAPTER, NO_SCORER}


def named(spec: RunSpec) -> dict[str, str]:
    """What the run names and is opened, by kind; files by their absolute path, servers without credentials."""
    from pluralism_local.model_names import names_a_file
    from pluralism_local.trust import is_pool_file

    models = {"model": spec.settings["model"], "communities_model": spec.communities_model}
    names = {
        kind: _absolute(name) if names_a_file(name) else without_credentials(name)
        for kind, name in models.items()
        if name is not None and not _is_harmless(name)
    }
    pool = spec.settings["pool"]
    if is_pool_file(pool):
        names["pool"] = _absolute(pool)
    if spec.scorer not in _HARMLESS_SCORERS:
        names["scorer"] = spec.scorer
    return names


def _is_harmless(model: str) -> bool:
    """Whether nothing of a stranger's is opened: the starter, or a server without an address or a file."""
    from pluralism_local.model_names import Served, Starter, parse

    name = parse(model)
    if name.tag is not None:
        return False
    return isinstance(name.place, Starter) or (isinstance(name.place, Served) and not name.place.rest)


def remember(spec: RunSpec, settings: Settings) -> None:
    """This run is begun here; not remembered if it is on a server that no key goes to, which stays so."""
    from pluralism_local import config
    from pluralism_local.model_names import follow
    from pluralism_local.settings import servers
    from pluralism_local.trust import Trust

    names = named(spec)
    models = [follow(name, settings.aliases).text for kind, name in names.items() if kind in FLAGS]
    if names and not servers(models) & settings.keyless:
        Trust(config.paths().data_dir).remember_run(names)


def allow(
    spec: RunSpec,
    folder: Path,
    settings: Settings,
    what: Collection[str],
    named_again: Mapping[str, str | None] | None = None,
    how: str = "",
) -> tuple[RunSpec, Settings]:
    """The run and its settings to go on with, where `what` of it may be opened.

    Args:
        settings: the user's own, without the run's model and pool; what comes back has them.
        what: of ``"model"``, ``"communities_model"``, ``"pool"``, ``"scorer"``.
        named_again: options by kind; they must be the run's.
        how: an option that names something else instead, for the hint.

    Raises:
        Refused: the user has not named it, or names another.
    """
    from pluralism_local import config
    from pluralism_local.trust import Trust

    named_again = named_again or {}
    names = named(spec)
    state = Trust(config.paths().data_dir).run_state(names)
    run = {
        "model": spec.settings["model"],
        "communities_model": spec.communities_model,
        "pool": spec.settings["pool"],
        "scorer": spec.scorer,
    }
    for kind in what:
        option = named_again.get(kind)
        spelling = _spelling(kind, names.get(kind), option, settings)
        if option is not None and spelling != option and option != run[kind]:
            raise Refused(
                f"{folder} was begun with the {_SPELLED.get(kind, kind)} '{run[kind]}', "
                f"not with '{without_credentials(option)}'.",
                f"Leave {FLAGS[kind]} out, or begin another run.",
            )
        if kind not in names:
            continue
        if spelling is None and state == "unknown":
            raise Refused(
                f"{folder} names the {_SPELLED.get(kind, kind)} '{names[kind]}', and was not begun here.",
                _hint(kind, names[kind], folder, how),
            )
        if spelling is None and state == "trusted" and kind in FLAGS:
            settings = settings.without_key_for([names[kind]])
        run[kind] = spelling or run[kind]
    settings = settings.model_copy(update={kind: run[kind] for kind in ("model", "pool") if kind in what})
    return replace(spec, communities_model=run["communities_model"]), settings


def _spelling(kind: str, name: str | None, option: str | None, settings: Settings) -> str | None:
    """How the user names the same thing, credentials included; None if nowhere."""
    from pluralism_local.model_names import names_a_file

    if kind == "scorer":
        users = [option, os.environ.get("PLOCAL_SCORER")]
    elif kind == "pool":
        users = [option, settings.pool]
    else:
        users = [option, settings.model, *settings.aliases.values()]
    for users_name in users:
        if users_name is not None:
            path = _absolute(users_name) if kind == "pool" or names_a_file(users_name) else users_name
            if name == without_credentials(path):
                return users_name
    return None


def _hint(kind: str, name: str, folder: Path, how: str) -> str:
    trust = f"plocal config trust {folder}"
    option = f"{FLAGS[kind]} '{name}'" if kind in FLAGS and not how else how
    return (
        f"If you mean it: {option}, or allow what the run names: {trust}"
        if option
        else f"If you mean it: {trust}"
    )


def _absolute(name: str) -> str:
    return os.path.abspath(os.path.expanduser(name))  # noqa: PTH100, PTH111 - a name, as it is compared
