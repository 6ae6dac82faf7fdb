"""Text that is derived from a hash: sentences about the long words of a prompt, the same for the same conversation.

conversation, adapter, salt ──digest_of──> bytes ──invent──> three to six sentences
                                             └──unit──> a number in [0, 1)
"""

from __future__ import annotations

import hashlib
import re

from pluralism_local.types import AdapterRef, Message

_SENTENCES = (
    "For some people {topic} is first of all a matter of {value}.",
    "Others hold that {value} weighs more when it comes to {topic}.",
    "What {topic} means in practice depends on who bears the cost.",
    "There is a case for {value}, and a case against haste.",
    "Those closest to {topic} ought to be asked before anything is decided.",
    "Rules about {topic} work best where {value} is already shared.",
    "A careful answer would try {topic} on a small scale and look at {value}.",
    "Nobody should claim that {topic} settles the question of {value}.",
)
# what prompts and these sentences are made of; no topic
_FRAME = """
about after against already answer anything asked bears before bring careful claim closest comes
comment comments costs could decided depends diverse every expert experts explanation first following
given haste instruction likely little makes matter means might nobody number other others ought
passage passages people perspectives please practice question reflect respond response rules scale
select settles shared should situation small some their there these those value values weighs where
whether which while works would
"""
_VALUES = ("fairness", "freedom", "safety", "trust", "tradition", "care", "responsibility", "privacy")


def digest_of(messages: tuple[Message, ...], adapter: AdapterRef | None, salt: str) -> bytes:
    """32 bytes that depend on all of them; `adapter` is None for the base."""
    parts = [salt, "" if adapter is None else f"{adapter.sha256}*{adapter.scale!r}"]
    parts += [part for message in messages for part in (message.role, message.content)]
    return hashlib.sha256("\0".join(parts).encode()).digest()


def unit(digest: bytes, salt: str) -> float:
    """A number in [0, 1) that depends on both."""
    return int.from_bytes(hashlib.sha256(digest + salt.encode()).digest()[:7]) / 2**56


def invent(messages: tuple[Message, ...], digest: bytes) -> str:
    """Three to six short sentences about the long words of the last message."""
    words = re.findall(r"[^\W\d_]{5,}", messages[-1].content.lower()) if messages else []
    topics = [word for word in dict.fromkeys(words) if word not in {*_FRAME.split(), *_VALUES}] or ["this"]
    count = 3 + digest[0] % 4
    first = digest[1] % len(_SENTENCES)
    return " ".join(
        _SENTENCES[(first + number) % len(_SENTENCES)].format(
            topic=topics[digest[2 + number] % len(topics)], value=_VALUES[digest[10 + number] % len(_VALUES)]
        )
        for number in range(count)
    )
