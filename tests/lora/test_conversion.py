"""The exported file against the trained weights: update by update, and everything unsupported refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFReader
from safetensors.numpy import load_file, save_file

from pluralism_local.communities.adapter_file import check_adapter
from pluralism_local.errors import InvalidInput, NotFound, PlocalError, Refused
from pluralism_local.lora import CONFIG, PICKLED, WEIGHTS, BaseShape, read_config, read_lora, write_lora_gguf
from pluralism_local.models.gguf_file import read_header, sha256_of

torch = pytest.importorskip("torch")

SIZES = {
    "vocab_size": 64,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 12,
}
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
NAMES = {
    "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
    "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down",
}  # fmt: skip


def save(folder: Path, family: str, **lora: Any) -> tuple[Any, BaseShape]:
    """A random base of `family` with a LoRA that does something, saved by PEFT; (PeftModel, base's sizes)."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(1)
    config = AutoConfig.for_model(family, **SIZES)
    settings = {"r": 4, "lora_alpha": 12, "target_modules": TARGETS, "task_type": "CAUSAL_LM", **lora}
    model = get_peft_model(AutoModelForCausalLM.from_config(config), LoraConfig(**settings))
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.copy_(torch.randn_like(weights))
    model.save_pretrained(folder, save_embedding_layers=False)
    return model, BaseShape.of_config(model.get_base_model().config.to_dict())


def interleave(rows: Any, heads: int) -> Any:
    """Rows of a matrix as llama.cpp's converter orders them for Llama, written out row by row."""
    half = rows.shape[0] // heads // 2
    order = [
        head * 2 * half + part * half + i for head in range(heads) for i in range(half) for part in (0, 1)
    ]
    return rows[order]


@pytest.mark.parametrize(
    ("family", "lora"),
    [
        ("llama", {}),
        ("mistral", {"use_rslora": True}),
        ("qwen2", {"rank_pattern": {"q_proj": 2, "layers.1.mlp.down_proj": 3}}),
        ("qwen3", {"alpha_pattern": {"v_proj": 5, "layers.0.self_attn.k_proj": 1}}),
        ("gemma", {}),
        ("gemma2", {"use_rslora": True, "alpha_pattern": {"o_proj": 7}, "rank_pattern": {"o_proj": 2}}),
        ("gemma3_text", {}),
        ("llama", {"rank_pattern": {"k_proj": 2}, "alpha_pattern": {"k_proj": 3}, "use_rslora": True}),
    ],
)
def test_each_update_is_what_peft_adds(tmp_path: Path, family: str, lora: dict[str, Any]) -> None:
    model, shape = save(tmp_path, family, **lora)
    write_lora_gguf(read_lora(tmp_path, shape), tmp_path / "a.gguf")
    reader = GGUFReader(tmp_path / "a.gguf")
    tensors = {tensor.name: np.asarray(tensor.data, dtype=np.float64) for tensor in reader.tensors}
    alpha = float(reader.fields["adapter.lora.alpha"].contents())
    assert len(tensors) == 2 * 2 * len(TARGETS)
    assert {data.shape[0] for name, data in tensors.items() if name.endswith("lora_a")} == {4}
    for layer in range(2):
        block = model.get_base_model().model.layers[layer]
        for target in TARGETS:
            module = getattr(
                block.mlp if target in ("gate_proj", "up_proj", "down_proj") else block.self_attn, target
            )
            expected = module.get_delta_weight("default").detach().double().numpy()
            if family in ("llama", "mistral") and target in ("q_proj", "k_proj"):
                expected = interleave(expected, 4 if target == "q_proj" else 2)
            name = f"blk.{layer}.{NAMES[target]}.weight"
            a, b = tensors[f"{name}.lora_a"], tensors[f"{name}.lora_b"]
            update = b @ a * (alpha / a.shape[0])  # as llama.cpp applies it
            np.testing.assert_allclose(update, expected, atol=4e-3 * np.abs(expected).max())


def test_the_header_says_what_it_is(tmp_path: Path) -> None:
    _, shape = save(tmp_path, "llama", alora_invocation_tokens=[1, 520, 9531, 198], use_rslora=True)
    lora = read_lora(tmp_path, shape)
    path = tmp_path / "a.gguf"
    info = write_lora_gguf(lora, path)
    header = read_header(path)
    assert header.text("general.architecture") == "llama"
    assert (header.text("general.type"), header.text("adapter.type")) == ("adapter", "lora")
    assert header.metadata["adapter.lora.alpha"] == pytest.approx(12 * 4**0.5)
    assert header.metadata["adapter.alora.invocation_tokens"] == [1, 520, 9531, 198]
    assert header.kinds["adapter.alora.invocation_tokens"] == (9, 4)  # an array of UINT32
    assert (info.rank, info.alpha, info.tensors, info.invocation) == (4, 24.0, 28, (1, 520, 9531, 198))
    assert (info.bytes, info.sha256) == (path.stat().st_size, sha256_of(path))


def test_ranks_of_a_pattern_become_one_that_a_card_can_say(tmp_path: Path) -> None:
    _, shape = save(tmp_path, "qwen2", rank_pattern={"q_proj": 2, "k_proj": 6}, use_rslora=True)
    path = tmp_path / "a.gguf"
    info = write_lora_gguf(read_lora(tmp_path, shape), path)
    assert info.rank == 6
    check_adapter(path, sha256=info.sha256, rank=6, alpha=info.alpha, activation="always")


def test_weights_in_bf16_are_read(tmp_path: Path) -> None:
    model, shape = save(tmp_path, "llama")
    plain = read_lora(tmp_path, shape).pairs
    model.to(torch.bfloat16).save_pretrained(tmp_path, save_embedding_layers=False)
    for name, (a, b) in read_lora(tmp_path, shape).pairs.items():
        np.testing.assert_allclose(a, plain[name][0], rtol=2**-8)
        np.testing.assert_allclose(b, plain[name][1], rtol=2**-8)


def change(folder: Path, **keys: Any) -> None:
    path = folder / CONFIG
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


@pytest.mark.parametrize(
    ("keys", "named"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"use_qalora": True}, "QALoRA"),
        ({"bias": "all"}, "trained biases"),
        ({"lora_bias": True}, "biases of the LoRA"),
        ({"modules_to_save": ["lm_head"]}, "fully trained modules"),
        ({"trainable_token_indices": [1]}, "trained tokens"),
        ({"fan_in_fan_out": True}, "transposed layers"),
        ({"layer_replication": [[0, 2]]}, "repeated layers"),
        ({"peft_type": "IA3"}, "of the type IA3"),
        ({"use_bdlora": {"x": 1}}, "block-diagonal"),
        ({"kasa_config": {"x": 1}}, "KaSA"),
        ({"init_lora_weights": "pissa_niter_4"}, "a changed base"),
        ({"init_lora_weights": "loftq"}, "a changed base"),
        ({"r": 9}, "has rank 4"),
        ({"r": None}, "the rank r=None"),
        ({"lora_alpha": 0}, "lora_alpha=0"),
        ({"lora_alpha": 10**400}, "lora_alpha=1000"),
        ({"r": 10**400}, "the rank r=1000"),
        ({"alpha_pattern": ["q_proj"]}, "the patterns"),
        ({"alpha_pattern": {"q_proj": 10**400}}, "the pattern 'q_proj'"),
        ({"alora_invocation_tokens": 5}, "alora_invocation_tokens=5"),
        ({"alora_invocation_tokens": [1, "x"]}, "alora_invocation_tokens"),
        ({"alora_invocation_tokens": [-1]}, "alora_invocation_tokens"),
    ],
)
def test_what_has_no_form_is_refused_by_name(tmp_path: Path, keys: dict[str, Any], named: str) -> None:
    _, shape = save(tmp_path, "llama")
    change(tmp_path, **keys)
    with pytest.raises(InvalidInput, match=named):
        read_lora(tmp_path, shape)


