"""Out as JSON and in again: the same bytes, each conversation once, and nothing unusable taken."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pluralism_local.errors import InvalidInput, Refused
from pluralism_local.history import Conversation, History, interchange
from pluralism_local.history.merging import Added
from tests.support.results import result, talk

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
BIDI = "\u202eabc\u2066 שלום \u200f\u202e\x01\x1b[31m\x7f\x85\u2028 line\r\n\ttab"


def load(text: str) -> list[Conversation]:
    return interchange.load(text.encode(), "talks.json")


def exported(history: History) -> str:
    return interchange.dump(history.all())


def edited(text: str, **changes: object) -> str:
    """The export with keys of its first turn replaced."""
    value = json.loads(text)
    value["conversations"][0]["turns"][0].update(changes)
    return json.dumps(value)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.tuples(*[st.text(max_size=30)] * 4),
    asked_with=st.dictionaries(st.text(max_size=5), anything, max_size=3),
)
@example(texts=(BIDI, BIDI, BIDI, BIDI), asked_with={BIDI: [BIDI, 1e300, -0.0, 10**30, 5e-324]})
def test_export_import_export_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, texts: tuple[str, str, str, str], asked_with: dict[str, Any]
) -> None:
    folder = tmp_path_factory.mktemp("round")
    title, prompt, answer, comment = texts
    with History(folder / "a.db") as history:
        id = talk(history, result(prompt, answer, comment), title=title)
        history.fail(history.ask(id, "steerable", prompt, asked_with), comment)
        talk(history, result(answer, prompt, complete=False))
        first, originals = exported(history), history.all()
    with History(folder / "b.db") as history:
        talk(history, result())  # numbers of turns differ
        assert history.add(load(first)) == Added(new=2)
        assert interchange.dump([history.get(one.id) for one in originals]) == first
        for one in originals:
            again = history.get(one.id)
            assert again.to_go_on() == one.to_go_on()
            assert [replace(turn, id=0, asked_with={}) for turn in again.turns] == [
                replace(turn, id=0, asked_with={}) for turn in one.turns
            ]


def test_the_form_is_as_documented(history: History) -> None:
    id = talk(history, result())
    value = json.loads(exported(history))
    (one,) = value["conversations"]
    (turn,) = one["turns"]
    assert value["schema"] == "plocal.history/1" and list(value) == ["schema", "conversations"]
    assert list(one) == ["id", "title", "created", "updated", "turns"]
    assert list(turn) == ["created", "mode", "prompt", "asked_with", "answer", "status", "message", "record"]
    assert one["id"] == id and one["created"].endswith("Z") and len(one["created"]) == 24
    assert turn["record"]["schema"] == "plocal.result/1"
    documented = interchange.__doc__ or ""
    assert all(f'"{key}"' in documented for key in (*value, *one, *turn))


def test_importing_twice_does_not_double(history: History, tmp_path: Path) -> None:
    talk(history, result())
    talk(history, result("Other?"))
    text = exported(history)
    assert history.add(load(text)) == Added(unchanged=2)
    with History(tmp_path / "b.db") as other:
        assert other.add(load(text)) == Added(new=2)
        assert other.add(load(text)) == Added(unchanged=2)
        assert exported(other) == text
        assert len(other.list("nets")) == 2  # it is in the index, too


def test_a_conversation_that_went_on_elsewhere_goes_on_here(history: History, tmp_path: Path) -> None:
    id = talk(history, result("First?"))
    with History(tmp_path / "b.db") as other:
        other.add(load(exported(history)))
        other.rename(id, "Another title")
        short = exported(other)
        first = other.get(id).turns[0].id
        other.finish(other.ask(id, "overton", "Second?", {"retry_of": first}), result("Second?"))
        assert history.add(load(exported(other))) == Added(extended=1)
        assert history.add(load(exported(other))) == Added(unchanged=1)
        assert history.add(load(short)) == Added(unchanged=1)
        updated = other.get(id).updated
    here = history.get(id)
    assert [turn.prompt for turn in here.turns] == ["First?", "Second?"]
    assert here.turns[1].asked_with == {"retry_of": here.turns[0].id}
    assert here.title == "First?" and here.updated == updated


def test_one_that_went_another_way_stands_beside_it_once(history: History) -> None:
    id = talk(history, result("First?"), result("Second?"))
    one = history.get(id)
    last = one.turns[1]
    other = replace(
        one, turns=(one.turns[0], replace(last, prompt="Else?", created=last.created + timedelta(1)))
    )
    assert history.add([other]) == Added(new=1)
    assert history.add([other]) == Added(unchanged=1)
    assert sorted(turn.prompt for found in history.all() for turn in found.turns) == [
        "Else?", "First?", "First?", "Second?",
    ]  # fmt: skip
    assert history.add(load(exported(history))) == Added(unchanged=2)


def test_a_running_turn_arrives_as_a_stopped_one(history: History, tmp_path: Path) -> None:
    id = history.begin("x")
    history.partial(history.ask(id, "overton", "Why?", {}), "Becau")
    with History(tmp_path / "b.db") as other:
        other.add(load(exported(history)))
        (turn,) = other.get(id).turns
    assert (turn.status, turn.answer) == ("stopped", "Becau")


def test_references_that_lead_nowhere_are_dropped(history: History, tmp_path: Path) -> None:
    talk(history, result())
    for odd in (99, [1], "1", True):
        with History(tmp_path / f"{odd}.db") as other:
            other.add(load(edited(exported(history), asked_with={"retry_of": odd})))
            (found,) = other.all()
            assert found.turns[0].asked_with == {"retry_of": None} and len(found.to_go_on()) == 1


def test_what_is_wrong_is_named_with_its_place(history: History) -> None:
    talk(history, result())
    good = exported(history)

    def message(text: str) -> str:
        with pytest.raises(InvalidInput) as caught:
            load(text)
        assert "plocal logs export" in caught.value.hint
        return caught.value.message

    assert message("not json").startswith("talks.json is not JSON text in UTF-8: ")
    assert message("[" * 100_000).startswith("talks.json is not JSON")
    assert message("[]") == message('{"schema": "plocal.result/1"}') == "talks.json is no exported history."
    assert "conversations.0.turns.0.mode" in message(edited(good, mode="opera"))
    assert "conversations.0.turns.0.extra" in message(edited(good, extra=1))
    assert "conversations.0.turns.0.created" in message(edited(good, created="2026-01-31T12:00:00"))
    assert "conversations.0.turns.0.created" in message(edited(good, created=5))
    assert "conversations.0.turns.0.record" in message(
        edited(good, record={"x": 0}).replace('"x": 0', '"x": 1e999')
    )
    assert "conversations.0.turns.0.record" in message(edited(good, record={"x": float("nan")}))
    assert "conversations.0.id" in message(good.replace('"id": "', '"id": "../'))
    assert "conversations.0.turns" in message(good.replace('"turns"', '"turn"'))
    with pytest.raises(InvalidInput):
        interchange.load(b"\xff", "talks.json")
    with pytest.raises(Refused, match=r"schema plocal\.history/2"):
        load(good.replace("plocal.history/1", "plocal.history/2"))
    assert history.counts().turns == 1


def test_odd_records_are_taken_and_shown_as_far_as_they_go(history: History, tmp_path: Path) -> None:
    talk(history, result())
    odd = {"comments": [1, {"text": 5}, {"community": None}], "turn": {"prompt": "x"}, "distribution": []}
    with History(tmp_path / "b.db") as other:
        other.add(load(edited(exported(history), record=odd, answer="Said.")))
        (found,) = other.all()
    assert found.turns[0].record == odd and found.turns[0].turn is None
    assert [turn.answer for turn in found.to_go_on()] == ["Said."]
