"""A Result as a JSON object and back: what ``--json``, the history, journals and the Python API share.

    Result ──to_record──> {"schema": "plocal.result/1", …} ──from_record──> Recorded

`writing` makes every key; `reading` takes what it finds, whoever wrote it.
"""

from __future__ import annotations

from pluralism_local.records.reading import UNKNOWN, Recorded, from_record, turn_of
from pluralism_local.records.writing import SCHEMA, to_record, unfinished_record

__all__ = [
    "SCHEMA",
    "UNKNOWN",
    "Recorded",
    "from_record",
    "to_record",
    "turn_of",
    "unfinished_record",
]
