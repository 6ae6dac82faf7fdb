"""Contrast: half of every batch is the others', their weight negative, and an adapter starts where another ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from communitylm.contrast import contrasted
from communitylm.examples import Example, opposing_parts
from communitylm.passages import write_passages
from communitylm.settings import read_settings
from communitylm.training import plan, train
from pluralism_local.errors import InvalidInput, NotFound
from tests.recipes.corpus_util import letters, write_config
from tests.recipes.tiny_checkpoint import write_checkpoint

LENGTHS = st.lists(st.integers(2, 40), min_size=1, max_size=25)


def silent(_: str) -> None:
    pass


@given(LENGTHS, LENGTHS, st.integers(1, 600), st.integers(1, 4))
def test_every_batch_is_half_and_half(own: list[int], others: list[int], tokens: int, half: int) -> None:
    mine = [Example((1, i), tuple(range(length)), 1) for i, length in enumerate(own)]
    theirs = [Example((2, i), tuple(range(length)), 1) for i, length in enumerate(others)]
    given = {"tokens": tokens, "passes": 1, "batch": 2 * half, "seed": 3}
    order = contrasted(mine, theirs, share=0.6, **given)
    assert order == contrasted(mine, theirs, share=0.6, **given)
    for at in range(0, len(order), 2 * half):
        batch = order[at : at + 2 * half]
        assert [example.prompt[0] for example in batch] == [1] * (len(batch) // 2) + [2] * (len(batch) // 2)
        weighed = [example.weight * example.losses for example in batch]
        assert sum(weighed) == pytest.approx(0.4 * sum(one for one in weighed if one > 0))
    assert sum(example.losses for example in order if example.weight > 0) >= tokens


def town(folder: Path, extra: str) -> Any:
    """Two sides of the town's letters, a tiny base, and the configuration of the riders."""
    riders, drivers = letters("riders", 8), letters("drivers", 8)
    if not (folder / "base").exists():
        write_checkpoint(folder / "base", [passage.text for passage in (*riders, *drivers)])
    write_passages(folder / "riders.jsonl", riders)
    write_passages(folder / "drivers.jsonl", drivers)
    return read_settings(write_config(folder, "riders", extra))


PLAIN = (
    "[base]\nmodel = './base'\n[adapter]\nrank = 4\n{adapter}"
    "[training]\ntokens = {tokens}\nbatch = 4\nprecision = 'fp32'\nrate = 5e-3\n{training}"
)


def test_the_others_text_becomes_less_likely_and_their_held_out_part_is_not_seen(tmp_path: Path) -> None:
    first = plan(town(tmp_path, PLAIN.format(adapter="", tokens=3000, training="")))
    train(first, tmp_path / "first", say=silent)
    settings = town(
        tmp_path,
        "against = ['drivers.jsonl']\n"
        + PLAIN.format(adapter="start = 'first'\n", tokens=3000, training="contrast = 0.5\n"),
    )
    heard = opposing_parts(settings)
    assert 0 < len(heard) < 48 and all((passage.speaker or "").startswith("drivers") for passage in heard)
    later = plan(settings)
    assert later.contrast_tokens == pytest.approx(later.tokens, rel=0.2) and later.digest != first.digest
    record = train(later, tmp_path / "later", say=silent)
    assert record["start"]["tokens"] == first.tokens
    assert record["tokens"] == first.tokens + later.tokens
    losses = {}
    for run in ("first", "later"):
        for side in ("riders", "drivers"):
            losses[run, side] = loss_of(tmp_path, run, side)
    # what sets the sides apart has grown: the drivers' letters are relatively less likely than before
    gap = {run: losses[run, "drivers"] - losses[run, "riders"] for run in ("first", "later")}
    assert gap["later"] > gap["first"] + 0.1


def loss_of(folder: Path, run: str, side: str) -> float:
    """Nats per token of a side's letters under a run's adapter."""
    import torch
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file as load_torch
    from transformers import AutoModelForCausalLM

    from communitylm.bases import find_base
    from communitylm.examples import activated
    from communitylm.objective import collate, summed_loss

    with find_base("./base", folder).speller(chat=True) as speller:
        examples = activated(letters(side, 8), speller, 256)
    known = json.loads((folder / run / "adapter" / "adapter_config.json").read_text())
    shape = LoraConfig(
        task_type="CAUSAL_LM",
        r=known["r"],
        lora_alpha=known["lora_alpha"],
        target_modules=known["target_modules"],
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder / "base"), shape)
    set_peft_model_state_dict(model, load_torch(folder / run / "adapter" / "adapter_model.safetensors"))
    model.eval()
    with torch.no_grad():
        return float(summed_loss(model, collate(examples))) / sum(example.losses for example in examples)


def test_a_start_is_taken_as_it_is(tmp_path: Path) -> None:
    train(
        plan(town(tmp_path, PLAIN.format(adapter="", tokens=400, training=""))),
        tmp_path / "first",
        say=silent,
    )
    still = PLAIN.format(adapter="start = 'first'\n", tokens=100, training="").replace(
        "rate = 5e-3", "rate = 1e-12"
    )
    train(plan(town(tmp_path, still)), tmp_path / "later", say=silent)
    left, right = (
        load_file(tmp_path / run / "adapter" / "adapter_model.safetensors") for run in ("first", "later")
    )
    assert left.keys() == right.keys() and len(left) == 28
    for name in left:
        np.testing.assert_allclose(left[name], right[name], atol=1e-6)


def test_starts_that_cannot_be(tmp_path: Path) -> None:
    gone = PLAIN.format(adapter="start = 'gone'\n", tokens=100, training="")
    with pytest.raises(NotFound, match="no finished adapter"):
        plan(town(tmp_path, gone))
    train(
        plan(town(tmp_path, PLAIN.format(adapter="", tokens=100, training=""))),
        tmp_path / "first",
        say=silent,
    )
    other = PLAIN.format(adapter="start = 'first'\n", tokens=100, training="").replace("rank = 4", "rank = 2")
    with pytest.raises(InvalidInput, match="has rank 4, and the configuration says 2"):
        plan(town(tmp_path, other))
