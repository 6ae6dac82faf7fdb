"""Writes a model in another quantization, in a child process: `python -m pluralism_local.engine.quantizer '{…}'`.

    source, kind ──quantize──> the file, whole and on the disk, or as it was

llama.cpp's quantizer is one long call that may assert on odd shapes: in a process of its own it can be stopped at any
moment and takes nobody along.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from pluralism_local.engine import child_process
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.child_process import Ended
from pluralism_local.engine.library import write_quantized
from pluralism_local.errors import EngineFailure, PlocalError
from pluralism_local.unfinished import beside

_SECONDS, _BYTES_A_SECOND = 600.0, 0.5e6
"""After this long, and what a slow disk and one slow core take for the source, it counts as hung."""


def quantize(
    source: Path,
    out: Path,
    kind: str,
    *,
    threads: int,
    expected_bytes: int,
    progress: Callable[[float], None] = lambda _share: None,
    should_stop: ShouldStop = never,
) -> None:
    """Write `source`, whatever its types, as `kind` ("Q4_0"), to `out`.

    `progress` gets the share that is written, in [0, 1], by `expected_bytes`.

    Raises:
        EngineFailure: llama.cpp cannot read it, cannot write it so, or died of it.
        Cancelled: `should_stop` turned true.
        OSError: the folder cannot be written, or is full.
    """

    def stop() -> bool:
        with suppress(OSError):
            progress(min(1.0, temporary.stat().st_size / max(1, expected_bytes)))
        return should_stop()

    with beside(out) as temporary:
        task = {"source": str(source), "out": str(temporary), "kind": kind, "threads": threads}
        command = [sys.executable, "-m", __name__, json.dumps(task)]
        seconds = _SECONDS + source.stat().st_size / _BYTES_A_SECOND
        _check(child_process.run(command, seconds=seconds, should_stop=stop), source, kind)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(out)


def _check(ended: Ended, source: Path, kind: str) -> None:
    """Raises: EngineFailure unless the child did all that it was to do."""
    refusal = ended.last("refused")
    if refusal:
        raise EngineFailure(refusal)
    cause = ended.fault or ended.failure
    if ended.fault and ended.complaint:
        cause = f"{ended.fault}, {ended.complaint}"
    if cause or not ended.last("done"):
        raise EngineFailure(
            f"llama.cpp could not write {source.name} in {kind}: {cause or 'it ended early'}."
        )


def main(task: dict[str, Any]) -> None:
    """Carry out a task; writes "refused" with the reason where llama.cpp will not do it."""
    child_process.prepare()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python's own handler would wait for the end of the call
    try:
        write_quantized(Path(task["source"]), Path(task["out"]), task["kind"], int(task["threads"]))
    except PlocalError as refusal:
        child_process.record(refused=refusal.message)
    else:
        child_process.record(done=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
