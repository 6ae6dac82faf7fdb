"""Parity: a true export passes, wrong ones fail; and the script that exports only what passes."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import export_gguf
from communitylm.export import parity
from communitylm.export.parity import LIMIT, ParityBase
from communitylm.training.bases import Base, find_base
from pluralism_local.communities import load_community
from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.lora import CONFIG, WEIGHTS, conversion, read_lora, write_lora_gguf
from tests.support.cards import plocal, write_card

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.slow  # the base twice, in torch and as F16, and every check runs both

HEADER = [1, 520, 9531, 198]


@pytest.fixture(scope="module")
def loaded(starter_path: Path) -> Iterator[ParityBase]:
    with ParityBase(find_base(str(starter_path), Path())) as opened:
        yield opened


@pytest.fixture(scope="module")
def peft_folder(loaded: ParityBase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded activated LoRA on every layer, strong enough to change what is said."""
    import warnings

    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("peft")
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=4,
        lora_alpha=8,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "down_proj"],
        alora_invocation_tokens=HEADER,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(loaded._torch, lora)
        with torch.no_grad():
            for name, weights in model.named_parameters():
                if "lora_B" in name:
                    weights.copy_(torch.randn_like(weights) * 0.12)
        model.save_pretrained(folder, save_embedding_layers=False)
        model.unload()
    return folder


