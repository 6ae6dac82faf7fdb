"""What a server's refusal means: HTTP status and body in, the error to raise out, told in the server's own sentence.

body ──words──> its sentence ──quote──> on one line, short, without secrets
status, body, target ──refusal──> PlocalError
Retry-After ──retry_after──> seconds
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

from pluralism_local.engine.remote_secrets import Blotter
from pluralism_local.errors import (
    ContextOverflow,
    NothingToWeigh,
    PlocalError,
    RemoteFailure,
    RemoteRefusal,
    RequestRefused,
    Unsupported,
)

LONGEST_RETRY_AFTER = 10.0  # seconds; a server that asks for more gets no more than this
LONGEST_QUOTE = 300  # characters of a server's sentence
_READ = 4000  # characters of it that are looked at
_SENTENCES = ("error", "message", "detail", "msg", "errors", "title", "description", "reason")


@dataclass(frozen=True, slots=True)
class Server:
    """Who is talked to.

    Attributes:
        url: the address of the API as it may be shown.
        blot: takes what is secret out of what the server says.
        renewal: what to do where it refuses the key or password that is sent; empty where none is.
    """

    url: str
    blot: Blotter = field(default_factory=Blotter)
    renewal: str = ""

    def quote(self, text: str, longest: int = LONGEST_QUOTE) -> str:
        """`text` on one line, without secrets, NUL and halves of characters, cut at `longest` characters."""
        quotable = self.blot(text[:_READ]).encode("utf-8", "replace").decode().replace("\0", "\ufffd")
        return " ".join(quotable.split())[:longest]


def refusal(status: int | None, body: str, server: Server, target: str = "") -> PlocalError:
    """The error that a refused request means.

    Args:
        status: of HTTP; None for an error in an answer that HTTP calls a success.
        target: the address that a redirection names.
    """
    sentence = server.quote(words(body)) or "no reason given"
    code = "" if status is None else f" (HTTP {status})"
    if target:
        return _redirection(status, target, server)
    if status in (401, 403):
        return _unauthorized(f"{code}: {sentence}", server)
    if status == 404:
        return RemoteFailure(
            f"The server {server.url} does not know this path or model{code}: {sentence}",
            "Check the URL, usually ending in /v1, and the model's name after '#'.",
        )
    if status == 407:
        return RemoteFailure(
            f"The proxy before {server.url} refused the request{code}: {sentence}",
            "Check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, which may carry a user name and a password.",
        )
    if numbers := overflow(sentence):
        needed, available = numbers
        return ContextOverflow(
            f"The prompt and the answer need {needed} tokens; the remote model holds {available}.",
            "Shorten the question, ask fewer communities or lower --max-tokens.",
            needed=needed,
            available=available,
        )
    if status is None or status in (408, 425, 429) or status >= 500:
        return RemoteFailure(
            f"The server {server.url} failed{code}: {sentence}",
            "Try again later, or look into the server's log.",
        )
    refused = f"The server {server.url} did not accept the request{code}: {sentence}"
    if status == 405:
        return RemoteRefusal(refused, "Check the URL, usually ending in /v1.")
    return RequestRefused(refused, "Ask otherwise, or choose another model.")


def _unauthorized(reason: str, server: Server) -> RemoteFailure:
    if server.renewal:
        return RemoteFailure(f"The server {server.url} refused the API key{reason}", server.renewal)
    return RemoteFailure(
        f"The server {server.url} wants an API key{reason}",
        f"Give it with plocal keys set {server.url}, or set PLOCAL_REMOTE_KEY; that goes only to servers that you "
        "named yourself (-m, a variable, your config).",
    )


def _redirection(status: int | None, target: str, server: Server) -> RemoteRefusal:
    try:
        parts = urlsplit(urljoin(f"{server.url}/chat/completions", target))
    except ValueError:
        return RemoteRefusal(
            f"The server {server.url} redirects to no address (HTTP {status}).", "Check the URL."
        )
    host = parts.netloc.rpartition("@")[2]
    address = server.quote(f"{parts.scheme}://{host}{parts.path}").removesuffix("/chat/completions")
    return RemoteRefusal(
        f"The server {server.url} redirects to {address} (HTTP {status}).",
        f"If you trust that address, use it: remote:{address}",
    )


class NotTheProtocol(RemoteFailure):
    """What came is no answer of an OpenAI-compatible server."""


def not_the_protocol(text: str, server: Server) -> NotTheProtocol:
    """The error for an answer that is none of this protocol; quotes its title or its beginning."""
    quoted = server.quote(_page(text) if text.lstrip().startswith("<") else text, 80)
    content = f"'{quoted}'" if quoted else "it sent nothing"
    return NotTheProtocol(
        f"{server.url} did not answer as an OpenAI-compatible server: {content}.",
        "Check that the URL is that of the API, usually ending in /v1.",
    )


class NoLogprobs(Unsupported):
    """The server shows no probabilities."""


class ThinksFirst(Unsupported):
    """The model thinks before it answers, so that its first token is of a thought."""


def no_schema(server: Server, sentence: str) -> Unsupported:
    """The refusal where a server takes no JSON schema; `sentence` is its own."""
    return Unsupported(
        f"The server {server.url} takes no JSON schema for its reply, which this needs. It says: {sentence}",
        "Use a server that does (llama-server, vLLM, Ollama, OpenAI), or a local model.",
    )


def no_grammar(server: Server) -> Unsupported:
    """The refusal where nothing would tell whether a grammar was kept to: most servers pass over unknown fields."""
    return Unsupported(
        f"The server {server.url} is no llama-server, and others take no grammar for the form of a reply.",
        "Ask for JSON by a schema, or use a llama-server or a local model.",
    )


def no_logprobs(server: Server, sentence: str = "") -> NoLogprobs:
    """The refusal where a server shows no probabilities; `sentence` is its own, if it gave one."""
    reason = f" It says: {sentence}" if sentence else ""
    return NoLogprobs(
        f"The server {server.url} gives no token probabilities, which this needs.{reason}",
        "Switch logprobs on (python -m llama_cpp.server: --logits_all true), count answers with --samples 20, or use a "
        "local model.",
    )


def no_first_token(server: Server) -> NothingToWeigh:
    """The refusal where the model ends its answer at once, so that there is nothing to weigh."""
    return NothingToWeigh(
        f"The model of {server.url} ends its answer before the first token, so no option can be weighed.",
        "Ask differently, or take another model.",
    )


def thinks_first(server: Server) -> ThinksFirst:
    """The refusal where the first token is of a thought and not of an answer."""
    return ThinksFirst(
        f"The model at {server.url} thinks before it answers, so its first token tells nothing about the options.",
        "Switch its thinking off at the server, count answers with --samples 20, or use another model.",
    )


def overflow(sentence: str) -> tuple[int, int] | None:
    """(needed, available) tokens out of a server's complaint about the context; None if it is none."""
    available = re.search(r"context (?:length|size|window)\D{0,20}(\d{1,12})", sentence, re.IGNORECASE)
    needed = re.search(r"request(?:ed)?(?: tokens)?\D{0,12}(\d{1,12})", sentence, re.IGNORECASE)
    if not needed or not available:
        return None
    tokens, room = int(needed[1]), int(available[1])
    answer = re.search(r"too large: (\d{1,12})", sentence)
    if tokens <= room and answer:  # the prompt's tokens and the answer's are told apart
        tokens += int(answer[1])
    return tokens, room


