"""What a model thinks before it answers, kept apart from the answer.

    text as it comes ──push──> the answer's text, as soon as it is certain to be that; the rest is `thought`
    header of the answer ──closed──> the header with an empty block, for a model that would begin inside of one

A block stands at the beginning of a reply: ``<think>…</think>`` and its like, several in a row too. One that never ends
makes the whole reply thought. Some servers cut the opening tag off, so that a closing tag alone ends a block that was
taken for the answer: then it is withdrawn. A tag further on, or in quotation marks, is part of what is said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pluralism_local.types import TextDelta, TextWithdrawn

_TAGS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|channel|>", "<|channel|>final<|message|>"),  # the channels of gpt-oss: all but the final one
)
_OPENING = tuple(opening for opening, _ in _TAGS)
_BARE = ("</think>", "</thinking>", "[/THINK]", "</seed:think>")
"""Closing tags that end a block without a beginning."""
_MARKUP = re.compile(
    r"(?:<\|start\|>\w+)?<\|channel\|>[\w ]*<\|message\|>|"
    + "|".join(map(re.escape, sorted({tag for tags in _TAGS for tag in tags}, key=len, reverse=True)))
    + r"|<\|(?:channel|start|end|message|return)\|>"
)
_BARE_TAG = re.compile("|".join(map(re.escape, _BARE)))
_QUOTES = ("`", "'", '"', "“", "‘", "«")

SWITCHES = {"enable_thinking": False, "thinking": False, "thinking_budget": 0}
"""What chat templates ask whether, and how long, the model is to think."""


def closed(prompt: str) -> str:
    """A prompt that ends inside a block of thoughts, with that block closed; any other as it is."""
    end = prompt.rstrip()
    for opening, closing in _TAGS[:-1]:
        if end.endswith(opening):
            return f"{end}\n\n{closing}\n\n"
    return prompt


def is_tag(text: str) -> bool:
    """Whether the spelling of a token is part of the tags, which then have to be seen though the token is hidden."""
    return text in _VISIBLE


_VISIBLE = frozenset(
    {tag for tags in _TAGS for tag in tags} | {"<|channel|>", "<|message|>", "<|start|>", "<|end|>"}
)


class ThoughtSplitter:
    """One reply, piece by piece.

    Attributes:
        answer: what is certain to be the answer so far; the concatenation of what `push` and `finish` gave since
            `withdrawn` last turned true.
        withdrawn: whether the last push found that everything given before was thought.
    """

    def __init__(self) -> None:
        self.answer = ""
        self.withdrawn = False
        self._thoughts: list[str] = []
        self._held = ""
        self._closing = ""
        self._in_answer = False
        self._has_block = False

    @property
    def thought(self) -> str:
        """What was thought, without tags and white space around it."""
        return _MARKUP.sub("", "".join(self._thoughts)).strip()

    def think(self, text: str) -> None:
        """Take what came marked as thought, beside the answer."""
        self._thoughts.append(text)

    def deltas(self, index: int, text: str) -> Iterator[TextDelta | TextWithdrawn]:
        """What more of request `index`'s text means for its reader."""
        yield from self._events(index, self.push(text))

    def last_deltas(self, index: int) -> Iterator[TextDelta | TextWithdrawn]:
        """The same at its end."""
        yield from self._events(index, self.finish())

    def _events(self, index: int, fresh: str) -> Iterator[TextDelta | TextWithdrawn]:
        if self.withdrawn:
            yield TextWithdrawn(index)
        if fresh:
            yield TextDelta(index, fresh)

    def push(self, text: str) -> str:
        """Add text; returns what is certain to be more of the answer, possibly nothing."""
        self.withdrawn = False
        self._held += text
        return self._sort(last=False)

    def finish(self) -> str:
        """No more text: what was held back."""
        self.withdrawn = False
        return self._sort(last=True)

    def _sort(self, *, last: bool) -> str:
        certain = ""
        while True:
            if self._closing:
                if not self._leave_block(last=last):
                    return certain
            elif not self._in_answer:
                if not self._begin(last=last):
                    return certain
            else:
                piece, again = self._say(last=last)
                certain = piece if self.withdrawn else certain + piece
                if not again:
                    return certain

    def _begin(self, *, last: bool) -> bool:
        """At the beginning, or behind a block: does another one begin? False while that is not certain."""
        text = self._held.lstrip()
        opening = next((tag for tag in _OPENING if text.startswith(tag)), None)
        if opening is not None:
            self._closing = dict(_TAGS)[opening]
            self._has_block = True
            return True
        if not last and (not text or any(tag.startswith(text) for tag in (*_OPENING, *_BARE))):
            return False
        if self._has_block:
            self._held = text
        self._in_answer = True
        return True

    def _leave_block(self, *, last: bool) -> bool:
        """Take thoughts up to the closing tag; False while it does not come."""
        before, tag, after = self._held.partition(self._closing)
        if tag:
            self._thoughts.append(before + tag)
            self._held, self._closing = after, ""
            return True
        # thoughts are joined at the end: a tag may come in pieces
        keep = 0 if last else _possible_end(self._held, (self._closing,))
        cut = len(self._held) - keep
        self._thoughts.append(self._held[:cut])
        self._held = self._held[cut:]
        return False

    def _say(self, *, last: bool) -> tuple[str, bool]:
        """More of the answer; and whether a block ended in it, so that there is more to sort."""
        if self._has_block:
            piece, self._held = self._held, ""
            self.answer += piece
            return piece, False
        place = self._bare_end()
        if place is None:
            keep = 0 if last else _possible_end(self._held, _BARE)
            cut = len(self._held) - keep
            piece, self._held = self._held[:cut], self._held[cut:]
            self.answer += piece
            return piece, False
        begin, end = place
        self._thoughts.append(self.answer + self._held[:begin])
        self.withdrawn = self.withdrawn or bool(self.answer)
        self.answer, self._held = "", self._held[end:]
        self._has_block, self._in_answer = True, False
        return "", True

    def _bare_end(self) -> tuple[int, int] | None:
        """Where in what is held a closing tag stands that nothing opened and nobody quotes."""
        for match in _BARE_TAG.finditer(self._held):
            before = self.answer + self._held[: match.start()]
            opening = next(opening for opening, closing in _TAGS if closing == match[0])
            if opening not in before and not before.endswith(_QUOTES):
                return match.span()
        return None


def _possible_end(text: str, tags: Sequence[str]) -> int:
    """Characters at the end of `text` that one of `tags` may begin with."""
    return max((n for tag in tags for n in range(1, len(tag)) if text.endswith(tag[:n])), default=0)
