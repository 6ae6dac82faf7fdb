"""What an editor on Windows has saved with a byte-order mark is read like any other file."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from communitylm.community.settings import read_settings
from communitylm.nli.settings import read_nli_settings

MARK = codecs.BOM_UTF8
RECIPES = Path(__file__).parents[2] / "recipes"


def test_a_peft_adapters_configuration(tmp_path: Path) -> None:
    from pluralism_local.lora import read_config

    (tmp_path / "adapter_config.json").write_bytes(MARK + b'{"r": 7}')
    assert read_config(tmp_path) == {"r": 7}


@pytest.mark.parametrize("name", ["nli.toml", "configs/press-left.toml"])
def test_configurations_of_trainings(tmp_path: Path, name: str) -> None:
    read = read_nli_settings if name == "nli.toml" else read_settings
    shipped = RECIPES / name
    (tmp_path / shipped.name).write_bytes(MARK + shipped.read_bytes())
    assert read(tmp_path / shipped.name).values == read(shipped).values
