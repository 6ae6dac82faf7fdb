"""A running ``python -m llama_cpp.server``, in a process of its own."""

from __future__ import annotations

import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest


@contextmanager
def serving(model: Path, log: Path, context: int = 512) -> Iterator[str]:
    """The URL of a server with `model`, called "starter", and kernels that work here; skips if it is not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("uvicorn", "fastapi", "sse_starlette")):
        pytest.skip("llama-cpp-python's server is not installed (pip install 'pluralism-local[dev]')")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = (
        "import runpy; from pluralism_local.engine import kernel_safety; kernel_safety.settle(); "
        "runpy.run_module('llama_cpp.server', run_name='__main__', alter_sys=True)"
    )
    of_model = ["--model", str(model), "--model_alias", "starter", "--n_ctx", str(context)]
    command = [sys.executable, "-c", server, *of_model, "--logits_all", "true"]
    place = ["--host", "127.0.0.1", "--port", str(port)]
    url = f"http://127.0.0.1:{port}/v1"
    with (
        log.open("w") as output,
        subprocess.Popen([*command, *place], stdout=output, stderr=output) as process,
    ):
        try:
            deadline = time.monotonic() + 200
            while not _answers(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"the server did not start:\n{log.read_text()[-2000:]}")
                time.sleep(0.1)
            yield url
        finally:
            process.kill()


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/models", trust_env=False).is_success
    except httpx2.TransportError:
        return False
