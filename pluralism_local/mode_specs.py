"""The modes as a table: what each is called, needs, does and says of itself. Everything else reads it here.

    name ──SPECS──> ModeSpec ──module──> modes.algorithms.MODULE.NAME, the steps

A mode is a function in `modes.algorithms`, its wordings, and a line here: command line, chat, dry run, history and
evaluation follow. Plain data, so that whoever lists modes need not load them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

ModeName = Literal["overton", "steerable", "distributional", "vanilla", "prompting", "moe"]
Stage = Literal["comments", "selection", "positions", "rounds", "consensus", "answer", "values"]
Orders = Literal["rotate", "reverse", "asked"]
"""In which orders options are weighed: each at every place, from both ends, or as the question has them."""
PromptChoice = Literal["auto", "own", "paper"]
"""Which prompt an overton answer is asked for with; see `modes.Ask`."""


@dataclass(frozen=True, slots=True)
class ModeSpec:
    """What a mode is.

    Attributes:
        module: of `modes.algorithms`; its function has the mode's name.
        stages: what it may do, in order: "comments" (CommentStarted, CommentDelta, CommentDone), "selection"
            (Selected), "answer" (AnswerDelta).
        comments: how they get into the LLM's answer: "together" in one prompt, the "chosen" one, "each" into an
            answer of its own, or "none", for there are none.
        options: it cannot do without, weighs them where they are given, or does not use them.
        attribute: it cannot do without.
        baseline: the paper's, to compare with; the others are its ways to combine communities.
        about: one line.
        welcome: for an empty chat, lines of at most 44 characters.
    """

    name: ModeName
    module: str
    stages: tuple[Stage, ...]
    comments: Literal["together", "chosen", "each", "none"]
    options: Literal["needed", "weighed", "unused"]
    about: str
    welcome: str
    attribute: bool = False
    baseline: bool = False

    @property
    def communities(self) -> bool:
        """Whether any are asked."""
        return self.comments != "none"

    @property
    def chooses_first(self) -> bool:
        """Whether it chooses a community before anybody comments."""
        return self.stages[0] == "selection"


SPECS: Mapping[ModeName, ModeSpec] = MappingProxyType(
    {
        spec.name: spec
        for spec in (
            ModeSpec(
                "overton",
                "overton",
                ("comments", "answer"),
                "together",
                "unused",
                "every community comments; the LLM reads all comments and writes one answer",
                "Every community of the pool comments;\none model answers.",
            ),
            ModeSpec(
                "steerable",
                "steerable",
                ("comments", "selection", "answer"),
                "chosen",
                "weighed",
                "every community comments; the LLM answers from the comment nearest to an attribute",
                "Every community comments; one model answers\nfrom the comment nearest to whom you name.",
                attribute=True,
            ),
            ModeSpec(
                "distributional",
                "distributional",
                ("comments", "answer"),
                "each",
                "needed",
                "every community comments; the options' probabilities after each are averaged",
                "Every community comments and has its share\nin how probable each option is.",
            ),
            ModeSpec(
                "vanilla",
                "baselines",
                ("answer",),
                "none",
                "weighed",
                "the LLM alone",
                "One model answers; no community is asked.",
                baseline=True,
            ),
            ModeSpec(
                "prompting",
                "baselines",
                ("answer",),
                "none",
                "weighed",
                "the LLM, told in the prompt to reflect diverse values or a given group",
                "One model is told to answer for many;\nno community is asked.",
                baseline=True,
            ),
            ModeSpec(
                "moe",
                "baselines",
                ("selection", "comments", "answer"),
                "chosen",
                "weighed",
                "the LLM picks one community by its description and answers with its comment",
                "One model chooses the community to ask,\nand answers with its comment.",
                baseline=True,
            ),
        )
    }
)
"""In the order in which they are shown."""

MODES: tuple[ModeName, ...] = tuple(SPECS)
DEFAULT: ModeName = "overton"
STEERED: ModeName = "steerable"
"""What a value that was found at stake is asked in."""
ALONE: ModeName = "vanilla"
"""What the LLM does by itself; whatever else it alone is asked for is recorded as this."""


def steering() -> str:
    """Those that are steered by an attribute, for messages."""
    return listed(spec.name for spec in SPECS.values() if spec.attribute)


def weighing() -> str:
    """Those that weigh options and nothing else, for messages."""
    return listed(spec.name for spec in SPECS.values() if spec.options == "needed")


def listed(names: Iterable[str], last: str = "or") -> str:
    """``"a, b or c"``."""
    *others, end = names
    return f"{', '.join(others)} {last} {end}" if others else end
