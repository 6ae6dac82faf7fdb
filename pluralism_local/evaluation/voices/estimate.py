"""How much a judging would ask, and how long it takes at most, by a short probe.

    VoiceJudging ──estimate──> {"questions", "comments", "judged", …, "minutes"}

The probe lets the voices write a few words on the first question and the judge read one comment; nothing is kept.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from pluralism_local.engine.base import LanguageModel
from pluralism_local.evaluation.voices.comments import speak
from pluralism_local.evaluation.voices.judgements import StanceJudge
from pluralism_local.evaluation.voices.service import Openers, VoiceJudging, opened

PROBE_TOKENS = 24


def estimate(judging: VoiceJudging, openers: Openers) -> dict[str, Any]:
    """Counts, seconds and minutes at most; what was kept by an earlier judging is counted again.

    Raises:
        PlocalError: as the models do.
    """
    spec, voices = judging.spec, len(judging.pool.members)
    rounds = len(judging.questions) * (1 + spec.controls) + len(judging.survey)
    comments = 0 if spec.comments is not None else rounds * voices
    judged = len(judging.comments) or len(judging.questions) * (1 + spec.controls) * voices
    answers = 0 if spec.answer is None else len(judging.questions)
    pairs = 0 if spec.scorer is None else len(judging.questions) * voices * (voices - 1)
    writing = reading = 0.0
    if spec.comments is None:
        with opened(judging, openers, "model") as engine:
            judging.fit(engine, openers)
            writing = _seconds_of_writing(judging, engine)
            if spec.one_model:
                reading = _seconds_of_reading(judging, engine)
    if not spec.one_model:
        with opened(judging, openers, "judge") as engine:
            reading = _seconds_of_reading(judging, engine)
    # an answer is written alone, which takes at least as long a token as together: counted as comments of all voices
    long = 0 if spec.answer is None else answers * voices * spec.answer.max_tokens / spec.sampling.max_tokens
    seconds = (comments + long) * writing + (judged + answers + len(judging.survey) * voices) * reading
    return {
        "questions": len(judging.questions),
        "comments": comments,
        "answers": answers,
        "judged": judged + answers,
        "entailment_pairs": pairs,
        "seconds_a_comment": round(writing, 2),
        "seconds_a_judgement": round(reading, 2),
        "minutes": round(seconds / 60, 1),
    }


def _seconds_of_writing(judging: VoiceJudging, engine: LanguageModel) -> float:
    """Of one comment at its full length, all voices writing at once."""
    speakers = judging.speakers(engine)
    most = speakers.sampling.max_tokens
    short = replace(speakers, sampling=replace(speakers.sampling, max_tokens=min(PROBE_TOKENS, most)))
    members = judging.pool.members
    speak(short, judging.questions[0].text, members)  # whatever is loaded or written the first time
    began = time.perf_counter()
    speak(short, judging.questions[0].text, members)
    seconds = time.perf_counter() - began
    return seconds / len(members) * most / short.sampling.max_tokens


def _seconds_of_reading(judging: VoiceJudging, engine: LanguageModel) -> float:
    """Of one comment of the full length."""
    text = "word " * judging.spec.sampling.max_tokens
    judge = StanceJudge(engine, variant=judging.spec.template)
    began = time.perf_counter()
    judge.ask([(judging.questions[0].text, text)])
    return time.perf_counter() - began
