"""What runs beside a run have kept, so that nothing is asked twice: comments, judges' answers, entailment.

    PARENT/RUN/comments-MODEL.jsonl      this run's own, which only it writes
    PARENT/OTHER/comments-MODEL.jsonl    read, and what is used of it becomes this run's own
    PARENT/comments-MODEL.jsonl          of earlier versions, which wrote beside their runs: the same

So a run's folder is whole wherever it is moved, its parent holds nothing but runs, and runs beside each other may be
written at the same time. Comments are found wherever their run lies, too (see `shared_comments`).
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from pluralism_local.errors import PlocalError
from pluralism_local.evaluation.journal import Record, read_journal
from pluralism_local.evaluation.strict_records import check_records


def kept_beside(own: Path, model: type[BaseModel]) -> list[Record]:
    """Records of the journals that are called as `own` and lie beside its run; those that cannot be read are none."""
    run = own.resolve().parent
    files = [run.parent / own.name, *sorted(run.parent.glob(f"*/{own.name}"))]
    records: list[Record] = []
    for file in files:
        if file.parent == run:
            continue
        try:
            others = read_journal(file)
            check_records(model, others, file)
        except (PlocalError, OSError):
            continue
        records += others
    return records
