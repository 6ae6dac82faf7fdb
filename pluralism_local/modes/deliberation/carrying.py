"""The ask driver's part in deliberation: what voices hear, write and judge in their own threads.

    Rejoin ──reply──> RoundStarted, CommentStarted, CommentDelta…, CommentDone        RoundOver ──> draft.rounds
    Propose ──write_proposals──> a text of each voice        Judge ──vote──> JuryStarted, an OptionDistribution each

What fails is raised to `driver`, which keeps the comments that there are.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace

from pluralism_local.agreement import JuryStarted, RoundStarted
from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.errors import Cancelled, InvalidInput, Unsupported
from pluralism_local.mode_specs import ModeSpec
from pluralism_local.modes.ask import Ask
from pluralism_local.modes.comments import comment_seed, thread, write_comments
from pluralism_local.modes.fit_context import generated, until_it_fits
from pluralism_local.modes.result_builder import ResultBuilder
from pluralism_local.modes.settling import FAILURES
from pluralism_local.modes.steps import Cue, Judge, Propose, Rejoin, Voice
from pluralism_local.results import ModeEvent
from pluralism_local.types import (
    Message,
    OptionDistribution,
    OptionRequest,
    Request,
    TextDone,
    Usage,
)


def check_deliberation(ask: Ask, spec: ModeSpec, voices: Sequence[Voice], communities: LanguageModel) -> None:
    """See that there is what rounds and juries need, before anything runs.

    Raises:
        InvalidInput: another mode than overton, a single voice. Unsupported: voices without probabilities.
    """
    plan = ask.deliberation
    if not plan.rounds and plan.rule is None:
        return
    what = "A consensus" if plan.rule is not None else "A round"
    if spec.comments != "together":
        raise InvalidInput(
            f"{what} needs communities that all comment, and {spec.name} has none such.",
            "Use the mode overton, or leave out --rounds and --consensus.",
        )
    if ask.draws:
        raise InvalidInput(
            f"{what} goes on from one comment of each voice, and draws are of many.",
            "Leave out --draws, or --rounds and --consensus.",
        )
    if len(voices) < 2:
        raise InvalidInput(
            f"{what} needs at least two voices, and there is one.",
            "Choose a pool with --pool, or several communities with -p.",
        )
    if plan.rule is not None and communities.capabilities.distribution == "none":
        raise Unsupported(
            f"{communities.info.id} gives no probabilities, and by these the voices judge statements.",
            "Run the communities on a local model (--communities-model), or on a server that gives logprobs.",
        )


def reply(
    draft: ResultBuilder, step: Rejoin, communities: LanguageModel, should_stop: ShouldStop
) -> Generator[ModeEvent, None, dict[str, str]]:
    """Let the voices of a round comment; by voice what it said."""
    yield RoundStarted(step.number, step.rounds)
    comments = yield from write_comments(
        draft, step.cues, communities=communities, should_stop=should_stop, number=step.number
    )
    return {comment.community: comment.text for comment in comments}


def write_proposals(
    draft: ResultBuilder, step: Propose, communities: LanguageModel, should_stop: ShouldStop
) -> dict[str, str] | None:
    """By voice what it wrote, in one call; None when stopped or failed, which the draft then says."""
    for cue in step.cues:
        draft.used(cue.wording.prompt)
    sampling = replace(draft.ask.comment, max_tokens=step.tokens)

    def requests() -> list[Request]:
        return [
            Request(
                _messages(draft, cue),
                replace(
                    sampling, seed=comment_seed(sampling.seed, f"{cue.voice.id}:{cue.wording.prompt.name}")
                ),
                cue.voice.adapter,
            )
            for cue in step.cues
        ]

    texts = ["" for _ in step.cues]
    voices = [cue.voice.id for cue in step.cues]
    with draft.timed("consensus"):
        try:
            for event in generated(draft, communities, voices, requests, should_stop=should_stop):
                if isinstance(event, TextDone):
                    draft.spend("communities", event.completion.usage)
                    texts[event.index] = event.completion.text.strip()
                    if event.completion.finish == "cancelled":
                        draft.stop()
        except FAILURES as error:
            draft.fail(error)
    return dict(zip(voices, texts, strict=True)) if draft.complete else None


def vote(
    draft: ResultBuilder, step: Judge, communities: LanguageModel, should_stop: ShouldStop
) -> Generator[ModeEvent, None, list[OptionDistribution] | None]:
    """Every voice's probabilities after its cues, in one call.

    Returns None when stopped or failed, which the draft then says.
    """
    for cue in step.cues:
        draft.used(cue.wording.prompt)
    yield JuryStarted(len({cue.wording.text for cue in step.cues}) // 2)

    def requests() -> list[OptionRequest]:
        return [OptionRequest(_messages(draft, cue), step.options, cue.voice.adapter) for cue in step.cues]

    def call() -> list[OptionDistribution]:
        return communities.distribution(requests(), should_stop=should_stop)

    with draft.timed("consensus"):
        try:
            voices = list(dict.fromkeys(cue.voice.id for cue in step.cues))
            distributions = until_it_fits(draft, communities, voices, call)
        except Cancelled:
            draft.stop()
            return None
        except (Unsupported, *FAILURES) as error:
            draft.fail(error)
            return None
        prompt = sum(communities.count_tokens(it.messages, it.adapter) or 0 for it in requests())
    draft.spend("communities", Usage(prompt=prompt))
    for distribution in distributions:
        draft.warn_all(distribution.warnings)
    return distributions


def _messages(draft: ResultBuilder, cue: Cue) -> tuple[Message, ...]:
    return thread(draft.ask, cue, draft.left_out.get(cue.voice.id, 0))
