"""A pool while it is put together."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.communities import Community, Library, Member, Pool, load_community
from pluralism_local.conversation.pool_draft import PoolDraft
from pluralism_local.errors import InvalidInput
from tests.support.cards import MakeCard


@pytest.fixture
def three(village: Path) -> list[Community]:
    library = Library([village / "data" / "communities"])
    return [library.community(id) for id in ("farmers", "fishers", "millers")]


def pool(communities: list[Community], *weights: float) -> Pool:
    members = tuple(Member(one, weight) for one, weight in zip(communities, weights, strict=False))
    return Pool("named", "Named", members, path=Path("named.yaml"))


def shares(draft: PoolDraft) -> list[float]:
    return [round(draft.share(id), 12) for id in ("farmers", "fishers", "millers")]


def test_what_did_not_change_is_the_same_pool(three: list[Community]) -> None:
    given = pool(three, 1 / 3, 1 / 3, 1 / 3)
    draft = PoolDraft(given)
    assert draft.pool() is given
    draft.toggle(three[0])
    assert draft.pool() is not given
    draft.toggle(three[0])
    assert draft.pool() is given  # the order, too


def test_the_others_keep_their_proportions(three: list[Community]) -> None:
    draft = PoolDraft(pool(three, 0.5, 0.3, 0.2))
    draft.toggle(three[0])
    assert shares(draft) == [0, 0.6, 0.4]
    draft.toggle(three[0])
    draft.set_share("fishers", 0.65)
    assert shares(draft) == [0.25, 0.65, 0.1]  # 0.5 : 0.2
    made = draft.pool()
    assert (made.id, made.path) == ("ad-hoc", None)
    assert sum(member.weight for member in made.members) == pytest.approx(1, abs=1e-12)


def test_a_new_one_gets_the_mean_share(three: list[Community]) -> None:
    draft = PoolDraft(pool(three[:2], 0.75, 0.25))
    assert draft.toggle(three[2])
    assert shares(draft) == [0.5, pytest.approx(1 / 6), pytest.approx(1 / 3)]


def test_all_to_one_and_back_to_the_others(three: list[Community]) -> None:
    draft = PoolDraft(pool(three, 0.5, 0.3, 0.2))
    draft.set_share("farmers", 1)
    assert shares(draft) == [1, 0, 0]
    draft.set_share("farmers", 0.5)
    assert shares(draft) == [0.5, 0.25, 0.25]  # nothing is known of their proportions any more
    draft.set_share("farmers", 1)
    draft.toggle(three[0])
    assert shares(draft) == [0, 0.5, 0.5]


def test_what_has_no_meaning_is_refused(three: list[Community]) -> None:
    draft = PoolDraft(pool(three[:2], 0.5, 0.5))
    with pytest.raises(InvalidInput, match="not in the pool"):
        draft.set_share("millers", 0.5)
    with pytest.raises(InvalidInput, match="no adapter"):
        draft.change_scale(three[0], 0.1)
    with pytest.raises(InvalidInput, match="between 0 % and 100 %"):
        draft.set_share("farmers", 1.1)
    draft.toggle(three[1])
    with pytest.raises(InvalidInput, match="alone"):
        draft.set_share("farmers", 0.5)
    draft.toggle(three[0])
    with pytest.raises(InvalidInput, match="at least one"):
        draft.pool()


def test_the_scale_moves_in_tenths_and_the_cards_own_is_no_change(make_adapted: MakeCard) -> None:
    community = load_community(make_adapted("loud", adapter={"scale": 0.9}))
    given = pool([community], 1.0)
    draft = PoolDraft(given)
    assert draft.change_scale(community, 0.1) == 1.0
    made = draft.pool().members[0]
    assert made.scale == 1.0
    assert made.adapter is not None
    assert made.adapter.scale == 1.0
    assert draft.change_scale(community, -0.1) == 0.9
    assert draft.pool() is given
    for _ in range(9):
        draft.change_scale(community, -0.1)
    assert draft.scale(community) == 0  # not 1e-16
    with pytest.raises(InvalidInput, match="between -100 and 100"):
        draft.change_scale(community, 200)
    assert draft.scale(community) == 0
