"""Which copy is recommended, what is told of noise, and what work is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.bench import copies
from pluralism_local.bench.copies import CopyReport, CopyWork, Figures, Subject
from pluralism_local.bench.divergence import Divergence
from pluralism_local.bench.speeds import Speeds
from pluralism_local.errors import InvalidInput


def figures(kind: str, seconds: float, kl: float) -> Figures:
    """Of a file whose ask takes so long."""
    rate = (copies.PROMPT_TOKENS + copies.COMMENT_TOKENS + copies.ANSWER_TOKENS) / seconds
    return Figures(kind, kind, 1, None, Speeds(rate, rate, rate), Divergence(kl, 9.0, 400))


def reported(*candidates: Figures, work: CopyWork | None = None, complete: bool = True) -> CopyReport:
    subject = Subject("m", Path("m.gguf"), "", "")
    source = figures("F16", 10.0, 0.0)
    return CopyReport(subject, work or CopyWork(), 2, False, source, candidates, (), {}, complete)


def test_the_fastest_within_the_bound_is_recommended_if_it_gains() -> None:
    fast, near, slow = figures("Q4_0", 4.0, 0.2), figures("Q4_K_M", 6.0, 0.04), figures("Q8_0", 9.8, 0.001)
    assert fast.ask_seconds == pytest.approx(4.0)
    assert reported(fast, near, slow).recommended == "Q4_K_M"
    assert reported(fast, near, slow, work=CopyWork(most_kl=0.3)).recommended == "Q4_0"
    assert reported(slow).recommended is None
    assert reported(replace(slow, divergence=Divergence(float("nan"), 1.0, 1))).recommended is None
    assert reported(fast, near, work=CopyWork(chosen="Q4_0")).chosen == "Q4_0"
    assert reported(fast, near, complete=False).chosen is None
    assert [round(ratio, 2) for _, ratio in copies.ratios(reported(fast))] == [1.0, 2.5]


def test_a_source_that_is_as_fast_at_both_ends_is_quiet() -> None:
    assert not reported().is_noisy
    assert [replace(reported(), drift=drift).is_noisy for drift in (0.8, 0.9, 1.0, 1.1, 1.2)] == [
        *(True, False, False, False, True)
    ]


@pytest.mark.parametrize(
    "wrong",
    [{"repeats": 0}, {"most_kl": -1.0}, {"most_kl": float("nan")}, {"kinds": ("Q8_0",), "chosen": "Q4_0"}],
)
def test_wrong_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        CopyWork(**wrong)  # type: ignore[arg-type]
