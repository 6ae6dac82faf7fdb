"""Rounds and juries of a stored record, read back as far as they can be.

    "rounds" of a record ──rounds_of──> Round…        "agreement" ──agreement_of──> Agreement | None

As in `reading`, nothing raises, and a part that is not of the record's form is left out: a choice of the sweep that
names no statement. Statements are all read or none, each with scores of the same voices: without one of them another
would pass for the chosen one, or for one that nobody rejects.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

from pluralism_local.agreement import (
    Agreement,
    AlphaChoice,
    Change,
    ChangeKind,
    Loss,
    Rule,
    Statement,
)
from pluralism_local.display.figures import finite
from pluralism_local.records.parts import chance, chances_by_name, strings
from pluralism_local.results import Comment, Round, Window


def rounds_of(
    part: object, comment_of: Callable[[object], Comment | None], window_of: Callable[[object], Window | None]
) -> tuple[Round, ...]:
    """The rounds of a list, in order; none for what is no list.

    Args:
        comment_of, window_of: what reads these parts of it.
    """
    rounds = part if isinstance(part, list) else []
    return tuple(
        Round(
            number,
            tuple(comment for comment in map(comment_of, _objects(round, "comments")) if comment is not None),
            tuple(change for change in map(_change, _objects(round, "changes")) if change is not None),
            window_of(round),
        )
        for number, round in enumerate(rounds)
        if isinstance(round, dict)
    )


def agreement_of(part: object) -> Agreement | None:
    """What the voices made of statements; None where there are none, or not all have the same voices' scores."""
    if not isinstance(part, dict):
        return None
    statements = _statements(part.get("statements"))
    if not statements:
        return None
    rule = part.get("rule")
    ids = {statement.id for statement in statements}
    critiques = part.get("critiques")
    revision = part.get("revision")
    return Agreement(
        rule=cast(Rule, rule) if rule in get_args(Rule) else "mean",
        alpha=_alpha(part.get("alpha")),
        statements=statements,
        tied=tuple(id for id in strings(part.get("tied")) if id in ids),
        sweep=tuple(
            choice
            for choice in map(_choice, _objects(part, "sweep"))
            if choice is not None and choice.statement in ids
        ),
        loses_most=_loss(part.get("loses_most"), ids),
        weights=chances_by_name(part.get("weights")) or {},
        critiques=_texts(critiques),
        revision=revision if isinstance(revision, str) else None,
        against=tuple(voice for voice in strings(part.get("against")) if voice in statements[0].scores),
    )


def _change(part: Mapping[str, Any]) -> Change | None:
    kind, voice = part.get("kind"), part.get("community")
    if kind not in get_args(ChangeKind) or not isinstance(voice, str):
        return None
    return Change(
        voice,
        cast(ChangeKind, kind),
        "positions" if part.get("method") == "positions" else "text",
        chance(part.get("similarity")) or 0.0,
        strings(part.get("gained")),
        strings(part.get("dropped")),
        strings(part.get("opposed")),
    )


def _statements(parts: object) -> tuple[Statement, ...]:
    """All of a list; none where one is none, or was judged by other voices than the first."""
    if not isinstance(parts, list):
        return ()
    statements = tuple(statement for statement in map(_statement, parts) if statement is not None)
    same_voices = all(statement.scores.keys() == statements[0].scores.keys() for statement in statements)
    return statements if len(statements) == len(parts) and same_voices else ()


def _statement(part: object) -> Statement | None:
    if not isinstance(part, dict):
        return None
    id, text, scores = part.get("id"), part.get("text"), chances_by_name(part.get("scores"))
    if not isinstance(id, str) or not isinstance(text, str) or not scores:
        return None
    return Statement(id, text, strings(part.get("by")), scores, finite(part.get("welfare")) or 0.0)


def _choice(part: Mapping[str, Any]) -> AlphaChoice | None:
    alpha, statement, welfare = _alpha(part.get("alpha")), part.get("statement"), finite(part.get("welfare"))
    if alpha is None or not isinstance(statement, str) or welfare is None:
        return None
    return AlphaChoice(alpha, statement, welfare)


def _loss(part: object, ids: set[str]) -> Loss | None:
    if not isinstance(part, dict):
        return None
    voice, best = part.get("community"), part.get("best")
    score, best_score = chance(part.get("score")), chance(part.get("best_score"))
    if not isinstance(voice, str) or best not in ids or score is None or best_score is None:
        return None
    return Loss(voice, score, best, best_score)


def _alpha(value: object) -> float | None:
    alpha = math.inf if value == "inf" else finite(value)
    return alpha if alpha is not None and alpha >= 0 else None


def _texts(value: object) -> dict[str, str]:
    return (
        {key: text for key, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}
    )


def _objects(value: object, key: str) -> list[dict[str, Any]]:
    parts = value.get(key) if isinstance(value, dict) else None
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
