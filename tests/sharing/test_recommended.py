"""The list of models: what of it fits a machine, and which is the best."""

from __future__ import annotations

import pytest

from pluralism_local.errors import NotFound
from pluralism_local.model_names import Hub, parse
from pluralism_local.sharing import recommended
from pluralism_local.sharing.recommended import Capacity

GB = 10**9


def test_the_list_is_sound() -> None:
    models = recommended.models()
    assert len(models) >= 3 and any(model.by_default for model in models)
    for model in models:
        place = parse(model.name).place
        assert isinstance(place, Hub) and place.repo and place.selector
        assert model.bytes < model.memory_bytes < 2 * model.bytes
        assert model.licence and model.good_for and model.communities and model.context >= 8192
    assert len({model.name for model in models}) == len(models)


@pytest.mark.parametrize(
    ("memory", "title"),
    [(3 * GB, "Qwen2.5 1.5B Instruct"), (6 * GB, "Qwen3 4B Instruct 2507"), (64 * GB, "Qwen2.5 7B Instruct")],
)
def test_the_best_is_the_largest_that_fits(memory: int, title: str) -> None:
    assert recommended.best(Capacity(memory, 100 * GB)).title == title


def test_room_on_the_disk_counts_too() -> None:
    assert recommended.best(Capacity(64 * GB, 2 * GB)).title == "Qwen2.5 1.5B Instruct"
    with pytest.raises(NotFound, match=r"1\.60 GB of memory and 1\.12 GB of disk; here are 64\.00"):
        recommended.best(Capacity(64 * GB, GB))
    assert recommended.advice(Capacity(GB, GB)) is None


def test_unknown_memory_takes_the_smallest() -> None:
    assert recommended.best(Capacity(None, 100 * GB)).title == "Qwen2.5 1.5B Instruct"


def test_what_fits_stands_first_and_special_ones_are_never_the_best() -> None:
    names = [model.title for model in recommended.ordered(Capacity(6 * GB, 100 * GB))]
    assert names[:2] == ["Qwen3 4B Instruct 2507", "Qwen2.5 1.5B Instruct"]
    assert set(names[2:]) == {"Qwen2.5 7B Instruct", "Mistral 7B Instruct v0.1"}
    on_a_large_one = recommended.ordered(Capacity(64 * GB, 100 * GB))
    assert on_a_large_one[0] == recommended.best(Capacity(64 * GB, 100 * GB))
    assert on_a_large_one[-1].title == "Mistral 7B Instruct v0.1"
    only_special = [model for model in recommended.models() if not model.by_default]
    assert only_special
    assert recommended.best(Capacity(8 * GB, 100 * GB)) not in only_special


def test_the_advice_says_which_and_how() -> None:
    advice = recommended.advice(Capacity(6 * GB, 100 * GB))
    assert advice is not None and "\n" not in advice
    assert "Qwen3 4B Instruct 2507 (2.50 GB)" in advice and "plocal models pull recommended" in advice
