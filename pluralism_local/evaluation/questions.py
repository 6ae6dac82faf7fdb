"""Free questions in batches: what `modes.run` answers one by one, by the driver that evaluations use.

    questions ──prepared──> a ResultBuilder, a Case each ──BatchDriver──> SampleOutcome ──> Result | RequestFailure

Wordings, checks and the result's form are those of a single ask. What differs: equal steps of all questions go to the
engine together, and every question draws comments of its own (their seeds are of the run's seed, the community and the
question), so that a survey does not repeat one draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from pluralism_local import __version__, modes
from pluralism_local.engine.base import LanguageModel
from pluralism_local.errors import Unsupported
from pluralism_local.evaluation.batch_calls import Asker, RequestFailure
from pluralism_local.evaluation.batch_driver import BatchDriver
from pluralism_local.evaluation.comments import CommentStore
from pluralism_local.evaluation.identity import member_record, model_key, sampling_record
from pluralism_local.evaluation.sample_run import SampleOutcome
from pluralism_local.evaluation.samples import Sample, content_id
from pluralism_local.evaluation.tasks.base import SampleWordings
from pluralism_local.files import digest
from pluralism_local.modes import Ask
from pluralism_local.modes.comments import add_comments
from pluralism_local.modes.driver import prepared
from pluralism_local.modes.leanings.habits import Habits
from pluralism_local.modes.result_builder import ResultBuilder
from pluralism_local.modes.settling import settle
from pluralism_local.modes.steps import AnswerForm, Case, Entailment
from pluralism_local.modes.wordings import AskQuestion, AskWordings, Wording
from pluralism_local.prompts import LEANING, LEANING_COMMENT
from pluralism_local.results import Result
from pluralism_local.types import Completion


class StoredResult(BaseModel):
    """A line of a file of answers."""

    model_config = ConfigDict(strict=True)

    key: str
    result: dict[str, Any]


class _Written(SampleWordings):
    """Free questions as samples, whose data has the question under "asked"."""

    name = "this mode"
    answers: ClassVar[AnswerForm] = "text"
    _wordings = AskWordings()

    def comment(self, question: Sample) -> Wording:
        return self._wordings.comment(_question(question))

    def prompting(self, question: Sample) -> Wording:
        return self._wordings.prompting(_question(question))

    def alone(self, question: Sample) -> Wording:
        return self._wordings.alone(_question(question))

    def select(self, question: Sample, comments: Sequence[str]) -> Wording:
        return self._wordings.select(_question(question), comments)

    def answer(self, question: Sample, comment: str) -> Wording:
        return self._wordings.answer(_question(question), comment)

    def in_order(self, question: Sample, options: tuple[str, ...], order: tuple[int, ...]) -> Sample:
        reordered = self._wordings.in_order(_question(question), options, order)
        return replace(question, question=reordered.question, data={"asked": reordered})

    def synthesis(self, question: Sample, comments: Sequence[str]) -> Wording:
        return self._wordings.synthesis(_question(question), comments)


class _Weighed(_Written):
    """The same with options to weigh."""

    answers: ClassVar[AnswerForm] = "distribution"


def _question(sample: Sample) -> AskQuestion:
    question: AskQuestion = sample.data["asked"]
    return question


@dataclass(frozen=True)
class QuestionBatch:
    """How questions are answered; all alike.

    Attributes:
        pattern: each question's ask but for its prompt; its pool as it can speak through `communities`. The seed of its
            `comment` is that of all comments. It begins no conversation: no system message, history or turns.
        template: how the engines template prompts, "auto" or "none".
        entailment, habits: as in `modes.run`.
    """

    llm: LanguageModel
    communities: LanguageModel
    pattern: Ask
    template: str = "auto"
    entailment: Entailment | None = None
    habits: Habits = field(default_factory=Habits)

    def key(self, question: str) -> str:
        """24 hex digits of all that the answer to `question` depends on but the batch that it was computed in."""
        like = self.pattern
        looks = (self.entailment is not None,) if like.looks_for_positions else ()
        taken = (LEANING.id, LEANING_COMMENT.id) if like.take_sides else ()
        return digest(
            [
                __version__,
                model_key(self.llm.info),
                None if like.pool is None else model_key(self.communities.info),
                [member_record(member) for member in (() if like.pool is None else like.pool.members)],
                [
                    like.mode,
                    like.options,
                    like.orders,
                    like.attribute,
                    self.template,
                    like.prompts,
                    *looks,
                    *taken,
                ],
                [sampling_record(like.comment), sampling_record(like.answer)],
                question,
            ]
        )[:24]

    def answer_all(self, questions: Sequence[str]) -> list[Result | RequestFailure]:
        """A result or a failure per question, in order; equal steps of all go to the engine together.

        Raises:
            InvalidInput, Unsupported: a question is blank, or lacks what the mode needs, or comments are to be drawn,
                which are for single asks; before anything is asked.
            PlocalError: a remote server is down.
        """
        if not questions:
            return []
        if self.pattern.draws > 1:
            raise Unsupported("Comments are drawn for single asks, not for many together.", "Ask one by one.")
        started = [self._started(question) for question in questions]
        samples = {question: _sample(case) for question, (_, case) in zip(questions, started, strict=True)}
        weighed = started[0][1].answers == "distribution"
        wordings = _Weighed() if weighed else _Written()
        store = CommentStore(
            None,
            self.communities.info,
            wordings,
            self.pattern.comment,
            self.template,
            Asker(self.communities),
        )
        driver = BatchDriver(
            wordings,
            self.llm,
            store,
            self.pattern.comment,
            self.pattern.answer,
            self.pattern.orders,
            self.entailment,
            sides=started[0][1].sides,
            take_sides=started[0][1].take_sides,
            voices=self.communities,
            habits=self.habits,
        )
        outcomes = driver.run(
            self.pattern.mode, started[0][1].voices, list(samples.values()), started[0][1].positions
        )
        by_question = dict(zip(samples, outcomes, strict=True))  # equal questions are asked once
        return [
            _result(draft, case, by_question[question])
            for question, (draft, case) in zip(questions, started, strict=True)
        ]

    def _started(self, question: str) -> tuple[ResultBuilder, Case[AskQuestion]]:
        ask = replace(self.pattern, prompt=question)
        entails = self.entailment is not None
        return prepared(modes.check(ask), ask, self.llm, self.communities, entails=entails)


def _sample(case: Case[AskQuestion]) -> Sample:
    text = case.question.question
    return Sample(
        content_id("", text, case.options), 0, text, text, case.options, (), None, {"asked": case.question}
    )


def _result(draft: ResultBuilder, case: Case[AskQuestion], outcome: SampleOutcome) -> Result | RequestFailure:
    if isinstance(outcome.result, RequestFailure):
        return outcome.result
    for role, usage in outcome.usage.items():
        draft.spend(role, usage)
    voices = [voice for voice in case.voices if voice.id in outcome.comments]
    comments = [outcome.comments[voice.id] for voice in voices]
    add_comments(
        draft,
        [
            (
                voice,
                Completion(comment.text, comment.finish, comment.usage, float("nan")),
                outcome.sides.get(voice.id),
            )
            for voice, comment in zip(voices, comments, strict=True)
        ],
    )
    for prompt in outcome.prompts:
        draft.used(prompt)
    draft.warn_all(outcome.warnings)
    answered = outcome.answered
    if answered is None:
        raise TypeError("an answer without its steps' end")
    draft.selection, draft.window = answered.selection, answered.window
    if answered.distribution is None:
        draft.answer = answered.text
    else:
        settle(draft, answered.distribution, answered.question.text)
    return replace(draft.result(), seconds={})  # a batch has times, a question in it has none
