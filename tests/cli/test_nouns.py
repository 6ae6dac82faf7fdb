"""Communities, pools, config: tables for people, JSON for programs, checks with exit codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.cli.communities import targets
from tests.support.command_line import Run, add_card


def test_communities_are_listed_and_a_broken_one_hides_no_good_one(run: Run, village: Path) -> None:
    add_card(village, "broken", "---\nplocal: {schema: 1}\n---\n")
    ran = run("communities", "ls")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0].split() == ["id", "name", "made", "of"]
    farmers = next(line for line in lines if line.startswith("farmers"))
    assert farmers.index("The farmers") == lines[0].index("name")
    assert "broken" not in ran.out and "Warning: " in ran.err and "broken" in ran.err
    ids = [one["id"] for one in run("communities", "ls", "--json").json()]
    assert {"farmers", "fishers", "millers"} <= set(ids)


def test_a_card_is_shown(run: Run, village: Path) -> None:
    card = """---
plocal:
  schema: 1
  id: weavers
  name: Weavers
  description: They weave.
  persona: |
    You weave.
    You know {question}.
  prior: {weight: 0.25, of: the valley, source: the census, year: 1999}
  limits: {not_for: [votes], known_failures: [numbers]}
---
"""
    folder = add_card(village, "weavers", card)
    for name in ("weavers", str(folder), str(folder / "README.md")):
        out = run("communities", "show", name).out
        assert "weight    0.25 of the valley (the census, 1999)\n" in out
        assert "not for   votes\nfails at  numbers\n" in out
        assert out.endswith("Persona:\n  You weave.\n  You know {question}.\n")
    record = run("communities", "show", "weavers", "--json").json()
    assert record["prior"]["year"] == 1999 and record["folder"] == str(folder)


def test_validate_has_a_line_per_card_and_the_code_of_the_first_failure(run: Run, village: Path) -> None:
    add_card(village, "typo", "---\nplocal: {schema: 1, id: typo, nam: Typo}\n---\n")
    ran = run("communities", "validate", "farmers", "typo", "nobody")
    lines = ran.out.splitlines()
    assert ran.code == 2 and ran.err == ""
    assert lines[0] == "ok    farmers  (persona)"
    assert lines[1].startswith("FAIL  typo: ") and "unknown key 'plocal.nam'" in lines[1]
    assert lines[2] == "      Did you mean 'name'?"
    assert run("communities", "validate", "nobody", "typo").code == 3
    record = run("communities", "validate", "farmers", "typo", "--json").json()
    assert [one["ok"] for one in record] == [True, False]
    assert record[0]["error"] is None and record[1]["error"]["code"] == "invalid_input"


def test_a_folder_of_cards_means_all_that_is_in_it(run: Run, village: Path) -> None:
    library = village / "data" / "communities"
    (library / "README.md").write_text("About this collection.")
    everything = [str(library / id) for id in ("farmers", "fishers", "millers")]
    pools = [str(library / "pools" / f"{id}.yaml") for id in ("coast", "village")]
    assert targets(str(library)) == everything + pools
    assert [name for path in sorted(library.iterdir()) for name in targets(str(path))] == everything + pools
    ran = run("communities", "validate", *map(str, sorted(library.iterdir())))
    assert ran.code == 0 and len(ran.out.splitlines()) == 5


def test_what_ships_is_valid(run: Run) -> None:
    import pluralism_local

    shipped = Path(pluralism_local.__file__).parents[1] / "adapters"
    ran = run("communities", "validate", str(shipped))
    assert ran.code == 0, ran.out
    assert ran.out.count("ok    ") >= 13


def test_pools_are_listed_shown_and_checked(run: Run, village: Path) -> None:
    rows = run("pools", "ls").out.splitlines()
    (row,) = [row for row in rows if row.startswith("village ")]
    assert row.endswith("  farmers, fishers, millers")
    assert row.index("A village") == rows[0].index("name")
    out = run("pools", "show", "village").out
    assert "farmers    0.5000  -      no claim\n" in out
    members = run("pools", "show", "coast", "--json").json()["members"]
    assert [member["weight"] for member in members] == [0.5, 0.5]

    wrong = village / "wrong.yaml"
    wrong.write_text("- {card: farmers, weight: 0.5}\n- {card: fishers, weight: 0.6}\n")
    ran = run("pools", "validate", "village", str(wrong))
    assert ran.code == 2
    assert ran.out.startswith("ok    village  (3 communities, weights sum to 1)\nFAIL  ")
    assert "the weights sum to 1.1, not to 1" in ran.out


def test_config_shows_each_value_with_its_origin(
    run: Run, village: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plocal.toml").write_text("max_tokens = 64\n")
    monkeypatch.setenv("PLOCAL_SEED", "5")
    found = run("config", "show", "--json").json()
    assert found["pool"] == {"value": "village", "origin": f"user config {village / 'config.toml'}"}
    assert found["max_tokens"] == {"value": 64, "origin": "./plocal.toml"}
    assert found["seed"] == {"value": 5, "origin": "PLOCAL_SEED"}
    assert found["mode"] == {"value": "overton", "origin": "built-in"}
    rows = {line.split()[0]: line.split() for line in run("config", "show").out.splitlines()}
    assert rows["seed"] == ["seed", "5", "PLOCAL_SEED"]
    assert rows["aliases"][1] == "-"


def test_config_set_writes_and_says_what_overrides_it(
    run: Run, village: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = village / "config.toml"
    assert run("config", "path").out == f"{file}\n"
    ran = run("config", "set", "seed", "9")
    assert ran.code == 0 and "seed is set in" in ran.err and ran.out == ""
    assert "seed = 9" in file.read_text() and 'pool = "village"' in file.read_text()
    monkeypatch.setenv("PLOCAL_SEED", "5")
    assert "Warning: PLOCAL_SEED overrides it" in run("config", "set", "seed", "10").err
    bad = run("config", "set", "seed", "soon")
    assert bad.code == 2 and "seed = 10" in file.read_text()
