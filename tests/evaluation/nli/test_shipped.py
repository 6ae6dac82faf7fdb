"""The shipped adapter: found with its facts, refused for anything it was not made for."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.evaluation.nli.prompts import NLI_PAIR, NLI_WORDS
from pluralism_local.evaluation.nli.shipped import NAME, find_shipped
from pluralism_local.types import ModelInfo

STARTER = ModelInfo("starter", "llama.cpp", fingerprint="sha256:aa")
BYTES = b"GGUF and so on"


def write(folder: Path, **changed: Any) -> dict[str, Any]:
    facts = {
        "sha256": hashlib.sha256(BYTES).hexdigest(),
        "base": {"model": "SmolLM2-135M-Instruct", "fingerprint": "sha256:aa"},
        "prompt": NLI_PAIR.id,
        "words": list(NLI_WORDS),
        "rank": 8,
        **changed,
    }
    (folder / f"{NAME}.gguf").write_bytes(BYTES)
    (folder / f"{NAME}.json").write_text(json.dumps(facts))
    return facts


def test_it_is_found_with_its_facts(tmp_path: Path) -> None:
    facts = write(tmp_path)
    found = find_shipped(STARTER, tmp_path)
    assert found.facts == facts
    assert (found.adapter.path, found.adapter.sha256) == (tmp_path / "starter-nli.gguf", facts["sha256"])
    assert (found.adapter.scale, found.adapter.activation) == (1.0, "always")


def test_what_is_missing_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="facts of the NLI adapter") as caught:
        find_shipped(STARTER, tmp_path)
    assert "recipes/train_nli.py" in caught.value.hint
    write(tmp_path)
    (tmp_path / f"{NAME}.gguf").unlink()
    with pytest.raises(NotFound, match="The NLI adapter"):
        find_shipped(STARTER, tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sha256": "0" * 64}, "not the adapter that its facts describe"),
        ({"prompt": "nli.pair@0"}, "trained on the prompt nli.pair@0"),
        ({"words": ["yes", "maybe", "no"]}, "with the words yes, maybe, no"),
        (
            {"base": {"model": "Other-1B", "fingerprint": "sha256:bb"}},
            "belongs to Other-1B, and starter is another model",
        ),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    write(tmp_path, **changed)
    with pytest.raises(Refused, match=said):
        find_shipped(STARTER, tmp_path)


def test_a_model_of_unknown_fingerprint_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(Refused, match="remote:x is another model"):
        find_shipped(ModelInfo("remote:x", "remote"), tmp_path)


@pytest.mark.parametrize("text", ["[]", "{", '{"sha256": 1}', '{"base": {}}', "3"])
def test_damaged_facts_are_named(tmp_path: Path, text: str) -> None:
    write(tmp_path)
    (tmp_path / f"{NAME}.json").write_text(text)
    with pytest.raises(InvalidInput, match="does not describe an NLI adapter"):
        find_shipped(STARTER, tmp_path)


def test_what_ships_is_whole_and_belongs_to_the_starter_model(starter_path: Path) -> None:
    from pluralism_local.gguf_header import fingerprint
    from pluralism_local.models.gguf_file import read_header

    mark = fingerprint(read_header(starter_path))
    facts = find_shipped(ModelInfo("starter", "llama.cpp", fingerprint=mark)).facts
    assert facts["parity"]["difference"] <= facts["parity"]["limit"]
    assert facts["accuracy"]["mnli_dev"]["accuracy"] >= 0.68  # a third is chance, BERT-base has 0.815
