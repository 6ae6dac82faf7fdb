"""A finished training as its export reads it: the record, and the base that it was trained on.

run folder ──read_record──> record ──base_of──> Base, the very one by its fingerprint
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from communitylm.training.bases import Base, find_base
from communitylm.training.run_folder import RECORD, STATE
from pluralism_local.errors import InvalidInput, NotFound, Refused


def read_record(folder: Path, named_by: str, value: str | None = None) -> dict[str, Any]:
    """The record of the run in `folder`.

    Args:
        named_by: a key that records of this kind of training have, with a text.
        value: of that key; None takes any.

    Raises:
        NotFound: the run is not finished, or is none. InvalidInput: it has another record, or none that can be read.
    """
    file = folder / RECORD
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
        fits = isinstance(record[named_by], str) and value in (None, record[named_by])
        if fits and isinstance(record["base"]["reference"], str):
            return dict(record)
    except FileNotFoundError:
        if (folder / STATE).exists():
            raise NotFound(
                f"The run {folder} is not finished.", "Start its training again: it resumes."
            ) from None
        raise NotFound(f"{folder} is no finished run of a training.", "Give recipes/runs/ID.") from None
    except (ValueError, KeyError, TypeError):
        pass
    raise InvalidInput(f"{file} is not the record of such a training.", "Give recipes/runs/ID.")


def base_of(folder: Path, record: dict[str, Any], reference: str | None = None) -> Base:
    """The base of the run in `folder`, as GGUF.

    Args:
        record: of `read_record`; {} where nothing but `reference` is known.
        reference: ``"starter"`` or a file, instead of where the base lay at the training.

    Raises:
        NotFound: it is not there any more. InvalidInput: it is no GGUF. Refused: it is another model.
    """
    trained_on = record.get("base", {})
    if reference is None:
        path = trained_on.get("path")
        reference = path if path and Path(path).exists() else trained_on["reference"]
    base = find_base(reference, Path.cwd())
    if base.gguf is None:
        raise InvalidInput(
            f"An adapter is exported for a base as GGUF, and {base.reference} is none.",
            "Name the GGUF file that the adapter will run on as its base.",
        )
    if trained_on.get("fingerprint") not in (None, base.fingerprint):
        raise Refused(
            f"{folder} was trained on another base than {base.gguf}: the fingerprints differ.",
            f"Give the file of {trained_on['model']} that it was trained on, in any quantization.",
        )
    return base
