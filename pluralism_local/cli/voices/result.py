"""What came of a judging: figures of what was judged, kept as `RESULT` and shown; keys: adapters/README.md."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pluralism_local.cli.exits import ExitCode
from pluralism_local.evaluation.identity import model_key

if TYPE_CHECKING:
    from pluralism_local.cli.voices.work import Judging
    from pluralism_local.config import Settings
    from pluralism_local.evaluation.voices import Report
    from pluralism_local.types import ModelInfo

SCHEMA = "plocal.voices/1"
RESULT = "voices.json"
BLIND = 2
"""So many standard deviations over the voices of P(yes) may the place of an option weigh before a warning."""


def finish(work: Judging, *, stopped: bool) -> None:
    """Figures of what was judged, kept and shown."""
    from pluralism_local.cli.voices.text import text_of
    from pluralism_local.evaluation.voices import Verdict, report
    from pluralism_local.files import write_atomic

    if stopped:
        work.out.exit = ExitCode.PARTIAL
        work.out.note("Stopped; the same command goes on.")
    if not any(isinstance(one.verdict, Verdict) for one in work.judged):
        if not stopped:
            work.out.exit = ExitCode.PARTIAL
        work.out.show(
            {"schema": SCHEMA, "folder": str(work.folder), "complete": False}, "Nothing judged yet."
        )
        return
    personas = {one.community.id: one.community.persona or "" for one in work.pool.members}
    seed = work.settings.seed
    voices = report(
        work.questions, work.judged, work.pairs, personas=personas, positions=work.positions, seed=seed
    )
    control = report(work.questions, work.base_judged, work.pairs, seed=seed) if work.base_judged else None
    record = {
        "schema": SCHEMA,
        "complete": not stopped,
        "pool": None if work.options.comments is not None else work.pool.id,
        "model": _about(work.models.get("model")),
        "judge": _about(work.models.get("judge")),
        "scorer": None if work.positions is None else work.options.scorer,
        "comment": _sampling(work.settings),
        "pairs_asked": [[one.left, one.right] for one in work.pairs],
        **voices.record(),
        "base": None if control is None else control.record(),
        "opinions": work.likeness,
        "held_out": [one.record() for one in work.agreement] or None,
        "cards": _cards(work, voices),
        "folder": str(work.folder),
    }
    apart, effect = voices.spread.value**0.5, voices.texts.order_effect.value
    if effect > BLIND * apart:  # never where one of them is NaN
        work.out.warn(
            f"The judge's two orders differ by {effect:.2f} on average, the voices by {apart:.2f}: it hardly reads the "
            "comments. Take a larger model with --judge."
        )
    write_atomic(work.folder / RESULT, json.dumps(record, ensure_ascii=False, indent=1) + "\n")
    work.out.show(record, text_of(record, voices, control, unicode=work.out.unicode))


def _cards(work: Judging, voices: Report) -> dict[str, Any] | None:
    """Entries for the cards of the pool's communities; None for comments made elsewhere."""
    from pluralism_local.evaluation.voices.card_block import card_blocks

    if work.options.comments is not None:
        return None
    names = {role: Path(info.id).stem if "/" in info.id else info.id for role, info in work.models.items()}
    today = datetime.datetime.now(datetime.UTC).date()
    return card_blocks(voices, work.pool, model=names["model"], judge=names["judge"], date=today)


def _about(info: ModelInfo | None) -> dict[str, Any] | None:
    return None if info is None else {"id": info.id, "sha256": info.sha256, "key": model_key(info)}


def _sampling(settings: Settings) -> dict[str, Any]:
    return {
        "temperature": settings.comment_temperature,
        "top_p": settings.comment_top_p,
        "max_tokens": settings.comment_max_tokens,
        "seed": settings.seed,
    }
