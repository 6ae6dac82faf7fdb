"""How results look to people, as plain text. Pure functions and one layout; `live_view.py` decides when to write.

A distribution is always headed as a model's estimate, with where the pool's weights come from: it is never
shown as the population itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from pluralism_local.cli.output import Output, table
from pluralism_local.display.figures import BLOCK, bar, cells, clean, many, one_line, padded, percent
from pluralism_local.display.voices import qualified
from pluralism_local.modes.aggregate import NO_ESTIMATE, is_stand_in, unanimous
from pluralism_local.results import Aggregate, Comment, Draws, Result, Round, Selection, Window
from pluralism_local.types import Usage

if TYPE_CHECKING:
    from pluralism_local.agreement import Agreement
    from pluralism_local.communities import Pool
    from pluralism_local.conversation.trace import Traced

_BAR, _SHORT_BAR, _LEAST_BAR = 28, 6, 2
_LABEL, _LEAST_LABEL = 36, 6
_WORDS, _LEAST_WORDS = 72, 12
_BODY = 78
"""Columns of what is laid out, behind an indent of two, where the terminal has no fewer."""
_LEAST_BODY = 24
_LEAST_TABLE = 60
_CLAIM = 60


class TextLayout:
    """The sections of a result for a terminal or a pipe; each section is text without a trailing newline.

    Args:
        whole: show whole comments and each community's own distribution, not only first words.
        trace: show whose comment each sentence of the answer comes from.
    """

    def __init__(self, out: Output, pool: Pool | None, *, whole: bool, trace: bool = False) -> None:
        self._out = out
        self._pool = pool
        self._whole = whole
        self._trace = trace
        # columns behind an indent of two; a pipe takes lines of any length
        self._room = None if out.columns is None else max(_LEAST_BODY, out.columns - 2)
        self._body = min(_BODY, self._room or _BODY)

    def opening(self, prompt: str) -> str:
        """Nothing: whoever asked knows the question."""
        del prompt
        return ""

    def chosen(self, selection: Selection) -> str:
        """Which community the LLM chose, and how surely."""
        return self._out.dim(f"Chosen: {chosen(selection)}")

    def closing(self, answer: str) -> str:
        """Nothing: an answer is text here."""
        del answer
        return ""

    def after(self, result: Result) -> Iterable[str]:
        """What follows the answer, or stands in its place for a distribution."""
        whole = self._whole or not (result.answer or result.distribution)
        if result.distribution is not None:
            yield self._estimate(result.distribution)
            if whole and result.distribution.per_community and not is_stand_in(result.distribution):
                yield per_community(result.distribution)
        if result.agreement is not None:
            yield self._agreed(result.agreement)
        if len(result.rounds) > 1:
            yield self._rounds(result.rounds)
        if result.window is not None and result.window.positions:
            yield self._positions(result.window, result.comments)
        if result.draws is not None and result.draws.positions:
            yield self._drawn(result.draws)
        if result.comments and (whole or result.distribution is None):
            yield self._heard(result.comments, whole)
        if self._trace and result.answer.strip():
            yield self._traced(result)

    def _agreed(self, agreement: Agreement) -> str:
        """Whether it is a consensus, and the ranking that it comes from."""
        from pluralism_local.deliberation.summary import headline, remarks
        from pluralism_local.deliberation.tables import text

        dot = " · " if self._out.unicode else ", "
        lines = [
            *wrap(headline(agreement), self._body),
            "",
            *(f"  {line}".rstrip() for line in text(agreement, max(_LEAST_TABLE, self._body))),
        ]
        notes = (f"  {line}" for remark in remarks(agreement, dot=dot) for line in wrap(remark, self._body))
        first, *others = lines
        return self._plain("\n".join([self._out.bold(first), *others, "", *notes]))

    def _rounds(self, rounds: Sequence[Round]) -> str:
        """What each voice did in each round."""
        from pluralism_local.deliberation.summary import changes, heard_positions, tally

        lines = [self._out.bold(ROUNDS)]
        for round in rounds[1:]:
            lines.append(f"  {tally(round)}")
            lines += [f"    {claim}" for claim in heard_positions(round, _CLAIM)]
            by_voice = changes(round)
            width = max((cells(voice) for voice, _ in by_voice), default=0)
            lines += [f"    {padded(voice, width)}  {words}" for voice, words in by_voice]
        return "\n".join(lines)

    def _plain(self, text: str) -> str:
        """`text` with letters that this terminal has."""
        return text if self._out.unicode else text.replace("α", "alpha").replace("∞", "infinity")

    def _positions(self, window: Window, comments: Sequence[Comment]) -> str:
        """The matrix, and what is to be said of it."""
        from pluralism_local.positions.matrix import text
        from pluralism_local.positions.summary import remarks

        unicode, pool = self._out.unicode, [comment.community for comment in comments]
        lines = [f"  {line}".rstrip() for line in text(window, self._body, unicode=unicode, pool=pool)]
        remarked = remarks(window, dot=" · " if unicode else ", ", width=_WORDS)
        notes = (f"  {line}" for remark in remarked for line in self._folded(remark))
        return "\n".join([self._out.bold(POSITIONS), *lines, "", *notes])

    def _drawn(self, draws: Draws) -> str:
        """How many comments take which position."""
        from pluralism_local.positions.shares import notes, text

        lines = [f"  {line}".rstrip() for line in text(draws, max(_LEAST_TABLE, self._body))]
        below = (f"  {line}" for note in notes(draws) for line in wrap(note, self._body))
        return "\n".join([self._out.bold(DRAWN), *lines, "", *below])

    def _traced(self, result: Result) -> str:
        from pluralism_local.conversation.trace import TITLES, trace_result

        lines = [self._out.bold(TITLES["words"])]
        for traced in trace_result(result):
            lines += [f"  {one_line(traced.sentence)}", f"    {source(traced)}"]
        return "\n".join(lines)

    def _estimate(self, aggregate: Aggregate) -> str:
        if is_stand_in(aggregate):
            return f"{self._out.bold(HEADING)}\n\n  {nothing(aggregate)}"
        percentages = [share(aggregate, index) for index in range(len(aggregate.options))]
        room = self._body - 4 - max(map(len, percentages))  # two columns on both sides of the bar
        label = min(_LABEL, max(_LEAST_LABEL, room - _SHORT_BAR))
        options = [one_line(option, label) for option in aggregate.options]
        width = max(map(cells, options))
        longest = min(_BAR, max(_LEAST_BAR, room - width))
        block = BLOCK if self._out.unicode else "#"
        lines = [self._out.bold(HEADING)]
        if aggregate.weights and self._pool is not None:
            lines += map(self._out.dim, self._folded(whose(self._pool)))
        lines.append("")
        for option, p, percentage in zip(options, aggregate.p, percentages, strict=True):
            drawn = bar(p, longest, block).ljust(longest)
            lines.append(f"  {padded(option, width)}  {drawn}  {percentage}")
        qualified = self._folded(facts(aggregate, " · " if self._out.unicode else ", "))
        agreed = [f"  {line}" for line in wrap(agreement(aggregate), self._body)]
        return "\n".join([*lines, "", *(f"  {self._out.dim(line)}" for line in qualified), *agreed])

    def _folded(self, text: str) -> list[str]:
        """`text` on lines that the terminal has room for."""
        return [text] if self._room is None else wrap(text, self._room, break_on_hyphens=False)

    def _heard(self, comments: Sequence[Comment], whole: bool) -> str:
        pool = f" (pool {self._pool.id})" if self._pool is not None else ""
        lines = [self._out.bold(f"Heard{pool}")]
        width = max(len(comment.community) for comment in comments)
        for comment in comments:
            qualifier = qualified(comment.side, comment.problem)
            remark = f"  [{qualifier}]" if qualifier else ""
            if whole:
                body = "\n".join(f"    {line}".rstrip() for line in clean(comment.text).strip().splitlines())
                lines += [f"  {comment.community}{remark}", *([body, ""] if body else [])]
            else:
                room = _WORDS if self._room is None else self._room - width - len(remark) - 4
                beginning = one_line(comment.text, max(_LEAST_WORDS, min(_WORDS, room)))
                words = f'  "{beginning}"' if comment.text.strip() else ""
                lines.append(f"  {comment.community.ljust(width)}{words}{remark}")
        return "\n".join(lines).rstrip()


def chosen(selection: Selection) -> str:
    """The chosen community with its probability, or how it was found without one, and the others."""
    if selection.probabilities is None:
        how = {
            "parsed": f'named by the LLM: "{first_words(selection.words)}"',
            "only": "the only one",
            "fallback": "the LLM named none of the communities; this is the pool's first",
        }.get(selection.method, selection.method)
        return f"{selection.community} ({how})"
    others = sorted(selection.probabilities.items(), key=lambda item: -item[1])
    rest = ", ".join(f"{name} {percent(p)}" for name, p in others if name != selection.community)
    own = percent(selection.probabilities.get(selection.community, 0.0))
    return f"{selection.community} {own}" + (f" (others: {rest})" if rest else "")


def source(traced: Traced) -> str:
    """``0.71  farmers: "…"``: the comment nearest to a sentence; or that none comes near."""
    from pluralism_local.conversation.trace import FAINT

    best = traced.nearest[0] if traced.nearest else None
    if best is None or best.score < FAINT["words"]:
        return f"no comment comes near (the nearest: {best.score if best else 0.0:.2f})"
    return f'{best.score:.2f}  {best.community}: "{first_words(best.sentence)}"'


ROUNDS = "Rounds, as a model reads the comments"
POSITIONS = "Positions, as a model reads the comments"
DRAWN = "Drawn comments, model estimate, not a survey of people"
HEADING = "Model estimate, not a survey of people"


def whose(pool: Pool) -> str:
    """Whose estimate it is, and what the weights claim; stands below `HEADING`."""
    weights = {round(member.weight, 9) for member in pool.members}
    count = len(pool.members)
    members = many(count, "community", "communities")
    kind = "equal weights" if len(weights) == 1 else "weighted"
    return f"pool {pool.id}: {members}, {kind}, {_claim(pool)}"


def _claim(pool: Pool) -> str:
    """What the pool's weights say about people, by the priors on its cards."""
    sources = {
        f"{prior.of} ({prior.source}{f', {prior.year}' if prior.year else ''})"
        for member in pool.members
        if (prior := member.community.card.prior) is not None
        and math.isclose(prior.weight, member.weight, abs_tol=0.005)
    }
    return f"shares of {'; '.join(sorted(sources))}" if sources else "no claim about any population"


