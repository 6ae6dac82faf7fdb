"""The chat in a real browser: a question typed into the page is answered and kept."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUESTION = "Should phones be banned in schools?"


def plocal(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from pluralism_local.cli.main import entry; entry()", *arguments]


@pytest.fixture
def address(own_home: Path) -> Iterator[str]:
    """Where a chat over the scripted engine is served."""
    server = subprocess.Popen(
        plocal("chat", "--web", "-m", "scripted:"), stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    try:
        assert server.stderr is not None
        found = re.search(r"http://\S+", server.stderr.readline())
        assert found is not None
        yield found[0]
    finally:
        server.terminate()
        server.wait(30)
        if server.stderr is not None:
            server.stderr.close()


@pytest.fixture
def page() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1000, "height": 640})
        browser.close()


def until(reached: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, f"not reached within {seconds} s"
        time.sleep(0.5)


def kept() -> list[dict[str, Any]]:
    done = subprocess.run(plocal("logs", "show", "last", "--json"), capture_output=True, text=True)
    turns: list[dict[str, Any]] = json.loads(done.stdout)["turns"] if done.returncode == 0 else []
    return turns


def test_a_question_typed_in_the_browser_is_answered(address: str, page: Any) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    assert page.goto(address, timeout=90_000).status == 200
    page.wait_for_selector("body.-first-byte .xterm-screen", timeout=90_000)
    page.wait_for_timeout(5_000)
    before = page.screenshot()
    page.mouse.click(200, 580)
    page.keyboard.type(QUESTION)
    page.keyboard.press("Enter")
    until(lambda: [turn["status"] for turn in kept()] == ["done"])
    (turn,) = kept()
    assert turn["prompt"] == QUESTION and turn["answer"]
    page.wait_for_timeout(2_000)
    assert page.screenshot() != before
    assert all(url.startswith((address.rsplit("/", 2)[0], "data:", "blob:")) for url in asked), asked


def test_nobody_gets_in_without_the_secret(address: str, page: Any) -> None:
    root = address.rsplit("/", 2)[0]
    assert page.goto(f"{root}/", timeout=90_000).status == 404
    assert page.goto(f"{root}/{'x' * 32}/", timeout=90_000).status == 404
