"""A jury: every voice and the LLM propose a statement, every voice judges every statement, a rule chooses.

    comments ──Propose──> a statement of each voice ─┐
             ──Write──> one of the LLM's ────────────┴─> distinct ──Judge──> P(agree) of voice × statement ──> Agreement
    the chosen one ──Propose──> critiques ──Write──> a revision ──Judge──> Agreement over all        where it is revised

The order of draft, ranking, critique and revision is the Habermas Machine's (Tessler et al., Science 2024). A voice
judges each statement alone, behind its own persona or adapter and its last comment, so that no other statement and no
place among them bears on it; its two answers stand at both places in turn, and the mean counts, so that a model which
goes by letters agrees with probability one half. A vote in which neither answer had any probability is nobody's and
left out of that mean. Voices that said nothing judge, too. What was chosen is held against each voice's own comment.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pluralism_local.agreement import Agreement
from pluralism_local.deliberation.statements import proposed
from pluralism_local.deliberation.summary import objections
from pluralism_local.deliberation.verdict import Candidate, agreement
from pluralism_local.errors import PlocalError
from pluralism_local.modes.aggregate import STAND_IN, single
from pluralism_local.modes.deliberation import prompts
from pluralism_local.modes.deliberation.rounds import cues_of
from pluralism_local.modes.options import letters, listed
from pluralism_local.modes.orders import Weighed, in_asked_order, orders_of
from pluralism_local.modes.positions.assigner import agrees
from pluralism_local.modes.steps import Answered, Case, Cue, Judge, Propose, Room, Step, Steps, Warn, Write
from pluralism_local.modes.wordings import Q
from pluralism_local.positions.claims import claim_id, denied
from pluralism_local.positions.stances import calibrated, stance
from pluralism_local.results import LLM_VOICE, Window
from pluralism_local.types import Completion, OptionDistribution, Sampling

STATEMENT_TOKENS = 80
CRITIQUE_TOKENS = 60
ANSWERS = ("Yes", "No")
MOSTLY_OUTSIDE = 0.5
"""Probability outside of the two answers from which on a voice's scores are called doubtful."""

Scores = dict[str, list[float]]


def agree(case: Case[Q], comments: Mapping[str, str], window: Window | None) -> Steps:
    """Answer with the statement that the rule chooses.

    Args:
        comments: the last that each voice said, in the pool's order; "" for a silent one.
        window: the positions that voices are shown for their statements; None for the others' comments.
    """
    plan = case.deliberation
    if plan.rule is None:
        raise TypeError("a jury needs a rule")
    spoken = {voice: text for voice, text in comments.items() if text}
    question = prompts.statement_of_all(case.question.question, spoken)
    questions = {voice.id: case.wordings.comment(case.question) for voice in case.voices}
    cues = cues_of(case, comments, questions, window, prompts.statement)
    texts: Mapping[str, str] = yield Propose(cues, STATEMENT_TOKENS)
    of_all: Completion = yield Write("consensus", question, Sampling(max_tokens=STATEMENT_TOKENS))
    candidates = _candidates([*texts.items(), (LLM_VOICE, of_all.text)])
    if not candidates:
        yield Warn("Nobody proposed a statement, so there is none to agree with.")
        return Answered(question)
    scores = yield from judge(case, comments, candidates)
    weights = {voice.id: voice.member.weight for voice in case.voices}
    chosen = agreement(candidates, scores, weights, plan.rule, plan.alpha)
    if plan.revises:
        critiques, revised = yield from _revised(case, comments, chosen)
        if revised and all(revised.id != candidate.id for candidate in candidates):
            more = yield from judge(case, comments, [revised])
            scores = {voice: [*row, *more[voice]] for voice, row in scores.items()}
            chosen = agreement([*candidates, revised], scores, weights, plan.rule, plan.alpha)
        chosen = replace(chosen, critiques=critiques, revision=revised.id if revised else None)
    if case.tells_stances:
        chosen = replace(chosen, against=(yield from _against(case, comments, chosen.chosen.text)))
    if not chosen.is_consensus:
        yield Warn(f"The answer is no consensus: {objections(chosen)}.")
    return Answered(question, chosen.chosen.text, agreement=chosen)


