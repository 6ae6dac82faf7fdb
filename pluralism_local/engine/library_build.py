"""What the installed llama.cpp library was compiled for, asked in a child process: `python -m …engine.library_build`.

    library ──child──> {"AVX2", "AVX512", "OPENMP", …} ──lacking──> what this processor has and the build does not use

A library that was built for another processor ends the process at its first foreign instruction; hence the child.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection
from dataclasses import dataclass

from pluralism_local.engine import child_process
from pluralism_local.engine.processor import Processor

SECONDS = 20.0

INSTRUCTION_SETS = {
    "AVX2": "avx2",
    "F16C": "f16c",
    "FMA": "fma",
    "BMI2": "bmi2",
    "AVX_VNNI": "avx_vnni",
    "AVX512": "avx512f",
    "AVX512_VBMI": "avx512_vbmi",
    "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16",
    "AMX_INT8": "amx_int8",
    "DOTPROD": "asimddp",
    "MATMUL_INT8": "i8mm",
    "SVE": "sve",
}
"""llama.cpp's names of instruction sets, and the operating system's of the same."""


@dataclass(frozen=True, slots=True)
class Build:
    """What a library was compiled with; `problem` says why that cannot be told, and is empty if it can."""

    features: frozenset[str] = frozenset()
    problem: str = ""

    @property
    def instruction_sets(self) -> list[str]:
        """The instruction sets it uses, in the order of `INSTRUCTION_SETS`."""
        return [name for name in INSTRUCTION_SETS if name in self.features]


def installed() -> Build:
    """The build of the library that is installed."""
    ended = child_process.run([sys.executable, "-m", __name__], seconds=SECONDS)
    features = ended.last("features")
    if features is None:
        return Build(problem=ended.fault or ended.failure or "it does not say")
    return Build(frozenset(features))


def lacking(built: Collection[str], machine: Processor) -> list[str]:
    """Instruction sets that the processor has and the build does not use; empty where the flags are not told."""
    return [name for name, flag in INSTRUCTION_SETS.items() if flag in machine.flags and name not in built]


def features_of(text: str) -> list[str]:
    """Features that are on in llama.cpp's own description, e.g. ``"CPU : SSE3 = 1 | AVX2 = 1 | "``."""
    return re.findall(r"(\w+) = 1\b", text)


if __name__ == "__main__":
    import llama_cpp

    child_process.prepare()
    child_process.record(features=features_of(llama_cpp.llama_print_system_info().decode("utf-8", "replace")))
