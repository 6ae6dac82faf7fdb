"""What came of a judging: figures of what was judged.

VoiceJudging ──result_of──> VoicesResult ──keep──> FOLDER/voices.json

The record's keys are described in adapters/README.md.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pluralism_local.evaluation.identity import model_key, sampling_record
from pluralism_local.evaluation.voices.card_block import card_blocks
from pluralism_local.evaluation.voices.figures import VoiceReport, report
from pluralism_local.evaluation.voices.judgements import CommentVerdict
from pluralism_local.evaluation.voices.service import VoiceJudging
from pluralism_local.files import write_atomic
from pluralism_local.types import ModelInfo

SCHEMA = "plocal.voices/1"
RESULT_FILE = "voices.json"
BLIND = 2
"""So many standard deviations over the voices of P(yes) may the place of an option weigh before a warning."""


@dataclass(frozen=True)
class VoicesResult:
    """Figures of what was judged.

    Attributes:
        record: as in voices.json.
        voices: None where nothing was judged yet.
        control: of the bare model; None without it.
        answers: of the LLM's answers, as those of a single voice; None without them.
    """

    record: dict[str, Any]
    voices: VoiceReport | None = None
    control: VoiceReport | None = None
    answers: VoiceReport | None = None

    @property
    def warnings(self) -> list[str]:
        """What must be known of the judge."""
        if self.voices is None:
            return []
        apart, effect = self.voices.spread.value**0.5, self.voices.texts.order_effect.value
        if not effect > BLIND * apart:  # so, too, where one of them is NaN
            return []
        return [
            f"The judge's two orders differ by {effect:.2f} on average, the voices by {apart:.2f}: it hardly reads the "
            "comments. Take a larger model with --judge."
        ]


def result_of(judging: VoiceJudging) -> VoicesResult:
    """Figures of what there is; nothing is written."""
    spec, seed = judging.spec, judging.spec.sampling.seed
    if not any(isinstance(comment.verdict, CommentVerdict) for comment in judging.judged):
        return VoicesResult({"schema": SCHEMA, "folder": str(judging.folder), "complete": False})
    personas = {member.community.id: member.community.persona or "" for member in judging.pool.members}
    voices = report(
        judging.questions,
        judging.judged,
        judging.pairs,
        personas=personas,
        positions=judging.positions,
        seed=seed,
    )
    control = None
    if judging.base_judged:
        control = report(judging.questions, judging.base_judged, judging.pairs, seed=seed)
    answers = None
    if judging.answers_judged:
        answers = report(judging.questions, judging.answers_judged, seed=seed)
    record = {
        "schema": SCHEMA,
        "complete": not judging.stopped,
        "pool": None if spec.comments is not None else judging.pool.id,
        "model": _model_record(judging.models.get("model")),
        "judge": _model_record(judging.models.get("judge")),
        "scorer": None if judging.positions is None else spec.scorer,
        "comment": sampling_record(spec.sampling),
        "take_sides": spec.take_sides,
        "answer": None if spec.answer is None else sampling_record(spec.answer),
        "pairs_asked": [[pair.left, pair.right] for pair in judging.pairs],
        **voices.record(),
        "base": None if control is None else control.record(),
        "answers": None if answers is None else answers.voices[0].record(),
        "opinions": judging.likeness,
        "held_out": [community.record() for community in judging.agreement] or None,
        "cards": _cards(judging, voices),
        "folder": str(judging.folder),
    }
    return VoicesResult(record, voices, control, answers)


def keep(result: VoicesResult, folder: Path) -> None:
    """Replace voices.json as a whole, where anything was judged.

    Raises:
        OSError: the folder cannot be written.
    """
    if result.voices is not None:
        write_atomic(folder / RESULT_FILE, json.dumps(result.record, ensure_ascii=False, indent=1) + "\n")


def _cards(judging: VoiceJudging, voices: VoiceReport) -> dict[str, Any] | None:
    """Entries for the cards of the pool's communities; None for comments made elsewhere."""
    if judging.spec.comments is not None:
        return None
    names = {role: Path(info.id).stem if "/" in info.id else info.id for role, info in judging.models.items()}
    today = datetime.datetime.now(datetime.UTC).date()
    return card_blocks(voices, judging.pool, model=names["model"], judge=names["judge"], date=today)


def _model_record(info: ModelInfo | None) -> dict[str, Any] | None:
    return None if info is None else {"id": info.id, "sha256": info.sha256, "key": model_key(info)}
