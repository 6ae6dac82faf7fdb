"""Texts for the LLM's part: the very messages of an ask, with answers that follow from the comments."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import reader_texts
from communitylm.corpus.passages import Passage, read_passages, write_passages
from communitylm.distilling.comments import Side
from communitylm.distilling.generating import Written
from communitylm.distilling.reader_texts import (
    ATTRIBUTES,
    by_question,
    choices,
    letters,
    syntheses,
    synthesis_requests,
)
from pluralism_local.engine.base import LanguageModel
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import InvalidInput
from pluralism_local.evaluation.voices import CommentVerdict
from pluralism_local.modes.options import listed
from pluralism_local.prompts import OVERTON_SYNTHESIS, numbered

SUM = " ".join(f"word{number}" for number in range(60)) + "."
QUESTIONS = [f"Should line {number} of the trams be free?" for number in range(30)]


def corpora() -> dict[Side, list[Passage]]:
    comments: dict[Side, list[Passage]] = {
        side: [Passage(f"{side} speaks on {question}", question=question) for question in QUESTIONS]
        for side in ("left", "center", "right")
    }
    comments["left"].append(Passage("Alone.", question="Should nobody else answer?"))
    return comments


def test_only_questions_with_two_sides_are_read() -> None:
    comments = by_question(corpora())
    assert sorted(comments) == sorted(QUESTIONS)
    assert all([side for side, _ in own] == ["left", "center", "right"] for own in comments.values())


def test_a_choice_is_of_the_comment_whose_side_the_attribute_names() -> None:
    chosen = choices(by_question(corpora()), seed=3)
    assert len(chosen) == len(QUESTIONS) and chosen == choices(by_question(corpora()), seed=3)
    numbers = set()
    for passage in chosen:
        assert passage.question is not None
        (side,) = [
            side
            for side, names in ATTRIBUTES.items()
            if any(f"reflect {name}?" in passage.question for name in names)
        ]
        assert f"Comment {passage.text}: {side} speaks" in passage.question
        assert passage.question.count(f": {side} speaks") == 1
        numbers.add(passage.text)
    assert len(numbers) > 1


def test_a_letter_is_of_an_option_that_the_comment_supports() -> None:
    passages = [Passage(f"Comment {number}.", question="Should trams be free?") for number in range(60)]
    verdicts = [CommentVerdict(0.9 if number % 2 else 0.1, 0.9, 0, 0) for number in range(60)]
    lettered = letters(passages, verdicts, seed=1)
    assert len(lettered) == 60
    for passage, verdict in zip(lettered, verdicts, strict=True):
        options = dict(re.findall(r"^([A-D])\. (.+)$", passage.question or "", re.MULTILINE))
        assert listed(list(options.values())) in (passage.question or "")
        assert ("yes" in options[passage.text].lower()) == (verdict.yes > 0.5)
    assert {passage.text for passage in lettered} >= {"A", "B"}
    first = [passage for passage in lettered if "A. Yes\nB. No\n" in (passage.question or "")]
    turned = [passage for passage in lettered if "A. No\nB. Yes\n" in (passage.question or "")]
    assert first and turned
    unclear = [CommentVerdict(0.6, 0.9, 0, 0), None]
    assert letters(passages[:2], unclear, seed=1) == []


@pytest.mark.parametrize(
    ("text", "ended", "passes"),
    [
        (SUM, True, True),
        (SUM, False, False),
        ("Too short.", True, False),
        (f"{SUM} {SUM}", True, False),
        (SUM.replace("word9 ", "Passage 2 "), True, False),
        (SUM.replace("word9 ", "\n"), True, False),
    ],
)
def test_a_synthesis_is_trained_on_as_an_ask_puts_it(text: str, ended: bool, passes: bool) -> None:
    comments = dict(list(by_question(corpora()).items())[:1])
    (((question, texts), _),) = synthesis_requests("m", comments, 0).values()
    written = syntheses([((question, texts), Written(text, ended))], "Some-Model")
    assert len(written) == passes
    for synthesis in written:
        passages = numbered("Passage", texts)
        assert synthesis.question == OVERTON_SYNTHESIS.render(question=question, passages=passages)
        assert synthesis.source == "distilled from Some-Model, not from people"


def test_the_script_writes_a_corpus_and_counts_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "script.json"
    script.write_text(json.dumps({"replies": [{"match": "", "text": SUM}]}))

    @contextmanager
    def opened() -> Iterator[tuple[LanguageModel, str, str]]:
        yield ScriptedEngine(script), "Some-Model", "identity"

    monkeypatch.setattr("communitylm.distilling.generating.open_writer", lambda *_: opened())
    read = CommentVerdict(0.9, 0.9, 0, 0)
    monkeypatch.setattr(
        "communitylm.distilling.generating.stances", lambda _, pairs, *__: [read] * len(pairs)
    )
    options: list[str] = ["--writer", "w", "--output", str(tmp_path / "reader.jsonl")]
    for side, passages in corpora().items():
        write_passages(tmp_path / f"{side}.jsonl", passages)
        options += [f"--{side}", str(tmp_path / f"{side}.jsonl")]
    reader_texts.app([*options, "--dry-run"], standalone_mode=False)
    assert not (tmp_path / "reader.jsonl").exists()
    assert "30 questions with 90 comments" in capsys.readouterr().out
    reader_texts.app(options, standalone_mode=False)
    assert "30 syntheses of 30 written, 30 choices, 90 letters of 90 comments" in capsys.readouterr().out
    assert len(read_passages(tmp_path / "reader.jsonl")) == 150
    with pytest.raises(InvalidInput, match="two sides"):
        reader_texts.app([*options[:6]], standalone_mode=False)
