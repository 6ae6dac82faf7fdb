"""Rounds: voices hear which positions were taken, and stand, answer or revise; nobody is told whose they are.

    comments ──find_window──> positions ──Rejoin──> comments of the round ──relate──> what changed ──> RoundOver
                         └─ none found ──> the others' comments in their place

A voice sees the question, its own last comment and the positions, whatever the number of rounds. One that says nothing
keeps its last comment. What fails ends the rounds with a warning, and the comments so far are answered from.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any

from pluralism_local.agreement import Change
from pluralism_local.deliberation.changes import change
from pluralism_local.errors import PlocalError
from pluralism_local.modes.deliberation.prompts import heard_comments, heard_positions, round_wording
from pluralism_local.modes.positions.assigner import ScoredPairs, relate_all
from pluralism_local.modes.positions.finder import find_window
from pluralism_local.modes.steps import Case, Cue, Rejoin, Room, RoundOver, Step, Warn
from pluralism_local.modes.wordings import Q, Wording
from pluralism_local.positions.stances import stance
from pluralism_local.results import Stance, Window


def hold_rounds(
    case: Case[Q], comments: Mapping[str, str], rows: ScoredPairs
) -> Generator[Step, Any, dict[str, str]]:
    """The last thing that each voice said, after all rounds.

    Args:
        comments: what every voice said, in the pool's order; "" for a silent one.
    """
    rounds = case.deliberation.rounds
    comments = dict(comments)
    questions = {voice.id: case.wordings.comment(case.question) for voice in case.voices}
    for number in range(1, rounds + 1):
        spoken = {voice: text for voice, text in comments.items() if text}
        if len(spoken) < 2:
            yield Warn("There are no rounds: fewer than two voices said anything.")
            break
        window = yield from positions_of(case, spoken, rows)
        cues = cues_of(case, comments, questions, window, round_wording)
        try:
            replies: dict[str, str] = yield Rejoin(number, rounds, cues)
        except PlocalError as error:
            yield Warn(f"Round {number} could not be held: {error.message}")
            break
        yield RoundOver(number, (yield from _changes(case, spoken, replies, window, rows)), window)
        questions |= {cue.voice.id: cue.wording for cue in cues if replies.get(cue.voice.id)}
        comments |= {voice: reply for voice, reply in replies.items() if reply}
    return comments


def rooms(case: Case[Q]) -> tuple[Room, ...]:
    """The prompt in which a voice hears most: all comments, its own and its reply among them, and no positions."""
    wording = round_wording(case.question.question, heard_comments("" for _ in case.voices))
    return (Room(wording, len(case.voices) + 1, 0, "communities"),)


def cues_of(
    case: Case[Q],
    comments: Mapping[str, str],
    questions: Mapping[str, Wording],
    window: Window | None,
    put: Callable[[str, str], Wording],
) -> tuple[Cue, ...]:
    """What each voice is told: `put` makes it of the question and of what there is to hear.

    Args:
        questions: by voice what its comment answers.
        window: the positions, which are the same for all; None for the others' comments.
    """
    question = case.question.question
    claims = None if window is None else heard_positions(position.text for position in window.positions)
    cues = []
    for voice in case.voices:
        others = (text for name, text in comments.items() if name != voice.id and text)
        context = heard_comments(others) if claims is None else claims
        cues.append(Cue(voice, questions[voice.id], comments.get(voice.id, ""), put(question, context)))
    return tuple(cues)


def positions_of(
    case: Case[Q], spoken: Mapping[str, str], rows: ScoredPairs
) -> Generator[Step, Any, Window | None]:
    """The window of comments; None where voices hear comments, positions are not looked for, or none are found."""
    if case.positions is None or case.deliberation.hears == "comments":
        return None
    try:
        window = yield from find_window(case, spoken, rows)
    except PlocalError as error:
        yield Warn(f"The voices heard each other's comments, since no positions were found: {error.message}")
        return None
    return window if window.positions else None


def _changes(
    case: Case[Q],
    spoken: Mapping[str, str],
    replies: Mapping[str, str],
    window: Window | None,
    rows: ScoredPairs,
) -> Generator[Step, Any, tuple[Change, ...]]:
    """What each voice did that had spoken before."""
    before: dict[str, dict[str, Stance]] = {}
    after: dict[str, dict[str, Stance]] = {}
    if window is not None:
        claims = [position.text for position in window.positions]
        heard = {voice: replies[voice] for voice in spoken if replies.get(voice)}
        try:
            relations = yield from relate_all(case, heard, claims, rows)
            for voice, row in relations.items():
                before[voice] = {it.text: it.stance.get(voice, "silent") for it in window.positions}
                after[voice] = {
                    claim: stance(relation, window.method)
                    for claim, relation in zip(claims, row, strict=True)
                }
        except PlocalError as error:
            yield Warn(f"Only the words tell what changed in this round: {error.message}")
            before, after = {}, {}
    return tuple(
        change(voice, text, replies.get(voice, ""), before.get(voice), after.get(voice))
        for voice, text in spoken.items()
    )
