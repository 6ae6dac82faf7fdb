"""Settings: what the user prefers, from five places, and where each value came from.

    built-in  <  user config.toml  <  ./plocal.toml  <  PLOCAL_<SETTING>  <  --flag
                         └────── load ──────> Loaded(settings, origin per setting)
    set_value(key, text) ──> the user's config.toml, comments kept

Every place is read and checked value by value, so that a message can name the file, variable or flag.
Failure modes, all `InvalidInput`: a file that is not TOML (file and line), an unknown key (nearest known
one), a value of the wrong type or range (what it must be), a config that cannot be read or written.
Variables named PLOCAL_… that are no setting belong to the command line and are left alone.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import platformdirs
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pluralism_local.errors import InvalidInput, NotFound, did_you_mean
from pluralism_local.files import open_regular, write_atomic
from pluralism_local.toml_edit import with_setting
from pluralism_local.types import ModeName

LOCAL_FILE = "plocal.toml"
MAX_CONFIG_BYTES = 1024**2
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SYNTAX_ERROR = re.compile(r"(?P<what>.*) \(at (?P<where>line \d+, column \d+|end of document)\)", re.DOTALL)


def _auto_is_none(value: object) -> object:
    return None if value == "auto" else value


def _texts_to_paths(value: object) -> object:
    if not isinstance(value, list):
        return value
    return [Path(item) if isinstance(item, str) else item for item in value]


def _alias_names(aliases: dict[str, str]) -> dict[str, str]:
    for name, target in aliases.items():
        if not _ALIAS.fullmatch(name) or name == "starter" or name.endswith(".gguf") or not target.strip():
            raise ValueError(name)
    return aliases


Name = Annotated[str, Field(min_length=1)]
Temperature = Annotated[float, Field(ge=0, le=100, description="a number between 0 and 100")]
TopP = Annotated[float, Field(gt=0, le=1, description="a number above 0 and at most 1")]
Positive = Annotated[int, Field(ge=1, le=2**31 - 1, description="a whole number of at least 1")]
PositiveOrAuto = Annotated[
    Annotated[int, Field(ge=1, le=2**31 - 1)] | None,
    BeforeValidator(_auto_is_none),
    Field(description="a whole number of at least 1, or 'auto'"),
]


class Settings(BaseModel):
    """Preferences, checked. None for `ctx_size` and `threads` (spelled ``"auto"``) leaves it to the engine.

    `temperature`, `top_p` and `max_tokens` are the answer's, `comment_…` the communities'. `description` of
    each field says what its value must be. `logging`: conversations are kept in the history.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: Name = Field(default="starter", description="the name or the path of a model")
    pool: Name = Field(default="perspectives", description="the id or the path of a pool")
    mode: ModeName = Field(
        default="overton",
        description="one of overton, steerable, distributional, vanilla, prompting, moe",
    )
    temperature: Temperature = 0.0
    top_p: TopP = 1.0
    max_tokens: Positive = 512
    comment_temperature: Temperature = 1.0
    comment_top_p: TopP = 0.9
    comment_max_tokens: Positive = 200
    seed: int = Field(default=0, ge=0, lt=2**32, description="a whole number between 0 and 4294967295")
    ctx_size: PositiveOrAuto = None
    gpu_layers: Literal["auto", "all"] | Annotated[int, Field(ge=0, le=10_000)] = Field(
        default="auto", description="'auto', 'all' or a whole number of at least 0"
    )
    threads: PositiveOrAuto = None
    template: Literal["auto", "none"] = Field(default="auto", description="'auto' or 'none'")
    weights: Literal["auto", "file"] = Field(default="auto", description="'auto' or 'file'")
    offline: bool = Field(default=False, description="true or false")
    logging: bool = Field(default=True, description="true or false")
    theme: Name = Field(default="textual-dark", description="the name of a theme of the chat")
    aliases: Annotated[dict[str, str], AfterValidator(_alias_names)] = Field(
        default_factory=dict,
        description="a table from names (letters, digits, '.', '_', '-'; not 'starter') to models",
    )
    community_paths: Annotated[list[Path], BeforeValidator(_texts_to_paths)] = Field(
        default_factory=list, description="a list of folders"
    )


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings in force.

    `origin` says for every field of `Settings` where its value came from: ``"built-in"``,
    ``"user config <path>"``, ``"./plocal.toml"``, ``"PLOCAL_<NAME>"`` or ``"--<name>"``. Aliases of several
    places are joined, and then the origin is the strongest place that has any.
    """

    settings: Settings
    origin: dict[str, str]


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
    value: object
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
    user_file = paths(environ).config_file
    given = [
        *_from_file(user_file, f"user config {user_file}"),
        *_from_file(_in_cwd(LOCAL_FILE, cwd), f"./{LOCAL_FILE}"),
        *_from_environ(environ),
        *_from_flags(overrides or {}),
    ]
    values: dict[str, Any] = {}
    origin = dict.fromkeys(Settings.model_fields, "built-in")
    for item in given:
        value = _checked(item)
        values[item.field] = values.get("aliases", {}) | value if item.field == "aliases" else value
        origin[item.field] = item.origin
    return Loaded(Settings.model_validate(values), origin)


def set_value(key: str, text: str, *, environ: Mapping[str, str] | None = None) -> Path:
    """Write one setting into the user's config file, whose comments and order stay; returns the file.

    `key` is a field of `Settings` (``-`` may stand for ``_``) or ``aliases.NAME``. `text` is converted and
    checked first; relative paths are stored absolute.

    Raises:
        InvalidInput: unknown key, unusable value, a config file that is not TOML or cannot be written.
    """
    field, _, name = key.partition(".")
    field = field.replace("-", "_")
    if field not in Settings.model_fields or (name and field != "aliases"):
        raise InvalidInput(f"There is no setting '{key}'.", did_you_mean(field, Settings.model_fields))
    given = {name: text} if name else _from_text(field, text)
    value = _checked(_Given(field, given, "", key, folder=Path.cwd()))

    file = paths(environ).config_file
    _read_toml(file)  # a file that is not TOML is reported here, with its line
    plain = (
        "auto" if value is None else [str(path) for path in value] if field == "community_paths" else value
    )
    try:
        content = file.read_bytes().decode() if file.exists() else ""
        write_atomic(file, with_setting(content, field, plain))
    except OSError as error:
        raise InvalidInput(
            f"The config file {file} cannot be written: {error.strerror}.",
            "Set PLOCAL_HOME to a folder that can be, or use a flag or a PLOCAL_ variable instead.",
        ) from error
    return file


def names_a_file(name: str) -> bool:
    """Whether a model name is meant as a path: it has a separator or ends in .gguf, and no ``scheme:``."""
    if re.match(r"[a-z]{2,}:", name):
        return False
    return "/" in name or os.sep in name or name.lower().endswith(".gguf")


def _from_file(path: Path | None, origin: str) -> Iterator[_Given]:
    if path is None:
        return
    for key, value in _read_toml(path).items():
        if key not in Settings.model_fields:
            raise InvalidInput(
                f"{path} has the unknown setting '{key}'.", did_you_mean(key, Settings.model_fields)
            )
        yield _Given(key, value, origin, f"{key} in {path}", folder=path.parent, typed=True)


def _read_toml(path: Path) -> dict[str, Any]:
    """The file's top-level entries; none if there is no such file."""
    try:
        with open_regular(path) as file:
            content = file.read(MAX_CONFIG_BYTES + 1)
    except NotFound:
        return {}
    if len(content) > MAX_CONFIG_BYTES:
        raise InvalidInput(f"{path} is larger than {MAX_CONFIG_BYTES:,} bytes; a config file is a few lines.")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{path}, line {line}: this is not UTF-8 text.") from error
    except (ValueError, RecursionError) as error:
        found = _SYNTAX_ERROR.fullmatch(str(error))
        what, where = (found["what"], found["where"]) if found else (str(error), "end of document")
        last_line = content.count(b"\n") + 1
        where = where.replace("end of document", f"line {last_line}")
        raise InvalidInput(
            f"{path}, {where}: {what}.", 'A setting is a line such as model = "starter"; text needs quotes.'
        ) from error


