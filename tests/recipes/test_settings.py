"""Configurations: shipped ones are valid, origins are told, mistakes are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from communitylm.community.settings import read_settings, starting_config
from communitylm.distilling.comments import Length
from pluralism_local.errors import InvalidInput, NotFound

CONFIGS = Path(__file__).parents[2] / "recipes" / "configs"
SHIPPED = sorted(CONFIGS.glob("*.toml"))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_configurations_are_valid_and_named_after_their_community(path: Path) -> None:
    settings = read_settings(path)
    assert settings.id == path.stem and settings.recipe == f"recipes/configs/{path.name}"
    assert settings.corpus_file.resolve().parent == CONFIGS.parent / "corpora"


def test_one_rank_and_form_for_all_that_ship() -> None:
    adapters = {
        read_settings(path).values.adapter.model_copy(update={"start": None})
        for path in SHIPPED
        if path.stem not in ("paper-causal", "reader")
    }
    assert len(SHIPPED) == 14 and len(adapters) == 1
    assert adapters.pop().form == "activated"


FOR_OTHER_BASES = sorted(path for path in CONFIGS.glob("*/*.toml") if path.stem != "sides")


@pytest.mark.parametrize("path", FOR_OTHER_BASES, ids=lambda path: path.stem)
def test_configurations_for_a_larger_base_are_valid_and_alike(path: Path) -> None:
    settings = read_settings(path)
    assert settings.id == path.stem and settings.values.base.model.startswith("hf:")
    assert settings.recipe == f"recipes/configs/{path.parent.name}/{path.name}"
    assert settings.corpus_file.resolve().parent == CONFIGS.parent / "corpora"
    assert settings.values.adapter == read_settings(FOR_OTHER_BASES[0]).values.adapter


def test_a_reader_has_room_for_all_comments() -> None:
    values = read_settings(CONFIGS / "reader.toml").values
    assert (values.adapter.form, values.adapter.rank, values.adapter.targets) == (
        "activated",
        8,
        ("q_proj", "v_proj"),
    )
    assert values.training.longest >= 6 * Length().tokens


def test_the_papers_settings() -> None:
    values = read_settings(CONFIGS / "paper-causal.toml").values
    training = values.training
    assert (values.adapter.form, training.block, training.batch * training.accumulate) == ("causal", 128, 64)
    assert (training.rate, training.weight_decay, training.passes, training.tokens) == (1e-6, 1e-2, 1, 0)


def test_every_value_says_where_it_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(starting_config("mine", tmp_path / "corpora" / "mine.jsonl", tmp_path))
    rows = {key: (value, origin) for key, value, origin in read_settings(path, ["training.rate=5e-4"]).rows()}
    assert rows["training.rate"] == ("0.0005", "--set")
    assert rows["training.tokens"] == ("50000", "mine.toml")
    assert rows["training.batch"] == ("8", "default")
    assert rows["corpus.file"] == ("corpora/mine.jsonl", "mine.toml")


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("id = 'x y'\n[corpus]\nfile = 'a'", "id: string should match", "Correct it"),
        ("id = 'mine'", "'corpus' is missing", "examples"),
        ("id = 'mine'\n[corpus]\nfile = 'a'\nkep = 1", "no setting 'corpus.kep'", "corpus.keep"),
        (
            "id = 'mine'\n[corpus]\nfile = 'a'\n[training]\nrate = 0",
            "training.rate: input should be greater",
            "",
        ),
        ("id = 'mine'\n[corpus]\nfile = 'a'\n[adapter]\nform = 'dora'", "adapter.form", ""),
        ("id = ", "is not a TOML file", "examples"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str, hint: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        read_settings(path)
    assert message in caught.value.message and hint in caught.value.hint


def test_a_missing_configuration_and_a_bad_override(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        read_settings(CONFIGS / "press-lft.toml")
    assert "press-left" in caught.value.hint
    with pytest.raises(InvalidInput, match="has no value"):
        read_settings(CONFIGS / "press-left.toml", ["training.rate"])
    with pytest.raises(InvalidInput, match=r"no setting 'training\.steps'"):
        read_settings(CONFIGS / "press-left.toml", ["training.steps=20"])
