"""The OpenAI protocol as values: what is sent, what comes back, what it means. Pure functions, no network.

Sampling ──> sampling_fields() ──> fields of a request
JSON text ──> read() ──> Reply                                    RemoteFailure if it is something else
the first token's top_logprobs ──> bounded() ──> OptionDistribution
HTTP status and body ──> refusal() ──> the error to raise
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from pluralism_local.errors import ContextOverflow, InvalidInput, PlocalError, RemoteFailure, Unsupported
from pluralism_local.types import Finish, Message, OptionDistribution, OptionRequest, Request, Sampling, Usage

FIRST_TOKEN_FIELDS = {  # 20 is the most that common servers accept
    "temperature": 1.0,
    "top_p": 1.0,
    "max_tokens": 1,
    "logprobs": True,
    "top_logprobs": 20,
}
PREFIX_TOLERANCE = 0.01  # probability of an option's first piece above which the option cannot be weighed
LONGEST_RETRY_AFTER = 10.0  # seconds; a server that asks for more gets no more than this


def message_fields(messages: Sequence[Message]) -> dict[str, Any]:
    """The conversation as a request carries it."""
    return {"messages": [{"role": message.role, "content": message.content} for message in messages]}


def sampling_fields(sampling: Sampling) -> dict[str, Any]:
    """How to draw tokens, as a request says it."""
    fields = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
    }
    return fields | ({"stop": list(sampling.stop)} if sampling.stop else {})


def refuse_adapters(requests: Sequence[Request] | Sequence[OptionRequest]) -> None:
    """Raise Unsupported if any request wants an adapter."""
    if any(request.adapter for request in requests):
        raise Unsupported(
            "A remote model cannot take a community's adapter.",
            "Run the communities on a local model, or use communities that have only a persona.",
        )


class TopToken(BaseModel):
    """A token and its natural-log probability."""

    token: str
    logprob: float


class FirstToken(TopToken):
    """The token drawn, and the most probable tokens at its place, in any order."""

    top_logprobs: list[TopToken] = []


class _LogProbs(BaseModel):
    content: list[FirstToken] | None = None


class _Text(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    delta: _Text | None = None
    message: _Text | None = None
    finish_reason: str | None = None
    logprobs: _LogProbs | None = None


class _Cached(BaseModel):
    cached_tokens: int | None = Field(default=None, ge=0)


class _Counts(BaseModel):
    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)
    prompt_tokens_details: _Cached | None = None


class _Model(BaseModel):
    id: str


class Reply(BaseModel):
    """A chat completion, a chunk of a streamed one, or a list of models; other fields are ignored."""

    choices: list[_Choice] = []
    counts: _Counts | None = Field(default=None, alias="usage")
    data: list[_Model] = []
    error: Any = None

    @property
    def text(self) -> str:
        """What this reply adds to the answer; may be empty."""
        choice = self.choices[0] if self.choices else _Choice()
        said = choice.delta or choice.message
        return (said.content if said else None) or ""

    @property
    def finish(self) -> Finish | None:
        """Why the answer ended; None while it goes on.

        Raises:
            RemoteFailure: it was withheld or given up (e.g. ``content_filter``).
        """
        reason = self.choices[0].finish_reason if self.choices else None
        if reason is None:
            return None
        if reason in ("stop", "length"):
            return "stop" if reason == "stop" else "length"
        raise RemoteFailure(
            f"The remote model gave up its answer with the reason '{reason[:40]}'.",
            "Rephrase the question, or choose another model.",
        )

    @property
    def usage(self) -> Usage | None:
        """Token counts, where the server gives them."""
        if self.counts is None:
            return None
        details = self.counts.prompt_tokens_details or _Cached()
        return Usage(self.counts.prompt_tokens, details.cached_tokens or 0, self.counts.completion_tokens)

    def only_model(self, url: str) -> str:
        """The name of the only model listed.

        Raises:
            InvalidInput: there are several, or none.
        """
        names = [model.id for model in self.data]
        if len(names) == 1:
            return names[0]
        known = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        raise InvalidInput(
            f"The server {url} has several models: {known}."
            if names
            else f"The server {url} lists no model.",
            "Name one after the URL: remote:URL#model.",
        )

    @property
    def first_token(self) -> FirstToken | None:
        """The first token with its alternatives; None where the server shows none."""
        logprobs = self.choices[0].logprobs if self.choices else None
        return logprobs.content[0] if logprobs and logprobs.content else None


def read(text: str, url: str, secret: str = "") -> Reply:
    """Parse a body or a chunk; `secret` is blotted out of what an error quotes.

    Raises:
        RemoteFailure: it is no JSON object of the expected shape, or reports an error of the server.
    """
    try:
        reply = Reply.model_validate_json(text)
    except ValidationError as error:
        raise RemoteFailure(
            f"{url} did not answer as an OpenAI-compatible server: {_quote(text, secret)[:80]!r}.",
            "Check that the URL is that of the API, usually ending in /v1.",
        ) from error
    if reply.error is not None:
        code = reply.error.get("code") if isinstance(reply.error, dict) else None
        raise refusal(code if isinstance(code, int) and 400 <= code < 600 else 500, text, url, secret)
    return reply


def bounded(options: Sequence[str], first: FirstToken, url: str) -> OptionDistribution:
    """Probabilities over one-token options when only the most probable tokens are known.

    An option's mass is that of its spellings, bare and after a space ("A", " A"), plus any other returned
    token that strips to it. A spelling not returned is no more probable than the least probable returned one,
    and all of them together have at most what the returned tokens leave; so each mass lies between what was
    returned (low) and that plus what may be hidden (high). The mass reported is the middle, except where many
    options share little: their hidden parts together never take more than half of what is left, so that the
    masses sum to at most 1.

    If no option was returned at all, `p` is uniform and the method says so.

    Raises:
        Unsupported: an option is missing while a token that begins it has more than 1 % of the mass: it takes
            several tokens, whose later ones the server does not show.
        RemoteFailure: the logprobs are no probabilities.
    """
    seen = {top.token: math.exp(min(top.logprob, 1.0)) for top in [first, *first.top_logprobs]}
    total = sum(seen.values())
    if not total <= 1.01:  # also true of NaN
        raise RemoteFailure(f"The logprobs of {url} are no probabilities: they sum to {total:.3g}.")
    seen = {token: p / max(total, 1.0) for token, p in seen.items()}
    rest = max(0.0, 1.0 - total)
    # Some servers append the drawn token whatever its rank, so its probability bounds nothing.
    least = min((p for token, p in seen.items() if token != first.token), default=1.0)

    words = [option.strip() for option in options]
    low = [sum(p for token, p in seen.items() if token.strip() == word) for word in words]
    gaps = [_hidden(word, seen, least, rest) for word in words]
    share = min(0.5, 0.5 * rest / sum(gaps)) if any(gaps) else 0.0
    mass = [known + share * gap for known, gap in zip(low, gaps, strict=True)]
    found = any(low)
    weights = mass if found else [1.0] * len(mass)
    return OptionDistribution(
        options=tuple(options),
        p=tuple(weight / sum(weights) for weight in weights),
        mass=tuple(mass),
        unassigned_mass=max(0.0, 1.0 - sum(mass)),
        bounds=tuple((known, known + gap) for known, gap in zip(low, gaps, strict=True)),
        method="top_logprobs" if found else "uniform",
    )


def _hidden(word: str, seen: dict[str, float], least: float, rest: float) -> float:
    """The most that `word` may have beyond what was returned."""
    unseen = [spelling for spelling in (word, f" {word}") if spelling not in seen]
    beginning = 0.0
    if not any(token.strip() == word for token in seen):
        beginning = sum(p for token, p in seen.items() if token.strip() and word.startswith(token.strip()))
    if beginning > PREFIX_TOLERANCE:
        raise one_token_only(word)
    return min(len(unseen) * least, rest) + beginning


def one_token_only(option: str) -> Unsupported:
    """The refusal to weigh an option that takes several tokens."""
    return Unsupported(
        f"A remote model cannot weigh the option '{option.strip()[:40]}': it takes more than one token.",
        "Offer letters, numbers or short single words, or use a local model.",
    )


def no_logprobs(url: str) -> Unsupported:
    """The refusal where a server shows no probabilities."""
    return Unsupported(
        f"The server {url} gives no token probabilities, which this needs.",
        "Switch logprobs on (python -m llama_cpp.server: --logits_all true), or use a local model.",
    )


def refusal(status: int, body: str, url: str, secret: str = "") -> PlocalError:
    """The error that a failed HTTP answer means; quotes the server's own sentence, `secret` blotted out."""
    said = _quote(_words(body), secret)[:300] or "no reason given"
    if status in (401, 403):
        return RemoteFailure(
            f"The server {url} refused the API key (HTTP {status}).", "Set PLOCAL_REMOTE_KEY to a valid key."
        )
    if status == 404:
        return RemoteFailure(
            f"The server {url} does not know this path or model (HTTP 404): {said}",
            "Check the URL, usually ending in /v1, and the model's name after '#'.",
        )
    if status == 429 or status >= 500:
        return RemoteFailure(
            f"The server {url} failed (HTTP {status}): {said}",
            "Try again later, or look into the server's log.",
        )
    if numbers := _context_numbers(said):
        needed, available = numbers
        return ContextOverflow(
            f"The prompt and the answer need {needed} tokens; the remote model holds {available}.",
            "Shorten the question, ask fewer communities or lower --max-tokens.",
            needed=needed,
            available=available,
        )
    return InvalidInput(f"The server {url} did not accept the request (HTTP {status}): {said}")


def _context_numbers(said: str) -> tuple[int, int] | None:
    """(needed, available) tokens out of a server's complaint about the context; None if it is none."""
    available = re.search(r"context (?:length|size|window)\D{0,20}(\d+)", said, re.IGNORECASE)
    needed = re.search(r"request(?:ed)?(?: tokens)?\D{0,12}(\d+)", said, re.IGNORECASE)
    return (int(needed[1]), int(available[1])) if needed and available else None


def _words(body: str) -> str:
    """The server's own sentence out of an error body."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = body
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and key in found:
            found = found[key]
    return str(found)


def _quote(text: str, secret: str) -> str:
    """`text` on one line, without `secret`."""
    return " ".join((text.replace(secret, "***") if secret else text).split())


def retry_after(header: str) -> float:
    """Seconds a Retry-After header asks for, within [0, LONGEST_RETRY_AFTER]; 0 if it is no number."""
    try:
        return min(max(float(header), 0.0), LONGEST_RETRY_AFTER)
    except ValueError:
        return 0.0