def facts(aggregate: Aggregate, separator: str) -> str:
    """What qualifies the probabilities, in one line."""
    return separator.join(
        [
            f"outside the options {percent(aggregate.unassigned_mass)}",
            f"entropy {aggregate.entropy_nats:.2f} of {math.log(len(aggregate.options)):.2f} nats",
            *order_facts(aggregate),
            f"method {aggregate.method}",
        ]
    )


def agreement(aggregate: Aggregate) -> str:
    """That all communities give one answer, so that nobody takes their shares for a balance of opinions; else ""."""
    agreed = unanimous(aggregate)
    if agreed is None:
        return ""
    option, least = agreed
    return (
        f"All {len(aggregate.per_community)} communities agree on {one_line(option, _LABEL)}, {percent(least)} at "
        "least: that is no window of opinions."
    )


def order_facts(aggregate: Aggregate) -> list[str]:
    """How much the places of the options decided; nothing where they were asked in one order."""
    if aggregate.order_effect is None:
        return []
    return [f"order effect {percent(aggregate.order_effect)} over {len(aggregate.orders)} orders"]


def nothing(aggregate: Aggregate) -> str:
    """What is said of a distribution in which no option had any probability."""
    return f"{NO_ESTIMATE} (outside the options {percent(aggregate.unassigned_mass)})"


