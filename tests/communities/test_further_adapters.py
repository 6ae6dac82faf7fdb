"""A card with adapters for several bases: the running model's fingerprint chooses; what is ambiguous is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from pluralism_local.bench.seeded import write_lora
from pluralism_local.cli.main import main
from pluralism_local.communities import (
    Community,
    ad_hoc_pool,
    check_base,
    fit_to_base,
    load_community,
    made_for,
)
from pluralism_local.errors import InvalidInput, NotFound, PlocalError, Refused
from pluralism_local.gguf_header import GGUFHeader
from tests.support.cards import FINGERPRINT, MakeCard, hashed

SECOND, THIRD = ("sha256:" + digits * 32 for digits in ("ab", "cd"))
FIGURE = {"task": "held-out text", "metric": "perplexity", "value": 9.0, "base": 12.0}


def entry(folder: Path, header: GGUFHeader, fingerprint: str, **changes: Any) -> dict[str, Any]:
    """An adapter of rank 4 for another base, written into `folder`, and what the card says of it."""
    file = write_lora(folder / f"{folder.name}.{fingerprint[7:9]}.gguf", base_header=header, seed=3, rank=4)
    about = {"file": file.name, "sha256": hashed(file), "rank": 4, "alpha": 16.0, "activation": "always"}
    return about | {"base": {"model": f"base {fingerprint[7:9]}", "fingerprint": fingerprint}} | changes


def change(folder: Path, **changes: Any) -> Path:
    """Change keys of the card's `plocal:` block; None removes one."""
    file = folder / "README.md"
    data = yaml.safe_load(file.read_text().split("---")[1])
    block = data["plocal"] | changes
    data["plocal"] = {key: value for key, value in block.items() if value is not None}
    file.write_text(f"---\n{yaml.safe_dump(data)}---\n")
    return folder


@pytest.fixture
def folder(make_adapted: MakeCard, base_header: GGUFHeader) -> Path:
    """A card with a first adapter of rank 8 and two further ones of rank 4, that for `SECOND` with its figures."""
    here = make_adapted("several", adapter={"scale": 0.5})
    told = {"corpus": "letters", "licence": "CC0-1.0"}
    return change(
        here,
        evaluation=[FIGURE | {"value": 1.0}],
        adapters=[
            entry(here, base_header, SECOND, provenance=told, evaluation=[FIGURE], scale=2.0),
            entry(here, base_header, THIRD),
        ],
    )


def test_the_fingerprint_chooses_the_adapter_and_its_account(folder: Path) -> None:
    community = load_community(folder)
    expected = {
        FINGERPRINT: ("several.gguf", 0.5, None, 1.0),
        SECOND: ("several.ab.gguf", 2.0, "letters", 9.0),
        THIRD: ("several.cd.gguf", 1.0, None, None),
    }
    for fingerprint, (file, scale, corpus, figure) in expected.items():
        assert made_for(community, fingerprint) and check_base(community, fingerprint) == []
        own = community.for_base(fingerprint)
        ref, card = own.adapter_ref(), own.card
        assert ref is not None and (ref.path.name, ref.scale) == (file, scale)
        assert (card.provenance.corpus if card.provenance else None) == corpus
        assert (card.evaluation[0].value if card.evaluation else None) == figure
        assert card.base is not None and card.base.fingerprint == fingerprint
        assert len(own.card.every_adapter) == 3  # nothing is lost, so that another model finds its own again
        for other in expected:
            assert own.for_base(other).adapter_ref() == community.for_base(other).adapter_ref()


def test_a_pool_takes_the_adapter_of_its_base_and_the_persona_on_none(folder: Path) -> None:
    pool = ad_hoc_pool([(load_community(folder), None)])
    fitted, warnings = fit_to_base(pool, SECOND)
    (member,) = fitted.members
    assert warnings == [] and member.adapter is not None and member.adapter.path.name == "several.ab.gguf"
    fitted, (warning,) = fit_to_base(pool, "sha256:" + "0" * 64)
    assert fitted.members[0].adapter is None and "persona alone" in warning
    assert fitted.members[0].community.card.every_adapter == ()
    fitted, (warning,) = fit_to_base(pool, "sha256:" + "0" * 64, force=True)
    assert fitted.members[0].adapter is not None and fitted.members[0].adapter.path.name == "several.gguf"
    assert "that for a base is used because that was forced" in warning


def test_who_has_no_adapter_for_a_model_says_for_which_it_has(folder: Path) -> None:
    community = load_community(change(folder, persona=None))
    with pytest.raises(Refused, match=r"were made for a base .* and base ab .* and base cd") as caught:
        fit_to_base(ad_hoc_pool([(community, None)]), "sha256:" + "0" * 64)
    assert caught.value.hint == "Use it with a base or base ab or base cd, or choose another pool."


def test_every_adapters_file_is_checked(folder: Path) -> None:
    second = folder / "several.ab.gguf"
    content = second.read_bytes()
    second.write_bytes(content + b" ")
    with pytest.raises(Refused, match="is not the file its card describes"):
        load_community(folder)
    second.unlink()
    with pytest.raises(NotFound, match=r"several\.ab\.gguf"):
        load_community(folder)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"adapter": None}, "the first adapter of a card stands under 'adapter' and 'base'"),
        ({"base": None}, "needs 'base'"),
        ({"base": {"model": "b", "fingerprint": SECOND}}, "two adapters of the card are for the same base"),
        ({"adapters": [{"file": "x.gguf"}]}, "plocal.adapters.0"),
    ],
)
def test_ambiguous_cards_are_refused(folder: Path, wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        load_community(change(folder, **wrong))


def test_one_file_for_two_bases_and_a_file_elsewhere_are_refused(
    folder: Path, base_header: GGUFHeader
) -> None:
    for file, kind in (("several.gguf", "the same file"), ("../elsewhere.gguf", "outside its card's folder")):
        with pytest.raises(PlocalError, match=kind):
            load_community(change(folder, adapters=[entry(folder, base_header, SECOND, file=file)]))


def test_without_adapters_there_are_none(folder: Path) -> None:
    community = load_community(folder)
    assert community.card.made_of == "persona + adapters of rank 8, 4, 4"
    plain: Community = community.without_adapters()
    assert plain.card.made_of == "persona" and plain.adapter_ref() is None and made_for(plain, THIRD)


def test_the_commands_show_every_adapter(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["communities", "show", str(folder)]) == 0
    out = capsys.readouterr().out
    for text in (
        "several.gguf",
        "several.ab.gguf",
        "several.cd.gguf",
        "base ab",
        SECOND,
        "perplexity 9 (base 12)",
    ):
        assert text in out
    assert main(["communities", "show", str(folder), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["adapter"]["file"] == "several.gguf" and shown["base"]["fingerprint"] == FINGERPRINT
    assert [one["base"]["fingerprint"] for one in shown["adapters"]] == [SECOND, THIRD]
    assert shown["adapters"][0]["evaluation"][0]["value"] == 9.0
    assert main(["communities", "validate", str(folder)]) == 0
    assert "persona + adapters of rank 8, 4, 4" in capsys.readouterr().out
