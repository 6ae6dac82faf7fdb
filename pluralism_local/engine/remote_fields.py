"""Which fields of a request a server takes, learned from what it refuses.

    400 "Unsupported parameter: 'max_tokens' …" ──Dialect.learn──> a Dialect that spells it otherwise, or None
    payload in our own names ──Dialect.spell──> payload as this server takes it

A field that a refusal names is replaced, lowered to the limit that it names, or left out; a system message that it does
not take goes to the head of the first user message. Each step leaves less to refuse, so learning ends. Servers word
their refusals in many ways: what names the field in a structured error counts first, then the first of our fields in
the sentence, without the lists of what the server does take.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pluralism_local.engine.folding import fold_system
from pluralism_local.engine.remote_refusals import overflow, words
from pluralism_local.types import Message, Sampling

Payload = dict[str, Any]

FEWER_LOGPROBS = (5, 2, 1)  # what is tried where a limit is refused and not named
_READ = 20_000  # characters of a sentence that are looked at
_MOST_PARTS = 1000  # objects, lists and values of an error that are looked at

_ALSO_CALLED = {
    "max_completion_tokens": "max_tokens",
    "max_new_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
    "maxTokens": "max_tokens",
    "maxOutputTokens": "max_tokens",
    "maxCompletionTokens": "max_tokens",
    "topP": "top_p",
    "top-p": "top_p",
    "topLogprobs": "top_logprobs",
    "responseLogprobs": "logprobs",
    "random_seed": "seed",
    "stop_sequences": "stop",
    "stopSequences": "stop",
    "streaming": "stream",
    "streamOptions": "stream_options",
    "include_usage": "stream_options",
}
_OURS = (
    "max_tokens", "temperature", "top_p", "seed", "stop", "stream_options", "stream", "logprobs", "top_logprobs"
)  # fmt: skip
_NAMES = sorted({*_OURS, *_ALSO_CALLED}, key=len, reverse=True)
_NAME = re.compile(rf"(['\"`]?)(?<![\w-])({'|'.join(map(re.escape, _NAMES))})(?![\w-])")
_ORDINARY_WORDS = frozenset({"temperature", "seed", "stop", "stream", "streaming", "logprobs"})

_REFUSES = re.compile(
    r"unsupport|not (?:\w+ )?(?:support|permit|allow|accept|available|enabled|implement|a valid|recogni[sz])"
    r"|n't (?:support|accept|allow)|un(?:known|recogni[sz]ed|expected)|extra|invalid|illegal|deprecated"
    r"|must|only|cannot|can't|should|range|too (?:high|large|low|small|many)|at (?:most|least)|less than|greater"
    r"|exceed|maxim|limit|disabled|forbidden|no such|not (?:one of|in)\b|not found|cannot find",
    re.IGNORECASE,
)
_WHAT_IT_TAKES = re.compile(
    r"(?:expected one of|did you mean|(?<!not )\b(?:supported|allowed|valid|accepted|available|permitted|known)"
    r" (?:\w+ )?(?:parameters|fields|arguments|names|keys|properties|options|ones)\b)[^.;\n]*",
    re.IGNORECASE,
)
_ONE_OF_TWO = re.compile(r"both|together|simultaneous|only one|either|same time|mutually", re.IGNORECASE)
_AS_PRINTED = re.compile(
    r"['\"]loc['\"]: ?[(\[]([^)\]]*)[)\]]"
)  # of pydantic, as Python or JSON within a sentence
_STRUCTURED = ("param", "parameter", "field", "property", "argument", "loc", "path")

_LIMITS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?:less than or equal to|at most|no more than|not (?:be )?(?:greater|larger|more|higher) than|up to|<=|≤"
        r"|max(?:imum)?(?: allowed| supported)?(?: value| number)?(?: of| is|:| =|=)*"
        r"|limit(?:ed)?(?: of| to| is|:)*|exceed\w*(?: the)?(?: \w+){0,3}(?: of|:)?)\s*(\d{1,9})",
        r"between \d+ and (\d{1,9})",
        r"[\[(]\d+,\s*(\d{1,9})[\])]",
    )
)
_NUMBER = re.compile(r"(?<![\w-])(?<!\d\.)\d{1,6}(?![\w-])(?!\.\d)")
_BELOW = re.compile(r"(?:less|smaller|lower|fewer) than (\d{1,9})", re.IGNORECASE)
_IS_LIMIT = re.compile(
    r"at most|max|less|more than|greater|larger|exceed|between|range|limit|up to|too (?:many|large|high|big)|[<>≤≥]"
    r"|invalid value|out of|not in",
    re.IGNORECASE,
)
_SYSTEM_ROLE = re.compile(
    r"\bsystem['\"`]?\s+(?:role|message|prompt|instruction)|\broles?\b.{0,60}\bsystem\b|\bsystem\b.{0,40}\brole"
    r"|(?:support|accept|allow|take)s? ['\"`]?system\b|developer instruction",
    re.IGNORECASE | re.DOTALL,
)
_OTHER_ROLES_ONLY = re.compile(
    r"roles? must alternate|must start with (?:a |the )?['\"]?user|only (?:the )?['\"]?user['\"]? and ['\"]?assistant",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one server wants to be asked.

    Attributes:
        left_out: fields of ours that it does not take.
        tokens: its name for the limit of tokens.
        most: the largest value that it takes of a field.
        folds_system: it takes no system message.
    """

    left_out: frozenset[str] = frozenset()
    tokens: str = "max_tokens"
    most: Mapping[str, int] = field(default_factory=dict)
    folds_system: bool = False

    def spell(self, payload: Payload) -> Payload:
        """A payload in our own names, as this server takes it."""
        sent = {name: value for name, value in payload.items() if name not in self.left_out}
        if "stream" in self.left_out:
            sent.pop("stream_options", None)
        for name, most in self.most.items():
            if name in sent:
                sent[name] = min(sent[name], most)
        if "max_tokens" in sent:
            sent[self.tokens] = sent.pop("max_tokens")
        if self.folds_system and (folded := _folded(payload)):
            sent["messages"] = folded
        return sent

    def learn(self, body: str, payload: Payload) -> Dialect | None:
        """What to try after `payload` was refused with `body`; None if the refusal is about something else."""
        sentence = words(body)[:_READ]
        if overflow(sentence):
            return None
        if not self.folds_system and _folded(payload) and _refuses_system(body, sentence):
            return replace(self, folds_system=True)
        sent = {_ALSO_CALLED.get(name, name): value for name, value in self.spell(payload).items()}
        name = named_field(body, sentence, sent)
        if name is None:
            return None
        if name in ("logprobs", "top_logprobs"):
            return self._fewer_logprobs(sentence, sent)
        if name == "max_tokens":
            return self._other_limit(sentence, sent[name])
        return replace(self, left_out=self.left_out | {name})

    def _fewer_logprobs(self, sentence: str, sent: Payload) -> Dialect | None:
        """Fewer alternatives: the number that is named, else five, else still fewer; None if that is not the point."""
        now = sent.get("top_logprobs", 0)
        numbers = [int(number) for number in _NUMBER.findall(sentence) if 1 <= int(number) < now]
        if now <= 1 or not (_IS_LIMIT.search(sentence) or (numbers and "top_logprobs" in sentence)):
            return None
        fewer = _limit(sentence, now) or max(numbers, default=0)
        fewer = fewer or next(number for number in FEWER_LOGPROBS if number < now)
        return replace(self, most={**self.most, "top_logprobs": fewer})

    def _other_limit(self, sentence: str, now: int) -> Dialect:
        """A smaller number of tokens where a limit is named, else the limit's other name, else none."""
        if most := _limit(sentence, now):
            return replace(self, most={**self.most, "max_tokens": most})
        if self.tokens == "max_tokens":
            return replace(self, tokens="max_completion_tokens")
        return replace(self, left_out=self.left_out | {"max_tokens"})

    def stops(self, sampling: Sampling) -> tuple[str, ...]:
        """The stop texts that are ours to look for, since the server does not."""
        return sampling.stop if "stop" in self.left_out else ()

    def remarks(self, sampling: Sampling) -> tuple[str, ...]:
        """Sentences about what of `sampling` this server was not asked for, where it changes the answer."""
        sentences = []
        if "temperature" in self.left_out:
            sentences.append(
                f"The server does not take the temperature {sampling.temperature:g}; it used its own."
            )
        if "seed" in self.left_out:
            sentences.append("The server takes no seed; asked again, it may answer otherwise.")
        if "top_p" in self.left_out and sampling.top_p != 1:
            sentences.append(f"The server does not take top-p {sampling.top_p:g}; it used its own.")
        if "max_tokens" in self.left_out:
            sentences.append("The server takes no limit of tokens; the answer may be longer than asked for.")
        elif sampling.max_tokens > (most := self.most.get("max_tokens", sampling.max_tokens)):
            sentences.append(f"The server gives at most {most:,} tokens.")
        return tuple(sentences)


