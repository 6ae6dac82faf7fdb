"""Settings from five places, each fault named with its place, and edits that respect the user's file."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluralism_local.config import LOCAL_FILE, Settings, load, paths, set_value
from pluralism_local.errors import InvalidInput, PlocalError
from pluralism_local.toml_edit import with_setting
from pluralism_local.trust import Trust

in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def write_user_config(home: Path, text: str) -> Path:
    file = home / "config.toml"
    file.write_text(text, "utf-8")
    return file


def message_of(**overrides: object) -> str:
    with pytest.raises(InvalidInput) as caught:
        load(overrides)
    return f"{caught.value.message} {caught.value.hint}".strip()


def test_built_in_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLOCAL_PLAN")
    loaded = load(cwd=tmp_path)
    assert loaded.settings == Settings()
    assert set(loaded.origin) == set(Settings.model_fields)
    assert set(loaded.origin.values()) == {"built-in"}


def test_the_stronger_place_wins_value_by_value(own_home: Path, tmp_path: Path) -> None:
    file = write_user_config(own_home, "seed = 1\ntop_p = 0.1\nthreads = 1\nmax_tokens = 1\n")
    (tmp_path / LOCAL_FILE).write_text("seed = 2\ntop_p = 0.2\nthreads = 2\n")
    environ = {"PLOCAL_HOME": str(own_home), "PLOCAL_SEED": "3", "PLOCAL_TOP_P": "0.3"}

    loaded = load({"seed": 4, "temperature": None}, environ=environ, cwd=tmp_path)

    chosen = loaded.settings
    assert (chosen.seed, chosen.top_p, chosen.threads, chosen.max_tokens) == (4, 0.3, 2, 1)
    assert chosen.temperature == 0
    expected = {
        "seed": "--seed",
        "top_p": "PLOCAL_TOP_P",
        "threads": "./plocal.toml",
        "max_tokens": f"user config {file}",
        "temperature": "built-in",
    }
    assert {field: loaded.origin[field] for field in expected} == expected


def test_aliases_of_both_files_are_joined(own_home: Path, tmp_path: Path) -> None:
    write_user_config(own_home, "[aliases]\nfast = 'hf:a/b'\nbig = 'hf:c/d'\n")
    (tmp_path / LOCAL_FILE).write_text("[aliases]\nbig = 'hf:e/f'\n")
    file = tmp_path / LOCAL_FILE
    Trust(own_home / "data").allow(file, file.read_bytes())
    loaded = load(cwd=tmp_path)
    assert loaded.settings.aliases == {"fast": "hf:a/b", "big": "hf:e/f"}
    assert loaded.origin["aliases"] == "./plocal.toml"


def test_relative_paths_start_from_the_file_that_has_them(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    write_user_config(
        own_home,
        "model = 'm/x.gguf'\npool = 'p.yaml'\ncommunity_paths = ['mine', '~/ours', '/abs']\n"
        "[aliases]\na = 'y.gguf'\nb = 'hf:u/r:Q4'\nc = 'starter'\n",
    )
    chosen = load(cwd=tmp_path).settings
    assert chosen.model == f"{own_home}/m/x.gguf"
    assert chosen.pool == f"{own_home}/p.yaml"
    assert chosen.community_paths == [own_home / "mine", Path("/home/somebody/ours"), Path("/abs")]
    assert chosen.aliases == {"a": f"{own_home}/y.gguf", "b": "hf:u/r:Q4", "c": "starter"}
    assert load({"model": "m/x.gguf"}, cwd=tmp_path).settings.model == "m/x.gguf"


def test_text_from_variables_becomes_values(own_home: Path) -> None:
    environ = {
        "PLOCAL_HOME": str(own_home),
        "PLOCAL_OFFLINE": "1",
        "PLOCAL_GPU_LAYERS": "12",
        "PLOCAL_CTX_SIZE": "auto",
        "PLOCAL_TEMPERATURE": "0.5",
        "PLOCAL_COMMUNITY_PATHS": "/a:/b",
        "PLOCAL_ALIASES": "x=hf:u/r:Q4, y=/m.gguf",
        "PLOCAL_SEED": "",
        "PLOCAL_JSON": "1",
        "PLOCAL_SEEED": "belongs to somebody else",
    }
    chosen = load(environ=environ, cwd=own_home).settings
    assert (chosen.offline, chosen.gpu_layers, chosen.ctx_size, chosen.temperature) == (True, 12, None, 0.5)
    assert chosen.community_paths == [Path("/a"), Path("/b")]
    assert chosen.aliases == {"x": "hf:u/r:Q4", "y": "/m.gguf"}
    assert chosen.seed == 0


def test_unknown_key_names_file_key_and_the_nearest(own_home: Path) -> None:
    file = write_user_config(own_home, "temprature = 1\n")
    assert message_of() == f"{file} has the unknown setting 'temprature'. Did you mean 'temperature'?"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("seed = 1\nmodel = starter\n", 2),
        ("a = 1\nb = [\n\n", 4),
        ("seed = ", 1),
        ("\n\nseed = 1\nseed = 2", 4),
    ],
)
def test_bad_syntax_names_file_and_line(own_home: Path, text: str, line: int) -> None:
    file = write_user_config(own_home, text)
    assert f"{file}, line {line}" in message_of()


def test_a_config_that_is_no_text_is_refused(own_home: Path) -> None:
    file = own_home / "config.toml"
    file.write_bytes(b"seed = 1\n# caf\xe9\n")
    assert message_of() == f"{file}, line 2: this is not UTF-8 text."
    file.write_bytes(b"#" * 2_000_000)
    assert "larger than" in message_of()
    file.write_bytes(b"x = " + b"[" * 50_000)
    assert str(file) in message_of()
    file.unlink()
    file.mkdir()
    assert "is a folder" in message_of()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("seed = '3'", "must be a whole number between 0 and 4294967295, not '3'."),
        ("seed = 4294967296", "must be a whole number between 0 and 4294967295, not 4294967296."),
        ("temperature = true", "must be a number between 0 and 100, not True."),
        ("temperature = nan", "must be a number between 0 and 100, not nan."),
        ("top_p = 0", "must be a number above 0 and at most 1, not 0."),
        ("max_tokens = 0", "must be a whole number from 1 to 2147483647, not 0."),
        ("ctx_size = -1", "must be a whole number from 1 to 2147483647, or 'auto', not -1."),
        (
            "ctx_size = 99999999999999999999",
            "must be a whole number from 1 to 2147483647, or 'auto', not 99999999999999999999.",
        ),
        ("threads = 0", "must be a whole number from 1 to 512, or 'auto', not 0."),
        ("threads = 513", "must be a whole number from 1 to 512, or 'auto', not 513."),
        ("gpu_layers = 10001", "must be 'auto', 'all' or a whole number from 0 to 10000, not 10001."),
        ("gpu_layers = 'most'", "must be 'auto', 'all' or a whole number from 0 to 10000, not 'most'."),
        ("offline = 1", "must be true or false, not 1."),
        ("model = ''", "must be the name or the path of a model, not ''."),
        ("community_paths = 'here'", "must be a list of folders, not 'here'."),
        ("aliases = {starter = 'x'}", "not 'starter') to models, not {'starter': 'x'}."),
        ("aliases = {'a/b' = 'x'}", "to models, not {'a/b': 'x'}."),
        ("seed = 0x" + "f" * 9000, "not a number of thousands of digits."),
    ],
)
def test_bad_values_are_explained_without_jargon(own_home: Path, line: str, says: str) -> None:
    file = write_user_config(own_home, line)
    found = message_of()
    assert found.startswith(f"{line.split()[0]} in {file} must be ")
    assert found.endswith(says)


def test_bad_values_name_their_variable_or_flag(own_home: Path) -> None:
    with pytest.raises(InvalidInput, match=r"^PLOCAL_SEED must be a whole number"):
        load(environ={"PLOCAL_HOME": str(own_home), "PLOCAL_SEED": "x"})
    assert message_of(max_tokens=0) == "--max-tokens must be a whole number from 1 to 2147483647, not 0."
    assert message_of(mode="overtn").endswith("not 'overtn'. Did you mean 'overton'?")
    assert message_of(sed=1) == "--sed is no setting. Did you mean 'seed'?"


@in_one_folder
@given(
    text=st.text(alphabet=st.sampled_from("sedmol[]{}='\"#.,\n 01xé\0-"), max_size=60) | st.text(max_size=60)
)
def test_any_text_as_config_loads_or_is_explained(own_home: Path, text: str) -> None:
    (own_home / "config.toml").write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load(cwd=own_home)
    except PlocalError as error:
        assert "config.toml" in error.message


def test_settings_cannot_be_changed_or_extended() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().seed = 3
    with pytest.raises(ValueError, match="Extra inputs"):
        Settings.model_validate({"sed": 3})


def test_paths_follow_plocal_home_and_create_nothing(tmp_path: Path) -> None:
    found = paths({"PLOCAL_HOME": str(tmp_path / "here")})
    assert found.config_file == tmp_path / "here" / "config.toml"
    assert found.data_dir == tmp_path / "here" / "data"
    assert found.cache_dir == tmp_path / "here" / "cache"
    assert list(tmp_path.iterdir()) == []
    elsewhere = paths({"PLOCAL_HOME": ""})
    assert elsewhere.config_file.is_absolute()
    assert elsewhere.config_file.parts[-2:] == ("plocal", "config.toml")


def test_a_removed_working_folder_has_no_local_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.delenv("PLOCAL_PLAN")
    monkeypatch.chdir(gone)
    gone.rmdir()
    try:
        assert load().settings == Settings()
    finally:
        monkeypatch.chdir(tmp_path)


def test_set_value_keeps_comments_and_order(own_home: Path) -> None:
    file = write_user_config(
        own_home, "# mine\nseed = 3  # lucky\n\n# short names\n[aliases]\nfast = 'hf:a/b'\n"
    )
    assert set_value("seed", "4") == file
    set_value("max-tokens", "77")
    set_value("aliases.big", "hf:c/d")
    assert file.read_text() == (
        "# mine\nseed = 4  # lucky\nmax_tokens = 77\n\n"
        "# short names\n[aliases]\nfast = 'hf:a/b'\nbig = \"hf:c/d\"\n"
    )
    assert {path.name for path in own_home.iterdir() if path.is_file()} == {
        "config.toml",
        ".config.toml.lock",
    }


VALUES: list[tuple[str, str, Any]] = [
    ("model", "hf:u/r:Q4_K_M", "hf:u/r:Q4_K_M"),
    ("temperature", "0.25", 0.25),
    ("ctx_size", "4096", 4096),
    ("ctx_size", "auto", None),
    ("gpu_layers", "all", "all"),
    ("gpu_layers", "7", 7),
    ("offline", "true", True),
    ("community_paths", "/a:/b", [Path("/a"), Path("/b")]),
    ("aliases.x", "hf:u/r", {"x": "hf:u/r"}),
    ("aliases", "x=hf:u/r,y=starter", {"x": "hf:u/r", "y": "starter"}),
]


@pytest.mark.parametrize(("key", "text", "value"), VALUES)
def test_what_is_set_is_loaded(own_home: Path, key: str, text: str, value: object) -> None:
    set_value(key, text)
    field = key.split(".")[0]
    loaded = load(cwd=own_home)
    assert getattr(loaded.settings, field) == value
    assert loaded.origin[field] == f"user config {own_home / 'config.toml'}"


def test_relative_paths_are_stored_absolute(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    set_value("model", "x.gguf")
    monkeypatch.chdir(own_home)
    assert load().settings.model == str(tmp_path / "x.gguf")


def test_set_value_refuses_before_it_writes(own_home: Path) -> None:
    for key, text, says in [
        ("sed", "1", "no setting 'sed'"),
        ("seed.x", "1", "no setting 'seed.x'"),
        ("seed", "many", "seed must be a whole number"),
        ("aliases.a/b", "x", "aliases.a/b must be"),
    ]:
        with pytest.raises(InvalidInput, match=says):
            set_value(key, text)
    assert [path for path in own_home.iterdir() if path.is_file()] == []


def test_set_value_leaves_a_broken_file_alone(own_home: Path) -> None:
    file = write_user_config(own_home, "seed = \n")
    with pytest.raises(InvalidInput, match="line 1"):
        set_value("seed", "1")
    assert file.read_text() == "seed = \n"


def test_a_home_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be written") as caught:
        set_value("seed", "1", environ={"PLOCAL_HOME": str(tmp_path / "file")})
    assert "PLOCAL_HOME" in caught.value.hint


def test_a_linked_config_stays_a_link(own_home: Path, tmp_path: Path) -> None:
    (tmp_path / "dotfile").write_text("seed = 1\n")
    (own_home / "config.toml").symlink_to(tmp_path / "dotfile")
    set_value("seed", "2")
    assert (own_home / "config.toml").is_symlink()
    assert (tmp_path / "dotfile").read_text() == "seed = 2\n"


LINES = st.sampled_from(
    [
        "a = 1",
        "b = 'x' # why",
        "c = [\n[1],\n [2]]",
        'd = """\n[no]\n# """',
        "# note",
        "",
        "e.f = 1",
        "t = {k = 1}",
    ]
)
TABLES = st.sampled_from(["[t]\nk = 1", "# over\n[u]\na = 'y'", "[[w]]\nb = 1", "[u.v]\n"])


