"""What can go wrong with the Hub, as our errors.

gated                 Refused        its makers want a condition accepted first
missing or private    NotFound       the Hub tells the two apart to nobody who may not see it; with a token we say so
revision, file        NotFound
a wrong token         Refused
no room on the disk   Refused        with both numbers
another content       Refused        size or checksum are not the Hub's
unreachable, failing  RemoteFailure
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from pluralism_local.display.figures import transfer_size
from pluralism_local.errors import NotFound, PlocalError, Refused, RemoteFailure
from pluralism_local.hub.session import client, endpoint, has_token

LOG_IN = "Log in with `hf auth login`, or set HF_TOKEN to a token of https://huggingface.co/settings/tokens."
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextmanager
def translated(repo: str, revision: str | None = None) -> Iterator[None]:
    """Use the Hub's client; what it raises becomes one of our errors about `repo`.

    Raises:
        NotFound, Refused, RemoteFailure: see the module.
    """
    from httpx2 import HTTPError, InvalidURL
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        with client():
            yield
    except HfHubHTTPError as error:
        raise _refusal(error, repo, revision) from error
    except LocalEntryNotFoundError as error:
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):
            raise _refusal(cause, repo, revision) from error
        raise _unreachable(repo, cause or error) from error
    except HFValidationError as error:
        raise NotFound(f"'{repo}' cannot be the name of a repository.", "Write user/repo.") from error
    except (HTTPError, InvalidURL) as error:
        raise _unreachable(repo, error) from error
    except OSError as error:
        if error.errno in _FULL:
            raise Refused(
                f"The disk is full: {repo} could not be fetched to its end.",
                "Free some space and pull again: it goes on where it stopped. HF_HOME moves the Hub's cache to "
                "another disk.",
            ) from error
        if error.errno is not None:
            raise
        raise _unreachable(repo, error) from error


def no_room(what: str, needed: int, free: int, folder: str) -> Refused:
    """That a file is larger than what is free."""
    return Refused(
        f"{what} takes {transfer_size(needed)} more, and {transfer_size(free)} are free in {folder}.",
        "Free some space, take a smaller quantization, or set HF_HOME to a folder on another disk.",
    )


def reason_of(error: BaseException) -> str:
    """The first line of what an error says, without its full stop; its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return (lines[0].rstrip(".") if lines else "") or type(error).__name__


def _refusal(error: Exception, repo: str, revision: str | None) -> PlocalError:
    from huggingface_hub import errors as theirs

    if isinstance(error, theirs.GatedRepoError):
        hint = f"Open {endpoint()}/{repo}, accept what its makers ask, then pull again"
        return Refused(
            f"{repo} is gated: its makers want a condition accepted first.",
            f"{hint}." if has_token() else f"{hint}, logged in. {LOG_IN}",
        )
    if isinstance(error, theirs.RevisionNotFoundError):
        return NotFound(
            f"{repo} has no revision '{revision}'.",
            "Give a branch, a tag or a whole commit, or leave it out.",
        )
    if isinstance(error, theirs.RemoteEntryNotFoundError):
        return NotFound(f"{repo} has not got that file any more.", "Pull it again.")
    if isinstance(error, theirs.DisabledRepoError):
        return Refused(f"The Hub has disabled {repo}.", "Take another one.")
    if isinstance(error, theirs.RepositoryNotFoundError):
        if has_token():
            return NotFound(
                f"There is no {repo}, or it is private and not open to your token.",
                "Check the spelling; for a private one take a token of a person who may read it.",
            )
        return NotFound(
            f"There is no {repo} for everybody: it does not exist, or it is private.",
            f"Check the spelling. If it is private: {LOG_IN}",
        )
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if status == 401:
        return Refused("The Hub does not take your token.", LOG_IN)
    if status == 403:
        return Refused(
            f"Your token may not do that with {repo}.", "Give it the right, or take another token."
        )
    if status == 429:
        return RemoteFailure("The Hub wants fewer requests for now.", "Wait some minutes. " + LOG_IN)
    return RemoteFailure(f"The Hub failed over {repo} ({status or reason_of(error)}).", "Try again later.")


def _unreachable(repo: str, error: BaseException) -> RemoteFailure:
    return RemoteFailure(
        f"{repo} could not be reached at {endpoint()}: {reason_of(error)}.",
        "Check the connection and try again: a pull goes on where it stopped.",
    )
