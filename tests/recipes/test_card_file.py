"""Cards: figures go in, what people wrote stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from communitylm.export.card_file import Facts, starting_card, update_card
from pluralism_local.communities import load_community
from pluralism_local.communities.adapter_file import inside
from pluralism_local.errors import InvalidInput
from pluralism_local.models.gguf_file import read_header, sha256_of

CARD = """\
---
license: apache-2.0  # of the card and the adapter
language: en
library_name: plocal
tags: [plocal-community, persona]
plocal:
  schema: 1
  id: trams
  name: Tram riders
  description: People who ride the tram.
  persona: >-
    You ride the tram and speak for all who do. Tell in three or four sentences what we think
    about the question and why.
  # agreed with the riders' club
  limits:
    not_for: [Timetables]
    known_failures: []
---

# Tram riders

Written by hand.
"""
BASE = {"model": "Some-Base", "fingerprint": f"sha256:{'0' * 64}"}
ROW = {"task": "held-out text", "metric": "perplexity", "value": 20.0, "base": 25.0}


@pytest.fixture
def card(tmp_path: Path) -> Path:
    folder = tmp_path / "trams"
    folder.mkdir()
    (folder / "README.md").write_text(CARD)
    return folder


def adapter(folder: Path, starter_path: Path) -> dict[str, object]:
    from pluralism_local.bench.seeded import write_lora

    path = write_lora(folder / "trams.gguf", base_header=read_header(starter_path), layers=[0])
    return {"file": path.name, "sha256": sha256_of(path), "rank": 8, "alpha": 16.0, "activation": "always"}


def test_an_adapter_is_added_and_the_rest_stays(card: Path, starter_path: Path) -> None:
    told = {"corpus": "letters", "licence": "CC0-1.0", "tokens": 12}
    update_card(
        card,
        Facts(
            adapter(card, starter_path),
            BASE,
            told,
            "org/Some-Base",
            [ROW],
            {"figures": "Trained on letters."},
        ),
    )
    community = load_community(card)
    assert community.card.adapter is not None and inside(card, community.card.adapter.file).exists()
    assert community.card.hub.tags == ("plocal-community", "lora", "gguf")
    assert (community.card.hub.base_model, community.card.hub.base_model_relation) == (
        ("org/Some-Base",),
        "adapter",
    )
    assert community.card.provenance is not None and community.card.provenance.tokens == 12
    text = (card / "README.md").read_text()
    for line in CARD.splitlines():
        assert line in text or line.startswith("tags:"), line
    assert text.endswith(
        "Written by hand.\n\n<!-- recipe: figures -->\nTrained on letters.\n<!-- /recipe -->\n"
    )


def test_writing_again_replaces_and_repeats_nothing(card: Path, starter_path: Path) -> None:
    facts = Facts(adapter(card, starter_path), BASE, None, "org/B", [ROW], {"figures": "One."})
    update_card(card, facts)
    once = (card / "README.md").read_text()
    update_card(card, facts)
    assert (card / "README.md").read_text() == once
    update_card(
        card,
        Facts(evaluation=[{**ROW, "value": 19.0}, {**ROW, "metric": "accuracy"}], sections={"figures": "2"}),
    )
    figures = load_community(card).card.evaluation
    assert [(row.metric, row.value) for row in figures] == [("perplexity", 19.0), ("accuracy", 20.0)]
    assert "One." not in (card / "README.md").read_text()


def test_what_people_set_survives_a_new_adapter(card: Path, starter_path: Path) -> None:
    path = card / "README.md"
    path.write_text(path.read_text().replace("persona]", "persona, transport]"))
    facts = Facts(adapter(card, starter_path), BASE, {"corpus": "a", "licence": "b", "seed": 1}, "org/B")
    update_card(card, facts)
    path.write_text(path.read_text().replace("scale: 1.0", "scale: 0.5  # by ear"))
    update_card(card, replace(facts, provenance={"corpus": "c", "licence": "d"}))
    community = load_community(card).card
    assert "scale: 0.5  # by ear" in path.read_text()
    assert community.adapter is not None and community.adapter.scale == 0.5
    assert community.provenance is not None and (community.provenance.corpus, community.provenance.seed) == (
        "c",
        None,
    )
    assert community.hub.tags == ("plocal-community", "lora", "gguf", "transport")


def test_keys_stand_where_the_hub_has_them(card: Path, starter_path: Path) -> None:
    path = card / "README.md"
    path.write_text(path.read_text().replace("tags: [plocal-community, persona]\n", ""))
    update_card(card, Facts(adapter(card, starter_path), BASE, base_model="org/B"))
    data = yaml.safe_load(path.read_text().split("---\n")[1])
    assert list(data)[:4] == ["license", "language", "library_name", "tags"]
    assert list(data["plocal"])[-3:] == ["adapter", "base", "limits"]
    assert data["plocal"]["persona"].startswith("You ride the tram")


def test_a_starting_card_asks_to_be_completed_and_is_valid_with_an_adapter(
    tmp_path: Path, starter_path: Path
) -> None:
    folder = tmp_path / "trams"
    folder.mkdir()
    (folder / "README.md").write_text(starting_card("trams", "Tram riders", "People who ride the tram."))
    update_card(folder, Facts(adapter(folder, starter_path), BASE, base_model="org/B"))
    community = load_community(folder)
    assert community.persona is None and community.card.limits is not None and community.card.limits.not_for
    assert "Before you share it" in (folder / "README.md").read_text()


@pytest.mark.parametrize("text", ["no front matter\n", "---\nlicense: mit\n---\n"])
def test_what_is_no_card_is_left_alone(card: Path, text: str) -> None:
    (card / "README.md").write_text(text)
    with pytest.raises(InvalidInput):
        update_card(card, Facts(evaluation=[ROW]))
    assert (card / "README.md").read_text() == text


def test_an_adapter_for_another_base_stands_beside_the_first(card: Path, starter_path: Path) -> None:
    first = adapter(card, starter_path)
    update_card(card, Facts(first, BASE, {"corpus": "letters", "licence": "CC0-1.0"}, "org/Some-Base", [ROW]))
    (card / "more.gguf").write_bytes((card / "trams.gguf").read_bytes())
    more = {**first, "file": "more.gguf"}
    other = {"model": "Other-Base", "fingerprint": f"sha256:{'1' * 64}"}
    update_card(card, Facts(more, other, {"corpus": "poems", "licence": "CC0-1.0"}, "org/Other", [ROW]))
    update_card(card, Facts(base=other, evaluation=[{**ROW, "value": 5.0}]))
    update_card(card, Facts(base=BASE, evaluation=[{**ROW, "value": 6.0}]))
    community = load_community(card)
    assert community.card.hub.base_model == ("org/Some-Base", "org/Other")
    for base, corpus, value in ((BASE, "letters", 6.0), (other, "poems", 5.0)):
        own = community.for_base(base["fingerprint"]).card
        assert own.provenance is not None and own.provenance.corpus == corpus
        assert [row.value for row in own.evaluation] == [value]
    again = (card / "README.md").read_text()
    update_card(card, Facts(more, other, {"corpus": "poems", "licence": "CC0-1.0"}, "org/Other"))
    update_card(card, Facts(first, BASE, base_model="org/Some-Base"))
    assert (card / "README.md").read_text() == again


def test_figures_for_a_base_without_an_adapter_are_refused(card: Path, starter_path: Path) -> None:
    update_card(card, Facts(adapter(card, starter_path), BASE, None, "org/Some-Base"))
    other = {"model": "Other-Base", "fingerprint": f"sha256:{'1' * 64}"}
    with pytest.raises(InvalidInput, match="has no adapter for Other-Base"):
        update_card(card, Facts(base=other, evaluation=[ROW]))
