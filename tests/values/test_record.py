"""Values as JSON, in a terminal, in Markdown and in HTML: nothing is lost, nothing breaks the frame."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.display.figures import cells
from pluralism_local.errors import InvalidInput
from pluralism_local.types import DistributionMethod, ModelInfo
from pluralism_local.values.page import page
from pluralism_local.values.record import from_record, to_record
from pluralism_local.values.stakes import (
    KINDS,
    OPPOSES_UNTIL,
    SUPPORTS_FROM,
    Stake,
    Valence,
    Values,
    WeighedStake,
)
from pluralism_local.values.tables import markdown, summary, text
from tests.support.any_results import CHANCES, COUNTS, MODELS, SECONDS, TEXTS, USAGES

MODEL = ModelInfo("m", "scripted")
STAKES = st.builds(Stake, st.sampled_from(KINDS), st.text(min_size=1, max_size=59))
METHODS = st.sampled_from([*get_args(DistributionMethod), "words"])
VALENCES = st.builds(Valence, CHANCES, CHANCES, CHANCES, METHODS)
WEIGHED = st.lists(
    st.builds(
        WeighedStake, STAKES, CHANCES, st.none() | VALENCES, TEXTS, st.lists(STAKES, max_size=2).map(tuple)
    ),
    max_size=4,
).map(tuple)
VALUES = st.builds(
    Values,
    TEXTS,
    WEIGHED,
    MODELS,
    irrelevant=WEIGHED,
    unweighed=st.lists(STAKES, max_size=3).map(tuple),
    beyond=COUNTS,
    draws=COUNTS,
    min_relevance=CHANCES,
    limit=COUNTS,
    seed=COUNTS,
    method=st.none() | METHODS,
    usage=st.dictionaries(TEXTS, USAGES, max_size=2),
    seconds=SECONDS,
    prompts=st.lists(TEXTS, max_size=2).map(tuple),
    warnings=st.lists(TEXTS, max_size=2).map(tuple),
    complete=st.booleans(),
)


@given(VALUES)
def test_what_is_written_as_json_is_read_back(values: Values) -> None:
    assert from_record(json.loads(json.dumps(to_record(values), allow_nan=False))) == values


@pytest.mark.parametrize("key", ["situation", "values", "model", "complete"])
def test_an_object_without_a_key_is_refused(key: str) -> None:
    record = to_record(Values("x", (), MODEL))
    del record[key]
    with pytest.raises(InvalidInput, match=r"plocal\.values/1"):
        from_record(record)


def test_another_object_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no object of the form"):
        from_record({"schema": "plocal.result/1"})


@given(VALUES, st.integers(48, 160))
def test_lines_keep_to_their_width(values: Values, width: int) -> None:
    for line in text(values, width):
        joined = "".join(span.text for span in line)
        assert cells(joined) <= width and "\n" not in joined


@given(VALUES)
def test_a_document_has_a_row_for_each_value(values: Values) -> None:
    rows = [line for line in markdown(values).splitlines() if line.startswith("| ")]
    assert len(rows) == (len(values.stakes) + 2 if values.stakes else 0)
    html = page(values)
    assert html.count("<tr>") == (len(values.stakes) + 1 if values.stakes else 0)
    assert html.count('class="key ') == (3 if values.stakes else 0)
    assert html.endswith("</html>\n")


def test_texts_of_a_model_stay_texts() -> None:
    stake = Stake("duty", "Duty to {protect} <b>|`x`")
    values = Values("<script>", (WeighedStake(stake, 0.9, None, "a | b <img>"),), MODEL)
    assert "<script>" not in page(values) and "<b>" not in page(values)
    assert "&lt;b&gt;" in page(values)
    assert r"Duty to \{protect\} \<b\>\|\`x\`" in markdown(values)


def test_a_document_names_a_models_file_without_its_folders() -> None:
    values = Values("x", (), ModelInfo("/home/somebody/models/small.gguf", "llama.cpp"))
    for document in (page(values), markdown(values)):
        assert "small.gguf" in document and "somebody" not in document


def test_forty_values_are_listed_and_what_is_left_out_is_named() -> None:
    stakes = tuple(WeighedStake(Stake("value", f"Value of number {place}"), 0.9) for place in range(40))
    values = Values("x", stakes, MODEL, irrelevant=stakes[:7], beyond=3, limit=40)
    assert len(list(text(values))) == 41
    assert list(summary(values)) == [
        "Not at stake, below 0.5: Value of number 0, Value of number 1, Value of number 2, Value of number 3, "
        "Value of number 4 and 2 more.",
        "3 more are at stake, beyond the 40 that were looked into.",
    ]


def test_the_leaning_is_the_most_probable_one() -> None:
    assert Valence(0.2, 0.5, 0.3, "exact").leaning == "oppose"
    assert Valence(0.5, 0.2, 0.3, "exact").leaning == "support"
    assert Valence(0.4, 0.2, 0.4, "exact").leaning == "either"
    assert Valence(0.4, 0.4, 0.2, "exact").leaning == "either"


@given(st.floats(-60, 60), st.floats(0, 5))
def test_who_leans_more_supports_more_and_opposes_less(lean: float, more: float) -> None:
    valence, other = Valence.of(lean, "exact"), Valence.of(lean + more, "exact")
    assert sum(valence.p) == pytest.approx(1) and min(valence.p) >= 0
    assert other.support >= valence.support and other.oppose <= valence.oppose


def test_leanings_change_where_they_are_as_likely_as_not() -> None:
    for lean, leaning in (
        (SUPPORTS_FROM + 0.01, "support"),
        ((SUPPORTS_FROM + OPPOSES_UNTIL) / 2, "either"),
        (OPPOSES_UNTIL - 0.01, "oppose"),
    ):
        assert Valence.of(lean, "exact").leaning == leaning
