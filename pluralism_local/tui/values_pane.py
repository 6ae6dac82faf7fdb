"""The values, rights and duties at stake in the question that the panes are about, and what each of them speaks for.

Exchange ──show──> a row per value, the most relevant first        ──Enter──> Chosen(stake)

Nothing is looked for before somebody asks; until then the pane is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from pluralism_local.display.figures import one_line
from pluralism_local.tui.exchange import Exchange
from pluralism_local.values.stakes import Leaning, Stake, WeighedStake
from pluralism_local.values.tables import SAID, SIGNS, figure, summary, wrapped

_COLOURS: Mapping[Leaning, str] = MappingProxyType(
    {"support": "$text-success", "oppose": "$text-error", "either": "$text-warning"}
)
_HINTS = {
    "none": "",
    "running": "looking for values … Esc stops",
    "stopped": "Stopped; F10 looks again.",
    "failed": "The search failed, F9 says why; F10 looks again.",
    "over": "Nothing was found to be at stake.",
}


class ValuesPane(OptionList):
    """What is at stake; hidden where nobody has looked for it."""

    DEFAULT_CSS = """
    ValuesPane {
        height: auto; min-height: 3; max-height: 50%; border: round $primary; padding: 0;
        scrollbar-size-vertical: 1; background: transparent;
    }
    ValuesPane:focus { border: heavy $accent; background: transparent; max-height: 60%; }
    ValuesPane > .option-list--option { padding: 0; }
    ValuesPane > .option-list--option-disabled { color: $text-muted; }
    ValuesPane > .option-list--option-highlighted { background: transparent; color: $foreground; text-style: none; }
    ValuesPane:focus > .option-list--option-highlighted {
        background: $boost; color: $foreground; text-style: none;
    }
    """

    class Chosen(Message):
        """Enter was pressed on a value."""

        def __init__(self, stake: Stake) -> None:
            super().__init__()
            self.stake = stake

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self.border_title = "values at stake"
        self._exchange: Exchange | None = None
        self._stakes: dict[str, Stake] = {}
        self._shown: tuple[int, list[Content]] = (-1, [])
        self.display = False

    def show(self, exchange: Exchange | None) -> None:
        """Draw an exchange's values; rows that did not change are left alone."""
        self._exchange = exchange
        self.display = exchange is not None and exchange.values_search != "none"
        if exchange is None or not self.display:
            return
        width = max(16, self.scrollable_content_region.width - 1)
        weighed = exchange.values.stakes if exchange.values is not None else ()
        remarks = list(pane_remarks(exchange, width))
        drawn = exchange.number, [*(row(stake, width) for stake in weighed), *remarks]
        if _are_same(drawn, self._shown):
            return
        self._shown, self._stakes = drawn, {it.stake.id: it.stake for it in weighed}
        place = self.highlighted
        ids = [*self._stakes, *[None] * len(remarks)]
        self.clear_options()
        self.add_options(
            Option(text, id=id, disabled=id is None) for id, text in zip(ids, drawn[1], strict=True)
        )
        if weighed:
            self.highlighted = min(place or 0, len(weighed) - 1)
        self._say_what_enter_does()

    def on_resize(self) -> None:
        self.show(self._exchange)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._say_what_enter_does()

    def _say_what_enter_does(self) -> None:
        """Below the rows, so that the one in question is named where there is no colour."""
        stakes, place = list(self._stakes.values()), self.highlighted
        named = stakes[place].text if place is not None and place < len(stakes) else ""
        room = max(8, self.size.width - 21)
        self.border_subtitle = Content(f"Enter steers by {one_line(named, room)}") if named else ""

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_id in self._stakes:
            self.post_message(self.Chosen(self._stakes[event.option_id]))

    def action_page_up(self) -> None:
        if self.scrollable_content_region.height:  # the toolkit's own fails where there is no line of room
            super().action_page_up()  # type: ignore[no-untyped-call]

    def action_page_down(self) -> None:
        if self.scrollable_content_region.height:
            super().action_page_down()  # type: ignore[no-untyped-call]


def row(weighed: WeighedStake, width: int) -> Content:
    """A sign and the name, below it how relevant it is and what it speaks for, then why; `width` cells wide."""
    stake, valence = weighed.stake, weighed.valence
    facts = f"{figure(weighed.relevance)} at stake"
    sign = Content.styled("? ", "bold")
    if valence is not None:
        sign = Content.styled(f"{SIGNS[valence.leaning]} ", f"bold {_COLOURS[valence.leaning]}")
        facts += f" · {SAID[valence.leaning]} {figure(max(valence.p))}"
    told = stake.kind == "value" or stake.text.casefold().startswith(stake.kind)
    if not told or len(f"{facts} · {stake.kind}") <= width - 2:
        facts += f" · {stake.kind}"
    first, *others = wrapped(stake.text, width - 2) or [""]
    lines = [sign + Content.styled(first, "bold")]
    lines += [Content.styled(f"  {line}", "bold") for line in others]
    lines += [Content.styled(f"  {line}", "dim") for line in wrapped(facts, width - 2)]
    also = f" (also listed: {', '.join(other.text for other in weighed.merged)})" if weighed.merged else ""
    lines += [Content(f"  {line}") for line in wrapped(f"{weighed.reason}{also}", width - 2)]
    return Content("\n").join(lines)


def pane_remarks(exchange: Exchange, width: int) -> Iterator[Content]:
    """How far the search is where it is not over, or found nothing; then what was left out."""
    values = exchange.values
    if exchange.values_search in ("running", "stopped", "failed") or values is None or not values.stakes:
        yield Content.styled(_HINTS[exchange.values_search], "dim")
    for sentence in summary(values) if values is not None else ():
        yield Content.styled("\n".join(wrapped(one_line(sentence), width)), "dim")


def _are_same(drawn: tuple[int, list[Content]], before: tuple[int, list[Content]]) -> bool:
    return (
        drawn[0] == before[0]
        and len(drawn[1]) == len(before[1])
        and all(
            line.is_same(other) and line.spans == other.spans
            for line, other in zip(drawn[1], before[1], strict=True)
        )
    )
