"""Many requests of many clients: none is lost, and memory does not grow with their number."""

from __future__ import annotations

import json
import re
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.support.command_line import plocal
from tests.support.tiny.model import Tiny, write_tiny

pytest.importorskip("uvicorn")
pytestmark = pytest.mark.slow
CLIENTS = 8


@dataclass
class Work:
    """What requests came to.

    Attributes:
        answers: texts, in the order of their ends.
        read, written: tokens that were decoded of prompts, and drawn.
        seconds: from the first request to the last answer.
    """

    answers: list[str] = field(default_factory=list)
    read: int = 0
    written: int = 0
    seconds: float = 0.0


class Running:
    """A server in a process of its own."""

    def __init__(self, pid: int, url: str) -> None:
        self.pid, self.url = pid, url
        self._lock = threading.Lock()

    def resident(self, name: str = "VmRSS") -> int:
        """Bytes of memory that the process holds; with "VmHWM", held at most."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        match = re.search(rf"{name}:\s+(\d+) kB", status)
        assert match is not None
        return int(match[1]) * 1024

    def _ask(self, mode: str, messages: list[dict[str, str]], work: Work) -> str:
        body = {"model": mode, "messages": messages}
        request = urllib.request.Request(
            f"{self.url}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=250) as response:
            reply = json.load(response)
        usage, content = reply["usage"], reply["choices"][0]["message"]["content"]
        assert isinstance(content, str) and content
        with self._lock:
            work.answers.append(content)
            work.read += usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"]
            work.written += usage["completion_tokens"]
        return content

    def carry_out(self, conversations: int, turns: int, clients: int, mode: str = "overton") -> Work:
        """So many conversations, shared among the clients; fails if an answer is lost."""
        numbers = iter(range(conversations))
        work = Work()

        def converse() -> None:
            while True:
                with self._lock:
                    number = next(numbers, None)
                if number is None:
                    return
                messages: list[dict[str, str]] = []
                for turn in range(turns):
                    messages.append({"role": "user", "content": f"Is rule {number + 100 * (turn + 1)} fair?"})
                    messages.append({"role": "assistant", "content": self._ask(mode, messages, work)})

        threads = [threading.Thread(target=converse) for _ in range(clients)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        work.seconds = time.monotonic() - began
        assert len(work.answers) == conversations * turns
        return work


@contextmanager
def serving(model: str, *options: str) -> Iterator[Running]:
    limits = ("--max-tokens", "16", "--comment-max-tokens", "8")
    with plocal("serve", "-m", model, "--port", "0", *limits, *options, stderr=PIPE, stdout=PIPE) as process:
        assert process.stderr is not None
        line = next(line.decode() for line in process.stderr if b"Serving at" in line)
        address = re.search(r"http://\S+/v1", line)
        assert address is not None
        yield Running(process.pid, address[0])
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        assert process.wait(60) == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("engine", ["scripted", "llama.cpp"])
def test_a_thousand_requests_take_no_more_memory_than_a_hundred(engine: str, tmp_path: Path) -> None:
    """Of the modes with scripted communities; of the engine with a model of noise, once its store is full."""
    if engine == "scripted":
        model, mode, options = "scripted:", "overton", list[str]()
    else:
        model, mode = str(write_tiny(tmp_path / "tiny.gguf", Tiny(context=4096))), "vanilla"
        options = ["--kept-mb", "1", "--threads", "1"]
    with serving(model, *options) as server:
        server.carry_out(100, 1, CLIENTS, mode)
        before = server.resident()
        work = server.carry_out(1000, 1, CLIENTS, mode)
        grown = server.resident() - before
    sys.stdout.write(
        f"\n1000 requests of {CLIENTS} clients, {engine}: {work.seconds:.1f} s; "
        f"memory {before / 2**20:.1f} MiB and {grown / 2**20:+.1f} MiB\n"
    )
    assert grown < 10 * 2**20


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
@pytest.mark.parametrize("name", ["noise", "starter"])
def test_eight_clients_lose_nothing_and_take_no_more_work_than_one(
    name: str, starter_path: Path, tmp_path: Path
) -> None:
    """The same conversations, one after the other and all at once, each on a server that has seen nothing yet.

    The work is counted in tokens, since seconds differ from run to run; they are printed. With one thread the texts
    are the same to the letter, whatever else the machine does.
    """
    model = starter_path if name == "starter" else write_tiny(tmp_path / "tiny.gguf", Tiny(context=16384))
    done: dict[int, Work] = {}
    held: dict[int, int] = {}
    for clients in (1, CLIENTS):
        with serving(str(model), "--threads", "1") as server:
            server.carry_out(1, 1, 1)  # what only the first ask does
            done[clients] = server.carry_out(CLIENTS, 2, clients)
            held[clients] = server.resident("VmHWM")
    one, eight = done[1], done[CLIENTS]
    for clients, work in done.items():
        sys.stdout.write(
            f"\n{CLIENTS} conversations of {name}, {clients} at once: {work.seconds:.1f} s, read {work.read} tokens, "
            f"wrote {work.written}, held at most {held[clients] / 2**20:.0f} MiB\n"
        )
    assert eight.read <= one.read and eight.written <= one.written
    assert sorted(eight.answers) == sorted(one.answers)
    assert held[CLIENTS] - held[1] < 32 * 2**20
