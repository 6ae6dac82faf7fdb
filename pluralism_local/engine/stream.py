"""From tokens' bytes to text that can be shown: whole characters, nothing of a stop text."""

from __future__ import annotations

import codecs
from collections.abc import Sequence


class TextStream:
    """Collects bytes and gives out text as soon as it is certain.

    A character split over tokens waits for its last byte; the beginning of a stop text waits until it is clear
    whether the stop text comes. Invalid bytes become U+FFFD,
    and so does NUL, which no file of answers and no terminal takes.

    The stop text that is complete first ends the text where it begins; of several complete at once, the longest.
    So neither the text nor where it ends depends on how the bytes come in.
    """

    def __init__(self, stop: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = tuple(stop)
        self._held = ""
        self.stopped = False
        self.text = ""

    def push(self, data: bytes) -> str:
        """Add bytes; returns new text, possibly empty. After a stop text was met, always empty."""
        if self.stopped:
            return ""
        return self._release(self._decoder.decode(data), last=False)

    def finish(self) -> str:
        """No more bytes: what was held back."""
        if self.stopped:
            return ""
        return self._release(self._decoder.decode(b"", True), last=True)

    def _release(self, fresh: str, *, last: bool) -> str:
        text = self._held + fresh
        ends = [(at + len(stop), at) for stop in self._stop if (at := text.find(stop)) >= 0]
        if ends:
            self.stopped = True
            self._held, out = "", text[: min(ends)[1]]
        else:
            keep = 0 if last else self._possible_stop(text)
            cut = len(text) - keep
            self._held, out = text[cut:], text[:cut]
        out = out.replace("\0", "\ufffd")
        self.text += out
        return out

    def _possible_stop(self, text: str) -> int:
        longest = 0
        for stop in self._stop:
            for size in range(min(len(stop) - 1, len(text)), longest, -1):
                if text.endswith(stop[:size]):
                    longest = size
                    break
        return longest
