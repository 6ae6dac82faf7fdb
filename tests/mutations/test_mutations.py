"""No file that is called sound ends the process that loads it: seeded mutants, loaded for real in a child."""

from __future__ import annotations

import random
import signal
from pathlib import Path

import pytest

from tests.mutations.draft import take_apart
from tests.mutations.mutants import mutant
from tests.mutations.trial import KINDS, Tally, child, try_adapters, try_models
from tests.support.tiny.model import Tiny, write_tiny


def check_tally(tally: Tally, count: int) -> None:
    assert tally.bad == {}
    assert tally.counts.total() == count
    # the trial must reach llama.cpp, and our check must find something
    assert tally.counts["loaded"] > count / 40
    assert tally.counts["refused by us"] > count / 10


def test_mutants_of_models_end_nothing(tmp_path: Path) -> None:
    check_tally(try_models(tmp_path, range(150)), 150)


def test_mutants_of_adapters_end_nothing(tmp_path: Path) -> None:
    check_tally(try_adapters(tmp_path, range(60)), 60)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_many_mutants_of_models_end_nothing(tmp_path: Path) -> None:
    check_tally(try_models(tmp_path, range(10_000, 12_000)), 2000)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_mutants_of_adapters_end_nothing(tmp_path: Path) -> None:
    check_tally(try_adapters(tmp_path, range(10_000, 11_000)), 1000)


def test_the_child_tells_a_death_and_goes_on(tmp_path: Path) -> None:
    """A file that no check was asked about, so that llama.cpp asserts; the trial would see it."""
    draft = take_apart(write_tiny(tmp_path / "tiny.gguf"))
    draft.entry("block_count").value = 0
    (tmp_path / "none.gguf").write_bytes(draft.content())
    with child() as loader:
        assert loader.load(tmp_path / "none.gguf") == f"died: {signal.SIGABRT.name}"
        assert loader.load(tmp_path / "tiny.gguf") == "loaded"


@pytest.mark.parametrize("tiny", KINDS)
def test_what_is_taken_apart_is_put_together_again(tmp_path: Path, tiny: Tiny) -> None:
    path = write_tiny(tmp_path / "tiny.gguf", tiny)
    draft = take_apart(path)
    assert draft.content() == path.read_bytes()
    assert mutant(draft, random.Random(1)) == mutant(draft, random.Random(1))
    assert draft.content() == path.read_bytes()
