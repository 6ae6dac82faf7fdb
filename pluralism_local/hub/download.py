"""A file of the Hub into its cache: gone on with where it stopped, and checked before it has its name.

    Repository, HubFile ──download──> snapshots/COMMIT/FILE
       blobs/SHA256.plocal.incomplete stays behind after Ctrl-C, a kill or a dropped line, and is gone on with

The Hub's own client throws a download away that was interrupted. So the bytes of large files are fetched by its
`http_get` into a file of ours that stays; the rest (names, links, small files) is left to it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from pluralism_local.errors import Refused
from pluralism_local.files import write_atomic
from pluralism_local.hub.cache import cache_folder, free_bytes, repository_folder
from pluralism_local.hub.repository import HubFile, Repository
from pluralism_local.hub.session import endpoint
from pluralism_local.hub.troubles import no_room, translated

INCOMPLETE = ".plocal.incomplete"
_READ_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Transfer:
    """How far a file is.

    Attributes:
        name: of the file.
        done, total: bytes, with those of an earlier try.
        rate: bytes a second of this try; None at its beginning.
        seconds_left: at that rate; None at the beginning.
        checking: the file is all there and is read for its checksum.
    """

    name: str
    done: int
    total: int
    rate: float | None = None
    seconds_left: float | None = None
    checking: bool = False


Progress = Callable[[Transfer], None]


def download(repository: Repository, file: HubFile, progress: Progress) -> Path:
    """Fetch a file, unless it is here; its path in the cache.

    Raises:
        Refused: no room for it, another content than the Hub lists (which is thrown away), gated, or another program
            is fetching it.
        NotFound, RemoteFailure: as `troubles` says; what has come so far stays, and the next try goes on with it.
    """
    folder = repository_folder(repository.id)
    pointer = folder / "snapshots" / repository.commit / file.name
    if not pointer.exists():
        if file.sha256 is not None:
            _fetch_blob(repository, file, folder / "blobs" / file.sha256, progress)
        pointer = _point(repository, file)
    if repository.revision != repository.commit:
        write_atomic(folder / "refs" / repository.revision, repository.commit)
    return pointer


def missing_bytes(repository: Repository, file: HubFile) -> int:
    """How much of a file has not come yet."""
    folder = repository_folder(repository.id)
    if (folder / "snapshots" / repository.commit / file.name).exists():
        return 0
    if file.sha256 is None:
        return file.bytes
    blob = folder / "blobs" / file.sha256
    return 0 if blob.exists() else max(0, file.bytes - _size(_incomplete(blob)))


def require_room(what: str, needed: int) -> None:
    """Refuse before anything is fetched that does not fit.

    Raises: Refused, with both numbers.
    """
    free = free_bytes()
    if needed > free:
        raise no_room(what, needed, free, str(cache_folder()))


def _point(repository: Repository, file: HubFile) -> Path:
    """The name of a file in the cache, made by the Hub's client; it fetches small files with it."""
    from huggingface_hub import hf_hub_download

    with translated(repository.id, repository.revision):
        return Path(
            hf_hub_download(repository.id, file.name, revision=repository.commit, endpoint=endpoint())
        )


def _fetch_blob(repository: Repository, file: HubFile, blob: Path, progress: Progress) -> None:
    lock = (
        cache_folder() / ".locks" / blob.parent.parent.name / f"{blob.name}.lock"
    )  # the Hub's client takes it, too
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            if blob.exists():
                return
            blob.parent.mkdir(parents=True, exist_ok=True)
            require_room(file.name, missing_bytes(repository, file))
            partial = _incomplete(blob)
            _fill(repository, file, partial, progress)
            _check(repository, file, partial, progress)
            partial.replace(blob)
    except Timeout as error:
        raise Refused(f"Another program is fetching {file.name}.", "Wait for it, then pull again.") from error


def _fill(repository: Repository, file: HubFile, partial: Path, progress: Progress) -> None:
    """Fetch what is missing of `partial`."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers

    if _size(partial) > file.bytes:
        partial.unlink()
    partial.touch()
    with translated(repository.id, repository.revision), partial.open("r+b") as stream:
        stream.seek(0, 2)
        http_get(
            hf_hub_url(repository.id, file.name, revision=repository.commit, endpoint=endpoint()),
            stream,
            resume_size=stream.tell(),
            headers={**build_hf_headers(), "Accept-Encoding": "identity"},
            expected_size=file.bytes,
            displayed_filename=file.name,
            tqdm_class=_bar(file, progress),
        )


def _check(repository: Repository, file: HubFile, partial: Path, progress: Progress) -> None:
    digest, done = hashlib.sha256(), 0
    with partial.open("rb") as stream:
        while piece := stream.read(_READ_BYTES):
            digest.update(piece)
            done += len(piece)
            progress(Transfer(file.name, done, file.bytes, checking=True))
    if done != file.bytes or digest.hexdigest() != file.sha256:
        partial.unlink()
        raise Refused(
            f"What came as {file.name} is not what {repository.id} lists: sha256 {digest.hexdigest()[:12]}…, "
            f"{done:,} bytes, where {(file.sha256 or '')[:12]}…, {file.bytes:,} are listed.",
            "It was thrown away. Pull it again; if it is so again, a proxy in between changes it.",
        )


def _bar(file: HubFile, progress: Progress) -> Any:
    """What the Hub's client takes for a bar of progress: the class of one that tells `progress`."""

    class Bar:
        def __init__(self, *, initial: int = 0, **_: Any) -> None:
            self._begun, self._at_begin, self._done = time.monotonic(), initial, initial

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            return

        def update(self, count: int) -> None:
            """`count` more bytes; fewer than none where the server began anew."""
            self._done += count
            self._at_begin = min(self._at_begin, self._done)
            seconds = time.monotonic() - self._begun
            rate = (self._done - self._at_begin) / seconds if seconds > 0.5 else None
            left = (file.bytes - self._done) / rate if rate else None
            progress(Transfer(file.name, self._done, file.bytes, rate, left))

    return Bar


def _incomplete(blob: Path) -> Path:
    return blob.with_name(blob.name + INCOMPLETE)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
