"""A community shared on the Hub: what would be sent is known first, and a card that says too little is not sent.

community, hf:user/repo ──plan──> PushPlan(files, bytes) | Refused: what the card lacks ──push──> address of the commit
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pluralism_local.communities.adapter_file import inside
from pluralism_local.communities.cards import CARD_FILE, Card, Community
from pluralism_local.errors import InvalidInput, Refused
from pluralism_local.hub.session import has_token, require_online
from pluralism_local.hub.troubles import LOG_IN
from pluralism_local.hub.upload import upload
from pluralism_local.model_names import hub
from pluralism_local.sharing.card_text import NONE_STATED, UNKNOWN


@dataclass(frozen=True)
class PushPlan:
    """What would be sent.

    Attributes:
        repository: ``user/repo``.
        files: path inside the repository -> file: the card and its adapters, nothing else of the folder.
        bytes: of all of them.
    """

    repository: str
    files: dict[str, Path]
    bytes: int


def plan(community: Community, target: str) -> PushPlan:
    """What a push of this community would send.

    Raises:
        InvalidInput: the target is no repository, or the community has no folder.
        Refused: the card lacks a licence, provenance or limits (all that is lacking is named).
    """
    place = hub(target)
    if place is None or place.repo is None or place.selector is not None or place.revision is not None:
        raise InvalidInput(f"'{target}' is no repository.", "Write hf:user/repo.")
    if community.folder is None:
        raise InvalidInput(
            f"The community '{community.id}' lies in no folder.", "Write its card to a folder."
        )
    lacking = list(_lacking(community.card))
    if lacking:
        raise Refused(
            f"The card of '{community.id}' does not say {_listed(lacking)}.",
            f"Complete {community.folder / CARD_FILE} and push again: who uses it must know.",
        )
    files = {CARD_FILE: community.folder / CARD_FILE}
    files |= {spec.file: inside(community.folder, spec.file) for spec, _ in community.card.every_adapter}
    return PushPlan(place.repo, files, sum(path.stat().st_size for path in files.values()))


def push(plan: PushPlan, community: Community, *, private: bool, offline: bool) -> str:
    """Send it; the address of the commit.

    Raises:
        NotFound: offline. Refused: nobody is logged in, or the token may not. RemoteFailure: the Hub was not reached.
    """
    require_online(offline, f"hf:{plan.repository}")
    if not has_token():
        raise Refused("To share something the Hub must know you.", LOG_IN)
    return upload(plan.repository, plan.files, f"Community {community.id}", private=private)


def _lacking(card: Card) -> Iterator[str]:
    """What a card that is shared must say, and does not."""
    if card.hub.license is None:
        yield "under which licence it is shared ('license')"
    if card.every_adapter:
        provenance = card.provenance
        if provenance is None or provenance.corpus == UNKNOWN:
            yield "what its adapter was trained on ('provenance.corpus')"
        if provenance is None or provenance.licence in (UNKNOWN, NONE_STATED):
            yield "under which terms those texts may be used ('provenance.licence')"
    if card.limits is None or not card.limits.not_for:
        yield "what it must not be used for ('limits.not_for')"
    if card.limits is None or not card.limits.known_failures:
        yield "where it fails ('limits.known_failures')"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
