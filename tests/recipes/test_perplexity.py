"""Perplexity through llama.cpp: against torch on the same weights, and the shared prompt against a cold one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from communitylm.community.examples import question_about
from communitylm.corpus.passages import write_passages
from communitylm.evaluation.perplexity import AdapterFile, Scorer, late_interrupts
from communitylm.training.bases import Base, find_base
from pluralism_local.bench.seeded import write_lora
from pluralism_local.errors import ContextOverflow
from pluralism_local.models.gguf_file import read_header
from tests.engine.conftest import f16_path  # noqa: F401 - a fixture
from tests.support.corpus import letters, write_config
from tests.support.starter import ASSISTANT_HEADER

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


LONG = (PAIRS[0][0], " ".join(text for _, text in PAIRS))  # more tokens than one decode takes
UNTURNED = {
    "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip
"""Matrices whose rows GGUF keeps in torch's order; those of q and k are permuted for the rotary embedding."""


@pytest.fixture(scope="module")
def precise_base(f16_path: Path) -> Base:  # noqa: F811 - the fixture
    return find_base(str(f16_path), Path())


@pytest.fixture(scope="module")
def torch_model(precise_base: Base) -> Any:
    """The same weights in torch, float32."""
    torch = pytest.importorskip("torch")
    return precise_base.load(torch.float32, "cpu")


@contextmanager
def merged(model: Any, adapter: Path, scale: float) -> Iterator[None]:
    """The adapter's B·A·alpha/rank·scale added to the weights while inside."""
    import torch

    reader = gguf.GGUFReader(adapter)
    alpha = float(reader.fields["adapter.lora.alpha"].contents())
    read = {tensor.name: torch.tensor(np.array(tensor.data, dtype=np.float32)) for tensor in reader.tensors}
    before_merging = []
    with torch.no_grad():
        for name, a in read.items():
            if not name.endswith(".lora_a"):
                continue
            _, layer, part, *_ = name.split(".")
            weight = model.get_submodule(f"model.layers.{layer}.{UNTURNED[part]}").weight
            before_merging.append((weight, weight.clone()))
            weight += read[name[:-1] + "b"] @ a * (alpha / a.shape[0] * scale)
        assert len(before_merging) == len(UNTURNED) * model.config.num_hidden_layers
        yield
        for weight, before in before_merging:
            weight.copy_(before)


def torch_nats(model: Any, cache: Any, fed: tuple[int, ...], answer: tuple[int, ...]) -> float:
    """−Σ log p of `answer`, the last tokens of `fed` and one more, after what `cache` holds."""
    import torch

    with torch.no_grad():
        logits = model(input_ids=torch.tensor([fed]), cache=cache).logits[0, -len(answer) :].double()
    return float(torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="sum"))


@pytest.mark.slow  # the base in torch, as in the four that follow
@pytest.mark.parametrize("pair", [*PAIRS[:2], LONG])
def test_base_losses_are_those_of_torch(precise_base: Base, torch_model: Any, pair: tuple[str, str]) -> None:
    with Scorer(precise_base, {"base": None}, 1) as scorer, precise_base.speller(chat=True) as speller:
        ((_, loss),) = scorer.losses(*pair, ["base"])
        prompt = (*speller.prompt(pair[0]), *speller.header)
        answer = (*speller.text(pair[1]), speller.end)
        assert loss.tokens == len(answer) == scorer.tokens(pair[1])
    assert loss.nats == pytest.approx(
        torch_nats(torch_model, None, (*prompt, *answer[:-1]), answer), rel=1e-3
    )


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_an_activated_adapter_acts_from_the_header_on_as_in_torch(
    precise_base: Base, torch_model: Any, tmp_path: Path, scale: float
) -> None:
    import torch

    assert precise_base.gguf is not None
    adapter = write_lora(
        tmp_path / "on.gguf",
        base_header=read_header(precise_base.gguf),
        seed=4,
        scale=0.06,
        invocation_tokens=ASSISTANT_HEADER,
        targets=tuple(UNTURNED),
    )
    models = {"base": None, "on": AdapterFile(adapter, scale)}
    with Scorer(precise_base, models, 1) as scorer, precise_base.speller(chat=True) as speller:
        losses = dict(scorer.losses(*LONG, ["base", "on"]))
        prompt = speller.prompt(LONG[0])
        answer = (*speller.text(LONG[1]), speller.end)
        fed = (*speller.header, *answer[:-1])
    with torch.no_grad():
        cache = torch_model(input_ids=torch.tensor([prompt]), use_cache=True).cache
    with merged(torch_model, adapter, scale):
        right = torch_nats(torch_model, cache, fed, answer)
        everywhere = torch_nats(torch_model, None, (*prompt, *fed), answer)
    assert losses["on"].nats == pytest.approx(right, rel=2e-4)
    # the tolerance tells it from the bare base, and from an adapter that has read the prompt, too
    for wrong in (losses["base"].nats, everywhere):
        assert abs(wrong - right) > 1e-3 * right


