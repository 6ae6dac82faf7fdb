"""What comes of a request, in the shapes of OpenAI's chat completions.

    Result  ──completion──> chat.completion          events ──chunk──> chat.completion.chunk…
    error   ──problem──> HTTP status, {"error": {message, type, param, code}}

Beside the protocol's own fields stands ``plural``: comments, choice, distribution, warnings, as `plocal ask --json`
has them. Token counts are those of all voices together; ``plural.usage`` has them apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pluralism_local.errors import (
    Cancelled,
    ContextOverflow,
    InvalidInput,
    NotFound,
    PlocalError,
    Refused,
    RemoteFailure,
)
from pluralism_local.modes.options import letters
from pluralism_local.records import to_record
from pluralism_local.remote_url import without_credentials
from pluralism_local.results import Aggregate, Result
from pluralism_local.serve.requests import ChatRequest
from pluralism_local.types import Usage

IMPOSSIBLE = -9999.0  # what the protocol writes for the logarithm of a probability of 0
_ELSEWHERE = ("prompt", "answer", "thought", "turn")
"""Keys of a record that stand in the protocol's own fields, or are remembered here and need not travel."""

_STATUS: tuple[tuple[type[PlocalError], int], ...] = (
    (InvalidInput, 400),
    (NotFound, 404),
    (Refused, 422),
    (RemoteFailure, 502),
    (Cancelled, 503),
)


class Rejected(Exception):
    """A request that is turned away before anything is asked.

    Attributes:
        status: of HTTP.
        message: a sentence, and what to do.
        code: for programs.
        headers: beside the usual ones.
    """

    def __init__(self, status: int, message: str, code: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Label:
    """What all parts of one reply carry: `id`, `created` (seconds since 1970) and the request's own `model`."""

    id: str
    created: int
    model: str

    def object(self, kind: str, **fields: Any) -> dict[str, Any]:
        """A JSON object of this reply."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model, **fields}


def content(result: Result, request: ChatRequest) -> str:
    """The answer as the client gets it: a text; of weighed options the likeliest, with its letter where it had one.

    Options that were read out of the question are lettered there, and the letter is what was weighed.
    """
    letter = _letter(result, request)
    return result.answer if letter is None else f"{letter}. {result.answer}"


def completion(label: Label, request: ChatRequest, result: Result) -> dict[str, Any]:
    """The whole reply."""
    message: dict[str, Any] = {"role": "assistant", "content": content(result, request)}
    if result.thought:
        message["reasoning_content"] = result.thought
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": finish_reason(result),
        "logprobs": logprobs(result, request),
    }
    return label.object("chat.completion", choices=[choice], usage=usage(result), plural=plural(result))


def chunk(
    label: Label,
    delta: dict[str, Any],
    *,
    finish: str | None = None,
    probabilities: dict[str, Any] | None = None,
    **extra: Any,
) -> dict[str, Any]:
    """A part of a streamed reply; `extra` stands beside the protocol's fields."""
    choice: dict[str, Any] = {"index": 0, "delta": delta, "finish_reason": finish}
    if probabilities is not None:
        choice["logprobs"] = probabilities
    return label.object("chat.completion.chunk", choices=[choice], **extra)


def finish_reason(result: Result) -> str:
    """``"stop"``, or ``"length"`` for an answer that is not whole, by its limit of tokens or a failure within it."""
    return "stop" if result.complete and result.finish == "stop" else "length"


def usage(result: Result) -> dict[str, Any]:
    """Tokens of all voices; ``cached_tokens`` of the prompts' were not decoded again."""
    total = sum(result.usage.values(), Usage())
    return {
        "prompt_tokens": total.prompt,
        "completion_tokens": total.completion,
        "total_tokens": total.prompt + total.completion,
        "prompt_tokens_details": {"cached_tokens": total.reused},
    }


def plural(result: Result) -> dict[str, Any]:
    """What the protocol has no field for, as the record of `plocal ask --json` has it."""
    return {key: value for key, value in to_record(result).items() if key not in _ELSEWHERE}


def logprobs(result: Result, request: ChatRequest) -> dict[str, Any] | None:
    """Log-probabilities of the options, where they were asked for and weighed: the first token's alternatives.

    The probabilities are the distribution's, which sum to 1 over the options.
    """
    weighed = result.distribution
    if request.alternatives is None or weighed is None:
        return None
    letter = _letter(result, request)
    words = weighed.options if letter is None else letters(len(weighed.options))
    ranked = sorted(zip(words, weighed.p, strict=True), key=lambda pair: -pair[1])
    chosen = letter or result.answer
    first = _token(chosen, dict(zip(words, weighed.p, strict=True))[chosen])
    first["top_logprobs"] = [_token(word, p) for word, p in ranked[: request.alternatives]]
    rest = [] if letter is None else [_token(f". {result.answer}", 1.0) | {"top_logprobs": []}]
    return {"content": [first, *rest], "refusal": None}


def problem(error: BaseException) -> tuple[int, dict[str, Any], dict[str, str]]:
    """HTTP status, body and headers for an error; one that is a bug says no more than its kind."""
    if isinstance(error, Rejected):
        return error.status, _error(error.status, error.message, error.code), error.headers
    if not isinstance(error, PlocalError):
        message = f"Something unexpected went wrong: {type(error).__name__}. The server's terminal says more."
        if isinstance(error, MemoryError):
            message = "There is not enough memory."
        return 500, _error(500, message, "unexpected"), {}
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    message = without_credentials(f"{error.message} {error.hint}".strip())
    if isinstance(error, ContextOverflow):
        message += f" (requested {error.needed} tokens, context length {error.available})"
        return status, _error(status, message, "context_length_exceeded"), {}
    return status, _error(status, message, error.code), {}


def why_no_answer(result: Result) -> str:
    """Why a result has no answer, in sentences; empty where it has one."""
    if result.complete or result.answer:
        return ""
    return f"There is no answer. {result.warnings[-1] if result.warnings else 'It was stopped.'}"


def incomplete(result: Result) -> dict[str, Any]:
    """The error of a result without an answer; what there is of it stands beside it."""
    return _error(502, why_no_answer(result), "no_answer") | {"plural": plural(result)}


def _error(status: int, message: str, code: str) -> dict[str, Any]:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _letter(result: Result, request: ChatRequest) -> str | None:
    weighed: Aggregate | None = result.distribution
    if weighed is None or request.options:
        return None
    return letters(len(weighed.options))[weighed.options.index(result.answer)]


def _token(word: str, p: float) -> dict[str, Any]:
    return {
        "token": word,
        "logprob": math.log(p) if p > 0 else IMPOSSIBLE,
        "bytes": list(word.encode("utf-8", "replace")),
    }
