"""NLI scores that are kept as they come, so that scoring thousands of pairs survives a kill.

    pairs ──RememberedNli.score──> those in the journal + the rest, a batch at a time ──> [n, 3]

It is an `NliScorer` itself. The journal belongs to one scorer: its file's name holds the scorer's identity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.errors import Cancelled
from pluralism_local.evaluation.journal import Journal, Record
from pluralism_local.evaluation.nli import NliPair, NliScorer
from pluralism_local.evaluation.nli.base import EntailmentScores, distinct, parts
from pluralism_local.evaluation.stored import StoredEntailment
from pluralism_local.evaluation.strict_records import check_records
from pluralism_local.files import digest

BATCH = 256
DIGITS = 7
"""Of a probability: what float32 logits are good for."""


def nli_file(folder: Path, scorer: NliScorer) -> Path:
    """Where scores of this scorer lie."""
    return folder / f"nli-{scorer.identity[:12]}.jsonl"


class RememberedNli:
    """`scorer` with a memory.

    Args:
        journal: open for writing, of this scorer alone; None remembers for as long as this object lives.
        progress: called with (pairs scored, pairs to score) before the first batch and after every one.
        beside: records that other runs kept of this scorer (see `beside`).
    """

    def __init__(
        self,
        scorer: NliScorer,
        journal: Journal | None,
        progress: Callable[[int, int], None] = lambda *_: None,
        beside: Sequence[Record] = (),
    ) -> None:
        self._scorer, self._journal, self._progress = scorer, journal, progress
        self._rows: dict[str, list[float]] = {}
        self._beside = {record["key"]: record for record in beside}
        if journal is not None:
            check_records(StoredEntailment, journal.records, journal.path)
            self._rows = {record["key"]: record["p"] for record in journal.records}

    @property
    def name(self) -> str:
        """The scorer's."""
        return self._scorer.name

    @property
    def identity(self) -> str:
        """The scorer's."""
        return self._scorer.identity

    @property
    def truncated(self) -> int:
        """The scorer's, of what was scored and not remembered."""
        return self._scorer.truncated

    def score(self, pairs: Sequence[NliPair], *, should_stop: ShouldStop = never) -> EntailmentScores:
        """See `NliScorer.score`. What was scored before `Cancelled` stays."""
        different, index = distinct(pairs)
        keys = [_key(pair) for pair in different]
        self._take_over(keys)
        # neighbours of one premise share its computation
        missing = sorted(
            (place for place, key in enumerate(keys) if key not in self._rows),
            key=lambda place: (different[place].premise, different[place].hypothesis),
        )
        if missing:
            self._progress(0, len(missing))
        for part in parts(len(missing), BATCH):
            if should_stop():
                raise Cancelled
            places = missing[part]
            scores = self._scorer.score([different[place] for place in places])
            rows = {
                keys[place]: [round(float(p), DIGITS) for p in row]
                for place, row in zip(places, scores, strict=True)
            }
            if self._journal is not None:
                self._journal.append([{"key": key, "p": row} for key, row in rows.items()])
            self._rows |= rows
            self._progress(min(part.stop, len(missing)), len(missing))
        table = np.array([self._rows[key] for key in keys], dtype=np.float64).reshape(-1, 3)
        return (table / table.sum(axis=1, keepdims=True))[index] if len(table) else table

    def _take_over(self, keys: Sequence[str]) -> None:
        """Make what other runs kept of these this run's own."""
        used = [self._beside[key] for key in keys if key not in self._rows and key in self._beside]
        if used and self._journal is not None:
            self._journal.append(used)
        self._rows |= {record["key"]: record["p"] for record in used}


def _key(pair: NliPair) -> str:
    return digest([pair.premise, pair.hypothesis])[:24]
