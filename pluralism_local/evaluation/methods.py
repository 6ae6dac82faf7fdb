"""What is measured: the task's own mode, the same through personas, the baselines, and controls.

    ours                 the mode that combines the communities on the task (`Task.mode`)
    persona              ours, with every community speaking through its persona on the base instead of its adapter
    attributed           ours on overton tasks, its answer built from the comments' positions (`--prompts own`)
    moe, vanilla, …      the modes that are baselines

All are the very modes that people run (`modes.algorithms`), carried out for many samples at once (`batch_driver`). A
few controls need no model and are made when scores are: uniform, majority and shuffled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pluralism_local.communities import Pool
from pluralism_local.engine.base import LanguageModel
from pluralism_local.errors import InvalidInput, Unsupported, did_you_mean
from pluralism_local.evaluation.tasks import Task
from pluralism_local.mode_specs import SPECS, ModeName
from pluralism_local.modes.positions.carrying import position_plan
from pluralism_local.modes.steps import AnswerForm, Voice
from pluralism_local.positions.plan import PositionPlan

BASELINES = {
    spec.name: spec for spec in sorted(SPECS.values(), key=lambda spec: not spec.communities) if spec.baseline
}
METHODS = ("ours", "persona", "attributed", *BASELINES)
"""In the order in which they run: those that need most comments first, so that the others find them there."""

CONTROLS = ("uniform", "majority", "shuffled")
_FORMS: Mapping[AnswerForm, str] = {"distribution": "probabilities", "label": "a choice", "text": "a text"}

DEFAULT = ("ours", *BASELINES, *CONTROLS)
"""Where none is named, of those that a task has."""

NOBODY = Pool("none", "no communities", ())
"""The pool of a task in which communities have no part."""

WITH_COMMENTS = frozenset(
    {"ours", "persona", "attributed", *(name for name, spec in BASELINES.items() if spec.communities)}
)


def find_methods(names: Sequence[str]) -> list[str]:
    """Known methods and controls, each once, in the order of running.

    Raises:
        InvalidInput: an unknown one.
    """
    every = (*METHODS, *CONTROLS)
    for name in names:
        if name not in every:
            raise InvalidInput(f"There is no method '{name}'.", did_you_mean(name, every))
    return [name for name in every if name in names]


def default_methods(task: Task) -> list[str]:
    """Those of `DEFAULT` that `task` has, in the order of running."""
    return [name for name in DEFAULT if name in (*methods_for(task), *CONTROLS)]


def check_method(name: str) -> str:
    """`name`, as it is. Raises ValueError: it is neither a method nor a control."""
    if name not in (*METHODS, *CONTROLS):
        raise ValueError(f"'{name}' is no method")
    return name


def methods_for(task: Task) -> tuple[str, ...]:
    """Those of `METHODS` that can answer `task`: the attributed way is one of writing a text about comments.

    Where communities have no part, the LLM alone answers.
    """
    if not task.heard:
        return (task.mode,)
    return tuple(name for name in METHODS if name != "attributed" or task.answers == "text")


def check_methods(names: Sequence[str], task: Task) -> None:
    """See that every one of `names` can answer `task`.

    Raises:
        InvalidInput: one cannot.
    """
    for name in names:
        if name not in METHODS or name in methods_for(task):
            continue
        if not task.heard:
            raise InvalidInput(
                f"{task.name} has no method '{name}', since no community has a part in it.",
                f"It has: {', '.join((*methods_for(task), *CONTROLS))}.",
            )
        raise InvalidInput(
            f"The method {name} answers with a text, and {task.name} asks for {_FORMS[task.answers]}.",
            f"Leave --method {name} out, or choose an overton task.",
        )


def mode_of(method: str, task: Task) -> ModeName:
    """The mode that a method, of `METHODS`, is on a task."""
    return next((name for name in BASELINES if name == method), task.mode)


def plan_for(method: str, llm: LanguageModel, *, scores: bool) -> PositionPlan | None:
    """How a method, of `METHODS`, looks for positions; None for those that do not.

    Args:
        scores: whether there is a scorer of entailment.

    Raises:
        Unsupported: this LLM cannot build its answer from them.
    """
    if method != "attributed":
        return None
    plan = position_plan(llm, attributed=True, scores=scores)
    if not plan.attributed or not (scores or llm.capabilities.distribution != "none"):
        raise Unsupported(
            f"{llm.info.id} cannot build its answer from positions.",
            "Leave --method attributed out, or use an instruct model that gives probabilities.",
        )
    return plan


def voices_for(method: str, pool: Pool, *, adapters: bool) -> tuple[Voice, ...]:
    """The pool's members as a method lets them speak: through adapters, or through personas; empty if it asks none.

    Args:
        adapters: whether the communities' model takes adapters.

    Raises:
        InvalidInput: a community has no persona to speak through.
    """
    if method not in WITH_COMMENTS:
        return ()
    voices = []
    for member in pool.members:
        adapter = member.adapter if adapters and method != "persona" else None
        if adapter is None and not member.community.persona:
            raise InvalidInput(
                f"The community '{member.community.id}' has no persona to speak through.",
                "Leave the method persona out, or choose another pool.",
            )
        voices.append(Voice(member, adapter))
    return tuple(voices)
