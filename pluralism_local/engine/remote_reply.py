"""What comes back: a chat completion, a chunk of a streamed one, a list of models; read leniently.

    JSON text ──read──> Reply ──> text, reason, usage, first_token
    reason of the last chunk, was there an end, was there text ──ending──> (Finish, remarks)

Servers differ in what they leave out, fill with null or spell in their own way. A field that an answer does not need
is none where it cannot be read; only what is no JSON object at all, or reports an error, is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError, WrapValidator
from pydantic_core import from_json

from pluralism_local.engine.remote_refusals import Server, not_the_protocol, refusal
from pluralism_local.errors import AnswerWithheld, InvalidInput, RemoteFailure
from pluralism_local.types import Finish, Usage

DONE = "[DONE]"
_FINISHES: Mapping[str, Finish] = {
    "stop": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_new_tokens": "length",
    "max_output_tokens": "length",
    "model_length": "length",
}
_ENDS = frozenset({"eos", "eos_token", "eos_found", "stop_sequence", "stop_token", "end_turn", "end_of_turn"})
_WITHHELD = frozenset(
    {
        "content_filter",
        "safety",
        "recitation",
        "prohibited_content",
        "blocklist",
        "spii",
        "refusal",
        "sensitive",
    }
)


def _or_none(value: Any, read: Any) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


def _readable(value: Any, read: Any) -> Any:
    """The entries of a list that can be read; any other value is an empty list."""
    readable = (_or_none([entry], read) for entry in value) if isinstance(value, list) else ()
    return [entry for entries in readable if entries for entry in entries]


def _text(value: Any, read: Any) -> Any:
    """A text, or the texts of a list of parts ({"type": "text", "text": …}) in one."""
    if isinstance(value, list):
        parts = (part.get("text") if isinstance(part, dict) else part for part in value)
        value = "".join(part for part in parts if isinstance(part, str))
    return _or_none(value, read)


_Maybe = WrapValidator(_or_none)
_Listed = WrapValidator(_readable)
_Count = Annotated[int | None, Field(ge=0), _Maybe]


class TopToken(BaseModel):
    """A token and its natural-log probability; `raw` are the bytes it stands for, where the server tells them."""

    token: str
    logprob: float
    raw: Annotated[tuple[Annotated[int, Field(ge=0, le=255)], ...] | None, _Maybe] = Field(
        default=None, alias="bytes"
    )


class FirstToken(TopToken):
    """The token drawn, and the most probable tokens at its place, in any order."""

    top_logprobs: Annotated[list[TopToken], _Listed] = []


class _LogProbs(BaseModel):
    content: Annotated[list[FirstToken], _Listed] = []


class _Text(BaseModel):
    content: Annotated[str | None, WrapValidator(_text)] = None
    reasoning_content: Annotated[str | None, WrapValidator(_text)] = None
    reasoning: Annotated[str | None, WrapValidator(_text)] = None


class _Choice(BaseModel):
    delta: Annotated[_Text | None, _Maybe] = None
    message: Annotated[_Text | None, _Maybe] = None
    text: Annotated[str | None, _Maybe] = None
    finish_reason: Any = None
    logprobs: Annotated[_LogProbs | None, _Maybe] = None


class _Cached(BaseModel):
    cached_tokens: _Count = None


class _Counts(BaseModel):
    prompt_tokens: _Count = None
    completion_tokens: _Count = None
    prompt_tokens_details: Annotated[_Cached | None, _Maybe] = None


class _Model(BaseModel):
    id: str
    owned_by: Any = None


class Reply(BaseModel):
    """A chat completion, a chunk of a streamed one, or a list of models; other fields are ignored.

    `done` marks the end that a stream announces by ``[DONE]``; a completion in one piece is an end by itself.
    """

    choices: Annotated[list[_Choice], _Listed] = []
    counts: Annotated[_Counts | None, _Maybe] = Field(default=None, alias="usage")
    data: Annotated[list[_Model], _Listed] = []
    error: Any = None
    done: Annotated[bool | None, _Maybe] = None

    @property
    def text(self) -> str:
        """What this reply adds to the answer; may be empty."""
        if not self.choices:
            return ""
        choice = self.choices[0]
        part = choice.delta or choice.message
        return (part.content if part else None) or choice.text or ""

    @property
    def thought(self) -> str:
        """What this reply adds to the thoughts before the answer; servers have two names for it, and some give both."""
        part = (self.choices[0].delta or self.choices[0].message) if self.choices else None
        return ((part.reasoning_content or part.reasoning) if part else None) or ""

    @property
    def reason(self) -> str | None:
        """Why the answer ended, in the server's word; None while it goes on."""
        reason = self.choices[0].finish_reason if self.choices else None
        return str(reason) if reason and reason not in ("null", "None") else None

    @property
    def ends(self) -> bool:
        """Whether nothing is to follow, whatever reason is given."""
        return bool(self.done or (self.choices and self.choices[0].message and not self.choices[0].delta))

    @property
    def usage(self) -> Usage | None:
        """Token counts, where the server gives readable ones."""
        counts = self.counts
        if counts is None or (counts.prompt_tokens is None and counts.completion_tokens is None):
            return None
        details = counts.prompt_tokens_details or _Cached()
        return Usage(counts.prompt_tokens or 0, details.cached_tokens or 0, counts.completion_tokens or 0)

    @property
    def ended_at_once(self) -> bool:
        """Whether the answer ended before its first token, as far as the server shows."""
        logprobs = self.choices[0].logprobs if self.choices else None
        reason = (self.reason or "").lower()
        says_so = _FINISHES.get(reason) == "stop" or reason in _ENDS
        return not self.text and (says_so or (logprobs is not None and not logprobs.content))

    @property
    def first_token(self) -> FirstToken | None:
        """The first token with its alternatives; None where the server shows none."""
        logprobs = self.choices[0].logprobs if self.choices else None
        return logprobs.content[0] if logprobs and logprobs.content else None

    @property
    def takes_grammars(self) -> bool:
        """Whether the listed models are llama-server's, which takes GBNF; others may pass over the field in silence."""
        return bool(self.data) and all(model.owned_by == "llamacpp" for model in self.data)

    def only_model(self, server: Server) -> str:
        """The name of the only model listed.

        Raises:
            InvalidInput: there are several, or none.
        """
        if len(self.data) == 1:
            return self.data[0].id
        names = [server.quote(model.id, 100) for model in self.data]
        listed = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        raise InvalidInput(
            f"The server {server.url} has several models: {listed}."
            if names
            else f"The server {server.url} lists no model.",
            "Name one after the URL: remote:URL#model.",
        )


