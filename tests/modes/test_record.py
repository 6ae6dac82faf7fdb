"""The record is JSON, complete, and says the same as the Result."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from typing import Any

import pytest

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.mode_specs import ModeName
from pluralism_local.modes import MODES, Ask
from pluralism_local.modes.record import to_record
from pluralism_local.results import Aggregate, Comment, Result, Selection, Turn
from pluralism_local.types import ModelInfo, Sampling, Usage
from tests.support.mode_asks import THREE, after, answer

RENAMED = {"llm": "model", "seconds": "timing", "answer_sampling": "sampling", "comment_sampling": "sampling"}


def read_record(data: dict[str, Any]) -> Result:
    """The Result that a record was made of."""
    assert data["schema"] == "plocal.result/1"

    def sampling(part: dict[str, Any]) -> Sampling:
        return Sampling(**{**part, "stop": tuple(part["stop"])})

    def comment(part: dict[str, Any]) -> Comment:
        tokens = Usage(**part.pop("tokens"))
        return Comment(**part, usage=tokens)

    def aggregate(part: dict[str, Any]) -> Aggregate:
        assert part.pop("n") is None
        bounds = part.pop("bounds")
        return Aggregate(
            options=tuple(part.pop("options")),
            p=tuple(part.pop("p")),
            per_community={name: tuple(p) for name, p in part.pop("per_community").items()},
            bounds=None if bounds is None else tuple((low, high) for low, high in bounds),
            stand_ins=tuple(part.pop("stand_ins")),
            **part,
        )

    return Result(
        mode=data["mode"],
        prompt=data["prompt"],
        answer=data["answer"],
        comments=tuple(comment(part) for part in data["comments"]),
        llm=ModelInfo(**data["model"]),
        communities_model=data["communities_model"] and ModelInfo(**data["communities_model"]),
        answer_sampling=sampling(data["sampling"]["answer"]),
        comment_sampling=sampling(data["sampling"]["comments"]),
        pool=data["pool"],
        attribute=data["attribute"],
        selection=data["selection"] and Selection(**data["selection"]),
        distribution=data["distribution"] and aggregate(data["distribution"]),
        usage={role: Usage(**part) for role, part in data["usage"].items()},
        seconds=data["timing"],
        prompts=tuple(data["prompts"]),
        warnings=tuple(data["warnings"]),
        finish=data["finish"],
        complete=data["complete"],
        turn=data["turn"] and Turn(**data["turn"]),
    )


@pytest.mark.parametrize("calls", [3, 10**6])
@pytest.mark.parametrize("mode", list(MODES))
def test_round_trip(mode: ModeName, calls: int) -> None:
    ask = Ask("Ban phones?\nA. Yes\nB. No", mode, THREE, attribute="honesty", answer=Sampling(stop=("x",)))
    result = answer(ask, ScriptedEngine(), should_stop=after(calls))
    text = json.dumps(to_record(result), allow_nan=False)
    assert read_record(json.loads(text)) == result


def test_every_field_of_a_result_is_there() -> None:
    result = answer(Ask("Ban phones?", "vanilla"), ScriptedEngine())
    names = {RENAMED.get(field.name, field.name) for field in fields(Result)}
    assert set(to_record(result)) == names | {"schema"}


def test_bounds_are_kept_and_nan_becomes_null() -> None:
    result = answer(Ask("Ban phones?", "vanilla", options=("Yes", "No")), ScriptedEngine())
    assert result.distribution is not None
    strange = replace(
        result,
        distribution=replace(
            result.distribution,
            p=(math.nan, 1.0),
            entropy_nats=math.nan,
            bounds=((0.0, 0.5), (0.5, math.inf)),
        ),
        seconds={"total": math.inf},
    )
    record = json.loads(json.dumps(to_record(strange), allow_nan=False))
    assert record["distribution"]["p"] == [None, 1.0]
    assert record["distribution"]["entropy_nats"] is None
    assert record["distribution"]["bounds"] == [[0.0, 0.5], [0.5, None]]
    assert record["timing"] == {"total": None}
