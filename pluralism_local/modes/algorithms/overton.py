"""Overton: response = LLM(q | m_1..m_k), the range of reasonable answers in one text (Modular Pluralism §2).

    question ──> k comments ──> the LLM reads them all as passages ──> text                     the paper's way
                            ──> their positions ──> a sentence for each, with its voices        the attributed way
             ──> the LLM alone ──> a sentence for each side, beside the comments                 of too small an LLM

Where a plan asks for it, the positions of the comments come with either; after the paper's answer, which they do not
delay. Those of many more comments, which are drawn then, come after any answer. What can go wrong: too little context
(before anything runs); empty comments are left out. Where positions cannot be found the answer is the paper's, and a
warning says so.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import replace
from typing import Any

from pluralism_local.errors import PlocalError
from pluralism_local.modes.deliberation.jury import agree
from pluralism_local.modes.deliberation.jury import rooms as jury_rooms
from pluralism_local.modes.deliberation.rounds import hold_rounds
from pluralism_local.modes.deliberation.rounds import rooms as hearing_rooms
from pluralism_local.modes.leanings.consulting import consult
from pluralism_local.modes.positions.assigner import ScoredPairs, find_stated
from pluralism_local.modes.positions.draws import spread
from pluralism_local.modes.positions.finder import CLAIM, find_window
from pluralism_local.modes.positions.synthesis import SENTENCE_TOKENS, compose, longest_sentence
from pluralism_local.modes.sides import write_sides
from pluralism_local.modes.steps import Answered, Case, Reserve, Room, Step, Steps, Warn
from pluralism_local.modes.weighing import answer
from pluralism_local.modes.wordings import Q
from pluralism_local.positions.stances import with_answer
from pluralism_local.results import Window


def overton(case: Case[Q]) -> Steps:
    """Answer with what every community said; without any comment the LLM answers alone, with a warning."""
    wordings = case.wordings
    yield Reserve(rooms(case))
    comments = yield from consult(case)
    spoken = {voice: text for voice, text in comments.items() if text}
    if not spoken:
        yield Warn("No community said anything; the model answered alone.")
        return (yield from answer(case, lambda listed: wordings.alone(listed.question)))
    rows = ScoredPairs()
    if case.deliberation.rounds:
        comments = yield from hold_rounds(case, comments, rows)
        spoken = {voice: text for voice, text in comments.items() if text}
    if case.deliberation.rule is not None:
        return (yield from _agreed(case, comments, spoken, rows))
    answered = yield from _synthesis(case, spoken, rows)
    plan = case.positions
    if plan is None or plan.draws < 2 or not answered.text:
        return answered
    return replace(answered, draws=(yield from spread(case, comments, rows)))


def _synthesis(case: Case[Q], spoken: Mapping[str, str], rows: ScoredPairs) -> Steps:
    """Answer with the comments that say something."""
    wordings = case.wordings
    plan, window = case.positions, None
    if plan is not None and plan.attributed:
        window = yield from _window(case, spoken, rows)
        if window is not None and window.positions:
            return (yield from compose(case, spoken, window, rows))
    if case.sides:
        answered = yield from write_sides(case)
    else:
        passages = list(spoken.values())
        answered = yield from answer(case, lambda listed: wordings.synthesis(listed.question, passages))
    if plan is None or not plan.window or plan.attributed or not answered.text:
        return replace(answered, window=window)
    return (yield from with_positions(case, spoken, answered, rows))


def with_positions(
    case: Case[Q], comments: Mapping[str, str], answered: Answered, rows: ScoredPairs
) -> Steps:
    """`answered` with the positions of the comments, none of them blank, and which of them it states."""
    window = yield from _window(case, comments, rows)
    return answered if window is None else (yield from _looked_up(case, answered, window, rows))


def rooms(case: Case[Q]) -> tuple[Room, ...]:
    """Prompts that comments go into."""
    wordings, question, count = case.wordings, case.question, len(case.voices)
    if case.sides:  # which the LLM writes without comments: a voice's own context must hold its one
        needed = [Room(wordings.comment(question), 1, 0, "communities")]
    else:
        needed = [Room(wordings.synthesis(question, [""] * count), count, case.room)]
    plan = case.positions
    if plan is not None and plan.tells:
        needed.append(Room(wordings.claim(question, ""), 1, CLAIM.max_tokens))
    if plan is not None and plan.attributed:
        needed.append(Room(longest_sentence(case), count, SENTENCE_TOKENS))
    if case.deliberation.rounds:
        needed += hearing_rooms(case)
    if case.deliberation.rule is not None:
        needed += jury_rooms(case)
    return tuple(needed)


def _agreed(
    case: Case[Q], comments: Mapping[str, str], spoken: Mapping[str, str], rows: ScoredPairs
) -> Steps:
    """The statement that a jury chooses, and which of the positions it states."""
    window = None if case.positions is None else (yield from _window(case, spoken, rows))
    held = window is not None and bool(window.positions)
    answered = yield from agree(case, comments, window if held else None)
    if window is None or not answered.text:
        return replace(answered, window=window)
    return (yield from _looked_up(case, answered, window, rows))


def _window(
    case: Case[Q], comments: Mapping[str, str], rows: ScoredPairs
) -> Generator[Step, Any, Window | None]:
    """The window; None, and a warning, where it cannot be found."""
    try:
        window = yield from find_window(case, comments, rows)
    except PlocalError as error:
        yield Warn(f"The positions of the comments could not be found: {error.message}")
        return None
    if not window.positions:
        yield Warn("No positions were found in the comments.")
    return window


def _looked_up(case: Case[Q], answered: Answered, window: Window, rows: ScoredPairs) -> Steps:
    """`answered` with the window, and which of its positions the answer states."""
    pairs = [(answered.text, position.text) for position in window.positions]
    try:
        stated = yield from find_stated(case, pairs, rows)
    except PlocalError as error:
        yield Warn(f"It could not be told which positions the answer states: {error.message}")
        return replace(answered, window=window)
    return replace(answered, window=with_answer(window, stated))
