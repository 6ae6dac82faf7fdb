"""Probabilities of an exchange: over the options (a model estimate), or over the communities that could be chosen.

Exchange ──lines──> bars with numbers; on demand each community's own; what is outside, entropy
         ──strips──> per option the communities' letters at their shares, from 0 to 100 %
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from textwrap import wrap

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from pluralism_local.display.figures import bar, one_line, padded, percent
from pluralism_local.results import Aggregate, Selection
from pluralism_local.tui.exchange import Exchange
from pluralism_local.tui.voice_text import is_dark, named, style

HEADING = "model estimate, not a survey"

_HOW = {
    "parsed": "named by the LLM",
    "only": "the only one",
    "fallback": "the pool's first: the LLM named none",
}

SHORTEST_BAR = 8
"""Cells of a full bar at least, where labels are long."""

SHORTEST_STRIP = 12


class DistributionPane(VerticalScroll):
    """Bars; hidden while there is nothing to draw.

    Attributes:
        apart: draw each community's own distribution, too.
    """

    DEFAULT_CSS = """
    DistributionPane {
        height: auto; max-height: 60%; border: round $primary; padding: 0; display: none;
        scrollbar-size-vertical: 1;
    }
    DistributionPane:focus { border: heavy $accent; }
    DistributionPane Static { height: auto; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.apart = False
        self._exchange: Exchange | None = None
        self._text = Content("")
        self._bars = Static("", markup=False)

    def compose(self) -> ComposeResult:
        yield self._bars

    def show(self, exchange: Exchange | None) -> None:
        """Draw an exchange's distribution or selection."""
        self._exchange = exchange
        width = max(20, self.scrollable_content_region.width - 1)
        text = Content("")
        if exchange is not None:
            rows = [Content(line) for line in lines(exchange, width, self.apart)]
            text = Content("\n").join([*strips(exchange, width, dark=is_dark(self.app)), *rows])
        if text.is_same(self._text) and text.spans == self._text.spans:
            return
        self._text = text
        self.display = bool(text.plain)
        if exchange is not None:
            self.border_title = HEADING if exchange.distribution else "chosen by the LLM"
        self._bars.update(text)

    def on_resize(self) -> None:
        self.show(self._exchange)


def lines(exchange: Exchange, width: int, apart: bool) -> list[str]:
    """What the pane says, `width` characters wide; nothing if the exchange has no probabilities."""
    if exchange.distribution is not None:
        from pluralism_local.modes.aggregate import is_stand_in  # not needed for the first paint

        rows = distribution_lines(exchange.distribution, width, apart)
        plain = apart or not exchange.distribution.per_community or is_stand_in(exchange.distribution)
        return rows if plain else [*rows, "F7 each community"]
    if exchange.selection is not None:
        return selection_lines(exchange.selection, width)
    return []


def strips(exchange: Exchange, width: int, *, dark: bool) -> list[Content]:
    """A line per option from 0 to 100 %, with each community's letter at its share; none where there is only one.

    A letter whose cell is taken stands in the next free one.
    """
    aggregate, voices = exchange.distribution, named(exchange)
    if aggregate is None or len(aggregate.per_community) < 2:
        return []
    label = min(max(map(cell_len, aggregate.options)), max(4, width - 8 - SHORTEST_STRIP))
    room = width - label - 8  # "0 " before and " 100" behind, and two gaps
    rows = []
    for option, name in enumerate(aggregate.options):
        shares = {voice: p[option] for voice, p in aggregate.per_community.items() if voice in voices}
        cells = (
            (voices[voice].letter[-1], style(voices[voice], dark=dark)) if voice else ("·", "dim")
            for voice in _placed(shares, room)
        )
        rows.append(Content.assemble(f"{padded(name, label)} 0 ", *cells, " 100"))
    return rows


def _placed(shares: Mapping[str, float], room: int) -> list[str | None]:
    """For each of `room` cells whose share is there, as far as there is a cell for everybody."""
    cells: list[str | None] = [None] * room
    for voice, p in sorted(shares.items(), key=lambda item: item[1]):
        nearest = round(min(1.0, max(0.0, p)) * (room - 1))
        free = sorted(
            (place for place in range(room) if cells[place] is None), key=lambda at: abs(at - nearest)
        )
        if free:
            cells[free[0]] = voice
    return cells


def distribution_lines(aggregate: Aggregate, width: int, apart: bool) -> list[str]:
    """Options with their probabilities, then what qualifies them, then each community's own if `apart`."""
    from pluralism_local.modes.aggregate import NO_ESTIMATE, is_stand_in  # not needed for the first paint

    recorded = not math.isnan(aggregate.unassigned_mass)
    outside = f"outside the options {percent(aggregate.unassigned_mass) if recorded else 'not recorded'}"
    if is_stand_in(aggregate):
        return [*wrap(NO_ESTIMATE, width), outside]
    rows = _bars(list(aggregate.options), list(aggregate.p), width)
    if aggregate.bounds is not None:
        rows += [
            f"  {one_line(option, 12)}: {percent(low)} to {percent(high)}"
            for option, (low, high) in zip(aggregate.options, aggregate.bounds, strict=True)
        ]
    rows += [
        outside,
        f"entropy {aggregate.entropy_nats:.2f} of {math.log(len(aggregate.options)):.2f} nats",
    ]
    if aggregate.order_effect is not None:
        rows.append(f"order effect {percent(aggregate.order_effect)} over {len(aggregate.orders)} orders")
    if not apart:
        return rows
    for community, p in aggregate.per_community.items():
        weight = aggregate.weights.get(community)
        name = one_line(community)
        rows += ["", name if weight is None else f"{name} ({100 * weight:.0f}%)"]
        effect = aggregate.order_effects.get(community)
        if effect is not None:
            rows.append(f"order effect {percent(effect)}")
        if community in aggregate.stand_ins:
            rows += wrap("none of the options had any probability", width)
        else:
            rows += _bars(list(aggregate.options), list(p), width)
    return rows


def selection_lines(chosen: Selection, width: int) -> list[str]:
    """The communities by probability, or how one was chosen without."""
    if not chosen.probabilities:
        return [one_line(chosen.community), _HOW.get(chosen.method, one_line(chosen.method))]
    ordered = sorted(chosen.probabilities.items(), key=lambda item: -item[1])
    return _bars([name for name, _ in ordered], [p for _, p in ordered], width)


def _bars(labels: list[str], p: list[float], width: int) -> list[str]:
    label = min(max(map(cell_len, labels)), max(4, width - 9 - SHORTEST_BAR))
    room = max(1, width - label - 9)  # 7 for "100.0 %" and two gaps
    return [
        f"{padded(name, label)} {bar(value, room).ljust(room)} {percent(value):>7}"
        for name, value in zip(labels, p, strict=True)
    ]
