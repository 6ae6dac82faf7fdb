"""The local engine on the starter model: what it generates, and what it does not decode twice."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from pluralism_local.bench.naive import open_llama
from pluralism_local.bench.seeded import write_lora
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.errors import (
    ContextOverflow,
    EngineFailure,
    InvalidInput,
    NotFound,
    Refused,
    Unsupported,
)
from pluralism_local.models.gguf_file import read_header
from pluralism_local.types import Message, Request, Sampling, TextDelta, TextDone, TextStarted
from tests.support.llama_requests import BATCH_TOLERANCE, QUESTION, ask, close, letters, run, texts, user
from tests.support.starter import MakeRef


def test_same_seed_same_text_and_another_seed_another_text(engine: LlamaEngine) -> None:
    def once(seed: int) -> str:
        engine.forget()
        return texts(engine, [ask(temperature=1.0, seed=seed, tokens=24)])[0]

    assert once(7) == once(7)
    assert once(7) != once(8)


def test_greedy_text_equals_the_high_level_api(engine: LlamaEngine, starter_path: Path) -> None:
    engine.forget()
    ours = texts(engine, [ask(tokens=12)])[0]
    theirs = open_llama(starter_path, n_ctx=512, n_threads=1)
    message = {"role": "user", "content": QUESTION}
    reply = theirs.create_chat_completion([message], max_tokens=12, temperature=0)
    theirs.close()
    assert reply["choices"][0]["message"]["content"] == ours


def test_adapters_share_the_base_prefix_and_load_nothing_twice(
    engine: LlamaEngine, make_ref: MakeRef
) -> None:
    refs = [make_ref(seed, activation="assistant") for seed in range(3)]
    run(engine, [ask("Hello.", ref, tokens=1) for ref in refs])  # adapters are loaded and probed here
    engine.forget()
    before = engine.stats
    requests = [ask(adapter=ref, tokens=5) for ref in refs]
    completions, _ = run(engine, requests)
    after = engine.stats
    prompt = engine.count_tokens(requests[0].messages)
    prefix = prompt - 4  # the assistant's header has four tokens
    new = sum(c.usage.completion - 1 for c in completions)  # the last one is drawn, not decoded
    assert after.decoded_tokens - before.decoded_tokens == prefix + 3 * 4 + new
    assert after.model_loads == before.model_loads == 1
    assert after.adapter_loads == before.adapter_loads
    assert after.adapter_switches - before.adapter_switches <= len(refs) + 1
    assert [c.usage.reused for c in completions] == [prefix] * 3


def test_an_adapter_that_acts_always_shares_nothing_with_the_base(
    engine: LlamaEngine, make_ref: MakeRef
) -> None:
    ref = make_ref(1)
    run(engine, [ask("Hello.", ref, tokens=1), ask(keep=True, tokens=4)])
    before = engine.stats.decoded_tokens
    completion = run(engine, [ask(adapter=ref, tokens=1)])[0][0]
    assert completion.usage.reused == 0
    assert engine.stats.decoded_tokens - before == completion.usage.prompt


def test_adapter_a_then_b_equals_b_cold(engine: LlamaEngine, make_ref: MakeRef) -> None:
    a, b = make_ref(1), make_ref(2)
    engine.forget()
    cold = engine.distribution([letters(adapter=b)])[0]
    engine.forget()
    first = engine.distribution([letters(adapter=a)])[0]
    after_a = engine.distribution([letters(adapter=b)])[0]
    assert after_a.mass == cold.mass
    assert close(first.mass, cold.mass) > 1e-4, "the two adapters must differ for this test to mean anything"


def test_scale_zero_is_the_base_exactly(engine: LlamaEngine, make_ref: MakeRef) -> None:
    engine.forget()
    base = engine.distribution([letters()])[0]
    engine.forget()
    assert engine.distribution([letters(adapter=make_ref(1, scale=0.0))])[0] == base
    assert engine.distribution([letters(adapter=make_ref(1))])[0] != base


def test_a_forked_prefix_with_an_activated_adapter_equals_cold(
    precise: LlamaEngine, make_ref: MakeRef
) -> None:
    ref = make_ref(3, activation="assistant")
    precise.forget()
    cold = precise.distribution([letters(adapter=ref)])[0]
    forked = precise.distribution([letters(adapter=ref)])[0]  # its prefix is in the store now
    base = precise.distribution([letters()])[0]
    assert close(forked.mass, cold.mass) < BATCH_TOLERANCE
    assert forked.mass != base.mass


def test_activated_and_always_differ_where_the_prefix_matters(engine: LlamaEngine, make_ref: MakeRef) -> None:
    always, activated = make_ref(4), make_ref(4, activation="assistant")
    left = engine.distribution([letters(adapter=always)])[0]
    right = engine.distribution([letters(adapter=activated)])[0]
    assert close(left.mass, right.mass) > 1e-5


def test_cached_equals_cold(precise: LlamaEngine) -> None:
    precise.forget()
    cold = precise.distribution([letters()])[0]
    run(precise, [Request(letters().messages, Sampling(max_tokens=2), keep=True)])
    before = precise.stats
    cached = precise.distribution([letters()])[0]
    assert precise.stats.decoded_tokens - before.decoded_tokens == 1, "only the last prompt token"
    assert close(cached.mass, cold.mass) < BATCH_TOLERANCE


def test_a_follow_up_turn_decodes_only_what_is_new(engine: LlamaEngine) -> None:
    engine.forget()
    first = run(engine, [ask("Say hello.", tokens=200, temperature=1.0, seed=3, keep=True)])[0][0]
    assert first.finish == "stop"
    earlier = (*user("Say hello."), Message("assistant", first.text))
    follow_up = Request((*earlier, Message("user", "And goodbye?")), Sampling(max_tokens=1))
    completion = run(engine, [follow_up])[0][0]
    assert completion.usage.reused == first.usage.prompt + first.usage.completion


def test_a_mixed_batch_equals_one_at_a_time(precise: LlamaEngine, make_ref: MakeRef) -> None:
    """Base, an always and two activated adapters, two questions each, in one call."""
    adapters = [None, make_ref(1), make_ref(2, activation="assistant"), make_ref(3, 0.5, "assistant")]
    questions = [
        "Which is best?\nA. Tea\nB. Coffee\nC. Water\nD. Milk",
        "Pick one.\nA. Up\nB. Down\nC. Left\nD. Right",
    ]
    requests = [letters(text, adapter) for adapter in adapters for text in questions]
    precise.forget()
    together = precise.distribution(requests)
    for request, mixed in zip(requests, together, strict=True):
        precise.forget()
        alone = precise.distribution([request])[0]
        assert close(mixed.mass, alone.mass) < BATCH_TOLERANCE


def test_greedy_texts_of_a_mixed_batch_begin_as_alone(precise: LlamaEngine, make_ref: MakeRef) -> None:
    requests = [
        ask(adapter=ref, tokens=4) for ref in (None, make_ref(1), make_ref(2, activation="assistant"))
    ]
    precise.forget()
    together = texts(precise, requests)
    for request, text in zip(requests, together, strict=True):
        precise.forget()
        assert texts(precise, [request]) == [text]


def test_more_requests_than_sequences_come_in_waves(engine: LlamaEngine) -> None:
    requests = [ask(f"Count from {n}.", tokens=3) for n in range(20)]
    assert len(texts(engine, requests)) == 20


def test_stop_texts_end_the_answer(engine: LlamaEngine) -> None:
    whole = texts(engine, [ask(tokens=20)])[0]
    stop = whole.split()[3]
    engine.forget()
    request = Request(user(QUESTION), Sampling(max_tokens=20, stop=(stop,)))
    completion = run(engine, [request])[0][0]
    assert completion.finish == "stop"
    assert completion.text == whole[: whole.index(stop)]


def test_length_is_reported(engine: LlamaEngine) -> None:
    completion = run(engine, [ask(tokens=3)])[0][0]
    assert (completion.finish, completion.usage.completion) == ("length", 3)


def test_stopping_between_tokens_keeps_what_there_was(engine: LlamaEngine) -> None:
    seen = 0

    def should_stop() -> bool:
        return seen >= 5

    events = []
    for event in engine.generate([ask(tokens=100)], should_stop=should_stop):
        events.append(event)
        seen += isinstance(event, TextDelta)
    done = events[-1]
    assert isinstance(done, TextDone)
    assert done.completion.finish == "cancelled"
    assert 5 <= done.completion.usage.completion < 10
    assert len(texts(engine, [ask(tokens=3)])) == 1


def test_stopping_all_lanes(engine: LlamaEngine, make_ref: MakeRef) -> None:
    stop = threading.Event()
    completions = {}
    for event in engine.generate(
        [ask(adapter=make_ref(s), tokens=200) for s in range(4)], should_stop=stop.is_set
    ):
        if isinstance(event, TextDelta):
            stop.set()
        elif isinstance(event, TextDone):
            completions[event.index] = event.completion
    assert sorted(completions) == [0, 1, 2, 3]
    assert {c.finish for c in completions.values()} == {"cancelled"}
    assert max(c.usage.completion for c in completions.values()) < 20


def test_stopping_inside_a_long_prompt(engine: LlamaEngine) -> None:
    """The prompt is one chunk of over 200 tokens, so only the poll inside llama.cpp can see the stop."""
    prompt = "word " * 230
    engine.forget()
    before = engine.stats
    polls = 0

    def should_stop() -> bool:
        nonlocal polls
        polls += 1
        return polls > 3

    completion = run(engine, [ask(prompt)], should_stop)[0][0]
    assert (completion.finish, completion.text) == ("cancelled", "")
    assert engine.stats.decoded_tokens == before.decoded_tokens, "the chunk was not finished"
    assert len(texts(engine, [ask(tokens=3)])) == 1


@pytest.mark.parametrize("polls_before", [0, 2, 5])
def test_stopping_inside_a_shared_prefix(engine: LlamaEngine, make_ref: MakeRef, polls_before: int) -> None:
    """Every request is reported once, as cancelled, wherever the stop falls."""
    refs = [make_ref(seed, activation="assistant") for seed in range(3)]
    run(engine, [ask("Hello.", ref, tokens=1) for ref in refs])
    engine.forget()
    before = engine.stats.decoded_tokens
    polls = 0

    def should_stop() -> bool:
        nonlocal polls
        polls += 1
        return polls > polls_before

    requests = [ask("word " * 150, ref) for ref in refs]
    completions, events = run(engine, requests, should_stop)
    assert [(c.finish, c.text) for c in completions] == [("cancelled", "")] * 3
    assert sum(isinstance(event, TextStarted) for event in events) == 3
    assert engine.stats.decoded_tokens - before <= 128, "nothing is begun after the stop"
    assert len(texts(engine, [ask(tokens=3)])) == 1


def test_closing_the_iterator_early_leaves_the_engine_usable(engine: LlamaEngine, make_ref: MakeRef) -> None:
    for requests in ([ask(tokens=100)], [ask(adapter=make_ref(s), tokens=100) for s in range(3)]):
        events = engine.generate(requests)
        next(events)
        events.close()
        assert len(texts(engine, [ask(tokens=2)])) == 1


def test_a_second_call_while_one_runs_is_refused(engine: LlamaEngine) -> None:
    events = engine.generate([ask(tokens=50)])
    next(events)
    with pytest.raises(EngineFailure, match="busy"):
        engine.distribution([letters()])
    events.close()


def test_a_prompt_longer_than_the_context_is_refused_with_both_numbers(starter_path: Path) -> None:
    options = LlamaOptions(ctx_size=64)
    with LlamaEngine(starter_path, name="starter", options=options) as small:
        with pytest.raises(ContextOverflow) as caught:
            next(small.generate([ask("word " * 100, tokens=10)]))
        assert caught.value.available == 64
        assert caught.value.needed > 110
        assert str(caught.value.needed) in caught.value.message
        assert "64" in caught.value.message
        assert small.stats.decode_calls == 0


def test_a_zero_adapter_is_refused(engine: LlamaEngine, make_ref: MakeRef) -> None:
    with pytest.raises(Refused, match="does not change"):
        next(engine.generate([ask(adapter=make_ref(9, zero=True))]))


def test_missing_cut_and_foreign_adapters(
    engine: LlamaEngine, starter_path: Path, make_ref: MakeRef, tmp_path: Path
) -> None:
    good = make_ref(1)
    gone = type(good)(tmp_path / "gone.gguf", "0" * 64)
    with pytest.raises(NotFound, match=r"gone\.gguf"):
        next(engine.generate([ask(adapter=gone)]))
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(good.path.read_bytes()[:1000])
    with pytest.raises(InvalidInput, match="truncated"):
        next(engine.generate([ask(adapter=type(good)(cut, "1" * 64))]))
    header = read_header(starter_path)
    halved = tuple(
        replace(tensor, shape=(tensor.shape[0] // 2, *tensor.shape[1:])) for tensor in header.tensors
    )
    foreign = write_lora(tmp_path / "foreign.gguf", base_header=replace(header, tensors=halved))
    with pytest.raises(InvalidInput, match="does not belong to this model"):
        next(engine.generate([ask(adapter=type(good)(foreign, "2" * 64))]))
    assert len(texts(engine, [ask(tokens=2)])) == 1


def test_an_activated_adapter_needs_its_header(starter_path: Path, make_ref: MakeRef) -> None:
    with LlamaEngine(starter_path, name="starter", options=LlamaOptions(template="none")) as plain:
        with pytest.raises(Unsupported, match="header"):
            next(plain.generate([ask(adapter=make_ref(1, activation="assistant"))]))
        with pytest.raises(Unsupported, match="header"):  # as a plan is made, too
            plain.count_tokens(user("Hello"), make_ref(1, activation="assistant"))
        assert plain.prompt_text(user("Hello")) == "Question: Hello\nAnswer:", "a plain prompt has no header"
        assert texts(plain, [ask("The capital of France is", tokens=8)])[0]


def test_a_closed_engine_says_so(starter_path: Path) -> None:
    opened = LlamaEngine(starter_path, name="starter")
    opened.close()
    opened.close()
    with pytest.raises(EngineFailure, match="closed"):
        next(opened.generate([ask()]))


def test_a_closed_engine_keeps_no_sequences(starter_path: Path) -> None:
    opened = LlamaEngine(starter_path, name="starter", options=LlamaOptions(ctx_size=256, threads=1, lanes=1))
    texts(opened, [ask(tokens=2, keep=True)])
    store = opened._runner.store
    assert store.size > 0
    opened.close()
    assert store.size == 0


def test_loading_can_be_stopped(starter_path: Path) -> None:
    from pluralism_local.errors import Cancelled

    with pytest.raises(Cancelled):
        LlamaEngine(starter_path, name="starter", should_stop=lambda: True)


def test_a_system_message_is_part_of_the_prompt(engine: LlamaEngine) -> None:
    with_system = (Message("system", "You are a pirate."), *user("Hello"))
    assert engine.count_tokens(with_system) != engine.count_tokens(user("Hello"))


def test_nothing_reaches_the_terminal(
    engine: LlamaEngine, make_ref: MakeRef, capfd: pytest.CaptureFixture[str]
) -> None:
    run(engine, [ask(adapter=make_ref(11), tokens=2)])
    with pytest.raises(InvalidInput):
        LlamaEngine(make_ref(11).path, name="an adapter is no model")
    assert capfd.readouterr() == ("", "")
