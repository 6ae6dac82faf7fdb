"""The batch driver: a mode over many samples, equal steps of all samples together.

    samples ──a Case each──> algorithm ──> steps ──all that are equally far──> one call ──> sent back
                                       ──> Answered ──> Prediction, or Failure of what failed

Of the steps that samples wait with, those of the mode's earliest stage go first: who lags behind catches up, and every
stage stays one call. A sample whose comment, selection or answer fails ends in a `Failure`; the others go on.

A server says only with its first answer that it gives no probabilities: from then on it is asked in words, where the
algorithm can do with words.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from pluralism_local.engine.base import LanguageModel
from pluralism_local.errors import ContextOverflow, Unsupported
from pluralism_local.evaluation.basis import ALREADY_CLEAR
from pluralism_local.evaluation.batch_calls import Asker, Failure, failure_of
from pluralism_local.evaluation.comments import CommentRequest, CommentStore, CommunityComment
from pluralism_local.evaluation.samples import Prediction, Sample
from pluralism_local.evaluation.tasks.base import SampleWordings
from pluralism_local.mode_specs import SPECS, ModeName, Stage
from pluralism_local.modes import algorithm
from pluralism_local.modes.aggregate import STAND_IN, is_stand_in, most_probable
from pluralism_local.modes.comment_budget import fit_comments
from pluralism_local.modes.options import letters
from pluralism_local.modes.result_builder import ModelRole
from pluralism_local.modes.steps import Answered, Case, Consult, Reserve, Steps, Voice, Warn, Weigh, Write
from pluralism_local.prompts import Prompt
from pluralism_local.results import Aggregate
from pluralism_local.types import Completion, Message, OptionRequest, Request, Sampling, Usage


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

    result: Prediction | Failure
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
    step: Consult | Weigh | Write | None = None
    comment_tokens: int | None = None
    result: Prediction | Failure | None = None
    usage: dict[ModelRole, Usage] = field(default_factory=dict)
    answered: Answered | None = None
    comments: dict[str, CommunityComment] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    prompts: list[Prompt] = field(default_factory=list)

    def spend(self, role: ModelRole, usage: Usage) -> None:
        self.usage[role] = self.usage.get(role, Usage()) + usage

    def end(self, result: Prediction | Failure) -> None:
        self.steps.close()
        self.step, self.result = None, result


class BatchDriver:
    """Carries out modes on a task's samples.

    Args:
        comment, answer: how communities and the LLM write, where they write.
        comments: where comments come from.

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
    ) -> None:
        self._probabilities = llm.capabilities.distribution
        self._no_probabilities: Unsupported | None = None
        if self._probabilities == "none":
            self._no_probabilities = Unsupported(
                f"{llm.info.id} gives no probabilities, and {task.name} needs them.",
                "Use a local model or a server that gives logprobs.",
            )
            if task.answers == "distribution":
                raise self._no_probabilities
        self._task, self._llm, self._asker = task, llm, Asker(llm)
        self._comments, self._comment, self._answer = comments, comment, answer

    def run(self, mode: ModeName, voices: Sequence[Voice], samples: Sequence[Sample]) -> list[SampleOutcome]:
        """An outcome per sample, in order.

        Args:
            voices: empty for modes without communities.

        Raises:
            Unsupported: the task needs probabilities, and the LLM turns out to give none.
            PlocalError: a remote server is down.
        """
        sample_runs = {
            sample.id: self._begin(mode, tuple(voices), sample)
            for sample in samples
            if len(sample.options) != 1
        }
        stages = SPECS[mode].stages
        while waiting := [
            (_place(sample_run.step, stages), sample_run)
            for sample_run in sample_runs.values()
            if sample_run.step is not None
        ]:
            first = min(place for place, _ in waiting)
            self._carry_out([sample_run for place, sample_run in waiting if place == first])
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

    def _begin(self, mode: ModeName, voices: tuple[Voice, ...], sample: Sample) -> _SampleRun:
        case = Case(
            self._task, sample, self._task.answers, sample.options, voices, self._probabilities, self._answer
        )
        sample_run = _SampleRun(sample, algorithm(mode)(case))
        self._advance(sample_run, None)
        return sample_run

    def _already_clear(self) -> Prediction:
        """The answer to a question with a single option, about which nobody is asked."""
        output = "A" if self._task.answers == "label" else None
        return Prediction((1.0,), output, 0.0, distribution_method=ALREADY_CLEAR)

    def _advance(self, sample_run: _SampleRun, reply: object) -> None:
        """Send `reply`, and go on to the next step that needs a model; an Unsupported is thrown."""
        try:
            step = (
                sample_run.steps.throw(reply)
                if isinstance(reply, Unsupported)
                else sample_run.steps.send(reply)
            )
            while not isinstance(step, Consult | Weigh | Write):
                if isinstance(step, Reserve):
                    sampling = fit_comments(self._comment, step.rooms, self._llm, _prompt)
                    sample_run.comment_tokens = sampling.max_tokens
                elif isinstance(step, Warn):
                    sample_run.warnings.append(step.sentence)
                step = sample_run.steps.send(None)
            sample_run.step = step
            wordings = step.wordings if isinstance(step, Weigh) else (step.wording,)
            sample_run.prompts += [wording.prompt for wording in wordings]
        except StopIteration as end:
            sample_run.answered = end.value
            sample_run.end(self._prediction(end.value))
        except ContextOverflow as error:
            sample_run.end(failure_of(error))

    def _carry_out(self, batch: Sequence[_SampleRun]) -> None:
        """One call for steps of one kind."""
        match batch[0].step:
            case Consult():
                self._consult(batch)
            case Weigh():
                self._weigh(batch)
            case Write():
                self._write(batch)

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
                OptionRequest(_prompt(wording.text), sample_run.step.options)
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
        requests = [
            Request(_prompt(sample_run.step.wording.text), sample_run.step.sampling)
            for sample_run in batch
            if isinstance(sample_run.step, Write)
        ]
        for sample_run, completion in zip(batch, self._asker.texts(requests), strict=True):
            if isinstance(completion, Completion):
                sample_run.spend("llm", completion.usage)
            self._reply(sample_run, [completion], completion)

    def _reply(self, sample_run: _SampleRun, parts: Iterable[object], reply: object) -> None:
        """Go on with `reply`, unless any of its parts is a failure."""
        failure = next((part for part in parts if isinstance(part, Failure)), None)
        if failure is None:
            self._advance(sample_run, reply)
        else:
            sample_run.end(failure)

    def _prediction(self, answered: Answered) -> Prediction:
        """The answer in a sample's form; where no option had any probability there is no label."""
        selection = answered.selection
        prediction = Prediction(
            selection=None if selection is None else selection.community,
            selection_method=None
            if selection is None
            else "unclear"
            if selection.several
            else selection.method,
        )
        shares = answered.distribution
        if shares is None:
            return replace(prediction, output=answered.text)
        label = None
        if self._task.answers == "label" and not is_stand_in(shares):
            label = letters(len(shares.options))[shares.options.index(most_probable(shares))]
        return replace(
            prediction,
            distribution=shares.p,
            output=label,
            unassigned_mass=shares.unassigned_mass,
            distribution_method=shares.method,
            stand_in=_stand_in(shares),
            bounds=shares.bounds,
        )


def _place(step: Consult | Weigh | Write, stages: Sequence[Stage]) -> tuple[int, bool]:
    """Where a step stands in its mode: what is weighed comes before what is asked in words for lack of it."""
    if isinstance(step, Consult):
        return stages.index("comments"), False
    return stages.index(step.stage), isinstance(step, Write)


def _stand_in(shares: Aggregate) -> float:
    """The weight, in [0, 1], of what is no answer."""
    if not shares.per_community:
        return float(shares.method == STAND_IN)
    return min(1.0, math.fsum(shares.weights[community] for community in shares.stand_ins))


def _prompt(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)
