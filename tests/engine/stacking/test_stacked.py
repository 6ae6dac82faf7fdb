"""Stacked adapters against adapters on their own, on every family of models: the same numbers within rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pluralism_local.bench.seeded import write_lora
from pluralism_local.engine import tensors
from pluralism_local.engine.context import Context
from pluralism_local.engine.handles import Adapter, Model
from pluralism_local.engine.library import install_log, write_quantized
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.engine.schedule import Row, encode, prefill_rows
from pluralism_local.engine.stacking.mask import Mask
from pluralism_local.engine.stacking.stack_file import ScaledAdapter, lay_out, write_stack
from pluralism_local.engine.stacking.stacks import FAMILIES as STACKED_FAMILIES
from pluralism_local.engine.stacking.stacks import Stacks
from pluralism_local.errors import EngineFailure, InvalidInput, Refused
from pluralism_local.models.gguf_file import read_header, sha256_of
from pluralism_local.types import AdapterRef, Message, TextDelta, TextStarted
from tests.support.llama_requests import BATCH_TOLERANCE, ask, letters, run, texts, user
from tests.support.starter import MakeRef
from tests.support.tiny.families import FAMILIES
from tests.support.tiny.model import write_tiny

pytestmark = pytest.mark.skipif(not tensors.runs_on_cpu_alone(), reason="other devices compute here")

TINY_TOLERANCE = 5e-5
"""Of probabilities where all weights are in F32. Cells are kept in 16 bits, so that the last bit of a sum may turn one
of theirs: by processor 1e-6 to 1.1e-5 were seen, and adapters differ from each other by far more."""

SHAPES: tuple[Mapping[str, Any], ...] = (
    {"rank": 4, "alpha": 8.0},
    {"rank": 7, "alpha": 7.0 * 7**0.5},  # rsLoRA as it is exported: alpha · √rank
    {"rank": 2, "alpha": 32.0, "targets": ("attn_q", "attn_v", "attn_qkv")},
    {"rank": 3, "alpha": 0.0, "layers": range(1, 99, 2)},  # nothing is divided by the rank
)
SCALES = (1.0, 0.5, 1.0, -1.5)
STACKED, APART = (
    LlamaOptions(threads=1, lanes=2, together="stacked"),
    LlamaOptions(threads=1, together="apart"),
)

Logits = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Subject:
    """A model with adapters of all shapes, and how far probabilities may differ by rounding."""

    path: Path
    refs: tuple[AdapterRef, ...]
    tolerance: float

    @property
    def scaled(self) -> list[ScaledAdapter]:
        """The adapters as a stack takes them."""
        return [ScaledAdapter(read_header(ref.path), ref.scale) for ref in self.refs]


def subject(name: str, path: Path, folder: Path, tolerance: float, strength: float) -> Subject:
    refs = []
    for seed, (shape, scale) in enumerate(zip(SHAPES, SCALES, strict=True)):
        file = folder / f"{seed}.gguf"
        dtype = np.float32 if name in FAMILIES else np.float16
        write_lora(file, base_header=read_header(path), seed=seed, scale=strength, dtype=dtype, **shape)
        refs.append(AdapterRef(file, sha256_of(file), scale, "always"))
    return Subject(path, tuple(refs), tolerance)


@pytest.fixture(scope="module", params=list(FAMILIES))
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    folder = tmp_path_factory.mktemp(request.param)
    path = write_tiny(folder / "tiny.gguf", FAMILIES[request.param])
    return subject(request.param, path, folder, TINY_TOLERANCE, 0.2)


def probabilities(logits: Logits) -> npt.NDArray[np.float64]:
    raised = np.exp(logits.astype(np.float64) - logits.max())
    total: npt.NDArray[np.float64] = raised / raised.sum()
    return total


def after(
    context: Context, tokens: Sequence[int], slots: Sequence[int], switch: int
) -> list[npt.NDArray[np.float64]]:
    """Probabilities after `tokens` in each slot, which acts from `switch` on: one batch, then single steps."""
    context.forget()
    last = len(tokens) - 3
    paths = {i: encode(tokens[:switch]) + encode(tokens[switch:last], slot) for i, slot in enumerate(slots)}
    rows = prefill_rows(paths, {})
    for begin in range(0, len(rows), context.chunk):
        context.decode(rows[begin : begin + context.chunk])
    for position in range(last, len(tokens)):
        step = [Row(tokens[position], position, [i], True, slot) for i, slot in enumerate(slots)]
        context.decode(step)
    return [probabilities(context.logits(i).copy()) for i in range(len(slots))]


def compare(model: Model, subject: Subject, tokens: Sequence[int], switch: int) -> None:
    """A mixed batch of the base, all adapters and the first once more, with each on its own."""
    refs = dict(enumerate(subject.refs, start=1))
    stacks = Stacks(model, read_header(subject.path))
    stack = stacks.open(dict(enumerate(subject.scaled, start=1)))
    assert stack is not None, stacks.reason
    slots = (0, *refs, 1)
    with Context(model, cells=1024, sequences=8, threads=1, hook=stack.hook()) as context:
        context.set_adapter(stack.adapter)
        mixed = after(context, tokens, slots, switch)
        again = after(context, tokens, slots, switch)
        reverse = after(context, tokens, slots[::-1], switch)[::-1]
        alone = [after(context, tokens, [slot], switch)[0] for slot in slots]
        context.set_adapter(None)
        without = after(context, tokens, [0, 0], switch)[0]
    stacks.close()
    single = []
    with Context(model, cells=1024, sequences=8, threads=1) as context:
        for slot in slots:
            context.forget()
            context.set_adapter(None)
            prefix = [Row(token, i, [0]) for i, token in enumerate(tokens[:switch])]
            for begin in range(0, switch, context.chunk):
                context.decode(prefix[begin : begin + context.chunk])
            adapter = Adapter(model, refs[slot].path) if slot else None
            context.set_adapter(adapter, refs[slot].scale if slot else 1.0)
            for position in range(switch, len(tokens)):
                context.decode([Row(tokens[position], position, [0], True)])
            single.append(probabilities(context.logits(0).copy()))
            context.set_adapter(None)
            if adapter is not None:
                adapter.close()
    for batch in (mixed, again, reverse, alone):
        for slot, ours, theirs in zip(slots, batch, single, strict=True):
            assert np.abs(ours - theirs).max() < subject.tolerance, slot
    assert np.abs(without - single[0]).max() < subject.tolerance
    for slot, ours, theirs in zip(slots, mixed, single, strict=True):
        others = [other for number, other in zip(slots, single, strict=True) if number != slot]
        nearest = min(np.abs(ours - other).max() for other in others)
        assert nearest > 3 * np.abs(ours - theirs).max(), f"{slot} must differ from all others"


@pytest.mark.parametrize("switch", [0, 9, 150], ids=["always", "from the middle", "behind a chunk"])
def test_each_slot_equals_its_adapter_alone_on_every_family(tiny: Subject, switch: int) -> None:
    assert read_header(tiny.path).text("general.architecture") in STACKED_FAMILIES
    install_log()
    with Model(tiny.path) as model:
        length = max(switch + 8, 20)
        tokens = [3 + (7 * i * i) % (model.vocabulary_size - 10) for i in range(length)]
        compare(model, tiny, tokens, switch)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["qwen25-coder-0.5b", "gemma-3-270m"])
def test_each_slot_equals_its_adapter_alone_on_real_models(
    name: str, fetched_model: Callable[[str], Path], tmp_path: Path
) -> None:
    """In F16, where activations are not quantized and rounding stays small."""
    install_log()
    path = tmp_path / "f16.gguf"
    write_quantized(fetched_model(name), path, "F16", 1)
    with Model(path, repack=False) as model:
        text = "Phones should be banned in schools because"
        tokens = model.tokenize(text, add_special=True, parse_special=False)
        compare(model, subject(name, path, tmp_path, BATCH_TOLERANCE, 0.02), tokens, 4)
    path.unlink()


def with_header(subject: Subject, header: tuple[int, ...]) -> list[AdapterRef]:
    """The adapters switched on by the assistant's header."""
    return [replace(ref, activation="assistant") for ref in subject.refs] if header else list(subject.refs)


