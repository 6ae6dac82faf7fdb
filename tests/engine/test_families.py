"""What holds for the starter holds for every family: on tiny models of noise in F32, and on real ones if there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from pluralism_local.bench.naive import open_llama
from pluralism_local.bench.seeded import write_lora
from pluralism_local.engine.llama import LlamaEngine
from pluralism_local.errors import Cancelled, ContextOverflow
from pluralism_local.models.gguf_file import read_header, sha256_of
from pluralism_local.types import AdapterRef, Message, OptionRequest, Request, Sampling, TextDelta, TextDone
from tests.support.llama_requests import LETTERS, ask, close, letters, run, texts, user
from tests.support.starter import ONE_THREAD_EACH
from tests.support.tiny.families import FAMILIES, SHORT_CONTEXT, WINDOW
from tests.support.tiny.model import write_tiny

REAL = {"qwen25-coder-0.5b": 0.08, "gemma-3-270m": 0.08}
"""Models that are fetched by hand, and how far probabilities may differ: activations are quantized to 8 bits."""

TINY_TOLERANCE = 1e-5
"""Of probabilities where all weights are in F32. Seen: 2e-6 at most."""

LONG = "Tea is drunk hot in the north, and cold where it is hot. " * 6
QUESTIONS = (
    "Which is best?\nA. Tea\nB. Coffee\nC. Water\nD. Milk",
    "Pick one.\nA. Up\nB. Down\nC. Left\nD. Right",
    f"{LONG}\nPick one.\nA. Up\nB. Down\nC. Left\nD. Right",
)


@dataclass(frozen=True)
class Family:
    """A model that is open, adapters for it, and how far probabilities may differ by rounding."""

    name: str
    path: Path
    engine: LlamaEngine
    adapters: tuple[AdapterRef, ...]
    tolerance: float

    @property
    def template(self) -> str | None:
        return FAMILIES[self.name].template if self.is_tiny else None

    @property
    def is_tiny(self) -> bool:
        return self.name in FAMILIES

    @property
    def can_be_cut(self) -> bool:
        """Whether what is kept can be gone on from at an earlier place: not behind a window that slid."""
        return not self.name.startswith(("gemma2", "gemma3"))

    def options(self, request: OptionRequest) -> tuple[float, ...]:
        return self.engine.distribution([request])[0].mass

    def cold(self, request: OptionRequest) -> tuple[float, ...]:
        """The options' probabilities with nothing kept."""
        self.engine.forget()
        return self.options(request)


class Api:
    """The high-level API on a model; it keeps the logits of every position of a context."""

    def __init__(self, path: Path, context: int) -> None:
        self._llama = open_llama(path, n_ctx=context, n_threads=1, logits_all=True)
        pieces = (self._llama.detokenize([token]) for token in range(self._llama.n_vocab()))
        self._spelled = [piece.decode("utf-8", "replace").strip() for piece in pieces]

    def masses(self, tokens: Sequence[int]) -> list[float]:
        """Probability of each of the letters after `tokens`, in whichever single token they are spelled."""
        self._llama.reset()
        self._llama.eval(list(tokens))
        logits = np.asarray(self._llama.scores[len(tokens) - 1], dtype=np.float64)
        p = np.exp(logits - logits.max())
        p /= p.sum()
        return [float(p[[word == option for word in self._spelled]].sum()) for option in LETTERS]

    def close(self) -> None:
        self._llama.close()


@pytest.fixture(
    scope="module", params=[*FAMILIES, *(pytest.param(name, marks=pytest.mark.slow) for name in REAL)]
)
def family(
    request: pytest.FixtureRequest,
    fetched_model: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Family]:
    name: str = request.param
    folder = tmp_path_factory.mktemp(name)
    path = fetched_model(name) if name in REAL else write_tiny(folder / "tiny.gguf", FAMILIES[name])
    adapters = []
    for seed in (1, 2):
        adapter = write_lora(
            folder / f"{seed}.gguf",
            base_header=read_header(path),
            seed=seed,
            scale=0.02 if name in REAL else 0.2,
        )
        adapters.append(AdapterRef(adapter, sha256_of(adapter)))
    tolerance = REAL.get(name, TINY_TOLERANCE)
    with LlamaEngine(path, name=name, options=ONE_THREAD_EACH) as engine:
        yield Family(name, path, engine, tuple(adapters), tolerance)


def test_option_probabilities_equal_the_high_level_api(family: Family) -> None:
    questions = QUESTIONS if family.is_tiny else QUESTIONS[:2]  # a long prompt's logits take half a gigabyte
    with closing(Api(family.path, 512)) as api:
        for question in questions:
            theirs = api.masses(family.engine.prompt_tokens(user(question)))
            assert close(family.cold(letters(question)), theirs) < family.tolerance


