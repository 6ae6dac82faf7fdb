"""File names for exports, and files that are not overwritten."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pluralism_local.conversation.export import default_name, export, target
from pluralism_local.errors import InvalidInput
from pluralism_local.history import Conversation

MOMENT = datetime(2026, 1, 31, tzinfo=UTC)
EMPTY = Conversation("0" * 16, "Nothing", MOMENT, MOMENT, ())


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Who owns the sea?", "who-owns-the-sea.md"),
        ("../../etc/passwd", "etc-passwd.md"),
        ("魚は誰のもの？", "魚は誰のもの.md"),
        ("?!", "abc.md"),
        ("a" * 90, "a" * 40 + ".md"),
    ],
)
def test_a_title_becomes_a_name_in_the_working_folder(title: str, name: str) -> None:
    assert default_name("abc", title) == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("out.txt", "ending"),
        ("out", "ending"),
        (".md", "ending"),
        ("", "ending"),
        ("nowhere/out.md", "no folder"),
        ("folder.md", "is a folder"),
    ],
)
def test_what_is_no_file_to_write_is_refused(text: str, message: str) -> None:
    Path("folder.md").mkdir()
    with pytest.raises(InvalidInput) as caught:
        target(text)
    assert message in caught.value.message


def test_an_existing_file_stays_unless_it_is_to_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out.md"
    path.write_text("mine")
    with pytest.raises(InvalidInput, match="exists"):
        export(EMPTY, path, replace=False)
    assert path.read_text() == "mine"
    export(EMPTY, path, replace=True)
    assert path.read_text().startswith("# Nothing")
    with pytest.raises(InvalidInput, match="cannot be written"):
        export(EMPTY, tmp_path / "gone" / "out.md", replace=False)


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe.md"
    os.mkfifo(path)
    for replace in (True, False):
        with pytest.raises(InvalidInput):
            export(EMPTY, path, replace=replace)
        assert path.is_fifo()
