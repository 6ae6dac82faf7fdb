"""Guesses of what comes next: when they are made, and that they change nothing but speed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from pluralism_local.engine.llama import EngineStats, LlamaEngine, LlamaOptions
from pluralism_local.engine.lookup import CPU_ROW_COSTS, GPU_ROW_COSTS, PromptLookup, RowCosts
from pluralism_local.engine.schedule import common_prefix
from pluralism_local.types import Message, Request, Sampling, TextDelta
from tests.support.llama_requests import ask, run, user
from tests.support.starter import MakeRef
from tests.support.tiny.families import FAMILIES
from tests.support.tiny.model import write_tiny

FREE: RowCosts = tuple(0.5**more for more in range(12))
"""More rows cost less: whatever may come true is guessed."""

TEMPERATURE = 0.2
SEED = 3  # of the noise: models that neither repeat one token nor never repeat any

TEXT = "Tea is drunk hot. Tea is drunk cold. Tea is drunk hot. Tea is"


def spent(prompt: Sequence[int], text: Sequence[int], costs: RowCosts) -> tuple[float, int]:
    """Cost of writing `text`, in steps of one row, and the number of guesses that came true."""
    lookup, place, seconds, accepted = PromptLookup(prompt, costs), 0, 0.0, 0
    while place < len(text):
        draft = lookup.draft(len(text) - place - 1)
        seconds += costs[len(draft)]
        taken = 0
        while taken < len(draft) and draft[taken] == text[place + taken]:
            taken += 1
        for token in text[place : place + taken + 1]:
            lookup.add(token)
        place, accepted = place + taken + 1, accepted + taken
    return seconds, accepted


def test_what_was_read_is_guessed_when_it_begins_again() -> None:
    lookup = PromptLookup([*range(100, 140), 7, 8], FREE)
    assert lookup.draft(5) == []
    for token in (110, 111, 112, 113):
        lookup.add(token)
    assert lookup.draft(5) == [114, 115, 116, 117, 118]
    assert lookup.draft(0) == []


def test_a_guess_that_reaches_the_end_repeats_what_repeats_itself() -> None:
    assert PromptLookup([1, 2, 3] * 4, FREE).draft(7) == [1, 2, 3, 1, 2, 3, 1]


def test_the_longest_agreement_counts_not_the_last() -> None:
    lookup = PromptLookup([1, 2, 3, 4, 50, 9, 3, 4, 60, 1, 2, 3, 4], FREE)
    assert lookup.draft(1) == [50]


@given(
    st.lists(st.integers(0, 4), max_size=60),
    st.lists(st.integers(0, 4), max_size=60),
    st.integers(0, 20),
    st.sampled_from([FREE, CPU_ROW_COSTS, GPU_ROW_COSTS]),
)
def test_a_draft_is_what_followed_an_equal_stretch(
    prompt: list[int], text: list[int], most: int, costs: RowCosts
) -> None:
    lookup = PromptLookup(prompt, costs)
    for token in text:
        lookup.add(token)
    tokens, draft = prompt + text, lookup.draft(most)
    assert len(draft) <= min(most, len(costs) - 1)
    if draft:
        periodic = [tokens + (draft[:ahead]) for ahead in range(len(draft))]
        for so_far, guess in zip(periodic, draft, strict=True):
            followers = {so_far[i + 1] for i in range(len(so_far) - 1) if so_far[i] == so_far[-1]}
            assert guess in followers


@pytest.mark.parametrize("vocabulary", [2, 3, 10, 100, 5000])
@pytest.mark.parametrize("costs", [CPU_ROW_COSTS, GPU_ROW_COSTS])
def test_text_that_repeats_nothing_on_purpose_costs_three_percent_at_most(
    vocabulary: int, costs: RowCosts
) -> None:
    # text of chance, whose agreements say nothing of what comes next; with a Zipfian share of words, as texts have it
    shares = 1 / np.arange(1, vocabulary + 1)
    for seed in range(5):
        draws = np.random.default_rng(seed).choice(vocabulary, 1200, p=shares / shares.sum())
        tokens = [int(token) for token in draws]
        assert spent(tokens[:600], tokens[600:], costs)[0] <= 1.03 * 600


@pytest.mark.parametrize("costs", [CPU_ROW_COSTS, GPU_ROW_COSTS])
def test_copies_that_break_off_cost_three_percent_at_most(costs: RowCosts) -> None:
    """The worst for an agreement: every stretch begins as one that was read, and goes on otherwise."""
    for length in range(1, 24):
        chance = random.Random(length)
        prompt = [chance.randrange(1000) for _ in range(500)]
        text: list[int] = []
        while len(text) < 800:
            start = chance.randrange(len(prompt) - length)
            text += [*prompt[start : start + length], 2000 + len(text)]
        assert spent(prompt, text, costs)[0] <= 1.03 * len(text), length


def test_a_text_that_copies_gains() -> None:
    chance = random.Random(1)
    prompt = [chance.randrange(1000) for _ in range(600)]
    assert spent(prompt, prompt[100:400], CPU_ROW_COSTS)[0] < 0.9 * 300
    assert spent(prompt, prompt[100:400], GPU_ROW_COSTS)[0] < 0.2 * 300


def test_where_rows_cost_as_much_as_steps_nothing_is_guessed() -> None:
    costs = tuple(float(rows) for rows in range(1, 9))
    assert spent([1, 2, 3] * 20, [1, 2, 3] * 20, costs) == (60.0, 0)


class Pair:
    """One model twice: with guesses at every chance, and without any."""

    def __init__(self, path: Path) -> None:
        self.guessing = LlamaEngine(path, name="tiny", options=LlamaOptions(threads=1, row_costs=FREE))
        self.plain = LlamaEngine(path, name="tiny", options=LlamaOptions(threads=1, lookup=False))

    def both(self, request: Request) -> tuple[str, str]:
        left, right = (run(engine, [request])[0][0].text for engine in (self.guessing, self.plain))
        return left, right

    def close(self) -> None:
        self.guessing.close()
        self.plain.close()


@pytest.fixture(scope="module", params=["smollm2", "qwen3", "gemma2"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    path = write_tiny(tmp_path_factory.mktemp("lookup") / "tiny.gguf", FAMILIES[request.param], seed=SEED)
    opened = Pair(path)
    yield opened
    opened.close()


def grown(after: EngineStats, before: EngineStats) -> tuple[int, int, int]:
    """Guesses, those that came true, and steps."""
    return (
        after.drafted - before.drafted,
        after.accepted - before.accepted,
        after.decode_calls - before.decode_calls,
    )


@pytest.mark.parametrize("temperature", [0.0, 0.2, 0.5, 1.0])
def test_text_steps_and_counts_with_and_without_guesses(pair: Pair, temperature: float) -> None:
    before, plainly = pair.guessing.stats, pair.plain.stats
    for seed in range(12):
        request = ask(TEXT, tokens=40, temperature=temperature, seed=seed)
        left, right = (run(engine, [request])[0][0] for engine in (pair.guessing, pair.plain))
        assert (left.text, left.finish, left.usage.completion) == (
            right.text,
            right.finish,
            right.usage.completion,
        )
    drafted, accepted, steps = grown(pair.guessing.stats, before)
    assert 0 <= accepted <= drafted
    assert steps == pair.plain.stats.decode_calls - plainly.decode_calls - accepted
    same = pair.guessing.stats.decoded_tokens - before.decoded_tokens
    assert same == pair.plain.stats.decoded_tokens - plainly.decoded_tokens
    if temperature < 0.5:
        assert 0 < accepted < drafted
    assert drafted > 0


def test_a_follow_up_goes_on_from_a_text_that_was_guessed_at(pair: Pair) -> None:
    for seed in range(6):
        first = ask(TEXT, tokens=24, temperature=0.2, seed=seed, keep=True)
        answers = []
        for engine in (pair.guessing, pair.plain):
            engine.forget()
            said = run(engine, [first])[0][0].text
            thread = (*first.messages, Message("assistant", said), *user("And why?"))
            done = run(engine, [Request(thread, Sampling(max_tokens=12))])[0][0]
            answers.append((said, done.text, done.usage.reused))
        assert answers[0] == answers[1]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 9])
def test_no_more_tokens_than_asked_for(pair: Pair, limit: int) -> None:
    left, right = pair.both(ask(TEXT, tokens=limit))
    assert left == right


def test_a_stop_text_ends_it_at_the_same_place(pair: Pair) -> None:
    whole = pair.both(ask(TEXT, tokens=40))[1]
    for place in range(2, len(whole) - 2, 3):
        request = Request(user(TEXT), Sampling(max_tokens=40, stop=(whole[place : place + 2],)), keep=True)
        left, right = pair.both(request)
        assert left == right


def test_stopping_in_between_leaves_the_engine_whole(pair: Pair) -> None:
    request = ask(TEXT, tokens=40)
    whole = pair.both(request)[1]
    for polls in range(2, 30, 4):
        stop = partial(_after, iter(range(1000)), polls)
        done, _ = run(pair.guessing, [request], should_stop=stop)
        assert whole.startswith(done[0].text.rstrip("�"))
        events = pair.guessing.generate([request])
        assert any(isinstance(event, TextDelta) for event in events)
        events.close()
    assert pair.both(request) == (whole, whole)


def _after(asked: Iterator[int], polls: int) -> bool:
    return next(asked) > polls


def test_an_adapter_alone_writes_the_same_text_with_guesses(make_ref: MakeRef, f16_path: Path) -> None:
    ref = make_ref(3)
    answers = []
    for options in (LlamaOptions(threads=1, row_costs=FREE), LlamaOptions(threads=1, lookup=False)):
        with LlamaEngine(f16_path, name="f16", options=options) as engine:
            answers.append(run(engine, [ask("Write tea tea tea tea tea.", ref, tokens=12)])[0][0].text)
    assert answers[0] == answers[1]


def test_several_texts_at_once_are_not_guessed_at(pair: Pair) -> None:
    before = pair.guessing.stats.drafted
    run(pair.guessing, [ask(TEXT, tokens=8, seed=seed) for seed in range(3)])
    assert pair.guessing.stats.drafted == before


def test_a_model_whose_state_cannot_be_cut_does_without(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair.guessing._runner.model, "can_be_cut", False)
    before = pair.guessing.stats.drafted
    left, right = pair.both(ask(TEXT, tokens=20))
    assert left == right
    assert pair.guessing.stats.drafted == before


def test_sampled_tokens_have_the_model_s_own_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three tokens over 500 seeds, against what the logits say; guessed is what comes second in about half of them."""
    path = write_tiny(tmp_path / "tiny.gguf", FAMILIES["smollm2"], seed=4)
    with LlamaEngine(path, name="tiny", options=LlamaOptions(threads=1, row_costs=FREE)) as engine:
        prompt = engine.prompt_tokens(user(TEXT))
        first = int(_shares(engine, prompt).argmax())
        second = int(_shares(engine, (*prompt, first)).argmax())
        monkeypatch.setattr(PromptLookup, "draft", lambda _, most: [second, second][:most])
        drawn = [_drawn(engine, seed) for seed in range(500)]
        assert engine.stats.drafted - 150 > engine.stats.accepted > 50
        _compare([tokens[0] for tokens in drawn], _shares(engine, prompt))
        # behind the first token stood a guess in the same batch, and the third was drawn behind that guess
        seconds = [tokens[1:] for tokens in drawn if tokens[0] == first and len(tokens) == 3]
        _compare([tokens[0] for tokens in seconds], _shares(engine, (*prompt, first)))
        thirds = [tokens[1] for tokens in seconds if tokens[0] == second]
        _compare(thirds, _shares(engine, (*prompt, first, second)))


