"""NLI trainings: which pairs are taken, the shared opening, a resumed run, and a trained adapter heard by llama.cpp."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from communitylm.nli import stepping as nli_stepping
from communitylm.nli.data import clean, gather, word_tokens
from communitylm.nli.planning import NliPlan, plan
from communitylm.nli.settings import read_nli_settings
from communitylm.nli.training import train
from communitylm.training.bases import find_base
from pluralism_local.errors import EngineFailure, InvalidInput, NotFound, Refused
from pluralism_local.evaluation.nli.base import LABELS, NliPair
from pluralism_local.evaluation.nli.prompts import NLI_WORDS, nli_message
from tests.support.checkpoint import write_checkpoint

torch = pytest.importorskip("torch")

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "recipes" / "train_nli.py"
WHO = ("the dog", "a cat", "my horse", "his bird", "our goat", "her fox", "the wolf", "some mouse")
WHERE = ("in the garden", "at home", "near the river", "on a hill", "by the sea", "in town")
SAID = {
    "entailment": "{who} is {where} .",
    "neutral": "perhaps {who} sings .",
    "contradiction": "nobody is {where} .",
}


def records() -> list[dict[str, Any]]:
    """48 premises with a pair of every label; a word of the hypothesis gives the label away."""
    return [
        {
            "premise": f"{who} sleeps {where} .",
            "hypothesis": SAID[label].format(who=who, where=where),
            "label": label,
        }
        for who in WHO
        for where in WHERE
        for label in LABELS
    ]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return path


def small(folder: Path, *more: str) -> Path:
    """A tiny checkpoint as the base, pairs, and the configuration for both."""
    rows = records()
    texts = [nli_message(row["premise"], row["hypothesis"]) for row in rows] + [" ".join(NLI_WORDS)]
    write_checkpoint(folder / "base", texts)
    weights = load_file(folder / "base" / "model.safetensors")
    weights["lm_head.weight"] *= 20  # fresh ones are so small that no hidden state makes any word likely
    save_file(weights, folder / "base" / "model.safetensors", metadata={"format": "pt"})
    write(folder / "pairs.jsonl.gz", rows)
    path = folder / "tiny.toml"
    path.write_text(
        "[base]\nmodel = './base'\n[pairs]\nfiles = ['pairs.jsonl.gz']\n[training]\nbatch = 8\nrate = 1e-2\n"
        "passes = 6\ncheckpoint = 5\nprecision = 'fp32'\n" + "\n".join(more)
    )
    return path


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> NliPlan:
    return plan(read_nli_settings(small(tmp_path_factory.mktemp("tiny"))))


def test_whole_premises_are_held_out_and_labels_balanced(tmp_path: Path) -> None:
    rows = [row for row in records() if not (row["label"] == "neutral" and row["premise"].startswith("the"))]
    write(tmp_path / "pairs.jsonl.gz", rows)
    write(tmp_path / "check.jsonl.gz", [{**rows[0], "premise": "A CAT sleeps at home"}])
    extra = [
        {**rows[0], "hypothesis": rows[0]["hypothesis"].upper()},  # the same again
        {**rows[1], "label": "neutral"},  # rows[1] says contradiction
        {**rows[2], "label": "-"},
    ]
    write(tmp_path / "more.jsonl.gz", extra)
    path = tmp_path / "c.toml"
    path.write_text(
        "[pairs]\nfiles = ['pairs.jsonl.gz', 'more.jsonl.gz']\napart = ['check.jsonl.gz']\nheld_out = 0.25\n"
    )
    gathered = gather(read_nli_settings(path))
    premises = [{row.pair.premise for row in part} for part in (gathered.training, gathered.held_out)]
    assert premises[0].isdisjoint(premises[1])
    assert len(premises[1]) == round(0.25 * 47)
    assert "a cat sleeps at home." not in premises[0] | premises[1]
    counts = Counter(row.label for row in gathered.training)
    assert len(set(counts.values())) == 1 and set(counts) == set(LABELS)
    reasons = {"repeated": 1, "two labels": 2, "no gold label": 1, "apart": 3}
    assert gathered.left_out == {**reasons, "surplus": gathered.left_out["surplus"]}
    assert gathered.left_out["surplus"] > 0
    assert {row.source for row in gathered.training} == {"pairs.jsonl.gz"}
    again = gather(read_nli_settings(path))
    assert again == gathered
    assert gather(read_nli_settings(path, ["training.seed=1"])).held_out != gathered.held_out


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("A dog , wet , is n't in . ", "A dog, wet, isn't in."),
        ("The man 's dog ( a big one ) barks .", "The man's dog (a big one) barks."),
        ("A sign says `` Stop ! '' .", 'A sign says "Stop!".'),
        (
            "It's   fine, really. No 's here",
            "It's fine, really. No 's here",
        ),  # not tokenized: only white space
    ],
)
def test_a_tokenizers_spaces_are_taken_out(text: str, cleaned: str) -> None:
    assert clean(NliPair(text, "x .")) == NliPair(cleaned, "x.")


def test_a_plan_asks_what_use_will_ask(tiny: NliPlan) -> None:
    with tiny.base.speller(chat=True) as speller:
        row, example = tiny.held_out[0]
        whole = (*speller.prompt(nli_message(row.pair.premise, row.pair.hypothesis)), *speller.header)
        assert tiny.words == word_tokens(speller)
    assert (*example.prompt, *example.answer) == (*whole, tiny.words[LABELS.index(row.label)])
    assert example.prompt == tiny.opening and len(tiny.opening) > 15 and example.losses == 1
    assert all(other.prompt == tiny.opening for other in tiny.order)
    assert len(tiny.order) == 6 * len(tiny.gathered.training) == tiny.steps * 8 - (-len(tiny.order) % 8)


def test_the_loss_is_the_words_cross_entropy_whatever_is_shared(tiny: NliPlan) -> None:
    from communitylm.nli.objective import collate, loss_and_guesses, word_probabilities
    from communitylm.training.lora import new_lora

    model = new_lora(tiny)
    torch.manual_seed(1)
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            weights.data.normal_(0, 0.3)
    batch = tiny.order[::37]
    assert len({len(example.answer) for example in batch}) > 1  # padding matters
    loss, guesses = loss_and_guesses(model, collate(batch), tiny.words)
    loss.backward()
    ours = {name: weights.grad.clone() for name, weights in model.named_parameters() if weights.requires_grad}
    model.zero_grad()
    expected = torch.zeros(())
    rows = []
    for example in batch:  # one by one, through the model's own forward pass
        *prompt, word = (*example.prompt, *example.answer)
        logits = model(input_ids=torch.tensor([prompt])).logits[0, -1]
        expected = expected + torch.nn.functional.cross_entropy(logits, torch.tensor(word))
        rows.append(logits[list(tiny.words)].detach().double().softmax(0))
    expected.backward()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    for name, weights in model.named_parameters():
        if weights.requires_grad:
            torch.testing.assert_close(ours[name], weights.grad, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(
        word_probabilities(model, batch, tiny.words), torch.stack(rows), rtol=1e-4, atol=1e-6
    )
    assert guesses.tolist() == [int(row.argmax()) for row in rows]
    with pytest.raises(ValueError, match="one opening"):
        collate([batch[0], replace(batch[1], prompt=(1, 2))])


@pytest.mark.slow
def test_a_stopped_run_resumes_to_what_an_uninterrupted_one_gives(
    tiny: NliPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communitylm.training.stepping.REPORT_SECONDS", 0.0)
    whole = train(tiny, tmp_path / "whole", say=quiet)

    def stop(line: str) -> None:
        if line.startswith("step 12/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tiny, tmp_path / "stopped", say=stop)
    assert (tmp_path / "stopped" / "checkpoint-10").is_dir()
    assert not (tmp_path / "stopped" / "training.json").exists()
    lines: list[str] = []
    resumed = train(tiny, tmp_path / "stopped", say=lines.append)
    assert any(line.startswith("Resuming after step 10 of") for line in lines)
    left, right = (
        load_file(tmp_path / run / "adapter" / "adapter_model.safetensors") for run in ("whole", "stopped")
    )
    assert left.keys() == right.keys() and len(left) == 28
    for name in left:
        np.testing.assert_allclose(left[name], right[name], rtol=1e-4, atol=1e-6)
    assert whole["held_out"] == resumed["held_out"]
    assert not list((tmp_path / "stopped").glob("checkpoint-*"))

    base, adapter = whole["held_out"]["base"], whole["held_out"]["adapter"]
    assert adapter["loss"] < 0.5 < base["loss"] and adapter["accuracy"] > 0.9
    right_ones, pairs = adapter["by_file"]["pairs.jsonl.gz"]
    assert right_ones / pairs == adapter["accuracy"] and pairs == len(tiny.held_out)
    logged = [json.loads(line) for line in (tmp_path / "whole" / "log.jsonl").read_text().splitlines()]
    assert logged[-1]["step"] == tiny.steps and logged[-1]["accuracy"] > logged[0]["accuracy"]
    saved = json.loads((tmp_path / "whole" / "adapter" / "adapter_config.json").read_text())
    assert not saved.get("alora_invocation_tokens")  # it acts on the whole prompt


def test_a_last_batch_of_one_pair_is_a_step_like_any_other(tmp_path: Path) -> None:
    path = small(tmp_path, "evaluate = 5")
    pairs = len(plan(read_nli_settings(path, ["training.passes=1"])).order)
    planned = plan(read_nli_settings(path, ["training.passes=1", f"training.batch={pairs - 1}"]))
    assert (len(planned.order), planned.steps) == (pairs, 2)
    train(planned, tmp_path / "run", say=quiet)
    weights = load_file(tmp_path / "run" / "adapter" / "adapter_model.safetensors")
    assert all(np.isfinite(weight).all() for weight in weights.values())


def test_a_training_that_diverged_keeps_its_checkpoints_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(read_nli_settings(small(tmp_path, "pairs = 48", "evaluate = 5")))
    real = nli_stepping.evaluate

    def diverged(model: Any, *arguments: Any, base: bool = False) -> Any:
        figures = real(model, *arguments, base=base)
        return figures if base else replace(figures, loss=float("nan"))

    monkeypatch.setattr(nli_stepping, "evaluate", diverged)
    with pytest.raises(EngineFailure, match="diverged"):
        train(planned, tmp_path / "run", say=quiet)
    assert list((tmp_path / "run").glob("checkpoint-*"))
    assert not (tmp_path / "run" / "training.json").exists() and not (tmp_path / "run" / "adapter").exists()


def test_run_folders_are_guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = small(tmp_path, "pairs = 16", "evaluate = 5")
    planned = plan(read_nli_settings(config))
    assert planned.steps == 2 and len(planned.held_out) == 5
    train(planned, tmp_path / "run", say=quiet)
    with pytest.raises(Refused, match="holds a finished run"):
        train(planned, tmp_path / "run", say=quiet)
    (tmp_path / "run" / "training.json").unlink()
    other = plan(read_nli_settings(config, ["training.seed=1"]))
    with pytest.raises(Refused, match="another configuration"):
        train(other, tmp_path / "run", say=quiet)
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "letter.txt").write_text("mine")
    for restart in (False, True):
        with pytest.raises(Refused, match="no run of this recipe"):
            train(other, tmp_path / "else", say=quiet, restart=restart)
    assert (tmp_path / "else" / "letter.txt").read_text() == "mine"
    assert train(other, tmp_path / "run", say=quiet, restart=True)["seed"] == 1
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 2_000_000})())
    with pytest.raises(EngineFailure, match="2 MB are free"):
        train(planned, tmp_path / "full", say=quiet)


def test_what_cannot_work_is_said_by_the_plan(tmp_path: Path) -> None:
    config = small(tmp_path)
    with pytest.raises(InvalidInput, match="Every pair takes more than 64 tokens"):
        long = [{**row, "premise": f"{row['premise']} {'and so on ' * 40}"} for row in records()]
        write(tmp_path / "long.jsonl.gz", long)
        plan(read_nli_settings(config, ["pairs.files=['long.jsonl.gz']", "training.longest=64"]))
    with pytest.raises(NotFound, match=r"gone\.jsonl"):
        plan(read_nli_settings(config, ["pairs.apart=['gone.jsonl']"]))
    write(tmp_path / "some.jsonl.gz", [row for row in records() if row["label"] != "neutral"])
    with pytest.raises(InvalidInput, match="no pair of the label 'neutral'"):
        plan(read_nli_settings(config, ["pairs.files=['some.jsonl.gz']"]))
    write_checkpoint(tmp_path / "wordless", ["the dog sleeps"])
    with pytest.raises(InvalidInput, match="cannot say 'Yes' in one token of its own"):
        plan(read_nli_settings(config, ["base.model='./wordless'"]))


@pytest.mark.parametrize(
    ("override", "match"),
    [
        ("training.rat=1", "there is no setting 'training.rat'"),
        ("training.rate=0", "training.rate: input should be greater"),
        ("pairs.files=[]", "pairs.files"),
        ("training.rate", "has no value"),
    ],
)
def test_mistakes_in_settings_are_named(override: str, match: str) -> None:
    with pytest.raises(InvalidInput, match=match) as caught:
        read_nli_settings(ROOT / "recipes" / "nli.toml", [override])
    assert caught.value.hint
    with pytest.raises(NotFound, match="There is no configuration"):
        read_nli_settings(ROOT / "recipes" / "gone.toml")


def test_the_shipped_configuration_keeps_what_it_is_checked_on_apart() -> None:
    values = read_nli_settings(ROOT / "recipes" / "nli.toml").values
    assert not any("mnli_dev" in name for name in values.pairs.files)
    assert values.pairs.apart == ("mnli_dev.jsonl.gz",)
    assert (values.base.model, values.adapter.rank, values.adapter.alpha) == ("starter", 8, 16)


@pytest.mark.slow
def test_a_dry_run_shows_everything_and_writes_nothing(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "train", str(small(tmp_path)), "--dry-run"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "run"), "--set", "training.clip=2"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "training.clip          2.0  (--set)" in done.stderr
    assert "training.batch         8  (tiny.toml)" in done.stderr
    assert "training.schedule      cosine  (default)" in done.stderr
    assert "steps" in done.stderr and "held-out pairs" in done.stderr and not (tmp_path / "run").exists()
    unfinished = subprocess.run(
        [sys.executable, str(SCRIPT), "export", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert unfinished.returncode == 3 and "is no finished run of a training" in unfinished.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_few_steps_from_the_starter_export_and_are_heard(tmp_path: Path, starter_path: Path) -> None:
    from communitylm.nli.export import export
    from pluralism_local.evaluation.nli.shipped import find_shipped
    from pluralism_local.gguf_header import fingerprint
    from pluralism_local.models.gguf_file import read_header
    from pluralism_local.types import ModelInfo

    write(tmp_path / "pairs.jsonl.gz", records())
    config = tmp_path / "starter.toml"
    config.write_text("[pairs]\nfiles = ['pairs.jsonl.gz']\n[training]\npairs = 96\nbatch = 8\nrate = 3e-3\n")
    planned = plan(read_nli_settings(config))
    assert planned.words == (10539, 26314, 5230) and len(planned.opening) == 43
    record = train(planned, tmp_path / "run", say=quiet)
    assert record["held_out"]["adapter"]["loss"] < 0.5 * record["held_out"]["base"]["loss"]
    facts = export(
        tmp_path / "run",
        tmp_path / "ship",
        check_on=[tmp_path / "pairs.jsonl.gz"],
        most=12,
        threads=1,
        say=quiet,
    )
    assert facts["parity"]["difference"] <= facts["parity"]["limit"] < facts["parity"]["effect"]
    assert facts["agreement"]["mean"] < 0.03 and facts["agreement"]["largest"] < 0.2
    assert facts["accuracy"]["pairs"]["n"] == 12
    model = ModelInfo("starter", "llama.cpp", fingerprint=fingerprint(read_header(starter_path)))
    shipped = find_shipped(model, tmp_path / "ship")
    assert shipped.facts == facts and facts["rank"] == 8 and facts["alpha"] == 16
    assert find_base("starter", tmp_path).fingerprint == facts["base"]["fingerprint"]
