"""How the Hub's client is used: at which address, without telemetry, and silent about what `troubles` tells better."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from pluralism_local.errors import NotFound
from pluralism_local.hub.cache import offline_by_environment

CHUNK_BYTES = 256 * 1024
"""Bytes that are waited for at a time: the client's own 10 MB are minutes of a slow line, and lost with it."""


def endpoint() -> str:
    """The Hub's address: HF_ENDPOINT, or the public one."""
    from huggingface_hub import constants

    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def has_token() -> bool:
    """Whether the user is logged in, by HF_TOKEN or `hf auth login`."""
    from huggingface_hub import get_token

    return get_token() is not None


def require_online(offline: bool, name: str) -> None:
    """Refuse a transfer that `offline` (the setting or --offline) or HF_HUB_OFFLINE forbids.

    Raises:
        NotFound: `name`, what would be fetched or sent, stays where it is.
    """
    if offline or offline_by_environment():
        how = "--offline or the setting 'offline'" if offline else "HF_HUB_OFFLINE"
        raise NotFound(
            f"The Hub is not asked about {name}: {how} forbids it.", "Leave that out to ask the Hub."
        )


@contextmanager
def client() -> Iterator[None]:
    """While the block runs the Hub's client tells nobody about this machine, and fetches in small pieces."""
    from huggingface_hub import constants

    before = constants.HF_HUB_DISABLE_TELEMETRY, constants.DOWNLOAD_CHUNK_SIZE
    loud = logging.getLogger("huggingface_hub")
    level = loud.level
    constants.HF_HUB_DISABLE_TELEMETRY, constants.DOWNLOAD_CHUNK_SIZE = True, CHUNK_BYTES
    loud.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_TELEMETRY, constants.DOWNLOAD_CHUNK_SIZE = before
        loud.setLevel(level)
