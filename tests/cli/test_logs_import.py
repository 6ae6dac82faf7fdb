"""Histories of other hands: `plocal logs import`, and every command that reads what came in."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.history import interchange
from tests.support.command_line import Run

QUESTION = "Should phones be banned?"
DEEP: Any = 1
for _ in range(150):
    DEEP = {"a": DEEP}


def exported(run: Run, *more: str) -> dict[str, Any]:
    """A conversation of one turn as its export; the history is empty again."""
    assert run("ask", "--mode", "dist", "--option", "Yes", "--option", "No", *more, QUESTION).code == 0
    whole: dict[str, Any] = run("logs", "export", "last", "--format", "json").json()
    assert run("logs", "delete", "--yes", "last").code == 0
    return whole


@pytest.mark.parametrize(
    "odd",
    [
        {"comments": [1]},
        {"comments": "x"},
        {"distribution": "x"},
        {"distribution": {"options": ["a"], "p": ["x"]}},
        {"distribution": {"options": ["a", "b"], "p": [0.5]}},
        {"selection": 7},
        {"selection": {"community": ["x"]}},
        {"turn": 7, "warnings": 7, "attribute": 7},
        {"prompts": DEEP},
    ],
)
def test_every_reader_copes_with_an_odd_record(run: Run, tmp_path: Path, odd: dict[str, Any]) -> None:
    whole = exported(run)
    whole["conversations"][0]["turns"][0]["record"].update(odd)
    file = tmp_path / "talks.json"
    file.write_text(json.dumps(whole))
    assert run("logs", "import", str(file)).code == 0
    shown = run("logs", "show", "last")
    assert shown.code == 0 and QUESTION in shown.out
    if "prompts" not in odd:
        assert f"cannot be read: {next(iter(sorted(odd)))}" in shown.out or "turn" in odd
    assert run("logs", "ls").code == 0 and run("logs", "search", "phones").code == 0
    assert run("logs", "show", "--json", "last").code == 0
    for shape in ("md", "html"):
        assert QUESTION in run("logs", "export", "--format", shape, "last").out
    again = run("logs", "export", "--format", "json", "last").json()
    assert again["conversations"][0]["turns"][0]["record"] == whole["conversations"][0]["turns"][0]["record"]
    assert run("ask", "-c", "--mode", "vanilla", "And now?").code == 0


def test_a_record_nested_without_end_is_refused_in_a_sentence(run: Run, tmp_path: Path) -> None:
    whole = exported(run)
    for depth in (300, 900, 100_000):
        text = json.dumps(whole).replace(
            '"prompts": [', '"deep": ' + "[" * depth + "]" * depth + ', "prompts": ['
        )
        file = tmp_path / "talks.json"
        file.write_text(text)
        ran = run("logs", "import", str(file))
        assert ran.code == 2 and "talks.json" in ran.err and "unexpected" not in ran.err


def test_a_byte_order_mark_is_no_part_of_the_text(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "talks.json"
    file.write_bytes(codecs.BOM_UTF8 + json.dumps(exported(run)).encode())
    assert run("logs", "import", str(file)).out == "1 new, 0 with more turns, 0 here already.\n"


def test_a_file_too_large_to_read_is_refused_before_it_is_read(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "talks.json"
    with file.open("wb") as sparse:
        sparse.truncate(interchange.MOST_BYTES + 1)
    loaded: list[bytes] = []
    monkeypatch.setattr(json, "loads", loaded.append)
    ran = run("logs", "import", str(file))
    assert ran.code == 2 and "larger than 256 MiB" in ran.err and "several files" in ran.err
    assert not loaded
