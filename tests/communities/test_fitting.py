"""What is said where personas stand in for adapters: who speaks so, and what was made for such a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.communities import Library, ad_hoc_pool, fit_to_base, fitting, shipped_path
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.modes import Ask
from pluralism_local.modes.comments import find_voices
from pluralism_local.modes.result_builder import ResultBuilder
from tests.support.mode_asks import NO_ADAPTERS

OTHER = "sha256:" + "00" * 32
HINT = "The pool outlooks has personas made for such models."


@pytest.fixture
def shelf() -> Library:
    shipped = shipped_path()
    assert shipped is not None
    return Library([shipped])


@pytest.mark.parametrize(
    ("pool", "hinted"), [("perspectives", True), ("cultures", True), ("mixed", True), ("outlooks", False)]
)
def test_the_pool_of_personas_is_named_where_shipped_adapters_are_idle(
    shelf: Library, pool: str, hinted: bool
) -> None:
    chosen = shelf.pool(pool)
    _, warnings = fit_to_base(chosen, OTHER)
    assert [warning.endswith(HINT) for warning in warnings] == [True] * hinted
    own = chosen.members[0].community.card.base
    if own is not None:
        assert fit_to_base(chosen, own.fingerprint or "")[1] == []


def test_it_is_not_named_where_it_is_not_here(
    shelf: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = shelf.pool("perspectives")
    for place in (None, tmp_path):
        monkeypatch.setattr(fitting, "shipped_path", lambda place=place: place)
        (warning,) = fit_to_base(chosen, OTHER)[1]
        assert warning.endswith("press-right.") and HINT not in warning


def test_a_model_that_takes_no_adapters_is_such_a_model(shelf: Library) -> None:
    engine = ScriptedEngine(capabilities=NO_ADAPTERS)
    pool = ad_hoc_pool([(shelf.community("press-left"), None), (shelf.community("outlook-nature"), None)])
    draft = ResultBuilder(Ask("Why?", "overton", pool), engine, engine)
    find_voices(draft, pool.members, engine)
    assert draft.warnings == [
        f"scripted: takes no adapters; through their persona alone speak: press-left. {HINT}"
    ]
