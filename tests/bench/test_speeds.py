"""Speeds of a tiny model: counted tokens over time, bounded by the context, stopped when asked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.bench.memory import forget_peak, peak_rss_mb
from pluralism_local.bench.speeds import Lengths, speeds
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.errors import Cancelled
from tests.support.tiny.model import write_tiny

SHORT = Lengths(prompt=64, answer=4)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LlamaEngine]:
    path = write_tiny(tmp_path / "tiny.gguf")
    with LlamaEngine(path, name="tiny", options=LlamaOptions(ignore_end=True, threads=1)) as engine:
        yield engine


def test_every_turn_decodes_what_it_says(engine: LlamaEngine) -> None:
    shares: list[float] = []
    before = engine.stats.decoded_tokens
    found = speeds(engine, 2, SHORT, progress=shares.append)
    assert min(found.prefill_tok_s, found.decode_tok_s, found.batch_tok_s) > 0
    assert shares == [0, pytest.approx(1 / 3), pytest.approx(2 / 3)]
    # three turns, of which each reads a prompt and writes nine answers, the last token of which is not decoded
    assert engine.stats.decoded_tokens - before >= 3 * (50 + 9 * 3)


def test_stopped_it_says_nothing(engine: LlamaEngine) -> None:
    with pytest.raises(Cancelled):
        speeds(engine, 1, SHORT, should_stop=lambda: True)


def test_a_peak_is_that_since_it_was_forgotten() -> None:
    block = b"x" * 200_000_000
    high = peak_rss_mb()
    assert high is not None and len(block) > 0
    del block
    if forget_peak():
        low = peak_rss_mb()
        assert low is not None and low < high - 100
