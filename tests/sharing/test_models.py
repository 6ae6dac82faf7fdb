"""Which files a name means, what is fetched, under which name it is here, and how it goes again."""

from __future__ import annotations

from pathlib import Path

import pytest

from pluralism_local.config import Settings
from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.hub.cache import repository_folder
from pluralism_local.hub.download import INCOMPLETE, Transfer
from pluralism_local.models import store
from pluralism_local.sharing import models
from tests.support.fake_hub import COMMIT, FakeHub, Repo
from tests.support.gguf_files import write_model

SETTINGS = Settings()


def silent(_: Transfer) -> None:
    return


@pytest.fixture
def gguf(tmp_path: Path) -> bytes:
    return write_model(tmp_path / "m.gguf").read_bytes()


def add(fake_hub: FakeHub, *names: str, data: bytes = b"x") -> None:
    fake_hub.repos["user/model-GGUF"] = Repo(dict.fromkeys(names, data) | {"README.md": b"-"})


@pytest.mark.parametrize(
    ("files", "name", "chosen", "called"),
    [
        (["M-Q8_0.gguf"], "hf:user/model-GGUF", "M-Q8_0.gguf", "hf:user/model-GGUF"),
        (
            ["M-Q8_0.gguf", "M-Q4_K_M.gguf"],
            "hf:user/model-GGUF",
            "M-Q4_K_M.gguf",
            "hf:user/model-GGUF:Q4_K_M",
        ),
        (["m-q8_0.gguf", "m-q4_0.gguf"], "hf:user/model-GGUF:Q8_0", "m-q8_0.gguf", "hf:user/model-GGUF:Q8_0"),
        (["M-Q8_0.gguf", "mmproj-M.gguf"], "hf:user/model-GGUF@v1", "M-Q8_0.gguf", "hf:user/model-GGUF@v1"),
        (
            ["a/M-00001-of-00002.gguf", "a/M-00002-of-00002.gguf"],
            "hf:user/model-GGUF",
            "a/M-00001-of-00002.gguf",
            "hf:user/model-GGUF",
        ),
        (["M-00001-of-00000.gguf"], "hf:user/model-GGUF", "M-00001-of-00000.gguf", "hf:user/model-GGUF"),
    ],
)
def test_which_file_a_name_means(
    fake_hub: FakeHub, files: list[str], name: str, chosen: str, called: str
) -> None:
    add(fake_hub, *files)
    choice = models.choose(name, offline=False)
    assert (choice.files[0].name, choice.name) == (chosen, called)
    assert len(choice.files) == (2 if "of-00002" in chosen else 1)
    assert choice.missing == choice.bytes == len(choice.files)


def test_names_that_fit_several_or_none(fake_hub: FakeHub) -> None:
    add(fake_hub, "M-Q4_0.gguf", "M-Q8_0.gguf", data=b"x" * 2_000_000)
    with pytest.raises(InvalidInput, match=r"several models: M-Q4_0\.gguf \(2 MB\), M-Q8_0\.gguf \(2 MB\)"):
        models.choose("hf:user/model-GGUF", offline=False)
    with pytest.raises(NotFound, match="fits 'Q5_K_M'") as caught:
        models.choose("hf:user/model-GGUF:Q5_K_M", offline=False)
    assert "M-Q8_0.gguf" in caught.value.hint
    with pytest.raises(InvalidInput, match="'gguf' fits several files"):
        models.choose("hf:user/model-GGUF:gguf", offline=False)
    for name in ("starter", "x.gguf", "hf:nobody", "remote:http://x", "recommendet"):
        with pytest.raises(InvalidInput, match="is no model of the Hub") as refused:
            models.choose(name, offline=False)
        assert "'recommended'" in refused.value.hint


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["adapter_config.json"], "plocal communities pull hf:user/plain"),
        (["model.safetensors"], "look for plain-GGUF"),
        (["README.md"], "ends in -GGUF"),
    ],
)
def test_a_repository_without_gguf_says_where_else(fake_hub: FakeHub, files: list[str], said: str) -> None:
    fake_hub.repos["user/plain"] = Repo(dict.fromkeys(files, b"x"))
    with pytest.raises(NotFound, match="user/plain has no GGUF file") as caught:
        models.choose("hf:user/plain", offline=False)
    assert said in caught.value.hint


