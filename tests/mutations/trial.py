"""A trial of many mutants: our check first, then, where it finds nothing wrong, the real load in a child process.

    mutant ──check──> "refused by us" | sound ──child──> "loaded" | "refused by llama.cpp" | died, hung or a bug

As a script, for more mutants than the tests make:  python -m tests.mutations.trial models 2000 --seed 7 --keep DIR
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from pluralism_local.communities.adapter_file import check_adapter
from pluralism_local.errors import InvalidInput, PlocalError, Refused
from pluralism_local.models.details import read_model_header
from pluralism_local.models.gguf_file import read_header, sha256_of
from tests.mutations.draft import take_apart
from tests.mutations.mutants import mutant
from tests.support.tiny.model import NORMS_BEHIND, NORMS_OF_HEADS, Tiny, write_tiny, write_tiny_adapter

Outcome = str
MAX_SECONDS = 60  # a load takes a hundredth of one

KINDS: tuple[Tiny, ...] = (
    Tiny(tokenizer="sentencepiece"),
    Tiny(tokenizer="bpe"),
    Tiny("qwen2", "bpe"),
    Tiny("gemma3", "sentencepiece", norms=NORMS_OF_HEADS | NORMS_BEHIND),
    Tiny("qwen3", "bpe", norms=NORMS_OF_HEADS),
)


class Child:
    """A process that loads files; begun anew whenever it died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def load(self, *files: Path) -> Outcome:
        """What the child says of the files, or the signal that it died of."""
        process = self._running()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps([str(file) for file in files]) + "\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], MAX_SECONDS)[0]:
            process.kill()
            self.close()
            return f"hung: more than {MAX_SECONDS} s"
        line = process.stdout.readline()
        if line:
            return str(json.loads(line))
        code = process.wait(30)
        self.close()
        return f"died: {signal.Signals(-code).name if code < 0 else f'exit {code}'}"

    def close(self) -> None:
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait(30)
            self._process = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.mutations.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                cwd=Path(__file__).parents[2],
                env=os.environ | {"GGML_NO_BACKTRACE": "1"},  # else it starts a debugger
            )
        return self._process


@contextmanager
def child() -> Iterator[Child]:
    started = Child()
    try:
        yield started
    finally:
        started.close()


@dataclass
class Tally:
    """Outcomes counted, and the seeds of those that must not be."""

    counts: Counter[str] = field(default_factory=Counter)
    bad: dict[str, Outcome] = field(default_factory=dict)

    def add(self, name: str, outcome: Outcome) -> None:
        kind = outcome.partition(":")[0]
        self.counts[kind] += 1
        if kind in ("died", "hung", "bug"):
            self.bad[name] = outcome


def try_models(folder: Path, seeds: range, keep: Path | None = None) -> Tally:
    """Mutants of tiny models of five kinds in turn."""
    bases = [write_tiny(folder / f"{tiny.architecture}-{tiny.tokenizer}.gguf", tiny) for tiny in KINDS]

    def check(path: Path) -> None:
        read_model_header(path)  # what every way to a model begins with

    return _try(folder, bases, seeds, check, lambda path: (path,), keep)


def try_adapters(folder: Path, seeds: range, keep: Path | None = None) -> Tally:
    """Mutants of adapters for a tiny model, odd seeds with invocation tokens."""
    model = write_tiny(folder / "base.gguf")
    tokens = tuple(range(3, 7))
    bases = [
        write_tiny_adapter(folder / "always.gguf", model),
        write_tiny_adapter(folder / "activated.gguf", model, invocation_tokens=tokens),
    ]

    def check(path: Path) -> None:
        activated = "adapter.alora.invocation_tokens" in read_header(path).metadata
        check_adapter(
            path, sha256=sha256_of(path), rank=4, alpha=8.0, activation="assistant" if activated else "always"
        )

    return _try(folder, bases, seeds, check, lambda path: (model, path), keep)


def _try(
    folder: Path,
    bases: list[Path],
    seeds: range,
    check: Callable[[Path], None],
    files: Callable[[Path], tuple[Path, ...]],
    keep: Path | None,
) -> Tally:
    drafts = [take_apart(base) for base in bases]
    tally, path = Tally(), folder / "mutant.gguf"
    with child() as loader:
        for seed in seeds:
            path.write_bytes(mutant(drafts[seed % len(drafts)], random.Random(seed)))
            outcome = _outcome(path, check, files, loader)
            tally.add(f"seed {seed}", outcome)
            if keep is not None and f"seed {seed}" in tally.bad:
                shutil.copy(path, keep / f"{seed}.gguf")
    return tally


def _outcome(
    path: Path, check: Callable[[Path], None], files: Callable[[Path], tuple[Path, ...]], loader: Child
) -> Outcome:
    try:
        check(path)
    except (InvalidInput, Refused):
        return "refused by us"
    except PlocalError as error:
        return f"bug: {error!r}"
    except Exception as error:  # noqa: BLE001 - counted
        return f"bug: in our check, {error!r}"
    outcome = loader.load(*files(path))
    return outcome.replace("refused:", "refused by llama.cpp:")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("models", "adapters"))
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--keep", type=Path, help="a folder for the mutants that end a process")
    given = parser.parse_args()
    if given.keep is not None:
        given.keep.mkdir(parents=True, exist_ok=True)
    trial = {"models": try_models, "adapters": try_adapters}[given.kind]
    with TemporaryDirectory() as folder:
        tally = trial(Path(folder), range(given.seed, given.seed + given.count), given.keep)
    print(dict(tally.counts))  # noqa: T201
    for name, outcome in tally.bad.items():
        print(name, outcome)  # noqa: T201


if __name__ == "__main__":
    main()
