# ruff: noqa: E501 -- a table has one row a line
"""`plocal eval run` over a server that goes wrong in the middle: what the run ends with, what it keeps, what it asks again.

One row a fault, for texts and for probabilities. Afterwards the server is well again, and the run is gone on with: it ends
as one that was never disturbed, and no request that was answered is sent again.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Literal

import pytest

from pluralism_local.engine import remote_line
from pluralism_local.evaluation.journal import read_journal
from tests.support import rows
from tests.support.command_line import Ran, Run
from tests.support.remote_server import Act, Server, answer, body, chunk, endless, pieces, reset, sse, whole
from tests.support.rows import write

SAMPLES = 4
VOICES = 3  # of the village
TEXTS, SHARES = "overton-nli", "distributional-globalopinionqa"
PAUSE = 0.15  # seconds of silence that the run waits where a fault is silence
PATIENCE = 1.5  # where it is not: a busy machine is no fault


Asked = dict[str, Any]


@dataclass(frozen=True)
class Said:
    """What the server has to say to a request: a text, or the probabilities of a first token."""

    server: Server
    request: Asked

    @property
    def plain(self) -> str:
        """The body of a whole answer."""
        words = " ".join(message["content"] for message in self.request["messages"]).split()
        number = hashlib.sha256(" ".join(words).encode()).digest()[0]
        if "logprobs" in self.request:
            share = number / 512
            return json.dumps(whole("A", {"A": 0.8 - share, "B": 0.1 + share, "é": 0.1}), ensure_ascii=False)
        return sse(chunk("Il ré"), chunk(f"pond {number} fois."), chunk(finish="stop"), "[DONE]")

    @property
    def kind(self) -> str:
        return "application/json" if "logprobs" in self.request else "text/event-stream"

    def well(self) -> Act:
        return body(self.plain, self.kind)

    def refused(self) -> Act:
        def act(handler: BaseHTTPRequestHandler) -> None:
            self.server.leave()
            reset()(handler)

        return act

    def silent(self) -> Act:
        return lambda handler: time.sleep(2 * PAUSE)

    def cut(self) -> Act:
        return body(self.plain[: len(self.plain) // 2], self.kind)

    def without_done(self) -> Act:
        return body(self.plain.replace("data: [DONE]\n\n", ""), self.kind)

    def with_crlf_and_comments(self) -> Act:
        before = "\r\n \r\n" if "logprobs" in self.request else ": ping\r\n\r\n"
        return body(before * 3 + self.plain.replace("\n", "\r\n"), self.kind)

    def within_a_character(self) -> Act:
        spelled = self.plain.replace("\\u00e9", "é").encode()
        middle = spelled.index("é".encode()) + 1
        return pieces([spelled[:middle], spelled[middle:]], self.kind)

    def zipped(self) -> Act:
        return body(gzip.compress(self.plain.encode()), self.kind, content_encoding="gzip")


Ending = Literal["well", "learned", "stops", "refused", "fails", "withheld"]
CODES: dict[Ending, tuple[int, int]] = {
    "well": (0, 0),
    "learned": (0, 0),
    "stops": (5, 6),
    "refused": (2, 6),
    "fails": (2, 6),
    "withheld": (6, 6),
}
"""What comes of a fault that lasts: exit codes before anything is finished, and afterwards.

