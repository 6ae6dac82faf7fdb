"""Options of rounds and of a consensus, spelled once; see `options`."""

from __future__ import annotations

from typing import Annotated

from pluralism_local.agreement import Rule
from pluralism_local.cli.options import option

Rounds = Annotated[
    int,
    option(
        "--rounds",
        default="0",
        metavar="N",
        help="overton: show the voices the positions that were taken, without names, and let them comment again, N "
        "times.",
    ),
]
Consensus = Annotated[
    bool,
    option(
        "--consensus/--no-consensus",
        help="overton: answer with a statement: every voice and the LLM propose one, every voice says how probably it "
        "agrees with each, a rule chooses.",
    ),
]
ConsensusRule = Annotated[
    Rule | None,
    option(
        "--rule",
        default="maxmin",
        metavar="maxmin|mean|nash|borda|schulze|w_alpha",
        help="With --consensus: how the statement is chosen.",
    ),
]
Alpha = Annotated[
    float | None,
    option(
        "--alpha",
        metavar="A",
        help="With --rule w_alpha: aversion to inequality, 0 (the mean) to inf (the voice that agrees least).",
    ),
]
Revise = Annotated[
    bool,
    option(
        "--revise/--no-revise",
        help="With --consensus: let the voices say what they would change in the chosen statement, and judge it once "
        "more.",
    ),
]
