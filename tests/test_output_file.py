"""Output into places that a user named: what is no regular file is never replaced by one."""

from __future__ import annotations

import os
import select
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pluralism_local.errors import InvalidInput
from pluralism_local.files import open_regular, write_atomic
from pluralism_local.output_file import write_output

TEXT = "Écrit.\n"


def device(path: Path, major: int, minor: int, kind: int = stat.S_IFCHR) -> Path:
    try:
        os.mknod(path, kind | 0o600, os.makedev(major, minor))
        path.open("rb").close()
    except PermissionError:
        pytest.skip("only the superuser makes devices, and not on every file system")
    except OSError:
        pass  # a disk that is not there
    return path


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    null = device(tmp_path / "nul", 1, 3)
    write_output(null, TEXT)
    assert stat.S_ISCHR(null.stat().st_mode)
    full = device(tmp_path / "full", 1, 7)
    with pytest.raises(InvalidInput, match="full cannot be written: No space left on device"):
        write_output(full, TEXT)
    link = tmp_path / "link.md"
    link.symlink_to(null)
    write_output(link, TEXT)
    assert link.is_symlink() and stat.S_ISCHR(link.stat().st_mode)
    with pytest.raises(InvalidInput, match="a device or a pipe"):
        write_atomic(null, TEXT)
    assert stat.S_ISCHR(null.stat().st_mode) and not leftovers(tmp_path)


def test_a_disk_is_refused(tmp_path: Path) -> None:
    disk = device(tmp_path / "sdz", 7, 250, stat.S_IFBLK)
    with pytest.raises(InvalidInput, match="is a disk"):
        write_output(disk, TEXT)
    assert stat.S_ISBLK(disk.stat().st_mode)


def test_the_reader_of_a_pipe_gets_it(tmp_path: Path) -> None:
    pipe = tmp_path / "ff"
    os.mkfifo(pipe)
    with pytest.raises(InvalidInput, match="Nobody reads the pipe") as caught:
        write_output(pipe, TEXT)
    assert caught.value.hint
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    heard: list[bytes] = []

    def read() -> None:
        select.select([reader], [], [])  # before the first writer, reading would be an end
        with os.fdopen(reader, "rb") as file:
            heard.append(file.read())

    thread = threading.Thread(target=read)
    thread.start()
    write_output(pipe, TEXT * 50_000)  # more than a pipe holds
    thread.join(20)
    assert heard == [(TEXT * 50_000).encode()] and pipe.is_fifo()
    with pytest.raises(InvalidInput, match="a device or a pipe"):
        write_atomic(pipe, TEXT)
    assert pipe.is_fifo()


def test_folders_and_sockets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is a folder"):
        write_output(tmp_path, TEXT)
    with pytest.raises(InvalidInput, match="is a folder"):
        write_atomic(tmp_path, TEXT)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(InvalidInput, match="is a socket"):
            write_output(tmp_path / "s", TEXT)
        assert (tmp_path / "s").is_socket()


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_standard_output_by_its_paths(tmp_path: Path, name: str, kind: str) -> None:
    if not Path("/proc/self/fd").exists() and name.startswith("/proc"):
        pytest.skip("this system has no /proc")
    (tmp_path / "link").symlink_to("/dev/stdout")
    code = (
        "import sys; from pathlib import Path; from pluralism_local.output_file import write_output\n"
        f"write_output(Path({name!r}), 'first\\n'); sys.stdout.write('second\\n')"
    )
    target = tmp_path / "out.txt"
    target.write_text("before\n")
    command = [sys.executable, "-c", code]
    if kind == "pipe":
        said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
        assert said == "first\nsecond\n"
    else:
        with target.open("a") as file:
            subprocess.run(command, stdout=file, check=True, cwd=tmp_path)
        assert target.read_text() == "before\nfirst\nsecond\n"


def test_links_stay_links_and_lead_somewhere(tmp_path: Path) -> None:
    link = tmp_path / "link.md"
    link.symlink_to("real.md")
    write_output(link, "one")  # a link to a file that is still to be made
    write_output(link, "two")
    assert link.is_symlink() and (tmp_path / "real.md").read_text() == "two"
    lost = tmp_path / "lost.md"
    lost.symlink_to("unmounted/real.md")
    with pytest.raises(InvalidInput, match="whose folder is not there"):
        write_output(lost, "x")
    assert not (tmp_path / "unmounted").exists()
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(InvalidInput, match="loop cannot be written"):
        write_output(loop, "x")
    assert loop.is_symlink()


def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "kept.md"
    file.write_text("old")
    file.chmod(0o444)
    with pytest.raises(InvalidInput, match="is read-only") as caught:
        write_output(file, "new")
    assert "chmod" in caught.value.hint and file.read_text() == "old"


def test_all_names_of_a_file_show_what_was_written(tmp_path: Path) -> None:
    file, other = tmp_path / "a.md", tmp_path / "b.md"
    file.write_text("a longer text")
    os.link(file, other)
    write_output(file, "short")
    assert other.read_text() == "short" and file.samefile(other)


def test_a_new_file_and_its_folders(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b" / ("é" * 120 + ".md")
    write_output(file, TEXT)
    file.chmod(0o640)
    write_output(file, TEXT * 2)
    assert file.read_text(encoding="utf-8") == TEXT * 2 and stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_what_is_to_replace_a_private_file_is_private_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "keys.json"
    file.write_text("old")
    file.chmod(0o600)
    modes: list[int] = []

    def look(_number: int) -> None:
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob(".*.part"))

    monkeypatch.setattr(os, "fsync", look)
    write_atomic(file, "new")
    assert modes == [0o600] and file.read_text() == "new"


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "file.txt/below"])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    (tmp_path / "file.txt").touch()
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_output(tmp_path / name, TEXT)


def test_where_nothing_can_be_made_beside_it_a_file_is_written_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mounted(self: Path, target: Path) -> Path:
        raise OSError(16, "Device or resource busy")

    file = tmp_path / "mounted.md"
    file.write_text("a longer text")
    monkeypatch.setattr(Path, "replace", mounted)
    write_output(file, "short")
    assert file.read_text() == "short" and not leftovers(tmp_path)


def test_a_link_that_leads_nowhere_is_told_so(tmp_path: Path) -> None:
    link = tmp_path / "x.gguf"
    link.symlink_to("gone.gguf")
    with pytest.raises(Exception, match=r"is a link to gone\.gguf, which is not there"):
        open_regular(link)
