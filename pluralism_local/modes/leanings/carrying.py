"""The ask driver's part in leanings: the voices' probabilities, and their habits where nobody measured them before.

    Lean ──lean──> LeaningsProgress…, by voice the log-odds of yes less its habit's

A habit takes as many short prompts as there are reference questions and orders, a voice at a time, so that it can be
stopped; what was measured is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial

from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.errors import Cancelled, Unsupported
from pluralism_local.modes.comments import thread
from pluralism_local.modes.fit_context import until_it_fits
from pluralism_local.modes.leanings.habits import Habits
from pluralism_local.modes.leanings.sides import ANSWERS, log_odds
from pluralism_local.modes.leanings.wordings import weighed_alone, weighed_for_habit
from pluralism_local.modes.result_builder import ResultBuilder
from pluralism_local.modes.steps import Cue, Lean, Voice
from pluralism_local.progress import LeaningsProgress
from pluralism_local.prompts import LEANING
from pluralism_local.results import ModeEvent
from pluralism_local.types import OptionDistribution, OptionRequest, Usage


def lean(
    draft: ResultBuilder, step: Lean, communities: LanguageModel, should_stop: ShouldStop
) -> Generator[ModeEvent, None, dict[str, float] | None]:
    """By voice its log-odds of yes less its habit's; None when stopped, which the draft then says.

    Raises:
        PlocalError: as the engine does.
    """
    _require_exact(communities)
    draft.used(LEANING)
    habits: dict[str, float] = {}

    def weigh(
        voices: Sequence[Voice], requests: Callable[[], list[OptionRequest]]
    ) -> list[OptionDistribution]:
        names = [voice.id for voice in voices]
        distributions = until_it_fits(
            draft,
            communities,
            names,
            lambda: communities.distribution(requests(), should_stop=should_stop),
        )
        prompt = sum(communities.count_tokens(request.messages) or 0 for request in requests())
        draft.spend("communities", Usage(prompt=prompt))
        return distributions

    def leaning(voices: Sequence[Voice], requests: Callable[[], list[OptionRequest]]) -> float:
        return log_odds(weigh(voices, requests))

    with draft.timed("comments"):
        try:
            for number, voice in enumerate(step.voices):
                key = draft.habits.key(communities.info, voice)
                if draft.habits.find(key) is None:
                    yield LeaningsProgress(number, len(step.voices))
                reference = partial(weighed_for_habit, voice)
                habits[voice.id] = draft.habits.measured(key, partial(leaning, [voice], reference))
            weighed = weigh(step.voices, lambda: _present(draft, step))
        except Cancelled:
            draft.stop()
            return None
    orders = len(step.wordings)
    return {
        voice.id: log_odds(weighed[place * orders : (place + 1) * orders]) - habits[voice.id]
        for place, voice in enumerate(step.voices)
    }


def _require_exact(communities: LanguageModel) -> None:
    """See that probabilities cost no more than reading a prompt: a server would be asked hundreds of times."""
    if communities.capabilities.distribution != "exact":
        raise Unsupported(
            f"{communities.info.id} does not give exact probabilities, which sides are told by.",
            "Run the communities on a local model (--communities-model), or ask without --take-sides.",
        )


def _present(draft: ResultBuilder, step: Lean) -> list[OptionRequest]:
    """The question in each voice's thread, in both orders of its answers; voice by voice."""
    return [
        OptionRequest(
            thread(draft.ask, Cue(voice, wording, "", wording), draft.left_out.get(voice.id, 0)), ANSWERS
        )
        for voice in step.voices
        for wording in step.wordings
    ]


def lean_alone(
    asked: Sequence[tuple[Lean, str]], communities: LanguageModel, habits: Habits
) -> list[tuple[dict[str, float], Usage]]:
    """For many questions at once, each in no conversation: by voice its log-odds less its habit's, and what it took.

    The same numbers as `lean` gives each of them; a habit that has to be measured is paid for by none of them.

    Raises:
        PlocalError: as the engine does.
    """
    _require_exact(communities)

    def leaning(voice: Voice) -> float:
        return log_odds(communities.distribution(weighed_for_habit(voice)))

    voices = {voice.id: voice for step, _ in asked for voice in step.voices}
    habit_of = {
        voice.id: habits.measured(habits.key(communities.info, voice), partial(leaning, voice))
        for voice in voices.values()
    }
    requests = [
        [weighed_alone(voice, question, step.wordings) for voice in step.voices] for step, question in asked
    ]
    answers = iter(
        communities.distribution([request for rows in requests for row in rows for request in row])
    )
    return [
        (
            {
                voice.id: log_odds([next(answers) for _ in row]) - habit_of[voice.id]
                for voice, row in zip(step.voices, rows, strict=True)
            },
            Usage(prompt=sum(communities.count_tokens(it.messages) or 0 for row in rows for it in row)),
        )
        for (step, _), rows in zip(asked, requests, strict=True)
    ]
