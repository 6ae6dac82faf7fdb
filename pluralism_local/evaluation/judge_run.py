"""Judges on a run's responses, from the run's folder to its judge.json, for every front end.

    RUN, JudgeComparison ──judge_run──> RUN locked ──a judge after the other──> judge-MODEL.jsonl ──> RUN/judge.json
                                                                             └──the same record──> returned

Judges' answers are kept in the run's folder as they come, a server's one by one, so that the same call goes on after
a stop or a fault. Nothing is
printed here: `JudgeHooks` tell the front end what happens and ask it whether to stop. Judges are opened, and closed, by
the caller, who also decides what may be opened; only one is open at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from pluralism_local.engine.base import LanguageModel, ShouldStop, never
from pluralism_local.evaluation.batch_calls import RequestFailure
from pluralism_local.evaluation.beside import kept_beside
from pluralism_local.evaluation.journal import Journal, locked
from pluralism_local.evaluation.judge_cases import JudgeCase, make_case
from pluralism_local.evaluation.judging import ModelJudge, PairJudgement, judge_file, judge_pairs
from pluralism_local.evaluation.kept_replies import keeping_replies
from pluralism_local.evaluation.run_folder import RunFolder
from pluralism_local.evaluation.runner import RunProgress, check_answers, read_results
from pluralism_local.evaluation.standings import HUMANS_KAPPA, agreement, standing
from pluralism_local.evaluation.stored import StoredChoice
from pluralism_local.files import write_atomic
from pluralism_local.prompts import JUDGE_PAIR
from pluralism_local.remote_url import without_credentials
from pluralism_local.types import ModelInfo

SCHEMA = "plocal.eval.judge/1"
"""Of a run's judge.json."""

JUDGE_FILE = "judge.json"
REPORTED_FAILURES = 5

OpenJudge = Callable[[str], AbstractContextManager[LanguageModel]]


@dataclass(frozen=True)
class JudgeComparison:
    """What judges are asked about a run.

    Attributes:
        a: the method judged.
        opponents: methods it is compared with, "shuffled" among them or not; empty for all others of the run.
        judges: names of models, asked in this order; at least one.
        limit: the first pairs of each opponent; None for all.
        seed: of intervals and of "shuffled".
        words: read what judges say even where they give probabilities.
        template: how the judges template prompts, "auto" or "none".
    """

    a: str
    opponents: tuple[str, ...]
    judges: tuple[str, ...]
    limit: int | None = None
    seed: int = 0
    words: bool = False
    template: str = "auto"


@dataclass(frozen=True)
class JudgeHooks:
    """What a front end is told, and how it stops the work.

    Attributes:
        warn: told a sentence about what is not as it should be.
        progress: given a judge's name, returns what is told where that judge's answers are.
        should_stop: asked between chunks of pairs; what was finished stays.
    """

    warn: Callable[[str], None] = lambda _: None
    progress: Callable[[str], Callable[[RunProgress], None]] = lambda _: lambda _: None
    should_stop: ShouldStop = never


@dataclass(frozen=True)
class _JudgeAnswers:
    """A judge that was asked, and its judgements by opponent; `words`: it was read, not weighed."""

    name: str
    info: ModelInfo
    words: bool
    judgements: Mapping[str, Sequence[PairJudgement]]