def test_texts_of_an_ask_equal_those_apart(tiny: Subject) -> None:
    with LlamaEngine(tiny.path, name="tiny", options=APART) as engine:
        refs = with_header(tiny, engine.answer_header())
        requests = [ask(adapter=ref, tokens=12, temperature=1.0) for ref in [None, *refs, *tiny.refs]]
        apart = texts(engine, requests)
        assert (engine.stats.apart, engine.stats.stacked) == (len(requests) - 1, 0)
        assert engine.stats.together == "apart"
    with LlamaEngine(tiny.path, name="tiny", options=STACKED) as engine:
        for turned in (slice(None), slice(None, None, -1)):
            stacked = texts(engine, requests[turned])[turned]
            # where rounding turns a draw a text parts, as one of nine did on one of two processors; a wrong mask or
            # order of slots parts all of them but the base's
            assert sum(text == other for text, other in zip(stacked, apart, strict=True)) >= len(requests) - 2
        stats = engine.stats
        assert (stats.stacked, stats.apart, stats.together) == (2 * (len(requests) - 1), 0, "stacked")
        assert (stats.stack_loads, stats.adapter_loads) == (1, 0)
    assert len(set(apart)) > 2, "adapters must differ for this test to mean anything"


def test_texts_of_the_starter_equal_those_apart(f16_path: Path, make_ref: MakeRef) -> None:
    """Activated adapters, one that acts always and the base, in F16, so that texts can be compared."""
    activated = [make_ref(seed, 1.5, "assistant") for seed in range(4)]
    requests = [ask(adapter=ref, tokens=6) for ref in [None, *activated, make_ref(2)]]
    with LlamaEngine(f16_path, name="starter-f16", options=replace(APART, lanes=2)) as engine:
        apart = texts(engine, requests)
    with LlamaEngine(f16_path, name="starter-f16", options=STACKED) as engine:
        assert texts(engine, requests) == apart
        assert engine.stats.together == "stacked"
    assert len(set(apart)) > 2, "adapters must differ for this test to mean anything"


