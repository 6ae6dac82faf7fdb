"""Comments and questions that a larger model writes: what is asked for, kept and refused, and that nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

import backtranslate
import distil_comments
from communitylm.community.examples import mixed, question_about
from communitylm.community.planning import plan
from communitylm.community.settings import read_settings
from communitylm.community.training import train
from communitylm.corpus.passages import Passage, distilled, read_passages, write_passages
from communitylm.distilling.backtranslation import named
from communitylm.distilling.comments import (
    Commission,
    Length,
    comment_fault,
    comment_requests,
    stance_fault,
    stance_of,
)
from communitylm.distilling.directions import direction, read_rules
from communitylm.distilling.disjoint import evaluation_texts, overlaps
from communitylm.distilling.generating import Written, engine_writing, text_key, write_texts
from communitylm.distilling.torch_writer import TorchWriter
from pluralism_local.engine.base import LanguageModel
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.evaluation.voices import CommentVerdict, read_questions
from pluralism_local.prompts import QUESTION
from pluralism_local.types import Request
from tests.support.checkpoint import write_checkpoint
from tests.support.corpus import letters, write_config

RECIPES = Path(__file__).parents[2] / "recipes"
RULES, QUESTIONS = RECIPES / "directions.toml", RECIPES / "questions" / "views.jsonl"
GOOD = (
    "We hold that trams must stay free for every pupil in the town, because a fare is a wall between children and "
    "their schools. Families with little money feel it first, and the streets fill with cars when buses and trams are "
    "dear. A town that carries its young people carries its own future, and we think that all of us should share it."
)
ASK = "Should trams be free for all?"
NAMED = f"Question: {ASK}\nAnswer: yes"


def said(text: str = GOOD, *, ended: bool = True) -> Written:
    return Written(text, ended)


@pytest.mark.parametrize(
    ("text", "ended", "fault"),
    [
        (GOOD, True, None),
        (GOOD, False, "cut off"),
        (GOOD + " And", True, "cut off"),
        ("", True, "cut off"),
        ("We say yes to trams.", True, "length"),
        (f"{GOOD} {GOOD}", True, "repeats"),
        (GOOD.replace("A town", "\n\nA town"), True, "form"),
        (GOOD.replace("A town", "As an AI, a town"), True, "form"),
        (GOOD.replace("little", "12,345.67 little"), True, "figures"),
        (GOOD.replace("trams", "boats").replace("pupil", "child"), True, "another subject"),
    ],
)
def test_only_what_has_the_form_of_a_comment_is_one(text: str, ended: bool, fault: str | None) -> None:
    assert comment_fault("Should trams be without charge for pupils?", said(text, ended=ended)) == fault


@pytest.mark.parametrize(
    ("shortest", "longest", "fault"),
    [(60, 100, None), (30, 60, None), (30, 45, "length"), (97, 120, "length"), (95, 95, None)],
)
def test_a_comment_has_about_the_length_that_was_asked_for(
    shortest: int, longest: int, fault: str | None
) -> None:
    assert len(GOOD.split()) == 64
    length = Length(shortest, longest)
    assert comment_fault("Should trams be without charge for pupils?", said(GOOD), length) == fault
    ((_, request),) = comment_requests("m", [Commission("Q?", "no")], "We.", "", 0, length).values()
    assert f"in {shortest} to {longest} words" in request.messages[0].content
    assert longest < request.sampling.max_tokens < 2 * longest


@pytest.mark.parametrize(
    ("stance", "yes", "on_topic", "fault"),
    [
        ("yes", 0.9, 0.9, None),
        ("no", 0.9, 0.9, "another stance"),
        ("no", 0.1, 0.9, None),
        ("between", 0.9, 0.9, None),
        ("open", 0.1, 0.9, None),
        ("yes", 0.9, 0.4, "off topic"),
    ],
)
def test_a_comment_must_answer_as_it_was_asked_to(
    stance: str, yes: float, on_topic: float, fault: str | None
) -> None:
    assert stance_fault(stance, CommentVerdict(yes, on_topic, 0.0, 0.0)) == fault  # type: ignore[arg-type]
    assert stance_fault(stance, None) == "unread"  # type: ignore[arg-type]


def test_a_side_is_asked_for_its_own_stance_and_the_middle_for_what_lies_between() -> None:
    assert [stance_of(side, 1) for side in ("left", "right", "center")] == ["yes", "no", "between"]
    assert [stance_of(side, -1) for side in ("left", "right", "center")] == ["no", "yes", "between"]
    assert stance_of("left", 0) == stance_of(None, 1) == "open"


def test_the_first_rule_that_fits_decides() -> None:
    rules = read_rules(RULES)
    expected = {
        "Should the tax on inheritance be raised for the rich?": 1,
        "Should we cut taxes on inheritance?": -1,
        "Should the army be made larger?": 0,
        "Should the military budget be increased?": 0,
        "Should we increase military spending?": -1,
        "Should there be stricter limits on immigration?": -1,
        "Should sugar be taxed more?": 1,
        "Is there enough money for schools?": 0,
    }
    assert {question: direction(question, rules) for question in expected} == expected


BROKEN = ("x", "rule = 1", "[[rule]]\nleft = 'maybe'\npattern = 'a'", "[[rule]]\nleft = 'yes'\npattern = '('")


@pytest.mark.parametrize("text", BROKEN)
def test_rules_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "rules.toml").write_text(text)
    with pytest.raises(InvalidInput, match="holds no rules"):
        read_rules(tmp_path / "rules.toml")
    with pytest.raises(NotFound):
        read_rules(tmp_path / "none.toml")


def test_questions_of_the_judge_are_found_however_they_are_written() -> None:
    texts = evaluation_texts()
    for question in read_questions():
        assert overlaps([question.text.upper().replace("?", " !")], texts)[0][1]
    assert overlaps(["Should owls be kept as pets in kindergartens?"], texts) == []


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=5))
def test_a_text_is_like_itself(texts: list[str]) -> None:
    wordy = [text for text in texts if any(character.isalnum() for character in text)]
    assert [mine for mine, _ in overlaps(wordy, wordy)] == wordy


def test_data_to_keep_apart_may_be_json_or_lines(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"deep": [{"situation": "May owls sing at night?"}]}) + "\n")
    (tmp_path / "b.txt").write_text("Should moles dig?\n")
    texts = evaluation_texts([tmp_path / "a.jsonl", tmp_path / "b.txt"])
    assert texts[-2:] == ["May owls sing at night?", "Should moles dig?"]
    with pytest.raises(NotFound):
        evaluation_texts([tmp_path / "c"])


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Question: Should trams be free for all?\nAnswer: yes", ("Should trams be free for all?", True)),
        ("question: Should trams be free for all? \nanswer: No.", ("Should trams be free for all?", False)),
        ("Question: Should trams be free for all?\nAnswer: neither", None),
        ("Question: Should trams be free\nAnswer: yes", None),
        ("Trams should be free.", None),
        ("Question: Tram for free?\nAnswer: yes", None),
    ],
)
def test_a_question_is_taken_only_with_the_passages_answer(
    text: str, answer: tuple[str, bool] | None
) -> None:
    assert named(said(text)) == answer
    assert named(said(text, ended=False)) is None


def test_what_is_written_is_kept_and_not_written_again(tmp_path: Path) -> None:
    engine = ScriptedEngine(record=True)
    write = engine_writing(engine, lambda _: None)
    commissions = [Commission(f"Should there be {number} trams?", "open") for number in range(60)]
    requests = comment_requests("m", commissions, "We.", "", 0)
    assert len(requests) == 60
    file, told = tmp_path / "journal.jsonl", list[str]()
    first = write_texts(write, dict(list(requests.items())[:30]), file, seconds=None, say=told.append)
    assert sum(len(call.requests) for call in engine.calls) == 30 and len(told) == 2
    torn = file.read_bytes()
    file.write_bytes(torn[:-9])  # a kill in the middle of the second batch, which had 6
    every = write_texts(write, requests, file, seconds=None, say=told.append)
    assert sum(len(call.requests) for call in engine.calls) == 30 + 36
    assert every[:30] == first and {commission for commission, _ in every} == set(commissions)
    assert write_texts(write, requests, file, seconds=None, say=told.append) == every
    assert sum(len(call.requests) for call in engine.calls) == 66
    others = {"x" + key: request for key, request in requests.items()}
    none = write_texts(write, others, file, seconds=0, say=told.append)
    assert none == [] and "The time is over" in told[-1]


def test_a_key_is_of_all_that_a_text_depends_on() -> None:
    def keys(model: str = "m", question: str = "Q?", persona: str = "We.", seed: int = 0) -> set[str]:
        return set(comment_requests(model, [Commission(question, "yes")], persona, "", seed))

    variants = [keys(), keys(model="n"), keys(question="R?"), keys(persona="They."), keys(seed=1)]
    assert len(set.union(*variants)) == 5
    ((_, request),) = comment_requests("m", [Commission("Q?", "no")], "On {question}.", "Peace.", 0).values()
    assert request.messages[0].content.startswith("On Q?. Peace.")
    assert "answer to the question is no" in request.messages[1].content
    assert text_key("m", request) == text_key("m", request)


def scripted(tmp_path: Path, reply: str, yes: float) -> ScriptedEngine:
    """Replies so to everything, and reads yes in it."""
    script = tmp_path / "script.json"
    stances = [
        {"pattern": r"A\. Yes", "mass": {"A": yes, "B": 1 - yes}},
        {"pattern": r"A\. No", "mass": {"A": 1 - yes, "B": yes}},
    ]
    script.write_text(json.dumps({"replies": [{"match": "", "text": reply}], "distributions": stances}))
    return ScriptedEngine(script)


@contextmanager
def opened(engine: ScriptedEngine) -> Iterator[tuple[LanguageModel, str, str]]:
    yield engine, "Some-Model", "identity"


@pytest.fixture
def writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], None]:
    """Makes whatever recipe opens a model get one that replies so to everything, and reads yes in it so far."""

    def replies(reply: str, yes: float) -> None:
        engine = scripted(tmp_path, reply, yes)
        monkeypatch.setattr("communitylm.distilling.generating.open_writer", lambda *_: opened(engine))

    return replies


def test_passages_get_the_questions_that_they_answer(
    tmp_path: Path, writer: Callable[[str, float], None], capsys: pytest.CaptureFixture[str]
) -> None:
    passages = letters("riders")[:4]
    corpus = tmp_path / "trams.jsonl"
    write_passages(corpus, [*passages, Passage("Held out, all of it.", held_out=True)])
    writer(NAMED, 0.8)
    run(backtranslate.app, corpus, "--writer", "w", "--dry-run")
    assert list(tmp_path.glob("*asked*")) == [] and "4 passages, and 1 held out" in capsys.readouterr().out
    run(backtranslate.app, corpus, "--writer", "w")
    *answering, held_out = read_passages(tmp_path / "trams.asked.jsonl")
    assert [passage.text for passage in answering] == [
        passage.text for passage in passages
    ] and held_out.question is None
    assert {question_about(passage)[0] for passage in answering} == {QUESTION.render(question=ASK)}
    writer(NAMED, 0.2)
    with pytest.raises(InvalidInput, match="No passage got a question"):
        run(backtranslate.app, corpus, "--writer", "w", "--output", tmp_path / "other.jsonl")


def test_a_question_of_the_judge_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text(f"Should owls be pets?\n{read_questions()[7].text}\n")
    arguments = ("press-left", "--questions", questions, "--writer", "starter")
    with pytest.raises(InvalidInput, match="1 question is like what evaluations ask"):
        run(distil_comments.app, *arguments, "--output", tmp_path / "out.jsonl")
    assert list(tmp_path.iterdir()) == [questions]


def test_the_questions_that_ship_are_apart_from_the_judges_and_as_often_for_either_side() -> None:
    questions = read_questions(QUESTIONS)
    assert overlaps([question.text for question in questions], evaluation_texts()) == []
    yes, no = (sum(question.direction == sign for question in questions) for sign in (1, -1))
    assert yes + no >= 100 and abs(yes - no) <= 2


@pytest.mark.parametrize(
    ("side", "asked"), [("left", ["no", "yes"]), ("right", ["yes", "no"]), ("center", ["between", "between"])]
)
def test_a_question_that_says_what_the_sides_answer_needs_no_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: str, asked: list[str]
) -> None:
    lines = [
        {"question": "Should sugar be taxed more?", "left": "no", "right": "yes"},
        {"question": "Should sugar be taxed?"},
    ]
    questions = tmp_path / "questions.jsonl"
    questions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    written: list[Commission] = []
    monkeypatch.setattr(
        distil_comments, "_write", lambda requests, *_: written.extend(it for it, _ in requests.values())
    )
    rules = tmp_path / "rules.toml"
    write_checkpoint(tmp_path / "base", [GOOD])
    rules.write_text("[[rule]]\nleft = 'yes'\npattern = 'tax'\n")
    run(
        distil_comments.app,
        "press-left",
        "--questions",
        questions,
        "--writer",
        tmp_path / "base",
        "--side",
        side,
        "--rules",
        rules,
    )
    assert {commission.question: commission.stance for commission in written} == {
        line["question"]: stance for line, stance in zip(lines, asked, strict=True)
    }


def writes_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the recipe write the same good comment on everything."""

    class Writes(TorchWriter):
        def __call__(self, requests: Sequence[Request]) -> list[Written]:
            return [said(GOOD) for _ in requests]

    monkeypatch.setattr("communitylm.distilling.torch_writer.TorchWriter", Writes)