Nothing comes of it, or nothing once the request was sent otherwise; the run stops; it stops since the address is wrong; each
sample fails by itself, where the server took anything before; or in any case.
"""


@dataclass(frozen=True)
class Fault:
    """A server that goes wrong.

    Attributes:
        act: what it does to a request.
        ending: of a run that meets it from some request on.
        says: a part of what the user is told.
        hits: which requests it does that to.
    """

    name: str
    act: Callable[[Said], Act]
    ending: Ending = "stops"
    says: str = ""
    hits: Callable[[Asked], bool] = lambda request: True


def refusal(status: int, sentence: str, **headers: str) -> Callable[[Said], Act]:
    return lambda said: answer(status, {"error": {"message": sentence}}, **headers)


def withheld(said: Said) -> Act:
    return answer(200, {"choices": [{"message": {"content": ""}, "finish_reason": "content_filter"}]})


def of_nothing(said: Said) -> Act:
    return answer(200, {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]})


PAGE = "<html><head><title>Welcome</title></head><body><h1>Hi</h1></body></html>"
FAULTS = [
    Fault("refused", Said.refused, says="cannot be reached"),
    Fault("reset", lambda said: reset(), says="broke"),
    Fault("reset within the answer", lambda said: reset(said.plain[:40].encode()), says="broke"),
    Fault("slow", Said.silent, says="fell silent"),
    Fault("401", refusal(401, "no key"), says="API key"),
    Fault("404", refusal(404, "no such model"), says="no such model"),
    Fault("429", refusal(429, "slow down"), says="slow down"),
    Fault("429 with Retry-After", refusal(429, "busy", retry_after="0.01"), says="busy"),
    Fault("500", refusal(500, "out of memory"), says="out of memory"),
    Fault("truncated", Said.cut),
    Fault("a page", lambda said: body(PAGE, "text/html"), says="'Welcome'"),
    Fault("a page of a gateway", lambda said: body(PAGE, "text/html", 502), says="Welcome"),
    Fault("1 GB", lambda said: endless(b" " * 2**20, kind="application/json", first=b"{"), says="far more"),
    Fault("comments without end", lambda said: endless(b": ping\n\n", 0.02), says="kept the connection alive"),
    Fault("a redirection", lambda said: answer(307, "", location="https://example.org/v1/chat/completions"), "refused", "redirects to"),
    Fault("a request refused", refusal(400, "against our rules"), "fails", "against our rules"),
    Fault("an answer withheld", withheld, "withheld", "content_filter"),
    Fault("no system role", refusal(400, "System role not supported"), "learned", hits=lambda asked: asked["messages"][0]["role"] == "system"),
    Fault("few top_logprobs", refusal(400, "top_logprobs must be at most 5"), "learned", hits=lambda asked: asked.get("top_logprobs", 0) > 5),
    Fault("a wrong type", lambda said: body(said.plain, "application/octet-stream"), "well"),
    Fault("no [DONE]", Said.without_done, "well"),
    Fault("CRLF and comments", Said.with_crlf_and_comments, "well"),
    Fault("a character in two parts", Said.within_a_character, "well"),
    Fault("gzip", Said.zipped, "well"),
]  # fmt: skip

SILENCES = {"slow", "comments without end"}


@dataclass
class Faulty:
    """Answers requests, but those from number `first` to before `last` with a fault; counts what it answered."""

    server: Server
    fault: Fault | None = None
    first: int = 0
    last: int = 10**9
    asked: int = 0
    answered: Counter[str] = field(default_factory=Counter)

    def __call__(self, request: Asked) -> Act:
        said = Said(self.server, request)
        self.asked += 1
        fault = self.fault if self.fault and self.fault.hits(request) else None
        if fault is None or not self.first <= self.asked < self.last:
            fault = None
        if fault is None or fault.ending == "well":
            key = [request["messages"], request["max_tokens"], request.get("seed"), "logprobs" in request]
            self.answered[json.dumps(key)] += 1
        return said.well() if fault is None else fault.act(said)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def quick(
    server: Server, village: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """No pauses between tries, and a remote that gives up soon on what stays silent."""
    monkeypatch.setattr(remote_line, "BACKOFF", (0.0, 0.0, 0.0))
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    is_silence = "fault" in parameters and parameters["fault"].name in SILENCES
    pause = PAUSE if is_silence else PATIENCE
    with (village / "config.toml").open("a") as file:
        file.write(
            f'[remote.office]\nbase_url = "http://{server.address}/v1"\nmodel = "m"\ntimeout = {pause}\n'
        )


def begin(run: Run, folder: Path, task: str, *more: str) -> Ran:
    """A run whose communities and LLM are both that server; comments first, then all samples by each of two methods."""
    maker = rows.overton if task == TEXTS else rows.global_opinion
    folder.parent.mkdir(exist_ok=True)
    data = write(folder.parent / "rows.json", [maker(i) for i in range(SAMPLES)])
    return run(
        *("eval", "run", "--task", task, "--data", str(data), "--output", str(folder), "--json"),
        *("-m", "remote:office", "--communities-model", "remote:office", "--scorer", "none"),
        *("--method", "ours", "--method", "vanilla", "--comment-max-tokens", "8", "--max-tokens", "8"),
        *more,
    )


def answers(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """What a run's folder has by sample and method, the latest of each."""
    return {(one["id"], one["method"]): one for one in read_journal(folder / "samples.jsonl")}


@pytest.fixture(scope="module")
def undisturbed() -> dict[str, dict[tuple[str, str], dict[str, Any]]]:
    return {}


def as_never_disturbed(
    run: Run, server: Server, folder: Path, task: str, undisturbed: dict[str, Any]
) -> dict[tuple[str, str], dict[str, Any]]:
    """The answers of a run over a server that was well all the time; made once."""
    if task not in undisturbed:
        server.reply = Faulty(server)
        assert begin(run, folder, task).code == 0
        undisturbed[task] = answers(folder)
        assert len(undisturbed[task]) == 2 * SAMPLES
    found: dict[tuple[str, str], dict[str, Any]] = undisturbed[task]
    return found


