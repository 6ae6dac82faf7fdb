"""What scoring by entailment adds to a dry run, and a scorer that cannot be opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.evaluation.entailment_cost import TOKENS_OF_A_SENTENCE, pairs_at_most, with_entailment
from pluralism_local.evaluation.nli import NliPair
from pluralism_local.evaluation.nli.base import EntailmentScores
from pluralism_local.evaluation.runner import RunSetup
from pluralism_local.evaluation.tasks import TASKS
from pluralism_local.types import Sampling
from tests.support.mode_asks import THREE
from tests.support.samples import read

METHODS = ("ours", "vanilla", "shuffled")


class CountingNli:
    """A third for each class."""

    name, identity, truncated = "counting", "0" * 12, 0

    def __init__(self) -> None:
        self.calls: list[int] = []

    def score(self, pairs: Sequence[NliPair], *, should_stop: ShouldStop = never) -> EntailmentScores:
        del should_stop
        self.calls.append(len(pairs))
        return np.full((len(pairs), 3), 1 / 3)


def setup(task: str, folder: Path, tokens: int) -> RunSetup:
    llm, samples = ScriptedEngine(), read(task, folder, 3)
    return RunSetup(TASKS[task], samples, THREE, llm, llm, Sampling(1.0, 0.9, 8), Sampling(max_tokens=tokens))


@pytest.mark.parametrize(("task", "directions"), [("overton-nli", 2), ("overton-window", 1)])
@pytest.mark.parametrize("sentences", [1, 5])
def test_pairs_are_sentences_times_viewpoints_of_every_response(
    task: str, directions: int, sentences: int, tmp_path: Path
) -> None:
    given = setup(task, tmp_path, sentences * TOKENS_OF_A_SENTENCE)
    viewpoints = sum(len(given.task.viewpoints(sample)) for sample in given.samples)
    assert viewpoints >= 3
    pairs = pairs_at_most(given, METHODS)
    assert pairs == len(METHODS) * sentences * viewpoints * directions
    assert pairs_at_most(given, (*METHODS, "uniform")) == pairs  # there is no uniform text
    scorer = CountingNli()
    record = with_entailment({"minutes": 1.0, "comments": 9}, given, METHODS, scorer)
    assert (record["entailment_pairs"], record["comments"]) == (pairs, 9)
    assert record["minutes"] >= 1 and record["pairs_per_second"] > 0
    assert scorer.calls[0] == 1 and len(scorer.calls) == 2 and scorer.calls[1] >= 2


def test_options_cost_no_pairs(tmp_path: Path) -> None:
    assert pairs_at_most(setup("steerable-vk", tmp_path, 200), METHODS) == 0
