"""Loads what it is told, one JSON list a line: [model] or [model, adapter]; answers with one line each, or dies."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pluralism_local.engine.llama import LlamaEngine, LlamaOptions
from pluralism_local.errors import PlocalError
from pluralism_local.models.gguf_file import read_header, sha256_of
from pluralism_local.types import AdapterRef, Message, Request, Sampling

OPTIONS = LlamaOptions(threads=1, lanes=1)
QUESTION = (Message("user", "The cat, in 2 words: ça va? 日本 🙂 \u00ad\n"),)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # llama.cpp prints some of its complaints
    open_engine: tuple[str, LlamaEngine] | None = None
    for line in sys.stdin:
        model, *adapters = json.loads(line)
        try:
            if adapters:
                if open_engine is None or open_engine[0] != model:
                    open_engine = (
                        model,
                        LlamaEngine(Path(model), name="tiny", fingerprint="checked", options=OPTIONS),
                    )
                outcome = ask(open_engine[1], _ref(Path(adapters[0])))
            else:
                with LlamaEngine(Path(model), name="tiny", fingerprint="checked", options=OPTIONS) as engine:
                    outcome = ask(engine, None)
        except PlocalError as error:
            outcome = "refused: " + error.message
        except Exception as error:  # noqa: BLE001 - told to the trial
            outcome = f"bug: {error!r}"
        print(json.dumps(outcome), file=answers, flush=True)


def ask(engine: LlamaEngine, adapter: AdapterRef | None) -> str:
    """One token of an answer, and the weights of two letters."""
    request = Request(QUESTION, Sampling(temperature=0.0, max_tokens=1), adapter)
    for _ in engine.generate([request]):
        pass
    return "loaded"


def _ref(path: Path) -> AdapterRef:
    activated = "adapter.alora.invocation_tokens" in read_header(path).metadata
    return AdapterRef(path, sha256_of(path), 1.0, "assistant" if activated else "always")


if __name__ == "__main__":
    main()
