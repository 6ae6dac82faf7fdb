"""What is measured is what is run: every method through the modes and through the evaluation, side by side.

    a task's sample ──┬─ Ask ──> modes.run, worded as the task ──> calls of the engines, Result ──┐
                      └─ Setup ─> runner.run ──────────────────> calls of the engines, record ──┴──> the same

Requests are compared as they are, messages, options, adapters and sampling, but for seeds: a sample of a run has one of
its own. What is checked before a method runs, the number of options, is no part of a method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.communities import Pool
from pluralism_local.engine.base import Capabilities, ShouldStop, never
from pluralism_local.engine.scripted import EVERYTHING, ScriptedEngine
from pluralism_local.errors import PlocalError
from pluralism_local.evaluation.journal import read_journal
from pluralism_local.evaluation.methods import METHODS
from pluralism_local.evaluation.runner import SAMPLES_FILE, Setup, run
from pluralism_local.evaluation.samples import Sample, Where
from pluralism_local.evaluation.tasks import TASKS, Task
from pluralism_local.evaluation.tasks.opinion_qa import CATEGORIES
from pluralism_local.modes import Ask, baselines, distributional, overton, steerable
from pluralism_local.prompts import OVERTON_SYNTHESIS, STEERABLE_SELECT_VALUE
from pluralism_local.types import (
    ModeName,
    OptionDistribution,
    OptionRequest,
    Request,
    Result,
    Sampling,
    Usage,
)
from tests.evaluation import rows
from tests.evaluation.test_runner import MAKERS, read
from tests.modes.helpers import (
    NO_ADAPTERS,
    NO_PROBABILITIES,
    THREE,
    NoLogprobs,
    answer,
    community,
    pool,
    script,
)

COMMENT, ANSWER = Sampling(0.0, 0.9, 40), Sampling(max_tokens=30)
TEN = pool(*((f"c{number}", weight) for number, weight in enumerate((0.19, *[0.09] * 9))))
SELECT = "from 1 to|Expert:$"
COMBINED: Mapping[str, ModeName] = {
    "select": "steerable",
    "average": "distributional",
    "synthesis": "overton",
}


class Bounded(ScriptedEngine):
    """As a server that hides what is not among its likeliest tokens: each mass lies in an interval."""

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        exact = super().distribution(requests, should_stop=should_stop)
        return [
            replace(one, bounds=tuple((mass / 2, mass) for mass in one.mass), method="top_logprobs")
            for one in exact
        ]


@dataclass(frozen=True)
class Case:
    """What is special about a pool, the engine or what it says; see `ScriptedEngine`."""

    members: Pool = THREE
    replies: Sequence[Mapping[str, str]] = ()
    weighs: Sequence[Mapping[str, Any]] = ()
    abilities: Capabilities = EVERYTHING
    context: int = 4096
    engine: type[ScriptedEngine] = ScriptedEngine
    trained: bool = False


def _says(name: str, text: str) -> Mapping[str, str]:
    return {"pattern": f"(?s)speak for {name}", "text": text}


CASES: Mapping[str, Case] = {
    "plain": Case(),
    "through adapters": Case(trained=True),
    "no adapters": Case(trained=True, abilities=NO_ADAPTERS),
    "one community": Case(members=pool(("left", 1.0))),
    "two of three are silent": Case(replies=[_says("(left|right)", " \n")]),
    "one of three is silent": Case(replies=[_says("left", "")]),
    "all are silent": Case(replies=[_says("", "")]),
    "equal comments": Case(replies=[_says("", "The same of all.")]),
    "comments too long": Case(replies=[_says("", "word " * 90)], context=150),
    "no room at all": Case(context=60),
    "ten communities": Case(members=TEN),
    "ten communities, one token": Case(members=TEN, abilities=replace(EVERYTHING, distribution="bounded")),
    "numbers without probability": Case(
        replies=[{"pattern": SELECT, "text": "Number 2."}], weighs=[{"pattern": SELECT, "mass": {}}]
    ),
    "no number": Case(
        replies=[{"pattern": SELECT, "text": "None."}], weighs=[{"pattern": SELECT, "mass": {}}]
    ),
    "several numbers": Case(
        replies=[{"pattern": SELECT, "text": "Comment 3 or comment 2."}],
        weighs=[{"pattern": SELECT, "mass": {}}],
    ),
    "a number after much thought": Case(
        replies=[{"pattern": SELECT, "text": f"<think>{'well ' * 24}</think> 3"}],
        weighs=[{"pattern": SELECT, "mass": {}}],
    ),
    "no option is probable": Case(weighs=[{"pattern": "Answer:$", "mass": {}}]),
    "no option is probable after some": Case(
        replies=[_says("left", "Odd.")], weighs=[{"pattern": "Odd[.]", "mass": {}}]
    ),
    "bounds": Case(abilities=replace(EVERYTHING, distribution="bounded"), engine=Bounded),
    "no probabilities": Case(abilities=NO_PROBABILITIES),
    "no probabilities after all": Case(engine=NoLogprobs),
}


@dataclass(frozen=True)
class Told:
    """What came of it."""

    calls: Sequence[Sequence[Request | OptionRequest]] = ()
    failed: bool = False
    answer: str | None = None
    p: tuple[float, ...] | None = None
    outside: float | None = None
    method: str | None = None
    stand_in: float = 0.0
    bounds: object = None
    selection: tuple[str, str] | None = None
    usage: Mapping[str, Usage] = field(default_factory=dict)


NOBODY = "nobody speaks: the mode steers by the attribute, the evaluation forgets it"
ONCE = "the mode weighs each distinct text once, the evaluation one for every community"
ROOM = "comments that may be too long: the mode shortens or refuses them beforehand, the evaluation fails afterwards"
SUMS = "the mode's weighted sums are rounded once, the evaluation's at every step"
BOUNDS = "the evaluation drops the bounds of what a server hides"
THOUGHT = (
    "the mode asks again for a number that was only thought, the evaluation takes the heaviest community"
)
WORDS = "a server that gives no probabilities after all: the evaluation then takes words for a distribution"


def difference(case: str, task: Task, method: str) -> str | None:
    """What is known to differ."""
    combined = method in ("ours", "persona")
    average = combined and task.combine == "average"
    chooses = method == "moe" or (combined and task.combine == "select")
    country = task.name == "distributional-globalopinionqa"
    match case:
        case "all are silent" if combined and task.combine == "select":
            return NOBODY
        case "all are silent" | "two of three are silent" | "equal comments" if average:
            return ONCE
        case "comments too long" if combined:
            return ROOM
        case "no room at all" if combined or method == "moe":
            return ROOM
        case "one of three is silent" | "ten communities" | "ten communities, one token" if (
            average and country
        ):
            return SUMS
        case "bounds" if task.answers != "text":
            return BOUNDS
        case "a number after much thought" if chooses:
            return THOUGHT
        case "no probabilities after all" if chooses and task.answers == "distribution":
            return WORDS
    return None


def _engines(case: Case, folder: Path) -> tuple[ScriptedEngine, ScriptedEngine]:
    """The LLM and the communities' model, which has room for everything."""
    folder.mkdir(parents=True, exist_ok=True)
    file = script(folder, replies=list(case.replies), distributions=list(case.weighs))
    if case.engine is NoLogprobs:
        return NoLogprobs(file), ScriptedEngine(file, record=True)
    llm = case.engine(file, capabilities=case.abilities, context=case.context, record=True)
    return llm, ScriptedEngine(file, capabilities=replace(case.abilities, distribution="exact"), record=True)


