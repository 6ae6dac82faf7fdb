"""From a folder of texts to originals: what cannot be read is named, all of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from communitylm.corpus.passages import Passage
from communitylm.corpus.preparing import Prepared, keep_sides, read_all, read_originals
from pluralism_local.errors import InvalidInput


def texts(folder: Path, broken: int) -> Path:
    (folder / "good.txt").write_text("A text.", encoding="utf-8")
    for number in range(broken):
        (folder / f"broken-{number:02}.txt").write_bytes(b"caf\xe9")
    return folder


def test_every_file_that_cannot_be_read_is_named_in_one_run(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_originals(texts(tmp_path, 3))
    assert caught.value.message.startswith("3 of 4 files cannot be read:")
    for number in range(3):
        assert f"broken-{number:02}.txt is not UTF-8 text" in caught.value.message
    assert "UTF-8" in caught.value.hint


def test_what_is_at_fault_in_any_corpus_is_named_in_one_run(tmp_path: Path) -> None:
    for name in ("own", "others"):
        (tmp_path / name).mkdir()
        texts(tmp_path / name, 2)
    with pytest.raises(InvalidInput) as caught:
        read_all([tmp_path / "own", tmp_path / "others", tmp_path / "none"])
    assert caught.value.message.count("is not UTF-8 text") == 4
    assert "There is no folder or file" in caught.value.message
    assert [len(passages) for passages in read_all([tmp_path / "own" / "good.txt"] * 2)] == [1, 1]


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n"


@pytest.mark.parametrize("name", ["a.txt", "corpus.jsonl", "corpus.jsonl.gz"])
def test_a_note_of_git_lfs_is_no_text(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(POINTER)
    for path in {tmp_path / name, tmp_path if name == "a.txt" else tmp_path / name}:
        with pytest.raises(InvalidInput, match="is not the text itself") as caught:
            read_originals(path)
        assert "git lfs pull" in caught.value.hint


def test_one_file_is_named_alone_and_many_are_counted(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"broken-00\.txt is not UTF-8 text") as caught:
        read_originals(texts(tmp_path, 1))
    assert "cannot be read:" not in caught.value.message
    with pytest.raises(InvalidInput) as caught:
        read_originals(texts(tmp_path, 23))
    assert caught.value.message.count("broken-") == 20
    assert caught.value.message.endswith("and 3 more")


def test_only_training_passages_that_take_no_side_are_left_out_and_counted() -> None:
    argues = [
        Passage(f"We must not fail our children, because {n} schools are at risk.", speaker=f"s{n}")
        for n in range(3)
    ]
    reports = [Passage(f"The meeting of item {n} was held on Monday.", speaker=f"t{n}") for n in range(4)]
    kept_apart = Passage("Nothing happened.", speaker="u", held_out=True)
    chosen = keep_sides(Prepared([*reports, kept_apart, *argues], 8, 8, {"too short": 2}), 3)
    assert chosen.passages == [kept_apart, *argues]
    assert chosen.dropped == {"too short": 2, "takes no side": 4}