def test_a_reader_leaves_out_what_takes_another_stance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = tmp_path / "questions.jsonl"
    asked = {
        "Should trams be without charge for pupils?": "yes",
        "Must every pupil ride a tram to school?": "no",
    }
    lines = [
        {"question": it, "left": yes, "right": "no" if yes == "yes" else "yes"} for it, yes in asked.items()
    ]
    questions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_checkpoint(tmp_path / "Some-Model", [GOOD])
    writes_good(monkeypatch)
    monkeypatch.setattr("communitylm.distilling.generating.open_writer", lambda *_: opened(ScriptedEngine()))
    monkeypatch.setattr(
        "communitylm.distilling.generating.stances",
        lambda _, pairs, *__: [CommentVerdict(0.9, 0.9, 0, 0)] * len(pairs),
    )
    arguments = (
        "press-left",
        "--questions",
        questions,
        "--writer",
        tmp_path / "Some-Model",
        "--side",
        "left",
    )
    run(distil_comments.app, *arguments, "--reader", "r", "--output", tmp_path / "comments.jsonl")
    assert "1 comment of 2 written; left out: 1 another stance" in capsys.readouterr().out
    (comment,) = read_passages(tmp_path / "comments.jsonl")
    assert comment.question == "Should trams be without charge for pupils?"


