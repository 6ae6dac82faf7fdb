"""Which rows the task values-relevance asks: those of a file, and values of other situations, drawn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.sample_file import read_samples
from pluralism_local.evaluation.tasks import TASKS
from pluralism_local.evaluation.tasks.values import with_others
from tests.support.rows import write

SITUATIONS = {
    "Biking to work": ["Health", "Duty of care"],
    "Telling a lie": ["Honesty", "Right to know"],
    "Eating meat": ["Health", "Right to life"],
}

named = st.dictionaries(
    st.text("abcd", min_size=1, max_size=3),
    st.lists(st.text("PQRS", min_size=1, max_size=2), min_size=1, max_size=4),
    min_size=1,
    max_size=6,
)


@given(named)
def test_each_value_of_a_situation_is_followed_by_one_of_another(found: dict[str, list[str]]) -> None:
    own = list(found.items())
    try:
        pairs = with_others(own, "rows.json")
    except InvalidInput as error:  # a situation that has every value, or is given every other one
        assert "no value of another situation" in error.message
        return
    assert [pair["relevant"] for pair in pairs] == [True, False] * (len(pairs) // 2)
    assert len({(pair["situation"], pair["vrd"]) for pair in pairs}) == len(pairs)
    for pair in pairs:
        lower = {value.casefold() for value in found[pair["situation"]]}
        assert (pair["vrd"].casefold() in lower) is pair["relevant"]
        assert pair["relevant"] or any(pair["vrd"] in values for values in found.values())
    assert pairs == with_others(own, "rows.json")
    assert Counter(pair["situation"] for pair in pairs) == {
        situation: 2 * len(set(values)) for situation, values in found.items()
    }


def test_both_forms_of_the_released_files_are_read(tmp_path: Path) -> None:
    task = TASKS["values-relevance"]
    lists = [{"situation": one, "vrd": values, "id": i} for i, (one, values) in enumerate(SITUATIONS.items())]
    single = [{"situation": one, "vrd": value} for one, values in SITUATIONS.items() for value in values]
    of_lists = read_samples(task, write(tmp_path / "a.json", lists))
    of_single = read_samples(task, write(tmp_path / "b.json", single))
    assert [sample.id for sample in of_lists] == [sample.id for sample in of_single]
    assert {sample.cluster for sample in of_lists} == SITUATIONS.keys()
    given_rows = [dict(sample.data) for sample in of_lists]
    assert read_samples(task, write(tmp_path / "c.json", given_rows)) == of_lists  # nothing is drawn again
    alone = write(tmp_path / "d.json", lists[:1])
    with pytest.raises(InvalidInput, match=r"d\.json: there is no value of another situation"):
        read_samples(task, alone)
    with pytest.raises(InvalidInput, match=r"row 1: 'vrd' must be a text"):
        read_samples(task, write(tmp_path / "e.json", [*single[:1], {"situation": "x", "vrd": 3}]))
