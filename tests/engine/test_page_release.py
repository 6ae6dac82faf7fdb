"""Weights that are not at work are given back, and the models go on as before."""

from __future__ import annotations

import mmap
import sys
from pathlib import Path

import pytest

from pluralism_local.engine.handles import Model
from pluralism_local.engine.library import install_log
from pluralism_local.engine.page_release import give_back, mappings

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the call is Linux's")


def resident_bytes(path: Path) -> int:
    """Resident bytes of all mappings of the file, by the system's own account."""
    wanted, found, inside = str(path.resolve()), 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(maxsplit=1)[0]:
            inside = line.endswith(wanted)
        elif inside and line.startswith("Rss:"):
            found += int(line.split()[1]) * 1024
    return found


@linux
def test_pages_are_given_back_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "weights with a space"
    path.write_bytes(bytes(range(256)) * 4096)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        before = mapped[:]
        assert resident_bytes(path) == len(before) == 2**20
        assert [size for _, size in mappings(path)] == [2**20]
        assert give_back(path) == 2**20
        assert resident_bytes(path) == 0
        assert mapped[:] == before


@linux
def test_writable_pages_are_never_given_back(tmp_path: Path) -> None:
    path = tmp_path / "private"
    path.write_bytes(bytes(2**16))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        mapped[:5] = b"typed"
        assert give_back(path) == 0
        assert mapped[:5] == b"typed"


def test_other_systems_keep_their_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert give_back(tmp_path) == 0


@linux
def test_a_loaded_model_leaves_no_page_of_its_file_resident(starter_path: Path) -> None:
    """What was read to repack weights is not read again; where nothing is repacked, the first token maps it."""
    install_log()
    with Model(starter_path):
        assert [size for _, size in mappings(starter_path)] and resident_bytes(starter_path) == 0