def _from_environ(environ: Mapping[str, str]) -> Iterator[_Given]:
    for field in Settings.model_fields:
        variable = f"PLOCAL_{field.upper()}"
        if text := environ.get(variable):  # set but empty is not set
            yield _Given(field, _from_text(field, text), variable, variable)


def _from_flags(overrides: Mapping[str, object]) -> Iterator[_Given]:
    for field, value in overrides.items():
        flag = "--" + field.replace("_", "-")
        if field not in Settings.model_fields:
            raise InvalidInput(f"{flag} is no setting.", did_you_mean(field, Settings.model_fields))
        if value is not None:
            typed = _from_text(field, value) if isinstance(value, str) else value
            yield _Given(field, typed, flag, flag)


def _from_text(field: str, text: str) -> object:
    """Text from a shell: lists joined by the system's path separator, tables as NAME=MODEL,NAME=MODEL."""
    if field == "community_paths":
        return [part for part in text.split(os.pathsep) if part]
    if field == "aliases":
        pairs = [part.partition("=") for part in text.split(",")]
        return {name.strip(): target.strip() for name, _, target in pairs}
    return text


def _checked(given: _Given) -> Any:
    try:
        settings = Settings.model_validate({given.field: given.value}, strict=given.typed)
    except (ValidationError, OverflowError) as error:
        expected = Settings.model_fields[given.field].description
        hint = did_you_mean(str(given.value), get_args(ModeName)) if given.field == "mode" else ""
        raise InvalidInput(f"{given.called} must be {expected}, not {_shown(given.value)}.", hint) from error
    value, folder = getattr(settings, given.field), given.folder
    if given.field == "community_paths":
        return [Path(_anchored(str(path), folder)) for path in value]
    if given.field == "aliases":
        return {
            name: _anchored(model, folder) if names_a_file(model) else model for name, model in value.items()
        }
    if (given.field == "model" and names_a_file(value)) or (
        given.field == "pool" and value.endswith((".yaml", ".yml"))
    ):
        return _anchored(value, folder)
    return value


def _anchored(text: str, folder: Path | None) -> str:
    path = os.path.expanduser(text)  # noqa: PTH111 - keeps the user's spelling, "./x" included
    return path if folder is None else str(folder / path)


def _shown(value: object) -> str:
    try:
        return f"{value!r:.80}"
    except ValueError:  # an integer of more digits than Python prints
        return "a number of thousands of digits"


def _in_cwd(name: str, cwd: Path | None) -> Path | None:
    try:
        return (Path.cwd() if cwd is None else cwd) / name
    except OSError:  # the working folder was removed
        return None
