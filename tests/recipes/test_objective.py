"""The loss: against PEFT's own activated LoRA, against plain cross-entropy, with and without padding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from communitylm.community.objective import IGNORED, collate, summed_loss
from communitylm.community.together import add_second, summed_over_sides
from communitylm.training.examples import Example
from communitylm.training.token_losses import answer_loss
from pluralism_local.errors import InvalidInput

torch = pytest.importorskip("torch")

HEADER = (5, 6, 7)


def tiny(invocation: list[int] | None = None, seed: int = 0) -> Any:
    """A random two-layer Llama with a LoRA that does something."""
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=97,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
    lora = LoraConfig(
        task_type="CAUSAL_LM",
        r=3,
        lora_alpha=6,
        target_modules=["q_proj", "v_proj", "down_proj"],
        alora_invocation_tokens=invocation,
    )
    model = get_peft_model(LlamaForCausalLM(config), lora)
    torch.manual_seed(seed + 1)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_B" in name:
                weights.copy_(torch.randn_like(weights) * 0.3)
    return model


def example(prompt: int, answer: int, seed: int) -> Example:
    generator = torch.Generator().manual_seed(seed)
    words = torch.randint(10, 97, (prompt + answer,), generator=generator).tolist()
    return Example(tuple(words[:prompt]), (*HEADER, *words[prompt:]), len(HEADER))


EXAMPLES = [example(9, 12, 1), example(4, 20, 2), example(14, 5, 3)]


def gradients(examples: list[Example]) -> tuple[float, dict[str, Any]]:
    model = tiny()
    loss = summed_loss(model, collate(examples))
    loss.backward()
    return float(loss.detach()), {
        name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None
    }


def test_each_side_of_a_pair_has_its_own_adapter_and_gradients() -> None:
    own, other = EXAMPLES[0], EXAMPLES[1]
    (plain_own, grad_own), (plain_other, grad_other) = gradients([own]), gradients([other])
    model = tiny()
    add_second(model)
    loss = summed_over_sides(model, collate([own, replace(other, side=-1)]), summed_loss)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(plain_own + plain_other, rel=1e-5)
    gradients_of = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert len(gradients_of) == 2 * len(grad_own) > 8
    for name, grad in grad_own.items():
        torch.testing.assert_close(gradients_of[name], grad, rtol=1e-4, atol=1e-6)
        second = name.replace(".default.", ".second.")
        torch.testing.assert_close(gradients_of[second], grad_other[name], rtol=1e-4, atol=1e-6)


def test_it_is_what_peft_computes_with_invocation_tokens() -> None:
    ours, theirs = tiny(), tiny(list(HEADER))
    # PEFT masks out a LoRA by its offsets; the same weights, one example at a time, no padding
    expected = torch.zeros(())
    for given in EXAMPLES:
        tokens = torch.tensor([[*given.prompt, *given.answer]])
        logits = theirs(input_ids=tokens).logits[0, :-1].float()
        first = len(given.prompt) + given.skip - 1
        expected = expected + torch.nn.functional.cross_entropy(
            logits[first:], tokens[0, first + 1 :], reduction="sum"
        )
    loss = summed_loss(ours, collate(EXAMPLES))
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    loss.backward()
    expected.backward()
    right = {name: weights.grad for name, weights in theirs.named_parameters() if weights.grad is not None}
    compared = 0
    for name, weights in ours.named_parameters():
        if "lora_" in name:
            assert torch.allclose(weights.grad, right[name], rtol=1e-4, atol=1e-6), name
            compared += 1
    assert compared == 12


def test_the_adapter_does_not_see_the_prompt() -> None:
    # were the prompt read with the adapter, its states and so the loss would differ
    model = tiny()
    apart = summed_loss(model, collate(EXAMPLES[:1])).item()
    given = EXAMPLES[0]
    together = Example((), (*given.prompt, *given.answer), len(given.prompt) + given.skip)
    assert summed_loss(model, collate([together])).item() != pytest.approx(apart, rel=1e-3)


def test_labels_are_the_next_tokens_of_the_answer() -> None:
    batch = collate([Example((1, 2), (5, 6, 7, 8, 9), 3), Example((3,), (5, 6, 7, 4), 3)])
    assert batch["prompt"].tolist() == [[1, 2], [0, 3]]
    assert batch["prompt_mask"].tolist() == [[1, 1], [0, 1]]
    assert batch["answer"].tolist() == [[5, 6, 7, 8], [5, 6, 7, 0]]
    assert batch["labels"].tolist() == [[IGNORED, IGNORED, 8, 9], [IGNORED, IGNORED, 4, IGNORED]]


@pytest.mark.parametrize("rows", [1, 255, 256, 700])
def test_the_chunked_loss_is_cross_entropy(rows: int) -> None:
    torch.manual_seed(rows)
    hidden = torch.randn(rows, 16, dtype=torch.float64).float().requires_grad_()
    head, labels = torch.randn(50, 16), torch.randint(0, 50, (rows,))
    plain = hidden.detach().clone().requires_grad_()
    expected = torch.nn.functional.cross_entropy(plain @ head.T, labels, reduction="sum")
    loss = answer_loss(hidden, head, labels)
    (loss * 0.5).backward()
    (expected * 0.5).backward()
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert torch.allclose(hidden.grad, plain.grad, rtol=1e-4, atol=1e-6)


def test_outputs_that_are_more_than_a_product_are_refused() -> None:
    model = tiny()
    model.config.final_logit_softcapping = 30.0
    with pytest.raises(InvalidInput, match="final_logit_softcapping"):
        summed_loss(model, collate(EXAMPLES))
