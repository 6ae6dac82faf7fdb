"""Perplexity through llama.cpp: against torch on the same weights, and the shared prompt against a cold one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from communitylm.bases import find_base
from communitylm.examples import question_about
from communitylm.passages import write_passages
from communitylm.perplexity import AdapterFile, Scorer
from pluralism_local.bench.seeded import write_lora
from pluralism_local.errors import ContextOverflow
from pluralism_local.gguf_file import read_header
from tests.engine.conftest import ASSISTANT_HEADER, f16_path  # noqa: F401 - a fixture
from tests.recipes.corpus_util import letters, write_config

ROOT = Path(__file__).parents[2]
PAIRS = [question_about(passage) for passage in letters("riders")[:3]]


@pytest.fixture(scope="module")
def adapters(starter_path: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, AdapterFile | None]:
    folder, header = tmp_path_factory.mktemp("adapters"), read_header(starter_path)
    activated = write_lora(folder / "on.gguf", base_header=header, seed=1, invocation_tokens=ASSISTANT_HEADER)
    always = write_lora(folder / "always.gguf", base_header=header, seed=1)
    return {
        "base": None,
        "on": AdapterFile(activated),
        "always": AdapterFile(always),
        "off": AdapterFile(activated, 0.0),
    }


def test_base_losses_are_those_of_torch(f16_path: Path) -> None:  # noqa: F811 - the fixture
    torch = pytest.importorskip("torch")
    base = find_base(str(f16_path), Path())
    model = base.load(torch.float32, "cpu")
    with Scorer(base, {"base": None}, 1) as scorer, base.speller(chat=True) as speller:
        for question, text in PAIRS:
            (_, found), *_ = scorer.losses(question, text, ["base"])
            prompt = (*speller.prompt(question), *speller.header)
            answer = (*speller.text(text), speller.end)
            tokens = torch.tensor([[*prompt, *answer]])
            with torch.no_grad():
                logits = model(input_ids=tokens).logits[0, len(prompt) - 1 : -1].double()
            expected = torch.nn.functional.cross_entropy(logits, tokens[0, len(prompt) :], reduction="sum")
            assert found.tokens == len(answer) == scorer.tokens(text)
            assert found.nats == pytest.approx(expected.item(), rel=1e-3)


def test_models_do_not_disturb_each_other(
    f16_path: Path,  # noqa: F811 - the fixture
    adapters: dict[str, AdapterFile | None],
) -> None:
    base = find_base(str(f16_path), Path())
    question, text = PAIRS[0]
    with Scorer(base, adapters, 1) as scorer:
        together = dict(scorer.losses(question, text, list(adapters)))
        mixed = dict(scorer.losses(question, text, ["always", "base", "on", "off"]))
        alone = {name: dict(scorer.losses(question, text, [name]))[name] for name in adapters}
    for name in adapters:
        assert together[name] == mixed[name] == alone[name]
    assert together["off"].nats == pytest.approx(together["base"].nats, abs=1e-3)
    # one set of weights, acting from the header on or over the prompt, too
    values = [together[name].nats for name in ("base", "on", "always")]
    assert np.min(np.abs(np.diff(sorted(values)))) > 0.1


def test_the_prompt_is_decoded_once_for_all(
    starter_path: Path, adapters: dict[str, AdapterFile | None]
) -> None:
    base = find_base("starter", Path())
    question, text = PAIRS[0]
    with Scorer(base, adapters, 1) as scorer, base.speller(chat=True) as speller:
        prompt, answer = len(speller.prompt(question)), len(speller.header) + scorer.tokens(text) - 1
        list(scorer.losses(question, text, ["base", "on", "off"]))
        assert scorer.decoded == prompt + 3 * answer
        list(scorer.losses(question, text, ["base", "always"]))
        assert scorer.decoded == 3 * prompt + 5 * answer
        with pytest.raises(ContextOverflow, match="does not fit"):
            list(scorer.losses(question, "tram " * 3000, ["base"]))


def evaluate(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable, str(ROOT / "recipes" / "evaluate_adapters.py"), str(folder / "trams.toml"),
            "--adapters", str(folder), "--output", str(folder / "m.json"), "--tokens", "150", "--threads", "1", *more,
        ],
        capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip


def test_an_evaluation_goes_on_where_it_stopped(tmp_path: Path, starter_path: Path) -> None:
    from communitylm.card_file import Facts, starting_card, update_card
    from pluralism_local.communities import load_community
    from pluralism_local.gguf_file import fingerprint, sha256_of

    write_passages(tmp_path / "trams.jsonl", letters("riders"))
    write_config(tmp_path, "trams")
    (tmp_path / "trams").mkdir()
    (tmp_path / "trams" / "README.md").write_text(starting_card("trams", "Trams", "Riders."))
    missing = evaluate(tmp_path)
    assert missing.returncode == 2 and "a persona, an adapter, or both" in missing.stderr
    header = read_header(starter_path)
    lora = write_lora(
        tmp_path / "trams" / "trams.gguf", base_header=header, scale=0.01, invocation_tokens=ASSISTANT_HEADER
    )
    about = {
        "file": lora.name,
        "sha256": sha256_of(lora),
        "rank": 8,
        "alpha": 16.0,
        "activation": "assistant",
    }
    update_card(tmp_path / "trams", Facts(about, {"model": "starter", "fingerprint": fingerprint(header)}))
    plan = evaluate(tmp_path, "--dry-run")
    assert "0 of 6 scores are there" in plan.stderr and not (tmp_path / "m.json").exists()
    first = evaluate(tmp_path, "--check", "--cards")
    assert first.returncode == 6 and "Missed: trams: its own adapter lowers perplexity by" in first.stderr
    record = json.loads((tmp_path / "m.json").read_text())
    assert record["models"] == ["base", "trams"] and record["tokens"]["trams"] >= 150
    scores = tmp_path / "m.partial.jsonl"
    lines = scores.read_bytes().splitlines(keepends=True)
    assert len(lines) == 6
    scores.write_bytes(b"".join(lines[:4]) + lines[4][:20])
    again = evaluate(tmp_path, "--json")
    assert again.returncode == 0 and "4 of 6 scores are there" in again.stderr
    assert json.loads(again.stdout)["perplexity"] == record["perplexity"]
    assert scores.read_bytes() == b"".join(lines)
    figure = load_community(tmp_path / "trams").card.evaluation[0]
    assert figure.value == pytest.approx(record["perplexity"]["trams"]["trams"], abs=0.01)
    assert figure.base == pytest.approx(record["perplexity"]["trams"]["base"], abs=0.01)