@pytest.fixture
def qwen2(tmp_path: Path) -> Subject:
    path = write_tiny(tmp_path / "tiny.gguf", FAMILIES["qwen2"])
    return subject("qwen2", path, tmp_path, TINY_TOLERANCE, 0.2)


@pytest.fixture
def stacked(qwen2: Subject) -> Iterator[LlamaEngine]:
    with LlamaEngine(qwen2.path, name="tiny", options=STACKED) as opened:
        yield opened


def test_a_prefix_and_a_step_are_decoded_once_for_all(qwen2: Subject) -> None:
    options = replace(STACKED, lanes=1, ignore_end=True)
    with LlamaEngine(qwen2.path, name="tiny", options=options) as engine:
        header = engine.answer_header()
        refs = with_header(qwen2, header)
        run(engine, [ask("Hm?", ref, tokens=1) for ref in refs])
        before = engine.stats
        run(engine, [ask(adapter=ref, tokens=6) for ref in refs])
        prompt = engine.count_tokens(user(ask().messages[0].content))
        decoded = engine.stats.decoded_tokens - before.decoded_tokens
        shared = prompt - len(header)
        assert decoded <= shared + len(refs) * (len(header) + 5)
        assert engine.stats.decode_calls - before.decode_calls <= 2 + shared // 128 + 5


