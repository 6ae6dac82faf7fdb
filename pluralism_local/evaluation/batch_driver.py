"""The batch driver: a mode over many samples, equal steps of all samples together.

    samples ──a Case each──> algorithm ──> steps ──all that are equally far──> one call ──> sent back
                                       ──> Answered ──> Prediction, or RequestFailure of what failed

Of the steps that samples wait with, those of the mode's earliest stage go first: who lags behind catches up, and every
stage stays one call. A sample whose comment, selection or answer fails ends in a `RequestFailure`; the others go on.

A server says only with its first answer that it gives no probabilities: from then on it is asked in words, where the
algorithm can do with words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pluralism_local.engine.base import LanguageModel, never
from pluralism_local.errors import ContextOverflow, EngineFailure, PlocalError, Unsupported
from pluralism_local.evaluation.basis import ALREADY_CLEAR
from pluralism_local.evaluation.batch_calls import Asker, RequestFailure, failure_of
from pluralism_local.evaluation.batch_steps import (
    WRITING,
    Waiting,
    place,
    prediction,
    prompt_of,
    reply_to,
    wordings_of,
    writings,
)
from pluralism_local.evaluation.comments import CommentRequest, CommentStore, CommunityComment
from pluralism_local.evaluation.sample_run import SampleOutcome, SampleRun
from pluralism_local.evaluation.samples import Prediction, Sample
from pluralism_local.evaluation.tasks.base import SampleWordings
from pluralism_local.mode_specs import SPECS, ModeName, Orders
from pluralism_local.modes.comment_budget import fit_comments
from pluralism_local.modes.leanings.carrying import lean_alone
from pluralism_local.modes.leanings.habits import Habits
from pluralism_local.modes.relisting import orders_in
from pluralism_local.modes.steps import (
    Case,
    Compose,
    Consult,
    Entail,
    Entailment,
    Lean,
    Reserve,
    Voice,
    Warn,
    Weigh,
    Write,
    WriteEach,
    is_optional,
)
from pluralism_local.positions.plan import PositionPlan
from pluralism_local.types import Completion, OptionRequest, Sampling, Usage


class BatchDriver:
    """Carries out modes on a task's samples.

    Args:
        comment, answer: how communities and the LLM write, where they write.
        comments: where comments come from.
        orders: in which options are weighed.
        entailment: the scorer that positions need.
        sides, take_sides: as of a `Case`.
        voices: asks the communities' model for probabilities, where voices take sides.
        habits: of personas, for that.
        has_answered: whether the LLM did before, see `Asker`.

    Raises:
        Unsupported: the task needs probabilities, and the LLM gives none.
    """

    def __init__(
        self,
        task: SampleWordings,
        llm: LanguageModel,
        comments: CommentStore,
        comment: Sampling,
        answer: Sampling,
        orders: Orders = "asked",
        entailment: Entailment | None = None,
        sides: bool = False,
        has_answered: bool = False,
        take_sides: bool = False,
        voices: LanguageModel | None = None,
        habits: Habits | None = None,
    ) -> None:
        self._entailment, self._sides, self._take_sides = entailment, sides, take_sides
        self._voices, self._habits = voices, habits or Habits()
        self._probabilities = llm.capabilities.distribution
        self._no_probabilities: Unsupported | None = None
        if self._probabilities == "none":
            self._no_probabilities = Unsupported(
                f"{llm.info.id} gives no probabilities, and {task.name} needs them.",
                "Use a local model or a server that gives logprobs.",
            )
            if task.answers == "distribution":
                raise self._no_probabilities
        self._task, self._llm, self._asker = task, llm, Asker(llm, has_answered=has_answered)
        self._comments, self._comment, self._answer = comments, comment, answer
        self._orders: Orders = orders

    def run(
        self,
        mode: ModeName,
        voices: Sequence[Voice],
        samples: Sequence[Sample],
        positions: PositionPlan | None = None,
    ) -> list[SampleOutcome]:
        """An outcome per sample, in order.

        Args:
            voices: empty for modes without communities.
            positions: how the comments' positions are looked for; None for not at all.

        Raises:
            Unsupported: the task needs probabilities, and the LLM turns out to give none.
            PlocalError: a remote server is down.
        """
        sample_runs = {
            sample.id: self._begin(mode, tuple(voices), sample, positions)
            for sample in samples
            if len(sample.options) != 1
        }
        stages = SPECS[mode].stages
        while waiting := [
            (place(sample_run.step, stages), sample_run)
            for sample_run in sample_runs.values()
            if sample_run.step is not None
        ]:
            first = min(at for at, _ in waiting)
            self._carry_out([sample_run for at, sample_run in waiting if at == first])
        return [
            SampleOutcome(
                sample_run.result,
                sample_run.usage,
                sample_run.answered,
                sample_run.comments,
                sample_run.warnings,
                sample_run.prompts,
                sample_run.sides,
            )
            if (sample_run := sample_runs.get(sample.id)) is not None and sample_run.result is not None
            else SampleOutcome(self._already_clear())
            for sample in samples
        ]

    def _begin(
        self, mode: ModeName, voices: tuple[Voice, ...], sample: Sample, positions: PositionPlan | None
    ) -> SampleRun:
        case = Case(
            self._task,
            sample,
            self._task.answers,
            sample.options,
            voices,
            self._probabilities,
            self._answer,
            positions,
            orders=()
            if self._task.answers == "text"
            else orders_in(sample.question, sample.options, self._orders),
            sides=self._sides,
            take_sides=self._take_sides,
        )
        sample_run = SampleRun(sample, self._task.algorithm(mode)(case))
        self._advance(sample_run, None)
        return sample_run

    def _already_clear(self) -> Prediction:
        """The answer to a question with a single option, about which nobody is asked."""
        output = "A" if self._task.answers == "label" else None
        return Prediction((1.0,), output, 0.0, distribution_method=ALREADY_CLEAR)

    def _advance(self, sample_run: SampleRun, reply: object) -> None:
        """Send `reply`, and go on to the next step that needs a model; an error is thrown."""
        try:
            step = (
                sample_run.steps.throw(reply)
                if isinstance(reply, PlocalError)
                else sample_run.steps.send(reply)
            )
            while not isinstance(step, Waiting):
                if isinstance(step, Reserve):
                    sampling = fit_comments(self._comment, step.rooms, self._llm, prompt_of)
                    sample_run.comment_tokens = sampling.max_tokens
                elif isinstance(step, Warn):
                    sample_run.warnings.append(step.sentence)
                step = sample_run.steps.send(None)
            sample_run.step = step
            sample_run.prompts += [wording.prompt for wording in wordings_of(step)]
        except StopIteration as end:
            sample_run.answered = end.value
            sample_run.end(prediction(end.value, self._task.answers))
        except ContextOverflow as error:
            sample_run.end(failure_of(error))

    def _carry_out(self, batch: Sequence[SampleRun]) -> None:
        """One call for steps of one kind."""
        match batch[0].step:
            case Lean():
                self._lean(batch)
            case Consult():
                self._consult(batch)
            case Weigh():
                self._weigh(batch)
            case Write() | WriteEach() | Compose():
                self._write(batch)
            case Entail():
                self._entail(batch)

    def _consult(self, batch: Sequence[SampleRun]) -> None:
        requests = [
            [_wanted(sample_run, sample_run.step, voice) for voice in sample_run.step.voices]
            for sample_run in batch
            if isinstance(sample_run.step, Consult)
        ]
        comments_of_batch = iter(self._comments.find([comment for row in requests for comment in row]))
        for sample_run, row in zip(batch, requests, strict=True):
            comments = {comment.voice.id: next(comments_of_batch) for comment in row}
            if isinstance(sample_run.step, Consult):
                sample_run.sides = {id: told.side for id, told in sample_run.step.told.items()}
            sample_run.comments = {
                id: comment for id, comment in comments.items() if isinstance(comment, CommunityComment)
            }
            for comment in sample_run.comments.values():
                sample_run.spend("communities", comment.usage)
            self._reply(
                sample_run,
                comments.values(),
                {id: comment.text for id, comment in sample_run.comments.items()},
            )

    def _lean(self, batch: Sequence[SampleRun]) -> None:
        """What voices lean to; their habits first, where these are not known."""
        steps = [sample_run.step for sample_run in batch if isinstance(sample_run.step, Lean)]
        try:
            if self._voices is None:
                raise Unsupported("There is no model to ask for the voices' probabilities.")
            leanings = lean_alone(
                [(step, sample_run.sample.question) for step, sample_run in zip(steps, batch, strict=True)],
                self._voices,
                self._habits,
            )
        except PlocalError as error:
            for sample_run in batch:
                self._advance(sample_run, error)
            return
        for sample_run, (by_voice, usage) in zip(batch, leanings, strict=True):
            sample_run.spend("communities", usage)
            self._advance(sample_run, by_voice)

    def _weigh(self, batch: Sequence[SampleRun]) -> None:
        rows = [
            [
                OptionRequest(prompt_of(wording.text), sample_run.step.options)
                for wording in sample_run.step.wordings
            ]
            for sample_run in batch
            if isinstance(sample_run.step, Weigh)
        ]
        try:
            if self._no_probabilities is not None:
                raise self._no_probabilities
            distributions_of_batch = iter(
                self._asker.distributions([request for row in rows for request in row])
            )
        except Unsupported as error:
            self._probabilities, self._no_probabilities = "none", error
            for sample_run in batch:
                self._advance(sample_run, error)
            return
        for sample_run, row in zip(batch, rows, strict=True):
            tokens = sum(self._llm.count_tokens(request.messages) or 0 for request in row)
            sample_run.spend("llm", Usage(prompt=tokens))
            distributions = [next(distributions_of_batch) for _ in row]
            self._reply(sample_run, distributions, distributions)

    def _write(self, batch: Sequence[SampleRun]) -> None:
        """Steps in which the LLM writes, once or several times."""
        steps = [sample_run.step for sample_run in batch if isinstance(sample_run.step, WRITING)]
        requests = [writings(step) for step in steps]
        completions = iter(self._asker.texts([request for row in requests for request in row]))
        for sample_run, step, row in zip(batch, steps, requests, strict=True):
            replies = [next(completions) for _ in row]
            whole = [reply for reply in replies if isinstance(reply, Completion)]
            for completion in whole:
                sample_run.spend("llm", completion.usage)
            self._reply(sample_run, replies, reply_to(step, whole) if len(whole) == len(replies) else None)

    def _entail(self, batch: Sequence[SampleRun]) -> None:
        rows = [sample_run.step.pairs for sample_run in batch if isinstance(sample_run.step, Entail)]
        try:
            if self._entailment is None:
                raise Unsupported("There is no entailment scorer.")
            scores = iter(self._entailment([pair for pairs in rows for pair in pairs], never))
        except PlocalError as error:
            for sample_run in batch:
                self._advance(sample_run, error)
            return
        for sample_run, pairs in zip(batch, rows, strict=True):
            self._advance(sample_run, [next(scores) for _ in pairs])

    def _reply(self, sample_run: SampleRun, parts: Iterable[object], reply: object) -> None:
        """Go on with `reply`, unless any of its parts is a failure and there is no answer without it."""
        failure = next((part for part in parts if isinstance(part, RequestFailure)), None)
        if failure is None:
            self._advance(sample_run, reply)
        elif sample_run.step is not None and is_optional(sample_run.step):
            self._advance(sample_run, EngineFailure(failure.message))
        else:
            sample_run.end(failure)


def _wanted(sample_run: SampleRun, step: Consult, voice: Voice) -> CommentRequest:
    """The comment of a voice, on what it is told where it is told something of its own."""
    told = step.told.get(voice.id)
    text = None if told is None else told.wording.text
    return CommentRequest(sample_run.sample, voice, sample_run.comment_tokens, text)
