"""What a folder's plocal.toml may say by itself, what it may say once it is trusted, and which servers get a key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluralism_local.config import LOCAL_FILE, Settings, load, paths
from pluralism_local.engine.remote import RemoteEngine
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.models.store import resolve
from pluralism_local.trust import Trust
from pluralism_local.wiring import open_engine

HERE, THERE = "http://127.0.0.1:18720/v1", "http://127.0.0.1:18721/v1"
LINES = {
    "model": ['"remote:http://192.0.2.1/v1#m"', '"./evil.gguf"', '"hf:u/r"', '"scripted:x"', '"starter"'],
    "aliases": ['{big = "remote:http://192.0.2.1#m"}', '{mine = "./evil.gguf"}', "{}"],
    "community_paths": ['["cards"]', '["/"]', "[]"],
    "pool": ['"./pool.yaml"', '"pools/mine"', '"~/x.yml"', '"cultures"', '"perspectives"'],
    "offline": ["true", "false"],
    "logging": ["true", "false"],
    "mode": ['"steerable"'],
    "seed": ["7"],
    "temperature": ["0.5"],
}
USERS = {
    "model": ['"big"', '"starter"'],
    "aliases": ['{big = "hf:a/b"}'],
    "offline": ["true", "false"],
    "logging": ["true", "false"],
    "pool": ['"cultures"'],
}


def some_of(lines: dict[str, list[str]]) -> st.SearchStrategy[dict[str, str]]:
    return st.fixed_dictionaries({}, optional={key: st.sampled_from(values) for key, values in lines.items()})


def write(file: Path, lines: dict[str, str]) -> Path:
    file.write_text("".join(f"{key} = {value}\n" for key, value in lines.items()))
    return file


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(users=some_of(USERS), folders=some_of(LINES))
def test_a_folder_chooses_modes_pools_and_sampling_and_nothing_else(
    own_home: Path, tmp_path: Path, users: dict[str, str], folders: dict[str, str]
) -> None:
    write(own_home / "config.toml", users)
    (tmp_path / LOCAL_FILE).unlink(missing_ok=True)
    before = load(cwd=tmp_path).settings
    write(tmp_path / LOCAL_FILE, folders)

    loaded = load(cwd=tmp_path)

    found = loaded.settings
    assert (found.model, found.aliases, found.community_paths) == (
        before.model,
        before.aliases,
        before.community_paths,
    )
    assert found.pool == before.pool or "/" not in found.pool + folders["pool"]
    assert found.offline >= before.offline
    assert found.logging <= before.logging
    assert found.seed == int(folders.get("seed", before.seed))
    assert not found.keyless

    file = tmp_path / LOCAL_FILE
    held = {} if loaded.withheld is None else loaded.withheld.values
    store = Trust(paths().data_dir)
    store.allow(file, file.read_bytes())
    trusted = load(cwd=tmp_path)
    store.revoke(file)
    assert trusted.withheld is None
    differing = {
        name for name in Settings.model_fields if getattr(trusted.settings, name) != getattr(found, name)
    }
    assert differing == set(held)


def test_trust_is_for_one_content_of_one_file(own_home: Path, tmp_path: Path) -> None:
    store = Trust(own_home / "data")
    file = write(tmp_path / LOCAL_FILE, {"model": '"hf:a/b"'})
    store.allow(file, file.read_bytes())
    assert load(cwd=tmp_path).settings.model == "hf:a/b"

    write(file, {"model": '"hf:a/b"', "seed": "1"})
    changed = load(cwd=tmp_path)
    assert changed.withheld is not None
    assert changed.withheld.state == "changed"
    assert (changed.settings.model, changed.settings.seed) == ("starter", 1)

    write(file, {"model": '"hf:a/b"'})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / LOCAL_FILE).symlink_to(file)  # relative paths in it would start from here
    assert load(cwd=elsewhere).withheld is not None

    assert store.files() == {file: "trusted"}
    store.revoke(file)
    assert load(cwd=tmp_path).withheld is not None
    with pytest.raises(NotFound):
        store.revoke(file)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"files": []}', '{"files": {"a": 1}}', "[" * 9000, '{"runs": 3}', "\0"]
)
def test_a_store_that_cannot_be_read_trusts_nothing(own_home: Path, tmp_path: Path, text: str) -> None:
    data = own_home / "data"
    data.mkdir()
    (data / "trusted.json").write_text(text)
    file = write(tmp_path / LOCAL_FILE, {"model": '"hf:a/b"'})
    store = Trust(data)
    assert store.state(file, file.read_bytes()) == "unknown"
    assert store.run_state({"model": "x"}) == "unknown"
    store.allow(file, file.read_bytes())
    assert store.state(file, file.read_bytes()) == "trusted"


def test_a_store_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(InvalidInput, match="cannot be written"):
        Trust(tmp_path / "data").allow(tmp_path / "x", b"")
    Trust(tmp_path / "data").remember_run({"model": "x"})


def test_runs_are_known_by_what_they_name(tmp_path: Path) -> None:
    store = Trust(tmp_path)
    store.remember_run({"model": "a"})
    store.allow_run({"model": "b"}, tmp_path / "run")
    assert [store.run_state({"model": name}) for name in "abc"] == ["own", "trusted", "unknown"]
    store.allow_run({"model": "a"}, tmp_path / "run")
    assert store.run_state({"model": "a"}) == "own"
    assert store.runs() == [tmp_path / "run"]
    store.revoke_run({"model": "b"}, tmp_path / "run")
    assert store.runs() == []


def test_the_key_goes_to_servers_that_the_user_named(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLOCAL_REMOTE_KEY", "sk-mine")
    file = write(
        tmp_path / LOCAL_FILE, {"model": f'"remote:{HERE}#m"', "aliases": f'{{big = "remote:{THERE}#m"}}'}
    )
    Trust(own_home / "data").allow(file, file.read_bytes())

    def key(name: str, settings: Settings) -> str:
        with open_engine(name, settings, lambda _: None) as engine:
            assert isinstance(engine, RemoteEngine)
            return engine._access.key

    trusted = load(cwd=tmp_path).settings
    assert [key(name, trusted) for name in (trusted.model, "big", f"remote:{HERE}")] == ["", "", ""]
    assert key("remote:http://127.0.0.1:9/v1", trusted) == "sk-mine"

    flag = load({"model": f"remote:{HERE}/#other"}, cwd=tmp_path).settings
    assert [key(name, flag) for name in (flag.model, "big")] == ["sk-mine", ""]
    monkeypatch.setenv("PLOCAL_ALIASES", f"mine=remote:{THERE}#m")
    variable = load(cwd=tmp_path).settings
    assert [key(name, variable) for name in (variable.model, "big")] == ["", "sk-mine"]
    (own_home / "config.toml").write_text(f"model = 'remote:{HERE}#x'\n")
    assert (
        key("big", load(cwd=tmp_path).settings)
        == key(trusted.model, load(cwd=tmp_path).settings)
        == "sk-mine"
    )
    assert load(cwd=tmp_path).settings.model_copy(update={"seed": 1}).keyless == frozenset()
    assert trusted.model_copy(update={"seed": 1}).keyless == {HERE, THERE}


def test_a_file_of_the_folder_does_not_take_an_aliass_place(
    starter_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "big").write_bytes(b"GGUF")
    assert resolve("big", Settings(aliases={"big": str(starter_path)})).path == starter_path


def test_what_is_kept_names_paths_and_digests_only(own_home: Path, tmp_path: Path) -> None:
    file = write(tmp_path / LOCAL_FILE, {"model": '"remote:http://ann:hush@127.0.0.1#m"'})
    Trust(own_home / "data").allow(file, file.read_bytes())
    kept = (own_home / "data" / "trusted.json").read_text()
    assert "hush" not in kept
    assert list(json.loads(kept)["files"]) == [str(file)]
