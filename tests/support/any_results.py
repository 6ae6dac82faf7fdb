"""Every result that a mode could give, for tests of what is written and read back."""

from __future__ import annotations

import math
from typing import get_args

from hypothesis import strategies as st

from pluralism_local.agreement import (
    Agreement,
    AlphaChoice,
    Change,
    ChangeKind,
    ChangeMethod,
    Loss,
    Rule,
    Statement,
)
from pluralism_local.modes import MODES
from pluralism_local.results import (
    Aggregate,
    Comment,
    DrawnPosition,
    Draws,
    Finder,
    Mark,
    Position,
    Result,
    Round,
    Selection,
    Share,
    Stance,
    StanceMethod,
    Turn,
    Window,
)
from pluralism_local.types import DistributionMethod, Finish, ModelInfo, Sampling, Usage

NAMES = st.text(min_size=1, max_size=6)
TEXTS = st.text(max_size=12)
CHANCES = st.floats(0, 1)
COUNTS = st.integers(0, 10**9)
SECONDS = st.floats(0, 1e9)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS)
FINISHES = st.sampled_from(get_args(Finish))
METHODS: st.SearchStrategy[DistributionMethod] = st.sampled_from(get_args(DistributionMethod))
SAMPLINGS = st.builds(
    Sampling,
    st.floats(0, 100),
    st.floats(0, 1, exclude_min=True),
    st.integers(1, 2**31 - 1),
    st.integers(0, 2**32 - 1),
    st.lists(NAMES, max_size=2).map(tuple),
)
MODELS = st.builds(
    ModelInfo,
    NAMES,
    NAMES,
    sha256=st.none() | TEXTS,
    fingerprint=st.none() | TEXTS,
    context=st.none() | COUNTS,
    weights=st.none() | TEXTS,
    plan=st.none() | TEXTS,
)
COMMENTS = st.builds(
    Comment,
    NAMES,
    TEXTS,
    FINISHES,
    USAGES,
    SECONDS,
    weight=st.none() | CHANCES,
    adapter_sha256=st.none() | TEXTS,
    scale=st.none() | st.floats(-100, 100),
    problem=st.sampled_from([None, "empty", "cut off", "stopped"]),
    thought=TEXTS,
)
SELECTIONS = st.builds(
    Selection,
    NAMES,
    st.sampled_from(["probabilities", "parsed", "fallback", "only"]),
    st.none() | st.dictionaries(NAMES, CHANCES, max_size=3),
    TEXTS,
)
TURNS = st.builds(
    Turn,
    TEXTS,
    TEXTS,
    st.dictionaries(NAMES, TEXTS, max_size=2),
    st.dictionaries(NAMES, TEXTS, max_size=2),
)


@st.composite
def aggregates(draw: st.DrawFn) -> Aggregate:
    """A distribution as every mode makes it, but for its sums."""
    options = tuple(draw(st.lists(NAMES, min_size=1, max_size=4)))
    row = st.tuples(*[CHANCES] * len(options))
    bounds = st.tuples(*[st.tuples(CHANCES, CHANCES)] * len(options))
    order = st.permutations(range(len(options))).map(tuple)
    by_order = draw(st.lists(st.tuples(order, row), max_size=3))
    return Aggregate(
        options,
        draw(row),
        draw(st.dictionaries(NAMES, row, max_size=3)),
        draw(st.dictionaries(NAMES, CHANCES, max_size=3)),
        draw(CHANCES),
        draw(st.floats(0, 10)),
        draw(METHODS),
        draw(st.none() | bounds),
        tuple(draw(st.lists(NAMES, max_size=2))),
        draw(st.none() | st.integers(1, 100)),
        tuple(one for one, _ in by_order),
        tuple(shares for _, shares in by_order),
        draw(st.none() | CHANCES),
        draw(st.dictionaries(NAMES, CHANCES, max_size=3)),
    )


BY_VOICE = st.dictionaries(NAMES, CHANCES, max_size=3)
POSITIONS = st.builds(
    Position,
    NAMES,
    TEXTS,
    BY_VOICE,
    BY_VOICE,
    st.dictionaries(NAMES, st.sampled_from(get_args(Stance)), max_size=3),
    st.none() | st.booleans(),
)
WINDOWS = st.builds(
    Window,
    st.lists(POSITIONS, max_size=3).map(tuple),
    st.lists(NAMES, min_size=1, max_size=3).map(tuple),
    st.sampled_from(get_args(Finder)),
    st.sampled_from(get_args(StanceMethod)),
    COUNTS,
    COUNTS,
    COUNTS,
    st.lists(st.builds(Mark, COUNTS, NAMES, CHANCES, st.booleans()), max_size=2).map(tuple),
)
SHARES = st.builds(Share, CHANCES, CHANCES, CHANCES)


