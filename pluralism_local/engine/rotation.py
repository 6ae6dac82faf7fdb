"""Models that rotate positions by other factors in a long context (LongRoPE, as Phi-3 does).

    header ──switch──> tokens of a context beyond which llama.cpp takes the longer factors; None for one set of factors
    switch, context ──cell_bounds──> how large an engine's contexts may be made

llama.cpp chooses by the size of the context that is made, not by the length of a text. Contexts here are as large as
their waves need, and what one has read is put into another: all of them must lie on the same side of the switch.
"""

from __future__ import annotations

from dataclasses import dataclass

from pluralism_local.gguf_header import GGUFHeader

_FACTORS = ("rope_factors_long.weight", "rope_factors_short.weight")


@dataclass(frozen=True, slots=True)
class CellBounds:
    """The fewest and the most cells of a context; `most` None for as many as there is memory for."""

    least: int = 0
    most: int | None = None

    def clamp(self, cells: int) -> int:
        """The size nearest to `cells` that is allowed."""
        cells = max(cells, self.least)
        return cells if self.most is None else min(cells, self.most)


ANY_SIZE = CellBounds()


def switch(header: GGUFHeader) -> int | None:
    """The largest context that is rotated by the shorter factors; None where there is one set of them."""
    if not any(tensor.name.endswith(_FACTORS) for tensor in header.tensors):
        return None
    architecture = header.text("general.architecture")
    original = header.integer(f"{architecture}.rope.scaling.original_context_length")
    return original or header.integer(f"{architecture}.context_length")


def cell_bounds(switch: int | None, context: int) -> CellBounds:
    """Bounds for an engine whose prompts and answers take at most `context` tokens."""
    if switch is None:
        return ANY_SIZE
    return CellBounds(most=switch) if context <= switch else CellBounds(least=switch + 1)
