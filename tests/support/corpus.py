"""A small made-up corpus: letters of two sides about a town's trams, by several people each."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from communitylm.corpus.passages import Passage

SUBJECTS = ("tram fares", "night buses", "parking fees", "bicycle lanes", "school routes", "station lifts")


def letters(side: str, speakers: int = 6, each: int = 6) -> list[Passage]:
    """`speakers` × `each` passages of about 45 words, all different; `side` colours the words."""
    view = {
        "riders": "Cheap public transport lets workers, pupils and pensioners reach the whole town",
        "drivers": "Fair rules for motorists keep shops, craftsmen and families of the suburbs moving",
    }[side]
    passages = []
    for who in range(speakers):
        for number in range(each):
            subject = SUBJECTS[number % len(SUBJECTS)]
            text = (
                f"The council talks about {subject} again, and letter {who}-{number} is my answer to its plan. {view}. "
                f"I have lived in street number {who + 3} for {number + 4} years and I have seen what {subject} mean "
                f"to my neighbours. We ask for a decision before winter."
            )
            passages.append(
                Passage(text, speaker=f"{side}-{who}", document=f"{side}-{who}-{number}", subject=subject)
            )
    return passages


def write_jsonl(path: Path, passages: Sequence[Passage]) -> Path:
    """The corpus as its users have it: text and speaker only."""
    path.write_text(
        "".join(json.dumps({"text": p.text, "speaker": p.speaker}) + "\n" for p in passages), encoding="utf-8"
    )
    return path


def write_config(folder: Path, community: str, extra: str = "") -> Path:
    """A configuration for a corpus beside it, with tiny batches."""
    path = folder / f"{community}.toml"
    path.write_text(
        f'id = "{community}"\nname = "Tram riders"\ndescription = "People who ride the tram."\n'
        f'[corpus]\nfile = "{community}.jsonl"\nabout = "made-up letters"\nlicence = "CC0-1.0"\n{extra}',
        encoding="utf-8",
    )
    return path
