"""Files from an imitation of the Hub: whole, checked, gone on with, and every trouble told apart."""

from __future__ import annotations

import errno
import hashlib
import random
from pathlib import Path

import pytest

from pluralism_local.errors import NotFound, PlocalError, Refused, RemoteFailure
from pluralism_local.hub.cache import cached_files, commit_of, repository_folder
from pluralism_local.hub.download import INCOMPLETE, Transfer, download, missing_bytes, require_room
from pluralism_local.hub.repository import Repository, look_up
from pluralism_local.hub.session import require_online
from pluralism_local.hub.troubles import reason_of
from tests.support.fake_hub import COMMIT, TOKEN, FakeHub, Repo

NAME = "user/model"
DATA = random.Random(0).randbytes(1_500_000)


def silent(_: Transfer) -> None:
    return


@pytest.fixture
def repository(fake_hub: FakeHub) -> Repository:
    fake_hub.repos[NAME] = Repo({"M.gguf": DATA, "README.md": b"# A model\n"})
    return look_up(NAME)


def partial() -> Path:
    return repository_folder(NAME) / "blobs" / f"{hashlib.sha256(DATA).hexdigest()}{INCOMPLETE}"


def test_a_repository_is_known_with_sizes_checksums_commit_and_licence(repository: Repository) -> None:
    assert (repository.commit, repository.revision, repository.licence) == (COMMIT, "main", "apache-2.0")
    model, readme = repository.file("M.gguf"), repository.file("README.md")
    assert (model.bytes, model.sha256) == (len(DATA), hashlib.sha256(DATA).hexdigest())
    assert (readme.bytes, readme.sha256) == (10, None)
    with pytest.raises(NotFound, match=r"user/model has no N\.gguf"):
        repository.file("N.gguf")


def test_a_file_has_its_place_in_the_cache_as_the_hubs_own_client_keeps_it(
    repository: Repository, fake_hub: FakeHub
) -> None:
    path = download(repository, repository.file("M.gguf"), silent)
    assert path == repository_folder(NAME) / "snapshots" / COMMIT / "M.gguf"
    assert path.read_bytes() == DATA
    assert path.resolve().name == hashlib.sha256(DATA).hexdigest()
    assert (repository_folder(NAME) / "refs" / "main").read_text() == COMMIT
    assert commit_of(path) == COMMIT
    assert cached_files(repository_folder(NAME)) == {"M.gguf": path}
    assert cached_files(repository_folder(NAME), revision="main") == {"M.gguf": path}
    assert cached_files(repository_folder(NAME), revision="c0ffee") == {"M.gguf": path}
    assert cached_files(repository_folder(NAME), revision="v1") == {}
    assert missing_bytes(repository, repository.file("M.gguf")) == 0
    before = len(fake_hub.seen)
    assert download(repository, repository.file("M.gguf"), silent) == path
    assert len(fake_hub.seen) == before  # what is here is asked of nobody
    assert download(repository, repository.file("README.md"), silent).read_bytes() == b"# A model\n"


