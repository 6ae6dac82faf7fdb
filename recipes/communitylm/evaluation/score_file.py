"""Scores that are already there: a line per (model, passage), so that an evaluation goes on where it was stopped.

    key = sha256(base, adapter and scale, question, passage) ──> Loss, appended and flushed line by line

A line torn by a kill is cut off when the file is opened. Scores of an adapter that has changed have other keys.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import TracebackType
from typing import Self

from communitylm.evaluation.perplexity import Loss


class ScoreFile:
    """Read at opening, appended to afterwards; use it as a context manager."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._losses: dict[str, Loss] = {}
        whole = 0
        if path.exists():
            for line in path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                try:
                    key, nats, tokens = json.loads(line)
                except ValueError:
                    break
                self._losses[key] = Loss(nats, tokens)
                whole += len(line)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._out = path.open("ab")
        self._out.truncate(whole)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._out.close()

    def find(self, key: str) -> Loss | None:
        """The score under this key, if it is there."""
        return self._losses.get(key)

    def put(self, key: str, loss: Loss) -> None:
        """Remember a score, in the file too."""
        self._losses[key] = loss
        self._out.write(json.dumps([key, loss.nats, loss.tokens]).encode() + b"\n")
        self._out.flush()


def score_key(base: str, adapter: str, question: str, passage: str) -> str:
    """Identity of a score; `base` is the file's hash and its layout, `adapter` ``"base"`` or hash and scale."""
    return hashlib.sha256("\0".join((base, adapter, question, passage)).encode()).hexdigest()
