"""How many comments take which position, of several that were drawn of every voice.

    comments by voice ──first_claims──> a claim each     claims, groups that say the same ──count──> Draws
    Draws ──grid──> lines of spans    ──text──> the same without colour, and what the letters mean
          ──markdown, table──> a table    ──headline, notes──> sentences

Every comment counts once, for the position of its first claim: shares sum to 1 with those that claim nothing. They are
shares of what models said, and say nothing about people.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pluralism_local.display.figures import cells, many, one_line, padded, percent
from pluralism_local.display.html import element, escape
from pluralism_local.display.markdown import inline
from pluralism_local.display.voices import Look, looks
from pluralism_local.positions.claims import claim_id, spoken_claims
from pluralism_local.positions.matrix import Line, Span, in_lines, names, wrapped
from pluralism_local.positions.summary import METHODS
from pluralism_local.proportions import entropy_nats, interval, weighted
from pluralism_local.results import DrawnPosition, Draws, Share, StanceMethod

SHOWN = 12
"""Positions that are printed; JSON has all."""

MOST = 120
"""Comments of one ask: each is compared with all others."""

_NARROWEST = 16


@dataclass(frozen=True, slots=True)
class DrawnClaim:
    """The first claim of a drawn comment."""

    voice: str
    comment: str
    claim: str


def first_claims(comments: Mapping[str, Sequence[str]]) -> list[DrawnClaim]:
    """Every comment's first claim, everybody's first comment before everybody's second; none of those without any."""
    longest = max(map(len, comments.values()), default=0)
    turns = [
        (voice, row[turn]) for turn in range(longest) for voice, row in comments.items() if turn < len(row)
    ]
    return [
        DrawnClaim(voice, text, claims[0])
        for voice, text in turns
        if (claims := spoken_claims({voice: text}, 1).get(voice))
    ]


def count(
    comments: Mapping[str, Sequence[str]],
    claims: Sequence[DrawnClaim],
    groups: Sequence[Sequence[int]],
    weights: Mapping[str, float],
    method: StanceMethod,
) -> Draws:
    """What positions come to.

    Args:
        comments: by voice as many each, at least two.
        claims: as `first_claims` has them.
        groups: places in `claims` that say the same, the first of each its leader.
        weights: by voice, at least 0 and not all 0.
    """
    n = max(map(len, comments.values()))
    total = math.fsum(weights[voice] for voice in comments)
    shares_of_pool = {voice: weights[voice] / total for voice in comments}
    positions = [
        _position(
            claims[group[0]].claim,
            {voice: sum(claims[place].voice == voice for place in group) for voice in comments},
            n,
            shares_of_pool,
        )
        for group in groups
    ]
    positions.sort(key=lambda position: -position.share.p)  # equal ones stay in the order of their leaders
    silent = {voice: n - sum(claim.voice == voice for claim in claims) for voice in comments}
    silence = math.fsum(shares_of_pool[voice] * silent[voice] / n for voice in comments)
    return Draws(
        n=n,
        comments={voice: tuple(row) for voice, row in comments.items()},
        weights=shares_of_pool,
        positions=tuple(positions),
        silent=silent,
        entropy_nats=entropy_nats([*(position.share.p for position in positions), silence]),
        unseen=sum(len(group) == 1 for group in groups) / len(claims) if claims else 0.0,
        method=method,
    )


def _position(claim: str, counts: dict[str, int], n: int, weights: Mapping[str, float]) -> DrawnPosition:
    pool = weighted(list(counts.values()), [n] * len(counts), [weights[voice] for voice in counts])
    return DrawnPosition(
        claim_id(claim),
        claim,
        counts,
        {voice: Share(number / n, *interval(number, n)) for voice, number in counts.items()},
        Share(*pool),
    )


def notes(draws: Draws) -> Iterator[str]:
    """What the counts are, in sentences."""
    comments = draws.n * len(draws.comments)
    yield (
        f"{many(comments, 'comment')}, {draws.n} of each voice, told apart by {METHODS[draws.method]}. Columns count "
        "comments; the pool's share has its 95 % interval."
    )
    if silent := sum(draws.silent.values()):
        yield f"{many(silent, 'comment')} claimed nothing: {_named(draws.silent)}."
    hidden = draws.positions[SHOWN:]
    if hidden:
        share = math.fsum(position.share.p for position in hidden)
        yield f"{many(len(hidden), 'further position')}, {percent(share)} together, are not shown; JSON has them."
    if len(draws.positions) == 1 and not any(draws.silent.values()):
        yield "All comments take one position: that is no window of opinions."
    else:
        yield (
            f"Entropy {draws.entropy_nats:.2f} nats. {percent(draws.unseen)} of the comments stand alone in their "
            "position: about so often the next one would take one that is not here."
        )


