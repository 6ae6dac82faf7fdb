"""Models that are worth asking, as data, and which of them this machine can run.

    recommended.json ──models──> Recommended, the largest first
    memory, free disk ──ordered, best──> those that fit first; the one to take

The sizes are those that were published when the list was made; a pull asks the Hub. The memory is that of the file and
8,192 tokens of context, by `models.details.estimate_memory`'s formula.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from pluralism_local.display.figures import transfer_size
from pluralism_local.errors import NotFound
from pluralism_local.hub.cache import cached_files, fitting, free_bytes, repository_folder
from pluralism_local.hub.download import INCOMPLETE
from pluralism_local.model_names import Hub, parse

NAME = "recommended"
"""What `models pull` takes for the best of the list."""

SHARE = 0.75
"""How much of the machine's memory a model may take; the rest is for what else runs."""

LIST = "recommended.json"


@dataclass(frozen=True, slots=True)
class Recommended:
    """A model of the list.

    Attributes:
        name: as `models pull` and -m take it.
        title: what people call it.
        parameters: such as ``"4.0 B"``.
        bytes: of the download.
        memory_bytes: of the model with 8,192 tokens of context.
        licence: as its makers state it.
        context: tokens it was made for.
        good_for: a sentence.
        communities: which communities speak through it, and how.
        by_default: whether it may be the one to take where nobody chose; not for those with a special purpose.
    """

    name: str
    title: str
    parameters: str
    bytes: int
    memory_bytes: int
    licence: str
    context: int
    good_for: str
    communities: str
    by_default: bool


@dataclass(frozen=True, slots=True)
class Capacity:
    """What decides, in bytes.

    Attributes:
        memory: of the machine, or of its container; None if it cannot be told.
        free: room for the Hub's cache.
        cached: what that cache has by now of the listed models, by name; an interrupted pull leaves a part.
    """

    memory: int | None
    free: int
    cached: Mapping[str, int] = field(default_factory=dict)

    def runs(self, model: Recommended) -> bool:
        """Whether the model fits the memory; unknown memory fits nothing but the smallest of the list."""
        memory = 2.5e9 if self.memory is None else self.memory
        return model.memory_bytes <= SHARE * memory

    def has_room(self, model: Recommended) -> bool:
        """Whether what is missing of the model fits the disk."""
        return model.bytes - self.cached.get(model.name, 0) <= self.free


def models() -> tuple[Recommended, ...]:
    """The list."""
    text = files("pluralism_local.sharing").joinpath(LIST).read_text(encoding="utf-8")
    return tuple(Recommended(**entry) for entry in json.loads(text))


def this_machine() -> Capacity:
    """The machine that this runs on."""
    return Capacity(machine_memory(), free_bytes(), {model.name: _cached_bytes(model) for model in models()})


def ordered(machine: Capacity, listed: Sequence[Recommended] | None = None) -> list[Recommended]:
    """What the machine can run first, the largest before the smaller, those with a special purpose last of them.

    Then what it cannot run, the smallest first.
    """
    every = models() if listed is None else listed
    fitting = sorted(
        (model for model in every if machine.runs(model)),
        key=lambda model: (not model.by_default, -model.memory_bytes),
    )
    larger = sorted(
        (model for model in every if not machine.runs(model)), key=lambda model: model.memory_bytes
    )
    return [*fitting, *larger]


def best(machine: Capacity, listed: Sequence[Recommended] | None = None) -> Recommended:
    """The largest that fits memory and disk.

    Raises:
        NotFound: none does; the message has the numbers.
    """
    every = [model for model in ordered(machine, listed) if model.by_default]
    for model in every:
        if machine.runs(model) and machine.has_room(model):
            return model
    smallest = min(every, key=lambda model: model.memory_bytes)
    memory = "unknown" if machine.memory is None else transfer_size(machine.memory)
    raise NotFound(
        f"No model of the list fits: the smallest takes {transfer_size(smallest.memory_bytes)} of memory and "
        f"{transfer_size(smallest.bytes)} of disk; here are {memory} and {transfer_size(machine.free)} free.",
        "The starter runs on less. `plocal models ls --recommended` shows the list.",
    )


def advice(machine: Capacity) -> str | None:
    """One line for those who ask the starter: which model to get, and how; None where none fits."""
    try:
        model = best(machine)
    except NotFound:
        return None
    return (
        f"The starter is for trying things out. {model.title} ({transfer_size(model.bytes)}) fits this machine and "
        f"answers far better: plocal models pull {NAME}"
    )


def advice_once(marker: Path) -> str | None:
    """`advice` for this machine, the first time; None ever after, where `marker` has become a file."""
    if marker.exists():
        return None
    with suppress(OSError):
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    return advice(this_machine()) if marker.exists() else None


def _cached_bytes(model: Recommended) -> int:
    """Of the model's files in the cache; where there are none, of what interrupted pulls left of its repository."""
    place = parse(model.name).place
    if not isinstance(place, Hub) or place.repo is None:
        return 0
    folder = repository_folder(place.repo)
    files = cached_files(folder)
    paths = [files[name] for name in fitting(files, place.selector or "")]
    return sum(path.stat().st_size for path in paths or folder.glob(f"blobs/*{INCOMPLETE}"))


def machine_memory() -> int | None:
    """Bytes of memory: the machine's, or a container's limit if that is lower; None if it cannot be told."""
    try:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text()
    except OSError:
        return total
    return min(total, int(limit)) if limit.strip().isdigit() else total
