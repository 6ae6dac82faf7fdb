"""Which passages train and which are held out: whole speakers, else whole documents, the same on every machine.

    passages, share, seed ──split──> (training, held out)

Speakers are taken in an order that a hash of seed and name gives, skipping those whose passages would make the held-out
part much larger than asked for. So nobody is heard on both sides, and adding a speaker moves no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from communitylm.passages import Passage
from pluralism_local.errors import InvalidInput

SLACK = 1.2


def split(passages: Sequence[Passage], share: float, seed: int) -> tuple[list[Passage], list[Passage]]:
    """(training, held out); the training part keeps its order, the held-out part is in a seeded order.

    Raises:
        InvalidInput: one speaker or document only, so that nothing can be held out.
    """
    sizes: dict[str, int] = {}
    for passage in passages:
        sizes[_group(passage)] = sizes.get(_group(passage), 0) + 1
    if len(sizes) < 2:
        raise InvalidInput(
            "All passages are by one speaker or from one document, so none can be held out.",
            "Prepare the corpus from several documents, or one folder per speaker.",
        )
    wanted = max(1.0, share * len(passages))
    chosen: set[str] = set()
    count = 0
    for group in sorted(sizes, key=lambda group: order(seed, group)):
        if count < wanted and count + sizes[group] <= SLACK * wanted:
            chosen.add(group)
            count += sizes[group]
    if not chosen:
        chosen = {min(sizes, key=lambda group: (sizes[group], order(seed, group)))}
    training = [passage for passage in passages if _group(passage) not in chosen]
    held_out = [passage for passage in passages if _group(passage) in chosen]
    return training, sorted(held_out, key=lambda passage: order(seed, passage.text))


def order(seed: int, text: str) -> str:
    """A key that puts texts into a seeded order, the same everywhere."""
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()


def _group(passage: Passage) -> str:
    return f"speaker {passage.speaker}" if passage.speaker else f"document {passage.document or passage.text}"
