"""Rows become samples; whatever is wrong is named by file, row and field."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.evaluation.sample_file import data_warnings, read_answers, read_samples
from pluralism_local.evaluation.tasks import TASKS, find_task
from tests.support import rows
from tests.support.rows import Row, write

PAPER = Path(__file__).parents[3] / "shared" / "data" / "eval" / "modular_pluralism"
needs_data = pytest.mark.skipif(not PAPER.is_dir(), reason="the paper's inputs are not here")

MAKERS: dict[str, Callable[[int], Row]] = {
    "overton-nli": rows.overton,
    "overton-judge": rows.overton,
    "overton-window": rows.window,
    "steerable-vk": rows.value,
    "steerable-opinionqa": rows.opinion,
    "distributional-moralchoice": rows.moral,
    "distributional-globalopinionqa": rows.global_opinion,
    "values-relevance": rows.stake,
    "values-valence": rows.value,
}


@pytest.mark.parametrize("name", TASKS)
def test_samples_have_ids_of_their_content(name: str, tmp_path: Path) -> None:
    found = [MAKERS[name](number) for number in range(4)]
    samples = read_samples(TASKS[name], write(tmp_path / "a.json", found))
    again = read_samples(TASKS[name], write(tmp_path / "b.json", found[::-1]))
    assert [sample.row for sample in samples] == [0, 1, 2, 3]
    assert [sample.id for sample in samples] == [sample.id for sample in again[::-1]]
    assert len({sample.id for sample in samples}) == 4
    assert samples[0].data == found[0]
    packed = tmp_path / "c.json.gz"
    packed.write_bytes(gzip.compress(json.dumps(found).encode()))
    assert read_samples(TASKS[name], packed) == samples


def test_every_task_is_found_by_a_unique_beginning() -> None:
    assert find_task("steerable-o").name == "steerable-opinionqa"
    with pytest.raises(InvalidInput, match="could be"):
        find_task("steerable")
    with pytest.raises(InvalidInput, match="There is no task 'stearable-vk'") as caught:
        find_task("stearable-vk")
    assert "steerable-vk" in caught.value.hint


def change(field: str, value: Any) -> Callable[[Row], None]:
    def apply(row: Row) -> None:
        row[field] = value

    return apply


def drop(field: str) -> Callable[[Row], None]:
    def apply(row: Row) -> None:
        del row[field]

    return apply


@pytest.mark.parametrize(
    ("task", "spoil", "said"),
    [
        ("distributional-globalopinionqa", drop("question"), "row 1 (id 1): 'question' is missing"),
        ("distributional-globalopinionqa", change("question", "  "), "'question' must be a text"),
        ("distributional-globalopinionqa", change("attribute", 3), "'attribute' must be a text"),
        ("distributional-globalopinionqa", change("options", []), "'options' must be a list of texts"),
        ("distributional-globalopinionqa", change("options", ["a", ""]), "'options' has no text at place 1"),
        (
            "distributional-globalopinionqa",
            change("options", ["x"] * 27),
            "'options' has 27 entries; at most 26",
        ),
        ("distributional-globalopinionqa", change("gold_distribution", [1.0]), "has 1 numbers for 3 options"),
        (
            "distributional-globalopinionqa",
            change("gold_distribution", [0.5, 0.5, float("nan")]),
            "has nan at place 2",
        ),
        (
            "distributional-globalopinionqa",
            change("gold_distribution", [1.2, -0.2, 0]),
            "has -0.2 at place 1",
        ),
        (
            "distributional-globalopinionqa",
            change("gold_distribution", [0.5, 0.5, 0.5]),
            "sums to 1.5 and not to 1",
        ),
        (
            "distributional-globalopinionqa",
            change("gold_distribution", ["1", 0, 0]),
            "has no number at place 0",
        ),
        (
            "distributional-moralchoice",
            change("attribute", "medium"),
            "is 'medium' and not low_ambiguity or high",
        ),
        ("steerable-opinionqa", change("attribute", "RELIGION_X"), "is 'RELIGION_X' and not CATEGORY_group"),
        ("steerable-opinionqa", change("attribute", "RELIG_"), "is 'RELIG_' and not CATEGORY_group"),
        ("steerable-vk", change("label", "D"), "'label' is 'D' and not one of A, B, C"),
        ("overton-nli", change("explanation", ["one"]), "'explanation' has 1 texts for 2 values"),
        ("overton-window", drop("viewpoints"), "'viewpoints' is missing"),
        ("overton-window", change("draws", {"n": 2}), "'draws' has no positions"),
        ("overton-window", change("viewpoints", "Yes."), "'viewpoints' must be a list of viewpoints"),
        ("overton-window", change("viewpoints", [7]), "neither a text nor an object at place 0"),
        ("overton-window", change("viewpoints", ["Yes.", {"weight": 1}]), "has no text at place 1"),
        ("overton-window", change("viewpoints", ["Yes.", " Yes. "]), "the same text at places 0 and 1"),
        (
            "overton-window",
            change("viewpoints", ["Yes.", {"text": "No.", "prevalence": 0.5}]),
            "has a weight at 1 of 2 places",
        ),
        (
            "overton-window",
            change("viewpoints", [{"text": "No.", "weight": -1}]),
            "no number of at least 0 as the weight at place 0",
        ),
        (
            "overton-window",
            change("viewpoints", [{"text": "No.", "weight": 1, "prevalence": 1}]),
            "has two weights at place 0",
        ),
        (
            "overton-window",
            change("viewpoints", [{"text": "No.", "reasonable": "yes"}]),
            "neither true nor false under 'reasonable' at place 0",
        ),
        (
            "overton-window",
            change("viewpoints", [{"text": "No.", "reasonable": False}]),
            "has no reasonable one, and so no window",
        ),
        (
            "overton-window",
            change("viewpoints", [{"text": "No.", "weight": 0}]),
            "has no weight on any reasonable one",
        ),
    ],
)
def test_a_bad_row_is_named(task: str, spoil: Callable[[Row], None], said: str, tmp_path: Path) -> None:
    found = [MAKERS[task](number) for number in range(3)]
    spoil(found[1])
    with pytest.raises(InvalidInput) as caught:
        read_samples(TASKS[task], write(tmp_path / "rows.json", found))
    assert caught.value.message.startswith("rows.json, row 1") and said in caught.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not JSON"),
        (b"[", "is not JSON"),
        (b"{}", "is not a list"),
        (b"[]", "has no rows"),
        (b"[1]", "row 0: is no object"),
        (b"\xff\xfe[]", "is not JSON"),
    ],
)
def test_a_file_that_is_none(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=said):
        read_samples(TASKS["steerable-vk"], path)
    with pytest.raises(NotFound):
        read_samples(TASKS["steerable-vk"], tmp_path / "gone.json")


FORMS: dict[str, Callable[[list[Row]], str]] = {
    "rows.json": json.dumps,
    "pretty.json": lambda found: json.dumps(found, indent=2),
    "rows.jsonl": lambda found: "".join(f"{json.dumps(row)}\n" for row in found),
    "lines.json": lambda found: "\n\n".join(json.dumps(row) for row in found),
    "crlf.json": lambda found: "\r\n".join(json.dumps(row) for row in found),
    "data.json": lambda found: json.dumps({"data": found}),
    "meta.json": lambda found: json.dumps({"version": 1, "tags": ["a"], "rows": found}, indent=1),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("pack", [False, True])
def test_common_forms_of_files_are_read(name: str, encoding: str, pack: bool, tmp_path: Path) -> None:
    task = TASKS["distributional-globalopinionqa"]
    found = [rows.global_opinion(number, "Côte d'Or") for number in range(3)]
    content = FORMS[name](found).encode(encoding)
    path = tmp_path / (f"{name}.gz" if pack else name)
    path.write_bytes(gzip.compress(content) if pack else content)
    assert [sample.data for sample in read_samples(task, path)] == found


def test_a_single_line_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(rows.overton(0)))
    assert [sample.data for sample in read_samples(TASKS["overton-nli"], path)] == [rows.overton(0)]


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        ("a.jsonl", '{"a": 1}\n{"a": 2\n', "a.jsonl, line 2: is not JSON", "JSON lines"),
        (
            "b.json",
            '{"train": [{}], "test": [{}]}',
            "is not a list",
            "under 'train', 'test': keep one of them",
        ),
        ("c.json", '{"question": {"0": "x"}}', "is not a list", '{"data": [...]}'),
        ("d.json", '{"data": []}', "is not a list", "JSON list of objects"),
        ("e.json", "7", "is not a list", "JSON list of objects"),
        ("f.json", '{"a": 1} x', "is not JSON", "JSON list of objects"),
    ],
)
def test_other_forms_are_named_with_the_fix(
    name: str, content: str, message: str, hint: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InvalidInput) as caught:
        read_samples(TASKS["steerable-vk"], path)
    assert message in caught.value.message and hint in caught.value.hint


@pytest.mark.parametrize(
    "shares",
    [[0.33, 0.33, 0.33], [0.67, 0.34, 0.0], [0.14] * 7, [0.335, 0.333, 0.3335], [0.04] * 24, [0.5, 0.51]],
)
def test_rounded_shares_are_scaled_with_a_remark(shares: list[float], tmp_path: Path) -> None:
    task = TASKS["distributional-globalopinionqa"]
    row = {
        **rows.global_opinion(0),
        "options": [f"o{n}" for n in range(len(shares))],
        "gold_distribution": shares,
    }
    samples = read_samples(task, write(tmp_path / "a.json", [row]))
    assert sum(samples[0].gold) == pytest.approx(1, abs=1e-12)
    (remark,) = data_warnings(task, samples)
    assert remark.startswith(f"'gold_distribution' of 1 row is rounded and sums to {sum(shares):.4g};")


@pytest.mark.parametrize(
    ("shares", "hint"),
    [
        ([0.3, 0.3, 0.3], "Divide each number by 0.9."),
        ([33, 33, 34], "Divide each number by 100."),
        ([2, 3, 5], "Divide each number by 10."),
        ([0.331, 0.331, 0.331], "Divide each number by 0.993."),
        ([0, 0, 0], "Leave the row out"),
    ],
)
def test_shares_that_are_none_are_refused_with_the_fix(
    shares: list[float], hint: str, tmp_path: Path
) -> None:
    row = {**rows.global_opinion(0), "gold_distribution": shares}
    with pytest.raises(InvalidInput, match="and not to 1") as caught:
        read_samples(TASKS["distributional-globalopinionqa"], write(tmp_path / "a.json", [row]))
    assert hint in caught.value.hint


def test_no_sample_comes_twice(tmp_path: Path) -> None:
    task = TASKS["steerable-vk"]
    with pytest.raises(InvalidInput, match=r"row 2: has the id 0 in common with row 0"):
        read_samples(
            task, write(tmp_path / "a.json", [rows.value(0), rows.value(1), {**rows.value(2), "id": 0}])
        )
    nameless = [{**rows.value(0), "id": None}, {**rows.value(0), "id": None}]
    with pytest.raises(InvalidInput, match="row 1: has its content in common with row 0"):
        read_samples(task, write(tmp_path / "b.json", nameless))


def test_unfamiliar_countries_are_remarked_on(tmp_path: Path) -> None:
    task = TASKS["distributional-globalopinionqa"]
    known = [rows.global_opinion(0, "Spain"), rows.global_opinion(1, "India (Non-national sample)")]
    assert data_warnings(task, read_samples(task, write(tmp_path / "a.json", known))) == []
    typo = read_samples(task, write(tmp_path / "b.json", [*known, rows.global_opinion(2, "Spian")]))
    assert data_warnings(task, typo) == ["The published surveys do not have: Spian."]


def test_answers_are_read_and_missing_ones_are_no_zero(tmp_path: Path) -> None:
    task = TASKS["distributional-moralchoice"]
    found = [{**rows.moral(0), "pred_distribution": [0.9, 0.1]}, rows.moral(1)]
    path = write(tmp_path / "a.json", found)
    with pytest.raises(InvalidInput, match="1 of 2 rows have no 'pred_distribution', the first is row 1"):
        read_answers(task, path)
    answered = read_answers(task, path, partial=True)
    assert answered.missing == 1 and answered.predictions[0].distribution == (0.9, 0.1)
    with pytest.raises(InvalidInput, match="2 of 2 rows"):
        read_answers(task, write(tmp_path / "b.json", [rows.moral(0), rows.moral(1)]), partial=True)
    with pytest.raises(InvalidInput, match=r"row 0 .*'pred_distribution' sums to 0\.5"):
        read_answers(task, write(tmp_path / "c.json", [{**rows.moral(0), "pred_distribution": [0.5, 0]}]))
    with pytest.raises(InvalidInput, match="'output' must be a text"):
        read_answers(TASKS["steerable-vk"], write(tmp_path / "d.json", [{**rows.value(0), "output": 3}]))


@needs_data
@pytest.mark.parametrize(
    ("task", "file", "count"),
    [
        ("overton-nli", "overton_test_valuekaleidoscope_small", 626),
        ("steerable-vk", "steerable_test_valuekaleidoscope_small", 4368),
        ("steerable-opinionqa", "steerable_test_opinionqa_small", 4475),
        ("distributional-moralchoice", "distributional_test_moralchoice", 1367),
        ("distributional-globalopinionqa", "distributional_test_globalopinionqa_small", 5752),
    ],
)
def test_the_papers_inputs_are_read_whole(task: str, file: str, count: int) -> None:
    samples = read_samples(TASKS[task], PAPER / f"{file}.json")
    assert len(samples) == count and data_warnings(TASKS[task], samples) == []
