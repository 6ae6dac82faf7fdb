"""What only a process of its own shows: pipes, signals, imports, streams that are closed or full."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import resource
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import IO

import pytest

from pluralism_local.cli.exits import ExitCode
from tests.support.command_line import plocal

HEAVY = "torch transformers peft llama_cpp numpy scipy textual huggingface_hub httpx2 httpx"
PIPE = subprocess.PIPE
NULL = subprocess.DEVNULL


@pytest.fixture
def chatter(tmp_path: Path) -> str:
    """A model whose answer of 2 MB fills any pipe."""
    file = tmp_path / "chatter.json"
    long = " ".join(["word" * 250] * 2000)
    file.write_text(
        json.dumps({"replies": [{"match": "Passage", "text": long}, {"match": "", "text": "Hm."}]})
    )
    return f"scripted:{file}"


@pytest.mark.parametrize(
    ("line", "heavy"),
    [
        (["--help"], f"{HEAVY} pydantic yaml rich"),
        (["ask", "--help"], HEAVY),  # typer checks values with pydantic, a group's included
        (["--version"], HEAVY),
        (["pools", "ls"], HEAVY),
        (["ask", "Why?"], HEAVY),
    ],
)
def test_nothing_heavy_is_loaded(line: list[str], heavy: str) -> None:
    code = (
        "import sys; from pluralism_local.cli.main import main; code = main(sys.argv[2:]);"
        "print([name for name in sys.argv[1].split() if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, heavy, *line], capture_output=True, check=True)
    assert done.stderr.decode().strip() == "[]"
    assert done.stdout


def test_help_is_quick() -> None:
    def cpu_seconds() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        plocal("--help", stdout=NULL).wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

    cpu_seconds()  # the first run may compile
    assert min(cpu_seconds() for _ in range(5)) < 0.15  # of the processor: others may keep it busy


def test_help_is_the_same_on_every_terminal() -> None:
    def text(columns: str) -> bytes:
        process = plocal("ask", "--help", env={"COLUMNS": columns}, stdout=PIPE)
        return process.communicate()[0]

    assert text("40") == text("200")


def test_a_reader_that_leaves_ends_it_quietly(chatter: str) -> None:
    for line in (["ask", "-m", chatter, "--max-tokens", "3000", "Why?"], ["--help"]):
        process = plocal(*line, stdin=NULL, stdout=PIPE, stderr=PIPE)
        assert process.stdout is not None and process.stderr is not None
        if line[0] == "ask":
            process.stdout.read(10)
        process.stdout.close()
        assert process.wait(120) == 0
        assert process.stderr.read() == b""
        process.stderr.close()


def test_one_interrupt_keeps_what_there_is(chatter: str) -> None:
    process = plocal(
        "ask", "-m", chatter, "--max-tokens", "3000", "Why?", stdin=NULL, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    start = process.stdout.read(1000)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    rest, said = process.communicate(timeout=120)
    assert process.returncode == 6
    assert b"Traceback" not in said
    answer, heard = (start + rest).split(b"\n\n", 1)
    assert len(answer) < 2_000_000
    assert heard.startswith(b"Heard (pool village)\n")


def unread(pipe: int) -> int:
    """Bytes that lie in it."""
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
    return int(count)


def wait_until_full(pipe: int) -> None:
    """Until the writer is blocked: nobody reads, and no more comes."""
    before, count = -1, 0
    while count == 0 or count != before:
        time.sleep(0.3)
        before, count = count, unread(pipe)


def wait_until_taken(pipe: IO[bytes]) -> None:
    """Until the reader has begun to read, and waits for more."""
    pipe.write(b"W")
    pipe.flush()
    while unread(pipe.fileno()):
        time.sleep(0.05)


def wait_for_reader(fifo: Path) -> int:
    """The writing end of `fifo`, as soon as somebody opens it for reading."""
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            time.sleep(0.05)


def test_two_interrupts_end_it_at_once(chatter: str) -> None:
    process = plocal(
        "ask", "-m", chatter, "--max-tokens", "3000", "Why?", stdin=NULL, stdout=PIPE, stderr=PIPE
    )
    assert process.stdout is not None
    process.stdout.read(1000)
    wait_until_full(process.stdout.fileno())
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
    assert process.wait(120) == 130
    assert b"Traceback" not in process.communicate()[1]


def test_an_interrupt_while_waiting_for_the_question() -> None:
    process = plocal("ask", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert process.stdin is not None
    wait_until_taken(process.stdin)
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert (out, said) == (b"", b"Error: Stopped.\n")


def test_an_interrupt_while_a_model_is_opened(tmp_path: Path) -> None:
    fifo = tmp_path / "never"
    os.mkfifo(fifo)  # reading it waits for what its writer never says
    for line, out in ((["ask"], b""), (["ask", "--json"], b'"code": "cancelled"')):
        process = plocal(*line, "-m", f"scripted:{fifo}", "Why?", stdin=NULL, stdout=PIPE, stderr=PIPE)
        writing = wait_for_reader(fifo)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=120)
        os.close(writing)
        assert process.returncode == 130
        assert out in said[0] and b"Traceback" not in said[1]


def test_a_silent_stdin_does_not_hold_up_a_question() -> None:
    process = plocal("ask", "--json", "Why?", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert process.wait(120) == 0
    out, said = process.communicate()
    assert json.loads(out)["prompt"] == "Why?"
    assert said.startswith(b"Warning: Nothing came through standard input")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_loses_no_answer() -> None:
    with Path("/dev/full").open("wb") as full:
        process = plocal("ask", "--json", "Why?", stdin=NULL, stdout=full, stderr=PIPE)
        said = process.communicate(timeout=120)[1].decode()
    assert process.returncode == 1
    record, _, error = said.rpartition("Error: ")
    assert error.startswith("Standard output cannot be written: No space left on device.")
    assert json.loads(record)["answer"]


def test_closed_streams() -> None:
    command = f"{sys.executable} -c 'from pluralism_local.cli.main import entry; entry()'"
    nothing = subprocess.run(f"{command} ask <&-", shell=True, capture_output=True, check=False)
    assert nothing.returncode == 2 and b"standard input is closed" in nothing.stderr
    answered = subprocess.run(f"{command} ask Why? <&-", shell=True, capture_output=True, check=False)
    assert answered.returncode == 0 and answered.stdout
    nowhere = subprocess.run(f"{command} ask Why? >&-", shell=True, capture_output=True, check=False)
    assert nowhere.returncode == 1 and b"Standard output cannot be written" in nowhere.stderr
    silent = subprocess.run(f"{command} ask Why? 2>&-", shell=True, capture_output=True, check=False)
    assert silent.returncode == 0 and silent.stdout == answered.stdout


@pytest.mark.parametrize("locale", ["C", "POSIX"])
def test_an_old_locale_still_gets_its_answer(locale: str) -> None:
    env = {"LC_ALL": locale, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    line = ["ask", "--mode", "dist", "--option", "Ja", "--option", "Nö", "Warum?"]
    process = plocal(*line, env=env, stdin=NULL, stdout=PIPE, stderr=PIPE)
    out, said = process.communicate(timeout=120)
    assert process.returncode == 0 and b"Error" not in said
    assert b"##" in out and out.isascii()
    process = plocal(*line, "--json", env=env, stdin=NULL, stdout=PIPE, stderr=PIPE)
    assert json.loads(process.communicate(timeout=120)[0])["distribution"]["options"] == ["Ja", "Nö"]


def on_terminal(*line: str, **env: str) -> str:
    """Everything that a command writes when both its streams are a terminal."""
    parent, child = pty.openpty()
    process = plocal(*line, stdin=child, stdout=child, stderr=child, env={"TERM": "xterm", **env})
    os.close(child)
    said = b""
    while True:
        try:
            piece = os.read(parent, 65536)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        said += piece
    os.close(parent)
    process.wait(120)
    return said.decode().replace("\r\n", "\n")


def test_colour_and_progress_on_a_terminal_only() -> None:
    shown = on_terminal("ask", "Why?")
    assert "\x1b[1mHeard (pool village)\x1b[0m" in shown
    assert "\rcomments: 0 of 3 done" in shown
    plain = on_terminal("ask", "Why?", NO_COLOR="1")
    assert "\x1b" not in plain and "\nHeard (pool village)\n" in plain
    process = plocal("ask", "Why?", stdin=NULL, stdout=PIPE, stderr=PIPE)
    out, said = process.communicate(timeout=120)
    assert b"\x1b" not in out and b"\r" not in out and said == b""


def test_a_terminal_without_a_question_is_told_how() -> None:
    assert on_terminal("ask").startswith("Error: There is no question.\n  Give it as an argument")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs a folder that not even root can write")
def test_a_read_only_home_can_still_ask() -> None:
    env = {"PLOCAL_HOME": "/proc/plocal"}
    process = plocal("ask", "-m", "scripted:", "Why?", env=env, stdin=NULL, stdout=PIPE, stderr=PIPE)
    out, said = process.communicate(timeout=120)
    assert process.returncode == 0 and out and b"Error" not in said
    process = plocal("config", "set", "seed", "1", env=env, stdin=NULL, stdout=PIPE, stderr=PIPE)
    assert b"PLOCAL_HOME" in process.communicate(timeout=120)[1]
    assert process.returncode == 2
    process = plocal("doctor", env=env, stdin=NULL, stdout=PIPE, stderr=PIPE)
    assert b"warn  data" in process.communicate(timeout=120)[0]
    assert process.returncode == 0


@pytest.mark.parametrize("loading", ["typer", "pluralism_local.cli.main"])
def test_ctrl_c_while_the_command_line_is_loaded_ends_without_a_traceback(loading: str) -> None:
    code = f"""
import os, signal, sys

class Slow:
    def find_spec(self, name, *rest):
        if name == {loading!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Slow())
from pluralism_local.__main__ import script
script()
"""
    done = subprocess.run([sys.executable, "-c", code, "--version"], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (ExitCode.INTERRUPTED, b"", b"Stopped.\n")


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pluralism_local", "--version"], capture_output=True, check=True
    )
    assert done.stdout.startswith(b"plocal ")
