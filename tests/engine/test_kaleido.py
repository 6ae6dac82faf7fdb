"""Kaleido through transformers, on a random T5 of its shape: its arithmetic is that of transformers itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pluralism_local import wiring
from pluralism_local.engine.kaleido import KaleidoEngine
from pluralism_local.errors import Cancelled, ContextOverflow, EngineFailure, NotFound, Unsupported
from pluralism_local.modes import Ask, run
from pluralism_local.modes.values.running import find_values
from pluralism_local.settings import Settings
from pluralism_local.types import Completion, Message, OptionRequest, Request, Sampling, TextDone
from pluralism_local.values.stakes import Values
from tests.support.mode_asks import after
from tests.support.tiny_kaleido import write_kaleido

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

GENERATE = "[Generate]:\tSituation: Biking to work"
VALENCE = "[Valence]:\tSituation: Biking to work\tValue: Health"
LEANINGS = ("Supports", "Opposes", "Either")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_kaleido(tmp_path_factory.mktemp("kaleido"))


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[KaleidoEngine]:
    with KaleidoEngine(str(folder)) as opened:
        yield opened


def asked(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def texts_of(engine: KaleidoEngine, requests: list[Request], stops: int = 10**6) -> list[Completion]:
    done = [
        event for event in engine.generate(requests, should_stop=after(stops)) if isinstance(event, TextDone)
    ]
    return [event.completion for event in sorted(done, key=lambda event: event.index)]


def test_the_probability_of_an_option_is_that_of_its_tokens(engine: KaleidoEngine, folder: Path) -> None:
    (told,) = engine.distribution([OptionRequest(asked(VALENCE), (*LEANINGS, "Right to clean air"))])
    model = transformers.T5ForConditionalGeneration.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer(VALENCE, return_tensors="pt")
    for option, mass in zip(told.options, told.mass, strict=True):
        labels = tokenizer(option, add_special_tokens=False, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            loss = model(input_ids=prompt["input_ids"], labels=labels).loss
        assert mass == pytest.approx(float((-loss * labels.shape[1]).exp()), rel=1e-4)
    assert sum(told.p) == pytest.approx(1) and told.method == "exact"


def test_a_greedy_text_is_that_of_transformers(engine: KaleidoEngine, folder: Path) -> None:
    model = transformers.T5ForConditionalGeneration.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    prompts = [GENERATE, VALENCE, "[Explanation]:\tSituation: Fishing\tDuty: obey laws"]
    written = texts_of(engine, [Request(asked(prompt), Sampling(max_tokens=9)) for prompt in prompts])
    for prompt, completion in zip(prompts, written, strict=True):
        ids = model.generate(
            **tokenizer(prompt, return_tensors="pt"), max_new_tokens=9, do_sample=False, num_beams=1
        )
        assert completion.text == tokenizer.decode(ids[0], skip_special_tokens=True).strip()


def test_a_seed_gives_its_text_whatever_stands_beside_it(engine: KaleidoEngine) -> None:
    def drawn(seed: int) -> Request:
        return Request(asked(GENERATE), Sampling(temperature=1.0, max_tokens=12, seed=seed))

    together = texts_of(engine, [drawn(seed) for seed in range(20)])  # more than one pass
    assert len({completion.text for completion in together}) > 10
    assert texts_of(engine, [drawn(7)])[0].text == together[7].text


def test_templates_of_the_checkpoint_go_first(tmp_path: Path) -> None:
    own = {
        "valence": {"template": "[Valence]:\tAction: ACTION\tVRD: VALUE", "args": ["ACTION", "VRD", "VALUE"]}
    }
    own_folder = write_kaleido(tmp_path, own)
    tokenizer = transformers.AutoTokenizer.from_pretrained(own_folder)
    with KaleidoEngine(str(own_folder)) as engine:
        filled = tokenizer("[Valence]:\tAction: Biking to work\tValue: Health")["input_ids"]
        assert engine._prompt(asked(VALENCE), None) == filled
        assert engine._prompt(asked(GENERATE), None) == tokenizer(GENERATE)["input_ids"]


@pytest.mark.parametrize("text", ["Is tipping fair?", "[Summary]:\tSituation: x", ""])
def test_any_other_message_is_refused(engine: KaleidoEngine, text: str) -> None:
    with pytest.raises(Unsupported, match="answers nothing else"):
        texts_of(engine, [Request(asked(text))])


def test_what_cannot_be_is_refused(engine: KaleidoEngine, folder: Path) -> None:
    with pytest.raises(ContextOverflow):
        texts_of(engine, [Request(asked(GENERATE + " work" * 80))])
    with pytest.raises(NotFound, match="There is no folder"):
        KaleidoEngine(str(folder / "nothing" / "here"))
    closed = KaleidoEngine(str(folder))
    closed.close()
    with pytest.raises(EngineFailure, match="closed"):
        closed.count_tokens(asked(GENERATE))


def test_stopping_ends_texts_and_weighing(engine: KaleidoEngine) -> None:
    requests = [Request(asked(GENERATE), Sampling(temperature=1.0, max_tokens=30, seed=3))]
    assert texts_of(engine, requests, stops=2)[0].finish == "cancelled"
    with pytest.raises(Cancelled):
        engine.distribution([OptionRequest(asked(VALENCE), LEANINGS)], should_stop=lambda: True)


TAUGHT = {
    GENERATE: ("Value: Health", "Right: Right to clean air", "Duty: Duty to obey laws"),
    "[Relevance]:\tSituation: Biking to work\tValue: Health": ("Yes",),
    "[Relevance]:\tSituation: Biking to work\tRight: Right to clean air": ("Yes",),
    "[Relevance]:\tSituation: Biking to work\tDuty: Duty to obey laws": ("No",),
    VALENCE: ("Supports",),
    "[Valence]:\tSituation: Biking to work\tRight: Right to clean air": ("Opposes",),
    "[Explanation]:\tSituation: Biking to work\tValue: Health": ("It keeps people fit.",),
    "[Explanation]:\tSituation: Biking to work\tRight: Right to clean air": ("It keeps clean air.",),
}


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the same kind that learned these replies by heart."""
    folder = write_kaleido(tmp_path_factory.mktemp("taught"))
    model = transformers.T5ForConditionalGeneration.from_pretrained(folder).train()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    rows = [(prompt, reply) for prompt, replies in TAUGHT.items() for reply in replies]
    inputs = tokenizer([prompt for prompt, _ in rows], return_tensors="pt", padding=True)
    labels = tokenizer([reply for _, reply in rows], return_tensors="pt", padding=True)["input_ids"]
    labels[labels == tokenizer.pad_token_id] = -100
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(200):
        optimizer.zero_grad()
        model(**inputs, labels=labels).loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    return folder


