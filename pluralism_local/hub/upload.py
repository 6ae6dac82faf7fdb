"""Files sent to a repository of the Hub, in one commit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pluralism_local.errors import RemoteFailure
from pluralism_local.hub.session import endpoint
from pluralism_local.hub.troubles import reason_of, translated


def upload(repo: str, files: Mapping[str, Path], message: str, *, private: bool) -> str:
    """Make the repository if it is not there, and send `files` (path inside it -> file) in one commit.

    Returns: the commit's address.

    Raises:
        NotFound, Refused, RemoteFailure: as `troubles` says; nothing is half sent, for a commit is whole or not made.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.utils.tqdm import disable_progress_bars

    api = HfApi(endpoint=endpoint())
    with translated(repo):
        disable_progress_bars()
        api.create_repo(repo, private=private, exist_ok=True)
        operations = [
            CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items()
        ]
        try:
            commit = api.create_commit(repo, operations, commit_message=message)
        except (RuntimeError, ValueError) as error:  # what its client makes of a file that did not arrive
            raise RemoteFailure(
                f"{repo} did not take the commit: {reason_of(error)}.", "Try again later."
            ) from error
    return str(commit.commit_url)
