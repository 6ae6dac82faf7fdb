"""A result in the making: what the stages of a mode add up to.

    stages ──comments, selection, answer, warnings, usage, seconds, prompts──> ResultBuilder ──result──> Result

It is filled while a mode runs, so that stopping or failing at any moment leaves a Result with what there is.
A voice is part of the turn once it spoke to its end or to its token limit. One that was stopped, or said nothing but
white space, is not: a follow-up shows it the question and the answer, never a half or an empty reply as its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from pluralism_local.agreement import Agreement, Change
from pluralism_local.engine.base import LanguageModel
from pluralism_local.errors import PlocalError, Unsupported
from pluralism_local.mode_specs import SPECS, Stage, steering
from pluralism_local.modes.ask import Ask
from pluralism_local.modes.leanings.habits import Habits
from pluralism_local.modes.options import Posed
from pluralism_local.prompts import Prompt
from pluralism_local.results import (
    LLM_VOICE,
    Aggregate,
    Comment,
    Draws,
    Result,
    Round,
    Selection,
    Turn,
    Window,
)
from pluralism_local.types import Finish, Message, Sampling, Usage

ModelRole = Literal["communities", "llm"]


@dataclass
class ResultBuilder:
    """One ask's result so far; see `Result` for the fields' meaning.

    Attributes:
        communities: the communities' model; None while none was needed.
        comment_sampling: as used, which may be shorter than asked for.
        no_probabilities: what the LLM said, if it turned out to give none; it is not asked for them again.
        left_out: by voice, how many of the oldest turns it does not see, for lack of room.
    """

    ask: Ask
    llm: LanguageModel
    communities: LanguageModel | None = None
    comment_sampling: Sampling | None = None
    answer: str = ""
    thought: str = ""
    comments: list[Comment] = field(default_factory=list)
    selection: Selection | None = None
    distribution: Aggregate | None = None
    window: Window | None = None
    draws: Draws | None = None
    rounds: list[Round] = field(default_factory=list)
    agreement: Agreement | None = None
    warnings: list[str] = field(default_factory=list)
    finish: Finish = "stop"
    complete: bool = True
    no_probabilities: Unsupported | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    habits: Habits = field(default_factory=Habits)
    _said: list[tuple[Comment, ...]] = field(default_factory=list)
    _messages: dict[str, str] = field(default_factory=dict)
    _replies: dict[str, str] = field(default_factory=dict)
    _usage: dict[str, Usage] = field(default_factory=dict)
    _seconds: dict[str, float] = field(default_factory=dict)
    _prompts: dict[str, None] = field(default_factory=dict)
    _started: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        spec = SPECS[self.ask.mode]
        if self.ask.attribute and not spec.attribute:
            self.warn(f"The attribute is used by the mode {steering()} only, not by {spec.name}.")
        if self.ask.options and spec.options == "unused":
            self.warn(
                f"{spec.name.capitalize()} answers in words; the options given beside the prompt are not used."
            )
        if self.llm.capabilities.only_continues and not self.ask.turns:
            self.warn(
                f"{self.llm.info.id} is a base model without a chat template: it continues a text of questions and "
                "answers, and follows no instructions. For answers take an instruct model."
            )

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """Add the wall time of the block to `stage`, however it ends."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - started

    def render(self, prompt: Prompt, **values: str) -> str:
        """Render and note that the prompt was used."""
        self.used(prompt)
        return prompt.render(**values)

    def used(self, prompt: Prompt) -> None:
        """Note that the prompt was used."""
        self._prompts[prompt.id] = None

    def posed(self, posed: Posed) -> None:
        """Note how a question with options was put, and warn of what it lists and is not weighed."""
        self.used(posed.prompt)
        for remark in posed.remarks:
            self.warn(remark)

    def spend(self, role: ModelRole, usage: Usage) -> None:
        """Add tokens to a role."""
        self._usage[role] = self._usage.get(role, Usage()) + usage

    def warn(self, sentence: str) -> None:
        """Add a sentence for the user, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def warn_all(self, sentences: Iterable[str]) -> None:
        """Add sentences for the user, each once."""
        for sentence in sentences:
            self.warn(sentence)

    def to_llm(self, text: str) -> tuple[Message, ...]:
        """The LLM's conversation as far as it fits, `text` last."""
        return self.ask.to_llm(text, self.left_out.get(LLM_VOICE, 0))

    def to_communities(self, text: str) -> tuple[Message, ...]:
        """The longest prompt of a community that `text` makes, without the conversation, which can be left out."""
        members = self.ask.needed_pool().members
        personas = [member.community.message(self.ask.opening) for member in members]
        longest = max(personas, key=lambda persona: len(persona.content) if persona else 0)
        return self.ask.thread("", text, longest, left_out=len(self.ask.turns))

    def llm_thread(self) -> tuple[Message, ...]:
        """The LLM's conversation with the present exchange; it must have spoken."""
        message, reply = self._messages[LLM_VOICE], self._replies[LLM_VOICE]
        return (*self.to_llm(message), Message("assistant", reply))

    def spoke(self, voice: str, message: str, reply: str) -> None:
        """Note a voice's exchange for the conversation; blank words are none."""
        if reply.strip():
            self._messages[voice], self._replies[voice] = message, reply

    def heard(self, comments: Iterable[Comment]) -> None:
        """Note what was said together, for `round_over`."""
        self._said.append(tuple(comments))

    def round_over(self, number: int, changes: tuple[Change, ...], window: Window | None) -> None:
        """Note a round whose comments were heard last; with the first one, what it began with."""
        if not self.rounds:
            self.rounds.append(Round(0, self._said[0]))
        self.rounds.append(Round(number, self._said[-1], changes, window))

    def chose(self, agreement: Agreement, question: str) -> None:
        """Take the statement that the voices chose as the answer, and as the LLM's to `question` in its thread."""
        self.agreement, self.answer = agreement, agreement.chosen.text
        self.spoke(LLM_VOICE, question, self.answer)

    def stop(self) -> None:
        """The user stopped: keep what there is."""
        self.complete = False
        self.finish = "cancelled"

    def stop_positions(self) -> None:
        """The user stopped the search for positions; an answer that is there already is whole."""
        if self.answer:
            self.complete = False
            self.warn("Stopped before the positions of the comments were told apart.")
        else:
            self.stop()

    def stop_draws(self) -> None:
        """The user stopped while comments were drawn for a count; the answer that is there already is whole."""
        self.complete = False
        self.warn("Stopped before all comments were drawn: their positions are not counted.")

    def fail(self, error: PlocalError) -> None:
        """A model failed after there was something to keep: keep it, and say what happened."""
        self.stop()
        self.warn(" ".join(part for part in (error.message, error.hint) if part))

    def _turn(self) -> Turn | None:
        if not self.answer.strip():
            return None
        return Turn(self.ask.question, self.answer, dict(self._messages), dict(self._replies))

    def _forgotten(self) -> Iterator[str]:
        """A sentence for each number of turns that was left out, naming who does not see them."""
        for count in sorted(set(self.left_out.values())):
            voices = [voice for voice, left_out in self.left_out.items() if left_out == count]
            names = ", ".join("the model" if voice == LLM_VOICE else voice for voice in voices)
            turns = "turn is" if count == 1 else f"{count} turns are"
            yield f"For lack of room in the context, the oldest {turns} not seen by: {names}."

    def result(self) -> Result:
        """The result as it stands now."""
        pool = self.ask.pool
        return Result(
            mode=self.ask.mode,
            prompt=self.ask.prompt,
            answer=self.answer,
            comments=tuple(self.comments),
            llm=self.llm.info,
            communities_model=None if self.communities is None else self.communities.info,
            answer_sampling=self.ask.answer,
            comment_sampling=self.comment_sampling or self.ask.comment,
            pool=None if self.communities is None or pool is None else pool.id,
            attribute=self.ask.attribute,
            selection=self.selection,
            distribution=self.distribution,
            usage=dict(self._usage),
            seconds={**self._seconds, "total": time.perf_counter() - self._started},
            prompts=tuple(self._prompts),
            warnings=(*self.warnings, *self._forgotten()),
            finish=self.finish,
            complete=self.complete,
            turn=self._turn(),
            thought=self.thought,
            window=self.window,
            draws=self.draws,
            rounds=tuple(self.rounds),
            agreement=self.agreement,
        )
