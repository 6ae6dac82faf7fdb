"""How results look in a document: the same sections as `result_text.py`, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from pluralism_local.agreement import Agreement
from pluralism_local.cli.result_text import (
    DRAWN,
    HEADING,
    POSITIONS,
    ROUNDS,
    agreement,
    chosen,
    facts,
    first_words,
    nothing,
    own_effect,
    share,
    shares,
    source,
    whose,
)
from pluralism_local.deliberation.summary import headline
from pluralism_local.deliberation.summary import remarks as remarks_on_choice
from pluralism_local.deliberation.tables import markdown as ranking
from pluralism_local.deliberation.tables import rounds
from pluralism_local.display.figures import percent
from pluralism_local.display.markdown import closing, inline, quote
from pluralism_local.display.voices import qualified
from pluralism_local.modes.aggregate import is_stand_in
from pluralism_local.positions.matrix import markdown
from pluralism_local.positions.summary import remarks
from pluralism_local.results import Aggregate, Comment, Draws, Result, Selection, Window

if TYPE_CHECKING:
    from pluralism_local.communities import Pool


class MarkdownLayout:
    """The sections of a result for pasting into a document; see `result_text.TextLayout`."""

    def __init__(self, pool: Pool | None, *, whole: bool, trace: bool = False) -> None:
        self._pool = pool
        self._whole = whole
        self._trace = trace

    def opening(self, prompt: str) -> str:
        """The question, quoted."""
        return quote(prompt)

    def chosen(self, selection: Selection) -> str:
        """Which community the LLM chose, and how surely."""
        return f"**Chosen:** {inline(chosen(selection))}"

    def closing(self, answer: str) -> str:
        """What ends a code block that the answer leaves open."""
        return closing(answer)

    def after(self, result: Result) -> Iterable[str]:
        """What follows the answer, and a last line that says where it all came from."""
        whole = self._whole or not (result.answer or result.distribution)
        if result.distribution is not None:
            yield self._estimate(result.distribution)
            if whole and result.distribution.per_community and not is_stand_in(result.distribution):
                yield _per_community_section(result.distribution)
        if result.agreement is not None:
            yield _agreement_section(result.agreement)
        if len(result.rounds) > 1:
            yield f"### {ROUNDS}\n\n{rounds(result.rounds)}"
        if result.window is not None and result.window.positions:
            yield _positions_section(result.window)
        if result.draws is not None and result.draws.positions:
            yield _draws_section(result.draws)
        if result.comments and (whole or result.distribution is None):
            yield _comments_section(result.comments, whole)
        if self._trace and result.answer.strip():
            yield _trace_section(result)
        yield _signature(result)

    def _estimate(self, aggregate: Aggregate) -> str:
        if is_stand_in(aggregate):
            return f"**{HEADING}**\n\n{nothing(aggregate)}"
        about = f" ({inline(whose(self._pool))})" if aggregate.weights and self._pool is not None else ""
        rows = [(inline(option), share(aggregate, index)) for index, option in enumerate(aggregate.options)]
        parts = [f"**{HEADING}**{about}", _table(("option", "estimate"), rows), facts(aggregate, ", ")]
        return "\n\n".join([*parts, *([inline(sentence)] if (sentence := agreement(aggregate)) else [])])


def _agreement_section(agreement: Agreement) -> str:
    notes = "\n".join(f"- {inline(line)}" for line in remarks_on_choice(agreement))
    return f"**{inline(headline(agreement))}**\n\n{ranking(agreement)}\n\n{notes}"


def _positions_section(window: Window) -> str:
    notes = "\n".join(f"- {inline(line)}" for line in remarks(window))
    return f"### {POSITIONS}\n\n{markdown(window)}\n\n{notes}"


def _draws_section(draws: Draws) -> str:
    from pluralism_local.positions import shares

    notes = "\n".join(f"- {inline(note)}" for note in shares.notes(draws))
    return f"### {DRAWN}\n\n{shares.markdown(draws)}\n\n{notes}"


def _comments_section(comments: Sequence[Comment], whole: bool) -> str:
    blocks = ["### Heard", ""]
    for comment in comments:
        qualifier = qualified(comment.side, comment.problem)
        remark = f" *({qualifier})*" if qualifier else ""
        if whole:
            quoted = [quote(comment.text), ""] if comment.text.strip() else []
            blocks += [f"**{inline(comment.community)}**{remark}", "", *quoted]
        else:
            words = f": {inline(first_words(comment.text))}" if comment.text.strip() else ""
            blocks.append(f"- **{inline(comment.community)}**{words}{remark}")
    return "\n".join(blocks).rstrip()


def _trace_section(result: Result) -> str:
    from pluralism_local.conversation.trace import TITLES, trace_result

    lines = [f"### {TITLES['words']}", ""]
    for sentence in trace_result(result):
        lines += [f"- {inline(sentence.sentence)}", f"  - {inline(source(sentence))}"]
    return "\n".join(lines)


def _per_community_section(aggregate: Aggregate) -> str:
    effects = ("order effect",) if aggregate.order_effects else ()
    rows = [
        (
            inline(name),
            percent(aggregate.weights.get(name, 0.0)),
            *shares(aggregate, name),
            *(own_effect(aggregate, name) for _ in effects),
        )
        for name in aggregate.per_community
    ]
    return _table(("community", "weight", *map(inline, aggregate.options), *effects), rows)


def _signature(result: Result) -> str:
    parts = [result.mode, result.llm.id, f"seed {result.answer_sampling.seed}"]
    if result.pool:
        parts.insert(1, f"pool {result.pool}")
    return f"*{inline(', '.join(parts))}*"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
