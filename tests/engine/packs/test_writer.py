"""Packs against llama.cpp's own adapters, on the starter model in F16 (activations are then not quantized)."""

from __future__ import annotations

import math
import resource
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pluralism_local.bench.seeded import write_lora
from pluralism_local.engine.handles import Adapter, Context, Model, install_log
from pluralism_local.engine.packs.writer import PackAdapter, PackPlan, plan_pack, write_pack
from pluralism_local.engine.plan import encode, prefill_rows
from pluralism_local.errors import InvalidInput
from pluralism_local.gguf_header import GGUFHeader
from pluralism_local.models.gguf_file import read_header
from tests.support.pack_plans import START, planned
from tests.support.starter import ASSISTANT_HEADER

PROMPT = "<|im_start|>user\nShould phones be banned in schools? Say what you think and why.<|im_end|>\n"
ANSWER = "I think that"
TOLERANCE = 2e-3
"""Largest difference of next-token probabilities that rounding may make in F16: the pack adds an adapter's update in
another order, and other batches. Seen: below 6e-4."""

Probabilities = npt.NDArray[np.float64]


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


def tensor_bytes(header: GGUFHeader) -> dict[str, bytes]:
    content = header.path.read_bytes()
    starts = {tensor.name: header.data_offset + tensor.offset for tensor in header.tensors}
    return {
        tensor.name: content[starts[tensor.name] : starts[tensor.name] + (tensor.nbytes or 0)]
        for tensor in header.tensors
    }


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
