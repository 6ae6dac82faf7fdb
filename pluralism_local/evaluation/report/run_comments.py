"""The comments that a finished run was given, found again by the very keys under which they were kept.

run's identity, pool, samples, comments' journal ──comments_of──> text by sample id and community id

Nothing is generated: what is not there is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pluralism_local.communities import Pool
from pluralism_local.errors import Refused
from pluralism_local.evaluation.beside import kept_beside
from pluralism_local.evaluation.comments import (
    CommentRequest,
    CommentsBySample,
    CommentStore,
    CommunityComment,
)
from pluralism_local.evaluation.journal import read_journal
from pluralism_local.evaluation.runner import comments_file
from pluralism_local.evaluation.samples import Sample
from pluralism_local.evaluation.stored import StoredComment
from pluralism_local.evaluation.strict_records import check_records
from pluralism_local.evaluation.tasks import Task
from pluralism_local.modes.steps import Voice
from pluralism_local.types import ModelInfo, Sampling


def comments_of(
    folder: Path, identity: Mapping[str, Any], task: Task, samples: Sequence[Sample], pool: Pool
) -> CommentsBySample:
    """What each community said to each sample.

    Args:
        folder: of the run.
        identity: of the run.
        pool: with the cards that the run had.

    Returns:
        Samples of which any comment is missing are left out.

    Raises:
        Refused: a card changed since, or the journal is damaged.
    """
    model = identity["communities_model"]
    info = ModelInfo(model["id"], model["backend"], sha256=model["sha256"], weights=model.get("weights"))
    comment = identity["comment"]
    sampling = Sampling(comment["temperature"], comment["top_p"], comment["max_tokens"], comment["seed"])
    own = comments_file(folder, info)
    records = [*kept_beside(own, StoredComment), *read_journal(own)]
    if not records:
        return {}
    check_records(StoredComment, records, own)
    store = CommentStore(None, info, task, sampling, identity["template"], beside=records)
    # a model that takes no adapters let every community speak through its persona
    limits: dict[str, set[int]] = {}  # of samples whose comments had to be shorter
    for record in records:
        if "max_tokens" in record:
            limits.setdefault(record["sample"], set()).add(record["max_tokens"])
    return max((_of_voices(store, samples, voices, limits) for voices in _voices(pool, identity)), key=len)


def _of_voices(
    store: CommentStore,
    samples: Sequence[Sample],
    voices: Sequence[Voice],
    limits: Mapping[str, Collection[int]],
) -> CommentsBySample:
    comments: CommentsBySample = {}
    for sample in samples:
        attempts = [
            [CommentRequest(sample, voice, limit) for voice in voices]
            for limit in (None, *sorted(limits.get(sample.id, ())))
        ]
        complete = next((attempt for attempt in attempts if not store.missing(attempt)), None)
        if complete is None:
            continue
        outcomes = store.find(complete)
        if all(isinstance(outcome, CommunityComment) for outcome in outcomes):
            comments[sample.id] = {
                voice.id: outcome.text
                for voice, outcome in zip(voices, outcomes, strict=True)
                if isinstance(outcome, CommunityComment)
            }
    return comments


def _voices(pool: Pool, identity: Mapping[str, Any]) -> list[list[Voice]]:
    """As the run's communities may have spoken: through adapters, and through personas alone."""
    members = {member["community"]: member for member in identity["pool"]["members"]}
    if members.keys() != {member.community.id for member in pool.members}:
        raise Refused(
            f"The pool '{pool.id}' has other members than when the run began.", "Restore its file and cards."
        )
    voices = []
    for member in pool.members:
        sha256 = members[member.community.id]["adapter_sha256"]
        adapter = None if sha256 is None else member.adapter
        if (None if adapter is None else adapter.sha256) != sha256:
            raise Refused(
                f"The adapter of '{member.community.id}' is not the one of the run.",
                "Restore it, or run the task again.",
            )
        voices.append(Voice(member, adapter))
    return [voices, [Voice(voice.member, None) for voice in voices]]
