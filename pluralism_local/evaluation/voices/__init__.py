"""A way to judge voices: what a pool's communities say to contested questions, in figures, before anybody trains more.

    questions file ──questions──> [ContestedQuestion]
    pool, model, [ContestedQuestion] ──comments──> [VoiceComment] journalled, or from a file of comments made elsewhere
    [VoiceComment], model   ──answers──> what the LLM makes of them, as [VoiceComment]
    [VoiceComment], judge   ──judgements──> P(yes) in both orders of the options, P(answers this question)
    [VoiceComment], scorer  ──positions──> number of different positions per ask
    comments + probabilities ──figures──> VoiceReport: per voice, pair of opposite voices, pool; no model needed
    survey rows             ──opinions──> do the voices differ as the people of both sides do?
    held-out passages       ──held_out──> perplexity of a voice's own texts, beside the base's
    all of these, in order  ──service, result──> a folder, voices.json

Controls: the base without persona, asked as often as there are voices, and the names of the voices permuted.
A comment without text is no answer: it counts as off topic and has no stance. A judgement that failed, or in which
neither option had any probability, is counted and left out, never scored as wrong. Everything finished is kept in
journals, so that a run that is stopped goes on where it was.
Failure modes: bad files are `InvalidInput` with the line; models fail as engines do, and what is finished stays.
"""

from __future__ import annotations

from pluralism_local.evaluation.voices.comments import (
    Speakers,
    VoiceComment,
    read_comments,
    write_comments,
)
from pluralism_local.evaluation.voices.figures import JudgedComment, VoiceReport, report
from pluralism_local.evaluation.voices.judgements import CommentVerdict, StanceJudge, judge_comments
from pluralism_local.evaluation.voices.pairs import VoicePair, find_pairs, parse_pair
from pluralism_local.evaluation.voices.questions import ContestedQuestion, balanced, read_questions

__all__ = [
    "CommentVerdict",
    "ContestedQuestion",
    "JudgedComment",
    "Speakers",
    "StanceJudge",
    "VoiceComment",
    "VoicePair",
    "VoiceReport",
    "balanced",
    "find_pairs",
    "judge_comments",
    "parse_pair",
    "read_comments",
    "read_questions",
    "report",
    "write_comments",
]
