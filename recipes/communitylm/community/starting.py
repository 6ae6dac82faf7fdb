"""An adapter that another run has trained, as the start of this one.

    adapter.start ──start_folder──> PEFT folder ──load_start──> weights in place

Failure modes: no such folder is `NotFound`; another rank, alpha or set of layers is `InvalidInput`, before training.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from communitylm.community.settings import CommunitySettings
from communitylm.training.run_folder import PEFT_FOLDER, RECORD
from pluralism_local.errors import InvalidInput, NotFound
from pluralism_local.lora import CONFIG, WEIGHTS

SHARED = "shared"
"""The folder of a run, beside its own adapter, with what it shares with the community trained together with it."""


def start_folder(settings: CommunitySettings) -> Path | None:
    """The PEFT folder of `adapter.start`, which may name it or its run; None where nothing is given.

    Raises:
        NotFound: there is no finished adapter. InvalidInput: it has another shape than the configuration's.
    """
    named = settings.values.adapter.start
    if named is None:
        return None
    place = settings.beside(named)
    folder = next((path for path in (place / PEFT_FOLDER, place) if (path / WEIGHTS).is_file()), None)
    if folder is None:
        raise NotFound(
            f"There is no finished adapter in {place} to start from.",
            f"Train it first; {settings.path.name} says how at its head, or leave adapter.start away.",
        )
    saved = json.loads((folder / CONFIG).read_text(encoding="utf-8-sig"))
    shape = settings.values.adapter
    for name, has, needs in (
        ("rank", saved["r"], shape.rank),
        ("alpha", saved["lora_alpha"], shape.alpha),
        ("rslora", saved.get("use_rslora", False), shape.rslora),
        ("targets", sorted(saved["target_modules"]), sorted(shape.targets)),
    ):
        if has != needs:
            raise InvalidInput(
                f"The adapter in {folder} has {name} {has}, and the configuration says {needs}.",
                "A run goes on with the shape that it was begun with.",
            )
    return folder


def load_start(model: Any, folder: Path) -> None:
    """Put the weights of `folder` into the fresh adapter of a PeftModel."""
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    set_peft_model_state_dict(model, load_file(folder / WEIGHTS))


def started_from(folder: Path) -> dict[str, Any]:
    """What is known of the run that made `folder`: its digest, tokens and minutes; zeros for a bare PEFT folder."""
    file = folder.parent / RECORD
    record = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    partner = record.get("together") if folder.name == SHARED else None
    return {
        "run": folder.parent.name,
        "digest": record.get("digest"),
        "tokens": record.get("tokens", 0) + (partner["tokens"] if partner else 0),
        "minutes": record.get("minutes", 0.0),
    }
