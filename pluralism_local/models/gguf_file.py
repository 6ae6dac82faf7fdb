"""Reads the header of a GGUF file: what a model or an adapter says about itself, without its weights.

    path ──read_header──> GGUFHeader(metadata, tensors)
    path ──sha256_of────> hex digest of the whole file, remembered by (path, size, modification time)

`gguf.GGUFReader` does the same through numpy and makes arrays for every vocabulary entry: for the starter
model (49,152 tokens, 48,900 merges) it takes 3 s where this file takes 0.05 s, and every command waits.

The file is data from strangers. Lengths are checked against the file before anything is read, and counts
against fixed limits, so a damaged or hostile file costs a clear error and never gigabytes. Whatever is wrong
with the content is `InvalidInput`; a file that is not there is `NotFound`.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
from io import BufferedReader
from pathlib import Path
from typing import Any

from pluralism_local.errors import InvalidInput, NotFound, PlocalError, did_you_mean
from pluralism_local.files import LFS_HINT, LFS_START, open_regular, remembered
from pluralism_local.gguf_header import DEFAULT_ALIGNMENT, GGML_TYPES, GGUFHeader, Tensor

MAX_HEADER_BYTES = 128 * 1024**2  # the largest vocabularies in use (262k tokens) take under 20 MiB
MAX_VALUES = 4 * 1024**2  # keys, array elements and tensors together; the same vocabularies: 1.3 million
MAX_ENTRIES = 65_536  # keys, and tensors; the largest models have some 60 and some 2,000
MAX_TEXT_BYTES = 1024**2  # of one text, such as a licence
LONG_TEXTS = (
    "tokenizer.chat_template",
    "tokenizer.huggingface.json",
)  # these, and what begins so, may be longer
MAX_DIMENSIONS = 4  # ggml's own limit

_STRING, _ARRAY, _U32 = 8, 9, 4
_SCALARS = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_U64_AT = _SCALARS[10].unpack_from
_ELEMENTS = "array elements"
_MIN_KEY_BYTES = 8 + 4 + 1  # empty name, type, one byte
_MIN_TENSOR_BYTES = 8 + 4 + 4 + 8  # empty name, no dimensions, type, offset


def read_header(path: Path) -> GGUFHeader:
    """Read the header of one GGUF file.

    Checks that the header is whole and that every tensor's data lies inside the file.

    Raises:
        NotFound: there is no such file.
        InvalidInput: a folder or device, unreadable, not GGUF, another version or byte order, truncated,
            or inconsistent.
    """
    with open_gguf(path) as file:
        start = file.read(24)
        if start[:4] != b"GGUF":
            raise _not_gguf(path, start)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return HeaderParser(path, data).header()


def general_type(path: Path) -> str | None:
    """What a file says it is, such as ``"model"`` or ``"adapter"``, without reading on to its lists.

    None where it does not say so before its first list, or is no GGUF file that can be read.
    """
    try:
        with open_regular(path) as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return HeaderParser(path, data).general_type() if data[:4] == b"GGUF" else None
    except (PlocalError, OSError, ValueError):  # ValueError: an empty file cannot be mapped
        return None


def open_gguf(path: Path) -> BufferedReader:
    """Open without looking at the content; `NotFound` suggests the nearest .gguf file of the folder.

    Raises:
        NotFound, InvalidInput: as `open_regular`.
    """
    try:
        return open_regular(path)
    except NotFound as error:
        raise NotFound(error.message, _nearest_sibling(path) or error.hint) from error


def sha256_of(path: Path, cache: Path | None = None) -> str:
    """Hex digest of a file's content, streamed.

    `cache` names a JSON file that remembers the digest; see `files.remembered`.

    Raises:
        NotFound: there is no such file.
        InvalidInput: not a regular file, or unreadable.
    """

    def digest() -> str:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return remembered(path, "sha256", digest, cache)


def _nearest_sibling(path: Path) -> str:
    try:
        names = [file.name for file in path.parent.glob("*.gguf") if file.name != path.name and file.exists()]
    except OSError:
        names = []
    return did_you_mean(path.name, names)


def _not_gguf(path: Path, start: bytes) -> InvalidInput:
    hint = "Give a .gguf file; `plocal models ls` shows those that are here."
    if start.startswith(LFS_START):
        hint = LFS_HINT
    elif start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        hint = "This is a web page: the download went wrong. Get the file again, e.g. with `hf download`."
    return InvalidInput(
        f"{path} is empty." if not start else f"{path} is not a GGUF file (it starts with {start[:4]!r}).",
        hint,
    )


class HeaderParser:
    """A cursor over the mapped file that never steps past its end."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path = path
        self.data = data
        self.size = len(data)
        self.end = min(self.size, MAX_HEADER_BYTES)
        self.at = 4
        self.values_left = MAX_VALUES
        self.kinds: dict[str, tuple[int, ...]] = {}

    def header(self) -> GGUFHeader:
        """All of it. Raises: InvalidInput for what is damaged, truncated or of another version."""
        version = self._version()
        tensor_count: int = self._scalar(10)
        key_count: int = self._scalar(10)
        self._spend(tensor_count, _MIN_TENSOR_BYTES, "tensors")
        self._spend(key_count, _MIN_KEY_BYTES, "metadata keys")
        metadata: dict[str, Any] = {}
        for _ in range(key_count):
            key = self._string()
            if key in metadata:
                raise self._damaged(f"the metadata key {key!r:.80} occurs twice")
            metadata[key] = self._value(key)
        alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
            raise self._damaged(f"general.alignment is {alignment!r:.40}, not a power of two")
        tensors = tuple(self._tensor() for _ in range(tensor_count))
        data_offset = -(-self.at // alignment) * alignment
        self._check_data(tensors, data_offset, alignment)
        return GGUFHeader(self.path, version, metadata, tensors, data_offset, self.size, self.kinds)

    def general_type(self) -> str | None:
        """The value of that key, if it stands before the first list."""
        self._version()
        self._scalar(10)
        for _ in range(self._scalar(10)):
            key = self._string()
            value = None if self._is_list() else self._value(key)
            if value is None or key == "general.type":
                return value if isinstance(value, str) else None
        return None

    def _is_list(self) -> bool:
        """Whether the value that comes next is one."""
        at = self.at
        kind: int = self._scalar(_U32)
        self.at = at
        return kind == _ARRAY

    def _version(self) -> int:
        version: int = self._scalar(_U32)
        if version in (2, 3):
            return version
        if int.from_bytes(version.to_bytes(4, "little"), "big") in (2, 3):
            raise InvalidInput(f"{self.path} is a big-endian GGUF file.", "Get the little-endian version.")
        raise InvalidInput(
            f"{self.path} has GGUF version {version}; versions 2 and 3 can be read.",
            "Get the file again from a current source, or convert it with llama.cpp.",
        )

    def _value(self, key: str) -> Any:
        kind: int = self._scalar(_U32)
        self.kinds[key] = (kind,)
        longest = MAX_HEADER_BYTES if key.startswith(LONG_TEXTS) else MAX_TEXT_BYTES
        if kind == _STRING:
            return self._string(longest)
        if kind != _ARRAY:
            return self._scalar(kind)
        element: int = self._scalar(_U32)
        self.kinds[key] = (kind, element)
        count: int = self._scalar(10)
        if element == _STRING:
            self._spend(count, 8, _ELEMENTS)
            return self._strings(count)
        layout = self._layout(element)
        self._spend(count, layout.size, _ELEMENTS)
        start = self._advance(count * layout.size)
        return list(struct.unpack_from(f"<{count}{layout.format[1:]}", self.data, start))

    def _strings(self, count: int, longest: int = MAX_TEXT_BYTES) -> list[str]:
        # spelled out rather than calling _string: nearly all of a header's time is spent here
        data, at, end, u64_at = self.data, self.at, self.end, _U64_AT
        strings = []
        for _ in range(count):
            start = at + 8
            if start > end:
                raise self._short(start)
            length = u64_at(data, at)[0]
            if length > longest:
                raise self._too_long(length, start, longest)
            at = start + length
            strings.append(data[start:at].decode("utf-8", "backslashreplace"))
        if at > end:
            raise self._short(at)
        self.at = at
        return strings

    def _string(self, longest: int = MAX_TEXT_BYTES) -> str:
        return self._strings(1, longest)[0]

    def _too_long(self, length: int, start: int, longest: int) -> InvalidInput:
        """Why a text cannot have this length: the file is shorter, or it is longer than any text of a header."""
        if start + length > self.end:
            return self._short(start + length)
        return self._damaged(
            f"a text in its header is {length:,} bytes long, where at most {longest:,} are read"
        )

    def _layout(self, kind: int) -> struct.Struct:
        layout = _SCALARS.get(kind)
        if layout is None:
            raise self._damaged(f"it has a metadata value of the unknown type {kind}")
        return layout

    def _scalar(self, kind: int) -> Any:
        layout = self._layout(kind)
        return layout.unpack_from(self.data, self._advance(layout.size))[0]

    def _tensor(self) -> Tensor:
        name = self._string()
        dimensions: int = self._scalar(_U32)
        if dimensions > MAX_DIMENSIONS:
            raise self._damaged(f"the tensor {name!r:.80} has {dimensions} dimensions")
        shape = tuple(self._scalar(10) for _ in range(dimensions))
        return Tensor(name, shape, self._scalar(_U32), self._scalar(10))

    def _check_data(self, tensors: tuple[Tensor, ...], data_offset: int, alignment: int) -> None:
        needed = data_offset if tensors else 0
        for tensor in tensors:
            block = GGML_TYPES.get(tensor.type)
            row = tensor.shape[0] if tensor.shape else 1
            if tensor.offset % alignment or (block is not None and row % block.elements):
                raise self._damaged(f"the tensor {tensor.name!r:.80} does not start or end on a block")
            needed = max(needed, data_offset + tensor.offset + (tensor.nbytes or 0))
        if needed > self.size:
            raise self._truncated(needed)
        if len({tensor.name for tensor in tensors}) < len(tensors):
            raise self._damaged("two tensors have the same name")

    def _advance(self, nbytes: int) -> int:
        """Step over `nbytes`; returns where they start."""
        start = self.at
        if start + nbytes > self.end:
            raise self._short(start + nbytes)
        self.at = start + nbytes
        return start

    def _spend(self, count: int, least_bytes: int, what: str) -> None:
        """Refuse a count of things, each of `least_bytes` or more, that the file cannot hold."""
        if count > (self.values_left if what == _ELEMENTS else MAX_ENTRIES):
            raise self._damaged(f"it claims to hold {count:,} {what}")
        self.values_left -= count
        if self.at + count * least_bytes > self.end:
            raise self._short(self.at + count * least_bytes)

    def _short(self, needed: int) -> InvalidInput:
        if needed > MAX_HEADER_BYTES:
            return self._damaged(f"its header claims to be {needed:,} bytes long")
        return self._truncated(needed)

    def _truncated(self, needed: int) -> InvalidInput:
        return InvalidInput(
            f"{self.path} is truncated: it has {self.size:,} bytes and needs at least {needed:,}.",
            "The download was probably interrupted: get the file again.",
        )

    def _damaged(self, what: str) -> InvalidInput:
        return InvalidInput(f"{self.path} is damaged: {what}.", "Get the file again.")
