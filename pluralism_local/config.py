"""Settings: what the user prefers, from five places, and where each value came from.

    built-in  <  user config.toml  <  ./plocal.toml  <  PLOCAL_<SETTING>  <  --flag
                         └────── load ──────> Loaded(settings, origin per setting, what was withheld)
    set_value(key, text) ──> the user's config.toml, comments kept

A folder's ./plocal.toml is whoever's made the folder: what `trust.is_guarded` names is taken from it only where the
user trusts its content, and the key of remote models never goes to a server that nobody but it names.

Every place is read and checked value by value, so that a message can name the file, variable or flag.
Failure modes, all `InvalidInput`: a file that is not TOML (file and line), an unknown key (nearest known
one), a value of the wrong type or range (what it must be), a config that cannot be read or written.
Variables named PLOCAL_… that are no setting belong to the command line and are left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import ValidationError

from pluralism_local.errors import InvalidInput, did_you_mean
from pluralism_local.files import write_atomic
from pluralism_local.locks import only_writer
from pluralism_local.mode_specs import MODES
from pluralism_local.model_names import names_a_file, url_of
from pluralism_local.remote_url import parse_spec, without_credentials
from pluralism_local.settings import Remote, Settings, servers
from pluralism_local.toml_edit import parse, read_bytes, text_of, with_setting
from pluralism_local.trust import State, Trust, changes, is_guarded, is_pool_file

__all__ = [
    "LOCAL_FILE",
    "Loaded",
    "Paths",
    "Settings",
    "Withheld",
    "load",
    "paths",
    "set_value",
]

LOCAL_FILE = "plocal.toml"
_TABLES = frozenset({"aliases", "remote"})


@dataclass(frozen=True, slots=True)
class Withheld:
    """What ./plocal.toml says and was not taken from it.

    Attributes:
        file, content: the file as it was read.
        values: by field, checked.
        guarded: the same, and what it says of that kind that is in force without it.
        state: ``"unknown"``, or ``"changed"`` since it was trusted.
    """

    file: Path
    content: bytes
    values: dict[str, object]
    guarded: dict[str, object]
    state: State


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force.

    `origin` says for every field of `Settings` where its value came from: ``"built-in"``,
    ``"user config <path>"``, ``"./plocal.toml"``, ``"PLOCAL_<NAME>"`` or ``"--<name>"``. Aliases of several
    places are joined, and then the origin is the strongest place that has any. `withheld` is None where nothing was.
    """

    settings: Settings
    origin: dict[str, str]
    withheld: Withheld | None = None


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things lie; nothing is created by asking.

    Attributes:
        config_file: the user's config.toml.
        data_dir: what the user would miss: history, runs, communities added.
        cache_dir: what can be made again.
    """

    config_file: Path
    data_dir: Path
    cache_dir: Path


@dataclass(frozen=True, slots=True)
class _Given:
    """One value from one place.

    `called` names it in messages. Relative paths in it start from `folder`. `typed` values come from TOML and
    must have the right type; others are text from outside, or flags, and are converted.
    """

    field: str
    value: Any
    origin: str
    called: str
    folder: Path | None = None
    typed: bool = False


def paths(environ: Mapping[str, str] | None = None) -> Paths:
    """The user's folders: inside PLOCAL_HOME if that is set and not empty, else where the system has them."""
    home = (os.environ if environ is None else environ).get("PLOCAL_HOME")
    if home:
        root = Path(_anchored(home, None)).absolute()
        return Paths(root / "config.toml", root / "data", root / "cache")
    return Paths(
        platformdirs.user_config_path("plocal") / "config.toml",
        platformdirs.user_data_path("plocal"),
        platformdirs.user_cache_path("plocal"),
    )


