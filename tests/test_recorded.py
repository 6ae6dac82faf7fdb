"""Records read back: to the last number what was written, and of odd ones all that can be read."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.mode_specs import ModeName
from pluralism_local.modes import MODES, Ask
from pluralism_local.modes.record import to_record
from pluralism_local.recorded import UNKNOWN, Recorded, from_record
from pluralism_local.results import Aggregate, Selection
from tests.support.mode_asks import THREE, answer


def record_of(mode: ModeName) -> dict[str, Any]:
    ask = Ask("Ban phones?\nA. Yes\nB. No", mode, THREE, attribute="honesty")
    return dict(json.loads(json.dumps(to_record(answer(ask, ScriptedEngine())))))


@pytest.mark.parametrize("mode", list(MODES))
def test_what_was_written_is_read_back(mode: ModeName) -> None:
    result = answer(Ask("Ban phones?\nA. Yes\nB. No", mode, THREE, attribute="honesty"), ScriptedEngine())
    assert from_record(json.loads(json.dumps(to_record(result)))) == Recorded(
        result.attribute,
        result.comments,
        result.selection,
        result.distribution,
        result.warnings,
        result.turn,
    )


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
            },
        }
    )
    assert [(comment.community, comment.text) for comment in read.comments] == [
        ("farmers", ""),
        (UNKNOWN, "Mine."),
    ]
    assert read.selection == Selection("farmers", UNKNOWN)  # type: ignore[arg-type]
    found = read.distribution
    assert isinstance(found, Aggregate) and found.bounds is None and found.weights == {}
    assert found.per_community == {"fishers": (0.0, 1.0)}
    assert math.isnan(found.unassigned_mass)
    assert found.entropy_nats == pytest.approx(0.5623351446188083)
    assert read.unreadable == ()


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
    ]
)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)
)
PARTS = st.sampled_from(["comments", "selection", "distribution", "warnings", "attribute", "turn"])


@given(st.dictionaries(PARTS, JSON))
def test_no_record_raises(record: dict[str, Any]) -> None:
    read = from_record(record)
    assert set(read.unreadable) <= set(record)
    if read.distribution is not None:
        assert len(read.distribution.p) == len(read.distribution.options) > 0
        assert all(0 <= p <= 1 for p in read.distribution.p)
