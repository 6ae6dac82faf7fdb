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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from communitylm.community.training import PEFT_FOLDER, RECORD
from communitylm.corpus.split import order
from communitylm.export.lora_gguf import read_lora, write_lora_gguf
from communitylm.export.parity import ParityBase
from communitylm.nli.data import Row, clean, examples, word_tokens
from communitylm.nli.training import HELD_OUT, KIND, STATE
from communitylm.training.bases import Base, find_base
from pluralism_local.engine.base import LanguageModel
from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.evaluation.nli.adapter import AdapterNli
from pluralism_local.evaluation.nli.base import parts
from pluralism_local.evaluation.nli.check import check
from pluralism_local.evaluation.nli.data import NliData, read_pairs
from pluralism_local.evaluation.nli.shipped import NAME, find_shipped
from pluralism_local.files import write_atomic
from pluralism_local.types import AdapterRef

AGREEMENT_PAIRS = 60

Say = Callable[[str], None]


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
        folder: a finished run of `nli_training`.
        check_on: files of labelled pairs to check the exported adapter on; of each at most `most` pairs, drawn by a
            hash, or all.
        threads: of llama.cpp, which slows down badly where it has more than there are idle cores; None for all cores.

    Raises:
        NotFound, InvalidInput: the run is not finished or none, or as `find_base` and `read_pairs`.
        Refused: another base than the training's, or llama.cpp and PEFT disagree (`ParityBase.check`).
    """
    record = _finished(folder)
    base = _base(record)
    data = {path: read_pairs(path) for path in check_on}  # what is wrong with them is said before the work
    with tempfile.TemporaryDirectory() as spare:
        draft = Path(spare) / f"{NAME}.gguf"
        say(f"Loading {base.name} …")
        with ParityBase(base, float32=True) as prover:
            info = write_lora_gguf(read_lora(folder / PEFT_FOLDER, prover.config), draft)
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
                path.name.partition(".")[0]: _accuracy(scorer, path.name, found, most, say)
                for path, found in data.items()
            }
            kept = ("files", "about", "licence", "pairs", "pairs_seen", "steps", "recipe", "settings", "seed")
            more = ("date", "device", "precision", "training_minutes", "version", "left_out")
            facts["training"] = {key: record[key] for key in (*kept, *more)}
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
        Row(row.pair, row.label, HELD_OUT) for row in read_pairs(folder / HELD_OUT).rows[:AGREEMENT_PAIRS]
    ]
    with base.speller(chat=True) as speller:
        _, made, _ = examples(rows, speller, longest=2**20)
        words = word_tokens(speller)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name it has renamed
        model = PeftModel.from_pretrained(base.load(torch.float32, "cpu"), folder / PEFT_FOLDER)
    model.eval()
    theirs = np.concatenate(
        [word_probabilities(model, [pair for _, pair in made[part]], words) for part in parts(len(made), 8)]
    )
    ours = scorer.score([clean(row.pair) for row, _ in made])
    difference = np.abs(ours - theirs)
    found = {
        "pairs": len(made),
        "largest": float(difference.max()),
        "mean": float(difference.mean()),
        "same": float((ours.argmax(axis=1) == theirs.argmax(axis=1)).mean()),
    }
    say(
        f"llama.cpp and torch on {len(made)} held-out pairs: probabilities differ by {found['mean']:.3f} on average, "
        f"{found['largest']:.3f} at most; the same answer in {found['same']:.0%}"
    )
    return found


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


def _finished(folder: Path) -> dict[str, Any]:
    """The run's record."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if record["kind"] == KIND and isinstance(record["base"]["reference"], str):
            return dict(record)
    except FileNotFoundError:
        if (folder / STATE).exists():
            raise NotFound(
                f"The run {folder} is not finished.", "Start its training again: it resumes."
            ) from None
        raise NotFound(f"{folder} is no run of train_nli.py.", "Give recipes/runs/nli.") from None
    except (ValueError, KeyError, TypeError):
        pass
    raise InvalidInput(f"{folder / RECORD} is not the record of an NLI training.", "Give recipes/runs/nli.")


def _base(record: dict[str, Any]) -> Base:
    trained_on = record["base"]
    there = trained_on.get("path")
    base = find_base(there if there and Path(there).exists() else trained_on["reference"], Path.cwd())
    if base.gguf is None:
        raise InvalidInput(
            f"An adapter is exported for a base as GGUF, and {base.reference} is none.",
            "Train it on 'starter' or a .gguf file.",
        )
    if base.fingerprint != trained_on["fingerprint"]:
        raise Refused(
            f"The run was trained on another base than {base.gguf}: the fingerprints differ.",
            f"Put the file of {trained_on['model']} back that it was trained on.",
        )
    return base


def _text(facts: dict[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False, indent=1) + "\n"
