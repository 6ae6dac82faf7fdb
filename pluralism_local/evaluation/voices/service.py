"""A judging of voices from its models to its figures, for every front end.

    VoicesSpec ──prepare──> VoiceJudging ──begin──> FOLDER locked ──carry_out──> VoicesResult, FOLDER/voices.json

    the model  ──comments of voices, of the bare model, on survey questions; answers; perplexities──┐
    the judge  ──verdicts, survey answers───────────────────────────────────────────────────────────┤
    the scorer ──positions───────────────────────────────────────────────────────────────────────────┴──> figures

One model is open at a time where model and judge differ: both may be large. Everything is kept as it comes: stopped,
the same calls go on, and figures are of what was judged so far. Nothing is printed here: `VoicesHooks` tell the front
end what happens and ask it whether to stop. Models are opened, and closed, by what the caller gives as `Openers`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from pluralism_local.communities import Pool
from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.errors import Cancelled
from pluralism_local.evaluation.journal import Journal, locked
from pluralism_local.evaluation.nli import NliScorer
from pluralism_local.evaluation.nli_cache import RememberedNli, nli_file
from pluralism_local.evaluation.voices import answers
from pluralism_local.evaluation.voices.answers import Answerer, write_answers
from pluralism_local.evaluation.voices.comments import (
    FILE,
    Speakers,
    VoiceComment,
    read_comments,
    write_comments,
)
from pluralism_local.evaluation.voices.figures import JudgedComment
from pluralism_local.evaluation.voices.held_out import PassagePerplexity, agreement
from pluralism_local.evaluation.voices.judgements import StanceJudge, judge_comments, judge_file
from pluralism_local.evaluation.voices.opinions import (
    SurveyQuestion,
    answers_file,
    likeness,
    read_survey,
    survey_answers,
)
from pluralism_local.evaluation.voices.pairs import VoicePair, find_pairs, parse_pair
from pluralism_local.evaluation.voices.positions import positions
from pluralism_local.evaluation.voices.questions import ContestedQuestion, balanced, read_questions
from pluralism_local.files import digest
from pluralism_local.modes.leanings.habits import Habits
from pluralism_local.types import ModelInfo, Sampling

HELD_OUT_FILE = "held-out.jsonl"


@dataclass(frozen=True)
class VoicesSpec:
    """What to judge.

    Attributes:
        pool: the voices, as they are before they are fitted to a model.
        model: the name of the model that they speak through; not opened where comments are given.
        judge: the name of the model that reads the comments; may be the same.
        sampling: of comments; its seed is that of the figures' intervals, too.
        template: how the models template prompts, "auto" or "none".
        questions: a file of questions; None for those that ship.
        limit: questions, and survey questions, at most; None for all.
        comments: a file of comments made elsewhere, to judge instead of the pool's.
        take_sides: as of an `Ask`.
        pairs: ``LEFT:RIGHT`` each; empty to find them by their ids.
        controls: also ask the bare model once for every voice.
        answer: how the LLM draws its answers, which are judged, too; None for comments alone.
        scorer: names what judges entailment, for positions per ask; None for no positions.
        opinions: a file of survey rows; None for none.
        held_out: a folder of texts of the communities; None for none.
        folder: where everything is kept; None for one of its own.
    """

    pool: Pool
    model: str
    judge: str
    sampling: Sampling
    template: str = "auto"
    questions: Path | None = None
    limit: int | None = None
    comments: Path | None = None
    take_sides: bool = False
    pairs: tuple[str, ...] = ()
    controls: bool = True
    answer: Sampling | None = None
    scorer: str | None = None
    opinions: Path | None = None
    held_out: Path | None = None
    folder: Path | None = None

    @property
    def one_model(self) -> bool:
        """Whether the voices' model is the judge."""
        return self.comments is None and self.judge == self.model


@dataclass(frozen=True)
class Openers:
    """How models are opened.

    Attributes:
        model: opens the model of a name, and closes it.
        fit: the pool as it can speak through an open model.
        scorer: opens what judges entailment, by its name.
        habits: of personas, where voices take sides.
    """

    model: Callable[[str], AbstractContextManager[LanguageModel]]
    fit: Callable[[Pool, LanguageModel], Pool]
    scorer: Callable[[str], AbstractContextManager[NliScorer]]
    habits: Habits = field(default_factory=Habits)


