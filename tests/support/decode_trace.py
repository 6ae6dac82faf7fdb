"""What contexts really decode: every cell by the path of tokens and adapters that leads to it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from pluralism_local.engine import lane
from pluralism_local.engine.base import ShouldStop
from pluralism_local.engine.context import Context
from pluralism_local.engine.handles import Adapter
from pluralism_local.engine.schedule import Row

Path = tuple[tuple[int, int], ...]
"""(token, id of the adapter or 0) of a cell and all before it."""


class Trace:
    """Cells decoded, by path, in all contexts of the lanes that are made while it is installed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.decoded: Counter[Path] = Counter()
        self.restored: list[Path] = []
        self.saved: dict[str, Path] = {}
        trace = self

        class Traced(Context):
            def __init__(self, *args: Any, **options: Any) -> None:
                super().__init__(*args, **options)
                self._paths: dict[int, Path] = {}
                self._adapter = 0

            def set_adapter(self, adapter: Adapter | None, scale: float = 1.0) -> None:
                super().set_adapter(adapter, scale)
                self._adapter = 0 if adapter is None else id(adapter)

            def decode(self, rows: Sequence[Row], should_stop: ShouldStop | None = None) -> bool:
                for row in rows:
                    before = self._paths.get(row.sequences[0], ())
                    path = (*before, (row.token, self._adapter))
                    assert len(path) == row.position + 1
                    trace.decoded[path] += 1
                    for sequence in row.sequences:
                        assert self._paths.get(sequence, ()) == before
                        self._paths[sequence] = path
                return super().decode(rows, should_stop)

            def forget(self, sequence: int | None = None, start: int = 0) -> bool:
                is_cut = super().forget(sequence, start)
                if sequence is None:
                    self._paths.clear()
                elif is_cut:
                    self._paths[sequence] = self._paths.get(sequence, ())[:start]
                return is_cut

            def share(self, source: int, target: int) -> None:
                super().share(source, target)
                self._paths[target] = self._paths.get(source, ())

            def save(self, sequence: int) -> bytes:
                data = super().save(sequence)
                trace.saved[hashlib.sha256(data).hexdigest()] = self._paths[sequence]
                return data

            def restore(self, sequence: int, data: bytes) -> bool:
                fits = super().restore(sequence, data)
                if fits:
                    self._paths[sequence] = trace.saved[hashlib.sha256(data).hexdigest()]
                    trace.restored.append(self._paths[sequence])
                return fits

        monkeypatch.setattr(lane, "Context", Traced)

    def clear(self) -> None:
        """Begin to count anew; what was saved stays known."""
        self.decoded.clear()
        self.restored.clear()

    def repeated(self) -> list[Path]:
        """Cells that were decoded more than once."""
        return [path for path, times in self.decoded.items() if times > 1]