@st.composite
def all_draws(draw: st.DrawFn) -> Draws:
    """Counted comments: every position has every voice's count."""
    comments = draw(st.dictionaries(NAMES, st.lists(TEXTS, max_size=3).map(tuple), min_size=1, max_size=3))
    positions = st.builds(
        DrawnPosition,
        NAMES,
        TEXTS,
        st.fixed_dictionaries(dict.fromkeys(comments, COUNTS)),
        st.fixed_dictionaries(dict.fromkeys(comments, SHARES)),
        SHARES,
    )
    return Draws(
        draw(COUNTS),
        comments,
        draw(BY_VOICE),
        tuple(draw(st.lists(positions, max_size=2))),
        draw(st.dictionaries(NAMES, COUNTS, max_size=3)),
        draw(CHANCES),
        draw(CHANCES),
        draw(st.sampled_from(get_args(StanceMethod))),
    )


CHANGES = st.builds(
    Change,
    NAMES,
    st.sampled_from(get_args(ChangeKind)),
    st.sampled_from(get_args(ChangeMethod)),
    CHANCES,
    *[st.lists(TEXTS, max_size=2).map(tuple)] * 3,
)


@st.composite
def rounds(draw: st.DrawFn) -> tuple[Round, ...]:
    """Numbered from 0 on, as a mode holds them."""
    return tuple(
        Round(
            number,
            tuple(draw(st.lists(COMMENTS, max_size=2))),
            tuple(draw(st.lists(CHANGES, max_size=2))),
            draw(st.none() | WINDOWS),
        )
        for number in range(draw(st.integers(0, 2)))
    )


ALPHAS = st.floats(0, 100) | st.just(math.inf)


@st.composite
def agreements(draw: st.DrawFn) -> Agreement:
    """What a jury comes to: all voices judge all statements; the sweep and the loss name statements of the ranking."""
    voices = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    statements = draw(
        st.lists(
            st.builds(
                Statement,
                NAMES,
                TEXTS,
                st.lists(NAMES, max_size=2).map(tuple),
                st.fixed_dictionaries(dict.fromkeys(voices, CHANCES)),
                st.floats(0, 10),
            ),
            min_size=1,
            max_size=3,
        )
    )
    ids = st.sampled_from([statement.id for statement in statements])
    return Agreement(
        draw(st.sampled_from(get_args(Rule))),
        draw(st.none() | ALPHAS),
        tuple(statements),
        tuple(draw(st.lists(ids, max_size=1))),
        tuple(draw(st.lists(st.builds(AlphaChoice, ALPHAS, ids, CHANCES), max_size=3))),
        draw(st.none() | st.builds(Loss, NAMES, CHANCES, ids, CHANCES)),
        draw(BY_VOICE),
        draw(st.dictionaries(NAMES, TEXTS, max_size=2)),
        draw(st.none() | NAMES),
    )


RESULTS = st.builds(
    Result,
    st.sampled_from(MODES),
    TEXTS,
    TEXTS,
    st.lists(COMMENTS, max_size=3).map(tuple),
    MODELS,
    st.none() | MODELS,
    SAMPLINGS,
    SAMPLINGS,
    pool=st.none() | TEXTS,
    attribute=st.none() | TEXTS,
    selection=st.none() | SELECTIONS,
    distribution=st.none() | aggregates(),
    usage=st.dictionaries(NAMES, USAGES, max_size=2),
    seconds=st.dictionaries(NAMES, SECONDS, max_size=3),
    prompts=st.lists(NAMES, max_size=2).map(tuple),
    warnings=st.lists(TEXTS, max_size=2).map(tuple),
    finish=FINISHES,
    complete=st.booleans(),
    turn=st.none() | TURNS,
    thought=TEXTS,
    window=st.none() | WINDOWS,
    draws=st.none() | all_draws(),
    rounds=rounds(),
    agreement=st.none() | agreements(),
)
