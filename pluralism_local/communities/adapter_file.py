"""What can be known about an adapter's file without its base model.

    folder, name ──inside──> path within the folder | InvalidInput
    path ──check_adapter──> nothing, or NotFound | InvalidInput | Refused

The header is read, never the whole weights: of these only as much as shows that the adapter does something.
"""

from __future__ import annotations

import math
from pathlib import Path

from pluralism_local.errors import InvalidInput, Refused
from pluralism_local.files import open_regular
from pluralism_local.gguf_file import GGUFHeader, Tensor, read_header, sha256_of
from pluralism_local.types import Activation

A, B = ".lora_a", ".lora_b"


def inside(folder: Path, name: str) -> Path:
    """The file `name` of `folder`.

    Raises:
        InvalidInput: it lies elsewhere: an absolute path, one with `..`, or a symbolic link leading out.
    """
    path = folder / name
    if ".." in Path(name).parts or not path.resolve().is_relative_to(folder.resolve()):
        raise InvalidInput(
            f"The adapter file {name!r} lies outside its card's folder {folder}.",
            "Put the file itself beside the card and name it without a path.",
        )
    return path


def check_adapter(path: Path, *, sha256: str, rank: int, alpha: float, activation: Activation) -> None:
    """Check a LoRA's file against what its card says of it.

    Raises:
        NotFound: there is no such file.
        Refused: another content than the card's hash names, or an adapter that changes nothing.
        InvalidInput: not a GGUF file, not a LoRA, or with another rank, alpha or activation.
    """
    found = sha256_of(path)
    if found != sha256:
        raise Refused(
            f"{path} is not the file its card describes: sha256 {found[:12]}…, the card says {sha256[:12]}….",
            "Get the adapter again; if you trained it anew, write its new hash into the card.",
        )
    header = read_header(path)
    _check_keys(header, alpha, activation)
    pairs = _pairs(header)
    ranks = {length for a, b in pairs for length in (a.shape[1], b.shape[0])}
    if ranks != {rank}:
        raise InvalidInput(f"{path} has rank {', '.join(map(str, sorted(ranks)))}, its card says {rank}.")
    if not _does_something(header, pairs):
        raise Refused(
            f"{path} does nothing: all its updates are zero.",
            "It was saved before training: export it again.",
        )


def _check_keys(header: GGUFHeader, alpha: float, activation: Activation) -> None:
    kind = (header.text("general.type"), header.text("adapter.type"))
    if kind != ("adapter", "lora"):
        raise InvalidInput(
            f"{header.path} is not a LoRA adapter (general.type {kind[0]!r}, adapter.type {kind[1]!r}).",
            "A card's adapter is a LoRA in GGUF; a whole model is given with -m.",
        )
    stored = header.metadata.get("adapter.lora.alpha")
    if not isinstance(stored, float) or not math.isclose(stored, alpha, rel_tol=1e-6):
        raise InvalidInput(f"{header.path} has alpha {stored}, its card says {alpha:g}.")
    invocation = header.metadata.get("adapter.alora.invocation_tokens")
    if invocation is not None and not (isinstance(invocation, list) and invocation):
        raise InvalidInput(f"{header.path} has invocation tokens that are no list of tokens.")
    if (invocation is not None) != (activation == "assistant"):
        raise InvalidInput(
            f"{header.path} has {'no ' if invocation is None else ''}invocation tokens, "
            f"its card says activation '{activation}'.",
            "Adapters trained with invocation tokens need activation 'assistant', all others 'always'.",
        )


def _pairs(header: GGUFHeader) -> list[tuple[Tensor, Tensor]]:
    """The matrices (A, B) of each target. GGUF order: A is (in, rank), B is (rank, out)."""
    tensors = {tensor.name: tensor for tensor in header.tensors}
    targets = [name.removesuffix(A) for name in tensors if name.endswith(A)]
    alone = tensors.keys() - {f"{target}{suffix}" for target in targets for suffix in (A, B)}
    missing = [target for target in targets if f"{target}{B}" not in tensors]
    if not targets or alone or missing:
        example = next(iter(sorted(alone) + missing), "none at all")
        raise InvalidInput(f"{header.path} is not made of pairs of LoRA matrices ({example!r:.80}).")
    pairs = [(tensors[f"{target}{A}"], tensors[f"{target}{B}"]) for target in targets]
    if any(len(tensor.shape) != 2 for pair in pairs for tensor in pair):
        raise InvalidInput(f"{header.path} has LoRA matrices that are not matrices.")
    return pairs


def _does_something(header: GGUFHeader, pairs: list[tuple[Tensor, Tensor]]) -> bool:
    """Whether B·A can differ from zero for some target: both have bytes other than those of 0 and -0."""
    with open_regular(header.path) as file:

        def nonzero(tensor: Tensor) -> bool:
            if tensor.nbytes is None:
                return True
            file.seek(header.data_offset + tensor.offset)
            return bool(file.read(tensor.nbytes).strip(b"\x00\x80"))

        return any(nonzero(b) and nonzero(a) for a, b in pairs)
