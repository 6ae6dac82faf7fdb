"""The base of an adapter that was trained elsewhere: found by its name, checked by its shapes, then by its fingerprint.

name in adapter_config.json, or --base ──find_base──> Base(name, shape, model here or None)
adapter, model here ──fingerprint_of──> what its card says, once the shapes fit
cards without a fingerprint, models here ──bind──> the cards that have one now
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pluralism_local.communities.cards import CARD_FILE, load_community, read_card
from pluralism_local.config import Settings
from pluralism_local.errors import InvalidInput, NotFound, PlocalError, Refused
from pluralism_local.files import write_atomic
from pluralism_local.gguf_header import GGUFHeader, fingerprint
from pluralism_local.hub.download import Progress, download
from pluralism_local.hub.repository import look_up
from pluralism_local.hub.session import require_online
from pluralism_local.lora import BaseShape
from pluralism_local.model_names import Hub, parse
from pluralism_local.models import store
from pluralism_local.models.adapter_rules import check_fits
from pluralism_local.models.details import read_model_header
from pluralism_local.models.gguf_file import read_header
from pluralism_local.models.store import ModelFile

BASE_CONFIG = "config.json"

_WORD = re.compile(r"v?\d+(?:\.\d+)*[a-z]*|[a-z]+\d*")
_NAMES = ("general.name", "general.basename", "general.base_model.0.name")
_BASE_LINES = re.compile(r"^(  base:\n    model: .*\n)(?!    fingerprint:)", re.MULTILINE)


@dataclass(frozen=True)
class Base:
    """A base as far as it is known here.

    Attributes:
        name: for the card: that of the adapter's own configuration.
        shape: its sizes.
        model: a GGUF of it that is here; None without one.
        header: of that GGUF.
    """

    name: str
    shape: BaseShape
    model: ModelFile | None = None
    header: GGUFHeader | None = None


def find_base(
    name: str,
    named: str | None,
    settings: Settings,
    progress: Progress,
    *,
    sizes: dict[str, Any] | None = None,
) -> Base:
    """Find out what an adapter's base looks like.

    In this order: what the user named; a model here whose name has all words of the base's; `sizes`; the base's
    configuration, in a folder or on the Hub.

    Args:
        name: of the adapter's own configuration, a repository or a path of whoever trained it.
        named: what the user gave with --base: a model's name, a folder with a config.json, or ``hf:user/repo``.
        sizes: a config.json that is known beforehand.

    Raises:
        InvalidInput: a family that has no form in GGUF, or nothing that is a base.
        NotFound: it is not here, and cannot be asked for.
    """
    called = last_part(name)
    if named is not None:
        return _as_named(called, named, settings, progress)
    for model, header in sound_models(settings):
        if is_called(called, model, header):
            return Base(called, BaseShape.of_header(header), model, header)
    if sizes is not None:
        return Base(called, BaseShape.of_config(sizes))
    return Base(called, BaseShape.of_config(_configuration(name, settings, progress)))


def fingerprint_of(base: Base, adapter: Path) -> str | None:
    """The fingerprint for the card; None without a GGUF of the base here.

    Raises:
        Refused: the shapes of that GGUF are others than the adapter's.
    """
    if base.header is None or base.model is None:
        return None
    try:
        check_fits(read_header(adapter), base.header)
    except InvalidInput as error:
        raise Refused(f"{base.model.name} is not the base: {error.message}", error.hint) from error
    return fingerprint(base.header)


def bind(folder: Path, settings: Settings) -> list[tuple[str, str]]:
    """Write the fingerprint into the cards of `folder` whose base has come; (community, model) of each.

    A card is left alone where no model here has its base's name and shapes, where its adapter is not sound, or where
    somebody wrote it in another form. Adapters are read only of cards for whose base there is a model of that name.
    """
    waiting = list(_waiting(folder))
    if not waiting:
        return []
    models = list(sound_models(settings))
    bound = []
    for card_folder, base in waiting:
        named = [(model, header) for model, header in models if is_called(base, model, header)]
        adapter = _adapter_header(card_folder) if named else None
        if adapter is None:
            continue
        match = next(((model, header) for model, header in named if _fits(adapter, header)), None)
        if match is not None and _write_fingerprint(card_folder / CARD_FILE, fingerprint(match[1])):
            bound.append((card_folder.name, match[0].name))
    return bound


def sound_models(settings: Settings) -> Iterator[tuple[ModelFile, GGUFHeader]]:
    """The models here with their headers, without copies and files that are no sound model."""
    for model in store.installed(settings):
        if model.source != "plocal":
            with suppress(PlocalError):
                yield model, read_model_header(model.path)


def last_part(name: str) -> str:
    """``Mistral-7B-v0.1`` of ``mistralai/Mistral-7B-v0.1`` or of somebody's path; the whole of a name without parts."""
    return name.rstrip("/\\").replace("\\", "/").rpartition("/")[2] or name