def test_layers_that_cannot_be_exported(tmp_path: Path) -> None:
    _, shape = save(tmp_path / "head", "llama", target_modules=["q_proj", "lm_head"])
    with pytest.raises(InvalidInput, match="'lm_head' cannot be exported"):
        read_lora(tmp_path / "head", shape)
    _, shape = save(tmp_path / "embed", "llama", target_modules=["q_proj", "embed_tokens"])
    with pytest.raises(InvalidInput):
        read_lora(tmp_path / "embed", shape)
    save(tmp_path / "whole", "llama")
    with pytest.raises(InvalidInput, match=r"A LoRA on layer 1 .* this one has 1, from 0 on"):
        read_lora(tmp_path / "whole", replace(shape, layers=1))
    with pytest.raises(InvalidInput, match=r"48 inputs and 48 outputs, this base has 48 and 24|24 and 48"):
        read_lora(tmp_path / "whole", replace(shape, heads=2))
    with pytest.raises(InvalidInput, match="family 'gpt_neox'"):
        BaseShape.of_config({"model_type": "gpt_neox"})


def test_weights_that_cannot_be_used(tmp_path: Path) -> None:
    _, shape = save(tmp_path, "llama")
    weights = load_file(tmp_path / WEIGHTS)

    def refusal(kind: type[PlocalError], match: str, **changed: Any) -> None:
        save_file(weights | changed, tmp_path / WEIGHTS)
        with pytest.raises(kind, match=match):
            read_lora(tmp_path, shape)

    first = next(name for name in weights if "lora_B" in name)
    refusal(Refused, "not numbers", **{first: weights[first] * np.float32("nan")})
    refusal(Refused, "more than F16 can", **{first: weights[first] * np.float32(1e6)})
    refusal(InvalidInput, "has no form in GGUF", extra=np.zeros(3, np.float32))
    zero = {name: np.zeros_like(tensor) for name, tensor in weights.items() if "lora_B" in name}
    refusal(Refused, "does nothing", **zero)
    (tmp_path / WEIGHTS).write_bytes(b"torn")
    with pytest.raises(InvalidInput, match="is damaged"):
        read_lora(tmp_path, shape)
    (tmp_path / WEIGHTS).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n")
    with pytest.raises(InvalidInput, match="is not the weights") as caught:
        read_lora(tmp_path, shape)
    assert "git lfs pull" in caught.value.hint
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(NotFound, match=WEIGHTS) as missing:
        read_lora(tmp_path, shape)
    assert "beside its configuration" in missing.value.hint
    (tmp_path / PICKLED).write_bytes(b"")
    with pytest.raises(NotFound, match=WEIGHTS) as missing:
        read_lora(tmp_path, shape)
    assert "safe_serialization=True" in missing.value.hint
    (tmp_path / CONFIG).write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n")
    with pytest.raises(InvalidInput, match="is not JSON") as caught:
        read_config(tmp_path)
    assert "git lfs pull" in caught.value.hint
    (tmp_path / CONFIG).unlink()
    with pytest.raises(NotFound, match=CONFIG):
        read_lora(tmp_path, shape)


def test_a_full_disk_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, shape = save(tmp_path, "llama")
    target = tmp_path / "out" / "a.gguf"
    target.parent.mkdir()
    target.write_bytes(b"earlier")

    def full(_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gguf.GGUFWriter.write_tensors_to_file", full)
    with pytest.raises(OSError, match="No space left"):
        write_lora_gguf(read_lora(tmp_path, shape), target)
    assert [path.name for path in target.parent.iterdir()] == ["a.gguf"]
    assert target.read_bytes() == b"earlier"
