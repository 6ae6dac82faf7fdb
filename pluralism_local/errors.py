"""What can go wrong, as one tree.

    PlocalError
    ├── InvalidInput        what the user gave cannot be used: option, config, card, pool, file      exit 2
    │   ├── ContextOverflow     the prompt and the answer do not fit the model's context
    │   ├── HistoryReplaced     the file of the history is another than was opened; it is begun anew
    │   ├── RemoteRefusal       a server takes no request at this address
    │   │   └── RequestRefused      a server that is there does not take this request
    │   └── Unsupported         the chosen engine cannot do what was asked (e.g. a server without logprobs)
    │       └── NothingToWeigh      a model that ends its answer to this request before a first token
    ├── NotFound            something needed is not here: model, card, pool, data                    exit 3
    ├── Refused             it is here and must not be used: wrong base, wrong hash, zero adapter    exit 4
    ├── RemoteFailure       a remote server failed after retries                                     exit 5
    │   └── AnswerWithheld      the server is well, and keeps this answer to itself
    ├── Cancelled           the user stopped it before anything could be kept                        exit 130
    └── EngineFailure       llama.cpp failed: out of memory, a decode error                          exit 1
        └── DamagedWeights      what is in memory cannot be the model: it computes no numbers

An error is one sentence for the user (`message`), what to do next (`hint`, may be empty) and a stable
machine-readable `code`. Exit codes live with the CLI, not here. A bug stays an ordinary exception, with its
traceback.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class PlocalError(Exception):
    """Base of every error this package raises on purpose.

    Attributes:
        message: one sentence, no trailing hint.
        hint: what to do next; empty when there is nothing useful to say.
        code: stable identifier such as ``"not_found"``, for scripts.
    """

    code = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInput(PlocalError):
    """The user's option, file, card, pool or config cannot be used as it is."""

    code = "invalid_input"


class ContextOverflow(InvalidInput):
    """Prompt plus room for the answer exceed the context.

    Attributes:
        needed: tokens that the prompt and the answer would take.
        available: tokens of the context.
    """

    code = "context_overflow"

    def __init__(self, message: str, hint: str = "", *, needed: int, available: int) -> None:
        super().__init__(message, hint)
        self.needed = needed
        self.available = available


class HistoryReplaced(InvalidInput):
    """The history's file was deleted or replaced while it was open; what is written next goes into the new one."""


class RemoteRefusal(InvalidInput):
    """A server takes no request at this address: it redirects elsewhere, or knows no such method."""


class RequestRefused(RemoteRefusal):
    """A server that is there does not take this request; it may well take others."""


class Unsupported(InvalidInput):
    """The engine in use lacks a capability that the request needs."""

    code = "unsupported"


class NothingToWeigh(Unsupported):
    """The model ends its answer to this one request before its first token, so that no option can be weighed."""


class NotFound(PlocalError):
    """A model, card, pool or file is not here."""

    code = "not_found"


class Refused(PlocalError):
    """It is here, but using it would give wrong answers: base mismatch, hash mismatch, zero adapter."""

    code = "refused"


class RemoteFailure(PlocalError):
    """A remote model failed after retries."""

    code = "remote_failure"


class AnswerWithheld(RemoteFailure):
    """The server is well, and keeps the answer to this one request to itself (e.g. a filter of contents)."""


class Cancelled(PlocalError):
    """Stopped on request before there was anything to keep."""

    code = "cancelled"

    def __init__(self, message: str = "Stopped.", hint: str = "") -> None:
        super().__init__(message, hint)


class EngineFailure(PlocalError):
    """llama.cpp failed in a way the user did not cause."""

    code = "engine_failure"


class DamagedWeights(EngineFailure):
    """The model computes no numbers, or the file that it was read from is no longer what was written."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """A hint naming the nearest of `choices`, else listing them (at most 12); empty if there are none."""
    names = sorted(choices)
    near = get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f"Did you mean '{near[0]}'?"
    if not names:
        return ""
    first = ", ".join(names[:12])
    return f"Known: {first}{', …' if len(names) > 12 else ''}."
