"""KL divergence and perplexity: against scipy, and on real models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pluralism_local.bench.divergence import (
    MOST_TOKENS,
    Logits,
    Reference,
    kl,
    log_softmax,
    rows,
    text_tokens,
)
from pluralism_local.engine.base import never
from pluralism_local.engine.handles import Model
from pluralism_local.engine.library import install_log
from pluralism_local.engine.quantizer import quantize
from pluralism_local.errors import Cancelled, DamagedWeights, InvalidInput
from tests.support.tiny.model import Tiny, write_tiny

LOGITS = arrays.arrays(np.float32, 23, elements=st.floats(-60, 60, width=32))


@given(LOGITS, LOGITS)
def test_probabilities_and_divergence_are_scipys(left: Logits, right: Logits) -> None:
    p, q = log_softmax(left), log_softmax(right)
    assert np.allclose(p, scipy.special.log_softmax(left.astype(np.float64)), atol=1e-12, rtol=0)
    expected = scipy.special.rel_entr(np.exp(p), np.exp(q)).sum()
    assert kl(p, q) == pytest.approx(expected, abs=1e-9, rel=1e-9)
    assert kl(p, q) >= -1e-12 and kl(p, p) == 0
    assert kl(p, log_softmax(left + np.float32(0))) == 0


def test_of_two_outcomes_by_hand() -> None:
    half, quarter = np.log([0.5, 0.5]), np.log([0.25, 0.75])
    assert kl(half, quarter) == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))


@pytest.mark.parametrize("bad", [[0, np.nan], [0, np.inf], [-np.inf, -np.inf]])
def test_what_is_no_number_is_no_probability(bad: list[float]) -> None:
    with pytest.raises(DamagedWeights):
        log_softmax(np.array(bad, np.float32))


def test_what_is_ruled_out_adds_nothing_where_the_source_rules_it_out() -> None:
    p, q = (log_softmax(np.array(row, np.float32)) for row in ([0, 0, -np.inf], [0, 0, 1]))
    assert kl(p, q) == pytest.approx(scipy.special.rel_entr(np.exp(p), np.exp(q)).sum())
    assert kl(p, p) == 0 and kl(q, p) == np.inf


@pytest.fixture(params=["sentencepiece", "bpe"])
def tiny(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Model]:
    install_log()
    with Model(write_tiny(tmp_path / "tiny.gguf", Tiny(tokenizer=request.param)), repack=False) as model:
        yield model


def test_a_model_does_not_diverge_from_itself_and_its_perplexity_is_the_texts(
    tiny: Model, tmp_path: Path
) -> None:
    tokens = text_tokens(tiny)
    assert len(tokens) == 256  # what it was trained to read
    with Reference(tmp_path) as reference:
        own = reference.record(tiny, threads=1)
        again = reference.compare(tiny, threads=1)
    assert own == again and own.kl_nats == 0 and own.tokens == 255
    read = np.array([row.copy() for row in rows(tiny, tokens, threads=1, should_stop=never)])
    logs = scipy.special.log_softmax(read.astype(np.float64), axis=1)
    surprise = -logs[np.arange(255), list(tokens[1:])].mean()
    assert own.perplexity == pytest.approx(np.exp(surprise), rel=1e-9)
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.gguf"]


def test_a_quantized_copy_diverges_by_the_mean_of_its_rows(tmp_path: Path) -> None:
    install_log()
    source = write_tiny(tmp_path / "tiny.gguf")
    quantize(source, tmp_path / "q4.gguf", "Q4_0", threads=1, expected_bytes=1)
    with Model(source, repack=False) as model, Model(tmp_path / "q4.gguf", repack=False) as copy:
        tokens = text_tokens(model)
        with Reference(tmp_path) as reference:
            reference.record(model, threads=1)
            found = reference.compare(copy, threads=1)
        ours, theirs = (
            np.array([row.copy() for row in rows(it, tokens, threads=1, should_stop=never)], np.float64)
            for it in (model, copy)
        )
    p, q = scipy.special.softmax(ours, axis=1), scipy.special.softmax(theirs, axis=1)
    assert found.kl_nats == pytest.approx(scipy.stats.entropy(p, q, axis=1).mean(), rel=1e-6)
    assert found.kl_nats > 0


def test_stopped_and_another_vocabulary(tmp_path: Path) -> None:
    install_log()
    with (
        Model(write_tiny(tmp_path / "a.gguf"), repack=False) as model,
        Model(write_tiny(tmp_path / "b.gguf", Tiny(tokenizer="bpe")), repack=False) as other,
        Reference(tmp_path) as reference,
    ):
        with pytest.raises(Cancelled):
            reference.record(model, threads=1, should_stop=lambda: True)
        reference.record(model, threads=1)
        with pytest.raises(InvalidInput, match="another vocabulary"):
            reference.compare(other, threads=1)


def test_the_text_has_the_length_that_is_said(starter_path: Path) -> None:
    install_log()
    with Model(starter_path, repack=False) as model:
        assert 300 <= len(text_tokens(model)) <= 500 <= MOST_TOKENS


@pytest.mark.slow
def test_the_starters_copies_diverge_by_how_much_they_lose(starter_path: Path, tmp_path: Path) -> None:
    install_log()
    with Reference(tmp_path) as reference:
        with Model(starter_path, repack=False) as model:
            source = reference.record(model, threads=2)
        found = []
        for kind in ("Q8_0", "Q4_0"):
            quantize(starter_path, tmp_path / kind, kind, threads=2, expected_bytes=10**8)
            with Model(tmp_path / kind, repack=False) as copy:
                found.append(reference.compare(copy, threads=2))
    q8, q4 = found
    # seen: 31.0, 31.1 and 35.6; 0.005 and 0.26 nats
    assert 25 < source.perplexity < 40 and q8.perplexity == pytest.approx(source.perplexity, rel=0.03)
    assert 0 < q8.kl_nats < 0.02 < 0.1 < q4.kl_nats < 0.5 and q4.perplexity > q8.perplexity
