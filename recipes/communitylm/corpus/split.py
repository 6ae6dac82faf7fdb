"""Which passages train and which are held out: whole speakers, else whole documents, the same on every machine.

    passages, share, seed ──split──> (training, held out)
    held out, seed ──evenly──> an order whose beginning hears every speaker alike

Speakers are taken in an order that a hash of seed and name gives, skipping those whose passages would make the held-out
part much larger than asked for. So nobody is heard on both sides, and adding a speaker moves no other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from communitylm.corpus.passages import Passage
from pluralism_local.errors import InvalidInput

SLACK = 1.2


def split(passages: Sequence[Passage], share: float, seed: int) -> tuple[list[Passage], list[Passage]]:
    """(training, held out), both in the order given.

    Raises:
        InvalidInput: one speaker or document only, so that nothing can be held out.
    """
    sizes: dict[str, int] = {}
    for passage in passages:
        sizes[passage.group] = sizes.get(passage.group, 0) + 1
    if len(sizes) < 2:
        raise InvalidInput(
            "All passages are by one speaker or from one document, so none can be held out.",
            "Prepare the corpus from several documents, or one folder per speaker.",
        )
    target = max(1.0, share * len(passages))
    chosen: set[str] = set()
    count = 0
    for group in sorted(sizes, key=lambda group: order(seed, group)):
        if count < target and count + sizes[group] <= SLACK * target:
            chosen.add(group)
            count += sizes[group]
    if not chosen:
        chosen = {min(sizes, key=lambda group: (sizes[group], order(seed, group)))}
    training = [passage for passage in passages if passage.group not in chosen]
    held_out = [passage for passage in passages if passage.group in chosen]
    return training, held_out


def evenly(passages: Iterable[Passage], seed: int) -> list[Passage]:
    """Round after round one passage of every speaker (or document), speakers and passages in a seeded order.

    Who wrote the most is not heard the most, however early one stops.
    """
    groups: dict[str, list[Passage]] = {}
    for passage in sorted(passages, key=lambda passage: order(seed, passage.text)):
        groups.setdefault(passage.group, []).append(passage)
    names = sorted(groups, key=lambda name: order(seed, name))
    rounds = max((len(group) for group in groups.values()), default=0)
    return [groups[name][turn] for turn in range(rounds) for name in names if turn < len(groups[name])]


def order(seed: int, text: str) -> str:
    """A key that puts texts into a seeded order, the same everywhere."""
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()