def _drawn(engine: LlamaEngine, seed: int) -> list[int]:
    """The three tokens that come of a seed, fewer where the text ends."""
    sampling = Sampling(temperature=TEMPERATURE, max_tokens=4, seed=seed)
    drawn: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        add = PromptLookup.add

        def noting(lookup: PromptLookup, token: int) -> None:
            drawn.append(token)
            add(lookup, token)

        patch.setattr(PromptLookup, "add", noting)
        run(engine, [Request(user(TEXT), sampling)])
    return drawn[:3]


def _shares(engine: LlamaEngine, tokens: Sequence[int]) -> np.ndarray:
    logits = engine._runner.probe(tokens).astype(np.float64) / TEMPERATURE
    weights = np.exp(logits - logits.max())
    shares: np.ndarray = weights / weights.sum()
    return shares


def _compare(drawn: Sequence[int], shares: np.ndarray) -> None:
    """A chi-squared test over the tokens expected five times at least, and all others together."""
    counts = np.bincount(drawn, minlength=shares.size).astype(float)
    common = shares * len(drawn) >= 5
    assert common.sum() >= 2
    seen = [*counts[common], counts[~common].sum()]
    expected = np.array([*shares[common], shares[~common].sum()]) * len(drawn)
    assert chisquare(seen, expected).pvalue > 1e-3


