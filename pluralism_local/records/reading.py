"""A stored record read back, whoever wrote it: the values it holds, and the names of the parts that cannot be read.

    JSON object of `writing.to_record`, or anything like it ──from_record──> Recorded

Histories are imported and edited by hand, and other versions write other keys. Nothing here raises: a part that is
not of the record's form is left out and named in `Recorded.unreadable`; a part that is missing or null is only empty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, TypeGuard, cast, get_args

from pluralism_local.agreement import Agreement
from pluralism_local.display.figures import finite
from pluralism_local.errors import InvalidInput
from pluralism_local.mode_specs import SPECS, ModeName
from pluralism_local.proportions import entropy_nats
from pluralism_local.records.deliberation import agreement_of, rounds_of
from pluralism_local.records.draws import draws_of
from pluralism_local.records.orders import orders_of
from pluralism_local.records.parts import chance, chances, chances_by_name, strings
from pluralism_local.results import (
    Aggregate,
    Comment,
    Draws,
    Finder,
    Mark,
    Position,
    Round,
    Selection,
    Stance,
    StanceMethod,
    Turn,
    Window,
)
from pluralism_local.types import DistributionMethod, Finish, ModelInfo, Sampling, Side, Usage

UNKNOWN = "unknown"
"""A community or a method that a record does not name."""

_PROBLEMS = ("empty", "cut off", "stopped")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a record says, under the names of `results.Result`.

    Attributes:
        mode: None where the record names none, or one that is not known here.
        comments: those with a text or a community, in order. What else of them cannot be read is `UNKNOWN`, empty or
            0, for seconds and tokens.
        llm, communities_model: None where they have no name. `backend` is `UNKNOWN` where it is not told.
        answer_sampling, comment_sampling: None where a number is missing or out of range.
        distribution: only where every option has its probability. `unassigned_mass` is NaN where it is not told;
            `method` may be any word.
        usage: tokens by role. seconds: by stage, those that are finite.
        complete: False for one that does not say so.
        turn: what a follow-up goes on from.
        window: the positions of the comments, where the record has any.
        draws: further comments and their positions, where the record has them whole.
        rounds, agreement: what is of their form in them.
        unreadable: keys of the record whose value is not, or not wholly, of the record's form, in its order; of those
            that a reader misses: attribute, comments, selection, distribution, warnings, turn, positions, draws,
            rounds and agreement.
    """

    mode: ModeName | None = None
    prompt: str = ""
    answer: str = ""
    comments: tuple[Comment, ...] = ()
    llm: ModelInfo | None = None
    communities_model: ModelInfo | None = None
    answer_sampling: Sampling | None = None
    comment_sampling: Sampling | None = None
    pool: str | None = None
    attribute: str | None = None
    selection: Selection | None = None
    distribution: Aggregate | None = None
    usage: dict[str, Usage] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    prompts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    finish: Finish = "stop"
    complete: bool = False
    turn: Turn | None = None
    thought: str = ""
    window: Window | None = None
    draws: Draws | None = None
    rounds: tuple[Round, ...] = ()
    agreement: Agreement | None = None
    unreadable: tuple[str, ...] = ()


