"""Which processor this is, and which llama.cpp library: what decides whether its kernels can be trusted.

    /proc/cpuinfo ──processor──> Processor(model, flags)      llama_cpp's folder ──library_sha256──> digest

Read without loading the library. Elsewhere than on Linux the flags are empty, which means: nothing special known.
"""

from __future__ import annotations

import functools
import hashlib
import platform
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Processor:
    """The first core's `model` as its maker names it, and its instruction sets, e.g. ``"avx2"``, ``"amx_tile"``."""

    model: str
    flags: frozenset[str]

    @property
    def has_amx(self) -> bool:
        """Whether it multiplies in tiles (Intel's servers from 2023 on), or says so inside a virtual machine."""
        return any(flag.startswith("amx") for flag in self.flags)


def processor(cpuinfo: Path = _CPUINFO) -> Processor:
    """This machine's processor, by `cpuinfo` where there is one."""
    fields: dict[str, str] = {}
    try:
        for line in cpuinfo.read_text("utf-8", "replace").splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    model = fields.get("model name") or platform.processor() or platform.machine()
    return Processor(model, frozenset(fields.get("flags", fields.get("Features", "")).split()))


def library_files() -> list[Path]:
    """llama.cpp's libraries of the installed llama-cpp-python, each once; empty if it is not installed."""
    spec = find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        return []
    return sorted({file.resolve() for file in Path(spec.origin).with_name("lib").glob("*ggml*")})


@functools.cache
def library_sha256() -> str:
    """Hex digest over ggml's libraries, which hold the kernels and change with a build; read once a process."""
    digest = hashlib.sha256()
    for file in library_files():
        digest.update(file.read_bytes())
    return digest.hexdigest()