def shares(aggregate: Aggregate, community: str) -> list[str]:
    """A community's own probabilities; dashes where none of the options had any."""
    p = aggregate.per_community[community]
    return ["-"] * len(p) if community in aggregate.stand_ins else [percent(share) for share in p]


def per_community(aggregate: Aggregate) -> str:
    """A row of probabilities for each community, with its weight."""
    head = ["community", "weight", *(one_line(option, 16) for option in aggregate.options)]
    effects = ["order effect"] if aggregate.order_effects else []
    rows = [
        [
            name,
            percent(aggregate.weights.get(name, 0.0)),
            *shares(aggregate, name),
            *(own_effect(aggregate, name) for _ in effects),
        ]
        for name in aggregate.per_community
    ]
    return table(rows, [*head, *effects])


def own_effect(aggregate: Aggregate, community: str) -> str:
    """A community's own order effect; a dash where it has none."""
    effect = aggregate.order_effects.get(community)
    return "-" if effect is None else percent(effect)


def share(aggregate: Aggregate, index: int) -> str:
    """``54.2 %``, with its bounds where it is not exact."""
    text = percent(aggregate.p[index])
    if aggregate.bounds is None:
        return text
    low, high = aggregate.bounds[index]
    return f"{text} ({percent(low)} to {percent(high)})"


def first_words(text: str) -> str:
    """The beginning of `text` on one line."""
    return one_line(text, _WORDS)


def usage(result: Result) -> str:
    """Tokens by role and seconds by stage, in one line."""
    parts = [f"{role} {_tokens(used)}" for role, used in result.usage.items()]
    stages = ", ".join(f"{stage} {took:.1f} s" for stage, took in result.seconds.items() if stage != "total")
    total = result.seconds.get("total")
    if total is not None:
        parts.append(f"{total:.1f} s" + (f" ({stages})" if stages else ""))
    return "Usage: " + "; ".join(parts)


def _tokens(used: Usage) -> str:
    reused = f" ({used.reused} reused)" if used.reused else ""
    return f"{used.prompt} prompt tokens{reused} + {used.completion} new"