def test_a_follow_up_goes_on_from_what_was_kept_in_either_way(qwen2: Subject) -> None:
    def conversation(options: LlamaOptions, most: int) -> list[tuple[str, int]]:
        """Two voices, two turns, so many voices a call: what they say in the second, and the tokens not decoded."""
        with LlamaEngine(qwen2.path, name="tiny", options=options) as engine:
            refs = with_header(qwen2, engine.answer_header())[:2]
            first = [ask("Hello there", ref, tokens=12, keep=True) for ref in refs]
            done, _ = run(engine, first)
            turns = [
                (*request.messages, Message("assistant", completion.text), Message("user", "Go on"))
                for request, completion in zip(first, done, strict=True)
            ]
            second = [replace(request, messages=turn) for request, turn in zip(first, turns, strict=True)]
            replies = [c for i in range(0, 2, most) for c in run(engine, second[i : i + most])[0]]
            for completion, earlier in zip(replies, done, strict=True):
                assert completion.usage.reused >= earlier.usage.prompt
            return [(completion.text, completion.usage.reused) for completion in replies]

    apart = conversation(APART, 2)
    assert conversation(STACKED, 2) == apart
    assert conversation(STACKED, 1) == apart, "a single adapter runs apart, and goes on from a stack's cells"


def test_stopping_and_closing_early_leave_the_engine_usable(qwen2: Subject, stacked: LlamaEngine) -> None:
    requests = [ask(adapter=ref, tokens=40) for ref in qwen2.refs]
    whole = texts(stacked, requests)
    polls = iter(range(10_000))
    stopped, _ = run(stacked, requests, should_stop=lambda: next(polls) > 12)
    assert {completion.finish for completion in stopped} == {"cancelled"}
    events = stacked.generate(requests)
    for event in events:
        if isinstance(event, TextDelta):
            break
    events.close()
    assert texts(stacked, requests) == whole


def test_option_probabilities_and_single_adapters_do_not_change(qwen2: Subject, stacked: LlamaEngine) -> None:
    questions = [letters(adapter=ref) for ref in qwen2.refs]
    before = [answer.mass for answer in stacked.distribution(questions)]
    run(stacked, [ask(adapter=ref, tokens=3) for ref in qwen2.refs])
    after_stack = [answer.mass for answer in stacked.distribution(questions)]
    assert np.allclose(before, after_stack, atol=TINY_TOLERANCE)


def test_another_set_of_adapters_gets_a_stack_of_its_own(qwen2: Subject, stacked: LlamaEngine) -> None:
    first = [ask(adapter=ref, tokens=4) for ref in qwen2.refs[:3]]
    own = texts(stacked, first)
    assert texts(stacked, first[1:]) == own[1:]
    assert stacked.stats.stack_loads == 1, "a subset runs on the open stack"
    texts(stacked, [ask(adapter=ref, tokens=4) for ref in qwen2.refs[2:]])
    assert texts(stacked, first) == own
    assert stacked.stats.stack_loads == 3


def test_more_adapters_than_sequences_are_checked_and_run(qwen2: Subject, tmp_path: Path) -> None:
    refs = [replace(qwen2.refs[i % 4], scale=1.0 + i / 40) for i in range(20)]
    requests = [ask(adapter=ref, tokens=4) for ref in refs]
    with LlamaEngine(qwen2.path, name="tiny", options=STACKED) as engine:
        ours = texts(engine, requests)
        assert engine.stats.stacked == 20
    with LlamaEngine(qwen2.path, name="tiny", options=APART) as engine:
        assert texts(engine, requests) == ours


def test_an_adapter_that_does_nothing_is_refused(
    qwen2: Subject, stacked: LlamaEngine, tmp_path: Path
) -> None:
    file = write_lora(tmp_path / "zero.gguf", base_header=read_header(qwen2.path), zero=True)
    requests = [ask(adapter=ref) for ref in (*qwen2.refs, AdapterRef(file, sha256_of(file)))]
    with pytest.raises(Refused, match="does not change"):
        next(stacked.generate(requests))
    assert texts(stacked, [ask(adapter=ref, tokens=3) for ref in qwen2.refs])


class Elsewhere(Mask):
    """A mask for a library that computes LoRAs in another way."""

    def _problem(self, *_: object) -> str:
        return "nodes of their own places"


