"""What cannot fit is shortened or refused before anything is generated, with the numbers."""

from __future__ import annotations

import pytest

from pluralism_local.engine.base import Capabilities
from pluralism_local.engine.scripted import ScriptedEngine
from pluralism_local.errors import ContextOverflow
from pluralism_local.mode_specs import ModeName
from pluralism_local.modes import Ask
from pluralism_local.types import Request, Sampling
from tests.support.mode_asks import THREE, answer

PROMPT = "Should phones be banned? A. Yes B. No"
# overton's prompt without its comments: 21 words of instruction, "Situation:", the question's 8,
# "Passage n:" three times, "Comment:", and two headers of 4
FRAME = 21 + 1 + 8 + 6 + 1 + 8


def ask(mode: ModeName, comment_tokens: int = 100, answer_tokens: int = 50) -> Ask:
    return Ask(
        PROMPT,
        mode,
        THREE,
        attribute="honesty" if mode == "steerable" else None,
        answer=Sampling(max_tokens=answer_tokens),
        comment=Sampling(temperature=1, max_tokens=comment_tokens),
    )


def comment_tokens(engine: ScriptedEngine) -> set[int]:
    generated = [call for call in engine.calls if call.kind == "generate"]
    return {request.sampling.max_tokens for request in generated[0].requests if isinstance(request, Request)}


def test_what_fits_is_left_alone() -> None:
    engine = ScriptedEngine(context=FRAME + 50 + 3 * 102, record=True)
    result = answer(ask("overton"), engine)
    assert comment_tokens(engine) == {100}
    assert not [text for text in result.warnings if "context" in text]


def test_one_token_less_shortens_every_comment_and_says_so() -> None:
    engine = ScriptedEngine(context=FRAME + 50 + 3 * 102 - 1, record=True)
    result = answer(ask("overton"), engine)
    assert comment_tokens(engine) == {99}
    assert result.comment_sampling.max_tokens == 99
    assert result.warnings[0] == (
        "Comments may take 99 tokens each instead of 100, so that they fit the context of 400 tokens."
    )


def test_the_shortest_comment_is_32_tokens() -> None:
    least = FRAME + 50 + 3 * 34
    engine = ScriptedEngine(context=least, record=True)
    answer(ask("overton"), engine)
    assert comment_tokens(engine) == {32}
    engine = ScriptedEngine(context=least - 1, record=True)
    with pytest.raises(ContextOverflow, match=r"3 comments of 32 .* need 197 .* holds 196") as caught:
        answer(ask("overton"), engine)
    assert (caught.value.needed, caught.value.available) == (197, 196)
    assert engine.calls == []
    assert answer(ask("overton", comment_tokens=31), engine).complete  # shorter ones were wanted


@pytest.mark.parametrize("mode", ["overton", "steerable", "distributional", "moe"])
@pytest.mark.parametrize("context", range(100, 420, 20))
def test_once_begun_it_never_overflows(mode: ModeName, context: int) -> None:
    communities = ScriptedEngine()
    try:
        result = answer(ask(mode), ScriptedEngine(context=context), communities)
    except ContextOverflow:
        assert context < 240
    else:
        assert result.complete


def test_an_llm_that_cannot_count_is_not_checked() -> None:
    blind = Capabilities(adapters=True, distribution="exact", batched=True, counts_tokens=False)
    engine = ScriptedEngine(context=60, capabilities=blind)
    result = answer(ask("overton"), engine, ScriptedEngine())
    assert not result.complete  # its own refusal, after the comments
    assert "the context holds 60" in result.warnings[-1]
    assert len(result.comments) == 3
