"""What `plocal bench` was asked for and what it found: values, ratios, and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from pluralism_local.engine.kernel_safety import KernelVerdict
from pluralism_local.errors import InvalidInput

Voices = Literal["adapters", "personas"]


@dataclass(frozen=True, slots=True)
class Workload:
    """What to measure.

    Attributes:
        comment_tokens, answer_tokens: new tokens, exactly.
        repeats: how often; medians are reported.
        naive: also run the naive loop, as the library's defaults have it.
        tuned: also run it with as many threads as ours uses, and the attention that is faster here.
        voices: what communities speak through.
        server: a `llama-server` that is to do the same, with as many slots as there are communities.
    """

    comment_tokens: int = 128
    answer_tokens: int = 200
    repeats: int = 3
    naive: bool = False
    tuned: bool = False
    voices: Voices = "adapters"
    server: Path | None = None

    def __post_init__(self) -> None:
        for name in ("comment_tokens", "answer_tokens", "repeats"):
            if getattr(self, name) < 1:
                raise InvalidInput(f"{name.replace('_', ' ')} must be at least 1, got {getattr(self, name)}.")


@dataclass(frozen=True, slots=True)
class AskTimes:
    """Medians in wall seconds; `comments_tok_s` is all comments' new tokens over the comments stage."""

    comments_tok_s: float
    seconds: float
    comments_seconds: float
    answer_seconds: float
    load_seconds: float | None = None

    def record(self) -> dict[str, float]:
        """JSON values."""
        figures = {
            "comments_tok_s": self.comments_tok_s,
            "seconds": self.seconds,
            "comments_seconds": self.comments_seconds,
            "answer_seconds": self.answer_seconds,
        }
        return rounded(
            figures if self.load_seconds is None else {**figures, "load_seconds": self.load_seconds}
        )


@dataclass(frozen=True, slots=True)
class Guesses:
    """Tokens that were guessed before they were drawn (see `engine.lookup`), and those of them that came true."""

    drafted: int = 0
    accepted: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """All figures. Rates are tokens per second; ratios are ours over theirs for rates, theirs over ours for time.

    `ask` is an ask of a pool that was not asked before, `second` the next one, by a fresh engine over
    the same cache, on another question; `restored_tokens` of it were read from
    there, and `guesses` are its own. `together` names the ways that several adapters ran in (see
    `engine.together`), with the reason where they ran apart; empty without adapters. `kernels` says what both
    sides did without, since it faults on this machine.
    """

    model: str
    pool: str
    communities: int
    adapters: str
    threads: int
    workload: Workload
    prefill_tok_s: float
    decode_tok_s: float
    batch_tok_s: float
    ask: AskTimes
    naive: AskTimes | None
    tuned: AskTimes | None
    peak_rss_mb: float | None
    kernels: KernelVerdict = field(default_factory=KernelVerdict)
    second: AskTimes | None = None
    server: AskTimes | None = None
    model_mb: float | None = None
    plan: str | None = None
    restored_tokens: int = 0
    guesses: Guesses = Guesses()
    together: str = ""

    def ratio(self, other: AskTimes | None, ours: AskTimes | None = None) -> dict[str, float] | None:
        """How many times faster ours (by default the first ask) is than `other`: comments by rate, the ask by time."""
        ours = ours or self.ask
        if other is None:
            return None
        return {
            "comments": ours.comments_tok_s / other.comments_tok_s,
            "ask": other.seconds / ours.seconds,
        }

    @property
    def memory_over_model(self) -> float | None:
        """Peak of resident memory over the model file's size; 1 would be the file alone."""
        if self.peak_rss_mb is None or not self.model_mb:
            return None
        return self.peak_rss_mb / self.model_mb

    def record(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        others: Mapping[str, tuple[str, AskTimes | None]] = {
            "naive": ("ratio", self.naive),
            "tuned_naive": ("tuned_ratio", self.tuned),
            "server": ("server_ratio", self.server),
        }
        compared: dict[str, Any] = {}
        for name, (ratio, times) in others.items():
            compared[name] = None if times is None else times.record()
            compared[ratio] = _ratio(self.ratio(times))
            compared[f"second_{ratio}"] = (
                None if self.second is None else _ratio(self.ratio(times, self.second))
            )
        over = self.memory_over_model
        return {
            "schema": "plocal.bench/1",
            "model": self.model,
            "pool": self.pool,
            "communities": self.communities,
            "voices": self.workload.voices,
            "adapters": self.adapters,
            "together": self.together,
            "threads": self.threads,
            "plan": self.plan,
            "comment_tokens": self.workload.comment_tokens,
            "answer_tokens": self.workload.answer_tokens,
            "repeats": self.workload.repeats,
            **rounded(
                {
                    "prefill_tok_s": self.prefill_tok_s,
                    "decode_tok_s": self.decode_tok_s,
                    "batch_tok_s": self.batch_tok_s,
                }
            ),
            "ask": self.ask.record(),
            "second_ask": None if self.second is None else self.second.record(),
            "restored_tokens": self.restored_tokens,
            "guesses": asdict(self.guesses),
            **compared,
            "peak_rss_mb": None if self.peak_rss_mb is None else round(self.peak_rss_mb, 1),
            "model_mb": None if self.model_mb is None else round(self.model_mb, 1),
            "memory_over_model": None if over is None else round(over, 3),
            "kernels_left_out": list(self.kernels.dropped),
        }


def rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """Each figure to three decimals."""
    return {name: round(value, 3) for name, value in figures.items()}


def _ratio(figures: dict[str, float] | None) -> dict[str, float] | None:
    return None if figures is None else rounded(figures)
