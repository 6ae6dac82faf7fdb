"""The adapter beside the personas of `perspectives`, heard through the engine: left and right part."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pluralism_local.communities import Library, fit_to_base, shipped_path
from pluralism_local.engine.llama import LlamaEngine
from pluralism_local.gguf_header import fingerprint
from pluralism_local.models.gguf_file import read_header
from pluralism_local.modes.steps import Voice
from pluralism_local.types import Message, OptionRequest

LEFT_SAYS = {
    "Should the national minimum wage be raised to 15 dollars an hour?": True,
    "Should more land be opened to drilling for oil and gas?": False,
    "Should billionaires pay a minimum tax every year?": True,
    "Should the death penalty be kept for murder?": False,
}
"""Questions that it was not trained on, of those on which voices are judged."""


@pytest.mark.slow
@pytest.mark.timeout(900)  # the model's file is read, and 32 prompts, on whatever else the machine has to do
def test_left_and_right_part_at_their_own_sides_and_the_personas_alone_do_not(
    fetched_model: Callable[[str], Path],
) -> None:
    path, shipped = fetched_model("qwen25-coder-1.5b"), shipped_path()
    assert shipped is not None
    pool, warnings = fit_to_base(Library([shipped]).pool("perspectives"), fingerprint(read_header(path)))
    assert warnings == []
    voices = [Voice(member, member.adapter) for member in pool.members if "center" not in member.community.id]
    assert len({voice.adapter.sha256 for voice in voices if voice.adapter}) == 1

    def parted(engine: LlamaEngine, *, adapter: bool) -> list[float]:
        """By question and register, how much nearer to its side's answer the left is than the right, in P(yes)."""
        speaking = voices if adapter else [Voice(voice.member, None) for voice in voices]
        requests = [
            OptionRequest(
                (*filter(None, [voice.persona(question)]), Message("user", question)),
                ("Yes", "No"),
                voice.adapter,
            )
            for question in LEFT_SAYS
            for voice in speaking
        ]
        assert all(len(request.messages) == 2 for request in requests)
        rows = iter(engine.distribution(requests))
        gaps = []
        for left_says in LEFT_SAYS.values():
            yes = {voice.id: next(rows).p[0] for voice in speaking}
            for register in ("speech", "press"):
                gap = yes[f"{register}-left"] - yes[f"{register}-right"]
                gaps.append(gap if left_says else -gap)
        return gaps

    with LlamaEngine(path, name="larger") as engine:
        with_adapter, alone = parted(engine, adapter=True), parted(engine, adapter=False)
    assert min(with_adapter) > 0.2
    assert sum(with_adapter) > 4 * sum(map(abs, alone))