def named_field(body: str, sentence: str, sent: Mapping[str, Any]) -> str | None:
    """The field of `sent` (in our own names) that a refusal is about; None if it names none."""
    for name in (*_structured(body), *_printed(sentence)):
        if name in sent and name in _OURS:
            return name
    without_lists = _WHAT_IT_TAKES.sub(" ", sentence)
    refuses = _REFUSES.search(sentence)
    mentioned = []
    for match in _NAME.finditer(without_lists):
        name = _ALSO_CALLED.get(match[2], match[2])
        if name in sent and (refuses or match[1] or match[2] not in _ORDINARY_WORDS):
            mentioned.append(name)
    if {"temperature", "top_p"} <= set(mentioned) and _ONE_OF_TWO.search(without_lists):
        return "top_p"  # of the two the one that is seldom set
    return mentioned[0] if mentioned else None


def _structured(body: str) -> Iterator[str]:
    """Names that a JSON error gives in places made for them, such as ``"param": "temperature"``."""
    try:
        pending: deque[Any] = deque([json.loads(body)])
    except (ValueError, RecursionError):
        return
    for _ in range(_MOST_PARTS):
        if not pending:
            return
        value = pending.popleft()
        if isinstance(value, list):
            pending += value[:20]
        elif isinstance(value, dict):
            for key in _STRUCTURED:
                yield from _steps(value.get(key))
            pending += [inner for key, inner in value.items() if key != "input"]  # which is what was sent


