"""Values as JSON, and back.

Values ──to_record──> {"schema": "plocal.values/1", …} ──from_record──> Values
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pluralism_local.errors import InvalidInput
from pluralism_local.types import ModelInfo, Usage
from pluralism_local.values.stakes import Stake, Valence, Values, WeighedStake

SCHEMA = "plocal.values/1"


def to_record(values: Values) -> dict[str, Any]:
    """The values as a JSON object; docs/formats.md says what its keys are."""
    return {
        "schema": SCHEMA,
        "situation": values.situation,
        "values": [_weighed(weighed) for weighed in values.stakes],
        "irrelevant": [_weighed(weighed) for weighed in values.irrelevant],
        "unweighed": [_stake(stake) for stake in values.unweighed],
        "beyond": values.beyond,
        "merged": values.merged,
        "draws": values.draws,
        "method": values.method,
        "min_relevance": values.min_relevance,
        "limit": values.limit,
        "seed": values.seed,
        "model": asdict(values.model),
        "usage": {role: asdict(usage) for role, usage in values.usage.items()},
        "seconds": values.seconds,
        "prompts": list(values.prompts),
        "warnings": list(values.warnings),
        "complete": values.complete,
    }


def from_record(record: Mapping[str, Any]) -> Values:
    """What `to_record` wrote.

    Raises:
        InvalidInput: it is another object, or a key is missing or of another kind.
    """
    if record.get("schema") != SCHEMA:
        raise InvalidInput(
            f"This is no object of the form {SCHEMA}.", "Give what plocal values --json printed."
        )
    try:
        return Values(
            situation=record["situation"],
            stakes=_all_weighed(record["values"]),
            model=ModelInfo(**record["model"]),
            irrelevant=_all_weighed(record["irrelevant"]),
            unweighed=tuple(Stake(weighed["kind"], weighed["text"]) for weighed in record["unweighed"]),
            beyond=record["beyond"],
            draws=record["draws"],
            min_relevance=record["min_relevance"],
            limit=record["limit"],
            seed=record["seed"],
            method=record["method"],
            usage={role: Usage(**usage) for role, usage in record["usage"].items()},
            seconds=record["seconds"],
            prompts=tuple(record["prompts"]),
            warnings=tuple(record["warnings"]),
            complete=record["complete"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"The object of the form {SCHEMA} cannot be read: {error}.") from error


def _stake(stake: Stake) -> dict[str, Any]:
    return {"id": stake.id, "kind": stake.kind, "text": stake.text}


def _weighed(weighed: WeighedStake) -> dict[str, Any]:
    valence = weighed.valence
    return {
        **_stake(weighed.stake),
        "relevance": weighed.relevance,
        "valence": None
        if valence is None
        else {
            "leaning": valence.leaning,
            "support": valence.support,
            "oppose": valence.oppose,
            "either": valence.either,
            "method": valence.method,
        },
        "reason": weighed.reason,
        "merged": [_stake(stake) for stake in weighed.merged],
    }


def _all_weighed(records: Sequence[Mapping[str, Any]]) -> tuple[WeighedStake, ...]:
    return tuple(
        WeighedStake(
            Stake(weighed["kind"], weighed["text"]),
            weighed["relevance"],
            None if weighed["valence"] is None else _valence(weighed["valence"]),
            weighed["reason"],
            tuple(Stake(other["kind"], other["text"]) for other in weighed["merged"]),
        )
        for weighed in records
    )


def _valence(record: Mapping[str, Any]) -> Valence:
    return Valence(record["support"], record["oppose"], record["either"], record["method"])