def judge_run(
    run: RunFolder,
    comparison: JudgeComparison,
    open_judge: OpenJudge,
    *,
    retry: bool = False,
    hooks: JudgeHooks | None = None,
) -> dict[str, Any]:
    """Ask what is missing, and write and return what judge.json has; after a stop, of what there is.

    Args:
        open_judge: opens the model of a name, and closes it.
        retry: ask again where a judge failed.

    Raises:
        InvalidInput: a run without responses, methods that it has no answers of, or a damaged file.
        Refused: another process writes in the folder, or the run's data is not what it was.
        PlocalError: as `judging.judge_pairs`; what was finished stays.
    """
    hooks = hooks or JudgeHooks()
    task, samples = run.read_samples()
    results, _ = read_results(run.path)
    check_answers(run.path, task, samples, results)
    case = make_case(
        task, samples, results, comparison.a, comparison.opponents, comparison.limit, comparison.seed
    )
    with locked(run.path):
        answers, waiting = _ask_judges(run, comparison, case, open_judge, retry=retry, hooks=hooks)
        record = {"schema": SCHEMA, "run": run.record["id"], "task": task.name}
        record |= _record(case, answers, waiting, comparison.seed)
        write_atomic(run.path / JUDGE_FILE, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    return record


COIN = 0.5
"""Share of pairs in which a judge who tosses a coin names the same place in both orders."""


def remarks(record: Mapping[str, Any]) -> Iterator[str]:
    """A sentence for each thing that a reader of a judge.json's `record` must know."""
    absent = record["wanted"] - record["n"]
    if absent:
        yield f"{absent} of {record['wanted']} samples lack an answer of a method and are left out."
    for failure in record["failures"][:1]:
        yield f"Some pairs failed; the first: {failure['message']}"
    for name, opponent, row in _rows(record):
        unread = f"{name} against {opponent}: {row['unparsed']} of {2 * row['n']} answers cannot be read"
        if row["n"] and row["win"]["value"] is None:
            yield f"{unread}, so there is no result. Take another judge, or look at {name}'s words."
        elif row["unparsed"]:
            yield f"{unread} and stand for a tie."
    for entry in record["judges"]:
        # of a judge whose words nobody could read there is none
        rows = [row for row in entry["opponents"].values() if row["position_bias"]["flipped"] is not None]
        pairs = sum(row["n"] for row in rows)
        flipped = sum(row["n"] * row["position_bias"]["flipped"] for row in rows)
        if flipped > COIN * pairs:
            yield (
                f"{entry['judge']} named the same place in both orders in {flipped / pairs:.0%} of the pairs, "
                "which are ties by that: it goes by the place at least as much as by the text. Take a larger judge."
            )


def is_partial(record: Mapping[str, Any]) -> bool:
    """Whether something that was asked for has no result in a judge.json's `record`."""
    return not record["complete"] or any(row["win"]["value"] is None for _, _, row in _rows(record))


def _rows(record: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(judge, opponent, its figures)."""
    for entry in record["judges"]:
        for opponent, row in entry["opponents"].items():
            yield entry["judge"], opponent, row


def _ask_judges(
    run: RunFolder,
    comparison: JudgeComparison,
    case: JudgeCase,
    open_judge: OpenJudge,
    *,
    retry: bool,
    hooks: JudgeHooks,
) -> tuple[list[_JudgeAnswers], Sequence[str]]:
    """One judge after the other; and the names of those that a stop left over."""
    answers: dict[str, _JudgeAnswers] = {}
    for number, spelling in enumerate(comparison.judges):
        if answers and hooks.should_stop():
            return list(answers.values()), comparison.judges[number:]
        name = without_credentials(spelling)
        with open_judge(spelling) as opened, keeping_replies(run.path, opened) as (engine,):
            judge = ModelJudge(engine, words=comparison.words, variant=comparison.template)
            if judge.identity in answers:
                hooks.warn(
                    f"'{answers[judge.identity].name}' and '{name}' are the same model, which is asked once."
                )
                continue
            with Journal(judge_file(run.path, judge)) as journal:
                judgements = judge_pairs(
                    judge,
                    journal,
                    case.pairs,
                    beside=kept_beside(journal.path, StoredChoice),
                    retry=retry,
                    should_stop=hooks.should_stop,
                    progress=_naming(hooks.progress(name), f"{name}, {case.a} against"),
                )
            answers[judge.identity] = _JudgeAnswers(name, judge.info, judge.by_words, judgements)
    return list(answers.values()), ()


def _naming(report: Callable[[RunProgress], None], who: str) -> Callable[[RunProgress], None]:
    return lambda now: report(replace(now, method=f"{who} {now.method}"))


def _record(
    case: JudgeCase, answers: Sequence[_JudgeAnswers], waiting: Sequence[str], seed: int
) -> dict[str, Any]:
    """As in judge.json, without what is the run's; `waiting` are judges that were not begun."""
    failures = [
        {
            "judge": judge.name,
            "opponent": opponent,
            "sample": pair.id,
            "code": judgement.code,
            "message": judgement.message,
        }
        for judge in answers
        for opponent, row in case.pairs.items()
        for pair, judgement in zip(row, judge.judgements[opponent], strict=True)
        if isinstance(judgement, RequestFailure)
    ]
    missing = len(waiting) * case.n * len(case.pairs)
    missing += sum(
        judgement is None for judge in answers for row in judge.judgements.values() for judgement in row
    )
    kappa = agreement(case.pairs, [judge.judgements for judge in answers], seed=seed)
    return {
        "a": case.a,
        "opponents": list(case.pairs),
        "n": case.n,
        "wanted": case.requested,
        "missing": missing,
        "failed": len(failures),
        "complete": not missing and not failures and case.n == case.requested,
        "prompt": JUDGE_PAIR.id,
        "judges": [_judge_record(case, judge, seed) for judge in answers],
        "failures": failures[:REPORTED_FAILURES],
        "fleiss_kappa": None
        if kappa is None
        else {**kappa.record(), "n": kappa.n, "judges": len(answers), "published_humans": HUMANS_KAPPA},
    }


def _judge_record(case: JudgeCase, judge: _JudgeAnswers, seed: int) -> dict[str, Any]:
    return {
        "judge": judge.name,
        "model": {"id": judge.info.id, "backend": judge.info.backend, "sha256": judge.info.sha256},
        "answers": "words" if judge.words else "probabilities",
        "opponents": {
            opponent: standing(row, judge.judgements[opponent], seed=seed).record()
            for opponent, row in case.pairs.items()
        },
    }
