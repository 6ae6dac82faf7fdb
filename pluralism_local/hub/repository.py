"""What a repository of the Hub holds, asked of the Hub."""

from __future__ import annotations

from dataclasses import dataclass

from pluralism_local.errors import NotFound, RemoteFailure
from pluralism_local.hub.session import endpoint
from pluralism_local.hub.troubles import translated


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file as the Hub lists it.

    Attributes:
        name: path inside the repository.
        bytes: its size.
        sha256: hex digest of its content; None for a small text, which the Hub keeps in Git.
    """

    name: str
    bytes: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository at one commit.

    Attributes:
        id: ``user/name``.
        revision: as it was asked for; ``main`` where nobody said.
        commit: what that stood at.
        licence: as its card states it; None for none stated.
    """

    id: str
    revision: str
    commit: str
    files: tuple[HubFile, ...]
    licence: str | None = None

    def file(self, name: str) -> HubFile:
        """The file of this name.

        Raises: NotFound: there is none.
        """
        for file in self.files:
            if file.name == name:
                return file
        raise NotFound(f"{self.id} has no {name}.", f"See {endpoint()}/{self.id}/tree/{self.revision}.")


def look_up(repo: str, revision: str | None = None) -> Repository:
    """Ask the Hub what is in ``user/name``.

    Raises:
        NotFound, Refused, RemoteFailure: as `troubles` says.
    """
    from huggingface_hub import HfApi

    with translated(repo, revision):
        info = HfApi(endpoint=endpoint()).model_info(repo, revision=revision, files_metadata=True)
    if info.sha is None or info.siblings is None:
        raise RemoteFailure(f"The Hub did not say what {repo} holds.", "Try again later.")
    licence = info.card_data.get("license") if info.card_data is not None else None
    files = tuple(
        HubFile(entry.rfilename, entry.size or 0, entry.lfs.sha256 if entry.lfs is not None else None)
        for entry in info.siblings
    )
    return Repository(
        repo, revision or "main", info.sha, files, licence if isinstance(licence, str) else None
    )
