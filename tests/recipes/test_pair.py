"""Two communities trained together: what is alike moves both adapters, what sets them apart moves them oppositely."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from communitylm.community.planning import plan
from communitylm.community.settings import CommunitySettings, read_settings
from communitylm.community.together import paired
from communitylm.community.training import train
from communitylm.corpus.passages import write_passages
from communitylm.training.examples import Example
from pluralism_local.errors import InvalidInput, NotFound, Refused
from tests.support.checkpoint import write_checkpoint
from tests.support.corpus import letters, write_config

LENGTHS = st.lists(st.integers(2, 40), min_size=1, max_size=25)
WEIGHTS = "adapter_model.safetensors"
BASE = "[base]\nmodel = './base'\n"


def silent(_: str) -> None:
    pass


@given(LENGTHS, LENGTHS, st.integers(1, 600), st.integers(1, 4))
def test_every_batch_is_half_and_half(own: list[int], others: list[int], tokens: int, half: int) -> None:
    mine = [Example((1, i), tuple(range(length)), 1) for i, length in enumerate(own)]
    theirs = [Example((2, i), tuple(range(length)), 1) for i, length in enumerate(others)]
    given = {"tokens": tokens, "passes": 1, "batch": 2 * half, "seed": 3}
    order = paired(mine, theirs, **given)
    assert order == paired(mine, theirs, **given)
    for at in range(0, len(order), 2 * half):
        sides = [(example.prompt[0], example.side) for example in order[at : at + 2 * half]]
        assert sides == [(1, 1)] * (len(sides) // 2) + [(2, -1)] * (len(sides) // 2)
    seen = [sum(example.losses for example in order if example.side == side) for side in (1, -1)]
    assert max(seen) >= tokens


def town(
    folder: Path, adapter: str = "", training: str = "tokens = 400\n", partner: str = ""
) -> CommunitySettings:
    """Two sides of the town's letters, a tiny base, and the configurations of both; the riders' is returned."""
    sides = {"riders": letters("riders", 8), "drivers": letters("drivers", 8)}
    if not (folder / "base").exists():
        write_checkpoint(
            folder / "base", [passage.text for passages in sides.values() for passage in passages]
        )
    shape = f"{BASE}[adapter]\nrank = 4\n{adapter}[training]\nbatch = 4\nprecision = 'fp32'\n"
    for side, other in (("riders", "drivers"), ("drivers", "riders")):
        write_passages(folder / f"{side}.jsonl", sides[side])
        more = partner if side == "drivers" and partner else training
        together = "" if "start" in adapter else f"together = '{other}.toml'\n"
        write_config(folder, side, shape + together + more)
    return read_settings(folder / "riders.toml")


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / WEIGHTS))


@pytest.mark.slow
def test_the_sides_mirror_each_other_and_either_configuration_makes_both(tmp_path: Path) -> None:
    town(tmp_path, training="tokens = 9000\nrate = 5e-3\napart = 1.0\n")
    adapters = {}
    for begun in ("riders", "drivers"):
        settings = read_settings(tmp_path / f"{begun}.toml")
        record = train(plan(settings), tmp_path / begun / begun, say=silent)
        assert record["id"] == begun and record["together"]["tokens"] >= 2500
        assert json.loads((tmp_path / begun / "riders" / "training.json").read_text())["id"] == "riders"
        adapters[begun] = {
            side: weights(tmp_path / begun / side / "adapter") for side in ("riders", "drivers")
        }
        common = [weights(tmp_path / begun / side / "shared") for side in ("riders", "drivers")]
        for name, middle in common[0].items():
            np.testing.assert_array_equal(middle, common[1][name])
            both = adapters[begun]["riders"][name] + adapters[begun]["drivers"][name]
            np.testing.assert_allclose(both / 2, middle, atol=1e-6)
    for side in ("riders", "drivers"):
        for name, weight in adapters["riders"][side].items():
            np.testing.assert_array_equal(weight, adapters["drivers"][side][name])
    losses = {
        (run, side): loss_of(tmp_path, tmp_path / "riders" / run / "adapter", side)
        for run in ("riders", "drivers")
        for side in ("riders", "drivers")
    }
    assert losses["riders", "riders"] < losses["drivers", "riders"] - 0.02
    assert losses["drivers", "drivers"] < losses["riders", "drivers"] - 0.02


def test_a_step_is_that_of_adam_on_the_sum_and_the_difference_of_gradients() -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    from communitylm.community import together as pair

    torch.manual_seed(0)
    base = torch.nn.Sequential(torch.nn.Linear(3, 2, bias=False))
    model = get_peft_model(base, LoraConfig(r=1, lora_alpha=1, target_modules=["0"]))
    pair.add_second(model)
    stepper = pair.optimizer(model, rate=0.1, apart=0.5, weight_decay=0.0)
    named = dict(model.named_parameters())
    first = next(weight for name, weight in named.items() if "lora_B.default" in name)
    two = next(weight for name, weight in named.items() if "lora_B.second" in name)
    first.grad, two.grad = torch.tensor([[3.0], [-1.0]]), torch.tensor([[1.0], [1.0]])
    stepper.step()
    # Adam's first step is the rate times the gradient's sign: sum (4, 0), difference (2, -2)
    torch.testing.assert_close(first.detach(), torch.tensor([[-0.1 - 0.05], [0.05]]))
    torch.testing.assert_close(two.detach(), torch.tensor([[-0.1 + 0.05], [-0.05]]))


def test_a_killed_run_of_two_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import Trainer

    settings = town(tmp_path, training="tokens = 2000\nrate = 5e-3\ncheckpoint = 4\n")
    train(plan(settings), tmp_path / "whole" / "riders", say=silent)
    step, taken = Trainer.training_step, []

    def dies(self: Any, *given: Any, **named: Any) -> Any:
        taken.append(1)
        if len(taken) == 7:
            raise KeyboardInterrupt
        return step(self, *given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "training_step", dies)
        with pytest.raises(KeyboardInterrupt):
            train(plan(settings), tmp_path / "broken" / "riders", say=silent)
    told: list[str] = []
    train(plan(settings), tmp_path / "broken" / "riders", say=told.append)
    assert any(line.startswith("Resuming after step 4 ") for line in told)
    for side in ("riders", "drivers"):
        whole, resumed = (weights(tmp_path / run / side / "adapter") for run in ("whole", "broken"))
        for name in whole:
            np.testing.assert_allclose(whole[name], resumed[name], atol=2e-5)


def test_partners_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidInput, match=r"training.rate is 0.001 in riders.toml and 0.002 in drivers.toml"
    ):
        plan(town(tmp_path, partner="tokens = 400\nrate = 2e-3\n"))
    settings = town(tmp_path)
    (tmp_path / "drivers.toml").write_text((tmp_path / "drivers.toml").read_text().replace("together", "#"))
    with pytest.raises(InvalidInput, match="does not name it in turn"):
        plan(settings)
    (tmp_path / "drivers.toml").unlink()
    with pytest.raises(NotFound):
        plan(settings)
    with pytest.raises(InvalidInput, match=r"needs an even training.batch"):
        read_settings(tmp_path / "riders.toml", ["training.batch=3"])


def test_what_is_set_on_the_command_line_is_set_for_both(tmp_path: Path) -> None:
    town(tmp_path)
    settings = read_settings(tmp_path / "riders.toml", ["training.rate=4e-3", "corpus.about=riders' letters"])
    partner = settings.partner()
    assert partner is not None and partner.values.training.rate == 4e-3
    assert partner.values.corpus.about == "made-up letters"


def test_a_finished_partner_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "runs" / "drivers").mkdir(parents=True)
    (tmp_path / "runs" / "drivers" / "training.json").write_text("{}")
    with pytest.raises(Refused, match="drivers holds a finished run"):
        train(plan(town(tmp_path)), tmp_path / "runs" / "riders", say=silent)


def test_a_third_starts_from_what_two_share(tmp_path: Path) -> None:
    settings = town(tmp_path)
    first = plan(settings)
    train(first, tmp_path / "runs" / "riders", say=silent)
    still = town(tmp_path, adapter="start = 'runs/riders/shared'\n", training="tokens = 100\nrate = 1e-12\n")
    record = train(plan(still), tmp_path / "third", say=silent)
    assert first.partner is not None
    assert record["start"]["tokens"] == first.tokens + first.partner.tokens
    common, third = weights(tmp_path / "runs" / "riders" / "shared"), weights(tmp_path / "third" / "adapter")
    assert common.keys() == third.keys() and len(common) == 28
    for name in common:
        np.testing.assert_allclose(common[name], third[name], atol=1e-6)


def test_starts_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no finished adapter"):
        plan(town(tmp_path, adapter="start = 'gone'\n"))
    train(plan(town(tmp_path)), tmp_path / "riders", say=silent)
    other = town(tmp_path, adapter="start = 'riders'\n")
    text = other.path.read_text().replace("rank = 4", "rank = 2")
    other.path.write_text(text)
    with pytest.raises(InvalidInput, match="has rank 4, and the configuration says 2"):
        plan(read_settings(other.path))


def loss_of(folder: Path, adapter: Path, side: str) -> float:
    """Nats per token of a side's letters under an adapter."""
    import torch
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file as load_torch
    from transformers import AutoModelForCausalLM

    from communitylm.community.examples import activated
    from communitylm.community.objective import collate, summed_loss
    from communitylm.training.bases import find_base

    with find_base("./base", folder).speller(chat=True) as speller:
        examples = activated(letters(side, 8), speller, 256)
    saved = json.loads((adapter / "adapter_config.json").read_text())
    shape = LoraConfig(
        task_type="CAUSAL_LM",
        r=saved["r"],
        lora_alpha=saved["lora_alpha"],
        target_modules=saved["target_modules"],
    )
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(folder / "base"), shape)
    set_peft_model_state_dict(model, load_torch(adapter / WEIGHTS))
    model.eval()
    with torch.no_grad():
        return float(summed_loss(model, collate(examples))) / sum(example.losses for example in examples)
