"""Which way the left and the right of American politics lean on a question, by its words.

    directions.toml ──read_rules──> [Rule] in order ──direction(question)──> 1 left yes, −1 left no, 0 not known

The rules say in general terms what the 2024 platforms of both parties hold; the first that fits decides. They are for
training questions alone, by the hundred: a rule of words is wrong now and then. What judges voices has its sources.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pluralism_local.errors import InvalidInput, NotFound

Direction = Literal[-1, 0, 1]
_SIGNS: dict[str, Direction] = {"yes": 1, "no": -1, "unknown": 0}


@dataclass(frozen=True, slots=True)
class Rule:
    """Questions that `pattern` finds something in, and the left's answer to them; 0: nobody's is known."""

    pattern: re.Pattern[str]
    left: Direction


def read_rules(path: Path) -> list[Rule]:
    """The rules of a TOML file: ``[[rule]]`` with ``left`` ("yes", "no" or "unknown") and ``pattern``.

    Raises:
        NotFound: there is no such file. InvalidInput: it is none of rules, or a pattern is no regular expression.
    """
    try:
        rows = tomllib.loads(path.read_text(encoding="utf-8"))["rule"]
        return [Rule(re.compile(row["pattern"], re.IGNORECASE), _SIGNS[row["left"]]) for row in rows]
    except FileNotFoundError:
        raise NotFound(
            f"There are no rules in {path}.", "recipes/directions.toml holds the shipped ones."
        ) from None
    except (OSError, ValueError, KeyError, TypeError, re.error) as error:
        raise InvalidInput(
            f"{path} holds no rules of directions: {error}.", 'Each [[rule]] has left = "yes" and a pattern.'
        ) from error


def direction(question: str, rules: Sequence[Rule]) -> Direction:
    """1 where the left says yes and the right no, −1 the other way round, 0 where the rules do not know."""
    return next((rule.left for rule in rules if rule.pattern.search(question)), 0)