def from_record(record: object) -> Recorded:
    """What `record` says, as far as it can be read; nothing for what is no object."""
    if not isinstance(record, dict):
        return Recorded()
    mode, sampling = _text(record.get("mode")), _dict(record.get("sampling"))
    comments = tuple(comment for part in _list(record.get("comments")) if (comment := _comment(part)))
    selection = _selection(record.get("selection"))
    distribution = _distribution(record.get("distribution"))
    warnings = strings(record.get("warnings"))
    turn = turn_of(record)
    window = window_of(record)
    draws = draws_of(record.get("draws"))
    rounds = rounds_of(record.get("rounds"), _comment, window_of)
    agreement = agreement_of(record.get("agreement"))
    is_lost = {
        "attribute": not isinstance(record.get("attribute"), str | None),
        "comments": _is_lost(record.get("comments"), len(comments)),
        "selection": record.get("selection") is not None and selection is None,
        "distribution": record.get("distribution") is not None and distribution is None,
        "warnings": _is_lost(record.get("warnings"), len(warnings)),
        "turn": record.get("turn") is not None and turn is None,
        "draws": record.get("draws") is not None and draws is None,
        "rounds": _is_lost(record.get("rounds"), len(rounds)),
        "agreement": record.get("agreement") is not None and agreement is None,
        "positions": _is_lost(record.get("positions"), 0 if window is None else len(window.positions)),
    }
    return Recorded(
        mode=cast(ModeName, mode) if mode in SPECS else None,
        prompt=_text(record.get("prompt")) or "",
        answer=_text(record.get("answer")) or "",
        comments=comments,
        llm=_model(record.get("model")),
        communities_model=_model(record.get("communities_model")),
        answer_sampling=_sampling(sampling.get("answer")),
        comment_sampling=_sampling(sampling.get("comments")),
        pool=_text(record.get("pool")),
        attribute=_text(record.get("attribute")),
        selection=selection,
        distribution=distribution,
        usage={role: _usage(part) for role, part in _dict(record.get("usage")).items()},
        seconds=_numbers_by_name(record.get("timing")),
        prompts=strings(record.get("prompts")),
        warnings=warnings,
        finish=_finish(record.get("finish")),
        complete=record.get("complete") is True,
        turn=turn,
        thought=_text(record.get("thought")) or "",
        window=window,
        draws=draws,
        rounds=rounds,
        agreement=agreement,
        unreadable=tuple(key for key in record if is_lost.get(key)),
    )


def turn_of(record: object) -> Turn | None:
    """What a follow-up goes on from; None where the record has nothing usable."""
    stored = record.get("turn") if isinstance(record, dict) else None
    if not isinstance(stored, dict):
        return None
    prompt, answer = stored.get("prompt"), stored.get("answer")
    if not isinstance(prompt, str) or not isinstance(answer, str):
        return None
    return Turn(prompt, answer, _texts(stored.get("asked")), _texts(stored.get("said")))


def window_of(record: object) -> Window | None:
    """The positions of a record; None where it has none that can be read."""
    if not isinstance(record, dict):
        return None
    positions = tuple(
        position for position in map(_position, _list(record.get("positions"))) if position is not None
    )
    facts = record.get("window")
    if not positions and not isinstance(facts, dict):
        return None
    facts = facts if isinstance(facts, dict) else {}
    voices = tuple(voice for voice in _list(facts.get("voices")) if isinstance(voice, str))
    marks = tuple(mark for part in _list(facts.get("marks")) if (mark := _mark(part)) is not None)
    finder, method = facts.get("finder"), facts.get("method")
    return Window(
        positions,
        voices or tuple(dict.fromkeys(voice for position in positions for voice in position.stance)),
        cast(Finder, finder) if finder in get_args(Finder) else "llm",
        cast(StanceMethod, method) if method in get_args(StanceMethod) else "llm",
        _count(facts.get("dropped")),
        _count(facts.get("merged")),
        _count(facts.get("beyond")),
        marks=marks,
    )


def _position(part: object) -> Position | None:
    if not isinstance(part, dict) or not isinstance(part.get("text"), str):
        return None
    stances = part["stance"].items() if isinstance(part.get("stance"), dict) else ()
    in_answer = part.get("in_answer")
    return Position(
        _text(part.get("id")) or UNKNOWN,
        part["text"],
        chances_by_name(part.get("support")) or {},
        chances_by_name(part.get("opposition")) or {},
        {voice: stance for voice, stance in stances if stance in get_args(Stance)},
        in_answer if isinstance(in_answer, bool) else None,
    )


def _mark(part: object) -> Mark | None:
    if not isinstance(part, dict) or not isinstance(part.get("voice"), str):
        return None
    return Mark(
        _count(part.get("sentence")),
        part["voice"],
        chance(part.get("p")) or 0.0,
        part.get("verified") is True,
    )


