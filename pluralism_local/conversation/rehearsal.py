"""`--dry-run`: the real mode on engines that write down what they are asked and decode nothing.

    Ask ──> mode ──> Rehearsal(engine) ──> RehearsedStep(messages, tokens) per request ──> plan

What is written is a placeholder, so prompts are exact but for the comments and statements in them; `RehearsedStep.upto`
says how long they can get.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.engine.borrowed import Borrowed, spoken_at_once
from pluralism_local.results import Result
from pluralism_local.types import (
    AdapterRef,
    Completion,
    EngineEvent,
    Message,
    OptionDistribution,
    OptionRequest,
    Request,
    Usage,
)

if TYPE_CHECKING:
    from pluralism_local.modes import Ask
    from pluralism_local.modes.leanings.habits import Habits

HandleName = Literal["communities", "llm"]
_PLACEHOLDERS: dict[HandleName, re.Pattern[str]] = {
    "communities": re.compile(r"\[comment \d+ goes here\]"),
    "llm": re.compile(r"\[answer \d+ goes here\]"),
}


@dataclass(frozen=True, slots=True)
class RehearsedStep:
    """One request that an ask would make.

    Attributes:
        role: which of the two handles would serve it.
        tokens: length of the prompt; None where the engine cannot count.
        upto: tokens by which what was written can lengthen it beyond its placeholders; 0 where there are none.
        max_tokens: new tokens at most; None for a choice among `options`.
    """

    role: HandleName
    messages: tuple[Message, ...]
    adapter: AdapterRef | None
    tokens: int | None
    upto: int
    max_tokens: int | None
    options: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """As in the plan's JSON."""
        return {
            "role": self.role,
            "messages": [{"role": message.role, "content": message.content} for message in self.messages],
            "adapter_sha256": self.adapter.sha256 if self.adapter else None,
            "scale": self.adapter.scale if self.adapter else None,
            "tokens": self.tokens,
            "comment_tokens_at_most": self.upto,
            "max_tokens": self.max_tokens,
            "options": list(self.options),
        }


class Rehearsal(Borrowed):
    """A `LanguageModel` that counts with the real engine and answers with placeholders."""

    def __init__(self, engine: LanguageModel, role: HandleName, steps: list[RehearsedStep]) -> None:
        super().__init__(engine)
        self._role = role
        self._steps = steps

    def generate(
        self, requests: Sequence[Request], *, should_stop: ShouldStop = never
    ) -> Iterator[EngineEvent]:
        """Note the requests; each is answered with a placeholder."""
        del should_stop
        for index, request in enumerate(requests):
            self._note(request.messages, request.adapter, request.sampling.max_tokens)
            # numbered, since equal texts would make equal prompts, which a mode may ask only once
            if self._role == "communities":
                text = f"[comment {index + 1} goes here]"
            else:
                text = f"[answer {sum(step.role == 'llm' for step in self._steps)} goes here]"
            yield from spoken_at_once(index, Completion(text, "stop", Usage(), 0.0))

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        """Note the requests; all options are equally likely."""
        del should_stop
        for request in requests:
            self._note(request.messages, request.adapter, None, request.options)
        return [_uniform(request.options) for request in requests]

    def forget(self) -> None:
        """Nothing is kept."""

    def _note(
        self,
        messages: tuple[Message, ...],
        adapter: AdapterRef | None,
        max_tokens: int | None,
        options: tuple[str, ...] = (),
    ) -> None:
        counts = self.capabilities.counts_tokens
        tokens = self._engine.count_tokens(messages, adapter) if counts else None
        upto = sum(self._longest(role) * _count(messages, role) for role in _PLACEHOLDERS)
        self._steps.append(RehearsedStep(self._role, messages, adapter, tokens, upto, max_tokens, options))

    def _longest(self, role: HandleName) -> int:
        """Tokens that a text of this role can have at most, so far."""
        return max((step.max_tokens or 0 for step in self._steps if step.role == role), default=0)


def rehearse(
    ask: Ask, llm: LanguageModel, communities: LanguageModel, habits: Habits | None = None
) -> tuple[list[RehearsedStep], Result]:
    """Every request that `ask` would make, in order, and the result that carries the names of the prompts.

    Args:
        habits: those of personas that were measured before, which are not measured again; None for none.

    Raises: whatever the mode or the engines refuse before decoding.
    """
    from pluralism_local import modes

    steps: list[RehearsedStep] = []
    last = None
    for event in modes.run(
        ask,
        llm=Rehearsal(llm, "llm", steps),
        communities=Rehearsal(communities, "communities", steps),
        habits=None if habits is None else habits.copied(),
    ):
        last = event
    if not isinstance(last, Result):
        raise TypeError("a mode ends with a Result")
    return steps, replace(
        last, answer="", comments=(), selection=None, distribution=None, rounds=(), agreement=None
    )


def _count(messages: Sequence[Message], role: HandleName) -> int:
    return sum(len(_PLACEHOLDERS[role].findall(message.content)) for message in messages)


def _uniform(options: tuple[str, ...]) -> OptionDistribution:
    share = 1 / len(options)
    each = (share,) * len(options)
    return OptionDistribution(options, each, each, 0.0, tuple((share, share) for _ in options), "exact")