COMMENTS = SAMPLES * VOICES
PLACES = {
    (TEXTS, "comments"): 3,
    (TEXTS, "answers"): COMMENTS + SAMPLES + 2,
    (SHARES, "answers"): COMMENTS + SAMPLES * VOICES + 2,
}
"""Within the comments, and within the second method's answers, when the first's are all finished."""


@pytest.mark.parametrize(("task", "place"), PLACES)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_that_lasts(
    fault: Fault, task: str, place: str, run: Run, server: Server, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    expected = as_never_disturbed(run, server, tmp_path / "well" / "RUN", task, undisturbed)
    server.reply = disturbed = Faulty(server, fault, PLACES[task, place])
    ran = begin(run, folder := tmp_path / "RUN", task)
    nothing = place == "comments"
    assert ran.code == CODES[fault.ending][not nothing], ran.err
    assert fault.says in ran.out + ran.err
    finished = {key: one for key, one in answers(folder).items() if "error" not in one}
    assert finished.items() <= expected.items()
    assert len(finished) >= (0 if nothing else SAMPLES)
    server.come_back()
    server.reply = healed = Faulty(server)
    resumed = run("eval", "resume", str(folder), "--retry-failed", "--json")
    assert resumed.code == 0, resumed.err
    assert answers(folder) == expected
    assert set((disturbed.answered + healed.answered).values()) == {1}


PASSING = [
    fault for fault in FAULTS if fault.ending in ("stops", "fails", "withheld") and fault.name != "refused"
]


@pytest.mark.parametrize("task", [TEXTS, SHARES])
@pytest.mark.parametrize("fault", PASSING, ids=lambda fault: fault.name)
def test_a_fault_that_passes(
    fault: Fault, task: str, run: Run, server: Server, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """One request of a batch goes wrong: it is asked again, and those that were answered are not."""
    expected = as_never_disturbed(run, server, tmp_path / "well" / "RUN", task, undisturbed)
    first = PLACES[task, "answers"]
    server.reply = disturbed = Faulty(server, fault, first, first + 1)
    ran = begin(run, folder := tmp_path / "RUN", task)
    assert ran.code == 0, ran.err
    assert answers(folder) == expected
    assert set(disturbed.answered.values()) == {1}


@pytest.mark.parametrize(("task", "code"), [(TEXTS, 0), (SHARES, 6)])
def test_an_answer_of_nothing(
    task: str, code: int, run: Run, server: Server, tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """A text may be empty. Probabilities may not: three draws in the batch and three alone, and that sample fails."""
    expected = as_never_disturbed(run, server, tmp_path / "well" / "RUN", task, undisturbed)
    first, count = PLACES[task, "answers"], 1 if task == TEXTS else 6
    server.reply = Faulty(server, Fault("content: null", of_nothing), first, first + count)
    ran = begin(run, folder := tmp_path / "RUN", task)
    assert ran.code == code, ran.err
    odd = [answer for key, answer in answers(folder).items() if answer != expected[key]]
    assert [(one.get("output"), one.get("error", {}).get("code")) for one in odd] == [
        ("", None) if task == TEXTS else (None, "unsupported")
    ]


@pytest.mark.parametrize(("odd", "is_refusal"), [("\0", False), ("\0", True), ("\ud800", True)])
def test_what_no_file_takes_is_replaced(
    odd: str, is_refusal: bool, run: Run, server: Server, tmp_path: Path
) -> None:
    """A server that says NUL, or in a refusal half of a character: the run is read, shown and gone on with."""
    spoken = body(sse(chunk(f"one{odd}two"), chunk(finish="stop"), "[DONE]"), "text/event-stream")
    act = refusal(400, f"one{odd}two") if is_refusal else lambda said: spoken
    first = PLACES[TEXTS, "answers"]
    server.reply = Faulty(server, Fault("odd", act), first, first + 2)
    ran = begin(run, folder := tmp_path / "RUN", TEXTS)
    assert ran.code == (6 if is_refusal else 0), ran.err
    server.reply = Faulty(server)
    assert run("eval", "resume", str(folder), "--json").code == ran.code
    assert re.search("one[?\ufffd]two", (folder / "samples.jsonl").read_text())


def test_a_text_without_end_is_cut_and_told(run: Run, server: Server, tmp_path: Path) -> None:
    server.reply = lambda request: endless(sse(chunk("x")).encode())
    ran = begin(run, folder := tmp_path / "RUN", TEXTS, "--limit", "1")
    assert (ran.code, "did not stop at the limit of tokens" in ran.err) == (0, True)
    assert all(set(answer["output"]) == {"x"} for answer in answers(folder).values())