@pytest.mark.slow
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


@pytest.mark.slow
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


def test_an_interrupt_is_kept_to_the_end_of_the_block() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    reached = False
    try:
        with pytest.raises(KeyboardInterrupt), late_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            reached = True
        assert reached and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with late_interrupts():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def command(folder: Path, *more: str) -> list[str]:
    """Evaluates folder/trams.toml under folder/trams; of options given twice the last counts."""
    script = ROOT / "recipes" / "evaluate_adapters.py"
    options = [
        "--adapters",
        str(folder),
        "--output",
        str(folder / "m.json"),
        "--tokens",
        "150",
        "--threads",
        "1",
    ]
    return [sys.executable, str(script), str(folder / "trams.toml"), *options, *more]


def evaluate(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(folder, *more), capture_output=True, text=True, check=False, env=dict(os.environ)
    )


def add_adapter(folder: Path, starter_path: Path) -> None:
    """Give the community "trams" a seeded adapter."""
    from communitylm.export.card_file import Facts, update_card
    from pluralism_local.gguf_header import fingerprint
    from pluralism_local.models.gguf_file import sha256_of

    header = read_header(starter_path)
    lora = write_lora(
        folder / "trams" / "trams.gguf", base_header=header, scale=0.01, invocation_tokens=ASSISTANT_HEADER
    )
    about = {
        "file": lora.name,
        "sha256": sha256_of(lora),
        "rank": 8,
        "alpha": 16.0,
        "activation": "assistant",
    }
    update_card(folder / "trams", Facts(about, {"model": "starter", "fingerprint": fingerprint(header)}))


@pytest.mark.slow
def test_an_evaluation_goes_on_where_it_stopped(tmp_path: Path, starter_path: Path) -> None:
    from communitylm.export.card_file import starting_card
    from pluralism_local.communities import load_community

    write_passages(tmp_path / "trams.jsonl", letters("riders"))
    write_config(tmp_path, "trams")
    (tmp_path / "trams").mkdir()
    (tmp_path / "trams" / "README.md").write_text(starting_card("trams", "Trams", "Riders."))
    missing = evaluate(tmp_path)
    assert missing.returncode == 2 and "a persona, an adapter, or both" in missing.stderr
    add_adapter(tmp_path, starter_path)
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


@pytest.mark.parametrize(
    ("kill", "code", "message"),
    [(signal.SIGINT, 130, "Stopped."), (signal.SIGKILL, -signal.SIGKILL, "")],
)
@pytest.mark.slow
def test_a_killed_evaluation_keeps_its_scores(
    tmp_path: Path, starter_path: Path, kill: signal.Signals, code: int, message: str
) -> None:
    from communitylm.export.card_file import starting_card

    write_passages(tmp_path / "trams.jsonl", letters("riders", speakers=12))
    write_config(tmp_path, "trams")
    (tmp_path / "trams").mkdir()
    (tmp_path / "trams" / "README.md").write_text(starting_card("trams", "Trams", "Riders."))
    add_adapter(tmp_path, starter_path)
    scores = tmp_path / "m.partial.jsonl"
    running = subprocess.Popen(command(tmp_path, "--tokens", "400"), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not scores.exists() or scores.read_bytes().count(b"\n") < 2:
        assert running.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    running.send_signal(kill)
    _, errors = running.communicate(timeout=60)
    assert (running.returncode, message in errors, "Traceback" in errors) == (code, True, False), errors
    written = scores.read_bytes()
    there = written.count(b"\n")
    again = evaluate(tmp_path, "--tokens", "400")
    assert again.returncode == 0 and f"{there} of " in again.stderr
    whole = scores.read_bytes()
    assert whole.startswith(written[: written.rindex(b"\n") + 1])
    keys = [json.loads(line)[0] for line in whole.splitlines()]
    assert len(keys) == len(set(keys)) > there
