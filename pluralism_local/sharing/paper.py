"""The paper's own eleven communities, which lie on the Hub as LoRAs without a description: their cards and pools.

paper.json ──communities──> PaperCommunity   (who they are, what they learned from, limits: of paper and released code)
PaperCommunity ──plan, take──> cards in the user's folder; pools paper-perspectives, paper-cultures, paper-mixed
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from pluralism_local.communities.cards import CARD_FILE, read_card
from pluralism_local.communities.library import POOLS, own_folder
from pluralism_local.config import Settings
from pluralism_local.errors import PlocalError
from pluralism_local.files import write_atomic
from pluralism_local.hub.download import Progress, missing_bytes
from pluralism_local.hub.repository import Repository, look_up
from pluralism_local.hub.session import require_online
from pluralism_local.lora import CONFIG, WEIGHTS
from pluralism_local.sharing.bases import is_called, sound_models
from pluralism_local.sharing.card_text import CardFacts
from pluralism_local.sharing.communities import PulledCommunity, PullOptions, from_repository

NAME = "paper"
"""What `communities pull` takes for all of them."""

BASE_NAME = "Mistral-7B-Instruct-v0.1"

DATA = "paper.json"


@dataclass(frozen=True, slots=True)
class PaperCommunity:
    """One of the eleven: its repository, and what its card says of it."""

    repository: str
    id: str
    name: str
    description: str
    corpus: str


@dataclass(frozen=True)
class PullPlan:
    """What taking them all would fetch.

    Attributes:
        pending: those that are not here at their present commit.
        here: ids of those that are.
        missing: bytes of the pending ones' files.
    """

    pending: tuple[tuple[PaperCommunity, Repository], ...]
    here: tuple[str, ...]
    missing: int


def communities() -> tuple[PaperCommunity, ...]:
    """The eleven, perspectives first."""
    return tuple(PaperCommunity(**entry) for entry in _data()["communities"])


def base_model() -> str:
    """The GGUF of their base that is fetched with them, as `models pull` takes it."""
    return str(_data()["base"]["model"])


def base_here(settings: Settings) -> str | None:
    """The name of a GGUF of their base that is here already."""
    here = (model.name for model, header in sound_models(settings) if is_called(BASE_NAME, model, header))
    return next(here, None)


def plan(data_dir: Path, settings: Settings) -> PullPlan:
    """Ask the Hub about all of them.

    Raises:
        NotFound, Refused, RemoteFailure: as `hub.troubles` says; offline.
    """
    require_online(settings.offline, "the paper's communities")
    pending, here, missing = [], [], 0
    for published in communities():
        repository = look_up(published.repository)
        if _revision_here(own_folder(data_dir) / published.id) == repository.commit:
            here.append(published.id)
            continue
        pending.append((published, repository))
        missing += sum(
            missing_bytes(repository, file) for file in repository.files if file.name in (CONFIG, WEIGHTS)
        )
    return PullPlan(tuple(pending), tuple(here), missing)


def take(plan: PullPlan, data_dir: Path, settings: Settings, progress: Progress) -> Iterator[PulledCommunity]:
    """Take the pending ones in, one after the other; each is whole when it is yielded.

    Raises: as `communities.pull`.
    """
    for published, repository in plan.pending:
        request = PullOptions(
            id=published.id,
            replace=True,
            sizes=_data()["base"]["config"],
            describe=partial(_described, published),
        )
        yield from_repository(repository, data_dir, settings, request, progress)


def write_pools(data_dir: Path) -> list[str]:
    """Write the three pools into the user's folder; their ids. Earlier ones of these ids are replaced."""
    ids = []
    for pool in _data()["pools"]:
        content = {**pool, "members": [{"card": member} for member in pool["members"]]}
        text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
        write_atomic(own_folder(data_dir) / POOLS / f"{pool['id']}.yaml", text)
        ids.append(pool["id"])
    return ids


def _described(published: PaperCommunity, facts: CardFacts) -> CardFacts:
    data = _data()
    return replace(
        facts,
        name=published.name,
        description=published.description,
        corpus=published.corpus,
        not_for=tuple(data["not_for"]),
        known_failures=tuple(data["known_failures"]),
        text=tuple(data["text"]),
    )


def _revision_here(folder: Path) -> str | None:
    """The commit that a community here came from; None without one."""
    try:
        source = read_card(folder / CARD_FILE).source
    except PlocalError:
        return None
    return source.revision if source is not None else None


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(
        files("pluralism_local.sharing").joinpath(DATA).read_text(encoding="utf-8")
    )
    return data
