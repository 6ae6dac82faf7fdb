"""What is kept of how a turn was asked, and what is taken over from it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.communities import Card, Community, Pool, ad_hoc_pool
from pluralism_local.config import Settings
from pluralism_local.history import Before, Conversation, History, StoredTurn, asked_with, before, weighed
from pluralism_local.modes import Ask


def community(id: str) -> Community:
    block = {"schema": 1, "id": id, "name": id, "description": "x", "persona": "x"}
    return Community(Card.model_validate(block))


THREE = ad_hoc_pool([(community(id), None) for id in ("aa", "bb", "cc")])


def kept(history: History, mode: str, asked: dict[str, Any]) -> Conversation:
    """A conversation of one turn that was kept so."""
    id = history.begin("x")
    history.ask(id, mode, "x", asked)  # type: ignore[arg-type]
    return history.get(id)


def after(history: History, pool: Pool | None, called: str = "village") -> Before:
    """What is taken over from an ask of this pool."""
    return before(kept(history, "overton", asked_with(Ask("x", "overton", pool), Settings(pool=called))))


def test_a_pool_of_single_communities_is_kept_as_these(history: History) -> None:
    found = after(history, THREE)
    assert (found.pool, found.communities, found.weights) == (None, ("aa", "bb", "cc"), ())


def test_scales_and_weights_come_back_as_they_were(history: History) -> None:
    scales = (0.1 + 0.2, None, -1e-7)
    members = [replace(one, scale=scale) for one, scale in zip(THREE.members, scales, strict=True)]
    shares = (1 / 6, 1 / 3, 0.5)
    found = after(history, weighed(replace(THREE, members=tuple(members)), shares))
    assert found.communities == ("aa:0.30000000000000004", "bb", "cc:-1e-07")
    assert [float(spec.partition(":")[2] or "nan") for spec in found.communities][::2] == [0.1 + 0.2, -1e-7]
    assert found.weights == shares


def test_a_pool_of_a_file_is_kept_by_its_id_or_by_its_file_as_it_was_called(
    history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    pool = replace(THREE, id="two", path=Path("two.yaml"))
    assert after(history, replace(pool, path=tmp_path / "two.yaml"), "two").pool == "two"
    for called in ("two.yaml", "./two.yaml", "~/two.yaml", str(tmp_path / "two.yaml")):
        assert after(history, pool, called).pool == str(tmp_path / "two.yaml")
    assert after(history, pool, "other.yaml").pool == "two"  # another was chosen since
    assert after(history, pool, "two.yaml").communities == ()


def test_an_attribute_holds_for_steerable_only(history: History) -> None:
    asked = asked_with(Ask("x", "steerable", attribute="rural", system="Be brief."), Settings())
    assert before(kept(history, "steerable", asked)) == Before(
        "steerable", attribute="rural", system="Be brief."
    )
    assert before(kept(history, "moe", asked)).attribute is None


def test_nothing_is_taken_over_from_nothing(history: History) -> None:
    assert before(None) == Before() == before(history.get(history.begin("x")))
    assert weighed(THREE, ()) is THREE


odd = st.none() | st.text(max_size=3) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.dictionaries(
        st.sampled_from(["pool", "communities", "weights", "attribute", "system"]),
        odd | st.lists(odd, max_size=3) | st.dictionaries(st.text(max_size=2), odd, max_size=2),
    )
)
def test_what_other_hands_wrote_does_no_harm(asked: dict[str, Any]) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    turn = StoredTurn(1, "steerable", "x", "", "done", None, None, moment, asked_with=asked)
    found = before(Conversation("x", "x", moment, moment, (turn,)))
    assert found.pool is None or isinstance(found.pool, str)
    assert all(isinstance(spec, str) for spec in found.communities)
    assert len(found.weights) in (0, len(found.communities))
