"""Sequence classifiers: against plain PyTorch, with outputs in any order; and everything that is not one."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pluralism_local.errors import Cancelled, EngineFailure, InvalidInput, NotFound, Refused, Unsupported
from pluralism_local.evaluation.nli.base import NliPair
from pluralism_local.evaluation.nli.classifier import ClassifierNli, columns

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

WORDS = re.findall(r"\S+", "a the dog cat man sleeps runs is wet dry it rains outside not ##s ##ing . ,")
PAIRS = [
    NliPair("the dog runs outside .", "a dog is outside"),
    NliPair("it rains", "it is dry , not wet"),
    NliPair("the man sleeps", "the cat runs"),
]


def build(folder: Path, names: dict[int, str], *, head: bool = True, seed: int = 0) -> Path:
    """Save a BERT of two layers with random weights, and its WordPiece tokenizer."""
    folder.mkdir(exist_ok=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"), model_max_length=24)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        initializer_range=0.6,
        num_labels=len(names),
        id2label=names,
        label2id={name: number for number, name in names.items()},
    )
    kind = transformers.BertForSequenceClassification if head else transformers.BertForMaskedLM
    kind(config).save_pretrained(folder)
    return folder


def directly(folder: Path, pair: NliPair) -> Any:
    """Probabilities of one pair in the model's own order, in float64 from its logits."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder).eval()
    inputs = tokenizer(
        pair.premise, pair.hypothesis, return_tensors="pt", truncation="longest_first", max_length=24
    )
    with torch.no_grad():
        return model(**inputs).logits[0].double().softmax(0).numpy()


@pytest.mark.parametrize(
    ("names", "order"),
    [
        ({0: "entailment", 1: "neutral", 2: "contradiction"}, [0, 1, 2]),
        ({0: "CONTRADICTION", 1: "Neutral", 2: "Entailment"}, [2, 1, 0]),
        ({0: "neutral", 1: "entails", 2: "contradicts"}, [1, 0, 2]),
        ({0: "SUPPORTS", 1: "REFUTES", 2: "NOT ENOUGH INFO"}, [0, 2, 1]),
    ],
)
def test_scores_are_the_models_in_our_order(tmp_path: Path, names: dict[int, str], order: list[int]) -> None:
    folder = build(tmp_path / "nli", names)
    scorer = ClassifierNli(folder, "cpu", batch=2)
    scores = scorer.score([*PAIRS, PAIRS[0]])
    assert scores.shape == (4, 3) and scores.dtype == np.float64
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_array_equal(scores[0], scores[3])
    for pair, row in zip(PAIRS, scores, strict=False):
        np.testing.assert_allclose(row, directly(folder, pair)[order], atol=1e-6)
    assert np.ptp(scores) > 0.1  # not a classifier that says the same of everything
    assert scorer.score([]).shape == (0, 3)
    assert (scorer.name, scorer.truncated) == ("nli", 0)


def test_a_spelled_separator_does_not_part_the_texts(tmp_path: Path) -> None:
    scorer = ClassifierNli(build(tmp_path / "nli", {0: "entailment", 1: "neutral", 2: "contradiction"}))
    pairs = [
        NliPair("it rains [SEP] a dog [CLS]", "it is wet [PAD] [MASK]"),
        NliPair("a [SEP] " * 20, "[SEP]"),
    ]
    separator = scorer._tokenizer.sep_token_id
    for encoded in scorer._encode(pairs):
        assert encoded["input_ids"].count(separator) == 2
        assert len(set(encoded["input_ids"]) & {0, 2, 4}) == 1  # [CLS] alone, no [PAD] and no [MASK]


def test_two_classes_leave_contradiction_empty(tmp_path: Path) -> None:
    folder = build(tmp_path / "two", {0: "not_entailment", 1: "entailment"})
    scores = ClassifierNli(folder).score(PAIRS)
    for pair, row in zip(PAIRS, scores, strict=True):
        other, entailed = directly(folder, pair)
        np.testing.assert_allclose(row, [entailed, other, 0], atol=1e-6)


def test_long_pairs_are_cut_longest_first_and_counted(tmp_path: Path) -> None:
    folder = build(tmp_path / "nli", {0: "entailment", 1: "neutral", 2: "contradiction"})
    scorer = ClassifierNli(folder)
    long = NliPair("the dog runs " * 10, "a cat sleeps")
    scores = scorer.score([long, PAIRS[0], long])
    np.testing.assert_allclose(scores[0], directly(folder, long), atol=1e-6)
    # 24 = [CLS], 18 of the premise, [SEP], 3 of the hypothesis, [SEP]
    cut = NliPair("the dog runs " * 6, "a cat sleeps")
    np.testing.assert_allclose(scores[0], directly(folder, cut), atol=1e-6)
    assert scorer.truncated == 1
    scorer.score([long])
    assert scorer.truncated == 1


def test_the_identity_is_of_the_files(tmp_path: Path) -> None:
    names = {0: "entailment", 1: "neutral", 2: "contradiction"}
    first, same = (ClassifierNli(build(tmp_path / name, names)).identity for name in "ab")
    other = ClassifierNli(build(tmp_path / "c", names, seed=1)).identity
    assert first == same != other and len(first) == 64


