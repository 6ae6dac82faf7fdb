"""What the library was built for, and what of this processor it leaves unused."""

from __future__ import annotations

import pytest

from pluralism_local.engine import child_process, library_build
from pluralism_local.engine.child_process import Ended
from pluralism_local.engine.processor import Processor

AVX512 = Processor("A server's", frozenset({"avx2", "f16c", "fma", "bmi2", "avx512f", "avx512_vnni"}))


def test_the_installed_library_says_what_it_was_built_for() -> None:
    build = library_build.installed()
    assert build.problem == "" and build.features


def test_features_are_those_that_are_on() -> None:
    assert library_build.features_of("CPU : SSE3 = 1 | AVX2 = 1 | AVX512 = 0 | SVE_CNT = 16 | ") == [
        "SSE3",
        "AVX2",
    ]


def test_what_the_build_leaves_unused_is_named() -> None:
    basic = ["SSE3", "AVX2", "F16C", "FMA", "BMI2"]
    assert library_build.lacking(basic, AVX512) == ["AVX512", "AVX512_VNNI"]
    assert library_build.lacking([*basic, "AVX512", "AVX512_VNNI"], AVX512) == []
    assert library_build.lacking(basic, Processor("A Mac", frozenset())) == []


def test_a_library_for_another_processor_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "run", lambda *_, **__: Ended((), fault="ended by SIGILL"))
    assert library_build.installed().problem == "ended by SIGILL"
