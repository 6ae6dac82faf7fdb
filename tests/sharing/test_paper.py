"""The paper's eleven: cards, pools, base; on an imitation of the Hub with LoRAs of a small base's shapes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.communities import Library, load_community
from pluralism_local.communities.library import own_folder
from pluralism_local.config import Settings
from pluralism_local.errors import NotFound
from pluralism_local.hub.download import Transfer
from pluralism_local.lora import BaseShape
from pluralism_local.sharing import paper
from tests.support.fake_hub import COMMIT, FakeHub, Repo
from tests.support.peft_folders import BASE

BASE_NAME = "mistralai/Mistral-7B-Instruct-v0.1"


def silent(_: Transfer) -> None:
    return


@pytest.fixture
def eleven(put_lora: Callable[..., Repo], monkeypatch: pytest.MonkeyPatch) -> None:
    """The eleven repositories, with LoRAs for a base of a few kilobytes."""
    data: dict[str, Any] = paper._data()
    small = {"model_type": "mistral", **BASE}
    monkeypatch.setitem(data["base"], "config", small)
    for published in paper.communities():
        put_lora(published.repository, base=BASE_NAME).licence = None


def test_the_list_is_the_papers() -> None:
    every = paper.communities()
    assert [one.repository for one in every] == [
        *(f"bunsenfeng/mistral-{kind}_{side}" for kind in ("news", "reddit") for side in "lcr"),
        *(
            f"bunsenfeng/mistral-{place}_culture"
            for place in ("africa", "asia", "europe", "northamerica", "southamerica")
        ),
    ]
    shape = BaseShape.of_config(paper._data()["base"]["config"])
    assert (shape.layers, shape.hidden, shape.inner, shape.heads, shape.key_heads, shape.head) == (
        32,
        4096,
        14336,
        32,
        8,
        128,
    )


@pytest.mark.usefixtures("eleven")
def test_all_are_taken_with_cards_and_pools(tmp_path: Path, fake_hub: FakeHub) -> None:
    settings = Settings()
    plan = paper.plan(tmp_path, settings)
    assert len(plan.pending) == 11 and plan.here == ()
    assert plan.missing == sum(
        len(data)
        for name, repo in fake_hub.repos.items()
        if name.startswith("bunsenfeng/")
        for data in repo.files.values()
    )
    taken = list(paper.take(plan, tmp_path, settings, silent))
    assert paper.write_pools(tmp_path) == ["paper-perspectives", "paper-cultures", "paper-mixed"]
    shelf = Library([own_folder(tmp_path)])
    assert shelf.problems() == []
    assert [
        len(shelf.pool(name).members) for name in ("paper-perspectives", "paper-cultures", "paper-mixed")
    ] == [6, 5, 11]
    assert {member.weight for member in shelf.pool("paper-mixed").members} == {1 / 11}
    for community in taken:
        card = load_community(community.folder).card
        assert card.persona is None and card.adapter is not None and card.base is not None
        assert card.base.model == "Mistral-7B-Instruct-v0.1"
        assert card.hub.license is None
        assert card.source is not None and card.source.revision == COMMIT
        assert card.limits is not None and len(card.limits.not_for) == 3
        text = (community.folder / "README.md").read_text()
        assert "Mistral-7B-Instruct-v0.2" in text and "[INST]" in text and "none stated" in text
    again = paper.plan(tmp_path, settings)
    assert again.pending == () and len(again.here) == 11 and again.missing == 0
    fake_hub.repos["bunsenfeng/mistral-news_l"].commit = "b" * 40
    assert [published.id for published, _ in paper.plan(tmp_path, settings).pending] == ["paper-news-left"]


@pytest.mark.usefixtures("eleven")
def test_one_that_fails_leaves_the_earlier_ones_whole(tmp_path: Path, fake_hub: FakeHub) -> None:
    settings = Settings()
    del fake_hub.repos["bunsenfeng/mistral-news_r"].files["adapter_model.safetensors"]
    taken = []
    with pytest.raises(NotFound, match="mistral-news_r holds no"):
        for community in paper.take(paper.plan(tmp_path, settings), tmp_path, settings, silent):
            taken.append(community.id)
    assert taken == ["paper-news-left", "paper-news-center"]
    assert paper.plan(tmp_path, settings).here == ("paper-news-left", "paper-news-center")


@pytest.mark.usefixtures("eleven")
def test_the_adapters_own_configuration_decides_about_the_base(
    tmp_path: Path, put_lora: Callable[..., Repo]
) -> None:
    put_lora("bunsenfeng/mistral-news_l", base="mistralai/Mistral-7B-Instruct-v0.2")
    settings = Settings()
    first = next(paper.take(paper.plan(tmp_path, settings), tmp_path, settings, silent))
    assert load_community(first.folder).card.base.model == "Mistral-7B-Instruct-v0.2"  # type: ignore[union-attr]


def test_offline_asks_nobody(tmp_path: Path, fake_hub: FakeHub) -> None:
    with pytest.raises(NotFound, match="the paper's communities"):
        paper.plan(tmp_path, Settings(offline=True))
    assert fake_hub.seen == []


def test_a_base_that_is_here_is_not_fetched(base_model: Path) -> None:
    assert paper.base_here(Settings()) is None
    settings = Settings(aliases={"mistral-7b-instruct-v0.1": str(base_model)})
    assert paper.base_here(settings) == "mistral-7b-instruct-v0.1"
