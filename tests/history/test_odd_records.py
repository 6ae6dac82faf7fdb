"""Exports of records in which something is not as it was written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.history import Conversation, StoredTurn, markdown, page
from pluralism_local.records import to_record
from pluralism_local.results import Result
from tests.support.any_results import RESULTS

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Path = tuple[str | int, ...]


def paths(part: object, above: Path = ()) -> Iterator[Path]:
    """Where everything stands in a JSON value, itself left out."""
    entries = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in entries:
        yield (*above, key)
        yield from paths(value, (*above, key))


def put(record: Any, path: Path, odd: object) -> None:
    for key in path[:-1]:
        record = record[key]
    record[path[-1]] = odd


KEYS = ("comments", "distribution", "positions", "draws", "rounds", "agreement")


@given(st.data(), RESULTS, st.sampled_from([None, -1, "x", "", [], {}, 10**400]))
def test_nothing_that_a_record_holds_stops_an_export(
    data: st.DataObject, result: Result, odd: object
) -> None:
    record = json.loads(json.dumps(to_record(result)))
    for key in KEYS:
        put(record, data.draw(st.sampled_from(list(paths({key: record[key]})))), odd)
    turn = StoredTurn(1, "overton", "Ban phones?", "An answer.", "done", record, None, NOW)
    conversation = Conversation("0" * 16, "Title", NOW, NOW, (turn,))
    assert "An answer." in markdown.dump([conversation]) and "An answer." in page.dump([conversation])
