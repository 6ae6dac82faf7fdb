"""What is measured is what is run: every method through the modes and through the evaluation, side by side.

    a task's sample ──┬─ Ask ───> the ask driver, worded as the task ──> calls of the engines, Result ──┐
                      └─ Setup ─> runner.run ──────────────────────────> calls of the engines, record ──┴──> the same

Requests are compared as they are, messages, options, adapters and sampling, but for seeds: a sample of a run has one of
its own. What is checked before a method runs, the number of options, is no part of a method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.communities import Pool
from pluralism_local.engine.base import Capabilities, never
from pluralism_local.engine.scripted import EVERYTHING, ScriptedEngine
from pluralism_local.errors import PlocalError
from pluralism_local.evaluation.journal import read_journal
from pluralism_local.evaluation.methods import methods_for, mode_of
from pluralism_local.evaluation.runner import SAMPLES_FILE, RunSetup, run
from pluralism_local.evaluation.samples import Sample, Where
from pluralism_local.evaluation.tasks import TASKS, Task
from pluralism_local.mode_specs import SPECS, Orders
from pluralism_local.modes import Ask, algorithm
from pluralism_local.modes.driver import carry_out, prepared
from pluralism_local.results import Result
from pluralism_local.types import OptionRequest, Request, Sampling, Usage
from tests.support import rows
from tests.support.bounded import Bounded
from tests.support.mode_asks import (
    NO_ADAPTERS,
    NO_PROBABILITIES,
    THREE,
    NoLogprobs,
    community,
    last,
    pool,
    script,
)
from tests.support.samples import MAKERS, read

COMMENT, ANSWER = Sampling(0.0, 0.9, 40), Sampling(max_tokens=30)
TEN = pool(*((f"c{number}", weight) for number, weight in enumerate((0.19, *[0.09] * 9))))
SELECT = "from 1 to|Expert:$"


@dataclass(frozen=True)
class Case:
    """What is special about a pool, the engine or what it says; see `ScriptedEngine`."""

    members: Pool = THREE
    replies: Sequence[Mapping[str, str]] = ()
    weighs: Sequence[Mapping[str, Any]] = ()
    abilities: Capabilities = EVERYTHING
    context: int = 4096
    engine: type[ScriptedEngine] = ScriptedEngine
    orders: Orders = "asked"
    trained: bool = False
    beside_persona: bool = False


def _says(name: str, text: str) -> Mapping[str, str]:
    return {"pattern": f"(?s)speak for {name}", "text": text}


CASES: Mapping[str, Case] = {
    "plain": Case(),
    "through adapters": Case(trained=True),
    "through adapters and personas": Case(trained=True, beside_persona=True),
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
    "rotated": Case(orders="rotate"),
    "rotated, letters in comments": Case(
        orders="rotate", replies=[_says("", "My answer is A. Or option B.")]
    ),
    "rotated, no option is probable in some": Case(
        orders="rotate", weighs=[{"pattern": "A[.] (?:Support|I help|Good|Yes)", "mass": {}}]
    ),
    "rotated, bounds": Case(
        orders="rotate", abilities=replace(EVERYTHING, distribution="bounded"), engine=Bounded
    ),
    "rotated, no probabilities after all": Case(orders="rotate", engine=NoLogprobs),
    "from both ends": Case(orders="reverse", replies=[_says("left", "")]),
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
    orders: tuple[tuple[int, ...], ...] = ()
    order_effect: float | None = None
    selection: tuple[str, str] | None = None
    usage: Mapping[str, Usage] = field(default_factory=dict)


def _engines(case: Case, folder: Path) -> tuple[ScriptedEngine, ScriptedEngine]:
    """The LLM and the communities' model, which has room for everything."""
    folder.mkdir(parents=True, exist_ok=True)
    file = script(folder, replies=list(case.replies), distributions=list(case.weighs))
    if case.engine is NoLogprobs:
        return NoLogprobs(file), ScriptedEngine(file, record=True)
    abilities = replace(case.abilities, grammars="json")
    llm = case.engine(file, capabilities=abilities, context=case.context, record=True)
    return llm, ScriptedEngine(file, capabilities=replace(case.abilities, distribution="exact"), record=True)