def test_offline_asks_nobody(fake_hub: FakeHub) -> None:
    add(fake_hub, "M-Q8_0.gguf")
    with pytest.raises(NotFound, match="--offline"):
        models.choose("hf:user/model-GGUF", offline=True)
    assert fake_hub.seen == []


def test_what_was_pulled_is_here_under_its_name_and_goes_again(fake_hub: FakeHub, gguf: bytes) -> None:
    add(fake_hub, "M-Q8_0.gguf", "M-Q4_K_M.gguf", data=gguf)
    fake_hub.repos["user/model-GGUF"].files["M-Q4_K_M.gguf"] = gguf[:-1] + b"\1"
    pulled = models.fetch(models.choose("hf:user/model-GGUF:Q8_0", offline=False), SETTINGS, silent)
    assert (pulled.name, pulled.commit) == ("hf:user/model-GGUF:Q8_0", COMMIT)
    assert store.resolve(pulled.name, SETTINGS).path == pulled.path
    other = models.fetch(models.choose("hf:user/model-GGUF", offline=False), SETTINGS, silent)
    assert {file.name for file in store.installed(SETTINGS)} >= {pulled.name, other.name}
    assert store.resolve("hf:user/model-GGUF:Q8_0@main", SETTINGS).path == pulled.path
    with pytest.raises(NotFound, match="of the revision 'v1'"):
        store.resolve("hf:user/model-GGUF:Q8_0@v1", SETTINGS)

    files = models.files_of(pulled.name, SETTINGS)
    assert models.bytes_of(files) == len(gguf)
    models.remove(files)
    with pytest.raises(NotFound):
        store.resolve(pulled.name, SETTINGS)
    assert store.resolve(other.name, SETTINGS).path == other.path
    models.remove(models.files_of(other.name, SETTINGS))
    assert not list((repository_folder("user/model-GGUF") / "snapshots").rglob("*.gguf"))
    assert not list((repository_folder("user/model-GGUF") / "blobs").glob("*"))


def test_what_an_interrupted_pull_left_can_be_deleted(fake_hub: FakeHub) -> None:
    left = repository_folder("user/model-GGUF") / "blobs" / f"{'ab' * 32}{INCOMPLETE}"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x" * 10)
    begun = models.files_of("hf:user/model-GGUF:Q8_0", SETTINGS)
    assert models.bytes_of(begun) == 10
    models.remove(begun)
    assert not left.exists()
    with pytest.raises(NotFound):
        models.files_of("hf:user/model-GGUF:Q8_0", SETTINGS)


def test_a_file_of_ones_own_is_not_deleted(fake_hub: FakeHub, tmp_path: Path, starter_path: Path) -> None:
    mine = write_model(tmp_path / "mine.gguf")
    for name in (str(mine), "starter"):
        with pytest.raises(InvalidInput, match="was not fetched from the Hub"):
            models.files_of(name, SETTINGS)
    assert mine.exists() and starter_path.exists()


def test_what_is_no_model_is_said(fake_hub: FakeHub) -> None:
    add(fake_hub, "M-Q8_0.gguf", data=b"<html>")
    with pytest.raises(InvalidInput, match="is not a GGUF file"):
        models.fetch(models.choose("hf:user/model-GGUF", offline=False), SETTINGS, silent)


def test_no_room_for_all_parts_is_told_before_the_first(
    fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(fake_hub, "M-00001-of-00002.gguf", "M-00002-of-00002.gguf", data=b"x" * 600_000)
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr("pluralism_local.hub.cache.shutil.disk_usage", lambda _: usage)
    with pytest.raises(Refused, match="takes 1 MB more"):
        models.fetch(models.choose("hf:user/model-GGUF", offline=False), SETTINGS, silent)
    assert not [request for request in fake_hub.seen if "/resolve/" in request.where]
