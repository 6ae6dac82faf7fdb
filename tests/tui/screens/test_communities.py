"""The communities screen, over real cards."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.communities import Library, Pool
from pluralism_local.conversation.pool_file import pools_folder
from pluralism_local.tui.screens.communities import CommunitiesScreen
from tests.support.cards import FINGERPRINT, MakeCard
from tests.support.command_line import add_card
from tests.support.screen_host import NARROW, PENDING, WIDE, Driver, play, shown

OTHER = "sha256:" + "00" * 32
CARD = """---
license: apache-2.0
plocal:
  schema: 1
  id: {id}
  name: {name}
  description: {description}
  persona: We speak.
  prior: {{weight: 0.25, of: all villagers, source: a census, year: 2020}}
  provenance: {{corpus: letters to the mill, licence: CC0-1.0, documents: 1234}}
  limits: {{not_for: [Predicting harvests], known_failures: [Rhymes]}}
  evaluation: [{{task: held-out text, metric: perplexity, value: 20.5, base: 30.25}}]
---
"""


@pytest.fixture
def library(village: Path) -> Library:
    return Library([village / "data" / "communities"])


def screen(library: Library, fingerprint: str | None = None) -> CommunitiesScreen:
    return CommunitiesScreen(library, library.pool("village"), fingerprint)


async def ready(at: Driver, last: str = "millers") -> None:
    await at.until(lambda: last in at.text and "Reading" not in at.text)


def members(pool: object) -> list[str]:
    assert isinstance(pool, Pool)
    return [member.community.id for member in pool.members]


@pytest.mark.parametrize("keys", [["escape"], ["enter"], ["space", "space", "enter"], ["space", "escape"]])
def test_nothing_changed_is_none(library: Library, keys: list[str]) -> None:
    async def scene() -> None:
        async with shown(screen(library)) as at:
            await ready(at)
            await at.press(*keys)
            assert await at.chose() is None

    play(scene())


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_space_takes_in_and_out_and_enter_uses(
    library: Library, village: Path, size: tuple[int, int]
) -> None:
    add_card(village, "bakers")

    async def scene() -> None:
        async with shown(screen(library), size) as at:
            await ready(at, "bakers")
            assert "village, 3 of 4" in at.lines[0]
            await at.press("space")
            assert "▸ [ ] farmers" in at.text
            await at.press("end", "space")
            assert "▸ [x] bakers" in at.text
            assert "village*, 3 of 4" in at.lines[0]
            await at.press("enter")
            assert members(await at.chose()) == ["fishers", "millers", "bakers"]

    play(scene())


def test_an_empty_pool_cannot_be_used(library: Library) -> None:
    async def scene() -> None:
        async with shown(screen(library)) as at:
            await ready(at)
            await at.press("space", "down", "space", "down", "space", "enter")
            assert "A pool needs at least one community." in at.text
            assert at.app.choice is PENDING

    play(scene())


def test_the_weight_is_typed_and_the_others_give_way(library: Library) -> None:
    async def scene() -> None:
        async with shown(screen(library), (100, 24)) as at:
            await ready(at)
            await at.press("w")
            await at.sees("Weight of farmers", "33.33")
            await at.type("a lot")
            assert "between 0 and 100" in at.text
            await at.press("enter")  # is not taken
            await at.press("ctrl+u")
            await at.type("50 %")
            await at.press("enter")
            await at.sees("50.0 %", "25.0 %")
            await at.press("enter")
            pool = await at.chose()
            assert isinstance(pool, Pool)
            assert [member.weight for member in pool.members] == pytest.approx([0.5, 0.25, 0.25])

    play(scene())


def test_plus_and_minus_change_the_scale_of_an_adapter(
    library: Library, make_adapted: MakeCard, tmp_path: Path
) -> None:
    make_adapted("loud")
    both = Library([*library.paths, tmp_path])

    async def scene() -> None:
        async with shown(screen(both)) as at:
            await ready(at, "loud")
            await at.press("plus")
            assert "'farmers' has no adapter" in at.text
            await at.press("end", "plus")
            assert "'loud' is not in the pool. Space takes it in." in at.text
            await at.press("space", "plus", "plus", "minus")
            assert "×1.1" in at.text
            await at.press("enter")
            pool = await at.chose()
            assert isinstance(pool, Pool)
            assert pool.members[-1].scale == 1.1

    play(scene())


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_search_narrows_the_list_while_typing(library: Library, village: Path, size: tuple[int, int]) -> None:
    add_card(village, "poets", CARD.format(id="poets", name="詩人", description="Those who write verse."))

    async def scene() -> None:
        async with shown(screen(library), size) as at:
            await ready(at, "poets")
            await at.press("slash")
            await at.type("verse")
            assert "▸ [ ] poets · 詩人" in at.text
            assert "farmers" not in at.text
            await at.press("enter", "space")  # into the list, not into the search
            assert "▸ [x] poets" in at.text
            await at.press("slash", "end")
            await at.type("x")
            assert "No community has 'versex'. Esc clears the search." in at.words
            await at.press("escape")
            assert "[x] farmers" in at.text
            assert at.app.choice is PENDING
            await at.press("escape")
            assert await at.chose() is None

    play(scene())


def test_the_card_says_what_it_is_not_for_and_where_it_comes_from(library: Library, village: Path) -> None:
    add_card(village, "poets", CARD.format(id="poets", name="Poets", description="Those who write verse."))

    async def scene() -> None:
        async with shown(screen(library), (60, 60)) as at:
            await ready(at, "poets")
            await at.press("end", "i")
            await at.sees(
                "Those who write verse.",
                "Predicting harvests",
                "Rhymes",
                "apache-2.0",
                "letters to the mill",
                "CC0-1.0",
                "1,234 documents",
                "25 % of all villagers",
                "a census, 2020",
                "perplexity 20.5 (base model 30.25)",
            )

    play(scene())


def test_on_a_narrow_terminal_the_details_take_the_lists_place(library: Library) -> None:
    async def scene() -> None:
        async with shown(screen(library), NARROW) as at:
            await ready(at)
            assert "Speaks for the farmers." not in at.text
            await at.press("i")
            assert "Speaks for the farmers." in at.text
            assert "[x]" not in at.text
            await at.press("escape")  # back to the list, not out of the screen
            assert "▸ [x] farmers" in at.text
            await at.press("escape")
            assert await at.chose() is None

    play(scene())


def test_what_cannot_be_used_is_listed_with_the_reason(
    library: Library, village: Path, make_adapted: MakeCard, tmp_path: Path
) -> None:
    make_adapted("fitting")
    folder = make_adapted("foreign", base={"model": "Another-7B", "fingerprint": OTHER})
    card = folder / "README.md"
    card.write_text(card.read_text().replace("  persona: We answer briefly.\n", ""))
    make_adapted("standing-in", base={"model": "Another-7B", "fingerprint": OTHER})
    add_card(village, "broken", "---\nplocal: {schema: 1, id: broken, name: x, description: y}\n---\n")
    wide = Library([*library.paths, tmp_path])

    async def scene() -> None:
        async with shown(screen(wide, FINGERPRINT), (120, 24)) as at:
            await ready(at, "broken")
            assert "[ ] foreign · for Another-7B" in at.text
            assert "[ ] fitting · A name" in at.text
            assert "✗   broken · " in at.text
            await at.press("down", "down", "down")
            assert "▸ [ ] fitting" in at.text
            await at.press("down", "space")
            assert "cannot speak with this model" in at.text
            assert "▸ [ ] foreign" in at.text
            await at.press("down", "space")
            assert "▸ [x] standing-in" in at.text
            assert "A name" in at.text
            await at.press("minus")
            await at.sees("so it speaks through its persona alone.")
            await at.press("end", "space")
            await at.sees("a card needs a persona, an adapter, or both.")
            await at.press("enter")
            assert members(await at.chose()) == ["farmers", "fishers", "millers", "standing-in"]

    play(scene())


def test_a_pool_is_saved_under_a_name_and_then_used_by_it(library: Library) -> None:
    async def scene() -> None:
        async with shown(screen(library)) as at:
            await ready(at)
            await at.press("space", "ctrl+s")
            await at.sees("Save the pool as")
            await at.type("M")
            assert "is no id for a pool" in at.text
            await at.press("ctrl+u")
            await at.type("coast")
            await at.press("enter")
            await at.sees("Saved as 'coast'", "coast, 2 of 3")
            await at.press("enter")
            pool = await at.chose()
            assert isinstance(pool, Pool)
            assert (pool.id, pool.path) == ("coast", pools_folder() / "coast.yaml")
            assert members(pool) == ["fishers", "millers"]

    play(scene())


@pytest.mark.parametrize(("answer", "kept"), [("n", 3), ("y", 2)])
def test_a_pool_is_replaced_only_when_that_is_confirmed(library: Library, answer: str, kept: int) -> None:
    async def scene() -> None:
        async with shown(screen(library), NARROW) as at:
            await ready(at)
            await at.press("space", "ctrl+s")
            await at.sees("Save the pool as")
            await at.type("village")
            await at.press("enter")
            await at.sees("Your pool 'village' exists.")
            await at.press(answer)
            await at.until(lambda: len(Library(library.paths).pool("village").members) == kept)
            await at.until(lambda: "exists" not in at.text)
            assert len(Library(library.paths).pool("village").members) == kept

    play(scene())


def test_long_and_odd_texts_do_not_break_the_lines(library: Library, village: Path) -> None:
    name = "قرويون دائما 漢字漢字漢字 " * 4
    add_card(village, "long-" + "x" * 59, CARD.format(id="long-" + "x" * 59, name=name, description=name * 3))

    async def scene() -> None:
        for size in (WIDE, NARROW):
            async with shown(screen(library), size) as at:
                await ready(at, "long-")
                await at.press("end")
                assert "▸ [ ] long-xxx" in at.text
                await at.press("i")
                await at.sees("قرويون")

    play(scene())
