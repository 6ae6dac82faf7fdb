"""The models screen, over the starter model and small files."""

from __future__ import annotations

import hashlib
import threading
from io import FileIO
from pathlib import Path

import pytest

from pluralism_local.config import Settings
from pluralism_local.models import check as model_check
from pluralism_local.tui.screens.models import ModelsScreen
from tests.support.screen_host import NARROW, PENDING, WIDE, Driver, play, shown


@pytest.fixture
def settings(model_file: Path, tmp_path: Path) -> Settings:
    half = tmp_path / "half.gguf"
    half.write_bytes(model_file.read_bytes()[:-40])
    aliases = {
        "broken": str(half),
        "gone": str(tmp_path / "gone.gguf"),
        "far": "remote:http://localhost:1/v1#big",
        "tiny": str(model_file),
    }
    return Settings(aliases=aliases)


async def ready(at: Driver, last: str = "tiny") -> None:
    await at.until(lambda: last in at.text and "Reading" not in at.text)


async def go_to(at: Driver, name: str) -> None:
    await at.press("home")
    for _ in range(9):
        line = next(line for line in at.lines if line.startswith("▸"))
        if name in line:
            return
        await at.press("down")
    raise AssertionError(f"{name} is not in the list")


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_all_models_are_listed_with_what_is_wrong_with_the_broken_ones(
    settings: Settings, starter_path: Path, size: tuple[int, int]
) -> None:
    async def scene() -> None:
        async with shown(ModelsScreen(settings, "starter"), size) as at:
            await ready(at)
            assert "▸ ● starter" in at.text
            assert "✗ broken · " in at.text
            assert "✗ gone · There is no file" in at.text
            assert "Q4_1" in at.text
            assert "remote" in at.text
            await go_to(at, "tiny")
            if size == NARROW:
                await at.press("i")
            await at.sees("Tiny", "128 tokens", "F16")
            if size == WIDE:
                assert "source  alias" in at.text

    play(scene())


@pytest.mark.parametrize(
    ("name", "choice"),
    [("tiny", "tiny"), ("far", "far"), ("starter", None), ("broken", PENDING), ("gone", PENDING)],
)
def test_enter_chooses_what_can_be_used(
    settings: Settings, starter_path: Path, name: str, choice: object
) -> None:
    async def scene() -> None:
        async with shown(ModelsScreen(settings, "starter"), (100, 24)) as at:
            await ready(at)
            await go_to(at, f" {name}")
            await at.press("enter")
            await at.pilot.pause(0.05)
            assert at.app.choice is choice or at.app.choice == choice
            if choice is PENDING:
                assert "truncated" in at.text if name == "broken" else "There is no file" in at.text

    play(scene())


def test_esc_changes_nothing_and_a_current_path_is_listed(settings: Settings, model_file: Path) -> None:
    async def scene() -> None:
        async with shown(ModelsScreen(settings, "./tiny.gguf")) as at:
            await ready(at)
            assert "▸ ● ./tiny.gguf" in at.text
            await at.press("escape")
            assert await at.chose() is None

    play(scene())


def test_any_name_or_path_can_be_typed(settings: Settings, model_file: Path) -> None:
    async def scene() -> None:
        async with shown(ModelsScreen(settings, "far")) as at:
            await ready(at)
            await at.press("slash")
            await at.type("./tin.gguf")
            await at.press("enter")
            await at.sees("There is no file", "tiny.gguf'?")  # with the nearest one that is
            assert at.app.choice is PENDING
            await at.press("home", "ctrl+k")
            await at.type("hf:user/repo:Q4")
            await at.press("enter")
            await at.sees("plocal models pull hf:user/repo")
            await at.press("home", "ctrl+k")
            await at.type("./tiny.gguf")
            await at.press("enter")
            assert await at.chose() == "./tiny.gguf"

    play(scene())


def test_v_verifies_and_says_who_knows_the_checksum(settings: Settings, starter_path: Path) -> None:
    digest = hashlib.sha256(starter_path.read_bytes()).hexdigest()

    async def scene() -> None:
        async with shown(ModelsScreen(settings, "starter"), (120, 24)) as at:
            await ready(at)
            await at.press("v")
            await at.sees("starter is sound", digest, "as the package")
            await go_to(at, " tiny")
            await at.press("v")
            await at.sees("tiny is sound", "nobody has one on record")
            await go_to(at, " broken")
            await at.press("v")
            await at.sees("truncated")
            await go_to(at, " far")
            await at.press("v")
            await at.sees("'far' is no file here")

    play(scene())


def test_v_again_stops_and_progress_is_shown_meanwhile(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, starter_path: Path
) -> None:
    go_on = threading.Event()

    class Slow(FileIO):
        """A disk that gives the first half of the file and then waits."""

        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                go_on.wait(60)
            return super().read(starter_path.stat().st_size // 2)

    monkeypatch.setattr(model_check, "open_regular", Slow)

    async def scene() -> None:
        async with shown(ModelsScreen(settings, "starter"), NARROW) as at:
            await ready(at)
            await at.press("v")
            await at.sees("Checking ██████████░░░░░░░░░░ 50 % · v stops")
            await at.press("v")
            go_on.set()
            await at.sees("The check was stopped.")

    play(scene())


def test_without_any_model_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    async def scene() -> None:
        async with shown(ModelsScreen(Settings(), "remote:http://localhost:1/v1#m"), (100, 24)) as at:
            await at.sees('pip install "pluralism-local[starter]"')
            assert "● remote:http" in at.text

    play(scene())
