"""A community from a folder or the Hub: a card of ours as it is, or a LoRA that PEFT saved, with a card written for it.

    FOLDER | hf:user/repo[@revision] ──pull──> communities/ID/README.md, ID.gguf      whole or not at all

What is fetched is checked as every card is before it has its place, so that no broken one ever stands among the others.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pluralism_local.communities.adapter_file import inside
from pluralism_local.communities.card_parts import ID_PATTERN
from pluralism_local.communities.cards import CARD_FILE, Card, load_community, read_card
from pluralism_local.communities.library import own_folder
from pluralism_local.communities.strict_yaml import MAX_BYTES
from pluralism_local.config import Settings
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.files import open_regular, write_atomic
from pluralism_local.hub.download import Progress, download
from pluralism_local.hub.repository import Repository, look_up
from pluralism_local.hub.session import require_online
from pluralism_local.lora import (
    CONFIG,
    PICKLED,
    WEIGHTS,
    LoraInfo,
    read_config,
    read_lora,
    refuse_unsupported,
    write_lora_gguf,
)
from pluralism_local.model_names import hub
from pluralism_local.models.gguf_file import sha256_of
from pluralism_local.sharing.bases import Base, find_base, fingerprint_of, last_part
from pluralism_local.sharing.card_text import CardFacts, card_text

Describe = Callable[[CardFacts], CardFacts]


@dataclass(frozen=True)
class PullOptions:
    """How a community is to be taken in.

    Attributes:
        id: instead of the card's or the repository's name.
        base: what the user says is the base; see `bases.find_base`.
        replace: whether one of the same id may be replaced.
        sizes: the base's config.json, where it is known beforehand.
        describe: completes what a written card says.
    """

    id: str | None = None
    base: str | None = None
    replace: bool = False
    sizes: dict[str, Any] | None = None
    describe: Describe = field(default=lambda facts: facts)


@dataclass(frozen=True, slots=True)
class PulledCommunity:
    """A community that is here now.

    Attributes:
        id: its name.
        folder: of its card.
        base: name of its adapter's base; None without an adapter.
        checked_with: the model here that its base was checked with; None: by name and shapes alone, or not at all.
        written: whether the card was written here, for a LoRA without one.
    """

    id: str
    folder: Path
    base: str | None
    checked_with: str | None
    written: bool


@dataclass(frozen=True)
class _SavedLora:
    """A LoRA as PEFT saved it in `folder`, the id it gets, its configuration, and where it comes from."""

    id: str
    folder: Path
    config: dict[str, Any]
    place: str
    revision: str | None = None
    licence: str | None = None


def pull(
    source: str, data_dir: Path, settings: Settings, request: PullOptions, progress: Progress
) -> PulledCommunity:
    """Take in one community.

    Raises:
        InvalidInput: no such source, what it holds has no form here (named), or one of that id is here already.
        NotFound: it is not there, or nothing in it is a community; offline.
        Refused: gated, no room, weights that are wrong, or a base that is another.
        RemoteFailure: the Hub was not reached.
    """
    place = hub(source)
    if place is None:
        folder = Path(source).expanduser()
        if not source or not folder.is_dir():
            raise NotFound(f"There is no folder '{source}'.", "Give a folder, or hf:user/repo.")
        return _from_folder(folder, data_dir, settings, request, progress)
    if place.repo is None or place.selector is not None:
        raise InvalidInput(f"'{source}' is no repository.", "Write hf:user/repo or hf:user/repo@REVISION.")
    require_online(settings.offline, source)
    return from_repository(look_up(place.repo, place.revision), data_dir, settings, request, progress)


def from_repository(
    repository: Repository, data_dir: Path, settings: Settings, request: PullOptions, progress: Progress
) -> PulledCommunity:
    """The same for a repository that was looked up."""
    names = {file.name for file in repository.files}
    if CARD_FILE in names:
        readme = download(repository, repository.file(CARD_FILE), progress)
        if _has_card(readme):

            def fetch(name: str) -> Path:
                return download(repository, repository.file(name), progress)

            return _take_card(readme, fetch, data_dir, request)
    if CONFIG not in names:
        raise NotFound(
            f"{repository.id} holds neither a card of a community nor a {CONFIG}.",
            "Give a repository of a community, or of a LoRA that PEFT saved.",
        )
    if WEIGHTS not in names:
        raise NotFound(f"{repository.id} holds no {WEIGHTS}.", _only_pickled(PICKLED in names))
    id = _lora_id(repository.id, data_dir, request)
    folder = download(repository, repository.file(CONFIG), progress).parent
    config = read_config(folder)
    refuse_unsupported(config)  # before the weights, which may be large, are fetched
    download(repository, repository.file(WEIGHTS), progress)
    lora = _SavedLora(id, folder, config, f"hf:{repository.id}", repository.commit, repository.licence)
    return _take_lora(lora, data_dir, settings, request, progress)


def _from_folder(
    folder: Path, data_dir: Path, settings: Settings, request: PullOptions, progress: Progress
) -> PulledCommunity:
    readme = folder / CARD_FILE
    if readme.is_file() and _has_card(readme):
        return _take_card(readme, lambda name: inside(folder, name), data_dir, request)
    place = str(folder.resolve())
    lora = _SavedLora(_lora_id(place, data_dir, request), folder, read_config(folder), place)
    return _take_lora(lora, data_dir, settings, request, progress)


def _take_card(
    readme: Path, fetch: Callable[[str], Path], data_dir: Path, request: PullOptions
) -> PulledCommunity:
    card = read_card(readme)
    if request.id not in (None, card.id):
        raise InvalidInput(f"This card is of the community '{card.id}' and keeps that id.", "Leave --id out.")
    with _draft(card.id, data_dir, replace=request.replace) as draft:
        shutil.copyfile(readme, draft / CARD_FILE)
        for spec, _ in card.every_adapter:
            target = inside(draft, spec.file)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(fetch(spec.file), target)
        load_community(draft)
    return PulledCommunity(card.id, own_folder(data_dir) / card.id, _base_name(card), None, written=False)


def _take_lora(
    saved: _SavedLora, data_dir: Path, settings: Settings, request: PullOptions, progress: Progress
) -> PulledCommunity:
    base = find_base(_trained_on(saved, request), request.base, settings, progress, sizes=request.sizes)
    lora = read_lora(saved.folder, base.shape)
    with _draft(saved.id, data_dir, replace=request.replace) as draft:
        adapter = draft / f"{saved.id}.gguf"
        info = write_lora_gguf(lora, adapter)
        facts = request.describe(_facts(saved, base, info, adapter))
        write_atomic(draft / CARD_FILE, card_text(facts))
        load_community(draft)
    checked = base.model.name if base.model is not None else None
    return PulledCommunity(saved.id, own_folder(data_dir) / saved.id, base.name, checked, written=True)


def _lora_id(place: str, data_dir: Path, request: PullOptions) -> str:
    """The id of a LoRA from `place`, which is free, or may be replaced."""
    id = request.id or _slug(last_part(place))
    if re.fullmatch(ID_PATTERN, id) is None:
        raise InvalidInput(f"{id!r} is no id of a community.", "Give one with --id: a-z, 0-9 and -.")
    _require_free(id, data_dir, replace=request.replace)
    return id


def _trained_on(saved: _SavedLora, request: PullOptions) -> str:
    """The base's name: the configuration's, else what the user says is the base."""
    name = saved.config.get("base_model_name_or_path")
    if isinstance(name, str) and name.strip():
        return name
    if request.base is None:
        raise InvalidInput(f"{saved.folder / CONFIG} does not name its base.", "Name it with --base.")
    place = hub(request.base)
    return place.repo if place is not None and place.repo else request.base.removesuffix(".gguf")


def _facts(saved: _SavedLora, base: Base, info: LoraInfo, adapter: Path) -> CardFacts:
    return CardFacts(
        id=saved.id,
        name=saved.id,
        description=f"A LoRA for {base.name}, pulled from {saved.place}; its makers' own page says what it is.",
        base=base.name,
        fingerprint=fingerprint_of(base, adapter),
        file=adapter.name,
        info=info,
        source={
            "place": saved.place,
            "revision": saved.revision,
            "config_sha256": sha256_of(saved.folder / CONFIG),
            "weights_sha256": sha256_of(saved.folder / WEIGHTS),
        },
        licence=saved.licence,
    )


def _require_free(id: str, data_dir: Path, *, replace: bool) -> None:
    target = own_folder(data_dir) / id
    if target.exists() and not replace:
        raise InvalidInput(f"There is a community '{id}' in {target}.", "Add --replace, or another --id.")


@contextmanager
def _draft(id: str, data_dir: Path, *, replace: bool) -> Iterator[Path]:
    """A folder of that id, outside of where communities are looked for; it has its place after the block.

    Raises:
        InvalidInput: there is one of that id, and it may not be replaced.
    """
    _require_free(id, data_dir, replace=replace)
    target = own_folder(data_dir) / id
    data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_dir, prefix=".pulling-") as spare:
        draft = Path(spare) / id
        draft.mkdir()
        yield draft
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            target.rename(Path(spare) / "replaced")
        draft.rename(target)


def _has_card(readme: Path) -> bool:
    """Whether a README is a card of a community: one of any other adapter is not read."""
    with open_regular(readme) as file:
        text = file.read(MAX_BYTES).decode("utf-8-sig", "replace")
    head = text.split("\n---", 1)[0] if text.startswith("---") else ""
    return re.search(r"^plocal:", head, re.MULTILINE) is not None


def _base_name(card: Card) -> str | None:
    return card.base.model if card.base is not None else None


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64]


def _only_pickled(pickled: bool) -> str:
    if pickled:
        return (
            f"It has {PICKLED}, in which code could hide, so it is not read: load the adapter with PEFT, save it with "
            "save_pretrained(FOLDER, safe_serialization=True), and pull that folder."
        )
    return "PEFT saves it beside its configuration; the repository is not complete."
