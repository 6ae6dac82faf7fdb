"""Stances against labels made by hand: how often each way of telling them is right.

`labelled.json` has 55 comments that Qwen2.5-Coder 1.5B Instruct wrote as the personas of two pools on ten questions,
three claims for each question, written before any comment was, and for every comment and claim whether the comment
supports or opposes it or is silent, labelled before anything scored them. Thresholds were chosen on the questions of
the half "tuned"; what is asserted, and printed with `-s`, is of the half "held out".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from pluralism_local import wiring
from pluralism_local.engine.base import LanguageModel
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.evaluation.nli import AdapterNli, NliPair, find_shipped
from pluralism_local.model_names import STARTER
from pluralism_local.modes.positions.assigner import ScoredPairs, relate_all
from pluralism_local.modes.steps import Case, Entail, Step, Weigh
from pluralism_local.modes.wordings import AskQuestion, AskWordings
from pluralism_local.positions.plan import PositionPlan
from pluralism_local.positions.stances import stance
from pluralism_local.results import Stance, StanceMethod
from pluralism_local.settings import Settings
from pluralism_local.types import Message, OptionRequest, Sampling

LABELLED = Path(__file__).parent / "labelled.json"
STANCES = ("supports", "opposes", "silent")


@dataclass(frozen=True)
class Question:
    """A question with comments by voice, claims, and by voice the stance of its comment on each claim."""

    question: str
    pool: str
    half: Literal["tuned", "held out"]
    claims: tuple[str, ...]
    comments: Mapping[str, str]
    stances: Mapping[str, tuple[Stance, ...]]


def questions() -> list[Question]:
    record = json.loads(LABELLED.read_text())
    return [
        Question(
            **{
                **fields,
                "claims": tuple(fields["claims"]),
                "stances": {voice: tuple(row) for voice, row in fields["stances"].items()},
            }
        )
        for fields in record["questions"]
    ]


class Figures(NamedTuple):
    """Of (voice, claim, stance): what was given, what of it is right, and what is labelled."""

    given: int
    right: int
    labelled: int

    @property
    def precision(self) -> float:
        return self.right / self.given if self.given else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.labelled if self.labelled else 0.0


def figures(pairs: list[tuple[Stance, Stance]], of: tuple[str, ...] = ("supports", "opposes")) -> Figures:
    """Args: pairs: the stance that was given, and the label."""
    return Figures(
        sum(given in of for given, _ in pairs),
        sum(given in of and given == label for given, label in pairs),
        sum(label in of for _, label in pairs),
    )


def test_figures_by_hand() -> None:
    pairs: list[tuple[Stance, Stance]] = [
        ("supports", "supports"),
        ("supports", "silent"),
        ("opposes", "supports"),
        ("silent", "opposes"),
        ("silent", "silent"),
    ]
    assert figures(pairs) == Figures(3, 1, 3)
    assert figures(pairs, ("opposes",)) == Figures(1, 0, 1)


def test_every_comment_has_a_stance_on_every_claim() -> None:
    every = questions()
    assert sum(len(question.comments) for question in every) == 55
    for question in every:
        assert question.stances.keys() == question.comments.keys() and question.claims
        for row in question.stances.values():
            assert len(row) == len(question.claims) and set(row) <= set(STANCES)
    halves = [question.half for question in every]
    assert (halves.count("tuned"), halves.count("held out")) == (3, 7)


def told(method: StanceMethod, carry_out: Callable[[Step], Any], half: str) -> list[tuple[Stance, Stance]]:
    """The stances that an ask would give, each with its label."""
    pairs: list[tuple[Stance, Stance]] = []
    for question in questions():
        if question.half != half:
            continue
        plan = PositionPlan(
            attributed=False, finder="llm", method=method, grammars="gbnf", scores=method == "entailment"
        )
        asked = AskQuestion(question.question, lists_options=False)
        case = Case(AskWordings(), asked, "text", (), (), "exact", Sampling(), plan)
        relations = finished(relate_all(case, question.comments, question.claims, ScoredPairs()), carry_out)
        for voice, row in relations.items():
            given = [stance(relation, method) for relation in row]
            pairs += zip(given, question.stances[voice], strict=True)
    return pairs


def finished(steps: Generator[Step, Any, Any], carry_out: Callable[[Step], Any]) -> Any:
    try:
        step = next(steps)
        while True:
            step = steps.send(carry_out(step))
    except StopIteration as end:
        return end.value


def by_scorer(starter: LanguageModel) -> Callable[[Step], Any]:
    """Carries out what asks the scorer."""
    scorer = AdapterNli(starter, find_shipped(starter.info).adapter)

    def carry_out(step: Step) -> Any:
        if isinstance(step, Entail):
            return scorer.score([NliPair(*pair) for pair in step.pairs]).tolist()
        return None

    return carry_out


def by_llm(llm: LanguageModel) -> Callable[[Step], Any]:
    """Carries out what asks the LLM for probabilities."""

    def carry_out(step: Step) -> Any:
        if not isinstance(step, Weigh):
            return None
        return llm.distribution(
            [OptionRequest((Message("user", wording.text),), step.options) for wording in step.wordings]
        )

    return carry_out


def report(name: str, pairs: list[tuple[Stance, Stance]]) -> Figures:
    lines = [f"{name}: {len(pairs)} pairs"]
    for of in (("supports", "opposes"), ("supports",), ("opposes",)):
        found = figures(pairs, of)
        lines.append(
            f"  {' or '.join(of):20} precision {found.precision:.2f} recall {found.recall:.2f}  {tuple(found)}"
        )
    print("\n".join(lines))  # noqa: T201 - the figures are what this is run for
    return figures(pairs)


@pytest.fixture(scope="module")
def starter() -> Iterator[LanguageModel]:
    with wiring.open_engine(STARTER, Settings(ctx_size=2048), lambda _: None) as engine:
        yield engine


@pytest.mark.slow
def test_the_scorer_that_ships(starter: LanguageModel) -> None:
    found = report("entailment scorer", told("entailment", by_scorer(starter), "held out"))
    assert found.precision >= 0.35 and found.recall >= 0.25


@pytest.mark.slow
def test_the_scorer_and_a_larger_model(starter: LanguageModel, fetched_model: Callable[[str], Path]) -> None:
    path = fetched_model("qwen25-coder-1.5b")
    with LlamaEngine(path, name="qwen", options=LlamaOptions(ctx_size=2048)) as llm:
        found = report("1.5B model", told("llm", by_llm(llm), "held out"))
    assert found.precision >= 0.45 and found.recall >= 0.45
