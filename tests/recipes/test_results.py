"""The published figures: whole, of the adapters that ship, and the targets they meet or are said to miss."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.communities import Library, shipped_path

RESULTS = Path(__file__).parents[2] / "recipes" / "results"


@pytest.fixture(scope="module")
def record() -> Any:
    return json.loads((RESULTS / "adapter-perplexity.json").read_text())


def test_the_matrix_is_whole_and_of_the_shipped_adapters(record: Any) -> None:
    path = shipped_path()
    assert path is not None
    communities = Library([path]).communities()
    cards = {one.id: one.card for one in communities if one.card.adapter is not None}
    assert sorted(record["texts"]) == sorted(cards)
    assert list(record["models"]) == ["base", *record["texts"]]
    for text in record["texts"]:
        row = record["perplexity"][text]
        assert list(row) == list(record["models"]) and all(value > 1 for value in row.values())
        assert record["tokens"][text] >= 1000
    for id, card in cards.items():
        assert card.adapter is not None
        assert record["adapters"][id]["sha256"] == card.adapter.sha256
        (figure,) = [row for row in card.evaluation if row.metric == "perplexity"]
        assert figure.value == pytest.approx(record["perplexity"][id][id], abs=0.006)
        assert figure.base == pytest.approx(record["perplexity"][id]["base"], abs=0.006)


def test_every_adapter_lowers_the_perplexity_of_its_own_text(record: Any) -> None:
    for text in record["texts"]:
        assert record["perplexity"][text][text] <= 0.9 * record["perplexity"][text]["base"]


def test_the_heat_map_is_there() -> None:
    assert (RESULTS / "adapter-perplexity.png").read_bytes()[:4] == b"\x89PNG"