def load(
    overrides: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Loaded:
    """Gather the settings; the stronger place wins, value by value.

    `overrides` are the flags by field name; None among them means not given. `environ` and `cwd` default to
    the process's. A relative path in a config file starts from that file's folder; ``~`` is expanded.

    Raises:
        InvalidInput: see the module.
    """
    environ = os.environ if environ is None else environ
    places = paths(environ)
    own = [
        *_from_file(places.config_file, read_bytes(places.config_file), f"user config {places.config_file}")
    ]
    told = [*_from_environ(environ), *_from_flags(overrides or {})]
    folders, withheld = _from_folder(_in_cwd(LOCAL_FILE, cwd), _joined(own), places.data_dir)
    settings = Settings.model_validate(_joined([*own, *folders, *told]))
    settings._keyless = servers(_models(folders)) - servers(_models([*own, *told]))
    origin = dict.fromkeys(Settings.model_fields, "built-in")
    origin |= {item.field: item.origin for item in (*own, *folders, *told)}
    return Loaded(settings, origin, withheld)


def set_value(key: str, text: str, *, environ: Mapping[str, str] | None = None) -> Path:
    """Write one setting into the user's config file, whose comments and order stay; returns the file.

    `key` is a field of `Settings` (``-`` may stand for ``_``) or ``aliases.NAME``. `text` is converted and
    checked first; relative paths are stored absolute.

    Raises:
        InvalidInput: unknown key, unusable value, a config file that is not TOML or cannot be written.
    """
    field, _, name = key.partition(".")
    field = field.replace("-", "_")
    if field == "remote":
        raise InvalidInput(
            "A remote is a table, and not set by a word.",
            f"Write [remote.NAME] with base_url into {paths(environ).config_file}.",
        )
    if field not in Settings.model_fields or (name and field != "aliases"):
        raise InvalidInput(f"There is no setting '{key}'.", did_you_mean(field, Settings.model_fields))
    typed = {name: text} if name else _from_text(field, text)
    value = _checked(_Given(field, typed, "", key, folder=Path.cwd()))
    for model in _models([_Given(field, value, "", key)]):
        url = url_of(model)
        if url is not None:
            parse_spec(url)

    file = paths(environ).config_file
    plain = (
        "auto" if value is None else [str(path) for path in value] if field == "community_paths" else value
    )
    try:
        with only_writer(file):
            content = read_bytes(file)
            parse(content, file)  # a file that is not TOML is reported here, with its line
            write_atomic(file, with_setting(text_of(content, file), field, plain))
    except OSError as error:
        raise InvalidInput(
            f"The config file {file} cannot be written: {error.strerror or error}.",
            "Set PLOCAL_HOME to a folder that can be, or use a flag or a PLOCAL_ variable instead.",
        ) from error
    return file


def _from_folder(
    file: Path | None, before: Mapping[str, Any], data_dir: Path
) -> tuple[list[_Given], Withheld | None]:
    """What a folder's file says and may, and what it may not; `before` are the values without it."""
    if file is None or not (content := read_bytes(file)):
        return [], None
    items = [*_from_file(file, content, f"./{LOCAL_FILE}")]
    in_force = Settings.model_validate(before).model_dump()
    guarded = {item.field: item.value for item in items if is_guarded(item.field, item.value)}
    asking = {field: value for field, value in guarded.items() if changes(field, value, in_force)}
    state: State = Trust(data_dir).state(file, content) if asking else "trusted"
    if state == "trusted":
        return items, None
    free = [item for item in items if item.field not in asking]
    return free, Withheld(file, content, asking, guarded, state)


def _joined(items: Iterable[_Given]) -> dict[str, Any]:
    """One value per field: the last, but of tables every name's last."""
    values: dict[str, Any] = {}
    for item in items:
        joins = item.field in _TABLES
        values[item.field] = {**values.get(item.field, {}), **item.value} if joins else item.value
    return values


def _models(items: Iterable[_Given]) -> Iterator[str]:
    """The names of models that are given, those behind aliases included."""
    for item in items:
        if item.field == "model":
            yield item.value
        elif item.field == "aliases":
            yield from item.value.values()


def _from_file(path: Path, content: bytes, origin: str) -> Iterator[_Given]:
    for key, value in parse(content, path).items():
        if key not in Settings.model_fields:
            raise InvalidInput(
                f"{path} has the unknown setting '{key}'.", did_you_mean(key, Settings.model_fields)
            )
        yield _taken(_Given(key, value, origin, f"{key} in {path}", folder=path.parent, typed=True))


def _from_environ(environ: Mapping[str, str]) -> Iterator[_Given]:
    for field in Settings.model_fields:
        variable = f"PLOCAL_{field.upper()}"
        if text := environ.get(variable):  # set but empty is not set
            yield _taken(_Given(field, _from_text(field, text), variable, variable))


def _from_flags(overrides: Mapping[str, object]) -> Iterator[_Given]:
    for field, value in overrides.items():
        flag = "--" + field.replace("_", "-")
        if field not in Settings.model_fields:
            raise InvalidInput(f"{flag} is no setting.", did_you_mean(field, Settings.model_fields))
        if value is not None:
            typed = _from_text(field, value) if isinstance(value, str) else value
            yield _taken(_Given(field, typed, flag, flag))


def _from_text(field: str, text: str) -> object:
    """Text from a shell: lists joined by the system's path separator, tables as NAME=MODEL,NAME=MODEL."""
    if field == "community_paths":
        return [part for part in text.split(os.pathsep) if part]
    if field == "aliases":
        pairs = [part.partition("=") for part in text.split(",")]
        return {name.strip(): target.strip() for name, _, target in pairs}
    return text


def _taken(given: _Given) -> _Given:
    return replace(given, value=_checked(given))


def _checked(given: _Given) -> Any:
    try:
        settings = Settings.model_validate({given.field: given.value}, strict=given.typed)
    except (ValidationError, OverflowError) as error:
        if given.field == "remote" and isinstance(error, ValidationError):
            raise _remote_fault(given.called, error) from None
        expected = Settings.model_fields[given.field].description
        hint = did_you_mean(str(given.value), MODES) if given.field == "mode" else ""
        raise InvalidInput(f"{given.called} must be {expected}, not {_shown(given.value)}.", hint) from error
    value, folder = getattr(settings, given.field), given.folder
    if given.field == "community_paths":
        return [Path(_anchored(str(path), folder)) for path in value]
    if given.field == "aliases":
        return {
            name: _anchored(model, folder) if names_a_file(model) else model for name, model in value.items()
        }
    if (given.field == "model" and names_a_file(value)) or (given.field == "pool" and is_pool_file(value)):
        return _anchored(value, folder)
    return value


def _remote_fault(called: str, error: ValidationError) -> InvalidInput:
    """What is wrong with a table of a remote; nothing of it is shown, since somebody may have put a key there."""
    fault = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(str(step) for step in fault["loc"])
    reason = fault["msg"].removeprefix("Value error, ")
    hint = f"It takes {', '.join(Remote.model_fields)}."
    if fault["loc"][-1] in ("api_key", "key", "token"):
        hint = "A key does not belong into the config file: plocal keys set NAME"
    return InvalidInput(f"{called} cannot be used: {where}: {reason}.", hint)


def _anchored(text: str, folder: Path | None) -> str:
    path = os.path.expanduser(text)  # noqa: PTH111 - keeps the user's spelling, "./x" included
    return path if folder is None else str(folder / path)


def _shown(value: object) -> str:
    try:
        return f"{without_credentials(repr(value)):.80}"
    except ValueError:  # an integer of more digits than Python prints
        return "a number of thousands of digits"


def _in_cwd(name: str, cwd: Path | None) -> Path | None:
    try:
        return (Path.cwd() if cwd is None else cwd) / name
    except OSError:  # the working folder was removed
        return None
