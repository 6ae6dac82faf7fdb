"""Many requests of many clients: none is lost, and memory does not grow with their number."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.support.command_line import plocal

pytest.importorskip("uvicorn")
pytestmark = pytest.mark.slow
CLIENTS = 8


class Running:
    """A server in a process of its own."""

    def __init__(self, pid: int, url: str) -> None:
        self.pid, self.url = pid, url

    def resident(self) -> int:
        """Bytes of memory that the process holds."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        match = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert match is not None
        return int(match[1]) * 1024

    def ask(self, question: str) -> str:
        body = {"model": "overton", "messages": [{"role": "user", "content": question}]}
        request = urllib.request.Request(
            f"{self.url}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=250) as response:
            content = json.load(response)["choices"][0]["message"]["content"]
        assert isinstance(content, str)
        return content

    def ask_many(self, count: int, clients: int) -> float:
        """Requests a second of so many clients, who share `count` questions; fails if one is lost."""
        numbers = iter(range(count))
        lock, answers = threading.Lock(), list[str]()

        def client() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                answers.append(self.ask(f"Is rule {number} fair?"))

        threads = [threading.Thread(target=client) for _ in range(clients)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == count and all(answers)
        return count / (time.monotonic() - began)


@contextmanager
def serving(model: str) -> Iterator[Running]:
    limits = ("--max-tokens", "16", "--comment-max-tokens", "8")
    with plocal("serve", "-m", model, "--port", "0", *limits, stderr=PIPE, stdout=PIPE) as process:
        assert process.stderr is not None
        line = next(line.decode() for line in process.stderr if b"Serving at" in line)
        address = re.search(r"http://\S+/v1", line)
        assert address is not None
        yield Running(process.pid, address[0])
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        assert process.wait(60) == 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_thousand_requests_take_no_more_memory_than_a_hundred() -> None:
    with serving("scripted:") as server:
        server.ask_many(100, CLIENTS)
        before = server.resident()
        server.ask_many(1000, CLIENTS)
        assert server.resident() - before < 10 * 2**20


def test_eight_clients_of_the_starter_lose_nothing_and_are_served_as_fast_as_one(starter_path: Path) -> None:
    with serving(str(starter_path)) as server:
        server.ask_many(1, 1)  # what only the first ask does
        alone = server.ask_many(3, 1)
        assert server.ask_many(CLIENTS, CLIENTS) > 0.7 * alone  # a machine that does other things is uneven
