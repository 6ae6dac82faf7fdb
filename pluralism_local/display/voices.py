"""How each voice looks: its letter and its colour, the same in every pane, matrix, strip and page.

    voices in the pool's order ──looks──> by voice its Look ──colour──> "#8ecbff" on dark ground, "#00509e" on light

The letter tells voices apart where there is no colour; the eight colours come round again after the eighth voice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ON_DARK = ("#8ecbff", "#ffc27a", "#93e39c", "#ffb0d4", "#ece36f", "#d6bcff", "#74e0d6", "#ffb3a8")
ON_LIGHT = ("#004a94", "#7c3800", "#0b5220", "#8c0d55", "#504700", "#522494", "#004d52", "#8c1510")
"""Blue, orange, green, pink, yellow, violet, teal and red, read at 4.5 to 1 on what the themes lie on."""


@dataclass(frozen=True, slots=True)
class Look:
    """A voice's letter (``"a"`` to ``"z"``, then ``"aa"`` …), and the place of its colour among the eight."""

    letter: str
    hue: int

    def colour(self, *, dark: bool) -> str:
        """``"#rrggbb"``, for text on dark or on light ground."""
        return (ON_DARK if dark else ON_LIGHT)[self.hue]

    @property
    def css(self) -> str:
        """The class that `STYLE` colours."""
        return f"voice-{self.hue}"


def looks(*orders: Iterable[str]) -> dict[str, Look]:
    """By voice its look, by its place in the first of `orders` that names it, those of later ones behind.

    Pass the pool first, so that a voice that said nothing takes no other's letter.
    """
    voices = dict.fromkeys(voice for order in orders for voice in order)
    return {voice: Look(_letter(place), place % len(ON_DARK)) for place, voice in enumerate(voices)}


def _letter(place: int) -> str:
    return ("" if place < 26 else _letter(place // 26 - 1)) + chr(ord("a") + place % 26)


def _rules(colours: Iterable[str]) -> str:
    return " ".join(f".voice-{hue} {{ color: {colour} }}" for hue, colour in enumerate(colours))


STYLE = f"""
{_rules(ON_LIGHT)}
@media (prefers-color-scheme: dark) {{ {_rules(ON_DARK)} }}
"""
"""The colours for a page, which lies on light or dark ground as its reader has set it."""


def qualified(side: str | None, problem: str | None) -> str:
    """What a comment needs to be read with, ``"side: no, cut off"``; empty for nothing."""
    return ", ".join(filter(None, [side and f"side: {side}", problem]))
