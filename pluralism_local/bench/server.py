"""The same ask by llama.cpp's own server, as many slots as there are comments, all requests of a stage at once.

    binary, model, adapters ──start──> /health ok ──POST /completion, one per comment, in threads──> seconds
                                                  ──POST /completion, the answer──────────────────> seconds

Prompts go as tokens, so that both sides read the same; every request names each adapter's scale, since one that is left
out keeps another request's. The server batches slots of one adapter; those of different adapters wait for each other.

Failure modes: a binary that cannot be started, that ends, or that does not answer in time; one that writes another
number of tokens than it was asked for. The server is ended in any case.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from pluralism_local.bench.naive import NaiveRequest, NaiveRun
from pluralism_local.errors import EngineFailure, NotFound

BINARY = "llama-server"

_START_SECONDS, _REPLY_SECONDS = 300.0, 3600.0
_STEP = 0.02
_ENDING_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Serving:
    """How the server runs: tokens of context of each slot, threads, layers on a GPU (-1 for all)."""

    context: int
    threads: int
    gpu_layers: int = 0


def find(named: Path | None) -> Path:
    """The server's binary: the one that was named, else the one on PATH.

    Raises: NotFound
    """
    if named is not None:
        binary = shutil.which(named.expanduser())
        if binary is None:
            raise NotFound(
                f"{named} is no program that can be started.", "Name a llama-server with --server."
            )
        return Path(binary)
    on_path = shutil.which(BINARY)
    if on_path is None:
        raise NotFound(
            f"There is no {BINARY} on PATH.",
            "Build llama.cpp or install a release of it, or name the binary with --server FILE.",
        )
    return Path(on_path)


def run(
    binary: Path, model: Path, comments: Sequence[NaiveRequest], answer: NaiveRequest, serving: Serving
) -> NaiveRun:
    """Start the server, let it write `comments` at once and then `answer`, end it.

    Raises: EngineFailure
    """
    adapters = list(dict.fromkeys(work.adapter for work in (*comments, answer) if work.adapter))
    began = time.perf_counter()
    with _started(binary, model, adapters, len(comments), serving) as address:
        loaded = time.perf_counter()
        with ThreadPoolExecutor(max(1, len(comments))) as pool:
            list(pool.map(lambda work: _complete(address, work, adapters), comments))
        halfway = time.perf_counter()
        _complete(address, answer, adapters)
        return NaiveRun(halfway - loaded, time.perf_counter() - halfway, loaded - began)


@contextmanager
def _started(
    binary: Path, model: Path, adapters: Sequence[Path], slots: int, serving: Serving
) -> Iterator[str]:
    port = _free_port()
    slots = max(1, slots)
    command = [str(binary), "--model", str(model), "--host", "127.0.0.1", "--port", str(port)]
    command += ["--parallel", str(slots), "--ctx-size", str(serving.context * slots)]
    command += ["--threads", str(serving.threads), "--threads-batch", str(serving.threads)]
    layers = "999" if serving.gpu_layers < 0 else str(serving.gpu_layers)
    command += ["--n-gpu-layers", layers]
    for adapter in adapters:
        command += ["--lora", str(adapter)]
    if adapters:
        command.append("--lora-init-without-apply")
    with tempfile.TemporaryFile() as log:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        except OSError as error:
            raise EngineFailure(f"{binary} cannot be started: {error.strerror}.") from error
        try:
            address = f"http://127.0.0.1:{port}"
            _wait(process, address, log, binary)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(_ENDING_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen[bytes], address: str, log: IO[bytes], binary: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            log.seek(0)
            lines = [line for line in log.read().decode("utf-8", "replace").splitlines() if line.strip()]
            last_words = f": {lines[-1][:200]}" if lines else ""
            raise EngineFailure(f"{binary.name} ended with exit code {process.returncode}{last_words}.")
        try:
            with _opened(urllib.request.Request(f"{address}/health"), 5):
                return
        except (OSError, HTTPException):
            time.sleep(_STEP)
    raise EngineFailure(f"{binary.name} was not ready after {_START_SECONDS:.0f} seconds.")


def _complete(address: str, work: NaiveRequest, adapters: Sequence[Path]) -> None:
    body = {
        "prompt": list(work.prompt),
        "n_predict": work.tokens,
        "ignore_eos": True,
        "temperature": work.temperature,
        "top_p": 0.9,
        "cache_prompt": True,
        "lora": [{"id": i, "scale": float(path == work.adapter)} for i, path in enumerate(adapters)],
    }
    request = urllib.request.Request(
        f"{address}/completion", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with _opened(request, _REPLY_SECONDS) as reply:
            written = json.loads(reply.read())["tokens_predicted"]
    except urllib.error.HTTPError as error:
        message = error.read()[:200].decode("utf-8", "replace")
        raise EngineFailure(f"{BINARY} refused a request ({error.code}): {message}") from error
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        raise EngineFailure(f"{BINARY} did not answer as a llama-server does: {error!r}.") from error
    if written != work.tokens:
        raise EngineFailure(f"{BINARY} wrote {written} tokens where {work.tokens} were asked for.")


def _opened(request: urllib.request.Request, seconds: float) -> Any:
    """Never through a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(request, timeout=seconds)


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port