def test_distilled_comments_become_a_corpus_whose_training_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text(
        "Should trams be without charge for pupils?\nMust every pupil ride a tram to school?\n"
    )
    riders = letters("riders")
    write_checkpoint(tmp_path / "Some-Model", [passage.text for passage in riders])
    writes_good(monkeypatch)
    target = tmp_path / "comments.jsonl"
    arguments = (
        "press-left",
        "--questions",
        questions,
        "--writer",
        tmp_path / "Some-Model",
        "--side",
        "left",
    )
    run(distil_comments.app, *arguments, "--output", target)
    comments = read_passages(target)
    assert {passage.question for passage in comments} == set(questions.read_text().splitlines())
    assert distilled(passage.source for passage in comments) == (
        "distilled from Some-Model, not from people",
    )
    write_checkpoint(tmp_path / "base", [passage.text for passage in riders])
    write_passages(tmp_path / "trams.jsonl", riders)
    small = "[base]\nmodel = './base'\n[training]\ntokens = 100\nbatch = 2\nprecision = 'fp32'\n"
    mix = "mix = 'comments.jsonl'\nmix_share = 0.25\n"
    planned = plan(read_settings(write_config(tmp_path, "trams", mix + small)))
    record = train(planned, tmp_path / "run", say=lambda _: None)
    assert record["corpus"] == "made-up letters; in part distilled from Some-Model, not from people"


@given(st.integers(1, 40), st.integers(1, 10), st.floats(0.05, 0.9))
def test_a_mixture_has_its_share_everywhere_and_loses_nothing(own: int, further: int, share: float) -> None:
    passages = [Passage(f"own {at}") for at in range(own)]
    extra = [Passage(f"further {at}") for at in range(further)]
    mixture = mixed(passages, extra, share)
    assert [passage for passage in mixture if passage in passages] == passages
    count = len(mixture) - own
    assert count == max(1, round(own * share / (1 - share)))
    half = mixture[: len(mixture) // 2]
    assert abs(sum(passage in extra for passage in half) - count / 2) <= 1


def run(app: typer.Typer, *arguments: object) -> None:
    app([*map(str, arguments)], standalone_mode=False)
