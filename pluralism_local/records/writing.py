"""A Result as the stable JSON object that ``--json``, the history and the evaluator share.

    Result ──to_record──> {"schema": "plocal.result/1", …}: only dict, list, str, int, float, bool, None

Every key is always there; what does not apply is null or empty. NaN and infinities, which JSON lacks, become
null. `reading.from_record` reads it back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pluralism_local.agreement import Agreement, Change, Statement
from pluralism_local.records.draws import draws_record
from pluralism_local.results import Aggregate, Comment, Position, Result, Round, Selection, Turn, Window
from pluralism_local.types import ModelInfo, Sampling

SCHEMA = "plocal.result/1"


def to_record(result: Result) -> dict[str, Any]:
    """The JSON object of a result; `json.dumps(…, allow_nan=False)` takes it.

    Times are seconds, entropies nats, tokens counts; `distribution.n` is the number of sampled answers, null
    where probabilities were read and not sampled. `turn` is what a follow-up needs; `turn_of` reads it back.
    """
    return {
        "schema": SCHEMA,
        "mode": result.mode,
        "prompt": result.prompt,
        "answer": result.answer,
        "attribute": result.attribute,
        "pool": result.pool,
        "comments": [_comment(comment) for comment in result.comments],
        "selection": None if result.selection is None else _selection(result.selection),
        "distribution": None if result.distribution is None else _distribution(result.distribution),
        "model": _model(result.llm),
        "communities_model": None if result.communities_model is None else _model(result.communities_model),
        "sampling": {
            "answer": _sampling(result.answer_sampling),
            "comments": _sampling(result.comment_sampling),
        },
        "usage": {role: usage.record() for role, usage in result.usage.items()},
        "timing": {stage: _number(seconds) for stage, seconds in result.seconds.items()},
        "warnings": list(result.warnings),
        "prompts": list(result.prompts),
        "complete": result.complete,
        "finish": result.finish,
        "turn": None if result.turn is None else _turn(result.turn),
        "thought": result.thought,
        "positions": []
        if result.window is None
        else [_position(position) for position in result.window.positions],
        "window": None if result.window is None else _window(result.window),
        "draws": None if result.draws is None else draws_record(result.draws),
        "rounds": [_round(round) for round in result.rounds],
        "agreement": None if result.agreement is None else _agreement(result.agreement),
    }


def unfinished_record(comments: Sequence[Comment]) -> dict[str, Any]:
    """What there is of a record before its result: the comments that are done, in the order of their ends."""
    return {"schema": SCHEMA, "comments": [_comment(comment) for comment in comments], "complete": False}


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "prompt": turn.prompt,
        "answer": turn.answer,
        "asked": dict(turn.messages),
        "said": dict(turn.replies),
    }


def _comment(comment: Comment) -> dict[str, Any]:
    return {
        "community": comment.community,
        "text": comment.text,
        "thought": comment.thought,
        "adapter_sha256": comment.adapter_sha256,
        "scale": _number(comment.scale),
        "weight": _number(comment.weight),
        "finish": comment.finish,
        "problem": comment.problem,
        "side": comment.side,
        "tokens": comment.usage.record(),
        "seconds": _number(comment.seconds),
    }


def _selection(selection: Selection) -> dict[str, Any]:
    chances = selection.probabilities
    return {
        "community": selection.community,
        "probabilities": None if chances is None else {name: _number(p) for name, p in chances.items()},
        "method": selection.method,
        "said": selection.words,
    }


def _distribution(aggregate: Aggregate) -> dict[str, Any]:
    return {
        "options": list(aggregate.options),
        "p": _numbers(aggregate.p),
        "per_community": {community: _numbers(p) for community, p in aggregate.per_community.items()},
        "weights": {community: _number(weight) for community, weight in aggregate.weights.items()},
        "unassigned_mass": _number(aggregate.unassigned_mass),
        "entropy_nats": _number(aggregate.entropy_nats),
        "method": aggregate.method,
        "bounds": None if aggregate.bounds is None else [_numbers(pair) for pair in aggregate.bounds],
        "n": aggregate.n,
        "stand_ins": list(aggregate.stand_ins),
        "orders": [list(order) for order in aggregate.orders],
        "by_order": [_numbers(row) for row in aggregate.by_order],
        "order_effect": _number(aggregate.order_effect),
        "order_effects": {name: _number(effect) for name, effect in aggregate.order_effects.items()},
    }


def _position(position: Position) -> dict[str, Any]:
    return {
        "id": position.id,
        "text": position.text,
        "support": {voice: _number(p) for voice, p in position.support.items()},
        "opposition": {voice: _number(p) for voice, p in position.opposition.items()},
        "stance": dict(position.stance),
        "in_answer": position.in_answer,
    }


def _window(window: Window) -> dict[str, Any]:
    return {
        "voices": list(window.voices),
        "finder": window.finder,
        "method": window.method,
        "dropped": window.dropped,
        "merged": window.merged,
        "beyond": window.beyond,
        "marks": [
            {"sentence": mark.sentence, "voice": mark.voice, "p": _number(mark.p), "verified": mark.verified}
            for mark in window.marks
        ],
    }


def _round(round: Round) -> dict[str, Any]:
    window = round.window
    return {
        "round": round.number,
        "comments": [_comment(comment) for comment in round.comments],
        "changes": [_change(change) for change in round.changes],
        "positions": [] if window is None else [_position(position) for position in window.positions],
        "window": None if window is None else _window(window),
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "community": change.voice,
        "kind": change.kind,
        "method": change.method,
        "similarity": _number(change.similarity),
        "gained": list(change.gained),
        "dropped": list(change.dropped),
        "opposed": list(change.opposed),
    }


def _agreement(agreement: Agreement) -> dict[str, Any]:
    loss = agreement.loses_most
    return {
        "is_consensus": agreement.is_consensus,
        "rule": agreement.rule,
        "alpha": _alpha(agreement.alpha),
        "statements": [_statement(statement) for statement in agreement.statements],
        "tied": list(agreement.tied),
        "sweep": [
            {"alpha": _alpha(choice.alpha), "statement": choice.statement, "welfare": _number(choice.welfare)}
            for choice in agreement.sweep
        ],
        "loses_most": None
        if loss is None
        else {
            "community": loss.voice,
            "score": _number(loss.score),
            "best": loss.best,
            "best_score": _number(loss.best_score),
        },
        "weights": {voice: _number(weight) for voice, weight in agreement.weights.items()},
        "critiques": dict(agreement.critiques),
        "revision": agreement.revision,
        "against": list(agreement.against),
    }


def _statement(statement: Statement) -> dict[str, Any]:
    return {
        "id": statement.id,
        "text": statement.text,
        "by": list(statement.by),
        "scores": {voice: _number(score) for voice, score in statement.scores.items()},
        "welfare": _number(statement.welfare),
        "rejected_by": list(statement.rejected_by),
    }


def _alpha(alpha: float | None) -> float | str | None:
    """JSON has no infinity."""
    return "inf" if alpha == math.inf else _number(alpha)


def _model(info: ModelInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "sha256": info.sha256,
        "backend": info.backend,
        "weights": info.weights,
        "plan": info.plan,
        "fingerprint": info.fingerprint,
        "context": info.context,
    }


def _sampling(sampling: Sampling) -> dict[str, Any]:
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
        "stop": list(sampling.stop),
    }


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _numbers(values: tuple[float, ...]) -> list[float | None]:
    return [_number(value) for value in values]
