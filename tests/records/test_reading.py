"""Records read back: to the last number what was written, and of odd ones all that can be read."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.mode_specs import ModeName
from pluralism_local.modes import MODES, Ask
from pluralism_local.records import UNKNOWN, Recorded, from_record, to_record
from pluralism_local.results import (
    Aggregate,
    Result,
    Selection,
)
from pluralism_local.types import Sampling
from tests.support.any_results import RESULTS
from tests.support.mode_asks import THREE, after, answer


def record_of(mode: ModeName) -> dict[str, Any]:
    ask = Ask("Ban phones?\nA. Yes\nB. No", mode, THREE, attribute="honesty")
    return dict(json.loads(json.dumps(to_record(answer(ask, ScriptedEngine())))))


@given(RESULTS)
def test_any_result_is_read_back_as_it_was(result: Result) -> None:
    read = from_record(json.loads(json.dumps(to_record(result), allow_nan=False)))
    assert {field.name: getattr(read, field.name) for field in fields(Result)} == {
        field.name: getattr(result, field.name) for field in fields(Result)
    }
    assert read.unreadable == ()


@pytest.mark.parametrize("calls", [3, 10**6])
@pytest.mark.parametrize("mode", list(MODES))
def test_what_a_mode_gives_is_read_back(mode: ModeName, calls: int) -> None:
    ask = Ask("Ban phones?\nA. Yes\nB. No", mode, THREE, attribute="honesty", answer=Sampling(stop=("x",)))
    result = answer(ask, ScriptedEngine(), should_stop=after(calls))
    read = from_record(json.loads(json.dumps(to_record(result), allow_nan=False)))
    for field in fields(Result):
        assert getattr(read, field.name) == getattr(result, field.name)


@pytest.mark.parametrize("odd", [None, 1, "x", [], [1], True, math.nan])
def test_what_is_no_object_says_nothing(odd: object) -> None:
    assert from_record(odd) == Recorded()


@pytest.mark.parametrize(
    ("key", "odd"),
    [
        ("comments", [1]),
        ("comments", "x"),
        ("comments", {"community": "farmers"}),
        ("comments", [{"scale": 1}]),
        ("distribution", "x"),
        ("distribution", [1]),
        ("distribution", {"options": ["a"], "p": ["x"]}),
        ("distribution", {"options": ["a", "b"], "p": [1.0]}),
        ("distribution", {"options": ["a", 1], "p": [0.5, 0.5]}),
        ("distribution", {"options": ["a", "b"], "p": [0.5, None]}),
        ("distribution", {"options": ["a", "b"], "p": [7, 0.5]}),
        ("distribution", {"options": ["a", "b"], "p": [10**400, 0.5]}),
        ("distribution", {"options": [], "p": []}),
        ("distribution", {"options": {"a": 1}, "p": 1}),
        ("selection", 7),
        ("selection", {"community": 7}),
        ("selection", ["farmers"]),
        ("warnings", "x"),
        ("warnings", ["x", 1]),
        ("attribute", 3),
        ("turn", "x"),
        ("turn", {"prompt": "x"}),
    ],
)
def test_an_odd_part_is_named_and_the_rest_is_read(key: str, odd: object) -> None:
    record = record_of("distributional")
    read, whole = from_record(record | {key: odd}), from_record(record)
    assert read.unreadable == (key,)
    for name in {"attribute", "comments", "selection", "distribution", "turn"} - {key}:
        assert getattr(read, name) == getattr(whole, name)


def test_parts_of_parts_are_read_as_far_as_they_go() -> None:
    read = from_record(
        {
            "comments": [
                {
                    "community": "farmers",
                    "text": 5,
                    "tokens": [1],
                    "seconds": "x",
                    "problem": [],
                    "finish": {},
                },
                {"text": "Mine.", "tokens": {"completion": -1, "prompt": True, "reused": 2.5}},
            ],
            "selection": {"community": "farmers", "method": 3, "probabilities": {"farmers": "x"}},
            "distribution": {
                "options": ["a", "b"],
                "p": [0.25, 0.75],
                "per_community": {"farmers": [1], "fishers": [0, 1]},
                "weights": 3,
                "bounds": [[0, 1], [0, None]],
                "entropy_nats": "x",
                "orders": [[0, 1], [1, 1]],
                "by_order": [[0, 1], [1, 0]],
                "order_effect": 0.5,
            },
        }
    )
    assert [(comment.community, comment.text) for comment in read.comments] == [
        ("farmers", ""),
        (UNKNOWN, "Mine."),
    ]
    assert read.selection == Selection("farmers", UNKNOWN)  # type: ignore[arg-type]
    aggregate = read.distribution
    assert isinstance(aggregate, Aggregate) and aggregate.bounds is None and aggregate.weights == {}
    assert aggregate.per_community == {"fishers": (0.0, 1.0)}
    assert (aggregate.orders, aggregate.by_order, aggregate.order_effect) == ((), (), None)
    assert math.isnan(aggregate.unassigned_mass)
    assert aggregate.entropy_nats == pytest.approx(0.5623351446188083)
    assert read.unreadable == ()


def _statement(id: str, scores: object) -> dict[str, Any]:
    return {"id": id, "text": f"Statement {id}.", "by": ["llm"], "scores": scores, "welfare": 0.5}


@pytest.mark.parametrize("odd", [None, _statement("a", {}), _statement("a", {"farmers": 0.1}), {"id": "a"}])
@pytest.mark.parametrize("place", [0, 1])
def test_no_other_statement_passes_for_the_chosen_one(odd: object, place: int) -> None:
    statements: list[object] = [_statement("b", {"farmers": 0.9, "fishers": 0.8})]
    statements.insert(place, odd)
    read = from_record({"agreement": {"rule": "mean", "statements": statements}})
    assert read.agreement is None and read.unreadable == ("agreement",)


def test_a_tie_with_what_is_no_statement_is_left_out() -> None:
    statements = [_statement("b", {"farmers": 0.9})]
    read = from_record({"agreement": {"rule": "mean", "statements": statements, "tied": ["c", "b"]}})
    assert read.agreement is not None and read.agreement.tied == ("b",)


@pytest.mark.parametrize("odd", [{}, {"voices": {}}, {"share": math.nan}, {"share": 10**400}])
def test_draws_without_a_voices_count_are_no_draws(odd: dict[str, Any]) -> None:
    shares = {"share": 1.0, "low": 0.2, "high": 1.0}
    position = {"id": "a", "text": "Ban them.", "voices": {"farmers": {"count": 2, **shares}}, **shares}
    draws = {
        "n": 2, "comments": {"farmers": ["Ban.", "Ban."]}, "weights": {"farmers": 1.0}, "silent": {"farmers": 0},
        "entropy_nats": 0.0, "unseen": 0.0, "method": "llm", "positions": [position | odd],
    }  # fmt: skip
    assert (from_record({"draws": draws}).draws is None) == bool(odd)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
KEYS = st.sampled_from(
    [
        "community",
        "text",
        "tokens",
        "seconds",
        "weight",
        "scale",
        "problem",
        "finish",
        "completion",
        "options",
        "p",
        "per_community",
        "weights",
        "bounds",
        "unassigned_mass",
        "entropy_nats",
        "method",
        "probabilities",
        "said",
        "prompt",
        "answer",
        "asked",
        "id",
        "context",
        "temperature",
        "top_p",
        "max_tokens",
        "seed",
        "stop",
    ]
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
)
PARTS = st.sampled_from(
    [
        "mode",
        "prompt",
        "comments",
        "selection",
        "distribution",
        "model",
        "sampling",
        "usage",
        "timing",
        "prompts",
        "warnings",
        "attribute",
        "complete",
        "finish",
        "turn",
        "positions",
        "window",
    ]
)


@given(st.dictionaries(PARTS, JSON))
def test_no_record_raises(record: dict[str, Any]) -> None:
    read = from_record(record)
    assert set(read.unreadable) <= set(record)
    if read.distribution is not None:
        assert len(read.distribution.p) == len(read.distribution.options) > 0
        assert all(0 <= p <= 1 for p in read.distribution.p)
