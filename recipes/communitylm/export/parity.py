"""Proof that llama.cpp computes with an exported adapter what PEFT computes with the original.

    base (GGUF) ──dequantized, float32──> torch + PEFT adapter ─┐ next-token probabilities, PROMPTS × POSITIONS
         └──────requantized to F16──────> llama.cpp + GGUF LoRA ─┴──> largest difference ≤ LIMIT, else Refused

Activations of a 4-bit file are quantized, so llama.cpp is compared on an F16 copy, which holds nearly the same weights
as torch has. An activated adapter is switched on at the first invocation token on both sides: in torch by PEFT's own
activated LoRA, in llama.cpp by hand where the tokens that the file names occur last, as `plocal` does. An adapter whose
effect is no larger than the limit would pass whatever it held, and is refused too.

llama.cpp rounds what goes into every product with F16 weights, and a strong adapter magnifies that: a right export was
seen 0.0043 off in F16 and 0.0011 in F32. So a difference of up to `DOUBTFUL` limits is decided by an F32 copy.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from communitylm.training.bases import Base
from communitylm.training.examples import Tokens
from pluralism_local.errors import EngineFailure, InvalidInput, Refused
from pluralism_local.lora import BaseShape

LIMIT = 2e-3
DOUBTFUL = 5
POSITIONS = 3
PROMPTS = (
    "Should phones be banned in schools?",
    "What do you think about taxes?",
    "Is it right to keep animals in zoos?",
    "Please comment on the price of energy.",
    "How should a country treat refugees?",
    "Name one thing that makes a good neighbour.",
)
CONTINUATION = " I think that"

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Parity:
    """The outcome: largest |p_torch − p_llama| over the vocabulary, where, and the adapter's own largest effect.

    `copy` is the type of the base's copy that llama.cpp ran on.
    """

    difference: float
    limit: float
    prompts: int
    positions: int
    worst: str
    effect: float
    copy: Literal["F16", "F32"] = "F16"

    def record(self) -> dict[str, Any]:
        return asdict(self)


class ParityBase:
    """A base loaded on both sides, for any number of adapters; use it as a context manager.

    Args:
        float32: compare on a copy in F32 instead of F16, which takes twice the space. An adapter that acts on whole
            prompts gathers the rounding of F16 up to the limit, right as it may be.

    Raises:
        InvalidInput: the base is no GGUF. EngineFailure: no copy could be made (disk, memory).
    """

    def __init__(self, base: Base, *, float32: bool = False) -> None:
        if base.gguf is None:
            raise InvalidInput(
                f"Parity needs the base as GGUF, and {base.reference} is none.",
                "Give --base FILE.gguf, the file that the adapter will run on.",
            )
        self.base = base
        self._gguf = base.gguf
        self._float32 = float32
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> ParityBase:
        import torch

        from pluralism_local.engine.handles import Model
        from pluralism_local.engine.library import install_log

        install_log()
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self._model = stack.enter_context(
                Model(_copy(self._gguf, folder / "base.gguf", float32=self._float32))
            )
            speller = stack.enter_context(self.base.speller(chat=False))
            self._prompts = [(speller.prompt(text), speller.header) for text in PROMPTS]
            self._continuation = speller.text(CONTINUATION)[: POSITIONS - 1]
            self._torch = self.base.load(torch.float32, "cpu")
            self._plain = [self._torch_rows(self._torch, prompt + header) for prompt, header in self._prompts]
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def shape(self) -> BaseShape:
        """The base's sizes, as its transformers configuration has them."""
        return BaseShape.of_config(self._torch.config.to_dict())

    def check(self, peft_folder: Path, gguf: Path, limit: float = LIMIT) -> Parity:
        """Compare an adapter's two forms.

        Raises:
            Refused: they differ by more than `limit`, the adapter has no effect beyond it, or it is switched on by
                tokens that this base's prompts lack.
        """
        _refuse_another_start(peft_folder, gguf)
        ours = self._llama_rows(gguf)
        with _adapted(self._torch, peft_folder) as adapted:
            theirs = [self._torch_rows(adapted, prompt + header) for prompt, header in self._prompts]
        parity = self._parity(theirs, ours, limit, "F32" if self._float32 else "F16")
        if parity.copy == "F16" and limit < parity.difference <= DOUBTFUL * limit:
            parity = self._parity(theirs, self._exact_rows(gguf), limit, "F32")
        if not parity.difference <= limit:
            raise Refused(
                f"llama.cpp and PEFT disagree on {gguf.name}: probabilities differ by {parity.difference:.4f} "
                f"(allowed {limit:g}) after {parity.worst!r}.",
                "The export is wrong for this base: do not use the adapter, and report the base's family.",
            )
        if parity.effect <= 5 * limit:
            raise Refused(
                f"{gguf.name} moves no probability by more than {parity.effect:.4f}, so parity would prove nothing.",
                "Train it longer, or with a higher rate.",
            )
        return parity

    def _parity(
        self,
        theirs: list[Probabilities],
        ours: list[Probabilities],
        limit: float,
        copy: Literal["F16", "F32"],
    ) -> Parity:
        differences, effects = _largest(theirs, ours), _largest(theirs, self._plain)
        worst = int(np.argmax(differences))  # a NaN, if there is one
        return Parity(
            float(differences[worst]),
            limit,
            len(PROMPTS),
            POSITIONS,
            PROMPTS[worst],
            float(effects.max()),
            copy,
        )

    def _exact_rows(self, gguf: Path) -> list[Probabilities]:
        from pluralism_local.engine.handles import Model

        with (
            tempfile.TemporaryDirectory() as folder,
            Model(_copy(self._gguf, Path(folder) / "base.gguf", float32=True)) as model,
        ):
            return self._llama_rows(gguf, model)

    def _torch_rows(self, model: Any, prompt: Tokens) -> Probabilities:
        """Probabilities (POSITIONS, vocabulary) after the prompt and after each token of the continuation."""
        import torch

        tokens = torch.tensor([[*prompt, *self._continuation]])
        with torch.no_grad():
            logits = model(input_ids=tokens).logits[0, -POSITIONS:].double()
        rows: Probabilities = torch.softmax(logits, dim=-1).numpy()
        return rows

    def _llama_rows(self, gguf: Path, exact: Any = None) -> list[Probabilities]:
        from pluralism_local.engine.context import Context
        from pluralism_local.engine.handles import Adapter
        from pluralism_local.engine.schedule import Row

        tables = []
        model = exact or self._model
        longest = max(len(prompt) + len(header) for prompt, header in self._prompts) + POSITIONS
        with (
            Adapter(model, gguf) as adapter,
            Context(model, cells=longest, sequences=POSITIONS, threads=1, chunk=longest) as context,
        ):
            for prompt, header in self._prompts:
                opened = (*prompt, *header)
                begins = _last_occurrence(opened, adapter.invocation) if adapter.invocation else 0
                if begins < 0:
                    raise Refused(
                        f"{gguf.name} is switched on by the tokens {adapter.invocation}, and no prompt of "
                        f"{self.base.name} holds them.",
                        f"Train it with this base's answer header as invocation tokens: {header}.",
                    )
                tokens = (*opened, *self._continuation)
                rows = [
                    Row(token, place, [0], output=place >= len(tokens) - POSITIONS)
                    for place, token in enumerate(tokens)
                ]
                context.forget()
                context.set_adapter(None)
                if begins:
                    context.decode(rows[:begins])
                context.set_adapter(adapter)
                context.decode(rows[begins:])
                last = len(tokens) - begins
                logits = [context.logits(last - POSITIONS + i).astype(np.float64) for i in range(POSITIONS)]
                tables.append(np.stack([_softmax(row) for row in logits]))
            context.set_adapter(None)
        return tables


