"""A model from the Hub: chosen before anything is fetched, fetched, and removed again.

name ──choose──> Choice(repository, files, missing bytes) ──fetch──> Pulled(name, path, revision)
name ──files_of──> what `remove` would delete
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pluralism_local.config import Settings
from pluralism_local.display.figures import transfer_size
from pluralism_local.errors import InvalidInput, NotFound, PlocalError
from pluralism_local.hub.cache import fitting, is_model_file, repository_folder
from pluralism_local.hub.download import INCOMPLETE, Progress, download, missing_bytes, require_room
from pluralism_local.hub.repository import HubFile, Repository, look_up
from pluralism_local.hub.session import require_online
from pluralism_local.model_names import Hub, parse
from pluralism_local.models import store
from pluralism_local.models.details import part_names, parts, read_model_header

USUAL = "Q4_K_M"
"""The quantization that is taken where nobody said and there are several."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a name means at the Hub.

    Attributes:
        name: as -m takes it once it is here.
        repository: at the commit that will be fetched.
        files: the model's, all parts of it.
        missing: bytes that have not come yet; 0 for a model that is here.
    """

    name: str
    repository: Repository
    files: tuple[HubFile, ...]
    missing: int

    @property
    def bytes(self) -> int:
        """Of all files."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Pulled:
    """A model that is here: its name, first file, commit and the checksums of its files, as the Hub has them."""

    name: str
    path: Path
    commit: str
    sha256: tuple[str, ...]
    bytes: int


def choose(name: str, *, offline: bool) -> Choice:
    """Look up which files of the Hub ``hf:user/repo[:QUANT][@REVISION]`` means.

    Raises:
        InvalidInput: no such name, or several files fit; they are listed with their sizes.
        NotFound: offline; no such repository, revision or file.
        Refused, RemoteFailure: as `hub.troubles` says.
    """
    place = parse(name).place
    if not isinstance(place, Hub) or place.repo is None:
        raise InvalidInput(
            f"'{name}' is no model of the Hub.", "Write hf:user/repo, hf:user/repo:QUANT, or 'recommended'."
        )
    require_online(offline, name)
    repository = look_up(place.repo, place.revision)
    models = {file.name: file for file in repository.files if is_model_file(file.name)}
    if not models:
        raise NotFound(f"{repository.id} has no GGUF file.", _where_else(repository))
    first = models[_chosen(repository, models, place.selector)]
    files = tuple(repository.file(part) for part in part_names(first.name))
    suffix = "" if place.selector is None and len(models) == 1 else f":{place.selector or USUAL}"
    at = "" if place.revision is None else f"@{place.revision}"
    missing = sum(missing_bytes(repository, file) for file in files)
    return Choice(f"hf:{repository.id}{suffix}{at}", repository, files, missing)


def fetch(choice: Choice, settings: Settings, progress: Progress) -> Pulled:
    """Fetch what is missing, after looking whether there is room for it, and check the model's header.

    Raises:
        Refused, NotFound, RemoteFailure: as `hub.download.download`.
        InvalidInput: what came is no model that could be run.
    """
    require_room(choice.name, choice.missing)
    paths = [download(choice.repository, file, progress) for file in choice.files]
    read_model_header(paths[0])
    return Pulled(
        _name_that_leads_to(paths[0], choice, settings),
        paths[0],
        choice.repository.commit,
        tuple(file.sha256 or "" for file in choice.files),
        choice.bytes,
    )


def files_of(name: str, settings: Settings) -> list[Path]:
    """What `remove` would delete: every name of the model in the Hub's cache, its content, and what came of it so far.

    Raises:
        NotFound: nothing of it is here. InvalidInput: the model is not one of the Hub's cache, or several fit.
    """
    place = parse(name, settings.aliases).place
    try:
        model = store.resolve(name, settings)
    except NotFound:
        if isinstance(place, Hub) and place.repo is not None:
            begun = sorted(repository_folder(place.repo).glob(f"blobs/*{INCOMPLETE}"))
            if begun:
                return begun
        raise
    folder = next((up for up in model.path.parents if up.name.startswith("models--")), None)
    if folder is None:
        raise InvalidInput(
            f"'{name}' was not fetched from the Hub, so it is not deleted.",
            "Delete a file of your own as any other file; `plocal cache clear` deletes copies.",
        )
    deleted: list[Path] = []
    for part in parts(model.path):
        blob = part.resolve()
        deleted += [
            path for path in folder.glob("snapshots/**/*") if path.is_file() and path.resolve() == blob
        ]
        if blob.is_relative_to(folder.resolve()) and blob not in deleted:
            deleted.append(blob)
    return deleted


def bytes_of(files: Sequence[Path]) -> int:
    """How much `remove` would free; names that lead to a content take nothing."""
    return sum(path.stat().st_size for path in files if path.is_file() and not path.is_symlink())


def remove(files: Sequence[Path]) -> None:
    """Delete what `files_of` listed, and folders that are empty then."""
    for path in files:
        path.unlink(missing_ok=True)
    for path in files:
        for folder in path.parents:
            if folder.name.startswith("models--") or not folder.is_dir() or any(folder.iterdir()):
                break
            folder.rmdir()


def _chosen(repository: Repository, models: dict[str, HubFile], quant: str | None) -> str:
    if quant is None and len(models) == 1:
        return next(iter(models))
    matches = fitting(models, quant or USUAL)
    if len(matches) == 1:
        return matches[0]
    listed = ", ".join(f"{name} ({transfer_size(models[name].bytes)})" for name in matches or sorted(models))
    if quant is None:
        raise InvalidInput(
            f"{repository.id} has several models: {listed}.", f"Say which: hf:{repository.id}:QUANT."
        )
    if matches:
        raise InvalidInput(f"'{quant}' fits several files: {listed}.", "Give the whole name of one.")
    raise NotFound(f"No file of {repository.id} fits '{quant}'.", f"There are {listed}.")


def _where_else(repository: Repository) -> str:
    names = {file.name for file in repository.files}
    if "adapter_config.json" in names:
        return f"It is an adapter: plocal communities pull hf:{repository.id}"
    if any(name.endswith(".safetensors") for name in names):
        return f"It holds weights for training. Others convert them: look for {repository.id.partition('/')[2]}-GGUF."
    return "Look for a repository whose name ends in -GGUF."


def _name_that_leads_to(path: Path, choice: Choice, settings: Settings) -> str:
    """The choice's name where it leads to the file again; else one with the whole file's name."""
    try:
        if store.resolve(choice.name, settings).path.resolve() == path.resolve():
            return choice.name
    except PlocalError:
        pass
    return f"hf:{choice.repository.id}:{choice.files[0].name}"