def _named(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{voice} {number}" for voice, number in counts.items() if number)


def _share(share: Share) -> str:
    """``42 % (30 to 55)``."""
    return f"{100 * share.p:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"


def headline(draws: Draws, width: int | None = None) -> str:
    """``'18 drawn comments: 50 % take "Phones should be banned"'``.

    Args:
        width: cells that the claim is cut for, as far as that does; None for all of it.
    """
    head = f"{many(draws.n * len(draws.comments), 'drawn comment')}: "
    if not draws.positions:
        return f"{head}none claims anything"
    first = draws.positions[0]
    head += f"{100 * first.share.p:.0f} % take "
    room = None if width is None else max(_NARROWEST, width - cells(head) - 2)
    return f'{head}"{one_line(first.text.rstrip(".。"), room)}"'


def text(draws: Draws, width: int = 80) -> list[str]:
    """Lines of at most `width` cells (24 at least), without colour; none without positions."""
    if not draws.positions:
        return []
    named = looks(draws.comments)
    lines = [*grid(draws, width, named), (), *names(draws.comments, width, named)]
    return ["".join(span.text for span in line).rstrip() for line in lines]


def grid(draws: Draws, width: int, named: Mapping[str, Look]) -> Iterator[Line]:
    """Each position with the pool's share and the voices' counts, in lines of at most `width` cells.

    Counts stand in columns; below the position where there are too many voices for that, and the share, too, where
    there is little room.
    """
    positions = draws.positions[:SHOWN]
    column = max([len(str(draws.n)), *(len(named[voice].letter) for voice in draws.comments)])
    number = len(str(len(positions)))
    indent = " " * (number + 1)
    share = max((len(_share(position.share)) for position in positions), default=0)
    beside = width - len(indent) - share - 2  # for the position, with the share beside it
    counts = 2 + len(draws.comments) * (column + 1) - 1
    in_columns = beside - counts >= _NARROWEST
    room = beside - counts if in_columns else beside if beside >= _NARROWEST else width - len(indent)
    if room <= beside:
        head = Span(f"{indent}{padded('position', room)}  {'pool'.ljust(share)}")
        letters = {voice: named[voice].letter for voice in draws.comments}
        yield (head, Span("  "), *_columns(letters, column)) if in_columns else (head,)
    for place, position in enumerate(positions, start=1):
        first, *others = wrapped(position.text, room)
        before = Span(f"{place:>{number}} {first}")
        if room <= beside:
            before = Span(f"{place:>{number}} {padded(first, room)}  {_share(position.share).ljust(share)}")
        marks = {voice: str(position.counts[voice] or "·") for voice in draws.comments}
        yield (before, Span("  "), *_columns(marks, column)) if in_columns else (before,)
        yield from ((Span(f"{indent}{line}"),) for line in others)
        if in_columns:
            continue
        below = [] if room <= beside else [Span(_share(position.share))]
        below += [
            Span(f"{named[voice].letter} {times}", voice) for voice, times in position.counts.items() if times
        ]
        yield from ((Span(indent), *line) for line in in_lines(below, width - len(indent)))


def _columns(marks: Mapping[str, str], column: int) -> Iterator[Span]:
    for place, (voice, mark) in enumerate(marks.items()):
        yield Span(f"{' ' if place else ''}{mark.rjust(column)}", voice)


def markdown(draws: Draws) -> str:
    """The same as a Markdown table with the voices' names in its head; "" without positions."""
    if not draws.positions:
        return ""
    head = ["position", "pool", *map(inline, draws.comments)]
    rows = [[inline(cell) for cell in _cells(draws, position)] for position in draws.positions[:SHOWN]]
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def table(draws: Draws) -> str:
    """The same as an HTML table, with its notes; escaped."""
    head = [element("th", escape(name), scope="col") for name in ("position", "pool", *draws.comments)]
    rows = [
        element("tr", *(element("td", escape(cell)) for cell in _cells(draws, position)))
        for position in draws.positions[:SHOWN]
    ]
    paragraphs = [element("p", escape(note), class_="quiet") for note in notes(draws)]
    return "\n".join([element("table", element("tr", *head), *rows, class_="matrix"), *paragraphs])


def _cells(draws: Draws, position: DrawnPosition) -> list[str]:
    return [position.text, _share(position.share), *(str(position.counts[voice]) for voice in draws.comments)]
