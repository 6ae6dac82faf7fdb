"""Whether a text is a grammar in GBNF that llama.cpp can take, told before llama.cpp sees it.

    grammar ──check──> nothing, or InvalidInput with the line and what is wrong there

llama.cpp writes a grammar that it cannot read to the terminal, and ends the process or never comes back over others
(deep parentheses, a repetition whose lower bound is above its upper one, a rule that may begin with itself). So what is
taken here is a little less than llama.cpp takes: bounded in size, depth and repetitions, and without ``<token>``, which
means another thing in every vocabulary.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pluralism_local.errors import InvalidInput

ROOT = "root"
MOST_CHARACTERS = 50_000
MOST_REPETITIONS = 1000
"""Of one thing, those of what is inside it included."""

_DEEPEST = 40
_MOST_RULES = 2000
_NAME = re.compile(r"[A-Za-z0-9-]+")
_BLANK = re.compile(r"(?:[ \t]|#[^\r\n]*)*")
_BLANK_AND_LINES = re.compile(r"(?:[ \t\r\n]|#[^\r\n]*)*")
_CHARACTER = re.compile(
    r'\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U00(?:0[0-9A-Fa-f]|10)[0-9A-Fa-f]{4}|[trn\\"\[\]-])|[^\\]',
    re.DOTALL,
)
_REPETITION = re.compile(r"([*+?])|\{\s*(\d{1,9})\s*(?:(,)\s*(\d{1,9})?\s*)?\}")


def check(grammar: str) -> None:
    """Raise InvalidInput if `grammar` is none, or too large a one."""
    if len(grammar) > MOST_CHARACTERS:
        raise InvalidInput(
            f"The grammar has {len(grammar):,} characters; at most {MOST_CHARACTERS:,} are taken.",
            "Simplify it.",
        )
    try:
        grammar.encode()
    except UnicodeEncodeError:
        raise InvalidInput("The grammar holds half of a character (a lone surrogate).") from None
    _Reader(grammar).read()


@dataclass(slots=True)
class _Item:
    """A rule by its name, or a character (None), and how its times are bounded."""

    name: str | None
    can_be_left_out: bool = False
    is_endless: bool = False


@dataclass(slots=True)
class _Rule:
    """A rule, or what stands in parentheses: where it begins, and its choices."""

    at: int
    choices: list[list[_Item]] = field(default_factory=list)


class _Reader:
    """Reads a grammar from its beginning to its end."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._rules: dict[str, _Rule] = {}
        self._needed: dict[str, int] = {}

    def read(self) -> None:
        """Raises: InvalidInput"""
        if "\0" in self._text:
            self._at = self._text.index("\0")
            raise self._fault("a null character stands")
        self._skip(lines=True)
        while self._at < len(self._text):
            self._rule()
        for name, at in self._needed.items():
            if name not in self._rules:
                self._at = at
                raise self._fault(f"the rule '{name}' is used, and nowhere defined")
        if ROOT not in self._rules:
            raise InvalidInput(f"The grammar has no rule '{ROOT}', which is where a text begins.")
        if len(self._rules) > _MOST_RULES:
            raise InvalidInput(
                f"The grammar has more than {_MOST_RULES:,} rules and parentheses.", "Simplify it."
            )
        self._refuse_endless()

    def _refuse_endless(self) -> None:
        """Refuse a rule that comes to itself again before any character, as llama.cpp would without end."""
        empty = self._may_be_empty()
        beginnings: dict[str, set[str]] = {name: set() for name in self._rules}
        for owner, rule in self._rules.items():
            for item in (item for items in rule.choices for item in items):
                if item.is_endless and item.name in empty:
                    self._at = rule.at
                    raise self._fault("what may be empty is repeated without end")
            for items in rule.choices:
                for item in items:
                    if item.name is not None:
                        beginnings[owner].add(item.name)
                    if not (item.can_be_left_out or item.name in empty):
                        break
        while leaves := [name for name, first in beginnings.items() if not first]:
            for leaf in leaves:
                del beginnings[leaf]
            for first in beginnings.values():
                first.difference_update(leaves)
        for name in beginnings:
            self._at = self._rules[name].at
            raise self._fault("a rule may begin with itself, and so never come to a character")

    def _may_be_empty(self) -> set[str]:
        """Names of the rules that no character at all fulfils, too."""
        empty: set[str] = set()

        def is_empty(rule: _Rule) -> bool:
            return any(
                all(item.can_be_left_out or item.name in empty for item in items) for items in rule.choices
            )

        while more := {name for name, rule in self._rules.items() if name not in empty and is_empty(rule)}:
            empty |= more
        return empty

    def _rule(self) -> None:
        rule = _Rule(self._at)
        self._rules[self._name()] = rule
        self._skip(lines=False)
        self._expect("::=")
        self._skip(lines=True)
        self._alternatives(rule, depth=0)
        if self._at < len(self._text) and self._peek() not in "\r\n":
            raise self._fault("the end of a rule is expected")
        self._skip(lines=True)

    def _alternatives(self, rule: _Rule, depth: int) -> int:
        """How much of what repetitions multiply is in them: rules that llama.cpp makes."""
        if depth > _DEEPEST:
            raise self._fault(f"parentheses lie deeper than {_DEEPEST}")
        size = self._sequence(rule, depth)
        while self._peek() == "|":
            self._at += 1
            self._skip(lines=True)
            size += self._sequence(rule, depth)
        return size

    def _sequence(self, rule: _Rule, depth: int) -> int:
        items: list[_Item] = []
        rule.choices.append(items)
        total, last = 0, 0
        while (mark := self._peek()) and mark not in "|)\r\n":
            if mark in "*+?{":
                if not last:
                    raise self._fault("there is nothing to repeat")
                last = self._repeated(last, items[-1])
            else:
                last, name = self._item(mark, depth)
                if last:
                    items.append(_Item(name))
            total += last
            self._skip(lines=depth > 0)
        return total

    def _item(self, mark: str, depth: int) -> tuple[int, str | None]:
        """The size of a thing that can be repeated, 0 for an empty text, which cannot; and its rule's name."""
        start = self._at
        if mark == "(":
            self._at += 1
            self._skip(lines=True)
            group = _Rule(start)
            self._rules[f"({start}"] = group
            size = self._alternatives(group, depth + 1)
            self._expect(")")
            return size + 1, f"({start}"
        if mark == '"':
            return int(self._characters('"') > 0), None
        if mark == "[":
            if self._characters("]") == 0:
                raise self._fault("a set of characters is empty")
            return 1, None
        if mark == ".":
            self._at += 1
            return 1, None
        if mark in "<!":
            raise self._fault("a token is named, which is not supported")
        name = self._name()
        self._needed.setdefault(name, start)
        return 1, name

    def _characters(self, end: str) -> int:
        """Read to the closing `end`; how many characters there are."""
        start = self._at
        self._at += 1
        if end == "]" and self._peek() == "^":
            self._at += 1
        count = 0
        while self._peek() != end:
            if not self._peek():
                self._at = start
                raise self._fault(f"the closing {end} is missing")
            character = _CHARACTER.match(self._text, self._at)
            if character is None:
                raise self._fault("a backslash is followed by nothing that it can escape")
            self._at, count = character.end(), count + 1
        self._at += 1
        return count

    def _repeated(self, size: int, item: _Item) -> int:
        """Read how often `item` comes; the size of all of it."""
        repetition = _REPETITION.match(self._text, self._at)
        if repetition is None:
            raise self._fault("a repetition such as {2,5} is expected")
        sign, least, comma, most = repetition.groups()
        if sign:
            times, can_be_left_out, is_endless = 1, sign in "*?", sign in "*+"
        else:
            is_endless, can_be_left_out = bool(comma and not most), int(least) == 0
            times = max(1, int(least)) if is_endless else int(most or least)
            if times == 0 or (most and int(most) < int(least)):
                raise self._fault("a repetition allows no number of times")
        if size * times > MOST_REPETITIONS:
            raise self._fault(f"more than {MOST_REPETITIONS:,} repetitions are asked for")
        if is_endless and item.can_be_left_out:
            raise self._fault("what may be empty is repeated without end")
        item.can_be_left_out |= can_be_left_out
        item.is_endless |= is_endless
        self._at = repetition.end()
        return size * times

    def _name(self) -> str:
        name = _NAME.match(self._text, self._at)
        if name is None:
            raise self._fault("the name of a rule is expected")
        self._at = name.end()
        return name[0]

    def _expect(self, text: str) -> None:
        if not self._text.startswith(text, self._at):
            raise self._fault(f"{text} is expected")
        self._at += len(text)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip(self, *, lines: bool) -> None:
        blanks = (_BLANK_AND_LINES if lines else _BLANK).match(self._text, self._at)
        if blanks is not None:
            self._at = blanks.end()

    def _fault(self, what: str) -> InvalidInput:
        line = self._text.count("\n", 0, self._at) + 1
        rest = self._text[self._at : self._at + 30].split("\n")[0]
        where = f"at '{rest}'" if rest else "at its end"
        return InvalidInput(f"The grammar cannot be used: in line {line}, {where}, {what}.")
