"""Values as people read them: in a terminal of 80 columns, or in a Markdown document.

    Values ──text──> lines of pieces: a line for each value, its reason below      ──markdown──> a table

+ speaks for the situation, - against it, ~ for either: signs that every terminal has. Whoever prints chooses what a
piece's `leaning` looks like.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import wrap

from pluralism_local.display.figures import cells, clean, many, one_line, padded
from pluralism_local.display.markdown import inline
from pluralism_local.mode_specs import STEERED
from pluralism_local.model_names import without_folders
from pluralism_local.values.stakes import Leaning, Values, WeighedStake

SIGNS: dict[Leaning, str] = {"support": "+", "oppose": "-", "either": "~"}
SAID: dict[Leaning, str] = {"support": "supports", "oppose": "opposes", "either": "either"}
LEGEND = (
    "At stake: the model's probability, less what it is without the situation. For and against: how much readier it is "
    "to say that the value supports it than that it opposes it; either: neither stands out. Estimates of a model, "
    "of a small one hardly more than hints; no survey of people."
)
_NUMBERS = "  {relevance:>8}  {support:>4}  {oppose:>7}  {either:>6}"
_NUMBERS_WIDTH = 33
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a line; `leaning` is what it says about a value, `bold` that it is a name."""

    text: str
    leaning: Leaning | None = None
    bold: bool = False


Line = tuple[Piece, ...]


def text(values: Values, width: int = 80) -> Iterator[Line]:
    """Lines of at most `width` cells, 48 at least; none where nothing is at stake."""
    if not values.stakes:
        return
    kinds = max(len(weighed.stake.kind) for weighed in values.stakes)
    room = width - _NUMBERS_WIDTH - kinds - 4
    head = _NUMBERS.format(relevance="at stake", support="for", oppose="against", either="either")
    yield (Piece(f"  {padded('', kinds)}  {padded('', room)}{head}".rstrip()),)
    for weighed in values.stakes:
        yield from _rows(weighed, kinds, room)
        for line in wrapped(_reason(weighed), width - len(_INDENT)):
            yield (Piece(f"{_INDENT}{line}"),)


def _rows(weighed: WeighedStake, kinds: int, room: int) -> Iterator[Line]:
    first, *others = wrapped(weighed.stake.text, room) or [""]
    sign = Piece(SIGNS[weighed.valence.leaning], weighed.valence.leaning) if weighed.valence else Piece("?")
    yield (
        sign,
        Piece(f" {weighed.stake.kind.ljust(kinds)}  "),
        Piece(padded(first, room), bold=True),
        Piece(_numbers(weighed)),
    )
    yield from ((Piece(" " * (kinds + 4)), Piece(line, bold=True)) for line in others)


def _numbers(weighed: WeighedStake) -> str:
    valence = weighed.valence
    shares = ["-"] * 3 if valence is None else [figure(p) for p in valence.p]
    return _NUMBERS.format(
        relevance=figure(weighed.relevance), support=shares[0], oppose=shares[1], either=shares[2]
    )


def _reason(weighed: WeighedStake) -> str:
    also = f" (also listed: {', '.join(stake.text for stake in weighed.merged)})" if weighed.merged else ""
    return f"{weighed.reason}{also}".strip()


def figure(p: float) -> str:
    """``".07"``, ``"1.0"``."""
    rounded = f"{p:.2f}"
    return rounded[:3] if rounded.startswith("1") else rounded[1:]


def summary(values: Values) -> Iterator[str]:
    """What was left out, and why, in sentences."""
    if values.irrelevant:
        names = ", ".join(one_line(weighed.stake.text) for weighed in values.irrelevant[:5])
        more = f" and {len(values.irrelevant) - 5} more" if len(values.irrelevant) > 5 else ""
        yield f"Not at stake, below {values.min_relevance:g}: {names}{more}."
    if values.beyond:
        yield f"{many(values.beyond, 'more is', 'more are')} at stake, beyond the {values.limit} that were looked into."
    if values.unweighed:
        yield f"Listed and not weighed: {', '.join(one_line(stake.text) for stake in values.unweighed)}."


def steering(values: Values) -> str:
    """The command that answers by the first value; "" where there is none."""
    if not values.stakes:
        return ""
    attribute = shlex.quote(values.stakes[0].stake.attribute)
    return f"plocal ask --mode {STEERED} --attribute {attribute} {shlex.quote(one_line(values.situation))}"


def wrapped(sentence: str, room: int) -> list[str]:
    """In lines of at most `room` cells; a text of wide characters is cut where it has to be."""
    line = one_line(sentence)
    return wrap(line, room if cells(line) == len(line) else max(8, room // 2))


def markdown(values: Values) -> str:
    """A heading, the table, and what was left out."""
    rows = [
        [
            inline(weighed.stake.text),
            weighed.stake.kind,
            f"{weighed.relevance:.2f}",
            *(
                ["-"] * 4
                if weighed.valence is None
                else [SAID[weighed.valence.leaning], *(f"{p:.2f}" for p in weighed.valence.p)]
            ),
            inline(_reason(weighed)),
        ]
        for weighed in values.stakes
    ]
    head = ["at stake", "kind", "relevance", "leans", "support", "oppose", "either", "reason"]
    lines = [head, ["---", "---", "--:", "---", "--:", "--:", "--:", "---"], *rows]
    table = "\n".join(f"| {' | '.join(clean(cell) for cell in line)} |" for line in lines)
    blocks = [f"# {inline(values.situation)}", table if rows else "Nothing is at stake."]
    blocks += [inline(sentence) for sentence in summary(values)]
    model = inline(without_folders(values.model.id))
    return "\n\n".join([*blocks, f"By {model}. {LEGEND}"]) + "\n"
