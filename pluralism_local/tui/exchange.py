"""One turn as far as it is known: what the transcript and the panes show.

    queued ──ask──> running ──ModeEvent…──> done | stopped | failed
    StoredTurn ──from_stored──> an exchange that was, without speeds

An exchange is filled in the application's thread only. Times are seconds of the caller's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, count
from typing import TYPE_CHECKING, Literal

from pluralism_local.mode_specs import SPECS, ModeName
from pluralism_local.records import from_record
from pluralism_local.results import (
    Aggregate,
    AnswerDelta,
    AnswerWithdrawn,
    Comment,
    CommentDelta,
    CommentDone,
    CommentStarted,
    Draws,
    ModeEvent,
    Result,
    Selected,
    Selection,
    Window,
)
from pluralism_local.types import Side

if TYPE_CHECKING:
    from pluralism_local.communities import Pool
    from pluralism_local.conversation.trace import Sources
    from pluralism_local.history import StoredTurn
    from pluralism_local.tui.jobs import LookupKind
    from pluralism_local.values.stakes import Values

ExchangeStatus = Literal["queued", "running", "done", "stopped", "failed"]
Search = Literal["none", "running", "stopped", "failed", "over"]


@dataclass(slots=True)
class LiveComment:
    """One community's comment so far.

    Attributes:
        state: ``"waiting"`` until its prompt is read, ``"writing"``, then ``"done"`` or the comment's problem; where
            nothing came of it ``"not chosen"`` (moe) or ``"stopped"``.
        tokens: new ones so far; each delta of an engine is about one.
        seconds: None while it writes.
        side: the answer that it gives reasons for, once it is written; None for none.
    """

    community: str
    weight: float | None = None
    state: str = "waiting"
    text: str = ""
    tokens: int = 0
    started: float | None = None
    seconds: float | None = None
    side: Side | None = None

    @property
    def pending(self) -> bool:
        """Whether it is still to write, or writing."""
        return self.state in ("waiting", "writing")

    def speed(self, now: float) -> float | None:
        """Tokens a second, None before the first."""
        took = (
            self.seconds if self.seconds is not None else None if self.started is None else now - self.started
        )
        return self.tokens / took if took and self.tokens else None


@dataclass(slots=True)
class Exchange:
    """One prompt and what came of it.

    Attributes:
        number: counts up within a session; the worker's events carry it.
        message, hint: the error, where there was one.
        answer_started, answer_tokens: of the LLM's answer as it streams.
        warnings: sentences for the user.
        window: the positions of the comments; None while nobody has found them.
        search: whether they are being looked for; "over" also where none were found.
        draws: many comments of each community and their positions; None while nobody has drawn them.
        draws_search: whether they are being drawn; "over" also where they could not be counted.
        sources: who said what of the answer, by the measure that was at hand.
        values: what is at stake in the prompt; None while nobody has looked for it.
        values_search: whether it is being looked for; "over" also where nothing is.
    """

    number: int
    prompt: str
    mode: ModeName
    attribute: str | None = None
    options: tuple[str, ...] = ()
    status: ExchangeStatus = "queued"
    voices: dict[str, LiveComment] = field(default_factory=dict)
    answer: str = ""
    answer_started: float | None = None
    answer_tokens: int = 0
    selection: Selection | None = None
    distribution: Aggregate | None = None
    warnings: tuple[str, ...] = ()
    message: str = ""
    hint: str = ""
    result: Result | None = None
    window: Window | None = None
    search: Search = "none"
    draws: Draws | None = None
    draws_search: Search = "none"
    sources: Sources | None = None
    values: Values | None = None
    values_search: Search = "none"

    def begin(self, pool: Pool | None) -> None:
        """It is being asked, of these communities."""
        self.status = "running"
        for member in pool.members if pool else ():
            self.voices[member.community.id] = LiveComment(member.community.id, member.weight)

    def take(self, event: ModeEvent, now: float) -> None:
        """Add what a mode said."""
        match event:
            case CommentStarted():
                voice = self._voice(event.community)
                voice.state, voice.started = "writing", now
            case CommentDelta():
                voice = self._voice(event.community)
                voice.text += event.text
                voice.tokens += 1
            case CommentDone():
                self._settle(event.comment)
            case Selected():
                self.selection = event.selection
                if SPECS[self.mode].chooses_first:
                    self._settle_others("not chosen", event.selection.community)
            case AnswerDelta():
                self.answer_started = now if self.answer_started is None else self.answer_started
                self.answer += event.text
                self.answer_tokens += 1
            case AnswerWithdrawn():
                self.answer = ""
            case Result():
                self._finish(event)

    def fail(self, message: str, hint: str) -> None:
        """It came to nothing; what was said stays."""
        self.status, self.message, self.hint = "failed", message, hint
        self._settle_others("stopped")

    def speed(self, now: float) -> float | None:
        """Tokens a second: of the answer, before that of all comments together; None before the first."""
        if self.result is not None:
            return _speed_of(self.result)
        if self.answer_started is not None and now > self.answer_started:
            return self.answer_tokens / (now - self.answer_started)
        started = [voice.started for voice in self.voices.values() if voice.started is not None]
        spent = sum(voice.tokens for voice in self.voices.values())
        return spent / (now - min(started)) if started and spent and now > min(started) else None

    @property
    def comments(self) -> list[tuple[str, str]]:
        """Community and text of every comment that says something."""
        return [(voice.community, voice.text) for voice in self.voices.values() if voice.text.strip()]

    def add_warnings(self, sentences: Iterable[str]) -> None:
        """Sentences for the user, each once."""
        self.warnings = tuple(dict.fromkeys((*self.warnings, *sentences)))

    @property
    def is_heard(self) -> bool:
        """Whether there is an answer that was written from all comments together, and some of these say something."""
        over = self.status in ("done", "stopped")
        together = SPECS[self.mode].comments == "together"
        return over and together and bool(self.answer.strip() and self.comments)

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes of it by itself."""
        return self.status not in ("queued", "running")

    def can_be_looked_into(self, kind: LookupKind) -> bool:
        """Whether there is something to find out.

        Values are those of the prompt, whatever came of it; more comments are drawn beside whole ones alone.
        """
        if kind == "values":
            return self.is_over
        return self.is_heard and (kind != "draws" or self.status == "done")

    def _voice(self, community: str) -> LiveComment:
        return self.voices.setdefault(community, LiveComment(community))

    def _settle(self, comment: Comment) -> None:
        voice = self._voice(comment.community)
        voice.text, voice.seconds, voice.side = comment.text, comment.seconds, comment.side
        voice.tokens = comment.usage.completion
        voice.state = comment.problem or "done"
        voice.weight = comment.weight if comment.weight is not None else voice.weight

    def _settle_others(self, state: str, but: str = "") -> None:
        """Nothing will come of those who have not spoken yet."""
        for voice in self.voices.values():
            if voice.pending and voice.community != but:
                voice.state = state

    def _finish(self, result: Result) -> None:
        for comment in result.comments:
            self._settle(comment)
        self._settle_others("stopped")
        self.result = result
        self.status = "done" if result.complete else "stopped"
        self.answer = result.answer
        self.selection, self.distribution = result.selection, result.distribution
        self.warnings = result.warnings
        self.window, self.draws = result.window, result.draws


