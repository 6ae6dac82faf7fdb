"""Events of a mode as the chunks of a streamed reply.

CommentDone ──> plural: {"event": "comment"}     AnswerDelta ──> content     Result ──> the rest, plural, usage
"""

from __future__ import annotations

from typing import Any

from pluralism_local.records import unfinished_record
from pluralism_local.results import AnswerDelta, AnswerWithdrawn, CommentDone, ModeEvent, Result
from pluralism_local.serve import replies
from pluralism_local.serve.replies import Label
from pluralism_local.serve.requests import ChatRequest


class Chunks:
    """Events of a mode as chunks of a streamed reply.

    `whole` turns true with the chunks of a result that has an answer.
    """

    def __init__(self, label: Label, request: ChatRequest) -> None:
        self._label, self._request = label, request
        self._sent = ""
        self.whole = False

    def first(self) -> dict[str, Any]:
        """The chunk that says who speaks."""
        return replies.chunk(self._label, {"role": "assistant", "content": ""})

    def of(self, event: ModeEvent) -> list[dict[str, Any]]:
        """The chunks that an event makes; none for what a chat program need not know."""
        match event:
            case AnswerDelta(text):
                self._sent += text
                return [replies.chunk(self._label, {"content": text})]
            case AnswerWithdrawn():
                self._sent = ""
                return [replies.chunk(self._label, {}, plural={"event": "withdrawn"})]
            case CommentDone(comment):
                progress = {"event": "comment", "comment": unfinished_record([comment])["comments"][0]}
                return [replies.chunk(self._label, {}, plural=progress)]
            case Result():
                return self._last(event)
        return []

    def _last(self, result: Result) -> list[dict[str, Any]]:
        if replies.why_no_answer(result):
            return [replies.incomplete(result)]
        self.whole = True
        chunks = []
        if not self._sent.strip() and (text := replies.content(result, self._request)):
            delta = {"content": text}
            probabilities = replies.logprobs(result, self._request)
            chunks.append(replies.chunk(self._label, delta, probabilities=probabilities))
        reason = replies.finish_reason(result)
        chunks.append(replies.chunk(self._label, {}, finish=reason, plural=replies.plural(result)))
        if self._request.usage_chunk:
            counts = {"choices": [], "usage": replies.usage(result)}
            chunks.append(self._label.object("chat.completion.chunk", **counts))
        return chunks
