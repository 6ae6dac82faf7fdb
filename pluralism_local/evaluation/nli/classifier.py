"""NLI by a sequence classifier of transformers, from a folder or the Hub's cache: the published kind of scorer.

    NliPair ──tokenizer, cut to the model's length (longest first)──> logits ──softmax──> columns as `LABELS`

Which output means what is read from the model's own ``id2label``:

    entailment, neutral, contradiction        any order and case, prefixes "entail", "contradict" suffice
    SUPPORTS, NOT ENOUGH INFO, REFUTES        fact checking (VitaminC, FEVER): the same three in other words
    entailment, not_entailment                two classes: the rest counts as neutral, contradiction as 0

Nothing is downloaded: a Hub id means what is in the Hub's cache, as for models. Failure modes: without PyTorch or
transformers `Unsupported`; nothing there `NotFound`, with how to get it; a model that brings code of its own, or other
labels, `InvalidInput`, by name; a checkpoint without a trained classifier `Refused`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from pluralism_local.engine.base import ShouldStop, never
from pluralism_local.engine.checkpoint_loading import loading, torch_for
from pluralism_local.errors import Cancelled, EngineFailure, InvalidInput, Refused
from pluralism_local.evaluation.nli.base import (
    CONTRADICTION,
    ENTAILMENT,
    LABELS,
    NEUTRAL,
    EntailmentScores,
    NliPair,
    distinct,
    parts,
)
from pluralism_local.files import digest
from pluralism_local.models.gguf_file import sha256_of

BATCH = 32
_MEANINGS = (
    (NEUTRAL, re.compile(r"neutral|not[ _-]?enough[ _-]?info.*|(?:not|non)[ _-]?entail.*")),
    (ENTAILMENT, re.compile(r"entail.*|support(?:s|ed)?")),
    (CONTRADICTION, re.compile(r"contradict.*|refute[sd]?")),
)
_TWO_CLASSES = re.compile(r"(?:not|non)[ _-]?entail.*")
_UNNAMED = re.compile(r"label[ _-]?\d+|\d+")
_DETERMINES = (".json", ".safetensors", ".bin", ".txt", ".model")


class ClassifierNli:
    """An `NliScorer` by a sequence classifier.

    Args:
        model: a folder that transformers saved, or a Hub id (``user/repo``, also ``hf:user/repo``) in the Hub's cache.
        device: ``"auto"`` takes CUDA, else Apple's GPU, else the CPU.
        batch: pairs per forward pass.

    Raises:
        Unsupported: PyTorch or transformers are not installed. NotFound: nothing that can be loaded is there.
        InvalidInput: labels that are not of NLI, no such device, or a family that transformers does not know.
        Refused: the checkpoint holds no trained classifier.
    """

    def __init__(self, model: str | Path, device: str = "auto", *, batch: int = BATCH) -> None:
        self._reference, self._batch = str(model).removeprefix("hf:"), batch
        self._torch = torch_for(
            self._reference, "A sequence classifier", "the NLI adapter of the starter model"
        )
        self._device = self._found_device(device)
        with loading(self._reference, "classifier", "a sequence classifier"):
            self._load()
        self._model.to(self._device).eval()
        self._limit = _limit(self._tokenizer, self._model.config)
        self._cut: set[NliPair] = set()

    def _load(self) -> None:
        """Model and tokenizer, from this machine; code that comes with them is not run."""
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

        where = {
            "pretrained_model_name_or_path": self._reference,
            "local_files_only": True,
            "trust_remote_code": False,
        }
        self._columns = columns(AutoConfig.from_pretrained(**where).id2label, self._reference)
        self._tokenizer = AutoTokenizer.from_pretrained(**where)
        self._model, info = AutoModelForSequenceClassification.from_pretrained(
            **where, dtype=self._torch.float32, output_loading_info=True
        )
        if missing := sorted(info["missing_keys"]):
            raise Refused(
                f"{self._reference} holds no trained classifier: {missing[0]} is missing.",
                "Take a model that was trained for NLI, not the language model it was made from.",
            )

    @property
    def name(self) -> str:
        """The folder's name, or the Hub id."""
        path = Path(self._reference)
        return path.name if path.is_dir() else self._reference

    @cached_property
    def identity(self) -> str:
        """Of a folder its weights, configuration and tokenizer; of a Hub id its name and revision."""
        path = Path(self._reference)
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix in _DETERMINES)
            what: object = {file.name: sha256_of(file) for file in files}
        else:
            what = [self._reference, getattr(self._model.config, "_commit_hash", None)]
        return digest({"kind": "classifier", "model": what, "longest": self._limit})

    @property
    def truncated(self) -> int:
        """Distinct pairs longer than the model's limit so far."""
        return len(self._cut)

    def score(self, pairs: Sequence[NliPair], *, should_stop: ShouldStop = never) -> EntailmentScores:
        """See `NliScorer.score`; softmax in float64 over the model's float32 logits."""
        different, index = distinct(pairs)
        scores = np.empty((len(different), len(LABELS)))
        encoded = self._encode(different)
        # alike lengths together, so that batches hold little padding
        order = sorted(range(len(different)), key=lambda place: -len(encoded[place]["input_ids"]))
        for part in parts(len(order), self._batch):
            if should_stop():
                raise Cancelled
            scores[order[part]] = self._probabilities([encoded[place] for place in order[part]])
        return scores[index]

    def _encode(self, pairs: Sequence[NliPair]) -> list[Mapping[str, Any]]:
        """Token ids and whatever else the model takes; what is too long is cut, the longer text first, and counted."""
        encodings: list[Mapping[str, Any]] = []
        for pair in pairs:
            # a text that spells "[SEP]" says so; only the tokenizer's own markers part premise and hypothesis
            encoded = self._tokenizer(pair.premise, pair.hypothesis, split_special_tokens=True, verbose=False)
            if len(encoded["input_ids"]) > self._limit:
                self._cut.add(pair)
                encoded = self._tokenizer(
                    pair.premise,
                    pair.hypothesis,
                    split_special_tokens=True,
                    truncation="longest_first",
                    max_length=self._limit,
                )
            encodings.append(encoded)
        return encodings

    def _probabilities(self, encoded: Sequence[Mapping[str, Any]]) -> EntailmentScores:
        torch = self._torch
        # handed over by name: a fast tokenizer warns when it is given rows that it has encoded itself
        padded = self._tokenizer.pad(
            {key: [row[key] for row in encoded] for key in encoded[0]}, return_tensors="pt", verbose=False
        )
        with torch.no_grad():
            logits = self._model(**padded.to(self._device)).logits.double().cpu().numpy()
        if np.isnan(logits).any():
            raise EngineFailure(
                f"{self._reference} computes no scores, only NaN.", "Its weights are probably damaged."
            )
        scores = np.zeros((len(encoded), len(LABELS)))
        scores[:, self._columns] = softmax(logits, axis=1)
        return scores

    def _found_device(self, device: str) -> str:
        torch = self._torch
        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        if device == "auto":
            return next(name for name, here in there.items() if here)
        if not there.get(device.partition(":")[0], False):
            raise InvalidInput(
                f"This machine, or this build of torch, has no device '{device}'.", "Use auto or cpu."
            )
        return device


