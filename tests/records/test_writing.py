"""The record is JSON, complete, and says the same as the Result."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.modes import Ask
from pluralism_local.records import to_record
from pluralism_local.results import Result
from tests.support.mode_asks import answer

RENAMED = {"llm": "model", "seconds": "timing", "answer_sampling": "sampling", "comment_sampling": "sampling"}


def test_every_field_of_a_result_is_there() -> None:
    result = answer(Ask("Ban phones?", "vanilla"), ScriptedEngine())
    names = {RENAMED.get(field.name, field.name) for field in fields(Result)}
    assert set(to_record(result)) == names | {"schema", "positions"}


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
