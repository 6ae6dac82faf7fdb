"""The ask driver's part in positions: how they are looked for with these models, and their own kinds of steps.

    Ask, models ──plan_positions──> PositionPlan | None
    Entail ──score──> rows        Compose ──write_sentences──> AnswerDelta…

What fails is raised to `driver`, but for what fails in the middle of an answer: that is kept as far as it came.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import partial

from pluralism_local.engine.base import LanguageModel, ShouldStop
from pluralism_local.errors import Cancelled, PlocalError, Unsupported
from pluralism_local.mode_specs import ModeSpec
from pluralism_local.model_names import STARTER
from pluralism_local.modes.fit_context import generated, leave_out
from pluralism_local.modes.result_builder import ResultBuilder
from pluralism_local.modes.steps import SEPARATOR, Compose, Entailment, Scores
from pluralism_local.positions.attribution import Sentence
from pluralism_local.positions.plan import PositionPlan
from pluralism_local.results import LLM_VOICE, AnswerDelta, ModeEvent
from pluralism_local.types import Request, TextDelta, TextDone, TextWithdrawn


def plan_positions(draft: ResultBuilder, spec: ModeSpec, *, entails: bool) -> PositionPlan | None:
    """How positions are looked for; None where nobody asks for them, or, with a warning, where they cannot be.

    A base model follows no instructions, and the starter tells what no comment says: theirs are the comments' own
    sentences, behind the paper's answer, and the scorer tells stances. An LLM that tells claims and gives exact
    probabilities tells stances itself: it hits more of them (see docs/positions.md).
    """
    ask, able = draft.ask, draft.llm.capabilities
    if spec.comments != "together" or not ask.looks_for_positions:
        return None
    if not entails and able.distribution == "none":
        draft.warn(
            "Positions are not looked for: there is no entailment scorer (the starter model is not installed), and "
            f"{draft.llm.info.id} gives no probabilities."
        )
        return None
    return position_plan(
        draft.llm,
        attributed=ask.prompts == "own",
        scores=entails,
        window=ask.wants_window,
        draws=ask.draws,
    )


def position_plan(
    llm: LanguageModel, *, attributed: bool, scores: bool, window: bool = True, draws: int = 0
) -> PositionPlan:
    """How positions are looked for with this LLM, which gives probabilities where nothing else `scores`.

    Args:
        attributed: whether the answer is to be built from them, which only an LLM that tells claims can do.
    """
    able = llm.capabilities
    tells = able.grammars != "none" and not able.only_continues and llm.info.id != STARTER
    return PositionPlan(
        attributed=tells and attributed,
        finder="llm" if tells else "sentences",
        method="llm" if (tells and able.distribution == "exact") or not scores else "entailment",
        scores=scores,
        grammars=able.grammars,
        window=window,
        draws=draws,
    )


def score(
    draft: ResultBuilder,
    pairs: Sequence[tuple[str, str]],
    entailment: Entailment | None,
    should_stop: ShouldStop,
) -> Scores | None:
    """The scorer's rows; None when stopped, which the draft then says.

    Raises:
        PlocalError: the scorer fails, or there is none.
    """
    if entailment is None:
        raise Unsupported("There is no entailment scorer.")
    with draft.timed("positions"):
        try:
            return entailment(pairs, should_stop)
        except Cancelled:
            draft.stop_positions()
            return None


def write_sentences(
    draft: ResultBuilder, step: Compose, should_stop: ShouldStop
) -> Generator[ModeEvent, None, tuple[str, ...] | None]:
    """Let the LLM write its sentences together, and show all in order, each as soon as those before it are done.

    Returns:
        What stands between `before` and `after` of each part; None where it stopped or failed in the middle.
    """
    composing = _Composing(step)
    places = list(step.written)
    for wording in step.written.values():
        draft.used(wording.prompt)
        leave_out(
            draft, LLM_VOICE, draft.llm, partial(draft.ask.to_llm, wording.text), step.sampling.max_tokens
        )

    def requests() -> list[Request]:
        return [
            Request(draft.to_llm(wording.text), step.sampling, grammar=step.parts[place].grammar)
            for place, wording in step.written.items()
        ]

    stopped = False
    with draft.timed("answer"):
        delta = "".join(
            composing.end(place, cut=False) for place in range(len(step.parts)) if place not in step.written
        )
        if delta:
            draft.answer += delta
            yield AnswerDelta(delta)
        try:
            voices = [LLM_VOICE] * len(places)
            events = generated(draft, draft.llm, voices, requests, should_stop=should_stop) if places else ()
            for event in events:
                if isinstance(event, TextDelta):
                    delta = composing.add(places[event.index], event.text)
                elif isinstance(event, TextDone):
                    draft.spend("llm", event.completion.usage)
                    is_cut = event.completion.finish == "length"
                    stopped |= event.completion.finish == "cancelled"
                    delta = "" if stopped else composing.end(places[event.index], cut=is_cut)
                else:
                    withdrawn = isinstance(event, TextWithdrawn)
                    delta = composing.withdraw(places[event.index]) if withdrawn else ""
                if delta:
                    draft.answer += delta
                    yield AnswerDelta(delta)
        except PlocalError as error:
            draft.fail(error)
    if stopped:
        draft.stop()
    if not draft.complete:
        return None
    draft.spoke(LLM_VOICE, step.question.text, draft.answer)
    return composing.texts


class _Composing:
    """Sentences that come all at once, and how far they are shown: those before the first unfinished one, and it."""

    def __init__(self, step: Compose) -> None:
        self._step = step
        self._sentences = [Sentence(part.before, step.small, part.instead) for part in step.parts]
        self._pending = ["" for _ in step.parts]
        self._ended = [False for _ in step.parts]
        self._current, self._begun = 0, False

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(sentence.text for sentence in self._sentences)

    def add(self, place: int, piece: str) -> str:
        self._pending[place] += self._sentences[place].add(piece)
        return self._take()

    def end(self, place: int, *, cut: bool) -> str:
        self._pending[place] += self._sentences[place].end(cut=cut)
        self._ended[place] = True
        return self._take()

    def withdraw(self, place: int) -> str:
        """What came of a sentence was thought; of the one that is shown it stays: no sentence is taken back."""
        if place != self._current or not self._begun:
            part = self._step.parts[place]
            self._sentences[place] = Sentence(part.before, self._step.small, part.instead)
            self._pending[place] = ""
        return ""

    def _take(self) -> str:
        """What can be shown now."""
        released = ""
        while self._current < len(self._sentences):
            place, part = self._current, self._step.parts[self._current]
            if not self._begun and (self._pending[place] or self._ended[place]):
                released += (SEPARATOR if place else "") + part.before
                self._begun = True
            released, self._pending[place] = released + self._pending[place], ""
            if not self._ended[place]:
                break
            released += part.after
            self._current, self._begun = place + 1, False
        return released