def _comment(part: object) -> Comment | None:
    if not isinstance(part, dict) or not any(isinstance(part.get(key), str) for key in ("community", "text")):
        return None
    problem = part.get("problem")
    return Comment(
        _text(part.get("community")) or UNKNOWN,
        _text(part.get("text")) or "",
        _finish(part.get("finish")),
        _usage(part.get("tokens")),
        finite(part.get("seconds")) or 0.0,
        weight=finite(part.get("weight")),
        adapter_sha256=_text(part.get("adapter_sha256")),
        scale=finite(part.get("scale")),
        problem=cast(Any, problem) if problem in _PROBLEMS else None,
        thought=_text(part.get("thought")) or "",
        side=cast(Any, side) if (side := part.get("side")) in get_args(Side) else None,
    )


def _finish(value: object) -> Finish:
    return cast(Finish, value) if value in get_args(Finish) else "stop"


def _model(part: object) -> ModelInfo | None:
    if not isinstance(part, dict) or not isinstance(part.get("id"), str):
        return None
    context = part.get("context")
    return ModelInfo(
        part["id"],
        _text(part.get("backend")) or UNKNOWN,
        sha256=_text(part.get("sha256")),
        fingerprint=_text(part.get("fingerprint")),
        context=context if _is_count(context) else None,
        weights=_text(part.get("weights")),
        plan=_text(part.get("plan")),
    )


def _sampling(part: object) -> Sampling | None:
    if not isinstance(part, dict):
        return None
    temperature, top_p = finite(part.get("temperature")), finite(part.get("top_p"))
    max_tokens, seed = part.get("max_tokens"), part.get("seed")
    if temperature is None or top_p is None or not _is_count(max_tokens) or not _is_count(seed):
        return None
    try:
        return Sampling(temperature, top_p, max_tokens, seed, strings(part.get("stop")))
    except InvalidInput:
        return None


def _usage(part: object) -> Usage:
    counts = _dict(part)
    return Usage(*(_count(counts.get(key)) for key in ("prompt", "reused", "completion")))


def _selection(part: object) -> Selection | None:
    if not isinstance(part, dict) or not isinstance(part.get("community"), str):
        return None
    chances = chances_by_name(part.get("probabilities"))
    method = _text(part.get("method")) or UNKNOWN
    return Selection(part["community"], cast(Any, method), chances, _text(part.get("said")) or "")


def _distribution(part: object) -> Aggregate | None:
    if not isinstance(part, dict):
        return None
    options = tuple(option for option in _list(part.get("options")) if isinstance(option, str))
    p = chances(part.get("p"), len(options))
    if not options or len(options) != len(_list(part.get("options"))) or p is None:
        return None
    outside, entropy = finite(part.get("unassigned_mass")), finite(part.get("entropy_nats"))
    return Aggregate(
        options,
        p,
        _rows(part.get("per_community"), len(options)),
        chances_by_name(part.get("weights")) or {},
        math.nan if outside is None else outside,
        entropy_nats(p) if entropy is None else entropy,
        cast(DistributionMethod, _text(part.get("method")) or UNKNOWN),
        _bounds(part.get("bounds"), len(options)),
        strings(part.get("stand_ins")),
        None if (drawn := finite(part.get("n"))) is None else int(drawn),
        *orders_of(part, len(options)),
    )


def _rows(part: object, length: int) -> dict[str, tuple[float, ...]]:
    return {name: p for name, row in _dict(part).items() if (p := chances(row, length)) is not None}


def _bounds(part: object, length: int) -> tuple[tuple[float, float], ...] | None:
    pairs = [chances(pair, 2) for pair in _list(part)]
    whole = [(pair[0], pair[1]) for pair in pairs if pair is not None]
    return tuple(whole) if len(whole) == len(pairs) == length else None


def _count(value: object) -> int:
    return value if _is_count(value) else 0


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> dict[str, str]:
    return {voice: text for voice, text in _dict(value).items() if isinstance(text, str)}


def _numbers_by_name(value: object) -> dict[str, float]:
    numbers = {name: finite(number) for name, number in _dict(value).items()}
    return {name: number for name, number in numbers.items() if number is not None}


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_lost(value: object, read: int) -> bool:
    """Whether a list was written of which not every entry was read."""
    return value is not None and (not isinstance(value, list) or read < len(value))