def _steps(place: object) -> Iterator[str]:
    """The names on a way into a request: ``"stream_options.include_usage"``, ``["body", "seed"]``."""
    steps = re.split(r"[.\[\]/]+", place) if isinstance(place, str) else place
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, str):
            yield _ALSO_CALLED.get(step, step)


def _printed(sentence: str) -> Iterator[str]:
    for place in _AS_PRINTED.findall(sentence):
        yield from _steps([step.strip(" '\"") for step in place.split(",")])


def _limit(sentence: str, now: int) -> int:
    """The largest value below `now` that a sentence names as a limit; 0 if it names none."""
    named = [int(number) for pattern in _LIMITS for number in pattern.findall(sentence)]
    named += [int(number) - 1 for number in _BELOW.findall(sentence)]
    return max((number for number in named if 1 <= number < now), default=0)


def _refuses_system(body: str, sentence: str) -> bool:
    places = set(_structured(body))
    if ("messages" in places and "role" in places) or _OTHER_ROLES_ONLY.search(sentence):
        return True
    return bool(_SYSTEM_ROLE.search(sentence) and _REFUSES.search(sentence))


def _folded(payload: Payload) -> list[dict[str, str]] | None:
    """The messages without a system message; None if there is none, or nothing to put it into."""
    folded = fold_system([Message(**message) for message in payload.get("messages", ())])
    return [{"role": message.role, "content": message.content} for message in folded] if folded else None
