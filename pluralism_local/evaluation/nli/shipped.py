"""The NLI adapter that comes with the package, for the starter model.

    starter-nli.json (facts) + starter-nli.gguf ──find_shipped(model)──> ShippedNli(adapter, facts)

Failure modes: `NotFound` where the files are missing; `Refused` where the file is not the one that the facts describe,
the facts are for another prompt, or the model is not the adapter's base.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pluralism_local.errors import InvalidInput, NotFound, Refused
from pluralism_local.evaluation.nli.prompts import NLI_PAIR, NLI_WORDS
from pluralism_local.files import open_regular
from pluralism_local.models.gguf_file import sha256_of
from pluralism_local.types import AdapterRef, ModelInfo

NAME = "starter-nli"
HERE = Path(__file__).parent
_HINT = "Make it with recipes/train_nli.py, or score with a sequence classifier: a folder or a Hub id of transformers."


@dataclass(frozen=True)
class ShippedNli:
    """The adapter, checked, and what is known of it.

    Attributes:
        facts: of the JSON file: ``sha256``, ``base`` (model, fingerprint), ``prompt``, ``words``, ``rank``, ``alpha``,
            ``training`` (files, pairs, settings), ``held_out`` and ``accuracy`` (by data set), each with its counts.
    """

    adapter: AdapterRef
    facts: dict[str, Any]


def find_shipped(model: ModelInfo, folder: Path = HERE) -> ShippedNli:
    """The shipped adapter, if it is whole and belongs to `model`.

    Args:
        model: what is going to run it, `engine.info`.
        folder: where the two files are.

    Raises:
        NotFound: a file is missing. InvalidInput: the JSON file is not what it should be. Refused: the adapter's hash,
            its prompt or its base differs.
    """
    path = folder / f"{NAME}.gguf"
    facts = _facts(folder / f"{NAME}.json")
    if not path.is_file():
        raise NotFound(f"The NLI adapter {path} is not there.", _HINT)
    if (sha256 := sha256_of(path)) != facts["sha256"]:
        raise Refused(
            f"{path} is not the adapter that its facts describe: its sha256 is {sha256[:12]}…, "
            f"not {facts['sha256'][:12]}….",
            "Install the package again, or export the adapter again.",
        )
    if (facts["prompt"], tuple(facts["words"])) != (NLI_PAIR.id, NLI_WORDS):
        raise Refused(
            f"{path.name} was trained on the prompt {facts['prompt']} with the words {', '.join(facts['words'])}; "
            f"this version asks {NLI_PAIR.id} with {', '.join(NLI_WORDS)}.",
            "Train it again with recipes/train_nli.py.",
        )
    if model.fingerprint != facts["base"]["fingerprint"]:
        raise Refused(
            f"{path.name} belongs to {facts['base']['model']}, and {model.id} is another model.",
            "Run NLI on the starter model, or score with a sequence classifier of transformers.",
        )
    return ShippedNli(AdapterRef(path, sha256), facts)


def _facts(path: Path) -> dict[str, Any]:
    try:
        with open_regular(path) as file:
            facts = json.load(file)
        texts = [facts["sha256"], facts["prompt"], facts["base"]["model"], facts["base"]["fingerprint"]]
        if all(isinstance(text, str) for text in (*texts, *facts["words"])):
            return dict(facts)
    except NotFound:
        raise NotFound(f"The facts of the NLI adapter, {path}, are not there.", _HINT) from None
    except (ValueError, KeyError, TypeError):
        pass
    raise InvalidInput(f"{path} does not describe an NLI adapter.", "Export the adapter again.")