def words(body: str) -> str:
    """The server's own sentence out of an error body: of JSON in its many shapes, of a page its title."""
    try:
        return _sentence(json.loads(body))
    except (ValueError, RecursionError):
        return _page(body) if body.lstrip().startswith("<") else body


def _sentence(value: Any) -> str:
    if isinstance(value, Mapping):
        if isinstance(value.get("loc"), list) and "msg" in value:  # of FastAPI and pydantic
            return f"{'.'.join(map(str, value['loc']))}: {value['msg']}"
        for key in _SENTENCES:
            if value.get(key):
                return _sentence(value[key])
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "; ".join(map(_sentence, value[:3]))
    return str(value)


def _page(text: str) -> str:
    """The title of an HTML page, else its first heading, else its text without marks."""
    head = text[: 16 * 1024]
    for tag in ("title", "h1"):
        named = re.search(rf"<{tag}\b[^>]*>([^<]*)<", head, re.IGNORECASE)
        if named and named[1].strip():
            return unescape(named[1]).strip()
    without_code = re.sub(r"<(script|style)\b.*?(</\1>|$)", " ", head, flags=re.IGNORECASE | re.DOTALL)
    return unescape(re.sub(r"<[^>]*>?", " ", without_code))


def retry_after(header: str, now: datetime | None = None) -> float:
    """Seconds that a Retry-After header asks for, a number or a date; within [0, LONGEST_RETRY_AFTER], else 0."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            until = parsedate_to_datetime(header)
        except ValueError:
            return 0.0
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        seconds = (until - (now or datetime.now(UTC))).total_seconds()
    return min(seconds, LONGEST_RETRY_AFTER) if seconds > 0 else 0.0  # NaN is not above 0
