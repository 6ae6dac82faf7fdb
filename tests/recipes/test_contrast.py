"""Training on pairs: what the loss is, that it goes down, and that nothing else of a run changes by it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from communitylm.community.contrast import (
    REFERENCES,
    AnswerPair,
    contrast_loss,
    contrasted,
    read_pairs,
    write_pairs,
)
from communitylm.community.contrast_pairs import pair_up
from communitylm.community.objective import collate, row_losses
from communitylm.community.planning import CommunityPlan, plan
from communitylm.community.settings import read_settings
from communitylm.community.training import train
from communitylm.corpus.passages import Passage, write_passages
from communitylm.training.examples import Example
from pluralism_local.errors import Cancelled, InvalidInput, NotFound
from tests.support.checkpoint import write_checkpoint
from tests.support.corpus import letters, write_config

TINY = """[base]
model = './base'
[adapter]
rank = 4
[training]
tokens = {tokens}
batch = 4
rate = 0.02
precision = 'fp32'
"""
CONTRAST = "[contrast]\npairs = 'pairs.jsonl'\nbeta = 0.5\nanchor = 0.0\n"


def folder_of(tmp_path: Path, extra: str = CONTRAST, tokens: int = 2000) -> Path:
    """A tiny checkpoint, two sides' letters as pairs, and the configuration of a contrast."""
    riders, drivers = letters("riders"), letters("drivers")
    write_checkpoint(tmp_path / "base", [passage.text for passage in (*riders, *drivers)])
    write_passages(tmp_path / "trams.jsonl", riders)
    pairs = pair_up(riders, drivers, least=0.05, longest=100)
    write_pairs(tmp_path / "pairs.jsonl", pairs.pairs)
    return write_config(tmp_path, "trams", TINY.format(tokens=tokens) + extra)


def adapted(planned: CommunityPlan, run: Path) -> Any:
    """The base with the run's adapter as training has it: acting on all that it reads."""
    from peft import PeftConfig, PeftModel

    shape = PeftConfig.from_pretrained(str(run / "adapter"))
    shape.alora_invocation_tokens = None
    return PeftModel.from_pretrained(planned.base.load(torch.float32, "cpu"), run / "adapter", config=shape)


def margins(folder: Path, config: Path) -> list[float]:
    """Nats by which the chosen text became likelier than the rejected one, of the first pairs, by the trained run."""
    planned = plan(read_settings(config))
    model = adapted(planned, folder)
    margin_of = []
    with torch.no_grad():
        for at in range(0, 16, 2):
            batch = collate(planned.order[at : at + 2])
            after = row_losses(model, batch)
            with model.disable_adapter():
                before = row_losses(model, batch)
            gained = before - after
            margin_of.append(float(gained[0] - gained[1]))
    return margin_of