def is_called(base: str, model: ModelFile, header: GGUFHeader) -> bool:
    """Whether a model's name, or one that its header gives, has every word of the base's."""
    words = _words(last_part(base))
    names = [model.name, model.path.name, *(header.text(key) or "" for key in _NAMES)]
    return bool(words) and any(words <= _words(name) for name in names)


def _words(name: str) -> set[str]:
    return set(_WORD.findall(name.lower()))


def _as_named(called: str, named: str, settings: Settings, progress: Progress) -> Base:
    folder = Path(named).expanduser()
    if (folder / BASE_CONFIG).is_file():
        return Base(called, BaseShape.of_config(_read_config(folder / BASE_CONFIG)))
    try:
        model = store.resolve(named, settings)
    except NotFound:
        place = parse(named).place
        if not isinstance(place, Hub) or place.repo is None:
            raise
        return Base(called, BaseShape.of_config(_hub_configuration(place.repo, settings, progress)))
    header = read_model_header(model.path)
    return Base(called, BaseShape.of_header(header), model, header)


def _configuration(name: str, settings: Settings, progress: Progress) -> dict[str, Any]:
    if (Path(name).expanduser() / BASE_CONFIG).is_file():
        return _read_config(Path(name).expanduser() / BASE_CONFIG)
    hint = "Name it with --base: a GGUF of it, or a folder with its config.json."
    place = parse(f"hf:{name}").place
    if not isinstance(place, Hub) or place.repo is None:
        raise NotFound(f"The adapter's base, {name}, is not here.", hint)
    try:
        return _hub_configuration(place.repo, settings, progress)
    except (NotFound, Refused) as error:
        raise type(error)(
            f"The adapter's base is not known here: {error.message}", f"{error.hint} {hint}"
        ) from error


def _hub_configuration(repo: str, settings: Settings, progress: Progress) -> dict[str, Any]:
    require_online(settings.offline, repo)
    repository = look_up(repo)
    return _read_config(download(repository, repository.file(BASE_CONFIG), progress))


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON: {error}.") from error
    if not isinstance(config, dict):
        raise InvalidInput(f"{path} is no model's configuration.")
    return config


def _fits(adapter: GGUFHeader, header: GGUFHeader) -> bool:
    try:
        check_fits(adapter, header)
    except InvalidInput:
        return False
    return True


def _waiting(folder: Path) -> Iterator[tuple[Path, str]]:
    """The cards in `folder` whose adapter's base is known by its name alone: each card's folder, and that name."""
    for file in sorted(folder.glob(f"*/{CARD_FILE}")):
        with suppress(PlocalError):
            card = read_card(file)
            if card.adapter is not None and card.base is not None and card.base.fingerprint is None:
                yield file.parent, card.base.model


def _adapter_header(card_folder: Path) -> GGUFHeader | None:
    """The header of a card's first adapter, once both are checked; None where they are not sound."""
    try:
        return load_community(card_folder).adapter_files[0].header
    except PlocalError:
        return None


def _write_fingerprint(card: Path, mark: str) -> bool:
    text, count = _BASE_LINES.subn(
        rf"\g<1>    fingerprint: {mark}\n", card.read_text(encoding="utf-8"), count=1
    )
    if count:
        write_atomic(card, text)
    return bool(count)