def _speed_of(result: Result) -> float | None:
    weighed = result.distribution is not None  # then the LLM wrote nothing
    role, stage = ("communities", "comments") if weighed else ("llm", "answer")
    used, took = result.usage.get(role), result.seconds.get(stage)
    return used.completion / took if used and used.completion and took else None


def from_stored(number: int, stored: StoredTurn) -> Exchange:
    """The exchange that a turn of the history was, as far as its record can be read; a warning names the rest."""
    from pluralism_local.history.reading import unreadable  # it read the turn, so it is here

    recorded = from_record(stored.record)
    exchange = Exchange(number, stored.prompt, stored.mode, recorded.attribute)
    for comment in recorded.comments:
        name = _unlike(exchange.voices, comment.community)
        exchange.voices[name] = LiveComment(
            name,
            comment.weight,
            comment.problem or "done",
            comment.text,
            comment.usage.completion,
            seconds=comment.seconds,
            side=comment.side,
        )
    exchange.answer = stored.answer
    exchange.status = "stopped" if stored.status == "running" else stored.status
    exchange.message = stored.message or ""
    exchange.warnings = tuple(filter(None, (*recorded.warnings, unreadable(stored))))
    exchange.selection, exchange.distribution = recorded.selection, recorded.distribution
    exchange.window, exchange.draws = recorded.window, recorded.draws
    return exchange


def _unlike(voices: Mapping[str, LiveComment], community: str) -> str:
    """The community's id, counted up where another comment has it already."""
    numbered = (f"{community} ({number})" for number in count(2))
    return next(name for name in chain([community], numbered) if name not in voices)