def _members(case: Case, folder: Path) -> Pool:
    return pool(*(community(id, folder=folder) for id in ("left", "right"))) if case.trained else case.members


def _calls(llm: ScriptedEngine, communities: ScriptedEngine) -> list[list[Request | OptionRequest]]:
    """The communities' calls, then the LLM's, each in order, without seeds."""
    return [
        [
            replace(one, sampling=replace(one.sampling, seed=0)) if isinstance(one, Request) else one
            for one in call.requests
        ]
        for engine in (communities, llm)
        for call in engine.calls
    ]


class _Worded:
    """Stands for a prompt of a mode: `text` of its values."""

    id = "worded"

    def __init__(self, text: Callable[..., str]) -> None:
        self.render = text


@contextmanager
def worded(task: Task, sample: Sample) -> Iterator[None]:
    """Let the modes word what they ask as the task does."""
    comment = _Worded(lambda question: task.comment(sample).text)
    prompting = _Worded(lambda question: task.prompting(sample).text)
    with pytest.MonkeyPatch.context() as patch:
        for module in (baselines, steerable, distributional):
            patch.setattr(module, "COMMENT_EXPLAINED", comment)
        patch.setattr(baselines, "PROMPTING", prompting)
        if task.name == "steerable-vk":
            select = _Worded(
                lambda attribute, comments, count: STEERABLE_SELECT_VALUE.render(
                    attribute=sample.attribute or "", comments=comments, count=count
                )
            )
            patch.setattr(steerable, "STEERABLE_SELECT", select)
        if task.combine == "average":
            after = _Worded(lambda comment, question: task.answer(sample, comment).text)
            patch.setattr(distributional, "DISTRIBUTIONAL_ANSWER", after)
        if task.combine == "synthesis":
            synthesis = _Worded(
                lambda question, passages: OVERTON_SYNTHESIS.render(
                    question=sample.data["situation"], passages=passages
                )
            )
            patch.setattr(overton, "OVERTON_SYNTHESIS", synthesis)
        yield


