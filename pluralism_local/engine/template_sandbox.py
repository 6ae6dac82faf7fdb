"""Jinja for chat templates of strangers: no code but the template's own, and no more work than a conversation takes.

    source ──Sandbox.from_source──> a template whose loops, texts and lists are counted ──render──> text | TooMuchWork

Jinja's sandbox keeps a template from Python's insides; here it is kept from running for ever and from filling the
memory, in any thread and without a child process. Every pass of a loop and every call of a macro is counted and timed.
Whatever makes a text, a list or a number out of others (operators, ``~``, literals, filters, methods, blocks) is asked
beforehand, or weighed as it comes: a list of ten references to a long text weighs ten of these, so what is printed or
compared later has been weighed. What chat templates have no use for is left out (``lipsum``, ``center``, …).

Failure modes: `TooMuchWork`; everything else is Jinja's.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import wraps
from typing import Any

from jinja2 import BaseLoader, Template, nodes
from jinja2.ext import loopcontrols
from jinja2.filters import FILTERS
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, pass_context

from pluralism_local.engine.template_tree import Counting, Generation

LONGEST_SOURCE = 2**20  # characters
PLENTY = 2**20  # characters and entries that a text or a list may have beyond what the messages bring
SECONDS = 2.0  # of processor time
PASSES = 200_000  # of all loops together
_LONGEST_RANGE = 10_000
_MOST_BITS = 4096  # of a whole number
_WIDEST = 1000  # characters that a format may pad to, digits that a number is rounded to

_LEFT_OUT = frozenset(
    {"batch", "center", "filesizeformat", "forceescape", "pprint", "random", "slice", "truncate"}
    | {"striptags", "urlencode", "urlize", "wordwrap", "xmlattr"}
)
_PADDING = frozenset({"center", "ljust", "rjust", "zfill", "expandtabs", "to_bytes"})
_NEVER = frozenset({"encode", "from_bytes", "maketrans", "striptags", "to_bytes", "translate", "unescape"})
_WIDE = re.compile(r"\d{4,}|\*")


class TooMuchWork(Exception):
    """A template takes more time or memory than it may."""


class _Names(Namespace):
    """A namespace that is printed as nothing: it may hold others, and itself."""

    def __repr__(self) -> str:
        return "<Namespace>"


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment for one template, which is rendered by one thread at a time."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            loader=BaseLoader(),
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,  # else constants are computed where nothing is counted
            extensions=[Generation, loopcontrols],
        )
        self._room, self._passes, self._until = PLENTY, 0, float("inf")
        self.concat = self._concatenated  # type: ignore[method-assign]  # as Jinja's own variants have it
        self.filters = {
            name: self._weighing(function) for name, function in FILTERS.items() if name not in _LEFT_OUT
        } | {
            "tojson": self._tojson,
            "replace": self._replace,
            "join": self._weighing(self._bounded_join),
            "indent": self._indent,
            "format": self._format,
            "round": self._round,
            "sum": self._sum,
        }
        self.globals = {
            "range": self._range,
            "dict": dict,
            "namespace": _Names,
            "cycler": self.globals["cycler"],
            "joiner": self.globals["joiner"],
            "raise_exception": _refuse,
            "strftime_now": _now,
        }

    def from_source(self, source: str) -> Template:
        """Compile.

        Raises:
            TooMuchWork: the source is longer than `LONGEST_SOURCE`.
            TemplateSyntaxError, TemplateAssertionError, RecursionError: it is no template.
        """
        if len(source) > LONGEST_SOURCE:
            raise TooMuchWork(f"its source has {len(source):,} characters")
        return self.from_string(source)

    def render(self, template: Template, messages: list[dict[str, str]], **values: Any) -> str:
        """The text for `messages`.

        Raises:
            TooMuchWork: see the module. Anything that a template may raise.
        """
        self._room = PLENTY + 8 * sum(len(message["content"]) for message in messages)
        self._passes, self._until = 0, time.thread_time() + SECONDS
        return template.render(messages=messages, **values)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree: nodes.Template = Counting().visit(super()._parse(source, name, filename))
        return tree

    # --- asked by the compiled template ---

    def count(self) -> str:
        """One more pass of a loop."""
        self._passes += 1
        if self._passes > PASSES:
            raise TooMuchWork(f"its loops take more than {PASSES:,} passes")
        self._in_time()
        return ""

    def weighed(self, value: Any) -> Any:
        """`value`, if it is not too large."""
        self._weigh(value)
        return value

    def joined(self, *parts: Any) -> str:
        """The texts of `parts` in one, as ``~`` has it."""
        self._weigh(parts)
        return self._concatenated(map(str, parts))

    def _concatenated(self, parts: Iterable[str]) -> str:
        texts: list[str] = []
        length = 0
        for part in parts:
            length += len(part)
            self._allow(length)
            self._in_time()
            texts.append(part)
        return "".join(texts)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute, if the result has a bounded size."""
        self._in_time()
        if isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * right if operator == "**" else left.bit_length() + right.bit_length()
            if bits > _MOST_BITS:
                raise TooMuchWork("it computes with numbers of thousands of digits")
        elif operator == "*":
            many, times = (right, left) if isinstance(left, int) else (left, right)
            if isinstance(times, int):
                self._allow(self._weigh(many) * max(times, 0))
        elif operator == "%" and isinstance(left, str | bytes):
            self._formatted(str(left), right, _count(left, "%"))
        elif operator == "+":
            self._allow(self._weigh(left) + self._weigh(right))
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, function: Any, *args: Any, **named: Any) -> Any:
        """Call, if the arguments and the result have a bounded size."""
        self._in_time()
        owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
        if owner is self:
            return super().call(context, function, *args, **named)
        if not isinstance(function, Macro):
            self._weigh(args)
            self._weigh(named)
            if isinstance(owner, str | bytes | int):
                self._check_method(owner, name, args, named)
        result = super().call(context, function, *args, **named)
        return self.weighed(result) if isinstance(result, str | bytes | list | tuple | dict) else result

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """``str.format``, if its result has a bounded size."""
        inner = super().wrap_str_format(value)
        if inner is None:
            return None
        text: str = value.__self__

        def bounded(*args: Any, **named: Any) -> str:
            self._formatted(text, [args, named], text.count("{"))
            return inner(*args, **named)

        return bounded

    # --- how large is it ---

    def _in_time(self) -> None:
        if time.thread_time() > self._until:
            raise TooMuchWork(f"it takes more than {SECONDS:g} seconds")

    def _allow(self, size: int) -> None:
        if size > self._room:
            raise TooMuchWork("it makes a text or a list of more than a million")

    def _weigh(self, value: Any) -> int:
        """Characters and entries that `value` has when it is written out."""
        total, waiting = 0, [value]
        while waiting:
            part = waiting.pop()
            if isinstance(part, str | bytes):
                total += len(part)
            elif isinstance(part, list | tuple):
                waiting.extend(part)
            elif isinstance(part, Mapping):
                waiting.extend(part.keys())
                waiting.extend(part.values())
            total += 1
            self._allow(total + len(waiting))
        return total

    def _weighing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def bounded(*args: Any, **named: Any) -> Any:
            self._in_time()
            result = function(*args, **named)
            if isinstance(result, Iterator):
                return self._weighed_one_by_one(result)
            return (
                self.weighed(result) if isinstance(result, str | bytes | list | tuple | Mapping) else result
            )

        return bounded

    def _weighed_one_by_one(self, values: Iterator[Any]) -> Iterator[Any]:
        total = 0
        for value in values:
            total += self._weigh(value)
            self._allow(total)
            self._in_time()
            yield value

    def _check_method(
        self, owner: str | bytes | int, name: str, args: tuple[Any, ...], named: Mapping[str, Any]
    ) -> None:
        if name in _NEVER:
            raise TooMuchWork(f"it calls {name}")
        if isinstance(owner, int):
            return
        if name in _PADDING:
            wide = max((n for n in (*args, *named.values()) if isinstance(n, int)), default=8)
            self._allow(len(owner) + wide * (_count(owner, "\t") + 1))
        elif name == "replace" and len(args) >= 2:
            self._allow_replacing(owner, args[0], args[1])
        elif name == "join" and args:
            if not isinstance(args[0], str | list | tuple | Mapping):
                raise TooMuchWork("it joins something that is no list")
            self._allow((len(owner) + 1) * len(args[0]) + self._weigh(args[0]))

    def _allow_replacing(self, text: Any, old: Any, new: Any) -> None:
        count = len(text) + 1 if not len(old) else text.count(old)
        self._allow(len(text) + count * len(new))

    def _formatted(self, text: str, arguments: Any, fields: int) -> None:
        """Refuse a format that pads far, or repeats its arguments too often."""
        nested = re.search(r"\{[^{}]*\{", text.replace("{{", "")) is not None
        if _WIDE.search(text) or nested:
            raise TooMuchWork("it pads texts to thousands of characters")
        self._allow(len(text) + fields * (_WIDEST + self._weigh(arguments)))

    # --- what templates call ---

    def _range(self, *args: int) -> range:
        numbers = range(*args)
        if len(numbers) > _LONGEST_RANGE:
            raise TooMuchWork(f"it counts further than {_LONGEST_RANGE:,}")
        return numbers

    def _tojson(
        self,
        value: Any,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: tuple[str, str] | None = None,
        sort_keys: bool = False,
    ) -> str:
        """JSON as transformers writes it for chat templates: nothing escaped for HTML."""
        self._weigh(value)
        self._weigh(separators or ())
        if isinstance(indent, str) or (indent or 0) > 16:
            raise TooMuchWork("it indents JSON further than 16")
        text = json.dumps(
            value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
        )
        return str(self.weighed(text))

    def _replace(self, text: Any, old: Any, new: Any, count: int | None = None) -> str:
        self._in_time()
        whole, replaced, put = str(text), str(old), str(new)
        self._allow_replacing(whole, replaced, put)
        return whole.replace(replaced, put, -1 if count is None else count)

    def _bounded_join(self, values: Iterable[Any], d: str = "", attribute: str | int | None = None) -> str:
        listed = list(values)
        if attribute is not None:
            listed = [self.getitem(value, attribute) for value in listed]
        texts = [str(self.weighed(value)) for value in listed]
        self._allow(sum(map(len, texts)) + len(str(d)) * len(texts))
        return str(d).join(texts)

    def _indent(self, text: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
        space = width if isinstance(width, str) else " " * min(int(width), _WIDEST + 1)
        if len(space) > _WIDEST:
            raise TooMuchWork("it indents by thousands of characters")
        lines = str(text).splitlines() or [""]
        self._allow(len(str(text)) + len(space) * len(lines))
        rest = [space + line if line or blank else line for line in lines[1:]]
        return "\n".join([space + lines[0] if first else lines[0], *rest])

    def _format(self, text: Any, *args: Any, **named: Any) -> str:
        self._formatted(str(text), [args, named], str(text).count("%"))
        return f"{str(text) % (named or args)}"

    @pass_context
    def _sum(
        self, context: Context, values: Iterable[Any], attribute: str | int | None = None, start: Any = 0
    ) -> Any:
        total = start
        for value in values:
            part = value if attribute is None else self.getitem(value, attribute)
            total = self.call_binop(context, "+", total, part)
        return total

    def _round(self, value: float, precision: int = 0, method: str = "common") -> float:
        if abs(precision) > _WIDEST // 10:
            raise TooMuchWork("it rounds to hundreds of digits")
        return float(FILTERS["round"](value, precision, method))


def _count(text: str | bytes, character: str) -> int:
    return text.count(character) if isinstance(text, str) else text.count(character.encode())


def _refuse(message: str) -> str:
    raise ValueError(message)


def _now(form: str) -> str:
    return datetime.now().strftime(form) if len(form) < 200 and not _WIDE.search(form) else ""
