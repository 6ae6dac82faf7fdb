"""A voice's figures as its card carries them: VoiceReport ──card_blocks──> {community: a `judged` entry}."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from pluralism_local.communities import Pool
from pluralism_local.evaluation.metrics import Estimate
from pluralism_local.evaluation.voices.figures import ALL, VoiceReport

DIGITS = 3


def card_blocks(
    report: VoiceReport, pool: Pool, *, model: str, judge: str, date: datetime.date
) -> dict[str, dict[str, Any]]:
    """By community of the pool, an entry for ``plocal: judged:``, as `communities.card_parts.JudgedVoice` reads it.

    A voice none of whose comments has a verdict has none. Figures are rounded; what is not known is left out.
    """
    entries = {}
    members = {member.community.id: member for member in pool.members}
    for voice in report.voices:
        if voice.id not in members or not voice.texts.judged:
            continue
        pair = next(
            (pair for pair in report.pairs if pair.register != ALL and voice.id in (pair.left, pair.right)),
            None,
        )
        agrees = None if pair is None else _rounded(pair.agrees)
        entry: Mapping[str, Any] = {
            "model": model,
            "form": "persona" if members[voice.id].adapter is None else "adapter",
            "judge": judge,
            "questions": voice.texts.comments,
            "on_topic": _rounded(voice.texts.on_topic),
            "repeats": _rounded(voice.texts.repeats),
            "invents": _rounded(voice.texts.invents),
            "ends": _rounded(voice.texts.ends),
            "words": _rounded(voice.texts.words),
            "opposite": None
            if pair is None or agrees is None
            else pair.right
            if voice.id == pair.left
            else pair.left,
            "agrees": agrees,
            "date": date.isoformat(),
        }
        entries[voice.id] = {name: value for name, value in entry.items() if value is not None}
    return entries


def _rounded(figure: Estimate) -> float | None:
    value = figure.record()["value"]
    return None if value is None else round(value, DIGITS)