@dataclass(frozen=True)
class VoicesHooks:
    """What a front end is told, and how it stops the work.

    Attributes:
        progress: given what is counted, such as "comments", returns what is told (done, total).
        entailment: given the scorer's name, returns what is told (pairs scored, pairs to score).
        should_stop: asked as often as something is finished, which stays.
    """

    progress: Callable[[str], Callable[[int, int], None]] = lambda _: lambda *_: None
    entailment: Callable[[str], Callable[[int, int], None]] = lambda _: lambda *_: None
    should_stop: ShouldStop = never


@dataclass
class VoiceJudging:
    """A judging on its way: what is asked, and what there is so far. Parts not asked for stay empty.

    Attributes:
        pool: the spec's, fitted to the model as soon as that is open.
        models: by role, "model" and "judge", of those that were opened.
        comments, base, on_survey: of the voices, of the bare model, and of the voices on survey questions.
        answers: what the LLM makes of the voices' comments.
        likeness: as `opinions.likeness`; positions: as `positions.positions`; None where not asked for, or not yet.
        stopped: before everything was done.
        habits: as of the openers, once a model is open.
    """

    spec: VoicesSpec
    pool: Pool
    questions: Sequence[ContestedQuestion]
    pairs: Sequence[VoicePair]
    folder: Path
    survey: Sequence[SurveyQuestion] = ()
    models: dict[str, ModelInfo] = field(default_factory=dict)
    comments: Sequence[VoiceComment] = ()
    base: Sequence[VoiceComment] = ()
    answers: Sequence[VoiceComment] = ()
    on_survey: Sequence[VoiceComment] = ()
    agreement: Sequence[PassagePerplexity] = ()
    judged: Sequence[JudgedComment] = ()
    base_judged: Sequence[JudgedComment] = ()
    answers_judged: Sequence[JudgedComment] = ()
    likeness: dict[str, Any] | None = None
    positions: dict[str, int] | None = None
    stopped: bool = False
    habits: Habits = field(default_factory=Habits)

    def speakers(self, engine: LanguageModel) -> Speakers:
        """The pool's voices on a model."""
        spec = self.spec
        return Speakers(
            self.pool, engine, spec.sampling, spec.template, "voice", spec.take_sides, self.habits
        )

    def fit(self, engine: LanguageModel, openers: Openers) -> None:
        """Fit the pool to the model that the voices speak through."""
        self.pool, self.habits = openers.fit(self.pool, engine), openers.habits


def prepare(spec: VoicesSpec, root: Path) -> VoiceJudging:
    """Read everything that is read before a model is opened; nothing is written.

    Args:
        root: where judgings lie that were given no folder.

    Raises:
        InvalidInput, NotFound: a file or a pair is not what it should be.
    """
    questions = read_questions(spec.questions)
    comments: Sequence[VoiceComment] = ()
    if spec.comments is not None:
        comments = read_comments(spec.comments)
        by_text = {question.text: question for question in questions}
        texts = dict.fromkeys(comment.question for comment in comments)
        questions = [by_text.get(text, ContestedQuestion(text)) for text in texts]
    questions = balanced(questions, spec.limit)
    texts = dict.fromkeys(question.text for question in questions)
    comments = [comment for comment in comments if comment.question in texts]
    ids = list(dict.fromkeys(comment.community for comment in comments))
    ids = ids or [member.community.id for member in spec.pool.members]
    return VoiceJudging(
        spec,
        spec.pool,
        questions,
        [parse_pair(text, ids) for text in spec.pairs] or find_pairs(ids),
        spec.folder or root / _own_folder(spec),
        survey=() if spec.opinions is None else read_survey(spec.opinions)[: spec.limit],
        comments=comments,
    )


def _own_folder(spec: VoicesSpec) -> str:
    if spec.comments is not None:
        return f"comments-{digest(str(spec.comments.resolve()))[:12]}"
    return f"{spec.pool.id}-{digest([spec.model, spec.template])[:12]}"


@contextmanager
def begin(judging: VoiceJudging) -> Iterator[Path]:
    """Be the only writer in the judging's folder while the block runs.

    Raises:
        Refused: another process writes there.
    """
    with locked(judging.folder):
        yield judging.folder


def carry_out(judging: VoiceJudging, openers: Openers, hooks: VoicesHooks | None = None) -> None:
    """Do what is missing, in the block of `begin`; what there is stands in `judging` afterwards, also after a stop.

    Raises:
        PlocalError: as the models do; what was finished stays.
    """
    hooks = hooks or VoicesHooks()
    try:
        _ask_models(judging, openers, hooks)
        _score_entailment(judging, openers, hooks)
    except Cancelled:
        judging.stopped = True
    judging.stopped = judging.stopped or hooks.should_stop()


