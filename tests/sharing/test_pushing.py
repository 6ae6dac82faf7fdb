"""What a push would send, what is refused, and what arrives at an imitation of the Hub."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pluralism_local.communities import Community, load_community, shipped_path
from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.sharing import pushing
from tests.support.fake_hub import TOKEN, FakeHub


@pytest.fixture
def community(tmp_path: Path) -> Community:
    """A community of ours, with its adapter, a note and its base's weights beside it."""
    shipped = shipped_path()
    assert shipped is not None
    folder = tmp_path / "press-left"
    folder.mkdir()
    for file in (shipped / "press-left").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "base.gguf").write_bytes(b"GGUF")
    (folder / "notes.txt").write_text("mine")
    return load_community(folder)


def changed(community: Community, **block: object) -> Community:
    """The same with keys of its card replaced; None takes one away."""
    assert community.folder is not None
    card = community.folder / "README.md"
    _, head, body = card.read_text().split("---\n", 2)
    data = yaml.safe_load(head)
    for key, value in block.items():
        place = data if key == "license" else data["plocal"]
        if value is None:
            place.pop(key)
        else:
            place[key] = value
    card.write_text(f"---\n{yaml.safe_dump(data)}---\n{body}")
    return load_community(community.folder)


def test_the_card_and_its_adapters_go_and_nothing_else_of_the_folder(community: Community) -> None:
    plan = pushing.plan(community, "hf:me/press-left")
    adapters = {"press-left.gguf", "press-left.qwen2-5-coder-1-5b-instruct.gguf"}
    assert set(plan.files) == {"README.md", *adapters}
    assert plan.bytes == sum(path.stat().st_size for path in plan.files.values())
    assert plan.repository == "me/press-left"


@pytest.mark.parametrize(
    ("changes", "lacking"),
    [
        ({"license": None}, "under which licence it is shared"),
        ({"provenance": None}, "what its adapter was trained on"),
        ({"provenance": {"corpus": "not known here", "licence": "x"}}, "what its adapter was trained on"),
        ({"provenance": {"corpus": "speeches", "licence": "none stated"}}, "under which terms those texts"),
        ({"limits": None}, "what it must not be used for .* and where it fails"),
        ({"limits": {"not_for": ["votes"]}}, "where it fails"),
    ],
)
def test_a_card_that_says_too_little_is_refused(
    community: Community, changes: dict[str, object], lacking: str
) -> None:
    with pytest.raises(Refused, match=lacking) as caught:
        pushing.plan(changed(community, **changes), "hf:me/press-left")
    assert "README.md" in caught.value.hint


@pytest.mark.parametrize("target", ["me/press-left", "hf:me", "hf:me/x:Q4", "hf:me/x@main"])
def test_where_nothing_can_be_sent(community: Community, target: str) -> None:
    with pytest.raises(InvalidInput, match="is no repository"):
        pushing.plan(community, target)


@pytest.mark.filterwarnings("ignore:Use 'content=<...>' to upload:DeprecationWarning")  # of the Hub's client
def test_what_arrives(community: Community, fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = pushing.plan(community, "hf:me/press-left")
    with pytest.raises(Refused, match="the Hub must know you"):
        pushing.push(plan, community, private=True, offline=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with pytest.raises(NotFound, match="--offline"):
        pushing.push(plan, community, private=True, offline=True)
    assert fake_hub.seen == []
    address = pushing.push(plan, community, private=True, offline=False)
    assert address.startswith(fake_hub.url)
    assert fake_hub.pushed == {name: path.read_bytes() for name, path in plan.files.items()}
    assert fake_hub.repos["me/press-left"].state == "private"
