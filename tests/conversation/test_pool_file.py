"""Saving a pool under a name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.communities import Library, Member, Pool, load_community
from pluralism_local.communities.library import shipped_path
from pluralism_local.conversation.pool_file import clash, pools_folder, save
from pluralism_local.errors import InvalidInput, Refused
from tests.support.cards import MakeCard, plocal, write_card


@pytest.fixture
def library(village: Path) -> Library:
    return Library([village / "data" / "communities"])


@pytest.fixture
def pool(library: Library) -> Pool:
    return library.pool("village")


def test_a_saved_pool_is_found_again_by_its_id(pool: Pool, village: Path) -> None:
    saved = save("mine", pool)
    found = Library([village / "data" / "communities"]).pool("mine")
    assert found == saved
    assert found.members == pool.members  # equal weights stay exactly equal
    assert saved.path == pools_folder() / "mine.yaml"


@pytest.mark.parametrize(
    "weights", [(0.5, 0.3, 0.2), (1 / 7, 2 / 7, 4 / 7), (1, 0, 0), (0.1234567, 0.5, 0.3765433)]
)
def test_weights_are_kept_to_six_places_and_sum_to_one(pool: Pool, weights: tuple[float, ...]) -> None:
    members = tuple(
        replace(member, weight=weight) for member, weight in zip(pool.members, weights, strict=True)
    )
    saved = save("mine", replace(pool, members=members))
    assert [member.weight for member in saved.members] == pytest.approx(weights, abs=1e-6)
    assert sum(member.weight for member in saved.members) == pytest.approx(1, abs=1e-12)


def test_scales_are_kept(make_adapted: MakeCard) -> None:
    community = load_community(make_adapted("loud"))
    other = load_community(make_adapted("soft"))
    saved = save("mine", Pool("ad-hoc", "", (Member(community, 0.5, 1.3), Member(other, 0.5))))
    assert [member.scale for member in saved.members] == [1.3, None]


NO_IDS = ["", "a", "Mine", "../mine", "my pool", "ad-hoc", "x" * 65, "mine+", "aa" + "+bb" * 80]


@pytest.mark.parametrize("id", NO_IDS)
def test_what_is_no_id_is_refused(pool: Pool, library: Library, id: str) -> None:
    with pytest.raises(InvalidInput):
        save(id, pool)
    with pytest.raises(InvalidInput):
        clash(id, library)


def test_a_name_that_is_taken_is_asked_about(pool: Pool, library: Library) -> None:
    assert clash("mine", library) == ""
    assert "Replace it?" in clash("village", library)
    (pools_folder() / "old.yml").write_text("- {card: farmers}\n")
    assert "Replace it?" in clash("old", library)
    saved = save("old", pool)
    assert saved.path == pools_folder() / "old.yml"  # no second file of the same id
    assert len(saved.members) == 3


def test_a_shipped_pool_may_be_hidden_and_one_of_a_configured_folder_would_hide_ours(
    library: Library, tmp_path: Path
) -> None:
    shipped = shipped_path()
    assert shipped is not None
    write_card(tmp_path, "others", {"plocal": plocal("others")})
    (tmp_path / "pools").mkdir()
    (tmp_path / "pools" / "theirs.yaml").write_text("- {card: others}\n")
    wide = Library([shipped, *library.paths, tmp_path])
    assert "Hide it" in clash("perspectives", wide)
    with pytest.raises(Refused, match="would hide this one"):
        clash("theirs", wide)


def test_a_folder_that_cannot_be_written_is_said(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "home").write_text("a file, no folder")
    monkeypatch.setenv("PLOCAL_HOME", str(tmp_path / "home"))
    with pytest.raises(InvalidInput, match="cannot be written"):
        save("mine", pool)
