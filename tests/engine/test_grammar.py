"""Replies under a grammar, of the local engine and of a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local.engine import remote_line
from pluralism_local.engine.grammar import Grammars
from pluralism_local.engine.json_grammar import json_grammar
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.engine.lookup import RowCosts
from pluralism_local.errors import EngineFailure, InvalidInput, Unsupported
from pluralism_local.types import Grammar, Message, Request, Sampling, TextDone
from tests.support.llama_requests import run, user
from tests.support.remote_server import Server, answer, chunk, only_answer, stream
from tests.support.tiny.families import FAMILIES
from tests.support.tiny.model import write_tiny

FREE: RowCosts = tuple(0.5**more for more in range(12))
SCHEMA = {
    "type": "object",
    "properties": {
        "claims": {
            "type": "array",
            "items": {"type": "string", "maxLength": 12},
            "minItems": 1,
            "maxItems": 2,
        },
        "for": {"type": "boolean"},
    },
    "required": ["claims", "for"],
}
JSON = json_grammar(SCHEMA)
QUESTION = (
    'Say what you think. {"claims": ["tea", "tea"], "for": true} {"claims": ["tea", "tea"], "for": true}'
)


def under(
    grammar: Grammar, tokens: int = 200, temperature: float = 0.0, seed: int = 0, **more: object
) -> Request:
    sampling = Sampling(temperature, 0.9 if temperature else 1.0, tokens, seed)
    return Request(user(QUESTION), sampling, grammar=grammar, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["smollm2", "mistral", "qwen3", "gemma2"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaEngine]:
    path = write_tiny(tmp_path_factory.mktemp("grammar") / "tiny.gguf", FAMILIES[request.param], seed=1)
    with LlamaEngine(path, name="tiny", options=LlamaOptions(threads=1)) as opened:
        yield opened


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.5])
def test_models_of_noise_write_json_of_the_schema(engine: LlamaEngine, temperature: float) -> None:
    requests = [under(JSON, temperature=temperature, seed=seed) for seed in range(6)]
    for done in run(engine, requests)[0]:
        assert done.finish == "stop"
        reply = json.loads(done.text)
        assert list(reply) == ["claims", "for"]
        assert 1 <= len(reply["claims"]) <= 2
        assert isinstance(reply["for"], bool)


def test_alone_guesses_change_nothing(engine: LlamaEngine) -> None:
    path = engine._runner.model.path
    with LlamaEngine(path, name="tiny", options=LlamaOptions(threads=1, row_costs=FREE)) as guessing:
        for seed in range(6):
            request = under(JSON, temperature=0.5 * (seed % 2), seed=seed)
            left, right = (run(each, [request])[0][0] for each in (guessing, engine))
            assert (left.text, left.usage.completion) == (right.text, right.usage.completion)
        assert guessing.stats.drafted > 0


def test_beside_requests_without_one(engine: LlamaEngine) -> None:
    free = Request(user(QUESTION), Sampling(max_tokens=12))
    done = run(engine, [free, under(JSON), free])[0]
    assert done[0].text == done[2].text == run(engine, [free, free])[0][0].text
    json.loads(done[1].text)


def test_the_end_comes_where_the_grammar_may_end_and_only_there(engine: LlamaEngine) -> None:
    assert run(engine, [under(Grammar('root ::= "yes"'))])[0][0].text == "yes"
    done = run(engine, [under(Grammar("root ::= [a-z]{9}"))])[0][0]
    assert (len(done.text), done.finish) == (9, "stop")
    open_end = run(engine, [under(Grammar("root ::= [a-z]+"), tokens=7)])[0][0]
    assert open_end.text.isalpha() or open_end.text == ""
    empty = run(engine, [under(Grammar('root ::= ""'))])[0][0]
    assert (empty.text, empty.finish) == ("", "stop")


def test_cut_off_by_the_limit_or_a_stop_text(engine: LlamaEngine) -> None:
    assert run(engine, [under(JSON, tokens=3)])[0][0].finish == "length"
    stopped = Request(user(QUESTION), Sampling(stop=('"claims"',)), grammar=JSON)
    done = run(engine, [stopped])[0][0]
    assert done.finish == "stop"
    assert done.text.strip() == "{"


def test_a_kept_reply_is_gone_on_from(engine: LlamaEngine) -> None:
    reply = run(engine, [under(JSON, keep=True)])[0][0].text
    thread = (*user(QUESTION), Message("assistant", reply), *user("And?"))
    assert run(engine, [Request(thread, Sampling(max_tokens=4))])[0][0].usage.reused > 0


def test_a_measured_text_ends_too(tmp_path: Path) -> None:
    """Where no text may end, one under a grammar still does: nothing else is left of it."""
    path = write_tiny(tmp_path / "tiny.gguf", FAMILIES["qwen3"])
    with LlamaEngine(path, name="tiny", options=LlamaOptions(threads=1, ignore_end=True)) as engine:
        done = run(engine, [under(Grammar('root ::= "yes"'))])[0][0]
        assert (done.text, done.finish) == ("yes", "stop")


@pytest.mark.parametrize("text", ["root", 'root ::= root "a"', "root ::= ("])
def test_no_grammar_is_refused_before_anything_is_decoded(
    engine: LlamaEngine, text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = engine.stats.decoded_tokens
    with pytest.raises(InvalidInput, match="grammar cannot be used"):
        list(engine.generate([under(JSON), under(Grammar(text))]))
    assert engine.stats.decoded_tokens == before
    assert capfd.readouterr() == ("", "")
    json.loads(run(engine, [under(JSON)])[0][0].text)


def test_control_tokens_are_no_characters(engine: LlamaEngine) -> None:
    """llama.cpp lets a control token stand for its name, of which a reader sees nothing."""
    model = engine._runner.model
    grammars = Grammars(model)
    walker = grammars.begin("root ::= [^\\x00]*")
    silent = [token for token in range(model.vocabulary_size) if not model.piece(token)]
    assert silent
    assert [token for token in silent if walker.allows(token)] == [t for t in silent if model.ends_answer(t)]
    with pytest.raises(EngineFailure):
        walker.accept(next(token for token in silent if not model.ends_answer(token)))
    grammars.close()
    with pytest.raises(EngineFailure, match="closed"):
        walker.allows(model.tokenize("a", add_special=False, parse_special=False)[-1])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(remote_line, "BACKOFF", (0.01,))
    running = Server()
    yield running
    running.close()


def test_a_server_gets_the_schema(server: Server) -> None:
    engine = server.engine(stream(chunk('{"claims": ["a"], "for": true}'), chunk(finish="stop"), "[DONE]"))
    assert engine.capabilities.grammars == "json"
    done = only_answer(engine.generate([under(JSON)]))
    assert json.loads(done.text)["for"] is True
    assert done.warnings == ()
    form = server.requests[0]["response_format"]
    assert (form["type"], form["json_schema"]["schema"]) == ("json_schema", SCHEMA)


def test_a_server_that_passes_over_it_is_told_of(server: Server) -> None:
    engine = server.engine(stream(chunk("Sure!"), chunk(finish="stop"), "[DONE]"))
    assert "no JSON" in only_answer(engine.generate([under(JSON)])).warnings[0]


@pytest.mark.parametrize(
    "message",
    [
        "Unknown parameter: 'response_format'",
        "'response_format.type' must be 'json_object' or 'text'",
        "json_schema is not supported by this model",
    ],
)
def test_a_server_that_does_not_take_it(server: Server, message: str) -> None:
    engine = server.engine(answer(400, {"error": {"message": message}}))
    with pytest.raises(Unsupported, match="takes no JSON schema"):
        list(engine.generate([under(JSON)]))
    assert len(server.requests) == 1


GBNF = Grammar('root ::= "yes" | "no"')


def models(*owners: str | None) -> dict[str, object]:
    return {"data": [{"id": "m", **({"owned_by": owner} if owner else {})} for owner in owners]}


def test_a_llama_server_gets_any_grammar(server: Server) -> None:
    yes = stream(chunk("yes"), chunk(finish="stop"), "[DONE]")
    engine = server.engine(answer(200, models("llamacpp")), yes, yes, model=None)
    for _ in range(2):
        done = only_answer(engine.generate([under(GBNF)]))
        assert (done.text, done.warnings) == ("yes", ())
    listed, *asked = server.requests
    assert listed["path"] == "/v1/models"  # once, for the model's name and for what the server is
    assert [request["grammar"] for request in asked] == [GBNF.gbnf] * 2
    assert not any("response_format" in request for request in asked)


@pytest.mark.parametrize("owners", [("vllm",), (None,), (), ("llamacpp", "other")])
def test_another_server_gets_none(server: Server, owners: tuple[str | None, ...]) -> None:
    engine = server.engine(answer(200, models(*owners)))
    for _ in range(2):
        with pytest.raises(Unsupported, match="no llama-server"):
            list(engine.generate([under(JSON), under(GBNF)]))
    assert len(server.requests) == 1


def test_no_grammar_is_refused_before_a_server_is_asked(server: Server) -> None:
    with pytest.raises(InvalidInput, match="grammar cannot be used"):
        list(server.engine().generate([under(Grammar("root"))]))
    assert server.requests == []


@pytest.mark.slow
def test_a_large_vocabulary(fetched_model: object) -> None:
    path = fetched_model("gemma-3-270m")  # type: ignore[operator]
    with LlamaEngine(path, name="gemma", options=LlamaOptions(threads=1)) as engine:
        events = list(engine.generate([under(JSON, temperature=1.0)]))
        done = events[-1]
        assert isinstance(done, TextDone)
        json.loads(done.completion.text)
