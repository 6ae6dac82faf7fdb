"""What can be known about an adapter's file without its base model.

    folder, name ──inside──> path within the folder | InvalidInput
    path ──check_adapter──> AdapterFile(path, sha256, header) | NotFound | InvalidInput | Refused

The header is read, never the whole weights: of these only as much as shows that the adapter does something. What was
read goes to the engine with the adapter (see `AdapterRef.header`), which has no need to read it again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from pluralism_local.errors import InvalidInput, Refused
from pluralism_local.files import LFS_HINT, is_lfs_pointer, open_regular
from pluralism_local.gguf_header import GGUFHeader, Tensor
from pluralism_local.models.adapter_rules import ALPHA, MatrixPair, check_lora, invocation_tokens
from pluralism_local.models.gguf_file import read_header, sha256_of
from pluralism_local.types import Activation


@dataclass(frozen=True, slots=True)
class AdapterFile:
    """A LoRA's file, and what a look at it has shown: its SHA-256 in hex digits, and its header."""

    path: Path
    sha256: str
    header: GGUFHeader


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


def check_adapter(
    path: Path, *, sha256: str, rank: int, alpha: float, activation: Activation, cache: Path | None = None
) -> AdapterFile:
    """Check a LoRA's file against what its card says of it; `cache` as for `gguf_file.sha256_of`.

    Returns:
        The file with its header, which is read once for all who need it.

    Raises:
        NotFound: there is no such file.
        Refused: another content than the card's hash names, or an adapter that changes nothing.
        InvalidInput: not a GGUF file, not a LoRA, or with another rank, alpha or activation.
    """
    digest = sha256_of(path, cache)
    if digest != sha256:
        if is_lfs_pointer(path):
            raise InvalidInput(f"{path} is not the adapter.", LFS_HINT)
        raise Refused(
            f"{path} is not the file its card describes: sha256 {digest[:12]}…, the card says {sha256[:12]}….",
            "Get the adapter again; if you trained it anew, write its new hash into the card.",
        )
    header = read_header(path)
    pairs = check_lora(header)
    _check_card(header, alpha, activation)
    ranks = {pair.a.shape[1] for pair in pairs}
    if ranks != {rank}:
        raise InvalidInput(f"{path} has rank {', '.join(map(str, sorted(ranks)))}, its card says {rank}.")
    if not _does_something(header, pairs):
        raise Refused(
            f"{path} does nothing: all its updates are zero.",
            "It was saved before training: export it again.",
        )
    return AdapterFile(path, digest, header)


def _check_card(header: GGUFHeader, alpha: float, activation: Activation) -> None:
    stored = header.metadata[ALPHA]
    if not math.isclose(stored, alpha, rel_tol=1e-6):
        raise InvalidInput(f"{header.path} has alpha {stored}, its card says {alpha:g}.")
    activated = bool(invocation_tokens(header))
    if activated != (activation == "assistant"):
        raise InvalidInput(
            f"{header.path} has {'' if activated else 'no '}invocation tokens, "
            f"its card says activation '{activation}'.",
            "Adapters trained with invocation tokens need activation 'assistant', all others 'always'.",
        )


def _does_something(header: GGUFHeader, pairs: list[MatrixPair]) -> bool:
    """Whether B·A can differ from zero for some target: both have bytes other than those of 0 and -0."""
    with open_regular(header.path) as file:

        def nonzero(tensor: Tensor) -> bool:
            if tensor.nbytes is None:
                return True
            file.seek(header.data_offset + tensor.offset)
            return bool(file.read(tensor.nbytes).strip(b"\x00\x80"))

        return any(nonzero(pair.b) and nonzero(pair.a) for pair in pairs)
