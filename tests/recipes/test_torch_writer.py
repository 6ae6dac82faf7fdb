"""Many texts at once in PyTorch: each is what the model writes alone, whoever it is written beside."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from communitylm.distilling.torch_writer import TorchWriter
from communitylm.training.bases import find_base
from pluralism_local.types import Message, Request, Sampling
from tests.support.checkpoint import write_checkpoint

TEXTS = ["trams carry pupils to school and home again", "owls sing at night because mice sleep by day"]
LONG = 12


def request(question: str, opening: str | None = None, sampling: Sampling | None = None) -> Request:
    messages = [Message("system", "owls sing at night"), Message("user", question)]
    if opening is not None:
        messages.append(Message("assistant", opening))
    return Request(tuple(messages), sampling or Sampling(max_tokens=LONG))


REQUESTS = [
    request("trams"),
    request("owls sing because mice sleep by day", "trams carry"),
    request("pupils and mice", "owls"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("writer") / "base", TEXTS)


@pytest.fixture
def writer(folder: Path) -> Iterator[TorchWriter]:
    with TorchWriter(find_base("base", folder.parent), lambda _: None) as opened:
        yield opened


def alone(folder: Path, asked: Request) -> list[int]:
    """What transformers itself draws greedily, as tokens."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    *messages, last = asked.messages
    opening = last.content if last.role == "assistant" else ""
    turns = [{"role": it.role, "content": it.content} for it in (messages if opening else asked.messages)]
    prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    tokens = tokenizer(prompt, return_tensors="pt")["input_ids"]
    if opening:
        import torch

        more = tokenizer(opening, add_special_tokens=False, return_tensors="pt")["input_ids"]
        tokens = torch.cat([tokens, more], dim=1)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    out = model.generate(tokens, do_sample=False, max_new_tokens=LONG, eos_token_id=end, pad_token_id=0)
    return [token for token in out[0, tokens.shape[1] :].tolist() if token != end]


def test_texts_written_together_are_those_written_alone(
    folder: Path, writer: TorchWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoTokenizer

    monkeypatch.setattr("communitylm.distilling.torch_writer.hardware", lambda *_: ("cpu", "fp32"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    written = writer(REQUESTS)
    for asked, text in zip(REQUESTS, written, strict=True):
        opening = asked.messages[-1].content if asked.messages[-1].role == "assistant" else ""
        assert text.text == (opening + str(tokenizer.decode(alone(folder, asked)))).strip()
        assert text.text.startswith(opening)
    assert len({text.text for text in written}) == len(REQUESTS)


def test_a_text_ends_with_its_turn_and_others_go_on(
    folder: Path, writer: TorchWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("communitylm.distilling.torch_writer.hardware", lambda *_: ("cpu", "fp32"))
    whole = [alone(folder, asked) for asked in REQUESTS]
    writer([REQUESTS[0]])  # loads
    first = next(token for token in whole[1] if token not in whole[0][:3])
    writer._speller.end = first  # type: ignore[misc]
    texts = writer(REQUESTS)
    for tokens, text in zip(whole, texts, strict=True):
        assert text.ended == (first in tokens)
    assert any(text.ended for text in texts) and not all(text.ended for text in texts)


def test_the_same_call_draws_the_same_and_another_seed_does_not(writer: TorchWriter) -> None:
    def drawn(seed: int) -> list[str]:
        sampling = Sampling(temperature=1.0, top_p=0.9, max_tokens=LONG, seed=seed)
        return [
            text.text
            for text in writer([request("trams", sampling=sampling), request("owls", sampling=sampling)])
        ]

    assert drawn(1) == drawn(1) != drawn(2)
