"""A model file is tried once in a child process before this process loads it, and run in a way that was seen to work.

    file, Setup asked for ──remembered?──> Setup that works                    (a few milliseconds)
              └─ no: a child runs it plainly, then as asked ──┬─ both well ──> as asked
                                                              ├─ the latter faults or differs ──> the next safer Setup
                                                              └─ the plain way faults ──> InvalidInput, remembered too
    adapters ──> those not tried on this model yet, all in one child ──> nothing, or InvalidInput for what faults

llama.cpp's assertions and processor faults end a process and cannot be caught in it; files from strangers meet the
former, new processors, libraries and quantizations the latter. What is remembered is keyed by the model, and by what
decides which kernels run (`kernel_safety.machine_key`). A child that could not be made or failed by itself says
nothing: the model is then run as asked. One that ran out of time or was killed for memory refuses the model, but only
this time.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from pluralism_local.engine import child_process
from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.child_process import Ended
from pluralism_local.engine.kernel_safety import machine_key
from pluralism_local.errors import EngineFailure, InvalidInput
from pluralism_local.files import key_of, write_atomic
from pluralism_local.types import AdapterRef

TRIALS = "trials"
"""Folder of the cache that it is all remembered in."""

TOLERANCE = 0.05
"""Largest squared difference over variance of the logits. Seen between plain weights and every faster way, on four
models: 0.002 at most; unrelated logits have 1 to 2."""

_SECONDS, _BYTES_A_SECOND = 60.0, 20e6
"""How long a child may take: this long, and what reading the file from a slow disk takes."""

_OUT_OF_MEMORY = "SIGKILL"  # by the system; nothing lasting

ModelAttempt = Callable[[Mapping[str, Any], float, ShouldStop], Ended]
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Setup:
    """How a model is run.

    Attributes:
        repack: llama.cpp's extra buffer types, as far as the processor's are known to work.
        flash: flash attention on the CPU.
        gpu_layers: layers on a GPU; -1 for all.
        one_thread: decode with a single thread.
    """

    repack: bool = True
    flash: bool = False
    gpu_layers: int = 0
    one_thread: bool = False

    def safer(self) -> Iterator[tuple[Setup, str]]:
        """Setups that leave out one thing more each, and what that is, for people."""
        setup = self
        for left_out, change in (
            ("repacked weights", {"repack": False}),
            ("flash attention", {"flash": False}),
            ("the GPU", {"gpu_layers": 0}),
            ("all threads but one", {"one_thread": True}),
        ):
            if replace(setup, **change) != setup:
                setup = replace(setup, **change)
                yield setup, left_out


@dataclass(frozen=True, slots=True)
class ModelVerdict:
    """What is remembered of a model on this machine.

    Attributes:
        setup: how it runs; None if it must not be loaded at all.
        left_out: what it runs without, as asked for: "flash attention (ended by SIGSEGV)"; empty if nothing.
        fault: why it must not be loaded.
        adapters: by sha256 the fault of each adapter tried on it; "" for a sound one.
        name: the file's, for people.
    """

    setup: Setup | None
    left_out: str = ""
    fault: str = ""
    adapters: Mapping[str, str] = field(default_factory=dict)
    name: str = ""

    def sentence(self) -> str:
        """For people, without a full stop."""
        if self.setup is None:
            return f"llama.cpp ends its process on it ({self.fault})"
        return f"runs without {self.left_out}" if self.left_out else "runs as it is"


class ModelSafety:
    """Tries files, and remembers in `folder`; None tries nothing.

    Args:
        note: told that a model is tried, which takes seconds.
        attempt: carries out a trial within so many seconds; a child process by default.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        threads: int = 2,
        note: Tell = lambda _: None,
        should_stop: ShouldStop = never,
        attempt: ModelAttempt | None = None,
    ) -> None:
        self._folder, self._threads, self._note, self._should_stop = folder, threads, note, should_stop
        self._attempt = attempt or try_in_child

    def setup(self, path: Path, identity: str, preferred: Setup) -> Setup:
        """How to run the file `path` on this machine, at best as `preferred`.

        Args:
            identity: what tells this file from all others.

        Raises:
            InvalidInput: it ends the process that loads it.
            Cancelled: stopped while it was tried.
        """
        if self._folder is None:
            return preferred
        place = self._place(identity, preferred)
        verdict = read(place)
        if verdict is None:
            self._note("trying the model once, in a process of its own …")
            verdict, lasting = self._try(path, preferred)
            if lasting:
                _write(place, replace(verdict, name=path.name))
        if verdict.setup is None:
            raise InvalidInput(
                f"llama.cpp ends its process on the model {path.name}: {verdict.fault}.",
                "Check it with `plocal models verify`, or take another file of the same model.",
            )
        return verdict.setup

    def verdict(self, path: Path, identity: str, preferred: Setup) -> ModelVerdict:
        """What is known of the file `path`, tried now if need be; never refuses it.

        Raises:
            Cancelled: stopped while it was tried.
        """
        try:
            setup = self.setup(path, identity, preferred)
        except InvalidInput:
            pass
        else:
            return self.remembered(identity, preferred) or ModelVerdict(setup)
        return self.remembered(identity, preferred) or ModelVerdict(None, fault="it did not end in time")

    def check_adapters(self, path: Path, identity: str, refs: Sequence[AdapterRef]) -> None:
        """Try those of `refs` on the model `path` that have not been tried on it.

        Raises:
            InvalidInput: one ends the process that loads it.
            Cancelled: stopped while they were tried.
        """
        if self._folder is None:
            return
        place = self._place(identity, None)
        tried = dict((read(place) or ModelVerdict(None)).adapters)
        untried = [ref for ref in refs if ref.sha256 not in tried]
        if untried:
            self._note("trying the adapters once, in a process of their own …")
            tried |= self._try_adapters(path, untried)
            _write(place, ModelVerdict(None, adapters=tried, name=path.name))
        for ref in refs:
            if tried.get(ref.sha256):
                raise InvalidInput(
                    f"llama.cpp ends its process on the adapter {ref.path.name}: {tried[ref.sha256]}.",
                    "Leave it out of the pool, or have it made again for this base.",
                )

    def _try(self, path: Path, preferred: Setup) -> tuple[ModelVerdict, bool]:
        """The verdict, and whether it may be remembered."""
        left_out: list[str] = []
        setup, reason = preferred, ""
        ladder = preferred.safer()
        while True:
            ended = self._run(path, setup)
            problem = _problem(ended)
            if not problem or ended.failure or ended.last("refused"):
                # a refusal is told by the load itself, with more to it
                told = f"{', '.join(left_out)} ({reason})" if left_out else ""
                return ModelVerdict(setup, told), not ended.failure and not ended.last("refused")
            safer, what = next(ladder, (None, ""))
            if safer is None:
                return ModelVerdict(None, fault=problem), _lasts(ended)
            left_out.append(what)
            setup, reason = safer, reason or problem

    def _run(self, path: Path, setup: Setup) -> Ended:
        run = asdict(setup)
        plain = asdict(Setup(repack=False))
        runs = [plain, run] if run != plain else [run]
        return self._carry_out(path, runs, [], setup)

    def _carry_out(
        self, path: Path, runs: Sequence[Mapping[str, Any]], adapters: Sequence[AdapterRef], setup: Setup
    ) -> Ended:
        trial = {
            "path": str(path),
            "runs": runs,
            "adapters": [str(ref.path) for ref in adapters],
            "threads": 1 if setup.one_thread else self._threads,
            "memory": None if setup.gpu_layers else _available_memory(),
        }
        seconds = _SECONDS + path.stat().st_size / _BYTES_A_SECOND
        return self._attempt(trial, seconds, self._should_stop)

    def _try_adapters(self, path: Path, refs: Sequence[AdapterRef]) -> dict[str, str]:
        """Faults by sha256, of all that were tried; a fault ends a child, and another one goes on with the rest."""
        faults: dict[str, str] = {}
        rest = list(refs)
        while rest:
            ended = self._carry_out(path, [], rest, Setup(repack=False))
            if not ended.fault:
                # refused ones are told by the load itself
                return faults | (
                    {} if ended.failure or ended.last("refused") else {ref.sha256: "" for ref in rest}
                )
            blamed = next((ref for ref in rest if str(ref.path) == ended.last("adapter")), None)
            if blamed is None:
                raise EngineFailure(
                    f"The model {path.name} could not be tried with its adapters: {ended.fault}."
                )
            place = rest.index(blamed)
            faults |= {ref.sha256: "" for ref in rest[:place]} | {blamed.sha256: _told(ended)}
            rest = rest[place + 1 :]
        return faults

    def _place(self, identity: str, preferred: Setup | None) -> Path:
        parts = f"{machine_key()} {identity} {preferred!r} {TOLERANCE}"
        return (self._folder or Path()) / f"{key_of(parts)}.json"

    def remembered(self, identity: str, preferred: Setup) -> ModelVerdict | None:
        """What is known of a model without trying it."""
        return read(self._place(identity, preferred)) if self._folder is not None else None