def test_a_library_that_computes_otherwise_runs_them_apart(
    qwen2: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [ask(adapter=ref, tokens=8) for ref in qwen2.refs]
    with LlamaEngine(qwen2.path, name="tiny", options=APART) as engine:
        apart = texts(engine, requests)
    monkeypatch.setattr("pluralism_local.engine.stacking.stacks.Mask", Elsewhere)
    with LlamaEngine(qwen2.path, name="tiny", options=STACKED) as engine:
        assert texts(engine, requests) == apart
        assert (engine.stats.stacked, engine.stats.apart) == (0, 4)
        assert engine.stats.way.startswith("apart (llama.cpp computes stacked adapters in another way")
        assert "nodes of their own places" in engine.stats.apart_because
        run(engine, requests)
        assert engine.stats.stack_loads == 1, "not tried again"


def test_a_graph_that_masks_too_little_is_an_error(qwen2: Subject) -> None:
    """As when llama.cpp leaves a target out, or never asks."""
    install_log()
    with Model(qwen2.path) as model:
        stack = Stacks(model, read_header(qwen2.path)).open(dict(enumerate(qwen2.scaled, start=1)))
        assert stack is not None
        mask = Mask(stack.blocks, stack.layout.rank, len(stack.layout.targets) + 1, 128)
        with Context(model, cells=256, sequences=2, threads=1, hook=mask) as context:
            context.set_adapter(stack.adapter)
            with pytest.raises(EngineFailure, match="targets were masked"):
                context.decode([Row(5, 0, [0], True, 1)])
        stack.adapter.close()


def test_where_other_devices_compute_they_run_apart(qwen2: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "runs_on_cpu_alone", lambda: False)
    with LlamaEngine(qwen2.path, name="tiny", options=replace(STACKED, together="auto")) as engine:
        run(engine, [ask(adapter=ref, tokens=3) for ref in qwen2.refs])
        assert (engine.stats.together, engine.stats.stacked) == ("apart", 0)
        assert "other devices" in engine.stats.apart_because


def test_a_large_stack_is_refused_by_its_layout(qwen2: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pluralism_local.engine.stacking.stack_file.ALWAYS_FINE", 0)
    assert "together the adapters take" in str(lay_out(read_header(qwen2.path), qwen2.scaled))


def test_numbers_that_cannot_be_stacked_are_refused(qwen2: Subject, tmp_path: Path) -> None:
    header = read_header(qwen2.path)
    files = [write_lora(tmp_path / f"h{i}.gguf", base_header=header, scale=100.0 * i) for i in (1, 2)]
    adapters = [ScaledAdapter(read_header(file), 1e4) for file in files]
    layout = lay_out(header, adapters)
    assert not isinstance(layout, str)
    assert layout.half
    with pytest.raises(InvalidInput, match="cannot be stacked"):
        write_stack(tmp_path / "out.gguf", "qwen2", adapters, layout)


def test_a_started_text_says_what_was_not_decoded(qwen2: Subject, stacked: LlamaEngine) -> None:
    refs = with_header(qwen2, stacked.answer_header())
    _, events = run(stacked, [ask(adapter=ref, tokens=2) for ref in refs])
    started = [event for event in events if isinstance(event, TextStarted)]
    assert len(started) == len(refs)
    assert all(event.reused_tokens > 0 for event in started)


def test_contexts_that_do_not_work_are_freed(qwen2: Subject) -> None:
    def open_contexts(engine: LlamaEngine) -> list[bool]:
        return [lane._context is not None for lane in engine._runner._lanes]

    requests = [ask(adapter=ref, tokens=3) for ref in qwen2.refs]
    with LlamaEngine(qwen2.path, name="tiny", options=replace(APART, lanes=2)) as engine:
        apart = texts(engine, requests)
        assert open_contexts(engine) == [True, True]
        alone = texts(engine, requests[:1])
        assert open_contexts(engine) == [True, False], "one lane was enough"
        assert texts(engine, requests) == apart and alone == apart[:1]
    with LlamaEngine(qwen2.path, name="tiny", options=STACKED) as engine:
        events = engine.generate(requests)
        next(event for event in events if isinstance(event, TextDelta))
        assert not any(open_contexts(engine)), "a stack runs on lanes of its own"
        events.close()
