"""`plocal communities judge --dry-run`: how much would be asked, and how long it takes at most, by a short probe.

The probe lets the voices write a few words on the first question and the judge read one comment; nothing is kept.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pluralism_local.cli.eval.scorers import NO_SCORER
from pluralism_local.cli.output import key_values
from pluralism_local.cli.voices.work import fit, opened, speakers
from pluralism_local.display.figures import many

if TYPE_CHECKING:
    from pluralism_local.cli.voices.work import Judging
    from pluralism_local.engine.base import LanguageModel

PROBE_TOKENS = 24


def show_plan(work: Judging) -> None:
    """Print the plan; nothing is kept."""
    record = estimate(work)
    options = work.options
    text = key_values(
        [
            ("pool", work.pool.id if options.comments is None else None),
            ("model", work.settings.model if options.comments is None else None),
            ("judge", options.judge),
            ("questions", f"{len(work.questions):,}"),
            (
                "comments",
                f"{record['comments']:,} to write, of at most {work.settings.comment_max_tokens:,} tokens"
                if options.comments is None
                else f"{len(work.comments):,} given",
            ),
            ("judge reads", f"{many(record['judged'], 'comment')}, with three questions about each"),
            (
                "entailment",
                f"at most {record['entailment_pairs']:,} pairs" if record["entailment_pairs"] else None,
            ),
            ("time", f"at most about {many(max(1, round(record['minutes'])), 'minute')}, without entailment"),
            ("folder", work.folder),
        ]
    )
    work.out.show({**record, "folder": str(work.folder)}, text)


def estimate(work: Judging) -> dict[str, Any]:
    """Counts, and minutes at most; what was kept by an earlier run is counted again."""
    options, voices = work.options, len(work.pool.members)
    asked = len(work.questions) * (1 + options.controls) + len(work.survey)
    comments = 0 if options.comments is not None else asked * voices
    judged = len(work.comments) or len(work.questions) * (1 + options.controls) * voices
    pairs = 0 if options.scorer == NO_SCORER else len(work.questions) * voices * (voices - 1)
    writing = reading = 0.0
    if options.comments is None:
        with opened(work, work.settings.model, "model") as engine:
            fit(work, engine)
            writing = _seconds_of_writing(work, engine)
            if work.same:
                reading = _seconds_of_reading(work, engine)
    if not work.same:
        with opened(work, options.judge, "judge") as engine:
            reading = _seconds_of_reading(work, engine)
    seconds = comments * writing + (judged + len(work.survey) * voices) * reading
    return {
        "questions": len(work.questions),
        "comments": comments,
        "judged": judged,
        "entailment_pairs": pairs,
        "seconds_a_comment": round(writing, 2),
        "seconds_a_judgement": round(reading, 2),
        "minutes": round(seconds / 60, 1),
    }


def _seconds_of_writing(work: Judging, engine: LanguageModel) -> float:
    """Of one comment at its full length, all voices writing at once."""
    from pluralism_local.evaluation.voices.comments import speak

    asked = speakers(work, engine)
    most = asked.sampling.max_tokens
    short = replace(asked, sampling=replace(asked.sampling, max_tokens=min(PROBE_TOKENS, most)))
    members = work.pool.members
    speak(short, work.questions[0].text, members)  # whatever is loaded or written the first time
    began = time.perf_counter()
    speak(short, work.questions[0].text, members)
    seconds = time.perf_counter() - began
    return seconds / len(members) * most / short.sampling.max_tokens


def _seconds_of_reading(work: Judging, engine: LanguageModel) -> float:
    """Of one comment of the full length."""
    from pluralism_local.evaluation.voices import StanceJudge

    text = "word " * work.settings.comment_max_tokens
    judge = StanceJudge(engine, variant=work.settings.template)
    began = time.perf_counter()
    judge.ask([(work.questions[0].text, text)])
    return time.perf_counter() - began
