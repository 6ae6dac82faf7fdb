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
from dataclasses import dataclass, field

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
from pluralism_local.evaluation.samples import Prediction, Sample
from pluralism_local.evaluation.tasks.base import SampleWordings
from pluralism_local.mode_specs import SPECS, ModeName, Orders
from pluralism_local.modes.comment_budget import fit_comments
from pluralism_local.modes.relisting import orders_in
from pluralism_local.modes.result_builder import ModelRole
from pluralism_local.modes.steps import (
    Answered,
    Case,
    Compose,
    Consult,
    Entail,
    Entailment,
    Reserve,
    Steps,
    Voice,
    Warn,
    Weigh,
    Write,
    WriteEach,
    is_optional,
)
from pluralism_local.positions.plan import PositionPlan
from pluralism_local.prompts import Prompt
from pluralism_local.types import Completion, OptionRequest, Sampling, Usage


@dataclass(frozen=True, slots=True)
class SampleOutcome:
    """What became of a sample.

    Attributes:
        usage: by role, "communities" and "llm", comments included whoever paid for them.
        answered: the mode's own end; None for a failure, and where nobody was asked.
        comments: by community id, those that the sample got.
        warnings: of the mode.
        prompts: that were used, in order.
    """

    result: Prediction | RequestFailure
    usage: dict[ModelRole, Usage] = field(default_factory=dict)
    answered: Answered | None = None
    comments: dict[str, CommunityComment] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)


@dataclass
class _SampleRun:
    """A sample on its way. `step` is what it waits for, None once there is a result."""

    sample: Sample
    steps: Steps
    step: Waiting | None = None
    comment_tokens: int | None = None
    result: Prediction | RequestFailure | None = None
    usage: dict[ModelRole, Usage] = field(default_factory=dict)
    answered: Answered | None = None
    comments: dict[str, CommunityComment] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)

    def spend(self, role: ModelRole, usage: Usage) -> None:
        self.usage[role] = self.usage.get(role, Usage()) + usage

    def end(self, result: Prediction | RequestFailure) -> None:
        self.steps.close()
        self.step, self.result = None, result


class BatchDriver:
    """Carries out modes on a task's samples.

    Args:
        comment, answer: how communities and the LLM write, where they write.
        comments: where comments come from.
        orders: in which options are weighed.
        entailment: the scorer that positions need.
        sides: as of a `Case`.
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
    ) -> None:
        self._entailment, self._sides = entailment, sides
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
            )
            if (sample_run := sample_runs.get(sample.id)) is not None and sample_run.result is not None
            else SampleOutcome(self._already_clear())
            for sample in samples
        ]

    def _begin(
        self, mode: ModeName, voices: tuple[Voice, ...], sample: Sample, positions: PositionPlan | None
    ) -> _SampleRun:
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
        )
        sample_run = _SampleRun(sample, self._task.algorithm(mode)(case))
        self._advance(sample_run, None)
        return sample_run

    def _already_clear(self) -> Prediction:
        """The answer to a question with a single option, about which nobody is asked."""
        output = "A" if self._task.answers == "label" else None
        return Prediction((1.0,), output, 0.0, distribution_method=ALREADY_CLEAR)

    def _advance(self, sample_run: _SampleRun, reply: object) -> None:
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

    def _carry_out(self, batch: Sequence[_SampleRun]) -> None:
        """One call for steps of one kind."""
        match batch[0].step:
            case Consult():
                self._consult(batch)
            case Weigh():
                self._weigh(batch)
            case Write() | WriteEach() | Compose():
                self._write(batch)
            case Entail():
                self._entail(batch)

    def _consult(self, batch: Sequence[_SampleRun]) -> None:
        requests = [
            [
                CommentRequest(sample_run.sample, voice, sample_run.comment_tokens)
                for voice in sample_run.step.voices
            ]
            for sample_run in batch
            if isinstance(sample_run.step, Consult)
        ]
        comments_of_batch = iter(self._comments.find([comment for row in requests for comment in row]))
        for sample_run, row in zip(batch, requests, strict=True):
            comments = {comment.voice.id: next(comments_of_batch) for comment in row}
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

    def _weigh(self, batch: Sequence[_SampleRun]) -> None:
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

    def _write(self, batch: Sequence[_SampleRun]) -> None:
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

    def _entail(self, batch: Sequence[_SampleRun]) -> None:
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

    def _reply(self, sample_run: _SampleRun, parts: Iterable[object], reply: object) -> None:
        """Go on with `reply`, unless any of its parts is a failure and there is no answer without it."""
        failure = next((part for part in parts if isinstance(part, RequestFailure)), None)
        if failure is None:
            self._advance(sample_run, reply)
        elif sample_run.step is not None and is_optional(sample_run.step):
            self._advance(sample_run, EngineFailure(failure.message))
        else:
            sample_run.end(failure)
