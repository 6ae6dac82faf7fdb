"""The imitation of the Hub, a small base model, and LoRAs for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.config import Settings
from tests.hub.conftest import fake_hub
from tests.support.fake_hub import FakeHub, Repo
from tests.support.gguf_files import write_model
from tests.support.peft_folders import BASE, HEADS, HIDDEN, INNER, KEY_HEADS, peft_folder

__all__ = ["fake_hub"]

BASE_NAME = "someone/Tiny-Base-1M"


@pytest.fixture
def base_model(tmp_path: Path) -> Path:
    """A GGUF of the base that `put_lora`'s adapters are for."""
    return write_model(
        tmp_path / "tiny.gguf",
        embedding=HIDDEN,
        heads=HEADS,
        kv_heads=KEY_HEADS,
        extra={"llama.feed_forward_length": INNER},
    )


@pytest.fixture
def with_base(base_model: Path) -> Settings:
    """Settings of somebody who has the base, under an alias that is called like it."""
    return Settings(aliases={"Tiny-Base-1M": str(base_model)})


@pytest.fixture
def put_lora(fake_hub: FakeHub, tmp_path: Path) -> Callable[..., Repo]:
    """put_lora("user/repo"): a LoRA on q that PEFT saved, and the base's configuration, on the Hub."""

    def put(name: str, *, base: str = BASE_NAME, **settings: Any) -> Repo:
        folder = peft_folder(tmp_path / "lora" / name, base=base, only="q_proj", **settings)
        config = {"model_type": "llama", **BASE}
        fake_hub.repos.setdefault(base, Repo({"config.json": json.dumps(config).encode()}))
        fake_hub.repos[name] = Repo({file.name: file.read_bytes() for file in folder.iterdir()})
        return fake_hub.repos[name]

    return put
