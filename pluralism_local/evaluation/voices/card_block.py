"""A voice's figures as its card carries them: Report ──card_blocks──> {community: a `judged` entry}."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from pluralism_local.communities import Pool
from pluralism_local.evaluation.metrics import Estimate
from pluralism_local.evaluation.voices.figures import ALL, Report

DIGITS = 3


def card_blocks(
    report: Report, pool: Pool, *, model: str, judge: str, date: datetime.date
) -> dict[str, dict[str, Any]]:
    """By community of the pool, an entry for ``plocal: judged:``, as `communities.card_parts.JudgedVoice` reads it.

    A voice none of whose comments has a verdict has none. Figures are rounded; what is not known is left out.
    """
    found = {}
    members = {one.community.id: one for one in pool.members}
    for voice in report.voices:
        if voice.id not in members or not voice.texts.judged:
            continue
        pair = next(
            (one for one in report.pairs if one.register != ALL and voice.id in (one.left, one.right)), None
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
        found[voice.id] = {name: value for name, value in entry.items() if value is not None}
    return found


def _rounded(figure: Estimate) -> float | None:
    value = figure.record()["value"]
    return None if value is None else round(value, DIGITS)