def read(text: str, server: Server) -> Reply:
    """Parse a body or a chunk.

    Raises:
        RemoteFailure: it is no JSON object, or reports an error of the server.
        InvalidInput, ContextOverflow: it reports an error that is the request's.
    """
    if text.strip() == DONE:
        return Reply(done=True)
    try:
        value = from_json(text)
    except ValueError as error:
        raise not_the_protocol(text, server) from error
    if isinstance(value, list):  # as some servers wrap an error, or list their models
        value = value[0] if len(value) == 1 and "error" in str(value[0])[:40] else {"data": value}
    if not isinstance(value, dict):
        raise not_the_protocol(text, server)
    reply = Reply.model_validate(value)
    if reply.error:
        raise refusal(_status(reply.error), text, server)
    return reply


def reports_error(text: str) -> bool:
    """Whether what HTTP calls a success is an error in the server's own words, and nothing else."""
    if '"error' not in text:
        return False
    try:
        value = from_json(text)
    except ValueError:
        return False
    return isinstance(value, dict) and bool(value.get("error")) and not value.get("choices")


def _status(error: Any) -> int | None:
    """The HTTP status that an error names beside its sentence; None if it names none."""
    code = error.get("code") if isinstance(error, dict) else None
    try:
        status = int(code)  # type: ignore[arg-type]  # whatever it is, it is a number or it is none
    except (TypeError, ValueError):
        return None
    return status if 400 <= status < 600 else None


def check_given(reason: str | None, server: Server) -> None:
    """See that an answer was not withheld, by the server's word for why it ended.

    Raises:
        AnswerWithheld: it was (e.g. ``content_filter``).
    """
    if reason is not None and reason.lower() in _WITHHELD:
        raise _withheld(reason, server)


def _withheld(reason: str, server: Server) -> AnswerWithheld:
    return AnswerWithheld(
        f"The remote model gave up its answer with the reason '{server.quote(reason, 40)}'.",
        "Rephrase the question, or choose another model.",
    )


def ending(reason: str | None, server: Server, *, ends: bool, text: bool) -> tuple[Finish, tuple[str, ...]]:
    """How an answer ended, and sentences about what is strange with that.

    Args:
        reason: the server's word for it; None if it gave none.
        ends: whether the server said, in whatever way, that this was all.
        text: whether there was any.

    Raises:
        AnswerWithheld: it was withheld or given up (e.g. ``content_filter``). RemoteFailure: it broke off.
    """
    check_given(reason, server)
    name = (reason or "").lower()
    if reason is None:
        if ends:
            return "stop", ()
        raise RemoteFailure(f"The server {server.url} broke off within its answer.", "Ask again.")
    if name in _FINISHES:
        return _FINISHES[name], ()
    if not (text or name in _ENDS):
        raise _withheld(reason, server)
    word = server.quote(reason, 40)
    return "stop", (f"The server ended the answer with the unknown reason '{word}', taken as its end.",)
