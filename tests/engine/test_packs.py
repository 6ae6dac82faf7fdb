"""Packs against llama.cpp's own adapters, on the starter model in F16 (activations are then not quantized)."""

from __future__ import annotations

import math
import resource
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import numpy.typing as npt
import pytest

from pluralism_local.bench.seeded import write_lora
from pluralism_local.engine.handles import Adapter, Context, Model, install_log
from pluralism_local.engine.pack_rules import spare_tokens
from pluralism_local.engine.packs import PackAdapter, PackPlan, plan_pack, write_pack
from pluralism_local.engine.plan import encode, prefill_rows
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.gguf_file import GGUFHeader, Tensor, read_header
from tests.engine.conftest import ASSISTANT_HEADER
from tests.gguf_util import write_model

START = ASSISTANT_HEADER[0]
PROMPT = "<|im_start|>user\nShould phones be banned in schools? Say what you think and why.<|im_end|>\n"
ANSWER = "I think that"
TOLERANCE = 2e-3
"""Largest difference of next-token probabilities that rounding may make in F16: the pack adds an adapter's update in
another order, and other batches. Seen: below 6e-4."""

Probabilities = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def starter(starter_path: Path) -> GGUFHeader:
    return read_header(starter_path)


@pytest.fixture(scope="module")
def two(starter: GGUFHeader, tmp_path_factory: pytest.TempPathFactory) -> list[PackAdapter]:
    """Two small activated adapters for the starter model."""
    folder = tmp_path_factory.mktemp("two")
    return [
        PackAdapter(
            write_lora(
                folder / f"{seed}.gguf",
                base_header=starter,
                seed=seed,
                rank=2,
                invocation_tokens=ASSISTANT_HEADER,
            ),
            1.0,
        )
        for seed in (1, 2)
    ]


@dataclass
class Loaded:
    """The base and its pack in llama.cpp, each with a context of 8 sequences."""

    base: Context
    pack: Context
    adapters: list[PackAdapter]
    plan: PackPlan
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]  # the invocation and the begin of an answer


