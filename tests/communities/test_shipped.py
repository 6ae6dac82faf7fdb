"""The communities that come with the package, and the examples that explain their form."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pluralism_local.communities import Community, Library, load_community, load_pool, shipped_path
from pluralism_local.errors import NotFound
from pluralism_local.gguf_header import fingerprint
from pluralism_local.models.gguf_file import read_header
from tests.support.cards import plocal, write_card

PERSPECTIVES = ["speech-left", "speech-center", "speech-right", "press-left", "press-center", "press-right"]
CULTURES = [f"culture-{place}" for place in ("africa", "asia", "europe", "north-america", "south-america")]

OUTLOOKS = [
    f"outlook-{first}" for first in ("liberty", "equality", "tradition", "security", "nature", "evidence")
]


@pytest.fixture(scope="module")
def shelf() -> Library:
    path = shipped_path()
    assert path is not None
    return Library([path])


def ids(shelf: Library, pool: str) -> list[str]:
    return [member.community.id for member in shelf.pool(pool).members]


def test_everything_shipped_is_valid(shelf: Library) -> None:
    assert shelf.problems() == []
    assert shelf.overridden() == []
    assert {c.id for c in shelf.communities()} == {*PERSPECTIVES, *CULTURES, *OUTLOOKS, "culture-oceania"}
    assert [pool.id for pool in shelf.pools()] == [
        "cultures",
        "mixed",
        "outlooks",
        "perspectives",
        "perspectives+africa",
        "perspectives+asia",
    ]


def test_the_pools_hold_their_communities_with_equal_weights(shelf: Library) -> None:
    assert ids(shelf, "perspectives") == PERSPECTIVES
    assert ids(shelf, "cultures") == CULTURES
    assert ids(shelf, "mixed") == PERSPECTIVES + CULTURES
    assert ids(shelf, "outlooks") == OUTLOOKS
    for patch in ("asia", "africa"):
        assert ids(shelf, f"perspectives+{patch}") == [*PERSPECTIVES, f"culture-{patch}"]
    for pool in shelf.pools():
        assert {member.weight for member in pool.members} == {1 / len(pool.members)}
        assert "Equal weights" in pool.description


def test_personas_are_short_different_and_ask_for_a_view_with_reasons(shelf: Library) -> None:
    personas = {community.id: community.persona or "" for community in shelf.communities()}
    assert len(set(personas.values())) == len(personas)
    for id, persona in personas.items():
        assert 2 <= len(re.findall(r"[.](?:\s|$)", persona)) <= 5
        assert len(persona) < 500
        assert "what we think about the question and why" in persona
        assert ("Take our side alone" if id in OUTLOOKS else "respectful") in persona


def test_shares_name_their_source_and_make_up_the_world(shelf: Library) -> None:
    priors = {community.id: community.card.prior for community in shelf.communities()}
    assert [id for id, prior in priors.items() if prior is not None and id in PERSPECTIVES] == []
    shares = [prior for prior in priors.values() if prior is not None]
    assert {(prior.of, prior.year) for prior in shares} == {("world population", 2024)}
    assert all("World Population Prospects 2024" in prior.source for prior in shares)
    assert sum(prior.weight for prior in shares) == pytest.approx(1, abs=1e-9)


def test_cards_say_what_they_are_not_for(shelf: Library) -> None:
    for community in shelf.communities():
        limits = community.card.limits
        assert limits is not None and limits.not_for and limits.known_failures
        assert community.card.hub.license == "apache-2.0"
        assert "plocal-community" in community.card.hub.tags
        assert body(community).count("\n\n") >= 4
        if community.id.startswith("culture-"):
            assert community.expert.startswith("States of")
            assert "not the everyday norms" in " ".join(body(community).split())


def test_every_community_of_somebodys_texts_has_an_adapter_with_its_account(
    shelf: Library, starter_path: Path
) -> None:
    base = fingerprint(read_header(starter_path))
    specs = set()
    for community in shelf.communities():
        card = community.card
        if community.id in OUTLOOKS:  # of nobody's texts
            assert card.adapter is None and card.provenance is None and "persona" in card.hub.tags
            continue
        assert card.adapter is not None and card.base is not None and card.provenance is not None
        assert card.base.fingerprint == base
        assert card.hub.base_model_relation == "adapter" and {"lora", "gguf"} <= set(card.hub.tags)
        assert card.provenance.recipe == f"recipes/configs/{community.id}.toml"
        assert card.provenance.tokens and card.provenance.documents and card.provenance.date
        figures = [row for row in card.evaluation if row.metric == "perplexity"]
        assert len(figures) == 1 and figures[0].value < 0.9 * figures[0].base
        text = body(community)
        assert text.count("- With this adapter: ") == text.count("alone: ") == 3
        specs.add((card.adapter.rank, card.adapter.alpha, card.adapter.activation, card.adapter.scale))
    assert len(specs) == 1  # one rank and one activation for all, as the recipe has them


def test_one_adapter_stands_beside_the_personas_of_perspectives_on_a_larger_model(shelf: Library) -> None:
    (specs,) = {
        tuple((spec.sha256, spec.beside_persona, spec.activation, base.model) for spec, base in its[1:])
        for its in (member.community.card.every_adapter for member in shelf.pool("perspectives").members)
    }
    ((_, beside_persona, activation, model),) = specs
    assert (beside_persona, activation, model) == (True, "assistant", "Qwen2.5-Coder-1.5B-Instruct")
    for member in shelf.pool("perspectives").members:
        (further,) = member.community.card.adapters
        assert further.provenance is not None
        assert further.provenance.recipe == "recipes/configs/qwen2.5-coder-1.5b/sides.toml"
        own = member.community.for_base(further.base.fingerprint or "")
        assert own.spoken_persona("?", adapter=True) == own.message("?") is not None
        assert member.community.spoken_persona("?", adapter=True) is None  # on the starter


def test_all_adapters_together_stay_small(shelf: Library) -> None:
    path = shipped_path()
    assert path is not None
    assert sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) <= 60 * 10**6


def body(community: Community) -> str:
    assert community.folder is not None
    return (community.folder / "README.md").read_text(encoding="utf-8").split("\n---\n", 1)[1]


def examples() -> list[str]:
    path = shipped_path()
    assert path is not None
    return re.findall(r"```yaml\n(.*?)```", (path / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def test_the_documented_forms_are_the_ones_that_load(tmp_path: Path) -> None:
    persona, adapter, source, further, judged, pool = examples()
    assert load_community(write_card(tmp_path, "night-shift", persona)).card.prior is not None
    with pytest.raises(NotFound, match=r"night-shift\.gguf"):  # the card is valid; only its file is not here
        load_community(write_card(tmp_path, "night-shift", adapter + source + further + judged))
    write_card(tmp_path, "night-shift", {"plocal": plocal("night-shift")})
    write_card(tmp_path, "speech-center", {"plocal": plocal("speech-center")})
    file = tmp_path / "my-town.yaml"
    file.write_text(pool)
    members = load_pool(file, Library([tmp_path]).community).members
    assert [member.weight for member in members] == [0.1, 0.9]


def test_front_matter_is_what_the_hub_can_read(shelf: Library) -> None:
    # the Hub reads YAML between the first two '---' lines; ours must be ordinary YAML with its keys on top
    for community in shelf.communities():
        assert community.folder is not None
        text = (community.folder / "README.md").read_text(encoding="utf-8")
        data = yaml.safe_load(text.split("---\n")[1])
        assert list(data)[:4] == ["license", "language", "library_name", "tags"]
