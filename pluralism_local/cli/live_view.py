"""Events as they happen, in the format asked for.

    ModeEvent ──> LiveView.event ──> stdout and a line of progress on a terminal's stderr
    Result    ──> LiveView.finish ──> the rest of it

`ReadingView` serves text and Markdown through a layout, `JsonView` prints the object at the end, `JsonLinesView`
one object per event and the result's last.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Protocol

from pluralism_local.agreement import JuryStarted, RoundStarted
from pluralism_local.cli.output import Output
from pluralism_local.display.figures import clean, many
from pluralism_local.progress import DrawsProgress, LeaningsProgress, PositionsProgress
from pluralism_local.records import to_record
from pluralism_local.results import (
    AnswerDelta,
    AnswerWithdrawn,
    CommentDelta,
    CommentDone,
    CommentStarted,
    ModeEvent,
    Result,
    Selected,
    Selection,
)


class Layout(Protocol):
    """Where the sections of a result go and how they look."""

    def opening(self, prompt: str) -> str: ...

    def chosen(self, selection: Selection) -> str: ...

    def closing(self, answer: str) -> str: ...

    def after(self, result: Result) -> Iterable[str]: ...


class LiveView(Protocol):
    """A way to show an ask."""

    def event(self, event: ModeEvent) -> None:
        """Something other than the result happened."""

    def finish(self, result: Result, conversation: str | None = None) -> None:
        """It is over; show what has not been shown. `conversation` is the id under which it is kept."""


class ProgressLine:
    """One line on a terminal's stderr while comments are written and positions looked for; nothing elsewhere."""

    def __init__(self, out: Output, communities: int) -> None:
        self._out = out
        self._total = communities
        self._done = 0
        self._words = 0
        self._last = 0.0
        self._what = "comments"

    def event(self, event: ModeEvent) -> None:
        """Count, and redraw at most ten times a second."""
        if isinstance(event, PositionsProgress | DrawsProgress | LeaningsProgress):
            self._out.status(event.line)
            return
        if isinstance(event, CommentDelta):
            self._words += event.text.count(" ")
        elif isinstance(event, CommentDone):
            self._done += 1
        elif isinstance(event, RoundStarted):
            self._what, self._done, self._words = f"round {event.number} of {event.rounds}", 0, 0
        elif isinstance(event, JuryStarted):
            self._out.status(f"the voices judge {many(event.statements, 'statement')} …")
            return
        elif not isinstance(event, (CommentStarted, Selected)):
            return
        now = time.monotonic()
        if now - self._last > 0.1 or self._done == self._total:
            self._last = now
            self._out.status(self._text())

    def _text(self) -> str:
        if self._total and self._done >= self._total:
            return "the LLM reads the comments …"
        return f"{self._what}: {self._done} of {self._total} done, {self._words} words"


class ReadingView:
    """Text or Markdown: the choice, the answer as it comes (or at the end), then who was heard."""

    def __init__(
        self, out: Output, layout: Layout, *, prompt: str, stream: bool, communities: int, thoughts: bool
    ) -> None:
        self._out = out
        self._layout = layout
        self._stream = stream
        self._thoughts = thoughts
        self._progress = ProgressLine(out, communities)
        self._pending = layout.opening(prompt)
        self._written = False
        self._in_answer = False
        self._answer_text = ""
        self._trailing = ""

    def event(self, event: ModeEvent) -> None:
        """Stream what can be streamed."""
        if isinstance(event, PositionsProgress | DrawsProgress):
            self._end_answer()  # a line of progress would write over its last one
        self._progress.event(event)
        if not self._stream:
            return
        if isinstance(event, Selected):
            self._section(self._layout.chosen(event.selection))
        elif isinstance(event, AnswerDelta):
            self._answer(event.text)
        elif isinstance(event, AnswerWithdrawn):
            self._withdraw()

    def finish(self, result: Result, conversation: str | None = None) -> None:  # noqa: ARG002 - people need no id
        """Everything not streamed, each section after a blank line."""
        if not self._stream and result.selection is not None:
            self._section(self._layout.chosen(result.selection))
        if not self._answer_text and result.distribution is None and result.answer.strip():
            self._answer(result.answer)
        self._end_answer()
        for section in self._layout.after(result):
            self._section(section)
        for whose, thought in thoughts(result) if self._thoughts else ():
            self._section(f"Thought by {whose}:\n\n{clean(thought)}")

    def _answer(self, text: str) -> None:
        """More of the answer; white space at its ends is held back: the layout decides on blank lines."""
        text = clean(self._trailing + text)
        words = text.rstrip()
        self._trailing = text[len(words) :]
        if not self._in_answer:
            words = words.lstrip()
        if not words:
            return
        if not self._in_answer:
            self._open()
            self._in_answer = True
        self._answer_text += words
        self._out.write(words)

    def _end_answer(self) -> None:
        if self._in_answer:
            self._out.line(self._layout.closing(self._answer_text))
            self._in_answer = False

    def _withdraw(self) -> None:
        """What stands there cannot be taken back, so it is said what it was."""
        if self._in_answer:
            self._out.line()
            self._out.note(
                "The text so far was the model's thinking; its answer follows (--no-stream shows it alone)."
            )
        self._answer_text, self._trailing, self._in_answer = "", "", False

    def _section(self, text: str) -> None:
        self._open()
        self._out.line(text)

    def _open(self) -> None:
        """What goes before a section: the opening before the first, a blank line before all others."""
        if self._pending:
            self._out.line(self._pending)
            self._pending, self._written = "", True
        if self._written:
            self._out.line()
        self._written = True


def thoughts(result: Result) -> Iterator[tuple[str, str]]:
    """Whose thought and what was thought, of everybody who did."""
    for comment in result.comments:
        if comment.thought:
            yield comment.community, comment.thought
    if result.thought:
        yield "the LLM", result.thought


class JsonView:
    """The object of `records`, with the conversation's id, on request with the answer's trace, and nothing else."""

    def __init__(self, out: Output, *, communities: int, trace: bool) -> None:
        self._out = out
        self._trace = trace
        self._progress = ProgressLine(out, communities)

    def event(self, event: ModeEvent) -> None:
        """Progress only."""
        self._progress.event(event)

    def finish(self, result: Result, conversation: str | None = None) -> None:
        """The object."""
        self._out.json(result_record(result, conversation, trace=self._trace))


class JsonLinesView:
    """One object per event, with the key ``event``; the last line is the result's own object."""

    def __init__(self, out: Output, *, trace: bool) -> None:
        self._out = out
        self._trace = trace

    def event(self, event: ModeEvent) -> None:
        """A line."""
        self._out.json(event_record(event), compact=True)

    def finish(self, result: Result, conversation: str | None = None) -> None:
        """The last line."""
        self._out.json(result_record(result, conversation, trace=self._trace), compact=True)


def result_record(result: Result, conversation: str | None, *, trace: bool) -> dict[str, Any]:
    """The result's object with the conversation's id, and with ``trace``, a key of that name."""
    record = {**to_record(result), "conversation": conversation}
    if trace:
        from pluralism_local.conversation.trace import trace_record, trace_result

        record["trace"] = trace_record(trace_result(result))
    return record


def event_record(event: ModeEvent) -> dict[str, Any]:
    """``{"event": "comment_delta", "community": …, "text": …}`` and its like, named as in the result."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    if isinstance(event, CommentDone):
        fields = asdict(event.comment)
        fields["tokens"] = fields.pop("usage")
        return {"event": name, **fields}
    if isinstance(event, Selected):
        return {"event": name, **asdict(event.selection)}
    return {"event": name, **asdict(event)}