def rooms(case: Case[Q]) -> tuple[Room, ...]:
    """Prompts of the LLM that comments go into."""
    empty = {voice.id: "" for voice in case.voices}
    wording = prompts.statement_of_all(case.question.question, empty)
    return (Room(wording, len(case.voices), STATEMENT_TOKENS),)


def judge(
    case: Case[Q], comments: Mapping[str, str], candidates: Sequence[Candidate]
) -> Generator[Step, Any, Scores]:
    """By voice its probability of agreeing with each candidate; neither's order has a part in it."""
    ordered = sorted(candidates, key=lambda candidate: candidate.id)
    orders = orders_of(ANSWERS, "reverse")
    lists = [listed([ANSWERS[place] for place in order]) for order in orders]
    cues = [
        Cue(
            voice,
            case.wordings.comment(case.question),
            comments.get(voice.id, ""),
            prompts.vote(case.question.question, candidate.text, answers),
        )
        for voice in case.voices
        for candidate in ordered
        for answers in lists
    ]
    judged: Sequence[OptionDistribution] = yield Judge(tuple(cues), letters(len(ANSWERS)))
    following = iter(judged)
    by_voice = {
        voice.id: {
            candidate.id: Weighed(orders, tuple(in_asked_order(next(following), order) for order in orders))
            for candidate in ordered
        }
        for voice in case.voices
    }
    yield from _doubts(
        {
            voice: [vote for weighed in row.values() for vote in weighed.distributions]
            for voice, row in by_voice.items()
        }
    )
    return {
        voice: [single(ANSWERS, row[candidate.id]).p[0] for candidate in candidates]
        for voice, row in by_voice.items()
    }


def _doubts(by_voice: Mapping[str, Sequence[OptionDistribution]]) -> Generator[Step, Any, None]:
    """Warn of voices whose scores say little."""
    mute = [voice for voice, row in by_voice.items() if all(it.method == STAND_IN for it in row)]
    if mute:
        yield Warn(
            f"{', '.join(mute)} gave neither answer about any statement a probability; one half stands in for it."
        )
    outside = {
        voice: math.fsum(it.unassigned_mass for it in row) / len(row) for voice, row in by_voice.items()
    }
    doubtful = [voice for voice, share in outside.items() if share > MOSTLY_OUTSIDE and voice not in mute]
    if doubtful:
        yield Warn(
            "More than half of the probability lies outside of the two answers, so that their scores say little, for: "
            f"{', '.join(doubtful)}."
        )


def _candidates(texts: Sequence[tuple[str, str]]) -> list[Candidate]:
    return [Candidate(claim_id(text), text, by) for text, by in proposed(texts).items()]


def _revised(
    case: Case[Q], comments: Mapping[str, str], first: Agreement
) -> Generator[Step, Any, tuple[dict[str, str], Candidate | None]]:
    """What the voices would change in the chosen statement, and the statement written anew after that."""
    question, chosen = case.question.question, first.chosen
    questions = case.wordings.comment(case.question)
    cues = tuple(
        Cue(voice, questions, comments.get(voice.id, ""), prompts.critique(question, chosen.text))
        for voice in case.voices
    )
    texts: Mapping[str, str] = yield Propose(cues, CRITIQUE_TOKENS)
    critiques = {voice: text for voice, text in texts.items() if text}
    wording = prompts.revision(question, chosen.text, critiques)
    completion: Completion = yield Write("consensus", wording, Sampling(max_tokens=STATEMENT_TOKENS))
    return critiques, next(iter(_candidates([(LLM_VOICE, completion.text)])), None)


def _against(
    case: Case[Q], comments: Mapping[str, str], statement: str
) -> Generator[Step, Any, tuple[str, ...]]:
    """The voices whose last comment agrees rather with the denial of the statement, as the LLM reads it.

    Votes alone do not do: a small model says yes behind every persona, also where that has just said the opposite.
    """
    texts = {voice: text for voice, text in comments.items() if text.strip()}
    denial = denied(statement)
    try:
        odds = yield from agrees(
            case, [(text, claim) for text in texts.values() for claim in (statement, denial)]
        )
    except PlocalError as error:
        yield Warn(f"It could not be told whether a voice has spoken against the answer: {error.message}")
        return ()
    leaning = []
    for voice, text in texts.items():
        yes, no = odds[text, statement], odds[text, denial]
        if yes is not None and no is not None and stance(calibrated(yes, no), "llm") == "opposes":
            leaning.append(voice)
    return tuple(leaning)
