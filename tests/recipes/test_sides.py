"""Trainings of sides: who answers what, prompts read once, the loss by hand, a resumed run, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from communitylm.sides.examples import SidedExample, VoicePair, openings, ordered, teller
from communitylm.sides.planning import SidesPlan, plan
from communitylm.sides.settings import read_sides_settings
from communitylm.training.bases import find_base
from pluralism_local.errors import Cancelled, InvalidInput, NotFound
from pluralism_local.evaluation.voices.questions import ContestedQuestion, read_questions
from tests.recipes.test_objective import HEADER, tiny
from tests.support.checkpoint import write_checkpoint

torch = pytest.importorskip("torch")

SHIPPED = Path(__file__).parents[2] / "recipes" / "configs" / "qwen2.5-coder-1.5b" / "sides.toml"
PAIRS = [VoicePair(name, f"You are {name} left.", f"You are {name} right.") for name in ("a", "b", "c")]
QUESTIONS = [
    ContestedQuestion(f"Is number {number} good?", left="yes", right="no")
    if number % 2
    else ContestedQuestion(f"Is number {number} good?", left="no", right="yes")
    for number in range(10)
]


def test_every_question_is_answered_by_both_sides_of_two_pairs() -> None:
    with find_base("starter", Path()).speller(chat=True) as speller:
        tell = teller(speller)
        order = ordered(tell, PAIRS, QUESTIONS, passes=3, batch=16, seed=0)
        assert len(order) == 3 * 8 * 4  # two of ten questions fill no step
        spelled = [(speller.spelled(example.prompt), example) for example in order]
        assert {example.answer for example in order} == {
            (*speller.header, *speller.text(word)) for word in ("Yes", "No")
        }
        begun = openings(tell, PAIRS, QUESTIONS, ["How are you?"], count=6, seed=0)
        assert [example.side == 0 for example in begun] == [True, False] * 3
        assert all(example.answer == speller.header for example in begun[::2])
    for number, (text, example) in enumerate(spelled):
        question = next(it for it in QUESTIONS if it.text in text)
        assert ("left" if number % 2 == 0 else "right") in text
        assert example.side == (question.direction if number % 2 == 0 else -question.direction)
        assert 0 < example.opening < len(example.prompt)
    asked = Counter(next(it.text for it in QUESTIONS if it.text in text) for text, _ in spelled)
    assert all(count % 4 == 0 for count in asked.values()) and max(asked.values()) == 12
    for first, second in zip(spelled[::4], spelled[2::4], strict=True):  # the two pairs of a question differ
        assert first[1].prompt != second[1].prompt


def made_up(count: int, seed: int = 0) -> list[SidedExample]:
    """Pairs of opposite sides behind openings of two lengths."""
    chance = np.random.default_rng(seed)
    examples = []
    for number in range(count):
        opening = tuple(chance.integers(10, 97, 5 if number % 2 else 3).tolist())
        rest = tuple(chance.integers(10, 97, 4 + number % 3).tolist())
        side = 1 if number % 2 else -1
        examples.append(
            SidedExample(
                (*opening, *rest), (*HEADER, 8 if side > 0 else 9), 3, side=side, opening=len(opening)
            )
        )
    return examples


def test_prompts_read_once_give_what_an_activated_lora_gives() -> None:
    from communitylm.sides.objective import held_rows, log_probabilities, sided_rows
    from communitylm.sides.prompt_states import PromptStates

    examples, model, activated = made_up(6), tiny(), tiny(invocation=list(HEADER))
    states = PromptStates(model)
    states.read(examples)
    found = log_probabilities(model, sided_rows(examples, states))
    texts = [(example, (20, 21, 22)[: 1 + number % 3]) for number, example in enumerate(examples)]
    held = {name.removeprefix("held_"): it for name, it in held_rows(texts, states).items()}
    later = iter(log_probabilities(model, held, held["carrying"]))
    for row, (example, rest) in enumerate(texts):
        tokens = torch.tensor([[*example.prompt, *example.answer, *rest]])
        logs = activated(input_ids=tokens).logits[0].log_softmax(dim=1)
        after_header = len(example.prompt) + len(HEADER) - 1
        torch.testing.assert_close(found[row], logs[after_header], rtol=1e-4, atol=1e-5)
        for place in range(after_header + 1, after_header + 1 + len(rest)):
            torch.testing.assert_close(next(later), logs[place], rtol=1e-4, atol=1e-5)
    assert next(later, None) is None


def test_the_loss_is_the_sum_of_its_three_parts() -> None:
    from communitylm.sides.objective import held_rows, log_probabilities, sided_rows, step_loss
    from communitylm.sides.prompt_states import PromptStates

    examples, model = made_up(4), tiny()
    states = PromptStates(model)
    states.read(examples)
    texts = [(examples[0], (20, 21)), (examples[3], (22,))]
    batch = {**sided_rows(examples, states), **held_rows(texts, states)}
    held = {name.removeprefix("held_"): it for name, it in held_rows(texts, states).items()}
    with torch.no_grad():
        logs = log_probabilities(model, batch).double().numpy()
        adapted = log_probabilities(model, held, held["carrying"]).double().numpy()
        with model.disable_adapter():
            base = log_probabilities(model, held, held["carrying"]).double().numpy()
        loss = float(step_loss(model, batch, words=(8, 9), apart=2.0, hold=3.0))
    said = -np.mean([logs[row, example.answer[-1]] for row, example in enumerate(examples)])
    odds = logs[:, 8] - logs[:, 9]
    apart = np.mean([np.log1p(np.exp(-(odds[at + 1] - odds[at]))) for at in (0, 2)])
    divergence = np.mean(np.sum(np.exp(base) * (base - adapted), axis=1))
    assert divergence > 0.001
    assert loss == pytest.approx(said + 2 * apart + 3 * divergence, rel=1e-4)


def test_the_base_goes_on_until_it_ends() -> None:
    from communitylm.sides.base_texts import write
    from communitylm.sides.prompt_states import PromptStates

    examples, model = made_up(6), tiny()
    states = PromptStates(model)
    states.read(examples)
    texts = write(model, examples, states, tokens=12, end=50, seed=0)
    assert len(texts) == len(examples) and len(set(texts)) > 1
    assert all(1 <= len(text) <= 12 and 50 not in text[:-1] for text in texts)
    assert texts == write(model, examples, states, tokens=12, end=50, seed=0)
    with model.disable_adapter(), torch.no_grad():  # drawn from what the base finds likely there
        tokens = torch.tensor([[*examples[0].prompt, *examples[0].answer]])
        assert texts[0][0] in model(input_ids=tokens).logits[0, -1].topk(40).indices


def small(folder: Path, *more: str) -> Path:
    """A tiny checkpoint as the base, two dozen questions, and the configuration for both."""
    rows = [
        {"question": f"Should thing {word} be allowed?", "left": left, "right": right}
        for number, word in enumerate(
            ["ash", "bay", "cot", "dew", "elm", "fir", "gum", "hay", "ivy", "jay", "kit", "low"]
        )
        for left, right in [("yes", "no") if number % 2 else ("no", "yes")]
    ]
    personas = ["You are left.", "You are right.", "You stand left.", "You stand right."]
    texts = [row["question"] for row in rows] + personas + ["Yes", "No", "How are things?"]
    write_checkpoint(folder / "base", texts + [question.text for question in read_questions()])
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "open.txt").write_text("How are things?\n")
    path = folder / "tiny.toml"
    path.write_text(
        "id = 'tiny'\n[base]\nmodel = './base'\n[sides]\nquestions = ['questions.jsonl']\nopen = 'open.txt'\n"
        "left = ['speech-left', 'press-left']\nright = ['speech-right', 'press-right']\n"
        "[[sides.personas]]\nleft = 'You are left.'\nright = 'You are right.'\n"
        "[adapter]\nrank = 4\n[training]\nbatch = 16\npasses = 4\nrate = 1e-2\ntexts = 4\ntokens = 3\nheld = 2\n"
        "checkpoint = 2\nprecision = 'fp32'\n" + "\n".join(more)
    )
    return path


def quiet(_: str) -> None:
    pass


def weights_of(folder: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return dict(load_file(folder / "adapter" / "adapter_model.safetensors"))


@pytest.fixture(scope="module")
def small_plan(tmp_path_factory: pytest.TempPathFactory) -> SidesPlan:
    return plan(read_sides_settings(small(tmp_path_factory.mktemp("tiny"))))


def test_a_run_that_was_stopped_gives_what_an_uninterrupted_one_does(
    small_plan: SidesPlan, tmp_path: Path
) -> None:
    from communitylm.sides.training import train

    record = train(small_plan, tmp_path / "whole", say=quiet)
    assert (record["kind"], record["beside_persona"], record["activation"]) == ("sides", True, "assistant")
    assert record["steps"] == 12 and record["documents"] == 12
    held_out = record["held_out"]
    assert held_out["base"]["questions"] == held_out["adapter"]["questions"] == 30
    assert held_out["adapter"]["first_words"] > held_out["base"]["first_words"]
    said: list[str] = []
    with pytest.raises(Cancelled, match="time is over"):
        train(small_plan, tmp_path / "parts", say=said.append, seconds=1e-9)
    with pytest.raises(NotFound, match="not finished"):
        from communitylm.export.finished_run import read_record

        read_record(tmp_path / "parts", "id")
    train(small_plan, tmp_path / "parts", say=said.append)
    assert any(line.startswith("Resuming after step") for line in said)
    whole, parts = weights_of(tmp_path / "whole"), weights_of(tmp_path / "parts")
    assert whole.keys() == parts.keys()
    for name, weight in whole.items():
        np.testing.assert_allclose(weight, parts[name], rtol=1e-5, atol=1e-6)


def test_what_is_like_a_judged_question_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path)
    judged = next(question for question in read_questions() if question.direction)
    with (tmp_path / "questions.jsonl").open("a") as file:
        file.write(json.dumps({"question": judged.text.upper(), "left": "yes", "right": "no"}) + "\n")
    with pytest.raises(InvalidInput, match="on which voices are judged"):
        plan(read_sides_settings(path))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"training.batch": 6}, "must be a multiple of 4"),
        ({"training.batch": 64}, "12 questions have a direction, and a step takes 16"),
        ({"sides.left": ["press-left"]}, "face each other"),
        ({"sides.left": ["press-left", "nobody"]}, "no community 'nobody'"),
        ({"sides.open": "absent.txt"}, "There is no file"),
        ({"adapter.rnak": 4}, "there is no setting 'adapter.rnak'"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    path = small(tmp_path)
    with pytest.raises((InvalidInput, NotFound), match=said):
        plan(read_sides_settings(path, [f"{key}={json.dumps(value)}" for key, value in change.items()]))


def test_the_shipped_configuration_and_its_questions_are_whole() -> None:
    settings = read_sides_settings(SHIPPED)
    assert settings.recipe == "recipes/configs/qwen2.5-coder-1.5b/sides.toml"
    questions = [question for file in settings.question_files for question in read_questions(file)]
    directed = [question for question in questions if question.direction]
    yes = sum(question.direction > 0 for question in directed)
    assert len({question.text for question in questions}) == len(questions) > 200
    assert 0.45 < yes / len(directed) < 0.55  # who says yes to everything is right as often as who says no
    assert settings.open_file.read_text().strip()
