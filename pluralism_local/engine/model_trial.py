"""The child process that tries a model: `python -m pluralism_local.engine.model_trial '{"path": …}'`.

    trial (JSON) ──┬─ each run (extra buffers? flash attention? GPU?) ──> logits ──> error against the first run's
                   └─ each adapter: loaded, one token decoded through it

Every stage is announced before it begins, so that a fault is known by its stage.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pluralism_local.engine import child_process
from pluralism_local.engine.context import Context
from pluralism_local.engine.handles import Adapter, Model
from pluralism_local.engine.library import install_log
from pluralism_local.engine.schedule import Row
from pluralism_local.errors import PlocalError

PROMPT, CHUNK, BATCH = 64, 32, 4
"""Tokens of the prompt, of one decode call of it, and sequences that go on from it."""

_TEXT = (
    "A town asks its people whether phones should be banned in schools, and why. Some say yes, others say no. "
    * 4
)


def logits(model: Model, *, threads: int, flash: bool) -> npt.NDArray[np.float64]:
    """Logits [1 + BATCH, n_vocab] float64: after a prompt in chunks, then of a batch that goes on from it."""
    tokens = [token % model.vocabulary_size for token in _tokens(model)]
    with Context(model, cells=256, sequences=BATCH, threads=threads, flash=flash, chunk=CHUNK) as context:
        for start in range(0, PROMPT, CHUNK):
            chunk = range(start, start + CHUNK)
            context.decode([Row(tokens[place], place, [0], place == PROMPT - 1) for place in chunk])
        rows = [context.logits(CHUNK - 1).copy()]
        for sequence in range(1, BATCH):
            context.share(0, sequence)
        context.decode([Row(tokens[sequence], PROMPT, [sequence], True) for sequence in range(BATCH)])
        rows += [context.logits(row).copy() for row in range(BATCH)]
    return np.array(rows, np.float64)


def _tokens(model: Model) -> tuple[int, ...]:
    tokens = model.tokenize(_TEXT, add_special=True, parse_special=False)
    return (tokens * PROMPT)[:PROMPT] if tokens else tuple(range(PROMPT))


def error(reference: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Squared difference over variance of the logits [n_rows, n_vocab], in [0, ∞); ∞ where `other` is not finite.

    0 where the reference is not finite either: then the model is broken and not its kernels.
    """
    if not np.isfinite(reference).all():
        return 0.0
    if not np.isfinite(other).all():
        return float("inf")
    # rows are centred: a shift of all logits changes no probability
    reference, other = (rows - rows.mean(axis=1, keepdims=True) for rows in (reference, other))
    return float(((reference - other) ** 2).sum() / max((reference**2).sum(), 1e-30))


def main(trial: dict[str, Any]) -> None:
    """Carry out a trial; see the module. Writes "refused" with the reason where llama.cpp will not have the file."""
    child_process.prepare(trial["memory"])
    install_log()
    path, threads = Path(trial["path"]), int(trial["threads"])
    try:
        _try_runs(path, trial["runs"], threads)
        _try_adapters(path, trial["adapters"], threads)
    except PlocalError as refusal:
        child_process.record(refused=refusal.message)
    child_process.record(stage="done")


def _try_runs(path: Path, runs: Sequence[Mapping[str, Any]], threads: int) -> None:
    reference: npt.NDArray[np.float64] | None = None
    for number, run in enumerate(runs):
        child_process.record(stage=number)
        with Model(path, gpu_layers=run["gpu_layers"], repack=run["repack"]) as model:
            rows = logits(model, threads=threads, flash=run["flash"])
        reference = rows if reference is None else reference
        child_process.record(error=error(reference, rows))


def _try_adapters(path: Path, adapters: Sequence[str], threads: int) -> None:
    if not adapters:
        return
    with (
        Model(path, repack=False) as model,
        Context(model, cells=256, sequences=1, threads=threads) as context,
    ):
        for file in adapters:
            child_process.record(stage="adapter", adapter=file)
            with Adapter(model, Path(file)) as adapter:
                context.set_adapter(adapter)
                context.decode(
                    [Row(token, place, [0], True) for place, token in enumerate(_tokens(model)[:1])]
                )
                context.set_adapter(None)
                context.forget()
            child_process.record(passed=file)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
