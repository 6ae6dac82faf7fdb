"""The library: several folders, broken cards beside good ones, names that are nearly right."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from pluralism_local import communities
from pluralism_local.communities import Library, default_paths, library, shipped_path
from pluralism_local.errors import InvalidInput, NotFound
from tests.support.cards import plocal, write_card


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    here = tmp_path / "first"
    for id in ("left", "right"):
        write_card(here, id, {"plocal": plocal(id)})
    write_card(here, "broken", {"plocal": plocal("broken", persona="{x}")})
    (here / "notes").mkdir()
    (here / "README.md").write_text("About these cards.\n")
    write_pool(here, "both", "left", "right")
    write_pool(here, "spoilt", "left", "broken")
    return here


def write_pool(folder: Path, id: str, *ids: str) -> Path:
    path = folder / "pools" / f"{id}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump([{"card": card} for card in ids]))
    return path


def test_good_ones_are_listed_beside_problems(folder: Path) -> None:
    shelf = Library([folder])
    assert [community.id for community in shelf.communities()] == ["left", "right"]
    assert [pool.id for pool in shelf.pools()] == ["both"]
    assert [problem.path for problem in shelf.problems()] == [
        folder / "broken" / "README.md",
        folder / "pools" / "spoilt.yaml",
    ]


def test_a_broken_one_raises_when_asked_for_by_name(folder: Path) -> None:
    with pytest.raises(InvalidInput, match=r"\{x\}"):
        Library([folder]).community("broken")
    with pytest.raises(InvalidInput, match=r"spoilt\.yaml"):
        Library([folder]).pool("spoilt")


def test_a_card_is_read_only_when_it_is_needed(folder: Path) -> None:
    shelf = Library([folder])
    shutil.rmtree(folder / "right")
    assert shelf.community("left").id == "left"


def test_unknown_names_suggest_the_nearest(folder: Path) -> None:
    with pytest.raises(NotFound) as caught:
        Library([folder]).community("rihgt")
    assert caught.value.hint == "Did you mean 'right'?"
    with pytest.raises(NotFound) as caught:
        Library([folder]).pool("bot")
    assert caught.value.hint == "Did you mean 'both'?"


def test_a_pool_file_is_as_good_as_a_name(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere.yaml"
    path.write_text("- {card: left}\n")
    shelf = Library([folder])
    assert shelf.pool(path).id == shelf.pool(str(path)).id == "elsewhere"
    with pytest.raises(NotFound):
        shelf.pool("./missing.yaml")


def test_later_folders_override_and_say_so(folder: Path, tmp_path: Path) -> None:
    second = tmp_path / "second"
    write_card(second, "left", {"plocal": plocal("left", name="Mine")})
    write_pool(second, "both", "right", "left")
    shelf = Library([folder, second])
    assert shelf.community("left").name == "Mine"
    assert [member.community.name for member in shelf.pool("both").members] == ["A name", "Mine"]
    assert [str(override) for override in shelf.overridden()] == [
        f"'left' is taken from {second / 'left'}; the one in {folder / 'left'} is hidden.",
        f"'both' is taken from {second / 'pools' / 'both.yaml'}; "
        f"the one in {folder / 'pools' / 'both.yaml'} is hidden.",
    ]
    assert Library([folder]).overridden() == []


def test_a_configured_folder_that_is_missing_is_reported(folder: Path, tmp_path: Path) -> None:
    shelf = Library([folder, tmp_path / "typo"])
    assert tmp_path / "typo" in [problem.path for problem in shelf.problems()]
    with pytest.raises(NotFound) as caught:
        shelf.community("lefty")
    assert "typo does not exist" in caught.value.hint


def test_default_paths_are_shipped_then_own_then_configured(tmp_path: Path) -> None:
    shipped = shipped_path()
    assert shipped is not None
    assert default_paths(tmp_path) == [shipped]
    (tmp_path / "communities").mkdir()
    extra = tmp_path / "extra"
    assert default_paths(tmp_path, [extra]) == [shipped, tmp_path / "communities", extra]


def test_shipped_cards_are_found_inside_a_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # a wheel holds them inside the package; there is no folder beside it
    package = tmp_path / "site-packages" / "pluralism_local"
    (package / "adapters" / "pools").mkdir(parents=True)
    monkeypatch.setattr(library, "__file__", str(package / "communities" / "library.py"))
    assert communities.shipped_path() == package / "adapters"
    shutil.rmtree(package / "adapters")
    assert communities.shipped_path() is None
