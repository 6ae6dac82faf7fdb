"""A corpus from a community's texts: read, clean, drop, rank, name subjects.

    folder of .txt/.md, or JSONL ──originals──> [Passage] ──clean──> passages of prose + counts of what was dropped
      ──near-duplicates, subjects──> ──hold_out──> whole speakers marked ──rank (against other corpora)──> view scores
      ──keep_sides (if asked)──> of the training part those passages that argue

The ranking's table of terms is made of training parts alone, the others' too: held-out words choose no passage.

Nothing is dropped without being counted under its reason. Nothing here depends on order of files or a random number.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from communitylm.corpus.cleaning import FAULTS, cut, fault, mend
from communitylm.corpus.duplicates import near_duplicates
from communitylm.corpus.passages import Passage, read_passages, refuse_pointer
from communitylm.corpus.split import split
from communitylm.corpus.stances import take_sides
from communitylm.corpus.subjects import subjects
from communitylm.corpus.view_scores import Term, log_odds, view_scores
from pluralism_local.errors import InvalidInput, NotFound

TEXT_SUFFIXES = (".txt", ".md")
JSONL_SUFFIXES = (".jsonl", ".jsonl.gz")
_NAMED = 20  # unreadable files that a message lists


@dataclass(frozen=True, slots=True)
class Shape:
    """What a passage must be: `shortest` to `longest` words of whole sentences, in `language` (None: any)."""

    shortest: int = 40
    longest: int = 110
    language: str | None = "en"

    def __post_init__(self) -> None:
        if not 1 <= self.shortest < self.longest:
            raise InvalidInput(
                f"Passages cannot have {self.shortest} to {self.longest} words.",
                "Give --shortest below --longest, e.g. 40 and 110.",
            )


@dataclass(slots=True)
class Prepared:
    """A corpus with its account.

    Attributes:
        passages: best-ranked first where ranked, else in the originals' order.
        originals: documents read.
        pieces: stretches they were cut into, before anything was dropped.
        dropped: count per reason, every reason of `FAULTS`, and "takes no side" where sides were chosen.
        table: z of each term, empty if not ranked.
    """

    passages: list[Passage]
    originals: int
    pieces: int
    dropped: dict[str, int]
    table: Mapping[str, Term] = field(default_factory=dict)


def read_originals(path: Path) -> list[Passage]:
    """Passages of a JSONL file, or a document per text file below a folder (its path is `source`).

    A text file's blank lines part paragraphs; the file's name stands for the speaker only where a folder holds one
    folder per speaker.

    Raises:
        NotFound: nothing there. InvalidInput: no text files, some that are not UTF-8 (all are named), or not JSONL.
    """
    if path.name.endswith(JSONL_SUFFIXES):
        return read_passages(path)
    if path.is_file():
        return [Passage(_text(path), source=path.name)]
    if not path.is_dir():
        raise NotFound(
            f"There is no folder or file {path}.", "Give a folder of .txt or .md files, or a .jsonl file."
        )
    files = sorted(
        file for file in path.rglob("*") if file.suffix.lower() in TEXT_SUFFIXES and file.is_file()
    )
    if not files:
        raise InvalidInput(
            f"{path} holds no {' or '.join(TEXT_SUFFIXES)} files.",
            "Save each text as a .txt file there; other formats must be converted first.",
        )
    originals = []
    for file, text in _texts(files):
        inside = file.relative_to(path)
        speaker = inside.parts[0] if len(inside.parts) > 1 else None
        if text.strip():
            originals.append(Passage(text, speaker=speaker, source=str(inside)))
    if not originals:
        raise InvalidInput(f"All {len(files)} text files below {path} are empty.", "Check the files.")
    return originals


def read_all(paths: Sequence[Path]) -> list[list[Passage]]:
    """`read_originals` of each path.

    Raises:
        NotFound, InvalidInput: as `read_originals`; of several paths at fault all are named.
    """
    originals: list[list[Passage]] = []
    faults: list[InvalidInput | NotFound] = []
    for path in paths:
        try:
            originals.append(read_originals(path))
        except (InvalidInput, NotFound) as error:
            faults.append(error)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise InvalidInput("\n".join(error.message for error in faults), faults[0].hint)
    return originals


def clean(originals: Iterable[Passage], shape: Shape) -> Prepared:
    """Cut every original into passages and drop what is none; near-duplicates of earlier passages go last."""
    dropped: Counter[str] = Counter(dict.fromkeys(FAULTS, 0))
    passages: list[Passage] = []
    count = pieces = 0
    for original in originals:
        count += 1
        document = hashlib.sha256(original.text.encode()).hexdigest()[:12]
        for piece in cut(mend(original.text), shape.shortest, shape.longest):
            pieces += 1
            wrong = fault(piece, shape.shortest, shape.longest, shape.language)
            if wrong is None:
                passages.append(replace(original, text=piece, document=document))
            else:
                dropped[wrong] += 1
    repeated = near_duplicates([passage.text for passage in passages])
    dropped["near-duplicate"] = sum(repeated)
    passages = [passage for passage, twice in zip(passages, repeated, strict=True) if not twice]
    named = subjects([passage.text for passage in passages])
    passages = [replace(passage, subject=subject) for passage, subject in zip(passages, named, strict=True)]
    return Prepared(passages, count, pieces, dict(dropped))


def hold_out(prepared: Prepared, share: float, seed: int) -> Prepared:
    """`prepared` with the passages of some speakers (or documents) marked, about `share` of all; see `split.split`.

    Raises:
        InvalidInput: as `split`.
    """
    chosen = {passage.group for passage in split(prepared.passages, share, seed)[1]}
    marked = [replace(passage, held_out=passage.group in chosen) for passage in prepared.passages]
    return replace(prepared, passages=marked)


def keep_sides(prepared: Prepared, count: int) -> Prepared:
    """`prepared` with those `count` of its training passages that argue most; what is held out stays as it is.

    The others are counted as "takes no side"; see `stances.take_sides`.
    """
    training = _training(prepared.passages)
    chosen = set(take_sides(training, count))
    passages = [passage for passage in prepared.passages if passage.held_out or passage in chosen]
    dropped = prepared.dropped | {"takes no side": len(prepared.passages) - len(passages)}
    return replace(prepared, passages=passages, dropped=dropped)


def rank(prepared: Prepared, others: Sequence[Passage]) -> Prepared:
    """`prepared` with each passage's view score against `others`, highest first (ties: by text).

    Terms are weighed on the passages that are not held out, of both.
    """
    table = log_odds(_training(prepared.passages), _training(others))
    scores = view_scores(prepared.passages, table)
    ranked = [
        replace(passage, view=round(score, 4))
        for passage, score in zip(prepared.passages, scores, strict=True)
    ]
    ranked.sort(key=lambda passage: (-(passage.view or 0.0), passage.text))
    return replace(prepared, passages=ranked, table=table)


def _training(passages: Sequence[Passage]) -> list[Passage]:
    return [passage for passage in passages if not passage.held_out]


def _texts(files: Sequence[Path]) -> list[tuple[Path, str]]:
    """Every file with its text.

    Raises:
        InvalidInput: some cannot be read; all of these are named, the first twenty with the reason.
    """
    read: list[tuple[Path, str]] = []
    faults: list[InvalidInput] = []
    for file in files:
        try:
            read.append((file, _text(file)))
        except InvalidInput as error:
            faults.append(error)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        named = "\n  ".join(error.message for error in faults[:_NAMED])
        more = f"\n  and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        raise InvalidInput(
            f"{len(faults)} of {len(files)} files cannot be read:\n  {named}{more}", faults[0].hint
        )
    return read


def _text(file: Path) -> str:
    refuse_pointer(file)
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{file} is not UTF-8 text: {error.reason} at byte {error.start}.",
            "Save it as plain text in UTF-8.",
        ) from error
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror}.", "Check its permissions.") from error