def test_stopping_raises(tmp_path: Path) -> None:
    scorer = ClassifierNli(build(tmp_path / "nli", {0: "entailment", 1: "neutral", 2: "contradiction"}))
    with pytest.raises(Cancelled):
        scorer.score(PAIRS, should_stop=lambda: True)


def test_scores_that_are_no_numbers_are_a_failure(tmp_path: Path) -> None:
    scorer = ClassifierNli(build(tmp_path / "nli", {0: "entailment", 1: "neutral", 2: "contradiction"}))
    with torch.no_grad():
        scorer._model.classifier.bias.fill_(float("nan"))
    with pytest.raises(EngineFailure, match="only NaN"):
        scorer.score(PAIRS)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["LABEL_0", "LABEL_1", "LABEL_2"], "does not say what its labels mean: they are called LABEL_0"),
        (["0", "1", "2"], "does not say what its labels mean"),
        (["POSITIVE", "NEGATIVE"], "is no NLI model: its labels are POSITIVE, NEGATIVE"),
        (["entailment", "neutral"], "is no NLI model"),
        (["entailment", "neutral", "contradiction", "other"], "is no NLI model"),
        (["entailment", "neutral", "neutral"], "is no NLI model"),
        (["entailment", "not_entailment", "contradiction"], "is no NLI model"),
        (["not_entailment", "non-entailment"], "is no NLI model"),
        (["unrefuted", "entailment", "neutral"], "is no NLI model"),
    ],
)
def test_labels_that_are_not_of_nli_are_refused_by_name(names: list[str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        columns(dict(enumerate(names)), "some/model")
    assert caught.value.message.startswith("some/model") and caught.value.hint


def test_numbers_are_read_as_numbers() -> None:
    # JSON has texts for keys, and "10" sorts before "2" as text
    assert columns({"2": "contradiction", "0": "entailment", "1": "neutral"}, "m") == [0, 1, 2]


def test_a_model_without_a_trained_classifier_is_refused(tmp_path: Path) -> None:
    folder = build(tmp_path / "mlm", {0: "entailment", 1: "neutral", 2: "contradiction"}, head=False)
    with pytest.raises(Refused, match=r"holds no trained classifier: .* is missing"):
        ClassifierNli(folder)


@pytest.mark.parametrize(
    ("reference", "said", "hint"),
    [
        (
            "nobody/no-such-nli-model",
            "no classifier of this name in the Hub's cache",
            "hf download nobody/no-such",
        ),
        (
            "hf:nobody/no-such-nli-model",
            "no folder nobody/no-such-nli-model, and",
            "hf download nobody/no-such",
        ),
        ("models/my-local-folder", "There is no folder models/my-local-folder", "Correct the name"),
        ("no-such-nli-model", "no classifier of this name", "Correct the name"),
        (
            "./models/my-local-folder",
            "There is no folder ./models/my-local-folder.",
            "that transformers saved",
        ),
        ("models/of/mine", "There is no folder models/of/mine.", "that transformers saved"),
        ("no id at all", "There is no folder no id at all.", "that transformers saved"),
        ("/", "cannot be loaded: it holds no config.json", "that transformers saved"),
    ],
)
def test_what_is_not_there_is_not_looked_for_elsewhere(
    network: list[str], reference: str, said: str, hint: str
) -> None:
    with pytest.raises(NotFound) as caught:
        ClassifierNli(reference)
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert network == []


def test_a_folder_and_the_hubs_cache_are_read_without_the_network(
    network: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = build(tmp_path / "nli", {0: "entailment", 1: "neutral", 2: "contradiction"})
    cached = tmp_path / "hub" / "models--some--nli"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0123456789abcdef0123456789abcdef01234567")
    folder_there = cached / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    folder_there.parent.mkdir()
    folder.rename(folder_there)
    for name in ("huggingface_hub.constants.HF_HUB_CACHE", "transformers.utils.hub.constants.HF_HUB_CACHE"):
        monkeypatch.setattr(name, str(tmp_path / "hub"))
    first, *others = (ClassifierNli(name).score(PAIRS) for name in (folder_there, "some/nli", "hf:some/nli"))
    for scores in others:
        assert np.array_equal(scores, first)
    assert network == []


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    folder = build(tmp_path / "nli", {0: "entailment", 1: "neutral", 2: "contradiction"})
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Mine"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "mine.py").write_text("raise SystemExit('run')")
    with pytest.raises(InvalidInput, match="cannot load"):
        ClassifierNli(folder)


def test_an_unknown_family_and_device(tmp_path: Path) -> None:
    folder = build(tmp_path / "nli", {0: "entailment", 1: "neutral", 2: "contradiction"})
    with pytest.raises(InvalidInput, match="has no device 'tpu'"):
        ClassifierNli(folder, "tpu")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "from-the-future"}))
    with pytest.raises(InvalidInput, match="cannot load"):
        ClassifierNli(folder)


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_without_pytorch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(Unsupported, match="not installed") as caught:
        ClassifierNli("some/model")
    assert 'pip install "pluralism-local[train]"' in caught.value.hint
