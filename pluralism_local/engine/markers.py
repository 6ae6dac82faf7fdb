"""Which parts of a prompt are control tokens: those that the chat template wrote, never what anybody's text spells.

    contents ──quote──> contents without a character that begins or ends a marker ──template──> Marked
    Marked ──spell──> tokens; the template's own markers in it are control tokens, everything else is plain text

A vocabulary finds its control tokens in text by their spelling, and a message may spell one, too. So before the
template writes the contents, every character that a marker could begin or end with is quoted: written as two lone
surrogates, which no real text has. Templates trim, join and search such text as before, and `a + b` is quoted as `a`
and `b` are, so a prompt can be compared with the beginning of another one. What is in a `Marked` text as itself was
written by the template.

Failure modes: none. Lone surrogates in a message become "?", as everywhere where text becomes bytes. A marker that is
nothing but white space cannot be told from text and stays what it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NewType

Marked = NewType("Marked", str)
"""A prompt, or a part of one, in which the contents are quoted."""

Tokens = tuple[int, ...]
Tokenizer = Callable[[str], Tokens]

_DIGITS = 2048  # surrogates there are: two of them number every character
_FIRST = 0xD800
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_QUOTED = re.compile(r"([\ud800-\udfff])([\ud800-\udfff])?")


@dataclass(frozen=True, slots=True)
class Marker:
    """A token that is found in text by its spelling.

    Attributes:
        token: its id.
        text: how it is spelled.
        control: whether it steers the model, and is looked for only where that is asked for. The others ("added"
            tokens) are found in any text: some vocabularies have their templates' markers among them.
        strips_before, strips_after: whether white space next to it is dropped.
    """

    token: int
    text: str
    control: bool = True
    strips_before: bool = False
    strips_after: bool = False


def quote_all(text: str, characters: str) -> str:
    """`text` with every one of `characters` quoted."""
    text = _SURROGATE.sub("?", text)
    if not characters:
        return text
    return re.sub(f"[{re.escape(characters)}]", lambda match: _digits(match[0]), text)


def unquote(text: str) -> str:
    """The text that was quoted. Half of a quoted character, as a template's cut may leave it, becomes "?"."""
    return _QUOTED.sub(_character, text)


def _digits(character: str) -> str:
    high, low = divmod(ord(character), _DIGITS)
    return chr(_FIRST + high) + chr(_FIRST + low)


def _character(match: re.Match[str]) -> str:
    if match[2] is None:
        return "?"
    number = (ord(match[1]) - _FIRST) * _DIGITS + ord(match[2]) - _FIRST
    return chr(number) if number < _FIRST or _FIRST + _DIGITS <= number <= 0x10FFFF else "?"


class Markers:
    """The markers of one template and vocabulary.

    Args:
        markers: every special token of the vocabulary.
        template: the chat template's source. Added tokens that it writes are markers, the others are text.
    """

    def __init__(self, markers: Iterable[Marker], template: str) -> None:
        steering = [m for m in markers if m.text.strip() and (m.control or m.text in template)]
        self._by_text = {marker.text: marker for marker in steering}
        self._by_token = {marker.token: marker for marker in steering}
        self._lengths = sorted({len(text) for text in self._by_text}, reverse=True)
        self._begins = _any_of({text[0] for text in self._by_text})
        spellings = [text.strip() for text in self._by_text]
        self._ends = "".join(sorted({text[0] for text in spellings} | {text[-1] for text in spellings}))

    def __contains__(self, token: int) -> bool:
        """Whether a token is a marker's."""
        return token in self._by_token

    def quote(self, text: str, more: str = "") -> Marked:
        """A message's text as the template may have it; `more` characters are quoted, too."""
        return Marked(quote_all(text, self._ends + more))

    def has_marker(self, marked: Marked) -> bool:
        """Whether a marker of the template is in it."""
        return any(isinstance(part, Marker) for part in self._parts(marked))

    def begins_with_one(self, marked: str) -> bool:
        """Whether a marker of the template stands at its beginning."""
        return self._at(marked, 0) is not None

    def ends_with_one(self, marked: str) -> bool:
        """Whether a marker of the template stands at its end."""
        return marked.endswith(tuple(self._by_text))

    def spell(self, marked: Marked, whole: Tokenizer, plain: Tokenizer) -> Tokens:
        """Tokens of `marked`.

        Args:
            whole: tokenizes text and finds every special token in it.
            plain: tokenizes text and finds no control token in it.

        Where all markers are the template's own the tokens are those of `whole`, and else of the stretches between
        the template's markers, one by one; a vocabulary's own rules treat such stretches apart anyway.
        """
        tokens = whole(unquote(marked))
        parts = list(self._parts(marked))
        if self._of(tokens) == [part.token for part in parts if isinstance(part, Marker)]:
            return tokens
        apart: list[int] = []
        for index, part in enumerate(parts):
            if isinstance(part, Marker):
                apart.append(part.token)
                continue
            before, after = parts[index - 1] if index else None, (*parts, None)[index + 1]
            text = unquote(part)
            if isinstance(before, Marker) and before.strips_after:
                text = text.lstrip()
            if isinstance(after, Marker) and after.strips_before:
                text = text.rstrip()
            apart += self._plain(text, plain)
        return tuple(apart)

    def _plain(self, text: str, plain: Tokenizer) -> Tokens:
        """Tokens of text that has no marker, whatever it spells."""
        tokens = plain(text)
        if not self._of(tokens):
            return tokens
        # added tokens are found in plain text, too, and a vocabulary may join letters to a control token: cut
        # behind the first character of each spelling, and no piece has one
        cuts = [0, *(at + 1 for at in range(len(text)) if self._at(text, at) is not None)]
        pieces = [text[begin:end] for begin, end in zip(cuts, [*cuts[1:], len(text)], strict=True)]
        tokens = plain(pieces[0])
        for piece in pieces[1:]:
            tokens += _continued(piece, plain)
        # a spelling of one character cannot be cut: better without it than obeyed
        return tuple(t for t in tokens if t not in self._by_token or self._by_token[t].text not in text)

    def _of(self, tokens: Tokens) -> list[int]:
        return [token for token in tokens if token in self._by_token]

    def _parts(self, text: str) -> Iterator[str | Marker]:
        """`text` cut at the spellings in it; of several that begin at one place, the longest."""
        begin = at = 0
        while self._begins is not None and (match := self._begins.search(text, at)):
            at = match.start()
            marker = self._at(text, at)
            if marker is None:
                at += 1
                continue
            if at > begin:
                yield text[begin:at]
            yield marker
            begin = at = at + len(marker.text)
        if begin < len(text):
            yield text[begin:]

    def _at(self, text: str, place: int) -> Marker | None:
        """The longest marker whose spelling begins at `place`."""
        spellings = (self._by_text.get(text[place : place + length]) for length in self._lengths)
        return next((marker for marker in spellings if marker is not None), None)


def _continued(text: str, plain: Tokenizer) -> Tokens:
    """Tokens of text inside a word: without the space that some vocabularies put in front of every text."""
    line = plain("\n")
    tokens = plain("\n" + text)
    return tokens[len(line) :] if line and tokens[: len(line)] == line else plain(text)


def _any_of(characters: Iterable[str]) -> re.Pattern[str] | None:
    listed = "".join(sorted(characters))
    return re.compile(f"[{re.escape(listed)}]") if listed else None