@pytest.mark.parametrize("word", ["A", "the", "10", "é", "...", "no such word"])
def test_all_single_tokens_that_spell_an_option_are_found(family: Family, word: str) -> None:
    model = family.engine._runner.model
    pieces = ((token, model.piece(token)) for token in range(model.vocabulary_size))
    expected = [token for token, piece in pieces if piece.decode("utf-8", "replace").strip() == word]
    assert family.engine._option_tokens._single_tokens(word) == expected
    assert word != "A" or len(expected) > 1


def test_cached_equals_cold(family: Family) -> None:
    for question in QUESTIONS:
        cold = family.cold(letters(question))
        run(family.engine, [ask(question, tokens=2, keep=True)])
        before = family.engine.stats.decoded_tokens
        assert close(family.options(letters(question)), cold) < family.tolerance
        if family.can_be_cut:
            decoded = family.engine.stats.decoded_tokens - before
            assert decoded <= 2, (
                "the last token of the prompt, and a space before a letter in some vocabularies"
            )


def test_a_prompt_that_goes_on_from_a_kept_one_equals_cold(family: Family) -> None:
    """Cut in the middle, and longer than a sliding window on either side of the cut."""
    first, second = LONG + "And milk? " * 4, LONG + QUESTIONS[0]
    assert family.engine.count_tokens(user(LONG)) > 2 * WINDOW
    cold = family.cold(letters(second))
    family.engine.forget()
    run(family.engine, [ask(first, tokens=4, keep=True)])
    before = family.engine.stats.reused_tokens
    assert close(family.options(letters(second)), cold) < family.tolerance
    assert family.engine.stats.reused_tokens - before > 2 * WINDOW or not family.can_be_cut


def test_adapter_a_then_b_equals_b_cold(family: Family) -> None:
    a, b = family.adapters
    base = family.cold(letters(QUESTIONS[0]))
    cold = family.cold(letters(QUESTIONS[0], b))
    first = family.cold(letters(QUESTIONS[0], a))
    assert family.options(letters(QUESTIONS[0], b)) == cold
    assert family.options(letters(QUESTIONS[0])) == base
    assert len({base, first, cold}) == 3, "they must differ for this test to mean anything"


def test_every_matrix_of_a_layer_takes_an_adapter(family: Family) -> None:
    """Each alone, so that one which the model reads past shows."""
    header = read_header(family.path)
    targets = {t.name.split(".")[2] for t in read_header(family.adapters[0].path).tensors}
    assert targets >= {"attn_output"}
    assert targets & {"attn_q", "attn_qkv"}
    for target in sorted(targets):
        path = family.adapters[0].path.with_name(f"{target}.gguf")
        write_lora(path, base_header=header, scale=1.0, targets=(target,))
        ref = AdapterRef(path, sha256_of(path))
        assert family.options(letters(QUESTIONS[0], ref)) != family.options(letters(QUESTIONS[0]))


def test_a_mixed_batch_equals_one_at_a_time(family: Family) -> None:
    adapters = (None, *family.adapters)
    requests = [letters(question, adapter) for adapter in adapters for question in QUESTIONS]
    family.engine.forget()
    together = family.engine.distribution(requests)
    for request, mixed in zip(requests, together, strict=True):
        assert close(mixed.mass, family.cold(request)) < family.tolerance


def test_a_batch_of_many_prompts_equals_one_at_a_time(family: Family) -> None:
    """More cells than one prompt takes: some models rotate by other factors in a longer context."""
    requests = [letters(f"{n}. {LONG}{QUESTIONS[1]}") for n in range(2 if not family.is_tiny else 5)]
    if family.is_tiny:
        assert sum(family.engine.count_tokens(request.messages) for request in requests) > 2 * SHORT_CONTEXT
    family.engine.forget()
    together = family.engine.distribution(requests)
    for request, mixed in zip(requests, together, strict=True):
        assert close(mixed.mass, family.cold(request)) < family.tolerance


def test_greedy_texts_of_a_batch_are_those_of_one_at_a_time(family: Family) -> None:
    if not family.is_tiny:
        pytest.skip("quantized activations round a close choice either way")
    requests = [ask(question, ref, tokens=6) for ref in (None, *family.adapters) for question in QUESTIONS]
    family.engine.forget()
    together = texts(family.engine, requests)
    for request, text in zip(requests, together, strict=True):
        family.engine.forget()
        assert texts(family.engine, [request]) == [text]


def test_stopping_in_the_middle_leaves_the_engine_usable(family: Family) -> None:
    expected = family.cold(letters(QUESTIONS[0]))
    seen: list[str] = []
    requests = [ask(tokens=60, temperature=1.0, seed=seed) for seed in range(4)]
    finished: list[str] = []
    for event in family.engine.generate(requests, should_stop=lambda: len(seen) >= 4):
        if isinstance(event, TextDelta):
            seen.append(event.text)
        elif isinstance(event, TextDone):
            finished.append(event.completion.finish)
    assert len(finished) == len(requests)
    assert "cancelled" in finished
    with pytest.raises(Cancelled):
        family.engine.distribution([letters(LONG)], should_stop=lambda: True)
    family.engine.forget()
    assert family.options(letters(QUESTIONS[0])) == expected


