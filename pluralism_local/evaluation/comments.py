"""Comments of communities, generated once and kept for every method, pool and run that needs them.

    CommentRequest(sample, Voice, tokens)… ──CommentStore.find──> CommunityComment | RequestFailure, each
                          └ what is missing: one batch of the engine ──> one batch of the journal

A comment's key is all that it depends on: the communities' model, adapter and scale or persona, the question's wording,
sampling, and the community's own seed for this sample. So moe, ours and every pool with the community share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pluralism_local.evaluation.batch_calls import Asker, RequestFailure, failure_in
from pluralism_local.evaluation.identity import model_key
from pluralism_local.evaluation.journal import Journal, Record
from pluralism_local.evaluation.samples import Sample
from pluralism_local.evaluation.shared_comments import SharedComments
from pluralism_local.evaluation.stored import StoredComment
from pluralism_local.evaluation.strict_records import check_records
from pluralism_local.evaluation.tasks.base import SampleWordings
from pluralism_local.files import digest
from pluralism_local.modes.comments import comment_seed
from pluralism_local.modes.steps import Voice
from pluralism_local.types import Finish, Message, ModelInfo, Request, Sampling, Usage


@dataclass(frozen=True, slots=True)
class CommunityComment:
    """A comment. `text` may be empty; `usage` is what it cost when it was generated."""

    text: str
    finish: Finish
    usage: Usage


@dataclass(frozen=True, slots=True)
class CommentRequest:
    """A comment that is needed.

    Attributes:
        max_tokens: at most; None for as many as the run gives comments.
        text: what the voice is asked; None for what the task asks all.
    """

    sample: Sample
    voice: Voice
    max_tokens: int | None = None
    text: str | None = None


CommentsBySample = dict[str, dict[str, str]]
"""By sample id and community id: what was said, maybe nothing."""


class CommentStore:
    """The journal of one communities' model.

    Args:
        journal: open for writing; None for a store that remembers for as long as it lives.
        info: the communities' model.
        task: whose questions are commented on.
        sampling: of comments; its seed is the run's.
        template: how prompts are templated; part of a comment's key.
        asker: asks that model; None for a store that only finds what is there.
        beside: records of the runs that lie beside this one (see `beside`).
        shared: where any run's comments are found, and this one's are left; not used for a model without a file.
        again: generate failed ones anew (once per store).
    """

    def __init__(
        self,
        journal: Journal | None,
        info: ModelInfo,
        task: SampleWordings,
        sampling: Sampling,
        template: str,
        asker: Asker | None = None,
        *,
        beside: Sequence[Record] = (),
        shared: SharedComments | None = None,
        again: bool = False,
    ) -> None:
        self._journal, self._info, self._asker = journal, info, asker
        self._task, self._sampling, self._template = task, sampling, template
        self._replies: dict[str, CommunityComment | RequestFailure] = {}
        if journal is not None:
            check_records(StoredComment, journal.records, journal.path)
            self._replies = {record["key"]: _read(record) for record in journal.records}
        self._beside = {record["key"]: record for record in beside if failure_in(record) is None}
        self._shared = shared if info.sha256 else None
        if again:
            self._replies = {
                key: reply for key, reply in self._replies.items() if isinstance(reply, CommunityComment)
            }

    def find(self, requests: Sequence[CommentRequest]) -> list[CommunityComment | RequestFailure]:
        """What each voice says to each sample, in order; generates and keeps what is missing.

        Raises:
            ValueError: something is missing and there is nobody to ask (a bug).
        """
        keys = [self._key(request) for request in requests]
        self._take_over(keys)
        missing = {
            key: request for key, request in zip(keys, requests, strict=True) if key not in self._replies
        }  # a dict, so that equal ones are asked once
        if missing:
            self._generate(missing)
        return [self._replies[key] for key in keys]

    def missing(self, requests: Sequence[CommentRequest]) -> int:
        """How many of them would have to be generated."""
        keys = {self._key(request) for request in requests}
        return len(keys - self._replies.keys() - self._beside.keys())

    def request(self, request: CommentRequest) -> Request:
        """What the communities' model is asked."""
        sample, voice = request.sample, request.voice
        text = self._task.comment(sample).text if request.text is None else request.text
        persona = voice.persona(sample.question)
        system = () if persona is None else (persona,)
        seed = comment_seed(self._sampling.seed, f"{voice.id}:{sample.id}")
        limit = request.max_tokens or self._sampling.max_tokens
        sampling = replace(self._sampling, seed=seed, max_tokens=limit)
        return Request((*system, Message("user", text)), sampling, voice.adapter)

    def _take_over(self, keys: Sequence[str]) -> None:
        """Make what other runs kept of these this run's own."""
        absent = [key for key in dict.fromkeys(keys) if key not in self._replies]
        used = {key: self._beside[key] for key in absent if key in self._beside}
        if self._shared is not None:
            used |= self._shared.find([key for key in absent if key not in used])
        if used and self._journal is not None:
            self._journal.append(list(used.values()))
        self._replies |= {key: _read(record) for key, record in used.items()}

    def _generate(self, missing: Mapping[str, CommentRequest]) -> None:
        if self._asker is None:
            raise ValueError(f"{len(missing)} comments are missing")
        completions = self._asker.texts([self.request(request) for request in missing.values()])
        records = []
        for (key, request), done in zip(missing.items(), completions, strict=True):
            reply = (
                done
                if isinstance(done, RequestFailure)
                else CommunityComment(done.text.strip(), done.finish, done.usage)
            )
            self._replies[key] = reply
            record = {"key": key, "community": request.voice.id, "sample": request.sample.id, **_write(reply)}
            if request.max_tokens not in (None, self._sampling.max_tokens):
                record["max_tokens"] = request.max_tokens  # so that readers find it who cannot count tokens
            records.append(record)
        if self._journal is not None:
            self._journal.append(records)
        if self._shared is not None:
            self._shared.add(records)

    def _key(self, comment: CommentRequest) -> str:
        request = self.request(comment)
        adapter = request.adapter
        return digest(
            [
                model_key(self._info),
                self._template,
                None if adapter is None else [adapter.sha256, adapter.scale],
                [[message.role, message.content] for message in request.messages],
                [
                    request.sampling.temperature,
                    request.sampling.top_p,
                    request.sampling.max_tokens,
                    request.sampling.seed,
                ],
            ]
        )[:24]


def _write(reply: CommunityComment | RequestFailure) -> dict[str, Any]:
    if isinstance(reply, RequestFailure):
        return reply.record()
    return {"text": reply.text, "finish": reply.finish, "usage": reply.usage.record()}


def _read(record: Mapping[str, Any]) -> CommunityComment | RequestFailure:
    return failure_in(record) or CommunityComment(
        record["text"], record.get("finish", "stop"), Usage(**record.get("usage", {}))
    )