@pytest.mark.slow
def test_on_a_real_model_texts_part_only_where_two_tokens_are_nearly_as_probable(
    fetched_model: Callable[[str], Path],
) -> None:
    """Its activations are quantized to 8 bits, so that a batch's rows round visibly: up to 0.3 in a logit were seen."""
    passage = "Phones distract pupils, and so they should stay in the locker until the last lesson is over."
    request = Request(
        user(f"{passage}\n{passage}\nRepeat this word for word, twice."),
        Sampling(max_tokens=48),
        keep=True,
    )
    with LlamaEngine(
        fetched_model("qwen25-coder-0.5b"), name="real", options=LlamaOptions(threads=1, lookup=False)
    ) as engine:
        plain = _kept(engine, request)
        engine._runner._lanes[0]._row_costs = FREE
        guessed = _kept(engine, request)
        assert engine.stats.accepted > 10
        parting = common_prefix(plain, guessed)
        if parting < min(len(plain), len(guessed)):
            logits = engine._runner.probe(plain[:parting])
            near = logits.max() - logits[[plain[parting], guessed[parting]]]
            assert near.max() < 0.6


def _kept(engine: LlamaEngine, request: Request) -> list[int]:
    """Prompt and text of a kept sequence, as tokens."""
    engine.forget()
    run(engine, [request])
    return list(engine._runner.store._entries[-1].codes)
