"""The Hub's cache on this machine: which files of a repository are in it. No network.

models--USER--NAME/refs/REVISION          a commit
                  /snapshots/COMMIT/FILE  ──> blobs/CHECKSUM
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf$")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def cache_folder() -> Path:
    """Where the Hub's client keeps what it fetched: HF_HUB_CACHE, or ``hub`` in HF_HOME."""
    from huggingface_hub import constants  # reads HF_HOME and HF_HUB_CACHE

    return Path(constants.HF_HUB_CACHE)


def free_bytes() -> int:
    """Room on the disk of the cache, which need not be there yet."""
    folder = cache_folder()
    return shutil.disk_usage(next(path for path in (folder, *folder.parents) if path.exists())).free


def repository_folder(repo: str, kind: str = "models") -> Path:
    """The folder of ``user/name`` in the cache; it need not be there. `kind`: ``"models"`` or ``"datasets"``."""
    return cache_folder() / f"{kind}--{repo.replace('/', '--')}"


def offline_by_environment() -> bool:
    """Whether HF_HUB_OFFLINE forbids every transfer."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").upper() in {
        "1",
        "ON",
        "YES",
        "TRUE",
    }


@contextmanager
def hub_silent() -> Iterator[None]:
    """While the block runs, the Hub's client asks nobody: also not what "local files only" still lets it ask."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def is_model_file(name: str) -> bool:
    """Whether a file's name is that of a GGUF model, or of the first part of one: no later part, no image projector."""
    last = name.rpartition("/")[2]
    return last.endswith(".gguf") and not _LATER_PART.search(last) and not last.startswith("mmproj")


def cached_files(
    folder: Path, patterns: Collection[str] = ("*.gguf",), revision: str | None = None
) -> dict[str, Path]:
    """Files, by default GGUF models, of one repository of the cache: path inside the repository to file.

    Of several revisions the one that ``main`` stands at comes first, then the newest; with `revision` (a branch, a
    tag, or the beginning of a commit) it is that one alone. Later parts of split models and image projectors are left
    out.
    """
    head = _commit_of(folder, "main")
    commits = sorted(
        folder.glob("snapshots/*"),
        key=lambda snapshot: (snapshot.name == head, snapshot.stat().st_mtime),
        reverse=True,
    )
    if revision is not None:
        commit = _commit_of(folder, revision) or revision
        commits = [snapshot for snapshot in commits if snapshot.name.startswith(commit)]
    files: dict[str, Path] = {}
    for snapshot in commits:
        for path in (match for pattern in patterns for match in snapshot.rglob(pattern)):
            if path.is_file() and (path.suffix != ".gguf" or is_model_file(path.name)):
                files.setdefault(path.relative_to(snapshot).as_posix(), path)
    return files


def fitting(files: Collection[str], quant: str) -> list[str]:
    """The files meant by QUANT, in any case: of that name; else with that whole word; else with that text."""
    text = quant.lower()
    word = re.compile(rf"(?<![a-z0-9]){re.escape(text)}(?![a-z0-9_])")
    holding = sorted(file for file in files if text in file.lower())
    named = [file for file in holding if text in (file.lower(), file.lower().rpartition("/")[2])]
    return named or [file for file in holding if word.search(file.lower())] or holding


def commit_of(path: Path) -> str | None:
    """The commit that a file of the cache is of; None for any other file."""
    parts = path.absolute().parts
    if "snapshots" not in parts:
        return None
    name = parts[parts.index("snapshots") + 1]
    return name if _COMMIT.fullmatch(name) else None


def _commit_of(folder: Path, revision: str) -> str:
    """What a branch or a tag stands at, as it was last seen; "" if it was not."""
    try:
        return (folder / "refs" / revision).read_text("utf-8", "replace").strip()
    except (OSError, ValueError):
        return ""