def _refuse_another_start(peft_folder: Path, gguf: Path) -> None:
    """One token early or late may move probabilities by no more than rounding does, so the tokens are compared."""
    from pluralism_local.lora import read_config
    from pluralism_local.models.gguf_file import read_header

    theirs = list(read_config(peft_folder).get("alora_invocation_tokens") or ())
    ours = read_header(gguf).metadata.get("adapter.alora.invocation_tokens") or []
    if ours != theirs:
        raise Refused(
            f"llama.cpp and PEFT disagree on {gguf.name}: it is switched on by the tokens {ours}, in PEFT by {theirs}.",
            "Export it again from this PEFT folder.",
        )


def _largest(tables: list[Probabilities], others: list[Probabilities]) -> Probabilities:
    """Largest difference of two tables for each prompt; NaN where either holds one."""
    return np.array([np.abs(a - b).max() for a, b in zip(tables, others, strict=True)])


def _last_occurrence(tokens: Tokens, part: Tokens) -> int:
    """Where `part` begins last in `tokens`; -1 if nowhere."""
    starts = range(len(tokens) - len(part), -1, -1)
    return next((start for start in starts if tokens[start : start + len(part)] == part), -1)


def _softmax(logits: Probabilities) -> Probabilities:
    weights = np.exp(logits - logits.max())
    result: Probabilities = weights / weights.sum()
    return result


@contextlib.contextmanager
def _adapted(model: Any, folder: Path) -> Iterator[Any]:
    """The model with PEFT's adapter, its own activated form included; afterwards it is the bare base again."""
    import warnings

    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        adapted = PeftModel.from_pretrained(model, folder)
    adapted.eval()
    try:
        yield adapted
    finally:
        adapted.unload()


def _copy(source: Path, target: Path, *, float32: bool) -> Path:
    """The model with its weights in F16 or F32."""
    from pluralism_local.engine.library import write_quantized

    kind = "F32" if float32 else "F16"
    try:
        write_quantized(source, target, kind, threads=1)
    except EngineFailure as error:
        raise EngineFailure(
            error.message,
            f"It takes up to eight times the space of a 4-bit file in {target.parent}: free some, or set TMPDIR to "
            "another disk.",
        ) from error
    return target