def test_a_true_export_passes(loaded: ParityBase, peft_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    write_lora_gguf(read_lora(peft_folder, loaded.shape), path)
    outcome = loaded.check(peft_folder, path)
    assert outcome.difference <= LIMIT < 0.05 < outcome.effect
    assert outcome.prompts >= 5 and outcome.positions == 3


def test_wrong_exports_fail(
    loaded: ParityBase, peft_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.gguf"
    right = read_lora(peft_folder, loaded.shape)
    wrong = {
        "acts always": replace(right, invocation=()),
        "one token late": replace(right, invocation=right.invocation[1:]),
        "one token early": replace(right, invocation=(198, *right.invocation)),
        "twice as strong": replace(right, alpha=2 * right.alpha),
        "one layer gone": replace(right, pairs=dict(list(right.pairs.items())[5:])),
    }
    with monkeypatch.context() as patched:
        patched.setattr(conversion, "_rows", lambda b, *_: b)
        wrong["rows not permuted"] = read_lora(peft_folder, loaded.shape)
    for what, lora in wrong.items():
        write_lora_gguf(lora, path)
        with pytest.raises(Refused, match="disagree"):
            pytest.fail(f"{what}: {loaded.check(peft_folder, path)}")
    # the loaded base is as before
    write_lora_gguf(right, path)
    assert loaded.check(peft_folder, path).difference <= LIMIT


@pytest.mark.parametrize("shift", [-1, 1])
def test_switching_on_one_token_off_shows_in_the_probabilities(
    loaded: ParityBase, peft_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shift: int
) -> None:
    path = tmp_path / "a.gguf"
    write_lora_gguf(read_lora(peft_folder, loaded.shape), path)
    last_occurrence = parity._last_occurrence
    monkeypatch.setattr(parity, "_last_occurrence", lambda *given: last_occurrence(*given) + shift)
    with pytest.raises(Refused, match="probabilities differ by"):
        loaded.check(peft_folder, path)


def test_a_value_that_is_no_number_fails_wherever_it_is(
    loaded: ParityBase, peft_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.gguf"
    write_lora_gguf(read_lora(peft_folder, loaded.shape), path)
    rows = loaded._llama_rows(path)
    rows[-1][0, 0] = np.nan
    monkeypatch.setattr(loaded, "_llama_rows", lambda _: rows)
    with pytest.raises(Refused, match="differ by nan"):
        loaded.check(peft_folder, path)


def test_an_adapter_that_no_prompt_switches_on_is_refused(
    loaded: ParityBase, peft_folder: Path, tmp_path: Path
) -> None:
    folder, path = tmp_path / "other", tmp_path / "a.gguf"
    shutil.copytree(peft_folder, folder)
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {"alora_invocation_tokens": [5, 6]}))
    write_lora_gguf(read_lora(folder, loaded.shape), path)
    with pytest.raises(Refused, match=r"switched on by the tokens \(5, 6\), and no prompt"):
        loaded.check(folder, path)


def test_an_adapter_without_effect_proves_nothing(
    loaded: ParityBase, peft_folder: Path, tmp_path: Path
) -> None:
    from safetensors.numpy import load_file, save_file

    weak = tmp_path / "weak"
    shutil.copytree(peft_folder, weak)
    weights = load_file(weak / WEIGHTS)
    save_file({name: tensor * np.float32(1e-2) for name, tensor in weights.items()}, weak / WEIGHTS)
    write_lora_gguf(read_lora(weak, loaded.shape), tmp_path / "weak.gguf")
    with pytest.raises(Refused, match="would prove nothing"):
        loaded.check(weak, tmp_path / "weak.gguf")


def test_a_base_without_gguf_is_refused() -> None:
    with pytest.raises(InvalidInput, match="Parity needs the base as GGUF"):
        ParityBase(Base("some/checkpoint", None, "checkpoint", None))


@pytest.fixture
def finished_run(loaded: ParityBase, peft_folder: Path, tmp_path: Path) -> Path:
    """The folder of a finished training, as train_community.py leaves it."""
    run = tmp_path / "runs" / "trams"
    shutil.copytree(peft_folder, run / "adapter")
    base = {"reference": "starter", "model": loaded.base.name, "fingerprint": loaded.base.fingerprint}
    record = {
        "id": "trams",
        "name": "Tram riders",
        "description": "People who ride the tram.",
        "base": {**base, "path": str(loaded.base.gguf)},
        "corpus": "letters",
        "licence": "CC0-1.0",
        "tokens": 12,
        "seed": 0,
        "date": "2026-01-31",
    }
    (run / "training.json").write_text(json.dumps(record))
    return run


def export(*arguments: object) -> Any:
    """What the script prints with --json."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        export_gguf.app([*map(str, arguments), "--json"], standalone_mode=False)
    return json.loads(out.getvalue())


@pytest.fixture
def share(loaded: ParityBase, monkeypatch: pytest.MonkeyPatch) -> None:
    """The script proves on the base that is loaded already."""
    monkeypatch.setattr("communitylm.export.parity.ParityBase", lambda _: contextlib.nullcontext(loaded))


@pytest.mark.usefixtures("share")
def test_runs_and_bare_folders_become_communities(
    loaded: ParityBase, finished_run: Path, peft_folder: Path, tmp_path: Path
) -> None:
    to = tmp_path / "communities"
    export(finished_run, "--to", to, "--dry-run")
    assert not to.exists()
    (summary,) = export(finished_run, "--to", to)
    assert summary["parity"]["difference"] <= LIMIT and summary["rank"] == 4
    card = load_community(to / "trams").card
    assert card.name == "Tram riders" and card.provenance is not None and card.provenance.tokens == 12
    assert card.adapter is not None and card.adapter.scale == 1.0 and card.adapter.activation == "assistant"
    assert card.base is not None and card.base.fingerprint == loaded.base.fingerprint

    written = to / "trams" / "README.md"
    written.write_text(written.read_text().replace("scale: 1.0", "scale: 0.5  # by ear"))
    (again,) = export(finished_run, "--to", to, "--no-parity")
    assert (again["parity"], again["parity_text"]) == (None, "parity not checked")
    assert again["sha256"] == summary["sha256"] and "scale: 0.5  # by ear" in written.read_text()

    text = written.read_text()
    own = f"sha256:{'3' * 64}"
    written.write_text(
        text.replace(str(loaded.base.fingerprint), own).replace(summary["sha256"], again["sha256"])
    )
    (beside,) = export(finished_run, "--to", to, "--no-parity")
    assert Path(beside["file"]).name.startswith("trams.") and beside["file"] != summary["file"]
    both = load_community(to / "trams")
    assert [base.fingerprint for _, base in both.card.every_adapter] == [own, loaded.base.fingerprint]
    (repeated,) = export(finished_run, "--to", to, "--no-parity")
    assert repeated["file"] == beside["file"] and load_community(to / "trams") == both

    export(peft_folder, "--id", "bare", "--base", loaded.base.gguf, "--to", to)
    assert load_community(to / "bare").card.provenance is None


@pytest.mark.usefixtures("share")
def test_one_adapter_stands_beside_the_personas_of_several(finished_run: Path, tmp_path: Path) -> None:
    record = json.loads((finished_run / "training.json").read_text())
    (finished_run / "training.json").write_text(
        json.dumps({**record, "kind": "sides", "beside_persona": True})
    )
    to = tmp_path / "communities"
    for id in ("one", "two"):
        write_card(to, id, {"plocal": plocal(id, persona=f"You are number {id}.")})
    with pytest.raises(InvalidInput, match="stands beside personas"):
        export(finished_run, "--to", to)
    with pytest.raises(NotFound, match="no card of 'nobody'"):
        export(finished_run, "--id", "nobody", "--to", to, "--no-parity")
    assert not (to / "nobody").exists()
    one, two = export(finished_run, "--id", "one", "--id", "two", "--to", to)
    assert one["sha256"] == two["sha256"] and one["parity"] == two["parity"] is not None
    for id in ("one", "two"):
        community = load_community(to / id)
        message = community.spoken_persona("?", adapter=True)
        assert community.adapter_ref() is not None
        assert message is not None and message.content == f"You are number {id}."


@pytest.mark.usefixtures("share")
def test_nothing_is_written_when_anything_is_wrong(
    finished_run: Path, peft_folder: Path, tmp_path: Path
) -> None:
    to, starter = tmp_path / "communities", "starter"
    broken = tmp_path / "broken"
    shutil.copytree(peft_folder, broken)
    (broken / WEIGHTS).write_bytes(b"torn")
    record = json.loads((finished_run / "training.json").read_text())
    for wrong, kind, match in [
        ((finished_run, finished_run), InvalidInput, "Two of the runs"),
        ((finished_run, "--id", "../trams"), InvalidInput, "is no id"),
        ((peft_folder,), InvalidInput, "no training.json"),
        ((tmp_path,), NotFound, "no finished run"),
        ((broken, "--id", "broken", "--base", starter), InvalidInput, "is damaged"),
    ]:
        with pytest.raises(kind, match=match):
            export(*wrong, "--to", to)
    other = {**record, "base": {**record["base"], "fingerprint": "sha256:" + "0" * 64}}
    for text, kind, match in [
        (json.dumps(other), Refused, "trained on another base"),
        ("{", InvalidInput, "is not the record"),
        ("{}", InvalidInput, "is not the record"),
    ]:
        (finished_run / "training.json").write_text(text)
        with pytest.raises(kind, match=match):
            export(finished_run, "--to", to)
    (finished_run / "training.json").write_text(json.dumps(record))
    (to / "trams").mkdir(parents=True)
    (to / "trams" / "README.md").write_text("no card")
    with pytest.raises(InvalidInput, match="no front matter"):
        export(finished_run, "--to", to)
    assert [path.name for path in to.rglob("*")] == ["trams", "README.md"]
