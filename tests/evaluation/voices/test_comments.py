"""Comments of voices: written once, kept, gone on with, and read from elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.communities import Member, Pool
from pluralism_local.communities.cards import Card, Community
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import EngineFailure, InvalidInput
from pluralism_local.evaluation.journal import Journal
from pluralism_local.evaluation.voices.comments import Speakers, VoiceComment, read_comments, write_comments
from pluralism_local.types import Sampling

QUESTIONS = ["Is tipping fair?", "Should tea be taxed?", "Is rain good?"]


def member(id: str, persona: str = "You speak.") -> Member:
    card = Card.model_validate(
        {"schema": 1, "id": id, "name": id, "description": id, "persona": f"{persona} As {id}."}
    )
    return Member(Community(card), 0.5)


def speakers(engine: ScriptedEngine, *ids: str) -> Speakers:
    pool = Pool("two", "Two", tuple(map(member, ids)))
    return Speakers(pool, engine, Sampling(1.0, 0.9, 100, 3))


def test_every_voice_comments_on_every_question_and_only_once(tmp_path: Path) -> None:
    engine = ScriptedEngine(record=True)
    told: list[tuple[int, int]] = []
    asked = speakers(engine, "farmers", "fishers")

    with Journal(tmp_path / "c.jsonl") as journal:
        first = write_comments(asked, QUESTIONS, journal, progress=lambda *now: told.append(now))
        calls = len(engine.calls)
        again = write_comments(asked, QUESTIONS, journal)

    assert [(one.question, one.community) for one in first] == [
        (text, id) for text in QUESTIONS for id in ("farmers", "fishers")
    ]
    assert all(one.text and one.ends for one in first)
    assert again == first
    assert (calls, len(engine.calls)) == (3, 3)  # one call a question, and none for an answer
    assert told == [(0, 6), (2, 6), (4, 6), (6, 6)]


def test_a_stop_keeps_whole_questions_and_the_rest_comes_as_if_nothing_had_happened(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    asked = speakers(engine, "farmers", "fishers")
    with Journal(tmp_path / "whole.jsonl") as journal:
        whole = write_comments(asked, QUESTIONS, journal)
    stops = iter([False] * 8)

    with Journal(tmp_path / "cut.jsonl") as journal:
        cut = write_comments(asked, QUESTIONS, journal, should_stop=lambda: next(stops, True))
    assert 0 <= len(cut) < len(whole) and len(cut) % 2 == 0

    with Journal(tmp_path / "cut.jsonl") as journal:
        assert write_comments(asked, QUESTIONS, journal) == whole


@pytest.mark.parametrize("before_stop", range(0, 30, 3))
def test_wherever_it_is_stopped_no_half_comment_is_kept(tmp_path: Path, before_stop: int) -> None:
    asked = speakers(ScriptedEngine(), "farmers", "fishers")
    stops = iter([False] * before_stop)

    with Journal(tmp_path / "c.jsonl") as journal:
        write_comments(asked, QUESTIONS, journal, should_stop=lambda: next(stops, True))
        kept = [VoiceComment(r["question"], r["community"], r["text"], r["ends"]) for r in journal.records]
    with Journal(tmp_path / "whole.jsonl") as journal:
        whole = write_comments(asked, QUESTIONS, journal)

    assert kept == whole[: len(kept)]


def test_a_pool_may_grow_a_persona_or_a_seed_may_change(tmp_path: Path) -> None:
    engine = ScriptedEngine(record=True)
    with Journal(tmp_path / "c.jsonl") as journal:
        two = speakers(engine, "farmers", "fishers")
        before = write_comments(two, QUESTIONS, journal)
        engine.calls.clear()
        more = write_comments(speakers(engine, "farmers", "fishers", "millers"), QUESTIONS, journal)
        assert [len(call.requests) for call in engine.calls] == [1, 1, 1]
        assert [one for one in more if one.community != "millers"] == before

        other = replace(two, pool=Pool("two", "Two", (member("farmers", "You sing."), member("fishers"))))
        engine.calls.clear()
        write_comments(other, QUESTIONS[:1], journal)
        assert [len(call.requests) for call in engine.calls] == [1]

        reseeded = replace(two, sampling=replace(two.sampling, seed=4))
        assert write_comments(reseeded, QUESTIONS, journal) != before


def test_the_bare_model_is_asked_without_personas_once_for_every_voice(tmp_path: Path) -> None:
    engine = ScriptedEngine(record=True)
    asked = replace(speakers(engine, "farmers", "fishers"), form="base")

    with Journal(tmp_path / "c.jsonl") as journal:
        said = write_comments(asked, QUESTIONS[:1], journal)

    (call,) = engine.calls
    assert [[m.role for m in one.messages] for one in call.requests] == [["user"], ["user"]]
    assert len({one.text for one in said}) == 2  # by their seeds
    assert read_kept(tmp_path / "c.jsonl") is None


def read_kept(path: Path) -> list[VoiceComment] | None:
    try:
        return read_comments(path)
    except InvalidInput:
        return None


def test_what_was_kept_can_be_judged_as_comments_made_elsewhere(tmp_path: Path) -> None:
    asked = speakers(ScriptedEngine(), "farmers", "fishers")
    with Journal(tmp_path / "c.jsonl") as journal:
        said = write_comments(asked, QUESTIONS, journal)
        write_comments(replace(asked, form="base"), QUESTIONS, journal)

    assert read_comments(tmp_path / "c.jsonl") == said


def test_a_model_that_fails_leaves_what_is_finished(tmp_path: Path) -> None:
    class Failing(ScriptedEngine):
        def generate(self, requests, *, should_stop=lambda: False):  # type: ignore[no-untyped-def]
            if "rain" in str(requests):
                raise EngineFailure("It broke.")
            return super().generate(requests, should_stop=should_stop)

    asked = speakers(Failing(), "farmers", "fishers")
    with Journal(tmp_path / "c.jsonl") as journal:
        with pytest.raises(EngineFailure, match="It broke"):
            write_comments(asked, QUESTIONS, journal)
        assert len(journal.records) == 4


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"question": "Why?", "community": "a"}], "row 1: 'text' is no text"),
        ([{"question": " ", "community": "a", "text": "x"}], "row 1: 'question'"),
        ([{"question": "Why?", "community": 3, "text": "x"}], "row 1: 'community'"),
        ([{"question": "Why?", "community": "a", "text": "x", "ends": "no"}], "'ends'"),
        ([{"question": "Why?", "community": "a", "text": t} for t in "xy"], "row 2: a comments twice"),
    ],
)
def test_rows_that_are_no_comments_are_refused(tmp_path: Path, rows: list[object], message: str) -> None:
    file = tmp_path / "c.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))

    with pytest.raises(InvalidInput, match=message):
        read_comments(file)


def test_blank_comments_and_unknown_ends_are_read(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text('[{"question": "Why?", "community": "a", "text": " "}]')

    assert read_comments(file) == [VoiceComment("Why?", "a", "", None)]
