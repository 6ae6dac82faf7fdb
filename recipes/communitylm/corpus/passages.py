"""Passages, the unit of every corpus: JSONL, one object a line.

    path ──read_passages──> [Passage] ──write_passages──> path

`text` is required; `speaker, date, source` may be missing or null. `prepare.py` adds `document` (the passage of the
original that this one was cut from), `subject` (what it is about, for the prompt), `view` (how much it carries the
community's view) and `held_out` (kept for evaluation, unseen by the ranking). Other keys are ignored. A line that is
not such an object is `InvalidInput` with its number.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, cast

from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.files import LFS_HINT, is_lfs_pointer, write_atomic

TEXTS = ("speaker", "date", "source", "document", "subject", "question")


@dataclass(frozen=True, slots=True)
class Passage:
    """A stretch of text by one speaker.

    Attributes:
        text: plain text, not empty.
        speaker, date, source: as the corpus has them.
        document: the passage of the original it was cut from; passages of one document stay on one side of a split.
        subject: a few words; None lets the first sentence stand for it.
        question: that the text answers, in whole words; where there is one, the subject is not asked about.
        view: mean log-odds z-score of its words against other communities; None if not ranked.
        held_out: kept for evaluation.
    """

    text: str
    speaker: str | None = None
    date: str | None = None
    source: str | None = None
    document: str | None = None
    subject: str | None = None
    question: str | None = None
    view: float | None = None
    held_out: bool = False

    @property
    def group(self) -> str:
        """Whose passage it is, for splits and intervals: the speaker, else the document, else itself."""
        return f"speaker {self.speaker}" if self.speaker else f"document {self.document or self.text}"


DISTILLED = "distilled from"
"""How the source of a text begins that a model wrote."""


def source_of_model(model: str) -> str:
    """The source of a text that a model wrote."""
    return f"{DISTILLED} {model}, not from people"


def distilled(sources: Iterable[str | None]) -> tuple[str, ...]:
    """Those of the sources that are models, each once, sorted."""
    return tuple(sorted({source for source in sources if source and source.startswith(DISTILLED)}))


def read_passages(path: Path) -> list[Passage]:
    """All passages of a ``.jsonl`` or ``.jsonl.gz`` file, in order.

    Raises:
        NotFound: there is no such file.
        InvalidInput: not JSONL, a line without text, no passage at all, or Git LFS's note about the file.
    """
    passages = []
    refuse_pointer(path)
    with _open(path) as lines:
        try:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    passages.append(_passage(line, f"{path}, line {number}"))
        except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
            raise InvalidInput(
                f"{path} is not a JSONL file of passages: {error}.",
                "A corpus has one JSON object a line with at least 'text'; recipes/prepare.py makes one from texts.",
            ) from error
    if not passages:
        raise InvalidInput(f"{path} holds no passages.", "Check what recipes/prepare.py wrote and dropped.")
    return passages


def write_passages(path: Path, passages: Iterable[Passage]) -> None:
    """Write a corpus whole or not at all; keys without a value are left out."""
    lines = (
        json.dumps(
            {k: v for k, v in asdict(passage).items() if v is not None and v is not False}, ensure_ascii=False
        )
        for passage in passages
    )
    write_atomic(path, "".join(f"{line}\n" for line in lines))


def refuse_pointer(path: Path) -> None:
    """Raise `InvalidInput` for Git LFS's note about a file, which would pass for a text. No file is no fault here."""
    if path.is_file() and is_lfs_pointer(path):
        raise InvalidInput(f"{path} is not the text itself.", LFS_HINT)


def _open(path: Path) -> IO[str]:
    try:
        if path.suffix == ".gz":
            return cast("IO[str]", gzip.open(path, "rt", encoding="utf-8-sig"))
        return path.open(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFound(
            f"There is no corpus {path}.",
            "recipes/README.md says where the originals come from and how to prepare them.",
        ) from None
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be read: {error.strerror}.", "Give a .jsonl or .jsonl.gz file."
        ) from error


def _passage(line: str, where: str) -> Passage:
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"{where} is not JSON: {error.msg}.",
            "A corpus has one JSON object a line with at least 'text'; recipes/prepare.py makes one from texts.",
        ) from error
    if not isinstance(row, dict) or not isinstance(row.get("text"), str) or not row["text"].strip():
        raise InvalidInput(
            f"{where} has no 'text'.", 'Each line is an object such as {"text": "…", "speaker": "…"}.'
        )
    view = row.get("view")
    if view is not None and (isinstance(view, bool) or not isinstance(view, int | float)):
        raise InvalidInput(f"{where}: 'view' must be a number.", "Prepare the corpus again.")
    held_out = row.get("held_out", False)
    if not isinstance(held_out, bool):
        raise InvalidInput(f"{where}: 'held_out' must be true or false.", "Prepare the corpus again.")
    for key in TEXTS:
        if row.get(key) is not None and not isinstance(row[key], str):
            raise InvalidInput(f"{where}: '{key}' must be a text.", "Write it in quotes, or leave it out.")
    return Passage(text=row["text"], view=view, held_out=held_out, **{key: row.get(key) for key in TEXTS})