@in_one_folder
@given(
    top=st.lists(LINES, max_size=4, unique=True),
    tables=st.lists(TABLES, max_size=3, unique=True),
    key=st.sampled_from(["a", "b", "c", "n"]),
    value=st.sampled_from([5, "five", True, 0.5, ["p", "q"]]),
    end=st.sampled_from(["", "\n"]),
)
def test_an_edit_changes_one_setting_and_nothing_else(
    top: list[str], tables: list[str], key: str, value: object, end: str
) -> None:
    text = "\n".join(top + tables) + end
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    after = with_setting(text, key, value)
    assert tomllib.loads(after) == {**before, key: value}
    assert after.count("#") == text.count("#")


@pytest.mark.parametrize(
    "text", ["t = 3\nz = 1\n", "t.a = 1\nz = 1", "t = {a = 1}\nz = 1", "z = 1\n[t]\na = 1"]
)
def test_a_table_is_merged_and_swallows_nothing(text: str) -> None:
    after = tomllib.loads(with_setting(text, "t", {"b": 2}))
    assert after["z"] == 1
    assert after["t"]["b"] == 2
    assert ("a" in after["t"]) == ("a" in text)


def test_settings_at_once_are_all_kept(own_home: Path) -> None:
    write_user_config(own_home, "# mine\nmode = 'steerable'\n")
    keys = ["seed", "threads", "max_tokens", "comment_max_tokens", "ctx_size", "top_p", "comment_top_p"]
    script = (
        "import sys; from pluralism_local.config import set_value\n"
        "sys.stdin.readline(); set_value(sys.argv[1], '1'); set_value(f'aliases.{sys.argv[1]}', 'hf:a/b')"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, key], stdin=subprocess.PIPE, env=dict(os.environ))
        for key in keys
    ]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.close()
    assert [writer.wait() for writer in writers] == [0] * len(keys)
    kept = tomllib.loads((own_home / "config.toml").read_text())
    assert {key: kept[key] for key in keys} == dict.fromkeys(keys, 1)
    assert kept["aliases"] == dict.fromkeys(keys, "hf:a/b")
    assert kept["mode"] == "steerable"


def test_settings_of_many_threads_at_once_are_all_kept(own_home: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: set_value(f"aliases.a{number}", "hf:a/b"), range(24)))
    assert load(cwd=own_home).settings.aliases == {f"a{number}": "hf:a/b" for number in range(24)}
