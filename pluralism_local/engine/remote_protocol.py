"""The OpenAI protocol as values: what is asked for, and what the probabilities of a first token say about options.

Sampling ──> sampling_fields() ──> fields of a request
the first token's top_logprobs ──> bounded() ──> OptionDistribution

What comes back is read by `remote_reply`, what a refusal means is told by `remote_refusals`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pluralism_local.engine.remote_adapters import AdapterProtocol
from pluralism_local.engine.remote_refusals import Server
from pluralism_local.engine.remote_reply import FirstToken
from pluralism_local.errors import RemoteFailure, Unsupported
from pluralism_local.types import Grammar, Message, OptionDistribution, OptionRequest, Request, Sampling

FIRST_TOKEN_FIELDS = {  # 20 is the most that common servers accept
    "temperature": 1.0,
    "top_p": 1.0,
    "max_tokens": 1,
    "logprobs": True,
    "top_logprobs": 20,
}
LogprobsUse = Literal["probe", "yes", "no"]
PREFIX_TOLERANCE = 0.01  # probability of an option's first piece above which the option cannot be weighed


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """What the user says of a server.

    Attributes:
        timeout: seconds of silence after which a request has failed; slow servers need more.
        logprobs: whether it shows probabilities: ask and see, certainly, or never.
        samples: answers to draw and count where it shows none; 0 refuses to weigh options there.
        parallel: requests at once at most.
        adapters: how it is told which of its adapters answers; "none": it takes none.
    """

    timeout: float = 120.0
    logprobs: LogprobsUse = "probe"
    samples: int = 0
    parallel: int = 1
    adapters: AdapterProtocol = "none"


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


def grammar_fields(grammar: Grammar | None) -> dict[str, Any]:
    """What a reply must look like, as a request says it: by the JSON schema where there is one, else by GBNF."""
    if grammar is None:
        return {}
    if grammar.schema is None:
        return {"grammar": grammar.gbnf}
    schema = {"name": "reply", "strict": True, "schema": grammar.schema}
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def refuse_adapters(requests: Sequence[Request] | Sequence[OptionRequest]) -> None:
    """Raise Unsupported if any request wants an adapter."""
    if any(request.adapter for request in requests):
        raise Unsupported(
            "A remote model cannot take a community's adapter.",
            "Run the communities on a local model, or use communities that have only a persona.",
        )


def bounded(options: Sequence[str], first: FirstToken, server: Server) -> OptionDistribution:
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
    tokens = {(top.token, top.raw): math.exp(min(top.logprob, 1.0)) for top in [first, *first.top_logprobs]}
    total = sum(tokens.values())
    if not total <= 1.01:  # also true of NaN
        raise RemoteFailure(f"The logprobs of {server.url} are no probabilities: they sum to {total:.3g}.")
    seen: dict[str, float] = {}
    for (token, raw), p in tokens.items():
        text = spelled(token, raw)
        seen[text] = seen.get(text, 0.0) + p / max(total, 1.0)
    rest = max(0.0, 1.0 - total)
    # Some servers append the drawn token whatever its rank, so its probability bounds nothing.
    drawn = spelled(first.token, first.raw)
    least = min((p for text, p in seen.items() if text != drawn), default=1.0)

    words = [option.strip() for option in options]
    low = [sum(p for token, p in seen.items() if token.strip() == word) for word in words]
    gaps = [_hidden(word, seen, least, rest) for word in words]
    share = min(0.5, 0.5 * rest / sum(gaps)) if any(gaps) else 0.0
    mass = [returned + share * gap for returned, gap in zip(low, gaps, strict=True)]
    any_returned = any(low)
    weights = mass if any_returned else [1.0] * len(mass)
    return OptionDistribution(
        options=tuple(options),
        p=tuple(weight / sum(weights) for weight in weights),
        mass=tuple(mass),
        unassigned_mass=max(0.0, 1.0 - sum(mass)),
        bounds=tuple((returned, returned + gap) for returned, gap in zip(low, gaps, strict=True)),
        method="top_logprobs" if any_returned else "uniform",
    )


def spelled(token: str, raw: Sequence[int] | None = None) -> str:
    """The text that a token stands for: of its bytes, where a server tells them, else of its raw spelling.

    Vocabularies write a space before a word as "Ġ" (with all bytes as letters) or as "▁".
    """
    if raw:
        return bytes(raw).decode("utf-8", "replace")
    if any(mark in token for mark in "ĠĊ") and all(letter in _BYTE_OF for letter in token):
        return bytes(_BYTE_OF[letter] for letter in token).decode("utf-8", "replace")
    return token.replace("▁", " ")


def _bytes_as_letters() -> dict[str, int]:
    """The letter that byte-level vocabularies write for each byte: itself where it is visible, else one from 256 on."""
    visible = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in visible]
    return {chr(byte): byte for byte in visible} | {chr(256 + at): byte for at, byte in enumerate(others)}


_BYTE_OF = _bytes_as_letters()


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
