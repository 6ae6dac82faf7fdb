"""`plocal ask -m remote:` with a real ``python -m llama_cpp.server`` for its LLM, as docs/remote.md sets it up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.mode_specs import MODES, SPECS, ModeName
from tests.support.command_line import Run
from tests.support.llama_cpp_server import serving


@pytest.fixture(scope="module")
def url(starter_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(starter_path, tmp_path_factory.mktemp("server") / "log.txt", context=2048) as running:
        yield running


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_has_it_for_its_llm(mode: ModeName, run: Run, url: str) -> None:
    spec = SPECS[mode]
    options = ["--option", "Yes", "--option", "No"] if spec.options == "needed" else []
    attribute = ["--attribute", "farmers"] if spec.attribute else []
    there = ("-m", f"remote:{url.removesuffix('/v1')}", "--communities-model", "scripted:")
    limits = ("--max-tokens", "12", "--comment-max-tokens", "12")
    ran = run(
        "ask", "-n", *there, "--mode", mode, *options, *attribute, *limits, "--json", "Is tipping fair?"
    )
    assert ran.code == 0, ran.err
    record = ran.json()
    assert record["answer"] and record["complete"]
    assert record["model"]["id"] == f"remote:{url}#starter"
    if options:
        weighed = record["distribution"]
        assert weighed["method"] == "top_logprobs" and sum(weighed["p"]) == pytest.approx(1)
        assert set(weighed["per_community"]) == {"farmers", "fishers", "millers"}
    if record["selection"]:
        assert record["selection"]["community"] in ("farmers", "fishers", "millers")