@pytest.mark.slow  # it trains its model
def test_values_are_listed_weighed_and_explained(taught: Path) -> None:
    with KaleidoEngine(str(taught)) as engine:
        *_, values = find_values("Biking to  work", llm=engine)
    assert isinstance(values, Values) and values.complete and values.method == "exact"
    assert "values.kaleido-generate@1" in values.prompts and values.draws == 80
    stakes = {weighed.stake.text: weighed for weighed in values.stakes}
    assert {"Health", "Right to clean air"} <= set(stakes) and "Duty to obey laws" not in stakes
    assert "Duty to obey laws" in {weighed.stake.text for weighed in values.irrelevant}
    leanings = [stakes[name].valence for name in ("Health", "Right to clean air")]
    assert [valence and valence.leaning for valence in leanings] == ["support", "oppose"]
    assert all(valence and sum(valence.p) == pytest.approx(1) for valence in leanings)
    assert stakes["Health"].reason.startswith("It keeps people fit")


def test_its_name_opens_it_and_an_ask_of_it_is_refused(folder: Path) -> None:
    with wiring.open_engine(f"kaleido:{folder}", Settings(), lambda _: None) as engine:
        assert isinstance(engine, KaleidoEngine) and engine.info.id == f"kaleido:{folder}"
        with pytest.raises(Unsupported, match="answers nothing else"):
            list(run(Ask("Is tipping fair?", "vanilla"), llm=engine, communities=engine))
