"""Parity: a true export passes, wrong ones fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from communitylm import lora_gguf
from communitylm.bases import Base, find_base
from communitylm.lora_gguf import read_lora, write_lora_gguf
from communitylm.parity import LIMIT, ParityBase
from pluralism_local.errors import InvalidInput, Refused

torch = pytest.importorskip("torch")

HEADER = [1, 520, 9531, 198]


@pytest.fixture(scope="module")
def loaded(starter_path: Path) -> Iterator[ParityBase]:
    with ParityBase(find_base(str(starter_path), Path())) as opened:
        yield opened


@pytest.fixture(scope="module")
def peft_folder(loaded: ParityBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded activated LoRA on every layer, strong enough to change what is said."""
    import warnings

    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("peft")
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=4,
        lora_alpha=8,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "down_proj"],
        alora_invocation_tokens=HEADER,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(loaded._torch, lora)
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if "lora_B" in name:
                    weights.copy_(torch.randn_like(weights) * 0.02)
        model.save_pretrained(folder, save_embedding_layers=False)
        model.unload()
    return folder


def test_a_true_export_passes(loaded: ParityBase, peft_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    write_lora_gguf(read_lora(peft_folder, loaded.config), path)
    found = loaded.check(peft_folder, path)
    assert found.difference <= LIMIT < 0.05 < found.effect
    assert found.prompts >= 5 and found.positions == 3


def test_wrong_exports_fail(
    loaded: ParityBase, peft_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.gguf"
    right = read_lora(peft_folder, loaded.config)
    wrong = {
        "acts always": replace(right, invocation=()),
        "twice as strong": replace(right, alpha=2 * right.alpha),
    }
    with monkeypatch.context() as patched:
        patched.setattr(lora_gguf, "_rows", lambda b, *_: b)
        wrong["rows not permuted"] = read_lora(peft_folder, loaded.config)
    for what, lora in wrong.items():
        write_lora_gguf(lora, path)
        with pytest.raises(Refused, match="disagree"):
            pytest.fail(f"{what}: {loaded.check(peft_folder, path)}")
    # the loaded base is as before
    write_lora_gguf(right, path)
    assert loaded.check(peft_folder, path).difference <= LIMIT


def test_an_adapter_without_effect_proves_nothing(
    loaded: ParityBase, peft_folder: Path, tmp_path: Path
) -> None:
    import shutil

    from safetensors.numpy import load_file, save_file

    weak = tmp_path / "weak"
    shutil.copytree(peft_folder, weak)
    weights = load_file(weak / lora_gguf.WEIGHTS)
    save_file({name: tensor * np.float32(1e-2) for name, tensor in weights.items()}, weak / lora_gguf.WEIGHTS)
    write_lora_gguf(read_lora(weak, loaded.config), tmp_path / "weak.gguf")
    with pytest.raises(Refused, match="would prove nothing"):
        loaded.check(weak, tmp_path / "weak.gguf")


def test_a_base_without_gguf_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Parity needs the base as GGUF"):
        ParityBase(Base("some/checkpoint", None, "checkpoint", None))