def through_mode(task: Task, sample: Sample, method: str, case: Case, folder: Path) -> Told:
    """The sample as an ask."""
    llm, communities = _engines(case, folder)
    mode: ModeName = COMBINED[task.combine] if method in ("ours", "persona") else method  # type: ignore[assignment]
    members = _members(case, folder.parent)
    if method == "persona":
        members = replace(
            members, members=tuple(replace(m, community=community(m.community.id)) for m in members.members)
        )
    category, _, group = (sample.attribute or "").partition("_")
    attribute = (
        f"{CATEGORIES[category]}: {group}"
        if task.name == "steerable-opinionqa"
        else f"value: {sample.attribute}"
    )
    ask = Ask(
        sample.question,
        mode,
        members,
        attribute=attribute if mode == "steerable" else None,
        options=sample.options,
        answer=ANSWER,
        comment=COMMENT,
    )
    result: Result | None = None
    try:
        with worded(task, sample):
            result = answer(ask, llm, communities)
    except PlocalError:
        pass
    calls = _calls(llm, communities)
    found = None if result is None else result.distribution
    if result is None or (found is None and sample.options):
        return Told(calls, failed=True)
    letter = None if found is None else "ABCDE"[found.options.index(result.answer)]
    return Told(
        calls,
        False,
        result.answer if task.answers == "text" else letter,
        None if found is None else found.p,
        None if found is None else found.unassigned_mass,
        None if found is None else found.method,
        0.0 if found is None else sum(found.weights[name] for name in found.stand_ins),
        None if found is None else found.bounds,
        None if result.selection is None else (result.selection.community, result.selection.method),
        result.usage,
    )


def through_evaluation(task: Task, sample: Sample, method: str, case: Case, folder: Path) -> Told:
    """The sample as a run of one."""
    llm, communities = _engines(case, folder)
    members = _members(case, folder.parent)
    try:
        run(Setup(task, [sample], members, llm, communities, COMMENT, ANSWER), folder / "run", [method])
    except PlocalError:
        return Told(_calls(llm, communities), failed=True)
    (record,) = read_journal(folder / "run" / SAMPLES_FILE)
    calls = _calls(llm, communities)
    usage = {role: Usage(**spent) for role, spent in record["usage"].items()}
    p = record.get("pred_distribution")
    if "error" in record or record.get("stand_in") == 1:
        return Told(calls, failed=True)
    letter = None if p is None else "ABCDE"[p.index(max(p))]
    if task.answers == "label" and p is not None:
        assert record["output"] == letter
    chosen = record.get("selection")
    how = "parsed" if record.get("selection_method") == "unclear" else record.get("selection_method", "")
    return Told(
        calls,
        False,
        record["output"] if task.answers == "text" else letter,
        None if p is None else tuple(p),
        record.get("unassigned_mass"),
        record.get("distribution_method"),
        record.get("stand_in", 0.0),
        None if record.get("bounds") is None else tuple(map(tuple, record["bounds"])),
        None if chosen is None else (chosen, how),
        usage,
    )


CELLS = [
    pytest.param(
        case,
        task,
        method,
        marks=[pytest.mark.xfail(reason=why)] if (why := difference(case, TASKS[task], method)) else [],
    )
    for case in CASES
    for task in MAKERS
    for method in METHODS
]


@pytest.mark.parametrize(("case", "task", "method"), CELLS)
def test_a_method_asks_and_answers_the_same_in_both(
    case: str, task: str, method: str, tmp_path: Path
) -> None:
    (sample,) = read(task, tmp_path, 1)
    of_mode = through_mode(TASKS[task], sample, method, CASES[case], tmp_path / "mode")
    measured = through_evaluation(TASKS[task], sample, method, CASES[case], tmp_path / "evaluation")
    if TASKS[task].answers == "label" and case.startswith("no probabilities"):
        # a task's label may be written, as in the released code; an ask with options always weighs them
        assert (of_mode.failed, measured.failed) == (True, False)
    else:
        assert measured == of_mode


@pytest.mark.parametrize("method", METHODS)
def test_a_single_option_is_refused_at_the_door_and_needs_no_model_in_a_file(
    method: str, tmp_path: Path
) -> None:
    task = TASKS["distributional-moralchoice"]
    row = {**rows.moral(0), "options": ["I help."], "gold_distribution": [1.0]}
    sample = task.sample(row, Where("rows.json", 0))
    of_mode = through_mode(task, sample, method, Case(), tmp_path / "mode")
    measured = through_evaluation(task, sample, method, Case(), tmp_path / "evaluation")
    assert (of_mode.failed, measured.p) == (True, (1.0,))
    assert of_mode.calls == measured.calls == []
