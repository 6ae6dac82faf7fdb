"""What a source and its copies do here, and which copy is chosen: the figures of `plocal models optimize`.

    Figures of the source and of each copy, CopyWork ──CopyReport──> recommended, chosen, record() for JSON

The rule: the fastest copy that diverges by at most `CopyWork.most_kl` and is `LEAST_GAIN` times as fast as the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pluralism_local.bench.candidates import LeftOut
from pluralism_local.bench.divergence import Divergence
from pluralism_local.bench.speeds import Speeds
from pluralism_local.errors import InvalidInput

MOST_KL = 0.1
"""Nats of mean divergence that a copy may have to be chosen by itself."""

LEAST_GAIN = 1.05
"""How many times as fast as the source it must be: less is within the noise of a measurement."""

QUIET = 1.15
"""How many times as fast the source may be at the end as at the beginning, or the other way round: else other work, or
a processor that grew hot, was measured, too."""

PROMPT_TOKENS, COMMENT_TOKENS, ANSWER_TOKENS = 600, 768, 200
"""The ask that speeds are summed up by: prompts read, six comments of 128 tokens in one batch, the answer."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The model to optimize: what the user calls it, its first file, its identity (see `models.store.identity`)."""

    name: str
    path: Path
    sha256: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class CopyWork:
    """What to try and how to choose.

    Attributes:
        kinds: file types to try; empty for all that are fast here.
        chosen: the type to keep whatever the figures; None for the rule.
        most_kl: nats; see `MOST_KL`.
        repeats: runs of each speed, of which the median counts.
    """

    kinds: tuple[str, ...] = ()
    chosen: str | None = None
    most_kl: float = MOST_KL
    repeats: int = 3

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise InvalidInput(f"--repeats must be at least 1, got {self.repeats}.")
        if not self.most_kl >= 0:
            raise InvalidInput(f"--most-kl must be a number of at least 0, got {self.most_kl:g}.")
        if self.chosen and self.kinds and self.chosen not in self.kinds:
            raise InvalidInput(
                f"--keep {self.chosen} is not among what --try names.", f"Add --try {self.chosen}."
            )


@dataclass(frozen=True, slots=True)
class Figures:
    """What one file does here.

    Attributes:
        runs_as: the type it runs in; another than its own where `fast_weights` copies it.
        memory_bytes: peak of this process's resident memory while it answered; None where the system hides it.
    """

    kind: str
    runs_as: str
    file_bytes: int
    memory_bytes: int | None
    speeds: Speeds
    divergence: Divergence

    @property
    def ask_seconds(self) -> float:
        """Seconds of an ask of `PROMPT_TOKENS`, `COMMENT_TOKENS` and `ANSWER_TOKENS` by these speeds."""
        return ask_seconds(self.speeds)

    def record(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "kind": self.kind,
            "runs_as": self.runs_as,
            "file_bytes": self.file_bytes,
            "memory_bytes": self.memory_bytes,
            **{name: round(value, 2) for name, value in asdict(self.speeds).items()},
            "ask_seconds": round(self.ask_seconds, 2),
            "kl_nats": round(self.divergence.kl_nats, 6),
            "perplexity": round(self.divergence.perplexity, 4),
        }


@dataclass(frozen=True, slots=True)
class CopyReport:
    """All figures.

    Attributes:
        requantized: the source is quantized already, and what is written from it twice.
        candidates: those that were measured.
        failed: kind to what went wrong.
        recommended: by the rule; None where nothing is near enough and faster.
        complete: False if it was stopped before all were measured.
        drift: how many times as fast an ask on the source was at the end as at the beginning, by its speeds; None if it
            was not measured again.
    """

    subject: Subject
    work: CopyWork
    threads: int
    requantized: bool
    source: Figures
    candidates: tuple[Figures, ...]
    left_out: tuple[LeftOut, ...]
    failed: dict[str, str]
    complete: bool
    drift: float | None = None

    @property
    def is_noisy(self) -> bool:
        """Whether the source's own speeds differ so much that the others' say little."""
        return self.drift is not None and not 1 / QUIET <= self.drift <= QUIET

    @property
    def recommended(self) -> str | None:
        near = [
            candidate for candidate in self.candidates if candidate.divergence.kl_nats <= self.work.most_kl
        ]
        faster = [
            candidate for candidate in near if candidate.ask_seconds * LEAST_GAIN <= self.source.ask_seconds
        ]
        return min(faster, key=lambda candidate: candidate.ask_seconds).kind if faster else None

    @property
    def chosen(self) -> str | None:
        """What is to be kept; None for nothing."""
        kind = self.work.chosen or self.recommended
        return kind if self.complete and kind in {candidate.kind for candidate in self.candidates} else None

    def record(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return {
            "schema": "plocal.optimize/1",
            "model": self.subject.name,
            "path": str(self.subject.path),
            "sha256": self.subject.sha256,
            "complete": self.complete,
            "threads": self.threads,
            "repeats": self.work.repeats,
            "text_tokens": self.source.divergence.tokens,
            "requantized": self.requantized,
            "drift": None if self.drift is None else round(self.drift, 3),
            "source": self.source.record(),
            "candidates": [candidate.record() for candidate in self.candidates],
            "failed": self.failed,
            "left_out": {left.kind: left.reason for left in self.left_out},
            "most_kl": self.work.most_kl,
            "recommended": self.recommended,
        }


def ask_seconds(rates: Speeds) -> float:
    """Seconds of an ask of `PROMPT_TOKENS`, `COMMENT_TOKENS` and `ANSWER_TOKENS` by these speeds."""
    return (
        PROMPT_TOKENS / rates.prefill_tok_s
        + COMMENT_TOKENS / rates.batch_tok_s
        + ANSWER_TOKENS / rates.decode_tok_s
    )


def ratios(report: CopyReport) -> Sequence[tuple[Figures, float]]:
    """Source and candidates, each with how many times as fast as the source an ask is."""
    return [
        (measured, report.source.ask_seconds / measured.ask_seconds)
        for measured in (report.source, *report.candidates)
    ]
