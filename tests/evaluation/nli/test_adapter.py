"""The adapter as a scorer: what is asked, in which order, what is cut; and once on the real starter model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest

from communitylm.nli.data import word_tokens
from communitylm.training.bases import find_base
from pluralism_local.bench.seeded import write_lora
from pluralism_local.engine.base import Capabilities, ShouldStop, never
from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.engine.scripted import EVERYTHING, ScriptedEngine
from pluralism_local.errors import Cancelled, ContextOverflow, InvalidInput, Refused, Unsupported
from pluralism_local.evaluation.nli.adapter import AdapterNli
from pluralism_local.evaluation.nli.base import NliPair
from pluralism_local.evaluation.nli.prompts import NLI_PAIR, NLI_WORDS, nli_message
from pluralism_local.models.gguf_file import read_header, sha256_of
from pluralism_local.types import AdapterRef, Message, OptionDistribution, OptionRequest

ADAPTER = AdapterRef(Path("nli.gguf"), "ab" * 32)
RAIN = NliPair("It rains in Bonn.", "It is wet.")


def asked(engine: ScriptedEngine) -> list[list[OptionRequest]]:
    calls = []
    for call in engine.calls:
        requests = [request for request in call.requests if isinstance(request, OptionRequest)]
        calls.append(requests)
    return calls


def test_the_words_stand_for_the_labels_in_order(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    masses = {"Yes": 0.2, "Maybe": 0.1, "No": 0.5}
    script.write_text(json.dumps({"distributions": [{"match": "It rains in Bonn.", "mass": masses}]}))
    scores = AdapterNli(ScriptedEngine(script), ADAPTER).score([RAIN])
    np.testing.assert_allclose(scores, [[2 / 8, 1 / 8, 5 / 8]], atol=1e-12)


def test_equal_pairs_are_asked_once_and_premises_stay_together() -> None:
    engine = ScriptedEngine(record=True)
    pairs = [NliPair("b", "1"), NliPair("a", "1"), NliPair("b", "2"), NliPair("b", "1"), NliPair("a", "2")]
    scores = AdapterNli(engine, ADAPTER, batch=3).score(pairs)
    sent = asked(engine)
    assert [len(call) for call in sent] == [3, 1]
    contents = [request.messages[0].content for call in sent for request in call]
    assert contents == [nli_message(*texts) for texts in [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]]
    assert all(request.options == NLI_WORDS and request.adapter == ADAPTER for c in sent for request in c)
    assert scores.shape == (5, 3) and scores.dtype == np.float64
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_array_equal(scores[0], scores[3])
    assert not np.array_equal(scores[0], scores[2])


def test_no_pairs_ask_nothing() -> None:
    engine = ScriptedEngine(record=True)
    assert AdapterNli(engine, ADAPTER).score([]).shape == (0, 3)
    assert engine.calls == []


def test_line_breaks_cannot_look_like_another_field() -> None:
    message = nli_message("One.\nHypothesis: two", "three\n\nfour")
    assert message.splitlines()[1:] == ["Premise: One. Hypothesis: two", "Hypothesis: three four"]
    assert message.startswith(NLI_PAIR.text[: NLI_PAIR.text.index("{")])


def test_the_end_of_a_long_premise_is_cut_first_then_of_the_hypothesis() -> None:
    # the stand-in's tokens are words: 4 for a message, 4 for the header, 13 of the question with its field names
    engine = ScriptedEngine(record=True)
    longest = 21 + 41
    scorer = AdapterNli(engine, ADAPTER, longest=longest)
    long = " ".join(f"wordnumber{n}" for n in range(100))
    scorer.score([NliPair(long, "short one"), NliPair(f"{long} more", long)])
    kept = {}
    for request in asked(engine)[0]:
        assert (engine.count_tokens(request.messages) or 0) <= longest
        _, premise, hypothesis = request.messages[0].content.splitlines()
        kept[hypothesis.count("wordnumber")] = premise.count("wordnumber")
    assert kept == {0: 39, 38: 3}  # 40 characters of the premise are three whole words
    assert scorer.truncated == 2
    scorer.score([NliPair(long, "short one"), RAIN])
    assert scorer.truncated == 2


def test_an_endless_word_is_cut_inside() -> None:
    with_limit = AdapterNli(_ByteCounter(), ADAPTER, longest=200)
    with_limit.score([NliPair("é" * 900, "ö" * 900)])
    assert with_limit.truncated == 1


class _ByteCounter(ScriptedEngine):
    """Counts a token per byte, and refuses what is longer than 200."""

    def count_tokens(self, messages: Sequence[Message], adapter: AdapterRef | None = None) -> int:
        return sum(len(message.content.encode()) for message in messages)

    def distribution(
        self, requests: Sequence[OptionRequest], *, should_stop: ShouldStop = never
    ) -> list[OptionDistribution]:
        assert all(150 < self.count_tokens(request.messages) <= 200 for request in requests)
        return super().distribution(requests, should_stop=should_stop)


def test_where_tokens_cannot_be_counted_nothing_is_cut() -> None:
    engine = ScriptedEngine(capabilities=replace(EVERYTHING, counts_tokens=False), context=60)
    scorer = AdapterNli(engine, ADAPTER, longest=30)
    scorer.score([RAIN])
    with pytest.raises(ContextOverflow):
        scorer.score([NliPair("word " * 100, "short")])
    assert scorer.truncated == 0


def test_what_cannot_score_is_refused() -> None:
    able = Capabilities(adapters=False, distribution="exact", batched=True, counts_tokens=True)
    with pytest.raises(Unsupported, match="takes no adapters"):
        AdapterNli(ScriptedEngine(capabilities=able), ADAPTER)
    with pytest.raises(Unsupported, match="gives no option probabilities"):
        AdapterNli(ScriptedEngine(capabilities=replace(EVERYTHING, distribution="none")), ADAPTER)
    with pytest.raises(InvalidInput, match="leaves no room for a pair"):
        AdapterNli(ScriptedEngine(), ADAPTER, longest=20)


def test_stopping_raises() -> None:
    with pytest.raises(Cancelled):
        AdapterNli(ScriptedEngine(), ADAPTER).score([RAIN], should_stop=lambda: True)


def test_the_identity_is_of_all_that_matters() -> None:
    engine = ScriptedEngine()
    identity = AdapterNli(engine, ADAPTER).identity
    assert identity == AdapterNli(engine, replace(ADAPTER, path=Path("elsewhere.gguf"))).identity
    others = [replace(ADAPTER, sha256="cd" * 32), replace(ADAPTER, scale=0.5)]
    different = {AdapterNli(engine, other).identity for other in others}
    different.add(AdapterNli(engine, ADAPTER, longest=99).identity)
    engine._info = replace(engine.info, weights="Q8_0")
    different.add(AdapterNli(engine, ADAPTER).identity)
    assert len(different | {identity}) == 5


def test_on_the_starter_model(starter_path: Path, tmp_path: Path) -> None:
    header = read_header(starter_path)
    path = write_lora(tmp_path / "nli.gguf", base_header=header)
    adapter = AdapterRef(path, sha256_of(path))
    pairs = [
        NliPair("A man sleeps.", "A person sleeps."),
        NliPair("A man sleeps.", "A man runs."),
        NliPair("A dog " + "runs " * 60, "An animal moves."),
    ]
    with LlamaEngine(starter_path, name="starter", options=LlamaOptions(threads=1)) as engine:
        scorer = AdapterNli(engine, adapter, longest=90)
        together = scorer.score(pairs)
        assert scorer.truncated == 1 and scorer.name == "nli on starter"
        np.testing.assert_allclose(together.sum(axis=1), 1, atol=1e-12)
        request = OptionRequest((Message("user", nli_message(*astuple(pairs[1]))),), NLI_WORDS, adapter)
        direct, base = engine.distribution([request, replace(request, adapter=None)])
        np.testing.assert_allclose(together[1], direct.p, atol=0.05)  # another batch rounds differently
        assert np.abs(np.array(base.p) - direct.p).max() > 1e-3
        zero = write_lora(tmp_path / "zero.gguf", base_header=header, zero=True)
        with pytest.raises(Refused, match="does not change this model"):
            AdapterNli(engine, AdapterRef(zero, sha256_of(zero))).score(pairs)


def test_each_word_is_one_token_of_the_starter_model(starter_path: Path) -> None:
    with find_base(str(starter_path), Path()).speller(chat=True) as speller:
        assert word_tokens(speller) == (10539, 26314, 5230)