def columns(names: Mapping[Any, str], reference: str) -> list[int]:
    """For each output of a classifier the column of `LABELS` it goes to.

    Args:
        names: its ``id2label``: output number (or its text) to name.
        reference: the model, for messages.

    Raises:
        InvalidInput: names that say nothing (``LABEL_0``), or not the labels of NLI.
    """
    ordered = [str(name) for _, name in sorted(names.items(), key=lambda item: int(item[0]))]
    plain = [name.strip().lower() for name in ordered]
    spelled = ", ".join(ordered)
    if any(_UNNAMED.fullmatch(name) for name in plain):
        raise InvalidInput(
            f"{reference} does not say what its labels mean: they are called {spelled}.",
            'Look its card up, and name them in a copy\'s config.json: "id2label": {"0": "entailment", …}.',
        )
    columns_of_names = [
        next((column for column, meaning in _MEANINGS if meaning.fullmatch(name)), None) for name in plain
    ]
    labelled = [column for column in columns_of_names if column is not None]
    needed = {ENTAILMENT, NEUTRAL} if any(map(_TWO_CLASSES.fullmatch, plain)) else set(range(len(LABELS)))
    if len(labelled) < len(columns_of_names) or len(labelled) != len(needed) or set(labelled) != needed:
        raise InvalidInput(
            f"{reference} is no NLI model: its labels are {spelled}.",
            f"Take one with the labels {', '.join(LABELS)}, or entailment and not_entailment.",
        )
    return labelled


def _limit(tokenizer: Any, config: Any) -> int:
    """Tokens of a pair at most: what both the tokenizer and the positions of the model allow."""
    positions = getattr(config, "max_position_embeddings", None) or tokenizer.model_max_length
    if "roberta" in config.model_type or config.model_type in ("camembert", "longformer"):
        positions -= (config.pad_token_id or 0) + 1  # these number positions from the padding's id on
    return int(min(tokenizer.model_max_length, positions))
