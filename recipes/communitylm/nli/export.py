"""From a finished NLI training to the files that ship: exported, proven and checked.

    run folder ──read_lora, write_lora_gguf──> starter-nli.gguf ──ParityBase──> equals PEFT on an F32 base
               ──agreement──> engine and torch on held-out pairs, on the base as it is
               ──check──> accuracy on files nobody trained on
               ──> starter-nli.gguf + starter-nli.json, as `pluralism_local.evaluation.nli.shipped` reads them

The strict proof is on an F32 copy (`parity`). On the quantized base llama.cpp rounds activations, so there the two may
differ by hundredths; how much, and how often the answer is the same, is measured and recorded.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from communitylm.corpus.split import order
from communitylm.export.finished_run import base_of, read_record
from communitylm.export.parity import ParityBase
from communitylm.nli.data import SourcedPair, clean, examples, word_tokens
from communitylm.nli.training import HELD_OUT, KIND
from communitylm.progress import Say
from communitylm.training.bases import Base
from communitylm.training.run_folder import PEFT_FOLDER
from pluralism_local.engine.base import LanguageModel
from pluralism_local.evaluation.nli.adapter import AdapterNli
from pluralism_local.evaluation.nli.base import parts
from pluralism_local.evaluation.nli.check import check
from pluralism_local.evaluation.nli.data import NliData, read_pairs
from pluralism_local.evaluation.nli.shipped import NAME, find_shipped
from pluralism_local.files import write_atomic
from pluralism_local.lora import read_lora, write_lora_gguf
from pluralism_local.types import AdapterRef

AGREEMENT_PAIRS = 60


def export(
    folder: Path,
    to: Path,
    *,
    check_on: Sequence[Path] = (),
    most: int | None = None,
    threads: int | None = None,
    say: Say,
) -> dict[str, Any]:
    """Write the adapter and its facts into `to`, both or neither; returns the facts.

    Args:
        folder: a finished run of `train_nli.py`.
        check_on: files of labelled pairs to check the exported adapter on; of each at most `most` pairs, drawn by a
            hash, or all.
        threads: of llama.cpp, which slows down badly where it has more than there are idle cores; None for all cores.

    Raises:
        NotFound, InvalidInput, Refused: as `read_record`, `base_of` and `read_pairs`; llama.cpp and PEFT disagree
            (`ParityBase.check`).
    """
    record = read_record(folder, "kind", KIND)
    base = base_of(folder, record)
    data = {path: read_pairs(path) for path in check_on}  # what is wrong with them is said before the work
    with tempfile.TemporaryDirectory() as spare:
        draft = Path(spare) / f"{NAME}.gguf"
        say(f"Loading {base.name} …")
        with ParityBase(base, float32=True) as prover:
            info = write_lora_gguf(read_lora(folder / PEFT_FOLDER, prover.shape), draft)
            parity = prover.check(folder / PEFT_FOLDER, draft)
        say(f"Parity on F32: probabilities differ by at most {parity.difference:.5f}")
        facts: dict[str, Any] = {
            "file": draft.name,
            "sha256": info.sha256,
            "bytes": info.bytes,
            "base": {key: record["base"][key] for key in ("model", "fingerprint")},
            **{key: record[key] for key in ("prompt", "words")},
            "rank": info.rank,
            "alpha": info.alpha,
            "parity": parity.record(),
        }
        with _engine(base, threads) as engine:
            scorer = AdapterNli(engine, AdapterRef(draft, info.sha256))
            facts["agreement"] = agreement(base, folder, scorer, say)
            facts["accuracy"] = {
                path.name.partition(".")[0]: _accuracy(scorer, path.name, pairs, most, say)
                for path, pairs in data.items()
            }
            about = (
                "files",
                "about",
                "licence",
                "pairs",
                "pairs_seen",
                "steps",
                "recipe",
                "settings",
                "seed",
            )
            more = ("date", "device", "precision", "training_minutes", "version", "left_out")
            facts["training"] = {key: record[key] for key in (*about, *more)}
            facts["held_out"] = record["held_out"]
            write_atomic(Path(spare) / f"{NAME}.json", _text(facts))
            find_shipped(engine.info, Path(spare))
        _place(draft, facts, to)
    return facts


def _accuracy(scorer: AdapterNli, name: str, data: NliData, most: int | None, say: Say) -> dict[str, Any]:
    """What the adapter gets right of a file of labelled pairs, at most `most` of them, drawn by a hash."""
    rows = sorted(data.rows, key=lambda row: order(0, f"{row.pair.premise}\n{row.pair.hypothesis}"))
    outcome = check(
        scorer,
        rows[:most],
        skipped=data.skipped,
        progress=lambda done, total: say(f"{name}: {done} of {total} pairs"),
    )
    outcome.pop("scorer")
    return outcome


def _place(draft: Path, facts: dict[str, Any], to: Path) -> None:
    """Put the adapter, whole, and then its facts into `to`."""
    to.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(draft, to / f".{draft.name}")
    (to / f".{draft.name}").replace(to / draft.name)
    write_atomic(to / f"{NAME}.json", _text(facts))


def agreement(base: Base, folder: Path, scorer: AdapterNli, say: Say = lambda _: None) -> dict[str, Any]:
    """Torch (dequantized, float32, PEFT) and the engine on the run's first held-out pairs.

    Returns:
        ``pairs``; ``largest`` and ``mean`` absolute difference of the probabilities, in [0, 1]; ``same``: share of
        pairs with the same most probable word.
    """
    import torch
    from peft import PeftModel

    from communitylm.nli.objective import word_probabilities

    rows = [
        SourcedPair(row.pair, row.label, HELD_OUT)
        for row in read_pairs(folder / HELD_OUT).rows[:AGREEMENT_PAIRS]
    ]
    with base.speller(chat=True) as speller:
        _, spelled, _ = examples(rows, speller, longest=2**20)
        words = word_tokens(speller)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name it has renamed
        model = PeftModel.from_pretrained(base.load(torch.float32, "cpu"), folder / PEFT_FOLDER)
    model.eval()
    theirs = np.concatenate(
        [
            word_probabilities(model, [pair for _, pair in spelled[part]], words)
            for part in parts(len(spelled), 8)
        ]
    )
    ours = scorer.score([clean(row.pair) for row, _ in spelled])
    difference = np.abs(ours - theirs)
    agreed = {
        "pairs": len(spelled),
        "largest": float(difference.max()),
        "mean": float(difference.mean()),
        "same": float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()),
    }
    say(
        f"llama.cpp and torch on {len(spelled)} held-out pairs: probabilities differ by {agreed['mean']:.3f} on "
        f"average, {agreed['largest']:.3f} at most; the same answer in {agreed['same']:.0%}"
    )
    return agreed


def _engine(base: Base, threads: int | None) -> LanguageModel:
    from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
    from pluralism_local.models.gguf_file import sha256_of

    path = base.gguf or Path(base.reference)
    return LlamaEngine(
        path,
        name=base.name,
        sha256=sha256_of(path),
        fingerprint=base.fingerprint,
        options=LlamaOptions(threads=threads),
    )


def _text(facts: dict[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False, indent=1) + "\n"
