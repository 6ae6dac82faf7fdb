"""Perplexity of a voice's own texts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from pluralism_local.communities import Pool, load_community
from pluralism_local.communities.pools import Member
from pluralism_local.engine.llama import LlamaEngine
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.evaluation.journal import Journal
from pluralism_local.evaluation.voices.held_out import PASSAGES, WORDS, agreement, passages
from pluralism_local.gguf_header import fingerprint
from pluralism_local.models.gguf_file import read_header, sha256_of

ADAPTERS = Path(__file__).parents[3] / "adapters"
PRESS = (
    "WASHINGTON, D.C. - Today the senator announced that the committee has approved a bill that would give small "
    "farms in every county of the state the help they need after a season of drought, floods and falling prices, and "
    "that he will fight for its passage in the coming weeks."
)
FLOOR = (
    "Mr. President, I rise today to speak in support of the amendment that my good friend from the other side of the "
    "aisle has offered, because it would make sure that working families in my state and all over the country can "
    "afford to send their children to college."
)


def rows(folder: Path, name: str, *texts: str) -> None:
    data = "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def test_passages_are_the_first_words_of_texts_that_are_long_enough(tmp_path: Path) -> None:
    rows(tmp_path, "a.jsonl", "too short", PRESS, PRESS, FLOOR, *(f"{i} {PRESS}" for i in range(20)))

    found = passages(tmp_path / "a.jsonl")

    assert len(found) == PASSAGES == len(set(found))
    assert all(len(one.split()) == WORDS for one in found)
    rows(tmp_path, "b.jsonl", PRESS, "short")
    with pytest.raises(InvalidInput, match="fewer than two"):
        passages(tmp_path / "b.jsonl")


@pytest.mark.slow
def test_an_adapter_finds_its_register_likelier_than_the_base_does(
    starter_path: Path, tmp_path: Path
) -> None:
    rows(tmp_path, "press_left.jsonl.gz", PRESS, FLOOR)
    community = load_community(ADAPTERS / "press-left")
    pool = Pool(
        "one", "One", (Member(community, 1.0), Member(load_community(ADAPTERS / "culture-asia"), 1.0))
    )
    told: list[tuple[int, int]] = []

    with LlamaEngine(
        starter_path,
        name="starter",
        sha256=sha256_of(starter_path),
        fingerprint=fingerprint(read_header(starter_path)),
    ) as engine:
        with Journal(tmp_path / "kept.jsonl") as journal:
            (found,) = agreement(pool, engine, tmp_path, journal, progress=lambda *now: told.append(now))
            asked = len(journal.records)
            (again,) = agreement(pool, engine, tmp_path, journal)

        assert found == again and asked == len(journal.records) == 2
        assert (found.id, found.passages, told) == ("press-left", 2, [(1, 1)])
        assert 1 < found.voice < found.base
        (tmp_path / "press_left.jsonl.gz").unlink()
        with Journal(tmp_path / "kept.jsonl") as journal, pytest.raises(NotFound, match="no passages"):
            agreement(pool, engine, tmp_path, journal)
