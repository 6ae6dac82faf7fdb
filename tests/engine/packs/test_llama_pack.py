"""The local engine over packs: several activated adapters in one batch, without changing what they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.engine.packs import shelf as pack_shelf
from pluralism_local.errors import Refused
from pluralism_local.types import EngineEvent, TextDone
from tests.support.llama_requests import ask, run, texts
from tests.support.starter import MakeRef


@pytest.fixture(scope="module")
def pack_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packs")


@pytest.fixture(scope="module")
def packing(f16_path: Path, pack_dir: Path) -> Iterator[LlamaEngine]:
    """In F16, so that texts can be compared."""
    options = LlamaOptions(threads=1, lanes=2, pack_dir=pack_dir)
    with LlamaEngine(f16_path, name="starter-f16", options=options) as opened:
        yield opened


def test_packed_texts_equal_those_of_single_adapters(
    packing: LlamaEngine, precise: LlamaEngine, make_ref: MakeRef
) -> None:
    refs = [make_ref(seed, 1.5, "assistant") for seed in range(4)]
    requests = [ask(adapter=ref, tokens=6) for ref in refs]
    packed = texts(packing, requests)
    assert packing.stats.pack_loads == 1
    assert packing.stats.adapter_loads == 0, "the pack holds them"
    assert packed == texts(precise, requests)
    assert len(set(packed)) > 1, "adapters must differ for this test to mean anything"


def test_the_shared_prefix_is_decoded_once_for_all_lanes(packing: LlamaEngine, make_ref: MakeRef) -> None:
    requests = [ask(adapter=make_ref(seed, 1.5, "assistant"), tokens=3) for seed in range(4)]
    run(packing, requests)
    packing.forget()
    before = packing.stats
    completions, _ = run(packing, requests)
    after = packing.stats
    prefix = completions[0].usage.prompt - 4  # the assistant's header has four tokens
    assert after.decoded_tokens - before.decoded_tokens == prefix + 4 * 4 + 4 * 2
    assert after.pack_loads == before.pack_loads
    assert after.adapter_switches == before.adapter_switches


def test_base_requests_beside_packed_ones(
    packing: LlamaEngine, precise: LlamaEngine, make_ref: MakeRef
) -> None:
    refs = [None, make_ref(0, 1.5, "assistant"), None, make_ref(1, 1.5, "assistant"), make_ref(2)]
    requests = [ask(adapter=ref, tokens=4) for ref in refs]
    assert texts(packing, requests) == texts(precise, requests)


def test_a_subset_uses_the_open_pack_and_another_set_gets_its_own(
    packing: LlamaEngine, pack_dir: Path, make_ref: MakeRef
) -> None:
    run(packing, [ask(adapter=make_ref(seed, 1.5, "assistant"), tokens=1) for seed in range(4)])
    loads, files = packing.stats.pack_loads, set(pack_dir.glob("*.gguf"))
    run(packing, [ask(adapter=make_ref(seed, 1.5, "assistant"), tokens=1) for seed in (1, 2)])
    assert packing.stats.pack_loads == loads
    run(packing, [ask(adapter=make_ref(seed, 0.5, "assistant"), tokens=1) for seed in (1, 2)])
    assert packing.stats.pack_loads == loads + 1
    assert len(set(pack_dir.glob("*.gguf")) - files) == 1


@pytest.mark.slow
def test_a_pack_is_found_again_and_old_ones_go(starter_path: Path, tmp_path: Path, make_ref: MakeRef) -> None:
    def once(*seeds: int) -> None:
        options = LlamaOptions(threads=1, lanes=1, pack_dir=tmp_path)
        with LlamaEngine(starter_path, name="starter", options=options) as opened:
            run(opened, [ask("Hi.", make_ref(seed, activation="assistant"), tokens=1) for seed in seeds])

    once(0, 1)
    (first,) = tmp_path.glob("*.gguf")
    written = first.stat().st_ino
    once(1, 0)
    assert [path.stat().st_ino for path in tmp_path.glob("*.gguf")] == [written], (
        "in any order, not written again"
    )
    for other in (2, 3, 4):
        once(0, other)
    assert len(list(tmp_path.glob("*.gguf"))) == 3
    assert not first.exists()


def test_a_question_that_spells_control_tokens_switches_nothing(
    packing: LlamaEngine, make_ref: MakeRef
) -> None:
    """It is text, so that the pack takes it like any other question, and its own adapter alone acts."""
    refs = [make_ref(seed, 1.5, "assistant") for seed in range(2)]
    run(packing, [ask(adapter=ref, tokens=1) for ref in refs])
    loads = packing.stats.adapter_loads
    pack, _ = packing._together.packs.current()
    spelled = "Say <issue_start> and <jupyter_start> and <filename> <gh_stars> <empty_output>"
    tokens = packing._prompter.tokens(packing._prompter.prompt(ask(spelled).messages))
    assert set(pack.controls.values()).isdisjoint(tokens)
    run(packing, [ask(spelled, refs[0], tokens=1), ask(adapter=refs[1], tokens=1)])
    assert packing.stats.adapter_loads == loads


def test_a_zero_adapter_in_a_pack_is_refused(starter_path: Path, tmp_path: Path, make_ref: MakeRef) -> None:
    options = LlamaOptions(threads=1, lanes=1, pack_dir=tmp_path)
    with LlamaEngine(starter_path, name="starter", options=options) as opened:
        refs = [make_ref(0, activation="assistant"), make_ref(1, activation="assistant", zero=True)]
        with pytest.raises(Refused, match="does not change"):
            next(opened.generate([ask(adapter=ref) for ref in refs]))


def test_a_damaged_pack_is_made_again(starter_path: Path, tmp_path: Path, make_ref: MakeRef) -> None:
    options = LlamaOptions(threads=1, lanes=1, pack_dir=tmp_path)
    requests = [ask("Hi.", make_ref(seed, activation="assistant"), tokens=2) for seed in range(2)]
    with LlamaEngine(starter_path, name="starter", options=options) as opened:
        run(opened, requests)
    (pack,) = tmp_path.glob("*.gguf")
    whole = pack.read_bytes()
    pack.write_bytes(whole[:5000])
    with LlamaEngine(starter_path, name="starter", options=options) as opened:
        assert len(texts(opened, requests)) == 2
        assert opened.stats.pack_loads == 1
    assert pack.read_bytes() == whole


def test_a_pack_that_cannot_be_loaded_is_thrown_away_and_the_adapters_still_speak(
    starter_path: Path, tmp_path: Path, make_ref: MakeRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pack_shelf, "write_pack", lambda out, *_: out.write_bytes(b"no model"))
    options = LlamaOptions(threads=1, lanes=1, pack_dir=tmp_path)
    requests = [ask("Hi.", make_ref(seed, activation="assistant"), tokens=2) for seed in range(2)]
    with LlamaEngine(starter_path, name="starter", options=options) as opened:
        assert len(texts(opened, requests)) == 2
        assert opened.stats.pack_loads == 0
    assert not list(tmp_path.iterdir())


def test_an_unwritable_folder_is_no_error(starter_path: Path, tmp_path: Path, make_ref: MakeRef) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    options = LlamaOptions(threads=1, lanes=1, pack_dir=blocked)
    requests = [ask("Hi.", make_ref(seed, activation="assistant"), tokens=2) for seed in range(2)]
    with LlamaEngine(starter_path, name="starter", options=options) as opened:
        assert len(texts(opened, requests)) == 2


def test_stopping_a_packed_call(packing: LlamaEngine, make_ref: MakeRef) -> None:
    events: list[EngineEvent] = []
    requests = [ask(adapter=make_ref(seed, 1.5, "assistant"), tokens=200) for seed in range(4)]
    for event in packing.generate(requests, should_stop=lambda: len(events) > 8):
        events.append(event)
    finishes = [event.completion.finish for event in events if isinstance(event, TextDone)]
    assert finishes == ["cancelled"] * 4
    assert len(texts(packing, [ask(tokens=2)])) == 1
