"""A GGUF file taken apart, so that it can be changed and put together again, whether or not it makes sense then."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pluralism_local.models.gguf_file import read_header

STRING, ARRAY = 8, 9
FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
ALIGNMENT = 32


@dataclass
class Entry:
    """A metadata entry; `kinds` is (type,) or (ARRAY, element type), texts are bytes."""

    name: bytes
    kinds: tuple[int, ...]
    value: Any


@dataclass
class Slot:
    """A tensor's entry."""

    name: bytes
    shape: list[int]
    type: int
    offset: int


@dataclass
class Draft:
    """The parts of a file, in order."""

    entries: list[Entry]
    slots: list[Slot]
    data: bytes

    def entry(self, ending: str) -> Entry:
        """The first entry whose name ends so."""
        return next(entry for entry in self.entries if entry.name.endswith(ending.encode()))

    def content(self) -> bytes:
        """The file. Numbers that their type cannot hold are cut to its bits."""
        start = b"GGUF" + struct.pack("<IQQ", 3, len(self.slots), len(self.entries))
        head = start + b"".join(map(_entry, self.entries)) + b"".join(map(_slot, self.slots))
        return head + bytes(-len(head) % ALIGNMENT) + self.data


def take_apart(path: Path) -> Draft:
    """The parts of a sound file without strange alignment."""
    header = read_header(path)
    entries = [
        Entry(name.encode(), header.kinds[name], _raw(value)) for name, value in header.metadata.items()
    ]
    slots = [Slot(t.name.encode(), list(t.shape), t.type, t.offset) for t in header.tensors]
    return Draft(entries, slots, path.read_bytes()[header.data_offset :])


def number(kind: int, value: float) -> bytes:
    """A number in the bytes of a type; cut to its bits if it does not fit."""
    form = FORMATS[kind]
    if form in "fd":
        try:
            return struct.pack(f"<{form}", value)
        except OverflowError:
            return struct.pack(f"<{form}", float("inf"))
    size = struct.calcsize(form)
    whole = int(value) if value == value and abs(value) != float("inf") else 0
    return (int(bool(whole)) if form == "?" else whole % 2 ** (8 * size)).to_bytes(size, "little")


def _raw(value: Any) -> Any:
    if isinstance(value, list):
        return [_raw(item) for item in value]
    return value.encode() if isinstance(value, str) else value


def _text(value: bytes) -> bytes:
    return struct.pack("<Q", len(value)) + value


def _item(kind: int, value: Any) -> bytes:
    if kind == STRING:
        return _text(value if isinstance(value, bytes) else str(value).encode())
    return number(kind, 0 if isinstance(value, bytes) else value)


def _entry(entry: Entry) -> bytes:
    head = _text(entry.name) + b"".join(struct.pack("<I", kind) for kind in entry.kinds)
    if entry.kinds[0] != ARRAY:
        return head + _item(entry.kinds[0], entry.value)
    values = entry.value if isinstance(entry.value, list) else [entry.value]
    items = b"".join(_item(entry.kinds[1], value) for value in values)
    return head + struct.pack("<Q", len(values)) + items


def _slot(slot: Slot) -> bytes:
    shape = b"".join(number(10, length) for length in slot.shape)
    return (
        _text(slot.name) + struct.pack("<I", len(slot.shape)) + shape
        + number(4, slot.type) + number(10, slot.offset)
    )  # fmt: skip