def test_a_follow_up_decodes_no_earlier_turn_again(family: Family) -> None:
    family.engine.forget()
    messages = (Message("system", "Be brief."), *user("Is tea hot?"))
    for _ in range(3):
        prompt = family.engine.count_tokens(messages)
        request = Request(messages, Sampling(max_tokens=5, temperature=1.0), keep=True)
        before = family.engine.stats.decoded_tokens
        [first], _ = run(family.engine, [request])
        text = first.text.rstrip("\ufffd")
        messages = (*messages, Message("assistant", text), Message("user", "And milk?"))
        spent = family.engine.stats.decoded_tokens - before
        follow_up = Request(messages, Sampling(max_tokens=1))
        before = family.engine.stats.decoded_tokens
        [second], _ = run(family.engine, [follow_up])
        # an empty thought stands in the header and not in the next turn's history
        again = len(family.engine.answer_header()) + 20 if "<think>" in (family.template or "") else 0
        assert second.usage.reused >= prompt - again
        assert spent + family.engine.stats.decoded_tokens - before <= second.usage.prompt + 6 + again


@pytest.mark.parametrize("become", ["trimmed of all it was", "\n", " It  is. "])
def test_a_follow_up_to_another_answer_reads_the_question_no_more(family: Family, become: str) -> None:
    """As where a template trims the answer, or its text is not split into the tokens that were drawn."""
    family.engine.forget()
    messages = (Message("system", "Be brief."), *user("Is tea hot?"))
    header = len(family.engine.answer_header()) + 20 if "<think>" in (family.template or "") else 0
    for _ in range(2):
        prompt = family.engine.count_tokens(messages)
        run(family.engine, [Request(messages, Sampling(max_tokens=WINDOW + 4, temperature=1.0), keep=True)])
        messages = (*messages, Message("assistant", become), Message("user", "And milk?"))
        [second], _ = run(family.engine, [Request(messages, Sampling(max_tokens=1))])
        # the answer header's end and the first character of the answer may be one token
        assert second.usage.reused >= prompt - header - 1
        family.engine.forget()
        cold, _ = run(family.engine, [Request(messages, Sampling(max_tokens=1))])
        if family.is_tiny:
            assert second.text == cold[0].text


def test_a_kept_conversation_says_what_a_fresh_one_says(family: Family) -> None:
    conversation = (*user(LONG), Message("assistant", "It is."), Message("user", QUESTIONS[0]))
    cold = family.cold(OptionRequest(conversation, LETTERS))
    family.engine.forget()
    run(family.engine, [Request(conversation[:1], Sampling(max_tokens=1), keep=True)])
    continued = family.options(OptionRequest(conversation, LETTERS))
    assert close(continued, cold) < family.tolerance


def test_a_prompt_longer_than_the_context_is_refused(family: Family) -> None:
    if not family.is_tiny:
        pytest.skip("such a prompt is long")
    with pytest.raises(ContextOverflow):
        next(family.engine.generate([ask("word " * 2000)]))
    assert texts(family.engine, [ask(tokens=2)])


@pytest.mark.parametrize("size", [None, SHORT_CONTEXT + 100])
def test_a_model_with_two_sets_of_factors_uses_one(size: int | None, tmp_path: Path) -> None:
    """llama.cpp chooses by the context's size: ours take what the high-level API takes for all that fits."""
    path = write_tiny(tmp_path / "phi3.gguf", FAMILIES["phi3"])
    context = size or SHORT_CONTEXT
    options = replace(ONE_THREAD_EACH, ctx_size=size)
    with closing(Api(path, context)) as api, LlamaEngine(path, name="phi3", options=options) as engine:
        assert engine.info.context == context
        for question in QUESTIONS:
            theirs = api.masses(engine.prompt_tokens(user(question)))
            assert close(engine.distribution([letters(question)])[0].mass, theirs) < TINY_TOLERANCE
        with pytest.raises(ContextOverflow) as caught:
            next(engine.generate([ask("word " * 2000)]))
        assert "set --ctx-size, up to 1024" in caught.value.hint


@pytest.mark.slow
def test_a_real_model_is_not_gone_on_from_behind_its_window(fetched_model: Callable[[str], Path]) -> None:
    """Gemma looks back 512 tokens: of what is kept of more, the cells before these are not there."""
    with LlamaEngine(fetched_model("gemma-3-270m"), name="gemma", options=ONE_THREAD_EACH) as engine:
        first, second = LONG * 9, f"{LONG * 8}\n{QUESTIONS[0]}"
        assert engine.count_tokens(user(second)) > 600
        engine.forget()
        cold = engine.distribution([letters(second)])[0].mass
        engine.forget()
        run(engine, [ask(first, tokens=2, keep=True)])
        assert close(engine.distribution([letters(second)])[0].mass, cold) < 1e-6
