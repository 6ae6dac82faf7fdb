"""A small Llama-shaped base header, and cards with adapters for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pluralism_local.bench.seeded import write_lora
from pluralism_local.gguf_header import GGUFHeader, Tensor
from tests.support.cards import FINGERPRINT, MakeCard, hashed, plocal, write_card


@pytest.fixture(scope="session")
def base_header() -> GGUFHeader:
    """Two layers of width 32; enough for `write_lora`, which reads names and shapes only."""
    shapes = {"attn_q": (32, 32), "attn_v": (32, 16), "ffn_up": (32, 48)}
    tensors = tuple(
        Tensor(f"blk.{layer}.{name}.weight", shape, 1, 0)
        for layer in range(2)
        for name, shape in shapes.items()
    )
    return GGUFHeader(Path("base.gguf"), 3, {"general.architecture": "llama"}, tensors, 0, 0)


@pytest.fixture
def make_adapted(tmp_path: Path, base_header: GGUFHeader) -> MakeCard:
    """Write a card with a real LoRA; `adapter` and `base` change what the card says, the rest the file."""

    def make(
        id: str = "with-lora", *, adapter: dict[str, Any] | None = None, base: object = ..., **lora: Any
    ) -> Path:
        folder = tmp_path / id
        folder.mkdir(parents=True, exist_ok=True)
        file = write_lora(folder / f"{id}.gguf", base_header=base_header, **lora)
        said = {
            "file": file.name,
            "sha256": hashed(file),
            "rank": lora.get("rank", 8),
            "alpha": lora.get("alpha", 16.0),
            "activation": "assistant" if lora.get("invocation_tokens") else "always",
        }
        known = {"model": "a base", "fingerprint": FINGERPRINT} if base is ... else base
        return write_card(tmp_path, id, {"plocal": plocal(id, adapter=said | (adapter or {}), base=known)})

    return make