def test_the_token_goes_to_the_hub_and_not_to_where_it_redirects(
    repository: Repository, fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    download(repository, repository.file("M.gguf"), silent)
    to_hub = [request for request in fake_hub.seen if "/resolve/" in request.where]
    to_cdn = [
        request
        for request in fake_hub.seen
        if request.where.startswith(f"/{hashlib.sha256(DATA).hexdigest()}")
    ]
    assert to_hub and all(request.token == f"Bearer {TOKEN}" for request in to_hub)
    assert to_cdn and all(request.token is None for request in to_cdn)


@pytest.mark.parametrize("seed", range(4))
def test_a_dropped_connection_is_gone_on_with(
    repository: Repository, fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    random_ = random.Random(seed)
    fake_hub.cut_after = [random_.randrange(300_000, 450_000) for _ in range(3)]
    steps: list[Transfer] = []
    path = download(repository, repository.file("M.gguf"), steps.append)
    assert path.read_bytes() == DATA
    sha256 = hashlib.sha256(DATA).hexdigest()
    ranges = [request.range for request in fake_hub.seen if sha256 in request.where and request.range]
    assert len(ranges) == 3  # it never began anew
    assert steps[-1].done == len(DATA) and steps[-1].checking
    assert all(step.done <= step.total == len(DATA) for step in steps)


def test_a_server_that_ignores_where_to_go_on_starts_over(
    repository: Repository, fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    fake_hub.cut_after, fake_hub.ignores_range = [900_000], True
    assert download(repository, repository.file("M.gguf"), silent).read_bytes() == DATA


@pytest.mark.parametrize("seed", range(4))
def test_what_an_earlier_program_left_is_gone_on_with(
    repository: Repository, fake_hub: FakeHub, seed: int
) -> None:
    kept = random.Random(seed).randrange(1, len(DATA))
    partial().parent.mkdir(parents=True)
    partial().write_bytes(DATA[:kept])
    assert missing_bytes(repository, repository.file("M.gguf")) == len(DATA) - kept
    assert download(repository, repository.file("M.gguf"), silent).read_bytes() == DATA
    (asked,) = {request.range for request in fake_hub.seen if request.range}
    assert asked == f"bytes={kept}-"
    assert not partial().exists()


def test_a_file_left_longer_than_the_hubs_is_begun_anew(repository: Repository) -> None:
    partial().parent.mkdir(parents=True)
    partial().write_bytes(DATA + b"more")
    assert download(repository, repository.file("M.gguf"), silent).read_bytes() == DATA


@pytest.mark.parametrize("left", [b"", b"other" * 1000])
def test_another_content_than_the_hub_lists_is_thrown_away(
    repository: Repository, fake_hub: FakeHub, left: bytes
) -> None:
    """Whether it came so, or was left damaged by an earlier try."""
    if left:
        partial().parent.mkdir(parents=True)
        partial().write_bytes(left)
    else:
        fake_hub.repos[NAME].listed_sha256["M.gguf"] = "ab" * 32
        repository = look_up(NAME)
    with pytest.raises(Refused, match="is not what user/model lists: sha256") as caught:
        download(repository, repository.file("M.gguf"), silent)
    assert "thrown away" in caught.value.hint
    assert cached_files(repository_folder(NAME)) == {}
    assert not list((repository_folder(NAME) / "blobs").glob("*"))
    if left:
        assert download(repository, repository.file("M.gguf"), silent).read_bytes() == DATA


def test_no_room_is_told_before_anything_is_fetched(
    repository: Repository, fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr("pluralism_local.hub.cache.shutil.disk_usage", lambda _: usage)
    with pytest.raises(Refused, match=r"M\.gguf takes 2 MB more, and 1 MB are free"):
        download(repository, repository.file("M.gguf"), silent)
    assert not [request for request in fake_hub.seen if "/resolve/" in request.where]
    with pytest.raises(Refused, match="all of it takes 2 MB more"):
        require_room("all of it", 2_000_000)


def test_a_disk_that_fills_up_keeps_what_has_come(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import file_download

    whole = file_download.http_get

    def full(url: str, stream: object, **options: object) -> None:
        stream.write(DATA[:700_000])  # type: ignore[attr-defined]
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(file_download, "http_get", full)
    with pytest.raises(Refused, match="The disk is full") as caught:
        download(repository, repository.file("M.gguf"), silent)
    assert "goes on where it stopped" in caught.value.hint
    assert partial().read_bytes() == DATA[:700_000]
    monkeypatch.setattr(file_download, "http_get", whole)
    assert download(repository, repository.file("M.gguf"), silent).read_bytes() == DATA


@pytest.mark.parametrize(
    ("state", "token", "kind", "message", "hint"),
    [
        ("missing", None, NotFound, "for everybody: it does not exist, or it is private", "hf auth login"),
        ("private", None, NotFound, "for everybody: it does not exist, or it is private", "hf auth login"),
        ("missing", TOKEN, NotFound, "is private and not open to your token", "spelling"),
        ("open", "hf_wrong", Refused, "does not take your token", "hf auth login"),
    ],
)
def test_what_cannot_be_looked_up_says_why_and_what_to_do(
    fake_hub: FakeHub,
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    token: str | None,
    kind: type[PlocalError],
    message: str,
    hint: str,
) -> None:
    if state != "missing":
        fake_hub.repos[NAME] = Repo({"M.gguf": DATA}, state)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(kind, match=message) as caught:
        look_up(NAME)
    assert hint in caught.value.hint


def test_a_private_repository_is_fetched_by_whoever_may(
    fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_hub.repos[NAME] = Repo({"M.gguf": DATA}, "private")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    repository = look_up(NAME)
    assert download(repository, repository.file("M.gguf"), silent).read_bytes() == DATA


@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize("file", ["M.gguf", "README.md"])
def test_a_gated_repository_says_where_to_accept(
    fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch, token: str | None, file: str
) -> None:
    fake_hub.repos[NAME] = Repo({"M.gguf": DATA, "README.md": b"x"}, "gated")
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    repository = look_up(NAME)
    with pytest.raises(Refused, match="user/model is gated") as caught:
        download(repository, repository.file(file), silent)
    assert f"{fake_hub.url}/{NAME}" in caught.value.hint
    assert ("hf auth login" in caught.value.hint) is (token is None)


def test_revisions(fake_hub: FakeHub) -> None:
    fake_hub.repos[NAME] = Repo({"M.gguf": DATA})
    repository = look_up(NAME, "v1")
    path = download(repository, repository.file("M.gguf"), silent)
    assert cached_files(repository_folder(NAME), revision="v1") == {"M.gguf": path}
    assert (repository_folder(NAME) / "refs" / "v1").read_text() == COMMIT
    with pytest.raises(NotFound, match="user/model has no revision 'v9'"):
        look_up(NAME, "v9")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_fails(fake_hub: FakeHub, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    fake_hub.status = status
    with pytest.raises(RemoteFailure):
        look_up(NAME)


def test_a_hub_that_is_not_there(monkeypatch: pytest.MonkeyPatch, fake_hub: FakeHub) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    with pytest.raises(RemoteFailure, match="could not be reached at") as caught:
        look_up(NAME)
    assert "goes on where it stopped" in caught.value.hint


def test_names_that_no_repository_has(fake_hub: FakeHub) -> None:
    with pytest.raises(NotFound, match="cannot be the name of a repository"):
        look_up("a--b..c/d")


@pytest.mark.parametrize("variable", ["", "1"])
def test_offline_forbids(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", variable)
    with pytest.raises(NotFound, match="HF_HUB_OFFLINE" if variable else "--offline"):
        require_online(not variable, "hf:user/model")


def test_two_programs_do_not_fetch_one_file(repository: Repository) -> None:
    from filelock import FileLock

    from pluralism_local.hub.cache import cache_folder

    lock = (
        cache_folder() / ".locks" / repository_folder(NAME).name / f"{hashlib.sha256(DATA).hexdigest()}.lock"
    )
    lock.parent.mkdir(parents=True)
    with FileLock(lock), pytest.raises(Refused, match=r"Another program is fetching M\.gguf"):
        download(repository, repository.file("M.gguf"), silent)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError("no route.\nmore"), "no route"),
        (RuntimeError(""), "RuntimeError"),
        (ValueError("."), "ValueError"),
    ],
)
def test_every_error_has_a_reason(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason
