"""Judging in order: what the voices say, what the judge makes of it, entailment, figures; each kept as it comes.

    the model  ──comments of voices, of the bare model, on survey questions; perplexities──┐
    the judge  ──verdicts, survey answers──────────────────────────────────────────────────┤
    the scorer ──positions──────────────────────────────────────────────────────────────────┴──> record, text

One model is open at a time where model and judge differ: both may be large. The record's keys are described in
adapters/README.md. Stopped, the same command goes on; figures are shown of what was judged so far.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pluralism_local import wiring
from pluralism_local.cli.eval.pace import Pace, entailment_pace
from pluralism_local.cli.eval.scorers import NO_SCORER, open_scorer
from pluralism_local.cli.interrupt import Interrupt, catching
from pluralism_local.cli.output import Output
from pluralism_local.cli.voices.result import finish
from pluralism_local.errors import Cancelled
from pluralism_local.evaluation.identity import digest

if TYPE_CHECKING:
    from pluralism_local.communities import Pool
    from pluralism_local.config import Settings
    from pluralism_local.engine.base import LanguageModel
    from pluralism_local.evaluation.voices import Judged, Question, Speakers, VoiceComment, VoicePair
    from pluralism_local.evaluation.voices.held_out import Agreement
    from pluralism_local.evaluation.voices.opinions import SurveyQuestion
    from pluralism_local.types import ModelInfo


@dataclass(frozen=True)
class JudgeOptions:
    """What to judge; see the options of the same names. `judge` is a model's name."""

    judge: str
    communities: tuple[str, ...]
    questions: Path | None
    limit: int | None
    comments: Path | None
    pairs: tuple[str, ...]
    controls: bool
    scorer: str
    opinions: Path | None
    held_out: Path | None
    output: Path | None
    force: bool


@dataclass
class Judging:
    """A judging on its way: what is asked, and what there is so far. Parts not asked for stay empty."""

    out: Output
    settings: Settings
    options: JudgeOptions
    interrupt: Interrupt
    pool: Pool
    questions: Sequence[Question]
    pairs: Sequence[VoicePair]
    folder: Path
    survey: Sequence[SurveyQuestion] = ()
    models: dict[str, ModelInfo] = field(default_factory=dict)
    comments: Sequence[VoiceComment] = ()
    base: Sequence[VoiceComment] = ()
    on_survey: Sequence[VoiceComment] = ()
    agreement: Sequence[Agreement] = ()
    judged: Sequence[Judged] = ()
    base_judged: Sequence[Judged] = ()
    likeness: dict[str, Any] | None = None
    positions: dict[str, int] | None = None

    @property
    def same(self) -> bool:
        """Model and judge are one."""
        return self.options.comments is None and self.options.judge == self.settings.model


def carry_out(out: Output, settings: Settings, options: JudgeOptions, *, dry_run: bool) -> None:
    """Do what is missing, and show the figures of what there is."""
    from pluralism_local.evaluation.journal import locked

    with ExitStack() as stack:
        interrupt = stack.enter_context(catching(out))
        work = prepare(out, settings, options, interrupt)
        if dry_run:
            from pluralism_local.cli.voices.plan import show_plan

            show_plan(work)
            return
        stack.enter_context(locked(work.folder))
        out.note(f"Kept in {work.folder}")
        stopped = False
        try:
            _models(work)
            _entailment(work)
        except Cancelled:
            stopped = True
        finish(work, stopped=stopped or interrupt.requested)


def prepare(out: Output, settings: Settings, options: JudgeOptions, interrupt: Interrupt) -> Judging:
    """Everything that is read before a model is opened.

    Raises:
        InvalidInput, NotFound, Refused: a file, a pool or a pair is not what it should be.
    """
    from pluralism_local import config
    from pluralism_local.evaluation.voices import (
        balanced,
        find_pairs,
        parse_pair,
        read_comments,
        read_questions,
    )
    from pluralism_local.evaluation.voices.opinions import read_survey
    from pluralism_local.evaluation.voices.questions import Question

    pool = wiring.find_pool(wiring.library(settings), settings.pool, list(options.communities))
    questions = read_questions(options.questions)
    comments: Sequence[VoiceComment] = ()
    if options.comments is not None:
        comments = read_comments(options.comments)
        known = {one.text: one for one in questions}
        texts = dict.fromkeys(one.question for one in comments)
        questions = [known.get(text, Question(text)) for text in texts]
    questions = balanced(questions, options.limit)
    texts = dict.fromkeys(one.text for one in questions)
    comments = [one for one in comments if one.question in texts]
    ids = list(dict.fromkeys(one.community for one in comments)) or [one.community.id for one in pool.members]
    place = (
        f"comments-{digest(str(options.comments.resolve()))[:12]}"
        if options.comments is not None
        else f"{pool.id}-{digest([settings.model, settings.template])[:12]}"
    )
    return Judging(
        out,
        settings,
        options,
        interrupt,
        pool,
        questions,
        [parse_pair(one, ids) for one in options.pairs] or find_pairs(ids),
        options.output or config.paths().data_dir / "voices" / place,
        survey=() if options.opinions is None else read_survey(options.opinions)[: options.limit],
        comments=comments,
    )


@contextmanager
def opened(work: Judging, name: str, role: str) -> Iterator[LanguageModel]:
    """The model of this name, noted under its role; Ctrl-C asks for a graceful end from then on."""
    with wiring.open_engine(name, work.settings, work.out.status) as engine:
        work.out.clear_status()
        work.models[role] = engine.info
        work.interrupt.graceful = True
        yield engine


def fit(work: Judging, engine: LanguageModel) -> None:
    """The pool as it can speak through the model; warnings are told."""
    work.pool, warnings = wiring.fitting(work.pool, engine, force=work.options.force)
    for warning in warnings:
        work.out.warn(warning)


def speakers(work: Judging, engine: LanguageModel) -> Speakers:
    """The pool's voices on this model."""
    from pluralism_local.evaluation.voices import Speakers
    from pluralism_local.types import Sampling

    chosen = work.settings
    sampling = Sampling(
        chosen.comment_temperature, chosen.comment_top_p, chosen.comment_max_tokens, chosen.seed
    )
    return Speakers(work.pool, engine, sampling, chosen.template)


def pace(work: Judging, about: str) -> Callable[[int, int], None]:
    """Progress of (done, total) things, e.g. ``"comments"``."""
    told = Pace(work.out)
    return lambda done, total: told.report(done, total, f"{about}: {done:,} of {total:,}")


def _models(work: Judging) -> None:
    """What the models do; Cancelled where a stop leaves nothing to judge."""
    if work.options.comments is None:
        with opened(work, work.settings.model, "model") as engine:
            fit(work, engine)
            _write(work, engine)
            if work.same:
                _judge(work, engine)
                return
        if work.interrupt.requested:
            raise Cancelled
    with opened(work, work.options.judge, "judge") as engine:
        _judge(work, engine)


def _write(work: Judging, engine: LanguageModel) -> None:
    """Everything that the voices say or are measured on."""
    from dataclasses import replace

    from pluralism_local.evaluation.journal import Journal
    from pluralism_local.evaluation.voices.comments import FILE, write_comments
    from pluralism_local.evaluation.voices.held_out import agreement

    voices = speakers(work, engine)
    texts = [one.text for one in work.questions]
    with Journal(work.folder / FILE) as journal:

        def write(asked: Speakers, questions: Sequence[str], about: str) -> list[VoiceComment]:
            return write_comments(
                asked, questions, journal, should_stop=work.interrupt, progress=pace(work, about)
            )

        work.comments = write(voices, texts, "comments")
        if work.options.controls:
            work.base = write(replace(voices, form="base"), texts, "comments of the bare model")
        work.on_survey = write(voices, [one.text for one in work.survey], "comments on survey questions")
    if work.options.held_out is not None:
        with Journal(work.folder / "held-out.jsonl") as journal:
            work.agreement = agreement(
                work.pool,
                engine,
                work.options.held_out,
                journal,
                template=work.settings.template,
                should_stop=work.interrupt,
                progress=pace(work, "held-out passages"),
            )


def _judge(work: Judging, engine: LanguageModel) -> None:
    """Verdicts on all comments, and what the comments on survey questions answer."""
    from pluralism_local.evaluation.journal import Journal
    from pluralism_local.evaluation.voices import Judged, StanceJudge, judge_comments
    from pluralism_local.evaluation.voices.judgements import judge_file
    from pluralism_local.evaluation.voices.opinions import answers_file, likeness, survey_answers

    judge = StanceJudge(engine, variant=work.settings.template)
    work.models["judge"] = engine.info
    both = [*work.comments, *work.base]
    with Journal(judge_file(work.folder, judge)) as journal:
        verdicts = judge_comments(
            judge,
            journal,
            [(one.question, one.text) for one in both],
            should_stop=work.interrupt,
            progress=pace(work, "judged"),
        )
    judged = [Judged(one, verdict) for one, verdict in zip(both, verdicts, strict=True)]
    work.judged, work.base_judged = judged[: len(work.comments)], judged[len(work.comments) :]
    if work.survey:
        with Journal(answers_file(work.folder, judge)) as journal:
            answers = survey_answers(
                engine,
                judge.identity,
                work.survey,
                work.on_survey,
                journal,
                should_stop=work.interrupt,
                progress=pace(work, "survey answers"),
            )
        work.likeness = likeness(work.survey, answers, work.pairs, seed=work.settings.seed)


def _entailment(work: Judging) -> None:
    """Positions per ask, where a scorer was chosen and nothing was stopped."""
    if work.options.scorer == NO_SCORER or work.interrupt.requested:
        return
    from pluralism_local.evaluation.journal import Journal
    from pluralism_local.evaluation.remembered import RememberedNli, nli_file
    from pluralism_local.evaluation.voices.positions import positions

    with (
        open_scorer(work.options.scorer, work.settings, work.out.status) as scorer,
        Journal(nli_file(work.folder, scorer)) as journal,
    ):
        remembered = RememberedNli(scorer, journal, entailment_pace(work.out, scorer.name))
        work.positions = positions(work.comments, remembered, should_stop=work.interrupt)