@contextmanager
def opened(judging: VoiceJudging, openers: Openers, role: str) -> Iterator[LanguageModel]:
    """The model of a role, "model" or "judge", noted under it."""
    name = judging.spec.model if role == "model" else judging.spec.judge
    with openers.model(name) as engine:
        judging.models[role] = engine.info
        yield engine


def _ask_models(judging: VoiceJudging, openers: Openers, hooks: VoicesHooks) -> None:
    """What the models do; Cancelled where a stop leaves nothing to judge."""
    if judging.spec.comments is None:
        with opened(judging, openers, "model") as engine:
            judging.fit(engine, openers)
            _write(judging, engine, hooks)
            if judging.spec.one_model:
                _judge(judging, engine, hooks)
                return
        if hooks.should_stop():
            raise Cancelled
    with opened(judging, openers, "judge") as engine:
        _judge(judging, engine, hooks)


def _write(judging: VoiceJudging, engine: LanguageModel, hooks: VoicesHooks) -> None:
    """Everything that the voices say or are measured on."""
    spec, voices = judging.spec, judging.speakers(engine)
    texts = [question.text for question in judging.questions]
    with Journal(judging.folder / FILE) as journal:

        def write(speakers: Speakers, questions: Sequence[str], what: str) -> list[VoiceComment]:
            return write_comments(
                speakers, questions, journal, should_stop=hooks.should_stop, progress=hooks.progress(what)
            )

        judging.comments = write(voices, texts, "comments")
        if spec.controls:
            judging.base = write(replace(voices, form="base"), texts, "comments of the bare model")
        survey = [question.text for question in judging.survey]
        judging.on_survey = write(voices, survey, "comments on survey questions")
    if spec.answer is not None:
        with Journal(judging.folder / answers.FILE) as journal:
            judging.answers = write_answers(
                Answerer(voices, spec.answer),
                texts,
                judging.comments,
                journal,
                should_stop=hooks.should_stop,
                progress=hooks.progress("answers"),
            )
    if spec.held_out is not None:
        with Journal(judging.folder / HELD_OUT_FILE) as journal:
            judging.agreement = agreement(
                judging.pool,
                engine,
                spec.held_out,
                journal,
                template=spec.template,
                should_stop=hooks.should_stop,
                progress=hooks.progress("held-out passages"),
            )


def _judge(judging: VoiceJudging, engine: LanguageModel, hooks: VoicesHooks) -> None:
    """Verdicts on all comments and answers, and what the comments on survey questions answer."""
    judge = StanceJudge(engine, variant=judging.spec.template)
    judging.models["judge"] = engine.info
    texts = [*judging.comments, *judging.base, *judging.answers]
    with Journal(judge_file(judging.folder, judge)) as journal:
        verdicts = judge_comments(
            judge,
            journal,
            [(comment.question, comment.text) for comment in texts],
            should_stop=hooks.should_stop,
            progress=hooks.progress("judged"),
        )
    judged = iter([JudgedComment(text, verdict) for text, verdict in zip(texts, verdicts, strict=True)])
    judging.judged, judging.base_judged, judging.answers_judged = (
        list(islice(judged, len(own))) for own in (judging.comments, judging.base, judging.answers)
    )
    if judging.survey:
        with Journal(answers_file(judging.folder, judge)) as journal:
            answers = survey_answers(
                engine,
                judge.identity,
                judging.survey,
                judging.on_survey,
                journal,
                should_stop=hooks.should_stop,
                progress=hooks.progress("survey answers"),
            )
        judging.likeness = likeness(judging.survey, answers, judging.pairs, seed=judging.spec.sampling.seed)


def _score_entailment(judging: VoiceJudging, openers: Openers, hooks: VoicesHooks) -> None:
    """Positions per ask, where a scorer was chosen and nothing was stopped."""
    if judging.spec.scorer is None or hooks.should_stop():
        return
    with (
        openers.scorer(judging.spec.scorer) as scorer,
        Journal(nli_file(judging.folder, scorer)) as journal,
    ):
        remembered = RememberedNli(scorer, journal, hooks.entailment(scorer.name))
        judging.positions = positions(judging.comments, remembered, should_stop=hooks.should_stop)
