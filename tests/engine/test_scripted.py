"""The scripted engine keeps the protocol's promises."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluralism_local.engine.base import Capabilities, LanguageModel
from pluralism_local.engine.json_grammar import json_grammar
from pluralism_local.engine.scripted import Call, ScriptedEngine
from pluralism_local.errors import (
    Cancelled,
    ContextOverflow,
    EngineFailure,
    InvalidInput,
    NotFound,
    Unsupported,
)
from pluralism_local.types import (
    AdapterRef,
    Completion,
    EngineEvent,
    Grammar,
    Message,
    OptionRequest,
    Request,
    Sampling,
    TextDelta,
    TextDone,
    TextStarted,
)

QUESTION = (Message("user", "Should phones be banned in schools?"),)
SAMPLED = Sampling(temperature=1.0, seed=3)
ADAPTER = AdapterRef(Path("a.gguf"), "a" * 64)


def completions(events: Sequence[EngineEvent]) -> list[Completion]:
    found = {event.index: event.completion for event in events if isinstance(event, TextDone)}
    return [found[index] for index in sorted(found)]


def text_of(engine: ScriptedEngine, request: Request) -> str:
    return completions(list(engine.generate([request])))[0].text


def write(folder: Path, content: object) -> Path:
    file = folder / "script.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_it_is_a_language_model() -> None:
    model: LanguageModel = ScriptedEngine()
    assert model.info.backend == "scripted"


def test_events_of_a_request_are_in_order_and_add_up() -> None:
    requests = [Request(QUESTION, replace(SAMPLED, seed=seed)) for seed in range(3)]
    events = list(ScriptedEngine().generate(requests))
    for index in range(3):
        own = [event for event in events if event.index == index]
        assert isinstance(own[0], TextStarted)
        assert isinstance(own[-1], TextDone)
        deltas = [event.text for event in own if isinstance(event, TextDelta)]
        assert len(own) == len(deltas) + 2
        assert all(deltas)
        assert "".join(deltas) == own[-1].completion.text
        assert own[-1].completion.usage.completion == len(deltas)
        assert own[0].prompt_tokens == own[-1].completion.usage.prompt == 4 + 4 + 6


def test_seed_adapter_and_conversation_decide_the_text() -> None:
    engine = ScriptedEngine()
    base = Request(QUESTION, SAMPLED)
    text = text_of(engine, base)
    assert text == text_of(ScriptedEngine(), base)
    assert text == text_of(engine, replace(base, adapter=replace(ADAPTER, scale=0)))
    others = {
        text_of(engine, replace(base, sampling=replace(SAMPLED, seed=4))),
        text_of(engine, replace(base, adapter=ADAPTER)),
        text_of(engine, replace(base, adapter=replace(ADAPTER, scale=0.5))),
        text_of(engine, replace(base, messages=(Message("system", "You are left."), *QUESTION))),
    }
    assert len(others | {text}) == 5


def test_greedy_ignores_the_seed() -> None:
    engine = ScriptedEngine()
    greedy = [text_of(engine, Request(QUESTION, Sampling(seed=seed))) for seed in (1, 2)]
    assert greedy[0] == greedy[1]


def test_max_tokens_and_stop_texts(tmp_path: Path) -> None:
    engine = ScriptedEngine(write(tmp_path, {"replies": [{"match": "", "text": "one two three four"}]}))
    cut = completions(list(engine.generate([Request(QUESTION, Sampling(max_tokens=2))])))[0]
    assert (cut.text, cut.finish, cut.usage.completion) == ("one two", "length", 2)
    whole = completions(list(engine.generate([Request(QUESTION, Sampling(max_tokens=4))])))[0]
    assert (whole.text, whole.finish) == ("one two three four", "stop")
    stopped = completions(list(engine.generate([Request(QUESTION, Sampling(stop=("x", " three")))])))[0]
    assert (stopped.text, stopped.finish) == ("one two", "stop")


def test_stopping_keeps_what_there_was() -> None:
    engine = ScriptedEngine()
    calls = iter([False, False, True])
    requests = [Request(QUESTION, SAMPLED), Request(QUESTION, Sampling(max_tokens=2))]
    first, second = completions(list(engine.generate(requests, should_stop=lambda: next(calls))))
    assert (first.finish, len(first.text.split())) == ("cancelled", 2)
    assert (second.finish, len(second.text.split())) == ("length", 2)  # it had said all it may
    assert text_of(engine, requests[0]).startswith(first.text)


def test_the_context_overflows_before_anything_is_said() -> None:
    engine = ScriptedEngine(context=30)
    fits = Request(QUESTION, Sampling(max_tokens=16))
    assert next(iter(engine.generate([fits]))) == TextStarted(0, 14, 0)
    with pytest.raises(ContextOverflow, match="need 31 tokens; the context holds 30") as caught:
        next(iter(engine.generate([fits, replace(fits, sampling=Sampling(max_tokens=17))])))
    assert (caught.value.needed, caught.value.available) == (31, 30)


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=2, max_size=8, unique_by=str.strip))
def test_a_distribution_sums_right(options: list[str]) -> None:
    (found,) = ScriptedEngine().distribution([OptionRequest(QUESTION, tuple(options))])
    assert sum(found.p) == pytest.approx(1, abs=1e-12)
    assert sum(found.mass) + found.unassigned_mass == pytest.approx(1, abs=1e-12)
    assert 0 < found.unassigned_mass < 1
    assert found.p == pytest.approx([mass / sum(found.mass) for mass in found.mass])
    assert found.bounds == tuple((mass, mass) for mass in found.mass)
    assert found.method == "scripted"


def test_a_script_decides(tmp_path: Path) -> None:
    engine = ScriptedEngine(
        write(
            tmp_path,
            {
                "replies": [
                    {"match": f"adapter: {'a' * 64}", "text": "adapted"},
                    {"pattern": "(?m)^user: .*phones", "text": "about phones"},
                ],
                "distributions": [
                    {"match": "phones", "mass": {"A": 0.5, "B": 0.25}},
                    {"match": "nothing", "mass": {}},
                ],
            },
        )
    )
    assert text_of(engine, Request(QUESTION)) == "about phones"
    assert text_of(engine, Request(QUESTION, adapter=ADAPTER)) == "adapted"
    assert text_of(engine, Request(QUESTION, adapter=replace(ADAPTER, scale=0))) == "about phones"
    assert "elephants" in text_of(engine, Request((Message("user", "Tell of elephants"),)))
    nothing = OptionRequest((Message("user", "nothing"),), ("A", "B"))
    found, uniform = engine.distribution([OptionRequest(QUESTION, (" A", "B", "C")), nothing])
    assert (found.mass, found.unassigned_mass) == ((0.5, 0.25, 0.0), 0.25)
    assert (uniform.p, uniform.unassigned_mass, uniform.method) == ((0.5, 0.5), 1.0, "uniform")


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("{", "the file"),
        ({"answers": []}, "answers"),
        ({"replies": [{"text": "no condition"}]}, r"replies\.0"),
        ({"replies": [{"match": "x", "pattern": "y", "text": "two"}]}, r"replies\.0"),
        ({"replies": [{"pattern": "(", "text": "broken"}]}, r"replies\.0\.pattern"),
        ({"distributions": [{"match": "x", "mass": {"A": 0.7, "B": 0.7}}]}, r"distributions\.0\.mass"),
        ({"distributions": [{"match": "x", "mass": {"A": -0.1}}]}, r"distributions\.0\.mass"),
    ],
)
def test_a_bad_script_is_refused(tmp_path: Path, content: object, place: str) -> None:
    with pytest.raises(InvalidInput, match=f"script.json is not valid at {place}"):
        ScriptedEngine(write(tmp_path, content))


def test_a_missing_script(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"none\.json is not there"):
        ScriptedEngine(tmp_path / "none.json")
    with pytest.raises(InvalidInput, match="cannot be read"):
        ScriptedEngine(tmp_path)


def test_pretending_to_be_less() -> None:
    engine = ScriptedEngine(
        capabilities=Capabilities(adapters=False, distribution="none", batched=False, counts_tokens=False)
    )
    assert engine.count_tokens(QUESTION) is None
    with pytest.raises(Unsupported):
        list(engine.generate([Request(QUESTION, adapter=ADAPTER)]))
    with pytest.raises(Unsupported):
        engine.distribution([OptionRequest(QUESTION, ("A", "B"))])


def test_a_json_schema_is_followed() -> None:
    schema = {
        "type": "object",
        "properties": {
            "claims": {"type": "array", "items": {"type": "string", "maxLength": 5}, "minItems": 2},
            "strength": {"type": "integer", "minimum": 3, "maximum": 4},
            "left out": {"type": "null"},
        },
        "required": ["claims", "strength"],
    }
    grammar = json_grammar(schema)
    with ScriptedEngine() as engine:
        replies = []
        for seed in range(4):
            request = Request(QUESTION, Sampling(1.0, seed=seed), grammar=grammar)
            (*_, done) = engine.generate([request])
            assert isinstance(done, TextDone)
            replies.append(json.loads(done.completion.text))
        assert all(len(reply["claims"]) == 2 and reply["strength"] in (3, 4) for reply in replies)
        assert all(set(reply) == {"claims", "strength"} for reply in replies)
        assert len({json.dumps(reply) for reply in replies}) > 1
        with pytest.raises(Unsupported):
            list(engine.generate([Request(QUESTION, grammar=Grammar('root ::= "a"'))]))
        with pytest.raises(InvalidInput):
            list(engine.generate([Request(QUESTION, grammar=Grammar("root"))]))


def test_stopping_a_distribution_and_closing() -> None:
    with ScriptedEngine(record=True) as engine:
        with pytest.raises(Cancelled):
            engine.distribution([OptionRequest(QUESTION, ("A", "B"))], should_stop=lambda: True)
        list(engine.generate([Request(QUESTION)]))
        assert engine.calls == [
            Call("distribution", (OptionRequest(QUESTION, ("A", "B")),)),
            Call("generate", (Request(QUESTION),)),
        ]
    engine.close()
    with pytest.raises(EngineFailure, match="closed"):
        list(engine.generate([Request(QUESTION)]))