def test_a_run_makes_the_chosen_text_likelier_than_the_rejected(tmp_path: Path) -> None:
    config = folder_of(tmp_path)
    planned = plan(read_settings(config))
    assert [example.side for example in planned.order] == [1, -1] * (len(planned.order) // 2)
    assert planned.tokens == sum(example.losses for example in planned.order[0::2])
    record = train(planned, tmp_path / "run", say=lambda _: None)
    assert record["steps"] == planned.steps and (tmp_path / "run" / "training.json").exists()
    assert len(json.loads((tmp_path / "run" / REFERENCES).read_text())) == len(dict.fromkeys(planned.order))
    gained = margins(tmp_path / "run", config)
    assert sum(margin > 0 for margin in gained) >= 7 and sum(gained) / len(gained) > 1


def test_a_run_whose_time_is_over_goes_on_to_what_an_uninterrupted_one_gives(tmp_path: Path) -> None:
    config = folder_of(tmp_path, tokens=300)
    planned = plan(read_settings(config))
    assert planned.steps > 2
    whole = train(planned, tmp_path / "whole", say=lambda _: None)
    with pytest.raises(Cancelled, match=f"after step 1 of {planned.steps}"):
        train(planned, tmp_path / "run", say=lambda _: None, seconds=0)
    references = (tmp_path / "run" / REFERENCES).read_bytes()
    with pytest.raises(Cancelled, match=f"after step 2 of {planned.steps}"):
        train(planned, tmp_path / "run", say=lambda _: None, seconds=0)
    told: list[str] = []
    record = train(planned, tmp_path / "run", say=told.append)
    assert any("Resuming after step 2" in line for line in told)
    assert not any("as the run starts" in line for line in told)
    assert (tmp_path / "run" / REFERENCES).read_bytes() == references
    assert record["held_out"] == whole["held_out"]
    weights = [
        load_file(tmp_path / run / "adapter" / "adapter_model.safetensors") for run in ("whole", "run")
    ]
    assert all(torch.allclose(weights[0][name], weights[1][name], atol=1e-5) for name in weights[0])


def test_a_run_can_start_from_another_which_is_then_the_reference(tmp_path: Path) -> None:
    config = folder_of(tmp_path, extra="", tokens=400)
    train(plan(read_settings(config)), tmp_path / "first", say=lambda _: None)
    started = TINY.format(tokens=200).replace("rank = 4", "rank = 4\nstart = 'first'")
    again = write_config(tmp_path, "trams", started + CONTRAST)
    planned = plan(read_settings(again))
    train(planned, tmp_path / "second", say=lambda _: None)
    stored = json.loads((tmp_path / "second" / REFERENCES).read_text())
    first = adapted(planned, tmp_path / "first")
    with torch.no_grad():
        expected = row_losses(first, collate(list(dict.fromkeys(planned.order))[:4]))
    assert stored[:4] == pytest.approx(expected.tolist(), rel=1e-3)
    # the pairs are part of a run's identity
    write_pairs(tmp_path / "pairs.jsonl", [AnswerPair("Why?", "Because.", "No.")])
    assert plan(read_settings(again)).digest != planned.digest


def test_the_loss_is_that_of_the_paper_and_an_anchor() -> None:
    examples = [
        Example((), (1, 2, 3), 1, side=1, reference=7.0),
        Example((), (1, 4), 1, side=-1, reference=5.0),
    ]
    batch = collate(examples)
    losses = torch.tensor([6.0, 5.5])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("communitylm.community.contrast.row_losses", lambda *_: losses)
        value = float(contrast_loss(None, batch, beta=0.2, anchor=0.5))
    margin = 0.2 * ((7.0 - 6.0) - (5.0 - 5.5))
    assert value == pytest.approx(math.log1p(math.exp(-margin)) + 0.5 * 6.0 / 2)


def test_pairs_share_a_question_or_telling_words() -> None:
    ask = "Should trams be free?"
    own = [
        Passage("Free trams help all.", question=ask),
        Passage("Trams serve pupils well.", question="should trams be free"),
        Passage("Bicycle lanes need wide streets.", subject="lanes"),
        Passage("Nobody else speaks of owls.", subject="owls"),
        Passage("Held out.", question=ask, held_out=True),
    ]
    others = [
        Passage("Free trams cost too much.", question=ask),
        Passage("Nothing is free.", question=ask),
        Passage("Bicycle lanes take streets away.", subject="lanes"),
    ]
    paired = pair_up(own, others, least=0.2, longest=50)
    assert paired.same_question == 2
    assert [pair.rejected for pair in paired.pairs] == [passage.text for passage in others]
    assert [pair.chosen for pair in paired.pairs] == [passage.text for passage in own[:3]]
    assert paired.pairs[0].question == ask and "lanes" in paired.pairs[2].question
    assert len(pair_up(own, others, least=1, longest=50).pairs) == 2
    assert len(pair_up(own, others, least=1, longest=3).pairs) == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no pairs"),
        ("{}", "line 1 is no pair"),
        ('{"question": "a", "chosen": "b", "rejected": " "}', "line 1"),
        ("[1]", "line 1"),
        ("x", "line 1"),
    ],
)
def test_what_is_no_pair_is_refused_with_its_place(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "pairs.jsonl").write_text(text)
    with pytest.raises(InvalidInput, match=reason):
        read_pairs(tmp_path / "pairs.jsonl")
    with pytest.raises(NotFound, match="no pairs"):
        read_pairs(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ("[adapter]\nform = 'causal'\n[contrast]\npairs = 'p'\n", "needs adapter.form"),
        ("[training]\nbatch = 3\n[contrast]\npairs = 'p'\n", "even training.batch"),
        ("[training]\ntogether = 'b.toml'\n[contrast]\npairs = 'p'\n", "one community"),
    ],
)
def test_contrasts_that_cannot_be(tmp_path: Path, extra: str, reason: str) -> None:
    with pytest.raises(InvalidInput, match=reason):
        read_settings(write_config(tmp_path, "trams", extra))


def test_a_batch_keeps_pairs_whole(tmp_path: Path) -> None:
    config = folder_of(tmp_path)
    planned = plan(read_settings(config))
    with planned.base.speller(chat=True) as speller:
        pairs = read_pairs(tmp_path / "pairs.jsonl")
        order = contrasted(pairs, speller, longest=64, tokens=0, passes=2, batch=4, seed=1)
    assert len(order) == 4 * len(pairs)
    assert all(good.prompt == bad.prompt for good, bad in zip(order[0::2], order[1::2], strict=True))
    assert all(len(example.prompt) + len(example.answer) <= 64 for example in order)
