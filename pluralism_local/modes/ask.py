"""What is asked, and what a mode is.

    Ask ──> Mode(ask, llm=…, communities=…, should_stop=…) ──> ModeEvent…, Result

An Ask checks nothing but what it is asked for (`needed_pool`); each mode checks what it needs before it runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from pluralism_local.communities import Pool
from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.errors import InvalidInput
from pluralism_local.types import Message, ModeEvent, ModeName, Sampling

PUBLISHED_ANSWER = Sampling(temperature=0.0, max_tokens=512)
PUBLISHED_COMMENT = Sampling(temperature=1.0, top_p=0.9, max_tokens=200)


@dataclass(frozen=True, slots=True)
class Ask:
    """One question to a mode.

    Attributes:
        prompt: the question q; not blank.
        mode: how to answer it.
        pool: the communities; needed by overton, steerable, distributional and moe.
        system: system message of the LLM; the communities never see it (theirs is their persona).
        attribute: what steerable steers towards: free text (``"rural voters"``), a group
            (``"political party: Democrat"``) or a value (``"value: honesty"``).
        options: answers to choose among, at least two; empty to read them from the prompt (distributional)
            or to answer in words (the others).
        history: earlier turns, oldest first, seen by the communities and the LLM.
        answer: how the LLM's answer is drawn.
        comment: how comments are drawn; each community's own seed derives from this one.
        keep: the engine may keep the answer's sequence for a next turn.
    """

    prompt: str
    mode: ModeName
    pool: Pool | None = None
    system: str | None = None
    attribute: str | None = None
    options: tuple[str, ...] = ()
    history: tuple[Message, ...] = ()
    answer: Sampling = PUBLISHED_ANSWER
    comment: Sampling = PUBLISHED_COMMENT
    keep: bool = False

    @property
    def question(self) -> str:
        """The prompt without white space around it, as it goes into prompts."""
        return self.prompt.strip()

    def to_llm(self, text: str) -> tuple[Message, ...]:
        """The conversation that the LLM sees when `text` is its last user message."""
        system = (Message("system", self.system),) if self.system else ()
        return (*system, *self.history, Message("user", text))

    def needed_pool(self) -> Pool:
        """The pool.

        Raises:
            InvalidInput: there is none, or it has no members.
        """
        if self.pool is None or not self.pool.members:
            raise InvalidInput(
                f"The mode {self.mode} needs communities, and there are none.",
                "Choose a pool with --pool or communities with --community.",
            )
        return self.pool


class Mode(Protocol):
    """A way to answer: yields events as they happen and a `Result` last, also when stopped.

    Raises:
        InvalidInput: something the mode needs is missing; before anything is generated.
        Unsupported: an engine cannot do what the mode needs; before anything is generated.
        PlocalError: as the engines raise, while there are no comments to keep. Once there are, a failure of
            the LLM ends in a Result with ``complete=False`` and the failure among its warnings.
    """

    def __call__(
        self, ask: Ask, *, llm: LanguageModel, communities: LanguageModel, should_stop: ShouldStop
    ) -> Iterator[ModeEvent]: ...
