"""One text while it is written: what is asked of it, its tokens so far, and what of them can be shown.

WriterTask ──Writer──> next_rows (to decode) ──drawn token──> add ──> deltas …, done
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pluralism_local.engine.lookup import PromptLookup
from pluralism_local.engine.markers import Marked
from pluralism_local.engine.sampling import Sampler
from pluralism_local.engine.schedule import Job, Row
from pluralism_local.engine.stream import TextStream
from pluralism_local.engine.thoughts import ThoughtSplitter
from pluralism_local.types import Completion, EngineEvent, Finish, Sampling, TextDone, Usage


@dataclass(frozen=True, slots=True)
class WriterTask:
    """How to carry out one job of a generating wave; `stops` end its text as those of `sampling` do.

    For kept sequences: `prompt`, and how text continues it. `grammar` is the GBNF that the text follows, None for any.
    `lingers` as in a `Request`.
    """

    sampling: Sampling
    keep: bool
    prompt: Marked
    quote: Callable[[str], Marked]
    stops: tuple[str, ...] = ()
    grammar: str | None = None
    lingers: bool = False


@dataclass(slots=True)
class Writer:
    """A sequence while it is being generated."""

    job: Job
    task: WriterTask
    sequence: int
    sampler: Sampler
    stream: TextStream
    thoughts: ThoughtSplitter
    reused: int
    began: float
    lookup: PromptLookup | None = None
    tokens: list[int] = field(default_factory=list)
    finish: Finish | None = None

    @property
    def length(self) -> int:
        """Cells that what is said so far takes once its last token is decoded."""
        return len(self.job.tokens) + len(self.tokens)

    def next_rows(self, draft: Sequence[int]) -> list[Row]:
        """The last token and what is guessed to follow it."""
        first = self.length - 1
        following = enumerate((self.tokens[-1], *draft), start=first)
        return [Row(token, position, [self.sequence], True, self.job.slot) for position, token in following]

    def add(self, token: int) -> None:
        """This token came."""
        self.tokens.append(token)
        if self.lookup is not None:
            self.lookup.add(token)

    def rest(self) -> Iterator[EngineEvent]:
        """What was held back until the end."""
        yield from self.thoughts.deltas(self.job.index, self.stream.finish())
        yield from self.thoughts.last_deltas(self.job.index)

    def done(self) -> TextDone:
        job = self.job
        usage = Usage(prompt=len(job.tokens), reused=self.reused, completion=len(self.tokens))
        finish = self.finish or "cancelled"
        seconds = time.perf_counter() - self.began
        return TextDone(job.index, self._completion(finish, usage, seconds))

    def _completion(self, finish: Finish, usage: Usage, seconds: float) -> Completion:
        return Completion(self.thoughts.answer, finish, usage, seconds, thought=self.thoughts.thought)