def try_in_child(trial: Mapping[str, Any], seconds: float, should_stop: ShouldStop = never) -> Ended:
    """Carry out a trial in a child process; see `model_trial`."""
    command = [sys.executable, "-m", "pluralism_local.engine.model_trial", json.dumps(trial)]
    return child_process.run(command, seconds=seconds, should_stop=should_stop)


def _problem(ended: Ended) -> str:
    """What is wrong with the way that was tried, as a clause; empty if nothing."""
    if ended.fault:
        return _told(ended)
    error = ended.last("error")
    if isinstance(error, float) and error > TOLERANCE:
        return f"wrong results, error {error:.2g}"
    return ""


def _told(ended: Ended) -> str:
    return f"{ended.fault}, {ended.complaint}" if ended.complaint else ended.fault


def _lasts(ended: Ended) -> bool:
    return not ended.fault.startswith("not done") and _OUT_OF_MEMORY not in ended.fault


def _available_memory() -> int | None:
    """Bytes that a process could take now without pushing others out; None where that is not told."""
    try:
        for line in Path("/proc/meminfo").read_text("ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def all_remembered(folder: Path) -> list[ModelVerdict]:
    """Every verdict kept in `folder`, of whatever library and processor, in no order that matters."""
    return [verdict for place in sorted(folder.glob("*.json")) if (verdict := read(place)) is not None]


def read(place: Path) -> ModelVerdict | None:
    """The verdict kept in the file `place`; None if there is none, or a damaged one."""
    try:
        record = json.loads(place.read_bytes())
        setup = None if record["setup"] is None else Setup(**record["setup"])
        adapters = {str(sha): str(fault) for sha, fault in record["adapters"].items()}
        left_out, fault, name = (str(record[key]) for key in ("left_out", "fault", "name"))
        return ModelVerdict(setup, left_out, fault, adapters, name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _write(place: Path, verdict: ModelVerdict) -> None:
    record = {
        "setup": None if verdict.setup is None else asdict(verdict.setup),
        "left_out": verdict.left_out,
        "fault": verdict.fault,
        "adapters": dict(verdict.adapters),
        "name": verdict.name,
    }
    with suppress(OSError):
        write_atomic(place, json.dumps(record) + "\n")
