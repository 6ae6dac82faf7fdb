"""What a model's header must say: every fault that ended the process, and what must not be refused."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from pluralism_local.errors import InvalidInput
from pluralism_local.gguf_header import GGUFHeader, Tensor
from pluralism_local.models.check import verify
from pluralism_local.models.gguf_file import read_header
from pluralism_local.models.rules import check_model
from pluralism_local.models.store import ModelFile, details
from tests.support.tiny.model import write_tiny

TEST_MODELS = Path("~/.cache/plocal-test-models").expanduser()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> GGUFHeader:
    return read_header(write_tiny(tmp_path_factory.mktemp("rules") / "tiny.gguf"))


def changed(header: GGUFHeader, **values: Any) -> GGUFHeader:
    """With other values of keys of the architecture; None takes one out, ``__`` stands for a dot."""
    names = {f"llama.{name.replace('__', '.')}": value for name, value in values.items()}
    metadata = header.metadata | names
    return replace(header, metadata={name: value for name, value in metadata.items() if value is not None})


def as_architecture(header: GGUFHeader, name: str) -> GGUFHeader:
    """With all keys under the name of another architecture."""
    metadata = {key.replace("llama.", f"{name}."): value for key, value in header.metadata.items()}
    return replace(header, metadata=metadata | {"general.architecture": name})


def with_tensor(header: GGUFHeader, named: str, **changes: Any) -> GGUFHeader:
    """With something else about one tensor."""
    tensors = tuple(replace(t, **changes) if t.name == named else t for t in header.tensors)
    assert tensors != header.tensors
    return replace(header, tensors=tensors)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"block_count": 0}, "llama.block_count is 0; it must be 1 to 512"),
        ({"block_count": 513}, "llama.block_count is 513"),
        ({"block_count": 2**32 - 1}, "llama.block_count is 4,294,967,295"),
        ({"block_count": None}, "llama.block_count is missing"),
        ({"block_count": [2, 2]}, "llama.block_count is a list"),
        ({"block_count": 2.0}, "llama.block_count is 2.0, not a whole number"),
        ({"block_count": "2"}, "not a whole number"),
        ({"block_count": True}, "llama.block_count is True"),
        ({"block_count": 3}, "no tensors for layer 2 of 3"),
        ({"block_count": 1}, "belongs to layer 1"),
        ({"context_length": 0}, "llama.context_length is 0"),
        ({"context_length": 2**31}, "llama.context_length is 2,147,483,648"),
        ({"embedding_length": 0}, "llama.embedding_length is 0"),
        ({"embedding_length": 64}, "its token embedding has the shape"),
        ({"attention__head_count": 0}, "the model has attention"),
        ({"attention__head_count": None}, "the model has attention"),
        ({"attention__head_count": [4]}, "has 1 values for 2 layers"),
        ({"attention__head_count": 6, "attention__key_length": None}, "does not divide the embedding's 32"),
        ({"attention__head_count": 2}, "attn_q.weight' has the shape [32, 32], and the header says 2 heads of 8"),
        ({"attention__head_count_kv": 4}, "attn_k.weight' has the shape [32, 16], and the header says 4 heads of 8"),
        ({"attention__head_count_kv": 0}, "head_count_kv is 0"),
        ({"attention__head_count_kv": 3}, "head_count_kv is 3, which does not divide the 4 heads"),
        ({"attention__head_count_kv": [4, 3]}, "head_count_kv is 3, which does not divide the 4 heads"),
        ({"attention__key_length": 0}, "key_length is 0"),
        ({"attention__key_length": 16}, "key_length is 16, and the values' 8"),
        ({"attention__value_length": 16}, "key_length is 8, and the values' 16"),
        ({"rope__dimension_count": 4}, "it must be 8, as long as a head"),
        ({"rope__dimension_count": 0}, "must be even and 2 to 8"),
        ({"rope__dimension_count": 16}, "must be even and 2 to 8"),
        ({"rope__dimension_count": 7}, "must be even and 2 to 8"),
        ({"rope__scaling__type": "magic"}, "is 'magic', not one of none, linear"),
        ({"rope__freq_base": math.nan}, "rope.freq_base is no number"),
        ({"attention__layer_norm_rms_epsilon": -1e-5}, "must be a small positive number"),
        ({"attention__layer_norm_rms_epsilon": math.nan}, "is no number"),
        ({"attention__layer_norm_rms_epsilon": math.inf}, "must be a small positive number"),
        ({"attention__layer_norm_epsilon": "x"}, "must be a small positive number"),
        ({"expert_count": 2000}, "expert_count is 2,000"),
        ({"expert_count": 8}, "expert_used_count is 0 of 8 experts"),
        ({"expert_used_count": 2}, "expert_used_count is 2 of 0 experts"),
        ({"expert_count": 8, "expert_used_count": 2, "expert_group_count": 8}, "expert_group_count is 8 for 8"),
        ({"expert_count": 8, "expert_used_count": 2, "expert_group_count": 3}, "0 of 3 groups of 8 experts"),
        ({"nextn_predict_layers": 2}, "nextn_predict_layers is 2 of 2 layers"),
        ({"attention__causal": False}, "does not generate text"),
    ],
)  # fmt: skip
def test_a_header_that_would_end_the_process_is_refused(
    tiny: GGUFHeader, values: dict[str, Any], message: str
) -> None:
    check_model(tiny)
    with pytest.raises(InvalidInput) as caught:
        check_model(changed(tiny, **values))
    assert message in caught.value.message
    assert str(tiny.path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("blk.0.attn_q.weight", {"type": 26}, "stored as I32, and weights cannot be"),
        ("blk.0.attn_q.weight", {"type": 28}, "stored as F64, and weights cannot be"),
        ("token_embd.weight", {"type": 24}, "stored as I8"),
        ("blk.1.ffn_up.weight", {"type": 15}, "stored as Q8_K, which is no type for files"),
        ("blk.0.attn_norm.weight", {"type": 1}, "stored as F16, and must be F32"),
        ("output_norm.weight", {"type": 200}, "stored as type 200, and must be F32"),
        ("blk.0.attn_q.weight", {"shape": (32, 0)}, "so it is empty"),
        ("blk.0.attn_q.weight", {"name": "blk.7.attn_q.weight"}, "belongs to layer 7"),
        ("token_embd.weight", {"name": "token_emb.weight"}, "no token embedding"),
        ("token_embd.weight", {"shape": (32, 7)}, "its token embedding has the shape [32, 7]"),
    ],
)
def test_a_tensor_that_would_end_the_process_is_refused(
    tiny: GGUFHeader, name: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_model(with_tensor(tiny, name, **changes))
    assert message in caught.value.message


@pytest.mark.parametrize(
    "values",
    [
        {"attention__head_count": [4, 4], "attention__head_count_kv": [2, 1], "feed_forward_length": [64, 0]},
        {"attention__head_count_kv": [0, 2]},  # a layer without attention
        {"attention__head_count": 5, "attention__head_count_kv": 1, "attention__value_length": 8},
        {"attention__layer_norm_rms_epsilon": 0.0},
        {"expert_count": 8, "expert_used_count": 2, "expert_group_count": 4, "expert_group_used_count": 2},
        {"expert_count": 8, "expert_used_count": [2, 3]},
        {"rope__scaling__type": "yarn"},
        {"nextn_predict_layers": 1},
        {"context_length": 2**31 - 1},
    ],
)
def test_what_other_architectures_have_is_not_refused(tiny: GGUFHeader, values: dict[str, Any]) -> None:
    check_model(as_architecture(changed(tiny, **values), "lfm2"))


def test_a_model_without_attention_has_no_heads(tiny: GGUFHeader) -> None:
    tensors = tuple(
        replace(tensor, name=tensor.name.replace("attn_q", "ssm_in").replace("attn_k", "ssm_out"))
        for tensor in tiny.tensors
    )
    check_model(replace(changed(tiny, attention__head_count=0, feed_forward_length=0), tensors=tensors))


def test_heads_may_differ_where_the_architecture_has_it_so(tiny: GGUFHeader) -> None:
    """Keys of 192 of which 64 are rotated, and values of 128: DeepSeek's latent attention."""
    lengths = {"attention__key_length": 192, "attention__value_length": 128, "rope__dimension_count": 64}
    check_model(as_architecture(changed(tiny, **lengths), "deepseek2"))