def _members(case: Case, folder: Path) -> Pool:
    if not case.trained:
        return case.members
    return pool(
        *(community(id, folder=folder, beside_persona=case.beside_persona) for id in ("left", "right"))
    )


def _calls(llm: ScriptedEngine, communities: ScriptedEngine) -> list[list[Request | OptionRequest]]:
    """The communities' calls, then the LLM's, each in order, without seeds and what an engine is asked to keep."""
    return [
        [
            replace(one, sampling=replace(one.sampling, seed=0), keep=False, lingers=False)
            if isinstance(one, Request)
            else replace(one, lingers=False)
            for one in call.requests
        ]
        for engine in (communities, llm)
        for call in engine.calls
    ]


def through_mode(task: Task, sample: Sample, method: str, case: Case, folder: Path) -> Told:
    """The sample as an ask."""
    llm, communities = _engines(case, folder)
    mode = mode_of(method, task)
    members = _members(case, folder.parent)
    if method == "persona":
        members = replace(
            members, members=tuple(replace(m, community=community(m.community.id)) for m in members.members)
        )
    ask = Ask(
        sample.question,
        mode,
        members,
        attribute=sample.attribute if mode == "steerable" else None,
        options=sample.options,
        orders=case.orders,
        prompts="own" if method == "attributed" else "auto",
        answer=ANSWER,
        comment=COMMENT,
    )
    result: Result | None = None
    try:
        draft, as_asked = prepared(SPECS[mode], ask, llm, communities)
        case_of_task = replace(as_asked, wordings=task, question=sample)  # type: ignore[arg-type]
        result = last(carry_out(draft, algorithm(mode)(case_of_task), communities, never))
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
        found.orders if found is not None and len(found.orders) > 1 else (),
        None if found is None else found.order_effect,
        None if result.selection is None else (result.selection.community, result.selection.method),
        result.usage,
    )


def through_evaluation(task: Task, sample: Sample, method: str, case: Case, folder: Path) -> Told:
    """The sample as a run of one."""
    llm, communities = _engines(case, folder)
    members = _members(case, folder.parent)
    try:
        setup = RunSetup(task, [sample], members, llm, communities, COMMENT, ANSWER, orders=case.orders)
        run(setup, folder / "run", [method])
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
        tuple(map(tuple, record.get("orders", ()))),
        record.get("order_effect"),
        None if chosen is None else (chosen, how),
        usage,
    )


@pytest.mark.parametrize(
    ("task", "method"), [(task, method) for task in MAKERS for method in methods_for(TASKS[task])]
)
@pytest.mark.parametrize("case", CASES)
def test_a_method_asks_and_answers_the_same_in_both(
    case: str, task: str, method: str, tmp_path: Path
) -> None:
    (sample,) = read(task, tmp_path, 1)
    of_mode = through_mode(TASKS[task], sample, method, CASES[case], tmp_path / "mode")
    measured = through_evaluation(TASKS[task], sample, method, CASES[case], tmp_path / "evaluation")
    if TASKS[task].answers == "label" and "no probabilities" in case:
        # a task's label may be written, as in the released code; an ask with options always weighs them
        assert (of_mode.failed, measured.failed) == (True, False)
    elif method == "attributed" and "no probabilities" in case:
        # an ask falls back to the paper's answer, with a warning; a method that cannot do what it is called is refused
        assert measured == Told(failed=True, calls=measured.calls) and not any(measured.calls)
    else:
        assert measured == of_mode


@pytest.mark.parametrize("method", methods_for(TASKS["distributional-moralchoice"]))
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
