"""Personas are read once: by one engine, by the next one over the same folder, and never in another way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import pytest

from pluralism_local.bench.seeded import write_lora
from pluralism_local.communities import Card, Community, ad_hoc_pool
from pluralism_local.engine.context import Context
from pluralism_local.engine.kv_store import WORTH_RESTORING
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.engine.prefix_files import entries
from pluralism_local.engine.schedule import common_prefix
from pluralism_local.errors import DamagedWeights
from pluralism_local.models.gguf_file import read_header, sha256_of
from pluralism_local.modes import Ask
from pluralism_local.modes import run as run_mode
from pluralism_local.results import Result
from pluralism_local.types import AdapterRef, Message, OptionRequest, Request, Sampling, TextStarted
from tests.support.cards import plocal
from tests.support.decode_trace import Trace
from tests.support.llama_requests import LETTER_QUESTION, LETTERS, ask, run, texts
from tests.support.personas import PERSONAS, asked, comments
from tests.support.starter import ONE_THREAD_EACH
from tests.support.tiny.families import FAMILIES
from tests.support.tiny.model import write_tiny

REAL = ("starter", "qwen25-coder-0.5b", "gemma-3-270m")
QUESTION, ANOTHER = "Should phones be banned in schools?", "What should be done about the old bridge?"
TWO_LANES = replace(ONE_THREAD_EACH, ctx_size=512)

Open = Callable[..., LlamaEngine]


@pytest.fixture(
    scope="module", params=[*FAMILIES, *(pytest.param(name, marks=pytest.mark.slow) for name in REAL)]
)
def model(
    request: pytest.FixtureRequest,
    starter_path: Path,
    fetched_model: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    name: str = request.param
    if name == "starter":
        return starter_path
    if name in REAL:
        return fetched_model(name)
    return write_tiny(tmp_path_factory.mktemp(name) / "tiny.gguf", FAMILIES[name])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny") / "tiny.gguf", FAMILIES["qwen2"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "prefixes"


def open_engine(path: Path, folder: Path | None, options: LlamaOptions = TWO_LANES) -> LlamaEngine:
    return LlamaEngine(path, name=path.name, options=replace(options, prefix_dir=folder))


def prefixes(engine: LlamaEngine, question: str = QUESTION) -> list[tuple[int, ...]]:
    found = [engine._jobs.recurring.prefix(asked(persona, question)) for persona in PERSONAS]
    return [prefix.tokens for prefix in found if prefix is not None]


def rests(engine: LlamaEngine, question: str) -> int:
    """Tokens of the prompts beyond what recurs."""
    whole = [engine.count_tokens(asked(persona, question)) for persona in PERSONAS]
    return sum(whole) - sum(map(len, prefixes(engine)))


def prompt_tokens(engine: LlamaEngine, requests: Sequence[Request]) -> tuple[int, list[str]]:
    """Tokens that were decoded before anything was said, and the texts."""
    before = engine.stats.decoded_tokens
    done, _ = run(engine, requests)
    drawn = sum(max(0, completion.usage.completion - (completion.finish == "length")) for completion in done)
    return engine.stats.decoded_tokens - before - drawn, [completion.text for completion in done]


def test_a_second_process_reads_only_the_question(model: Path, folder: Path) -> None:
    with open_engine(model, folder) as engine:
        decoded, first = prompt_tokens(engine, comments(QUESTION))
        recurring = sum(map(len, prefixes(engine)))
        prefix = engine._jobs.recurring.prefix(asked(PERSONAS[0], QUESTION))
        assert prefix is not None
        head = prefix.head * (len(PERSONAS) - 1)  # read once
        least = recurring - head + rests(engine, QUESTION)
        # the last token of a prefix may be joined to the question, and then is decoded again
        assert least <= decoded <= least + 2 * len(PERSONAS)
        assert engine.stats.restored_tokens == 0
    with open_engine(model, folder) as engine:
        decoded, second = prompt_tokens(engine, comments(QUESTION))
        assert rests(engine, QUESTION) <= decoded <= rests(engine, QUESTION) + 2 * len(PERSONAS)
        assert engine.stats.restored_tokens == recurring
        decoded, _ = prompt_tokens(engine, comments(ANOTHER))
        assert decoded <= rests(engine, ANOTHER) + 2 * len(
            PERSONAS
        )  # nor does a later ask of the same process
        assert engine.stats.restored_tokens == recurring
    assert second == first
    with open_engine(model, None) as engine:
        assert texts(engine, comments(QUESTION)) == first
        assert engine.stats.restored_tokens == 0


def test_cells_are_the_same_whatever_was_read_before_or_beside(model: Path, tmp_path: Path) -> None:
    def cells(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    together, apart = tmp_path / "together", tmp_path / "apart"
    with open_engine(model, together) as engine:
        texts(engine, comments(QUESTION, 1))
    for request in reversed(comments(ANOTHER, 1)):
        with open_engine(model, apart, replace(TWO_LANES, threads=1, lanes=1)) as engine:
            texts(engine, [ask(ANOTHER, tokens=1), request])
    assert cells(together) == cells(apart) and len(cells(apart)) == len(PERSONAS)


def test_no_token_of_an_ask_is_decoded_twice(
    model: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = Trace(monkeypatch)
    alone = replace(TWO_LANES, lanes=1)

    def whole_ask(engine: LlamaEngine) -> None:
        said = texts(engine, comments(QUESTION, keep=True))
        texts(engine, [ask("\n".join(said), keep=True, tokens=4)])
        if engine._runner.model.window:
            return  # behind a window that slid, a conversation is not gone on from
        thread = [Message("assistant", said[0]), Message("user", ANOTHER)]
        follow_up = Request((*asked(PERSONAS[0], QUESTION), *thread), Sampling(max_tokens=4))
        texts(engine, [follow_up])

    with open_engine(model, folder, alone) as engine:
        whole_ask(engine)
        first, second, *_ = found = prefixes(engine)
        alike = max(common_prefix(one, other) for one in found for other in found if one is not other)
        # what two personas begin with alike, beyond the template's own words, is read with each
        assert all(len(path) <= max(alike, WORTH_RESTORING) for path in trace.repeated())
        assert len(trace.decoded) > len(first) + len(second)
    trace.clear()
    with open_engine(model, folder, alone) as engine:
        whole_ask(engine)
        assert all(len(path) < WORTH_RESTORING for path in trace.repeated())
        recurring = {tuple((token, 0) for token in tokens[:-1]) for tokens in prefixes(engine)}
        assert recurring.isdisjoint(trace.decoded)
        assert trace.restored


def test_options_are_weighed_with_the_same_prefixes(model: Path, folder: Path) -> None:
    requests = [OptionRequest(asked(persona, LETTER_QUESTION), LETTERS) for persona in PERSONAS]
    with open_engine(model, folder) as engine:
        first = [found.mass for found in engine.distribution(requests)]
    with open_engine(model, folder) as engine:
        second = [found.mass for found in engine.distribution(requests)]
        assert engine.stats.restored_tokens == sum(map(len, prefixes(engine)))
    assert second == first


def test_an_activated_adapters_persona_is_the_bases(tiny: Path, tmp_path: Path, folder: Path) -> None:
    with open_engine(tiny, None) as engine:
        header = engine.answer_header()
    refs = []
    for seed in (1, 2):
        path = write_lora(
            tmp_path / f"{seed}.gguf",
            base_header=read_header(tiny),
            seed=seed,
            scale=0.2,
            invocation_tokens=header,
        )
        refs.append(AdapterRef(path, sha256_of(path), 1.0, "assistant"))
    requests = [replace(comments(QUESTION)[0], adapter=ref) for ref in (*refs, None)]
    with open_engine(tiny, folder) as engine:
        first = texts(engine, requests)
        assert len(list(folder.glob("*.cells"))) <= 1
    with open_engine(tiny, folder) as engine:
        assert texts(engine, requests) == first
        assert engine.stats.restored_tokens == len(prefixes(engine)[0])


def test_an_adapter_that_acts_always_uses_no_prefix_of_the_base(
    tiny: Path, tmp_path: Path, folder: Path
) -> None:
    path = write_lora(tmp_path / "a.gguf", base_header=read_header(tiny), seed=1, scale=0.2)
    request = replace(comments(QUESTION)[0], adapter=AdapterRef(path, sha256_of(path)))
    with open_engine(tiny, None) as engine:
        without = texts(engine, [request])
    with open_engine(tiny, folder) as engine:
        texts(engine, comments(QUESTION))
        restored = engine.stats.reused_tokens
        assert texts(engine, [request]) == without
        assert engine.stats.reused_tokens == restored


@pytest.mark.parametrize("damage", ["truncated", "a byte", "folder is a file"])
def test_a_damaged_folder_costs_time_and_changes_nothing(tiny: Path, folder: Path, damage: str) -> None:
    with open_engine(tiny, folder) as engine:
        first = texts(engine, comments(QUESTION))
    for path in folder.iterdir():
        data = path.read_bytes()
        path.write_bytes(data[:-9] if damage == "truncated" else data[:-9] + b"\xff" + data[-8:])
    if damage == "folder is a file":
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
        folder.write_text("x")
    for restores in (False, damage != "folder is a file"):
        with open_engine(tiny, folder) as engine:
            assert texts(engine, comments(QUESTION)) == first
            assert bool(engine.stats.restored_tokens) == restores


def test_what_was_asked_and_said_is_in_no_file(
    tiny: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = Trace(monkeypatch)
    persona = f"{PERSONAS[0]} You are asked: {QUESTION}"
    system = Message("system", persona, len(PERSONAS[0]))
    requests = [
        *comments(QUESTION, keep=True),
        Request((system, Message("user", QUESTION)), Sampling(max_tokens=4)),
        Request(
            (Message("system", "Whisper of " + QUESTION * 3), Message("user", ANOTHER)),
            Sampling(max_tokens=4),
        ),
        Request((*asked(PERSONAS[1], QUESTION), Message("assistant", QUESTION), Message("user", ANOTHER))),
    ]
    with open_engine(tiny, folder) as engine:
        texts(engine, [replace(one, sampling=Sampling(max_tokens=4)) for one in requests])
        contents = [path.read_bytes() for path in folder.iterdir()]
        piece = engine._runner.model.piece
        spelled = {
            digest: b"".join(piece(token) for token, _ in path).decode("utf-8", "replace")
            for digest, path in trace.saved.items()
        }
    assert any("phones" in text for text in spelled.values())  # the trace sees what was kept in memory
    kept = [spelled[sha256(content.split(b"\n", 1)[1]).hexdigest()] for content in contents]
    assert len(kept) == len(contents) == len(PERSONAS) + 1
    assert not any("phones" in text or "bridge" in text or "Whisper" in text for text in kept)
    assert not any(b"phones" in content for content in contents)


def test_personas_stay_in_memory_while_conversations_come_and_go(tiny: Path) -> None:
    options = replace(TWO_LANES, cache_bytes=2**20)
    with open_engine(tiny, None, options) as engine:
        texts(engine, comments(QUESTION))
        size = engine._runner.store.size
        assert 0 < size < engine._runner.store.lasting_budget
        for number in range(40):
            texts(engine, [ask(f"{number} " + "Tea is hot in the north. " * 8, tokens=2, keep=True)])
        turn = max(len(entry.data) for entry in engine._runner.store._entries)
        assert engine._runner.store.size > options.cache_bytes - turn  # it is full, and turns have gone
        decoded, _ = prompt_tokens(engine, comments(ANOTHER))
        assert decoded <= rests(engine, ANOTHER) + 2 * len(PERSONAS)


def test_what_memory_has_no_room_for_is_read_with_its_prompt_and_not_twice(tiny: Path, folder: Path) -> None:
    with open_engine(tiny, folder, replace(TWO_LANES, cache_bytes=1000)) as engine:
        decoded, _ = prompt_tokens(engine, comments(QUESTION))
        assert decoded <= sum(engine.count_tokens(asked(persona, QUESTION)) for persona in PERSONAS)
    assert not folder.exists()


def test_stopping_while_personas_are_read_leaves_the_engine_usable(tiny: Path, folder: Path) -> None:
    with open_engine(tiny, folder) as engine:
        for polls in (0, 1, 2, 3):
            done, events = run(engine, comments(QUESTION), partial(_is_over, iter(range(polls))))
            assert {completion.finish for completion in done} == {"cancelled"}
            assert sum(isinstance(event, TextStarted) for event in events) == len(PERSONAS)
        engine.forget()
        stopped = texts(engine, comments(QUESTION))
    with open_engine(tiny, None) as engine:
        assert texts(engine, comments(QUESTION)) == stopped


def _is_over(left: Iterator[int]) -> bool:
    return next(left, None) is None


def test_cells_of_damaged_weights_are_not_kept(
    tiny: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_engine(tiny, folder) as engine:
        logits = Context.logits
        monkeypatch.setattr(Context, "logits", lambda self, row: logits(self, row) * float("nan"))
        with pytest.raises(DamagedWeights):
            texts(engine, comments(QUESTION))
    assert not folder.exists()


def test_another_setup_reads_for_itself(tiny: Path, folder: Path, tmp_path: Path) -> None:
    with open_engine(tiny, folder) as engine:
        texts(engine, comments(QUESTION, 1))
    other = write_tiny(tmp_path / "other.gguf", FAMILIES["qwen2"], seed=5)
    with open_engine(other, folder) as engine:
        texts(engine, comments(QUESTION, 1))
        assert engine.stats.restored_tokens == 0
    assert len(list(folder.glob("*.cells"))) == 2 * len(PERSONAS)
    assert _names(folder) == {tiny.name, other.name}


def _names(folder: Path) -> set[str]:
    """The models that the files are of."""
    return {Path(entry.model or "").name for entry in entries(folder)}


def test_an_ask_in_a_mode_reads_personas_and_instructions_once(tiny: Path, folder: Path) -> None:
    cards = [
        Community(Card.model_validate(plocal(f"c{number}", persona=persona)))
        for number, persona in enumerate(PERSONAS)
    ]
    pool = ad_hoc_pool([(community, None) for community in cards])
    said = []
    for question in (QUESTION, ANOTHER, QUESTION):
        short = Sampling(1.0, 0.9, 4, seed=3)
        with open_engine(tiny, folder) as engine:
            *_, result = run_mode(
                Ask(question, "overton", pool, comment=short, answer=short), llm=engine, communities=engine
            )
            assert isinstance(result, Result)
            said.append((result.answer, *(comment.text for comment in result.comments)))
            restored = engine.stats.restored_tokens
        assert len(list(folder.glob("*.cells"))) == len(PERSONAS) + 1  # and the instruction of the answer
        sizes = [entry.tokens or 0 for entry in entries(folder)]
        assert restored == (0 if len(said) == 1 else sum(sizes))
    assert said[0] == said[2] != said[1]


@pytest.fixture(scope="module")
def weights_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    yield tmp_path_factory.mktemp("weights")


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_with_flash_attention_a_second_process_says_the_same(
    starter_path: Path, weights_dir: Path, folder: Path, threads: int
) -> None:
    options = LlamaOptions(ctx_size=512, threads=threads, lanes=1, weights_dir=weights_dir)
    said = []
    for _ in range(2):
        with open_engine(starter_path, folder, options) as engine:
            assert engine.info.weights == "Q8_0" and engine._runner.options.flash
            said.append(texts(engine, comments(QUESTION, 12)))
    assert said[0] == said[1] and engine.stats.restored_tokens > 0
