"""The answer of a window: a sentence for each position, behind it the voices that hold it.

    Window ──Compose──> sentences ──relate──> which positions they state, which marks a comment bears out

Counts and names are not the LLM's (see `positions.attribution`); what it writes is checked against the comments of the
voices that stand behind it, and what fails is said, not hidden.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pluralism_local.errors import PlocalError
from pluralism_local.modes.positions.assigner import UNSAID, ScoredPairs, find_stated, gives, relate
from pluralism_local.modes.steps import SEPARATOR, Answered, Case, Compose, Part, Step, Steps, Warn
from pluralism_local.modes.wordings import Q, Wording
from pluralism_local.positions.attribution import lead, marks, small_words
from pluralism_local.positions.claims import LONGEST, claim_id, without_reason
from pluralism_local.positions.grammars import position_grammar
from pluralism_local.positions.stances import SUFFICES, with_answer
from pluralism_local.results import Mark, Position, Window

SENTENCE_TOKENS = 90


def compose(case: Case[Q], comments: Mapping[str, str], window: Window, rows: ScoredPairs) -> Steps:
    """Write the answer of a window that has positions, and look into it.

    A position that has its reason in it, or whose reasons are positions, too, stands there as it is: the LLM has no
    more to say of it.
    """
    sampling = replace(case.answer, max_tokens=SENTENCE_TOKENS, stop=(*case.answer.stop, "\n"))
    claims = [position.text for position in window.positions]
    reasoned = {without_reason(claim) for claim in claims if without_reason(claim) != claim}
    parts = [_part(case, comments, window, position, reasoned) for position in window.positions]
    question = case.wordings.attributed(case.question, comments)
    texts: Sequence[str] = yield Compose(
        question, tuple(parts), sampling, small_words((case.question.question, *comments.values()))
    )
    answer = SEPARATOR.join(
        f"{part.before}{text}{part.after}" for part, text in zip(parts, texts, strict=True)
    )
    try:
        window = yield from _checked(case, comments, window, texts, rows)
    except PlocalError as error:
        yield Warn(f"The answer's marks could not be verified: {error.message}")
    return Answered(question, answer, window=window)


def _part(
    case: Case[Q], comments: Mapping[str, str], window: Window, position: Position, reasoned: Collection[str]
) -> Part:
    """The sentence about one position; `reasoned` are the claims for which another position gives a reason."""
    claim, begins = position.text, lead(position, window)
    behind = marks(position.supporters)
    if claim in reasoned or without_reason(claim) != claim:
        return Part(None, begins, behind, claim)
    question = case.question.question
    bound = position_grammar(question, comments.values(), claim) if case.plan.grammars == "gbnf" else None
    wording = case.wordings.sentence(case.question, comments, claim, position.supporters, begins)
    return Part(wording, begins, behind, claim, bound)


def longest_sentence(case: Case[Q]) -> Wording:
    """The prompt of a sentence about the longest position of all voices, without comments: what room it takes."""
    voices = [voice.id for voice in case.voices]
    head = f"Half of the voices, {', '.join(voices)}, hold that"
    return case.wordings.sentence(
        case.question, dict.fromkeys(voices, ""), "x " * (LONGEST // 2), voices, head
    )


def _checked(
    case: Case[Q], comments: Mapping[str, str], window: Window, texts: Sequence[str], rows: ScoredPairs
) -> Generator[Step, Any, Window]:
    """Whether each sentence states its position, and each of its supporters' comments supports it.

    A sentence in the very words of its position is borne out by whatever supports that, which is known already: asked
    once more about the same words, begun with a small letter, the LLM would give another probability. Nor is the LLM
    asked about a comment that does not have most words of what the sentence adds to the position.
    """
    written = list(zip(texts, window.positions, strict=True))
    stated = yield from find_stated(case, [(text, position.text) for text, position in written], rows)
    others = [
        (comments[voice], text)
        for text, position in written
        if claim_id(text) != position.id
        for voice in position.supporters
        if case.plan.method != "llm" or gives(case, comments[voice], text, position.text)
    ]
    supports = dict(zip(others, (yield from relate(case, others, rows)), strict=True))
    least = SUFFICES[case.plan.method]
    marks_of_answer = []
    for number, (text, position) in enumerate(written, start=1):
        for voice in position.supporters:
            unasked = position.support[voice] if claim_id(text) == position.id else UNSAID[0]
            support, _ = supports.get((comments[voice], text), (unasked, 0.0))
            marks_of_answer.append(Mark(number, voice, support, support >= least))
    return with_answer(window, stated, marks_of_answer)
