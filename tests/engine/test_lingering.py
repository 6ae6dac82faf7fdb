"""What lingers: a text that several requests begin with is read once, whichever of them comes first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from pluralism_local.engine.kv_store import WORTH_LINGERING
from pluralism_local.engine.llama import LlamaEngine
from pluralism_local.types import Message, OptionRequest, Request, Sampling

WORDS = ("Yes", "No")
COMMENTS = [
    f"Question: {question}\n\nComment: {comment}\n\n"
    for question, comment in (
        ("Should phones be banned?", "They ring in the middle of a lesson, and no pupil listens. " * 6),
        ("Should cities ban cars?", "Streets without them are quiet, and children can play there. " * 6),
    )
]
CLAIM = "What does the comment claim?"
ENDS = ("Is it for a ban?", "Does it speak of noise?", "Does its author agree that children matter?")

Decoded = Callable[[], int]


def writing(texts: Sequence[str], lingers: bool = True) -> list[Request]:
    return [Request((Message("user", text),), Sampling(max_tokens=2), lingers=lingers) for text in texts]


def weighing(texts: Sequence[str], lingers: bool = True) -> list[OptionRequest]:
    return [OptionRequest((Message("user", text),), WORDS, lingers=lingers) for text in texts]


def decoded(engine: LlamaEngine, call: Callable[[], object]) -> int:
    before = engine.stats.decoded_tokens
    call()
    return engine.stats.decoded_tokens - before


@pytest.mark.parametrize("comment", COMMENTS)
@pytest.mark.parametrize("first", ["written", "weighed"])
def test_what_was_read_for_one_request_is_not_read_for_those_that_begin_alike(
    engine: LlamaEngine, comment: str, first: str
) -> None:
    def ask(lingers: bool) -> int:
        engine.forget()
        if first == "written":
            list(engine.generate(writing([comment + CLAIM], lingers)))
        else:
            engine.distribution(weighing([comment + CLAIM], lingers))
        return decoded(
            engine, lambda: engine.distribution(weighing([comment + end for end in ENDS], lingers))
        )

    shared = engine.prompt_tokens([Message("user", comment)])
    tails = sum(
        len(engine.prompt_tokens([Message("user", comment + end)])) - len(shared) for end in (CLAIM, *ENDS)
    )
    again, lingering = ask(lingers=False), ask(lingers=True)
    assert lingering < tails + 3 * len(ENDS) < len(shared) < again
    assert again - lingering >= len(shared) - 8


def test_the_numbers_are_those_of_a_prompt_that_is_read_at_once(precise: LlamaEngine) -> None:
    requests = weighing([COMMENTS[0] + end for end in ENDS])
    precise.forget()
    whole = precise.distribution([replace(request, lingers=False) for request in requests])
    precise.distribution(weighing([COMMENTS[0] + CLAIM]))
    for alone, resumed in zip(whole, precise.distribution(requests), strict=True):
        assert alone.p == pytest.approx(resumed.p, abs=1e-3)


def test_one_of_many_that_begin_alike_is_kept_and_none_that_is_short(engine: LlamaEngine) -> None:
    engine.forget()
    engine.distribution(weighing([comment + end for comment in COMMENTS for end in ENDS]))
    assert len(engine._runner.store) == len(COMMENTS)
    engine.forget()
    short = weighing(ENDS)
    assert all(engine.count_tokens(request.messages) < WORTH_LINGERING for request in short)
    engine.distribution(short)
    assert len(engine._runner.store) == 0


def test_a_conversation_is_not_given_up_for_what_lingers(engine: LlamaEngine) -> None:
    engine.forget()
    turn = Request((Message("user", COMMENTS[0]),), Sampling(max_tokens=4), keep=True)
    list(engine.generate([turn]))
    store = engine._runner.store
    kept, budget = store.size, store.budget
    try:
        store.budget = kept + 1
        list(engine.generate(writing([COMMENTS[1] + CLAIM])))
        engine.distribution(weighing([COMMENTS[1] + end for end in ENDS]))
        assert (store.size, len(store)) == (kept, 1)
    finally:
        store.budget = budget
        engine.forget()