@pytest.fixture(scope="module")
def loaded(f16_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """Five adapters that differ in all that adapters may differ in; the last is like the first."""
    folder = tmp_path_factory.mktemp("pack")
    header = read_header(f16_path)
    kinds: list[tuple[float, dict[str, Any]]] = [
        (1.0, {"scale": 0.05}),
        (0.5, {"rank": 4, "targets": ("attn_q", "attn_v"), "scale": 0.2, "dtype": np.float32}),
        (-1.0, {"rank": 12, "alpha": 24.0, "layers": range(10, 20)}),
        (1.5, {"rank": 3, "alpha": 0.0, "targets": ("attn_k", "attn_output", "ffn_down"), "scale": 0.1}),
        (1.0, {"scale": 0.05}),
    ]
    adapters = [
        PackAdapter(
            write_lora(
                folder / f"{seed}.gguf",
                base_header=header,
                seed=seed,
                invocation_tokens=ASSISTANT_HEADER,
                **kind,
            ),
            scale,
        )
        for seed, (scale, kind) in enumerate(kinds)
    ]
    plan = plan_pack(header, adapters, START)
    assert isinstance(plan, PackPlan), plan
    pack_path = folder / "pack.gguf"
    write_pack(pack_path, header, adapters, plan, START)
    install_log()
    with Model(f16_path) as base_model, Model(pack_path) as pack_model:
        assert pack_model.vocabulary_size == base_model.vocabulary_size
        assert pack_model.chat_template() == base_model.chat_template()
        assert not set(plan.control_tokens) & set(pack_model.end_tokens())
        prefix = base_model.tokenize(PROMPT, add_special=True, parse_special=True)
        answer = base_model.tokenize(ANSWER, add_special=False, parse_special=False)
        suffix = ASSISTANT_HEADER + answer
        assert pack_model.tokenize(PROMPT, add_special=True, parse_special=True) == prefix
        with (
            Context(base_model, cells=512, sequences=8, threads=1) as base,
            Context(pack_model, cells=512, sequences=8, threads=1) as pack,
        ):
            yield Loaded(base, pack, adapters, plan, prefix, suffix)
    pack_path.unlink()


def probabilities(
    context: Context, paths: Mapping[int, Sequence[int]], ready: int = 0
) -> dict[int, Probabilities]:
    """Decode each sequence's path, of which `ready` tokens are in place; what follows its last token."""
    codes = {sequence: encode(path) for sequence, path in paths.items()}
    rows = prefill_rows(codes, {sequence: (sequence, ready) for sequence in paths} if ready else {})
    assert context.decode(rows)
    found = {}
    for number, row in enumerate(rows):
        if row.output:
            logits = context.logits(number).astype(np.float64)
            weights = np.exp(logits - logits.max())
            found.update(dict.fromkeys(row.sequences, weights / weights.sum()))
    assert found.keys() == paths.keys()
    return found


def plain(loaded: Loaded, which: int | None) -> Probabilities:
    """The truth: the prefix by the base, then the adapter (None: still the base)."""
    context = loaded.base
    context.forget()
    context.set_adapter(None)
    probabilities(context, {0: loaded.prefix})
    if which is None:
        return probabilities(context, {0: loaded.prefix + loaded.suffix}, ready=len(loaded.prefix))[0]
    with Adapter(context.model, loaded.adapters[which].path) as adapter:
        context.set_adapter(adapter, loaded.adapters[which].scale)
        found = probabilities(context, {0: loaded.prefix + loaded.suffix}, ready=len(loaded.prefix))[0]
        context.set_adapter(None)
    return found


def packed_path(loaded: Loaded, which: int | None) -> tuple[int, ...]:
    if which is None:
        return loaded.prefix + loaded.suffix
    return (*loaded.prefix, loaded.plan.control_tokens[which], *loaded.suffix[1:])


def packed(loaded: Loaded, which: int | None) -> Probabilities:
    loaded.pack.forget()
    return probabilities(loaded.pack, {0: packed_path(loaded, which)})[0]


def apart(left: Probabilities, right: Probabilities) -> float:
    return float(np.abs(left - right).max())


def test_slot_0_is_the_base(loaded: Loaded) -> None:
    assert apart(packed(loaded, None), plain(loaded, None)) < 1e-5  # seen: 0


@pytest.mark.parametrize("which", range(5))
def test_a_slot_is_its_adapter_from_the_first_invocation_token_on(loaded: Loaded, which: int) -> None:
    slot, truth = packed(loaded, which), plain(loaded, which)

    assert apart(slot, truth) < TOLERANCE
    assert apart(slot, plain(loaded, None)) > 10 * TOLERANCE  # else nothing would be shown


def test_slots_do_not_mix_in_one_batch(loaded: Loaded) -> None:
    slots = (3, None, 0, 4, 1, 2)
    paths = {sequence: packed_path(loaded, which) for sequence, which in enumerate(slots)}
    loaded.pack.forget()

    probabilities(loaded.pack, {sequence: path[:-1] for sequence, path in paths.items()})
    stepped = probabilities(loaded.pack, paths, ready=len(paths[0]) - 1)  # one row of each

    for sequence, which in enumerate(slots):
        assert apart(stepped[sequence], packed(loaded, which)) < TOLERANCE


def test_the_pack_holds_the_bases_bytes_and_metadata(
    starter: GGUFHeader, two: list[PackAdapter], tmp_path: Path
) -> None:
    plan = planned(starter, two)
    out = tmp_path / "new" / "pack.gguf"
    write_pack(out, starter, two, plan, START)
    pack = read_header(out)

    assert pack.file_bytes == pytest.approx(plan.size_bytes, rel=0.001)
    assert list(out.parent.iterdir()) == [out]
    added = {
        "graniteswitch.logit_scale": 1.0,
        "graniteswitch.adapters.router_gain": 15.0,
        "graniteswitch.adapters.count": 2,
        "graniteswitch.adapters.lora_rank": 2,
        "graniteswitch.adapters.token_ids_activate": list(plan.control_tokens),
        "graniteswitch.adapters.token_ids_substitute": [START, START],
    }
    renamed = {key.replace("llama.", "graniteswitch."): key for key in starter.metadata}
    assert pack.metadata == {
        **{new: starter.metadata[old] for new, old in renamed.items()},
        "general.architecture": "graniteswitch",
        **added,
    }
    assert {new: pack.kinds[new] for new in renamed} == {
        new: starter.kinds[old] for new, old in renamed.items()
    }
    base_bytes, pack_bytes = tensor_bytes(starter), tensor_bytes(pack)
    for name, data in base_bytes.items():
        layer, _, part = name.removesuffix(".weight").rpartition(".")
        if part == "attn_q":
            rows = b"".join(base_bytes[f"{layer}.attn_{which}.weight"] for which in "qkv")
            assert pack_bytes[f"{layer}.attn_qkv.weight"] == rows
        elif part not in ("attn_k", "attn_v"):
            assert pack_bytes[name] == data


def test_adapters_are_stacked_with_every_factor_in_b(starter: GGUFHeader, tmp_path: Path) -> None:
    """Against alpha/rank · scale by hand: 8/2 · 0.5 = 2, and 3/1 · -1 = -3."""
    target = "blk.0.ffn_up"
    common: dict[str, Any] = {"base_header": starter, "targets": ("ffn_up",), "layers": (0,)}
    adapters = [
        PackAdapter(write_lora(tmp_path / "a.gguf", rank=2, alpha=8.0, seed=1, **common), 0.5),
        PackAdapter(
            write_lora(tmp_path / "b.gguf", rank=1, alpha=3.0, seed=2, dtype=np.float32, **common), -1.0
        ),
    ]
    write_pack(tmp_path / "pack.gguf", starter, adapters, planned(starter, adapters), START)

    pack = tensor_bytes(read_header(tmp_path / "pack.gguf"))
    a = np.frombuffer(pack[f"{target}.lora_a"], np.float16).reshape(3, 2, 576)
    b = np.frombuffer(pack[f"{target}.lora_b"], np.float16).reshape(3, 1536, 2)
    assert not a[0].any()
    assert not b[0].any()
    stored: list[tuple[int, int, float, type[np.floating[Any]]]] = [
        (1, 2, 2.0, np.float16),
        (2, 1, -3.0, np.float32),
    ]
    for slot, rank, factor, dtype in stored:
        own = tensor_bytes(read_header(adapters[slot - 1].path))
        own_a = np.frombuffer(own[f"{target}.weight.lora_a"], dtype).reshape(rank, 576)
        own_b = np.frombuffer(own[f"{target}.weight.lora_b"], dtype).reshape(1536, rank)
        np.testing.assert_array_equal(a[slot, :rank], own_a.astype(np.float16))
        np.testing.assert_allclose(
            b[slot, :, :rank].astype(np.float64), own_b.astype(np.float64) * factor, rtol=1e-3, atol=1e-7
        )
        assert not a[slot, rank:].any()
        assert not b[slot, :, rank:].any()
    others = [pack[name] for name in pack if ".lora_" in name and not name.startswith(f"{target}.lora")]
    assert len(others) == 2 * (7 * 30 - 1)
    assert not any(data.strip(b"\0") for data in others)


def planned(base: GGUFHeader, adapters: Sequence[PackAdapter]) -> PackPlan:
    plan = plan_pack(base, adapters, START)
    assert isinstance(plan, PackPlan), plan
    return plan


def tensor_bytes(header: GGUFHeader) -> dict[str, bytes]:
    content = header.path.read_bytes()
    starts = {tensor.name: header.data_offset + tensor.offset for tensor in header.tensors}
    return {
        tensor.name: content[starts[tensor.name] : starts[tensor.name] + (tensor.nbytes or 0)]
        for tensor in header.tensors
    }


def with_settings(base: GGUFHeader, **changes: Any) -> GGUFHeader:
    renamed = {key.replace("__", "."): value for key, value in changes.items()}
    return replace(base, metadata={**base.metadata, **renamed})


def with_tensor(base: GGUFHeader, name: str, *shape: int) -> GGUFHeader:
    return replace(base, tensors=(*base.tensors, Tensor(name, shape, 0, 0)))


def retyped(base: GGUFHeader, name: str, kind: int) -> GGUFHeader:
    tensors = tuple(replace(t, type=kind) if t.name == name else t for t in base.tensors)
    return replace(base, tensors=tensors)


BAD_BASES: dict[str, tuple[Callable[[GGUFHeader], GGUFHeader], str]] = {
    "family": (lambda b: with_settings(b, general__architecture="qwen2"), "architecture is 'qwen2'"),
    "parts": (lambda b: with_settings(b, split__count=3), "split into several files"),
    "window": (lambda b: with_settings(b, llama__attention__sliding_window=4096), "sliding window"),
    "experts by key": (lambda b: with_settings(b, llama__expert_count=8), "mixture of experts"),
    "unknown setting": (lambda b: with_settings(b, llama__attention__causal=False), "llama.attention.causal"),
    "heads by layer": (
        lambda b: with_settings(b, llama__attention__head_count=[9, 9]),
        "llama.attention.head_count is not one number",
    ),
    "part of a head turned": (
        lambda b: with_settings(b, llama__rope__dimension_count=32),
        "64 dimensions, but llama.rope.dimension_count is 32",
    ),
    "other value heads": (
        lambda b: with_settings(b, llama__attention__value_length=128),
        "llama.attention.value_length is 128",
    ),
    "absurd depth": (lambda b: with_settings(b, llama__block_count=1 << 60), "fewer tensors than layers"),
    "no token types": (lambda b: with_settings(b, tokenizer__ggml__token_type=[]), "which tokens are special"),
    "rope factors": (lambda b: with_tensor(b, "rope_freqs.weight", 32), "rope_freqs.weight"),
    "bias": (lambda b: with_tensor(b, "blk.0.attn_q.bias", 576), "biases (blk.0.attn_q.bias)"),
    "norm": (lambda b: with_tensor(b, "blk.0.attn_q_norm.weight", 64), "normalizes queries and keys"),
    "experts": (lambda b: with_tensor(b, "blk.0.ffn_up_exps.weight", 576, 1536, 8), "mixture of experts"),
    "unknown tensor": (lambda b: with_tensor(b, "strange", 3), "strange"),
    "lacking": (lambda b: replace(b, tensors=b.tensors[:-1]), "lacks the tensor"),
    "shape": (lambda b: with_settings(b, llama__feed_forward_length=1024), "has the shape"),
    "mixed": (
        lambda b: retyped(b, "blk.7.attn_v.weight", 14),
        "layer 7 have different quantizations (Q4_1, Q4_1, Q6_K)",
    ),
    "type": (lambda b: retyped(b, "blk.7.ffn_up.weight", 99), "type unknown"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD_BASES)
def test_bases_that_a_pack_cannot_express_are_refused(
    starter: GGUFHeader, two: list[PackAdapter], bad: str
) -> None:
    change, words = BAD_BASES[bad]
    reason = plan_pack(change(starter), two, START)

    assert isinstance(reason, str)
    assert words in reason
    assert isinstance(plan_pack(starter, two, START), PackPlan)


def test_an_incomplete_model_is_refused(two: list[PackAdapter], tmp_path: Path) -> None:
    reason = plan_pack(read_header(write_model(tmp_path / "tiny.gguf")), two, START)

    assert reason == "its setting llama.feed_forward_length is not one number"


def test_harmless_settings_are_no_obstacle(starter: GGUFHeader, two: list[PackAdapter]) -> None:
    changed = with_settings(
        starter, llama__expert_count=0, llama__rope__scaling__finetuned=False, tokenizer__ggml__x=[]
    )
    assert planned(changed, two) == planned(starter, two)


def test_too_few_spare_tokens_are_refused(starter: GGUFHeader, two: list[PackAdapter]) -> None:
    kinds = [1] * 49152
    kinds[1] = kinds[8] = 3

    reason = plan_pack(with_settings(starter, tokenizer__ggml__token_type=kinds), two, START)

    assert reason == "its vocabulary has 1 unused special tokens, and 2 adapters need one each"


def adapter_with(path: Path, tensors: Mapping[str, tuple[int, ...]], **metadata: str) -> PackAdapter:
    """An adapter of F16 zeros with tensors of these (rows, columns)."""
    writer = gguf.GGUFWriter(path, metadata.pop("architecture", "llama"))
    writer.add_string("adapter.type", metadata.pop("kind", "lora"))
    writer.add_float32("adapter.lora.alpha", 1.0)
    for name, shape in tensors.items():
        writer.add_tensor(name, np.zeros(shape, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return PackAdapter(path, 1.0)


UP = "blk.0.ffn_up.weight"
GOOD = {f"{UP}.lora_a": (2, 576), f"{UP}.lora_b": (1536, 2)}


@pytest.mark.parametrize(
    ("tensors", "metadata", "words"),
    [
        (GOOD, {"architecture": "qwen2"}, "not a LoRA adapter for 'llama'"),
        (GOOD, {"kind": "lokr"}, "not a LoRA adapter for 'llama'"),
        ({}, {}, "has no matrices"),
        (
            {"token_embd.weight.lora_a": (2, 49152), "token_embd.weight.lora_b": (576, 2)},
            {},
            "changes token_embd.weight",
        ),
        ({"output.weight.lora_a": (2, 576), "output.weight.lora_b": (49152, 2)}, {}, "changes output.weight"),
        ({"blk.30.ffn_up.weight.lora_a": (2, 576)}, {}, "changes blk.30.ffn_up.weight"),
        ({"odd": (2, 2)}, {}, "changes odd"),
        ({f"{UP}.lora_a": (2, 576)}, {}, "no pair"),
        ({**GOOD, f"{UP}.magnitude": (1536,)}, {}, "no pair"),
        ({**GOOD, f"{UP}.lora_b": (1536, 3)}, {}, "do not fit"),
        ({**GOOD, f"{UP}.lora_a": (2, 577)}, {}, "do not fit"),
    ],
)
def test_adapters_without_a_place_in_the_pack_are_refused(
    starter: GGUFHeader,
    two: list[PackAdapter],
    tmp_path: Path,
    tensors: dict[str, tuple[int, ...]],
    metadata: dict[str, str],
    words: str,
) -> None:
    assert planned(starter, [*two, adapter_with(tmp_path / "good.gguf", GOOD)]).rank == 2

    reason = plan_pack(starter, [*two, adapter_with(tmp_path / "bad.gguf", tensors, **metadata)], START)

    assert isinstance(reason, str)
    assert "bad.gguf" in reason
    assert words in reason


def test_the_invocation_must_begin_with_the_token_that_is_exchanged(
    starter: GGUFHeader, two: list[PackAdapter]
) -> None:
    assert plan_pack(starter, two, 520) == "1.gguf is switched on by token 1, not by 520"
    assert plan_pack(starter, [], START) == "there is no adapter to pack"


def test_a_missing_adapter_is_not_found(starter: GGUFHeader, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        plan_pack(starter, [PackAdapter(tmp_path / "gone.gguf", 1.0)], START)


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file can grow beyond 8 MB, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    starter: GGUFHeader, two: list[PackAdapter], tmp_path: Path
) -> None:
    out = tmp_path / "pack.gguf"
    out.write_text("the old one")

    with pytest.raises(InvalidInput, match="cannot be written") as caught:
        write_pack(out, starter, two, planned(starter, two), START)

    assert "MB: make room" in caught.value.hint
    assert list(tmp_path.iterdir()) == [out]
    assert out.read_text() == "the old one"


@pytest.mark.parametrize("scale", [math.nan, math.inf, 1e9])
def test_numbers_beyond_16_bits_are_refused_and_leave_nothing(
    starter: GGUFHeader, two: list[PackAdapter], tmp_path: Path, scale: float
) -> None:
    adapters = [two[0], replace(two[1], scale=scale)]

    with pytest.raises(InvalidInput, match=r"2\.gguf has numbers in blk\.\d+\..* that 16 bits cannot hold"):
        write_pack(tmp_path / "pack.gguf", starter, adapters, planned(starter, adapters), START)

    assert not list(tmp_path.iterdir())


def test_what_changed_after_planning_is_refused(
    starter: GGUFHeader, two: list[PackAdapter], tmp_path: Path
) -> None:
    plan = planned(starter, two)
    with pytest.raises(InvalidInput, match="changed after it was planned"):
        write_pack(tmp_path / "pack.gguf", starter, two[:1], plan, START)
    with pytest.raises(InvalidInput, match="changed while it was read"):
        grown = replace(starter, file_bytes=starter.file_bytes + 1)
        write_pack(tmp_path / "pack.gguf", grown, two, planned(grown, two), START)
    assert not list(tmp_path.iterdir())


def test_control_tokens_of_the_starter_model(starter: GGUFHeader, two: list[PackAdapter]) -> None:
    tokens = starter.metadata["tokenizer.ggml.tokens"]
    spare = spare_tokens(starter, [read_header(adapter.path) for adapter in two], START)

    assert [tokens[token] for token in spare[:3]] == ["<filename>", "<gh_stars>", "<issue_start>"]
    assert len(spare) == 11
    assert planned(starter, two).control_tokens == tuple(spare[:2])