def test_tensors_of_indices_may_be_whole_numbers(tiny: GGUFHeader) -> None:
    check_model(replace(tiny, tensors=(*tiny.tensors, Tensor("blk.0.ffn_gate_tid2eid.weight", (8,), 26, 0))))


def test_models_that_read_only_are_named_as_such(tiny: GGUFHeader) -> None:
    for architecture in ("bert", "nomic-bert", "t5", "clip"):
        other = replace(tiny, metadata=tiny.metadata | {"general.architecture": architecture})
        with pytest.raises(InvalidInput, match="does not generate text"):
            check_model(other)


def test_every_way_to_a_model_checks_it(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(0)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_head_count(4)
    writer.add_tensor("a", np.zeros(32, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    from pluralism_local.engine.llama import LlamaEngine

    with pytest.raises(InvalidInput, match="block_count is 0"):
        verify(path, lambda _: None, lambda: False)
    with pytest.raises(InvalidInput, match="block_count is 0"):
        details(ModelFile("x", path, "path"))
    with pytest.raises(InvalidInput, match="block_count is 0"):
        LlamaEngine(path, name="x")


def test_real_models_are_sound(starter_path: Path) -> None:
    check_model(read_header(starter_path))


@pytest.mark.skipif(not TEST_MODELS.is_dir(), reason="models of other families are not here")
def test_models_of_other_families_are_sound() -> None:
    files = sorted(TEST_MODELS.glob("*.gguf"))
    assert files
    for file in files:
        check_model(read_header(file))
