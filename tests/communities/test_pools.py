"""Pools: members, weights that must sum to 1, and everything that is refused."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.communities import (
    Card,
    Community,
    Pool,
    ad_hoc_pool,
    fit_to_base,
    load_community,
    load_pool,
)
from pluralism_local.errors import InvalidInput, NotFound, Refused
from tests.support.cards import FINGERPRINT, MakeCard, plocal, write_card


def find(id: str) -> Community:
    if id == "absent":
        raise NotFound("There is no community 'absent'.", "Did you mean 'present'?")
    return Community(Card.model_validate(plocal(id)))


def load(tmp_path: Path, content: object, name: str = "mine.yaml") -> Pool:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
    return load_pool(path, find)


def members(*weights: object) -> list[dict[str, Any]]:
    return [
        {"card": f"c{number}"} | ({} if weight is None else {"weight": weight})
        for number, weight in enumerate(weights)
    ]


def test_a_list_and_a_mapping_are_pools(tmp_path: Path) -> None:
    plain = load(tmp_path, members("1/4", 0.75))
    assert (plain.id, plain.name, plain.description) == ("mine", "mine", "")
    assert [(m.community.id, m.weight, m.scale) for m in plain.members] == [
        ("c0", 0.25, None),
        ("c1", 0.75, None),
    ]
    whole = load(tmp_path, {"id": "mine", "name": "Mine", "description": "d", "members": members(None, None)})
    assert (whole.id, whole.name, whole.description) == ("mine", "Mine", "d")
    assert whole.path == tmp_path / "mine.yaml"


def test_without_weights_a_pool_is_uniform(tmp_path: Path) -> None:
    weights = [member.weight for member in load(tmp_path, members(*[None] * 6)).members]
    assert weights == [1 / 6] * 6


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((0.5, 0.4), "sum to 0.9, not to 1"),
        ((1, 1), "sum to 2, not to 1"),
        ((0, 0), "sum to 0, not to 1"),
        (("1/3", "1/3"), "sum to 0.666666667, not to 1"),
        ((0.5, None), "gives 1 of 2 weights"),
        ((1.5, -0.5), "members.1.weight"),
        ((float("nan"), 1), "members.0.weight"),
        ((float("inf"), 1), "members.0.weight"),
        (("1/0", 1), "members.0.weight"),
        (("half", 0.5), "members.0.weight"),
        (("1/2/1", 0.5), "members.0.weight"),
        (("-1/2", 0.5), "members.0.weight"),
        ((True, 0), "members.0.weight"),
    ],
)
def test_weights_that_are_none_are_refused(tmp_path: Path, weights: tuple[object, ...], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, members(*weights))
    assert message in caught.value.message and "mine.yaml" in caught.value.message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "mine.yaml: the document"),
        ("[]", "'members'"),
        ("just words", "mine.yaml: the document"),
        ({"members": members(None), "weights": [1]}, "unknown key 'weights'"),
        ([{"card": "c0", "wieght": 1}], "unknown key 'members.0.wieght'"),
        ([{"weight": 1}], "'members.0.card' is missing"),
        ([{"card": "../c0"}], "'members.0.card'"),
        ([{"card": "c0"}, {"card": "c0"}], "'c0' is named twice"),
        ({"id": "other", "members": members(None)}, "the id is 'other' but the file is 'mine.yaml'"),
        ([{"card": "c0", "scale": 0.5}], "has no adapter"),
        ([{"card": "c0", "scale": float("inf")}], "'members.0.scale'"),
        ("- &a {card: c0}\n- *a", "line 1: anchors"),
    ],
)
def test_files_that_are_no_pools_are_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, content)
    assert message in caught.value.message


def test_a_misspelt_key_suggests_the_right_one(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(tmp_path, [{"card": "c0", "wieght": 1}])
    assert caught.value.hint == "Did you mean 'weight'?"


def test_a_missing_card_names_the_pool_and_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        load(tmp_path, [{"card": "absent"}])
    assert caught.value.message.startswith(str(tmp_path / "mine.yaml"))
    assert caught.value.hint == "Did you mean 'present'?"


def test_a_missing_pool_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        load_pool(tmp_path / "none.yaml", find)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=12))
def test_exact_shares_are_accepted_and_sum_to_one(
    tmp_path_factory: pytest.TempPathFactory, parts: list[int]
) -> None:
    total = sum(parts)
    pool = load(tmp_path_factory.mktemp("pool"), members(*[f"{part}/{total}" for part in parts]))
    weights = [member.weight for member in pool.members]
    assert math.isclose(math.fsum(weights), 1, abs_tol=1e-12)
    assert weights == pytest.approx([float(Fraction(part, total)) for part in parts], rel=1e-9)


@given(st.lists(st.floats(0, 10, allow_nan=False), min_size=1, max_size=8))
def test_weights_are_never_normalised_silently(
    tmp_path_factory: pytest.TempPathFactory, given_weights: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("pool")
    if abs(math.fsum(given_weights) - 1) > 1e-6:
        with pytest.raises(InvalidInput, match="not to 1"):
            load(folder, members(*given_weights))
    else:
        found = [member.weight for member in load(folder, members(*given_weights)).members]
        assert found == pytest.approx(given_weights, abs=2e-6)


def test_an_ad_hoc_pool_is_uniform_and_keeps_scales(make_adapted: MakeCard) -> None:
    adapted = load_community(make_adapted())
    pool = ad_hoc_pool([(find("c0"), None), (adapted, 0.5)])
    assert (pool.id, pool.name, pool.path) == ("ad-hoc", "c0, with-lora", None)
    assert [(m.weight, m.scale) for m in pool.members] == [(0.5, None), (0.5, 0.5)]
    assert pool.members[0].adapter is None
    ref = pool.members[1].adapter
    assert ref is not None and ref.scale == 0.5


def test_an_ad_hoc_pool_refuses_nothing_twice_and_idle_scales() -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        ad_hoc_pool([])
    with pytest.raises(InvalidInput, match="named twice"):
        ad_hoc_pool([(find("c0"), None), (find("c0"), None)])
    with pytest.raises(InvalidInput, match="has no adapter"):
        ad_hoc_pool([(find("c0"), 0.5)])


def test_a_patched_pool_has_a_name_of_its_own(tmp_path: Path) -> None:
    content = {"id": "mine+c0", "members": members(None)}
    assert load(tmp_path, content, "mine+c0.yaml").id == "mine+c0"
    for bad in ("mine+", "+mine", "mine++c0", "Mine"):
        with pytest.raises(InvalidInput):
            load(tmp_path, content | {"id": bad}, "mine+c0.yaml")


OTHER = "sha256:" + "00" * 32


def test_personas_stand_in_on_another_base(make_adapted: MakeCard, tmp_path: Path) -> None:
    both = load_community(make_adapted("both"))
    words = load_community(write_card(tmp_path, "words", {"plocal": plocal("words")}))
    pool = ad_hoc_pool([(both, None), (words, None)])
    assert fit_to_base(pool, FINGERPRINT) == (pool, [])
    fitted, (warning,) = fit_to_base(pool, OTHER)
    assert [member.adapter for member in fitted.members] == [None, None]
    assert [member.community.persona for member in fitted.members] == [both.persona, words.persona]
    assert [member.weight for member in fitted.members] == [member.weight for member in pool.members]
    assert warning.endswith("through their persona alone speak: both.")
    forced, (warning,) = fit_to_base(pool, OTHER, force=True)
    assert forced.members[0].adapter == pool.members[0].adapter and "forced" in warning


def test_an_adapter_that_was_asked_for_has_no_stand_in(make_adapted: MakeCard, tmp_path: Path) -> None:
    both = load_community(make_adapted("both"))
    with pytest.raises(Refused, match="was made for a base"):  # its scale was given
        fit_to_base(ad_hoc_pool([(both, 0.5)]), OTHER)
    card = both.card.model_copy(update={"persona": None})
    with pytest.raises(Refused, match="was made for a base"):
        fit_to_base(ad_hoc_pool([(Community(card, both.folder), None)]), OTHER)
